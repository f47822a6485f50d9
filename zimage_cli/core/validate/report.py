"""Check all that a picture needs: without cost, and offline unless asked for more."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zimage_cli.core.advice import USAGE_STATUS, exit_status
from zimage_cli.core.drafts import make_writable_folder, write_whole
from zimage_cli.core.files import reason
from zimage_cli.core.history.file import HistoryFull, HistoryLocked
from zimage_cli.core.history.history import History
from zimage_cli.core.making import evidence, save
from zimage_cli.core.request.request import Request, prompt_warning
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, Settings, resolve
from zimage_cli.errors import ZimageError
from zimage_cli.messages import Message
from zimage_cli.text import visible
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from zimage_cli.core.validate.ping import Ping

OK, WARNING, FAILED = "ok", "warning", "failed"
COMPILED = "py_compile_ok"
REPORT = "validate.txt"
READY = Message("Ready.")
ONLINE = "online"

Asked = tuple[Mapping[str, object], Mapping[str, object]]
"""A request's fields, and the options that win over them."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it went, what was found, and what to do about it."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    hint: str | None = None
    error: ZimageError | None = None
    """What failed it, where that is known."""
    lacks: Message | None = None
    """What no picture can be made without, where that is missing and yet no failure."""

    @property
    def line(self) -> str:
        """Return the check as one line of the report."""
        return f"{self.status} {self.name}: {visible(self.detail)}"


@dataclass(frozen=True, slots=True)
class Report:
    """All checks in order, and the base folder that they are written under; None for nowhere."""

    checks: tuple[Check, ...]
    base: Path | None

    @property
    def errors(self) -> list[ZimageError]:
        """What failed."""
        return [check.error for check in self.checks if check.error is not None]

    @property
    def exit_status(self) -> int:
        """The exit status of PRODUCT's section 6: trouble on this machine outranks the service."""
        bad = [check for check in self.checks if check.status == FAILED]
        if any(check.name != ONLINE for check in bad):
            return USAGE_STATUS
        return max((exit_status(check.error) for check in bad if check.error), default=0)

    def write(self) -> None:
        """Write `validate.txt`, which is evidence too. Raises OSError or ValueError."""
        if self.base is not None:
            write_report(self.base, self.checks)


def validate(
    environment: Environment,
    flags: Flags,
    *,
    request: Callable[[], Asked] | None = None,
    preset: str | Sequence[str] = (),
    online: bool = False,
) -> Report:
    """Check installation and settings; a request too, and the service, where asked for.

    `preset` names what is put around the prompt. A failed check does not stop the others. What
    `request` raises fails the request's check.
    """
    checks, settings = [check_code()], None
    try:
        settings = resolve(environment, flags)
    except ZimageError as error:
        checks.append(failed("config", error))
    else:
        checks += check_settings(settings)
    if request is not None:
        try:
            # Where the settings are unusable, the request is looked at all the same, by itself.
            plain = settings or resolve(Environment({}, None), Flags())
            fields, overrides = request()
            presets = plain.presets(preset) if settings else ()
            asked = plain.request(fields, overrides=overrides, presets=presets)
            its_settings = plain.for_base_url(flags, asked.base_url)
        except ZimageError as error:
            checks.append(failed("request", error))
        else:
            checks += _request(asked)
            settings = settings and its_settings
    if online and settings is not None:
        checks += _online(settings)
    base: Path | None
    if settings is not None:
        base = settings.output_dir.value if settings.evidence.value else None
    else:
        base = Path(flags.output_dir or environment.get("OUTPUT_DIR") or "output")
    return Report(tuple(checks), base)


def verdict(checks: Sequence[Check]) -> Message:
    """Say whether a picture could be made now, and if not, why."""
    bad = [check.name for check in checks if check.status == FAILED]
    if len(bad) > 1:
        return Message("Not ready: {count} checks failed.", count=len(bad))
    if bad:
        return Message("Not ready: the check of {name} failed.", name=bad[0])
    return next((check.lacks for check in checks if check.lacks is not None), READY)


def failed(name: str, error: ZimageError) -> Check:
    """Return a check that an error failed."""
    return Check(name, "failed", error.message, error.hint, error)


def check_code() -> Check:
    """Compile every module of the package, without writing anything."""
    root = Path(__file__).parents[2]
    for path in sorted(root.rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError) as error:
            return Check(
                "code", "failed", f"{path}: {error}", "Install it again: pip install -U zimage-cli"
            )
    python = ".".join(map(str, sys.version_info[:3]))
    return Check("code", "ok", f"zimage {__version__}, Python {python}")


def check_settings(settings: Settings) -> Iterator[Check]:
    """Check what the resolver found: file, region, endpoint, key, folder, history."""
    path = settings.config.path
    where = str(path) if path and path.exists() else "no config file; defaults and environment"
    if settings.warnings:
        yield Check("config", "warning", f"{where}; {'; '.join(settings.warnings)}")
    else:
        yield Check("config", "ok", where)
    target = settings.target
    yield Check("region", "ok", f"{target.region_name} ({settings.region.source})")
    yield Check(
        "endpoint",
        "ok",
        f"{target.endpoint}: {target.api_root or 'inside zimage'} ({settings.endpoint.source})",
    )
    yield _key(settings)
    yield _folder(settings.output_dir.value)
    yield _history(settings)


def write_report(base: Path, checks: Sequence[Check]) -> Path:
    """Write `validate.txt` under a base folder and return its path. Raises OSError.

    Its first line is `py_compile_ok` where the package compiles, its last one the verdict.
    """
    code = next((check for check in checks if check.name == "code"), None)
    first = COMPILED if code is not None and code.status == OK else "py_compile_failed"
    path = base / evidence.FOLDER / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([first, *(check.line for check in checks), str(verdict(checks))]) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))
    return path


def _request(asked: Request) -> Iterator[Check]:
    seed = "drawn when sent" if asked.seed is None else str(asked.seed)
    extend = ", prompt_extend" if asked.prompt_extend else ""
    preset = f", preset {asked.origin.preset}" if asked.origin.preset else ""
    yield Check("request", "ok", f"{asked.size}, seed {seed}{extend}{preset}")
    warning = prompt_warning(asked.prompt)
    if warning:
        yield Check("prompt", "warning", warning)


def _online(settings: Settings) -> Iterator[Check]:
    """Ask the active region; where it refuses the key the others too, each with its own key."""
    from zimage_cli.core.validate.ping import ping, ping_others

    try:
        answer = ping(settings)
    except ZimageError as error:
        yield failed(ONLINE, error)
        return
    yield _answered(ONLINE, answer) if answer.error is None else failed(ONLINE, answer.error)
    if answer.key_accepted is False:
        for other in ping_others(settings):
            name = f"{ONLINE} {other.region}"
            if other.error is None:
                yield _answered(name, other, f"zimage config set-region {other.region}")
            else:
                yield Check(name, "warning", other.error.message)


def _answered(name: str, answer: Ping, hint: str | None = None) -> Check:
    detail = (
        f"{answer.origin}: reachable, key accepted, model visible; "
        f"connect {answer.connect_ms:.0f} ms, answer {answer.answer_ms:.0f} ms"
    )
    return Check(name, "ok", detail, hint)


def _key(settings: Settings) -> Check:
    if settings.target.is_sandbox:
        return Check("key", "ok", "the sandbox needs none")
    try:
        found = settings.key()
    except ZimageError as error:
        return failed("key", error)
    if found is None:
        region = settings.target.region_name
        way = f"zimage config set-key --region {settings.target.key_region}"
        lacks = Message("Not ready: no key for {region}. {command}", region=region, command=way)
        return Check("key", "warning", f"none for {region}", way, lacks=lacks)
    return Check("key", "ok", f"{found.value.masked} ({found.source})")


def _folder(base: Path) -> Check:
    folder = base / save.FOLDER
    try:
        make_writable_folder(folder)
    except ZimageError as error:
        return failed("output", error)
    return Check("output", "ok", f"{folder.absolute()} is writable")


def _history(settings: Settings) -> Check:
    path = settings.environment.history_file()
    hint = "Pictures are still made and saved; what is made is not remembered."
    if path is None:
        return Check("history", "warning", "no home folder is known", hint)
    try:
        History(path, patience=1).close()
        if not os.access(path, os.W_OK):
            return Check("history", "warning", f"{path} is read-only", hint)
    except (HistoryLocked, HistoryFull) as error:
        return Check(
            "history", "warning", f"{error.message} Until then nothing is sent.", error.hint
        )
    except ZimageError as error:
        return Check("history", "warning", error.message, hint)
    except OSError as error:
        return Check("history", "warning", f"{path}: {reason(error)}", hint)
    return Check("history", "ok", str(path))
