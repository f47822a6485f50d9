"""API keys: where they are found.

Sources, in order: `DASHSCOPE_API_KEY`, `DASHSCOPE_API_KEY_FILE_PATH`, `[keys]` of config.toml (one
a region), `~/.alibabacloud/credentials`, `~/.dashscope/api_key`. The last two and the variables are
what Alibaba Cloud's own tools use. Every error here is raised `from None`: the exceptions of
parsers quote the line they failed on, and that line holds a key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import find_region
from zimage_cli.core.files import TooLarge, read_text
from zimage_cli.core.settings.key import (
    CODING_PLAN,
    CODING_PLAN_REASON,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Key,
    pages_hint,
    shape_problem,
)
from zimage_cli.core.settings.reason import reason
from zimage_cli.core.settings.source import CONFIG, Kind, Source
from zimage_cli.errors import AuthenticationError, ConfigurationError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.settings.config_file import Config
    from zimage_cli.core.settings.environment import Environment

PROFILE_VARIABLES = ("ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE")
_MAX_FILE = 64 * 1024


def find_key(
    environment: Environment, config: Config, region: str, *, own_host: bool = True
) -> tuple[Key, Source] | None:
    """Return the key for a region's name and where it was found, or None.

    A Coding Plan key is refused for the service's own hosts; `own_host` is False for a base URL
    elsewhere, which may take anything that fits into a header. Raises AuthenticationError for a key
    that cannot be used and ConfigurationError for a file that cannot be read.
    """
    found = (
        _from_variable(environment)
        or _from_named_file(environment)
        or _from_config(config, region)
        or _from_credentials(environment)
        or _from_sdk_file(environment)
    )
    if found is None:
        return None
    text, source = found
    return usable_key(text, source, region, own_host=own_host), source


def usable_key(text: str, source: Source, region: str, *, own_host: bool) -> Key:
    """Return a key that a request can be sent with; as `find_key`, which knows where it is from."""
    why = shape_problem(text)
    if why is None and own_host and text.startswith(CODING_PLAN):
        why = CODING_PLAN_REASON
    if why is not None:
        raise AuthenticationError(
            "the key from {source} {why}", hint=pages_hint(region), source=source.said, why=why
        )
    return Key(text)


def missing_key_error(region: str) -> AuthenticationError:
    """Return the error for a region without a key: it names both ways out."""
    known = find_region(region)
    if known is None:
        return AuthenticationError(
            "no API key was found for this base URL",
            hint="Set DASHSCOPE_API_KEY, or try without a key: --sandbox",
        )
    return AuthenticationError(
        "no API key was found for {region} (keys belong to one region)",
        hint="Set one: zimage config set-key --region {region} (make it at {page}), "
        "or set DASHSCOPE_API_KEY. Or try without a key: --sandbox",
        region=known.name,
        page=known.key_page,
    )


def _from_variable(environment: Environment) -> tuple[str, Source] | None:
    text = environment.get(KEY_VARIABLE)
    return (text.strip(), Source(Kind.ENVIRONMENT, KEY_VARIABLE)) if text else None


def _from_named_file(environment: Environment) -> tuple[str, Source] | None:
    name = environment.get(KEY_FILE_VARIABLE)
    if not name:
        return None
    path = environment.expand(name.strip())
    facts: dict[str, Any] = {
        "variable": KEY_FILE_VARIABLE,
        "path": path,
        "hint": Message("Correct or unset {variable}.", variable=KEY_FILE_VARIABLE),
    }
    try:
        text = _read(path)
    except FileNotFoundError:
        raise AuthenticationError(
            "the file of environment {variable} does not exist: {path}", **facts
        ) from None
    except (OSError, ValueError) as error:
        raise AuthenticationError(
            "the file of environment {variable} cannot be read: {path}: {why}",
            why=reason(error),
            **facts,
        ) from None
    if not text:
        raise AuthenticationError("the file of environment {variable} is empty: {path}", **facts)
    return text, Source(Kind.ENVIRONMENT, KEY_FILE_VARIABLE)


def _from_config(config: Config, region: str) -> tuple[str, Source] | None:
    key = config.keys.get(region)
    return (key.reveal(), CONFIG) if key else None


def _from_credentials(environment: Environment) -> tuple[str, Source] | None:
    if environment.home is None:
        return None
    path = environment.home / ".alibabacloud" / "credentials"
    text = _read_optional(path)
    if not text:
        return None
    import configparser

    # No default section: `[DEFAULT]` would lend its key to every other profile.
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ConfigurationError(
            "{place}: not a credentials file (INI: a [profile] line, then lines of key = value)",
            hint="Correct the file, or set DASHSCOPE_API_KEY.",
            place=_ini_place(path, error),
        ) from None
    named = (environment.get(name) for name in PROFILE_VARIABLES)
    profile = next((name.strip() for name in named if name), "default")
    key = parser.get(profile, "dashscope_api_key", fallback="").strip()
    return (key, Source(Kind.FILE, f"{path} [{profile}]")) if key else None


def _ini_place(path: Path, error: Exception) -> Message:
    errors = getattr(error, "errors", None)
    line = errors[0][0] if errors else getattr(error, "lineno", None)
    return Message("{path}, line {line}" if line else "{path}", path=path, line=line)


def _from_sdk_file(environment: Environment) -> tuple[str, Source] | None:
    if environment.home is None:
        return None
    path = environment.home / ".dashscope" / "api_key"
    text = _read_optional(path)
    return (text, Source(Kind.FILE, str(path))) if text else None


def _read_optional(path: Path) -> str | None:
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "{path} cannot be read: {why}",
            hint="Correct or remove the file, or set DASHSCOPE_API_KEY.",
            path=path,
            why=reason(error),
        ) from None


def _read(path: Path) -> str:
    if path.is_dir():
        raise IsADirectoryError(None, Message("it is a folder"))
    try:
        return read_text(path, _MAX_FILE).strip()
    except TooLarge:
        raise OSError(None, Message("it is too large for a key")) from None
