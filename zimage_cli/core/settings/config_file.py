"""config.toml, read strictly. The file holds keys: it is never quoted in an error.

`config_change` changes it.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api.endpoint import REGION_NAMES, SANDBOX, find_region
from zimage_cli.core import files
from zimage_cli.core.settings.checks import shown
from zimage_cli.core.settings.key import Key, check_key
from zimage_cli.core.settings.reason import reason
from zimage_cli.core.settings.table import TABLE
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import clip, redact, visible

if TYPE_CHECKING:
    from zimage_cli.core.request.presets import Preset

KEYS = "keys"
WORKSPACES = "workspaces"
PRESET = "preset"
TABLES = (KEYS, WORKSPACES, PRESET)
"""Tables of region → key, region → workspace and name → preset."""

MAX_BYTES = 1024 * 1024


class Config(NamedTuple):
    """What config.toml says, checked; empty where there is no file.

    `values` holds settings by name, `keys` and `workspaces` are by region name, `presets` by their
    own.
    """

    path: Path | None = None
    values: Mapping[str, Any] = {}
    keys: Mapping[str, Key] = {}
    workspaces: Mapping[str, str] = {}
    warnings: tuple[Message, ...] = ()
    presets: Mapping[str, Preset] = {}


def read(path: Path | None) -> Config:
    """Read and check a config file; a missing one is empty.

    Raises ConfigurationError that names the file and, for each problem, line, name, what was given
    and what is allowed.
    """
    text = read_text(path) if path else ""
    if path is None or not text:
        return Config(path)
    config = check(text, path)
    url = config.values.get("pace_url")
    secret = config.keys or (url is not None and url.has_password)
    warning = _permission_warning(path, keys=bool(config.keys)) if secret else None
    return config._replace(warnings=(warning,)) if warning else config


def check(text: str, path: Path) -> Config:
    """Check the text of a config file, to be known as `path` in errors. Raises as `read` does."""
    document = parse(text, path)
    problems: list[Message] = []
    values: dict[str, Any] = {}
    keys: dict[str, Key] = {}
    workspaces: dict[str, str] = {}
    presets: dict[str, Preset] = {}

    def note(table: str | None, name: str, why: Message) -> None:
        line = _line_of(text, table, name)
        if line is None and table is not None and "." in table:
            # A preset on one line: `ink = { … }`.
            line = _line_of(text, *table.split(".", 1))
        problems.append(
            Message("{path}, line {line}: {why}", path=path, line=line, why=why)
            if line
            else Message("{path}: {why}", path=path, why=why)
        )

    for name, value in document.items():
        try:
            if name == KEYS:
                keys = _by_region(KEYS, value, _stored_key, note)
            elif name == WORKSPACES:
                workspaces = _by_region(WORKSPACES, value, _workspace, note)
            elif name == PRESET:
                presets = _presets(value, note)
            elif name in TABLE and TABLE[name].toml:
                values[name] = _typed(name, value)
            else:
                raise _unknown(name)
        except ZimageError as error:
            note(None, name, error.message)
    if problems:
        # The facts of what is wrong are those of the error, where it is the only one.
        facts = problems[0].facts["why"].facts if len(problems) == 1 else {}
        raise ConfigurationError(
            "{problems}",
            hint="Correct it: zimage config edit",
            **{**facts, "problems": Listing("\n", problems)},
        )
    return Config(path, values, keys, workspaces, presets=presets)


def read_text(path: Path) -> str:
    """Return the file's text, empty where there is none. Raises ConfigurationError."""
    try:
        # Asked before it is opened: opening a named pipe would wait for a writer.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            folder = stat.S_ISDIR(mode)
            why = Message("it is a folder") if folder else Message("it is not a regular file")
            raise _unreadable(path, why)
        return files.read_text(path, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except files.TooLarge:
        raise _unreadable(path, Message("larger than any config file")) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "{path}, line {line}: it is not UTF-8 text",
            hint="Save it as UTF-8.",
            path=path,
            line=error.object.count(b"\n", 0, error.start) + 1,
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, reason(error)) from None


def _unreadable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "{path} cannot be read: {why}",
        hint="Correct or remove it; see where it is looked for: zimage config path",
        path=path,
        why=why,
    )


def parse(text: str, path: Path) -> dict[str, Any]:
    """Return the document of a text, unchecked. Raises ConfigurationError with the line."""
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        why: str = Message("nested too deeply")
    except ValueError as error:
        why = str(error)
    hint = Message("Correct it: zimage config edit")
    where = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", why)
    if where is None:
        raise ConfigurationError("{path}: not valid TOML: {why}", hint=hint, path=path, why=why)
    raise ConfigurationError(
        "{path}, line {line}: not valid TOML: {why}",
        hint=hint,
        path=path,
        line=where[1] or text.rstrip().count(chr(10)) + 1,
        why=why[: where.start()],
    )


def _typed(name: str, value: object) -> object:
    declared = TABLE[name]
    assert declared.toml is not None
    allowed, words = declared.toml
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UsageError(
            "{field}: {value} is of the wrong type; allowed: {allowed}",
            field=name,
            value=shown(value),
            allowed=words,
        )
    return declared.check(name, value)


def _presets(value: object, note: Callable[[str | None, str, Message], None]) -> dict[str, Preset]:
    from zimage_cli.core.request.presets import read_preset

    if not isinstance(value, dict):
        why = Message("{table}: not a table; allowed: [{table}.NAME]", table=PRESET)
        note(None, PRESET, why)
        return {}
    found: dict[str, Preset] = {}
    for name, table in value.items():
        try:
            preset = read_preset(name, table)
            found[preset.name] = preset
        except UsageError as error:
            for problem in getattr(error, "problems", (error,)):
                named = problem.but(
                    "[{table}.{name}] {cause}", table=PRESET, name=_shown_name(name)
                )
                note(f"{PRESET}.{name}", str(problem.facts.get("field")), named.message)
    return found


def _shown_name(name: str) -> str:
    """Return a name of the file as an error may say it: short, visible, and a key masked."""
    return visible(clip(redact(name[:2000]), 60))


def _by_region(
    table: str,
    value: object,
    read_one: Callable[[object], Any],
    note: Callable[[str | None, str, Message], None],
) -> dict[str, Any]:
    if not isinstance(value, dict):
        why = Message("{table}: not a table; allowed: [{table}] with a line a region", table=table)
        note(None, table, why)
        return {}
    found: dict[str, Any] = {}
    for name, one in value.items():
        try:
            region = _region_of(table, name, found)
            try:
                found[region] = read_one(one)
            except UsageError as error:
                raise error.but(
                    "[{table}] {name}: {cause}", table=table, name=redact(name)
                ) from None
        except UsageError as error:
            note(table, name, error.message)
    return found


def _region_of(table: str, name: str, found: Mapping[str, Any]) -> str:
    region = find_region(name)
    if region is None:
        template = "[{table}] {value}: not a region; allowed: {allowed}"
        if name == SANDBOX:
            template = "[{table}] {value}: it needs none; allowed: {allowed}"
        allowed = Listing(", ", REGION_NAMES)
        raise UsageError(template, table=table, value=shown(name), allowed=allowed)
    if region.name in found:
        raise UsageError(
            "[{table}] {name}: {region} is given twice, by name and by id",
            table=table,
            name=redact(name),
            region=region.name,
        )
    return region.name


def _stored_key(value: object) -> Key:
    if not isinstance(value, str):
        raise UsageError("the key is not text in quotes")
    return Key(check_key(value))


def _workspace(value: object) -> str:
    return str(TABLE["workspace"].check("workspace", value))


def _unknown(name: str) -> UsageError:
    import difflib

    known = [setting for setting, declared in TABLE.items() if declared.toml]
    allowed = Listing(", ", ((*known, *(f"[{table}]" for table in TABLES))))
    near = difflib.get_close_matches(name, (*known, *TABLES), n=1)
    template = "{value} is not a setting; allowed: {allowed}"
    if name == "workspace":
        template = (
            "{value} is not a setting; a workspace belongs to a region: "
            "zimage config set-workspace; allowed: {allowed}"
        )
    elif name in {"key", "api_key"}:
        template = (
            "{value} is not a setting; a key belongs to a region: "
            "zimage config set-key; allowed: {allowed}"
        )
    elif near:
        return UsageError(
            "{value} is not a setting; did you mean {nearest}?; allowed: {allowed}",
            value=shown(name),
            nearest=near[0],
            allowed=allowed,
        )
    return UsageError(template, value=shown(name), allowed=allowed)


def _line_of(text: str, table: str | None, name: str) -> int | None:
    """Return the line where a name is given, for errors: right for all but the oddest layouts."""
    spelled = rf"(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')"
    dotted = rf"{re.escape(table)}\s*\.\s*{spelled}" if table else spelled
    inside = ""
    fallback = None
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
        if header:
            inside = re.sub(r"[\"'\s]", "", header[1])
            if (table or name) == inside or inside.startswith(f"{name}."):
                fallback = fallback or number
            continue
        wanted = spelled if inside == (table or "") else dotted
        if (not inside or inside == table) and re.match(rf"\s*{wanted}\s*[=.]", line):
            return number
        if table and not inside and re.match(rf"\s*{re.escape(table)}\s*=", line):
            fallback = fallback or number
    return fallback


def _permission_warning(path: Path, *, keys: bool) -> Message | None:
    if sys.platform == "win32":
        return None
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & 0o077:
        return None
    template = "{path} holds keys and can be read by others (mode {mode:03o}): chmod 600 '{path}'"
    if not keys:
        template = (
            "{path} holds a password and can be read by others (mode {mode:03o}): "
            "chmod 600 '{path}'"
        )
    return Message(template, path=path, mode=mode)
