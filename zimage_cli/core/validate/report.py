"""Check all that a picture needs: without cost, and offline unless asked for more."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zimage_cli.core.advice import USAGE_STATUS, exit_status
from zimage_cli.core.drafts import make_writable_folder, remove_abandoned, write_whole
from zimage_cli.core.files import reason
from zimage_cli.core.history.file import HistoryFull, HistoryLocked
from zimage_cli.core.history.history import History
from zimage_cli.core.making import evidence, save
from zimage_cli.core.request.request import Request, prompt_warning
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, Settings, resolve
from zimage_cli.core.settings.source import Source
from zimage_cli.errors import ZimageError
from zimage_cli.messages import Listing, Message, counted
from zimage_cli.text import visible
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from zimage_cli.core.validate.ping import Ping

OK, WARNING, FAILED = "ok", "warning", "failed"
COMPILED = "py_compile_ok"
REPORT = "validate.txt"
READY = Message("Ready.")
NOT_READY = Message("Not ready:")
ONLINE = Message("online")

Asked = tuple[Mapping[str, object], Mapping[str, object]]
"""A request's fields, and the options that win over them."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it went, what was found, and what to do about it."""

    name: Message
    status: Literal["ok", "warning", "failed"]
    detail: Message
    hint: Message | None = None
    error: ZimageError | None = None
    """What failed it, where that is known."""
    lacks: Message | None = None
    """What no picture can be made without, where that is missing and yet no failure."""

    @property
    def line(self) -> str:
        """Return the check as one line of the report: in English."""
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
        checks.append(failed(Message("config"), error))
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
            checks.append(failed(Message("request"), error))
        else:
            checks += _request(asked)
            settings = settings and its_settings
    if online and settings is not None:
        checks += _online(settings)
        checks += _pace(settings)
    base: Path | None
    if settings is not None:
        base = settings.output_dir.value if settings.evidence.value else None
    else:
        base = Path(flags.output_dir or environment.get("OUTPUT_DIR") or "output")
    return Report(tuple(checks), base)


def obstacle(checks: Sequence[Check]) -> Message | None:
    """Say why no picture could be made now; None where one could."""
    bad = [check.name for check in checks if check.status == FAILED]
    if len(bad) > 1:
        return Message("{count} checks failed.", count=len(bad))
    if bad:
        return Message("the check of {name} failed.", name=bad[0])
    return next((check.lacks for check in checks if check.lacks is not None), None)


def verdict(checks: Sequence[Check]) -> Message:
    """Say whether a picture could be made now, and if not, why."""
    why = obstacle(checks)
    return READY if why is None else Message("{label} {why}", label=NOT_READY, why=why)


def failed(name: Message, error: ZimageError) -> Check:
    """Return a check that an error failed."""
    return Check(name, "failed", error.message, error.hint, error)


def check_code() -> Check:
    """Compile every module of the package, without writing anything."""
    root = Path(__file__).parents[2]
    for path in sorted(root.rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError) as error:
            found = Message("{path}: {why}", path=path, why=error)
            again = Message("Install it again: pip install -U zimage-cli")
            return Check(Message("code"), "failed", found, again)
    python = ".".join(map(str, sys.version_info[:3]))
    found = Message("zimage {version}, Python {python}", version=__version__, python=python)
    return Check(Message("code"), "ok", found)


def check_settings(settings: Settings) -> Iterator[Check]:
    """Check what the resolver found: file, region, endpoint, key, folder, history."""
    path = settings.config.path
    name, where = Message("config"), Message("no config file; defaults and environment")
    if path and path.exists():
        where = Message("{path}", path=path)
    if settings.warnings:
        warned = Message(
            "{where}; {warnings}", where=where, warnings=Listing("; ", settings.warnings)
        )
        yield Check(name, "warning", warned)
    else:
        yield Check(name, "ok", where)
    target = settings.target
    yield Check(Message("region"), "ok", _with_source(target.region_name, settings.region.origin))
    root = target.api_root or Message("inside zimage")
    calls = Message("{endpoint}: {root}", endpoint=target.endpoint, root=root)
    yield Check(Message("endpoint"), "ok", _with_source(calls, settings.endpoint.origin))
    yield _key(settings)
    yield _folder(settings.output_dir.value)
    yield _history(settings)


def _with_source(value: str, source: Source) -> Message:
    return Message("{value} ({source})", value=value, source=source.said)


def write_report(base: Path, checks: Sequence[Check]) -> Path:
    """Write `validate.txt` under a base folder and return its path. Raises OSError.

    Its first line is `py_compile_ok` where the package compiles, its last one the verdict.
    """
    code = next((check for check in checks if check.name == "code"), None)
    first = COMPILED if code is not None and code.status == OK else "py_compile_failed"
    path = base / evidence.FOLDER / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of a report, or of evidence, whose process was killed.
    remove_abandoned(path.parent)
    text = "\n".join([first, *(check.line for check in checks), str(verdict(checks))]) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))
    return path


def _request(asked: Request) -> Iterator[Check]:
    seed = Message("seed {seed}", seed=asked.seed)
    parts = [asked.size, Message("seed drawn when sent") if asked.seed is None else seed]
    if asked.prompt_extend:
        parts.append("prompt_extend")
    if asked.origin.preset:
        parts.append(Message("preset {name}", name=asked.origin.preset))
    yield Check(Message("request"), "ok", Message("{parts}", parts=Listing(", ", parts)))
    warning = prompt_warning(asked.prompt)
    if warning:
        yield Check(Message("prompt"), "warning", warning)


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
            name = Message("online {region}", region=other.region)
            if other.error is None:
                way = Message("zimage config set-region {region}", region=other.region)
                yield _answered(name, other, way)
            else:
                yield Check(name, "warning", other.error.message)


def _pace(settings: Settings) -> Iterator[Check]:
    """Ask the Redis of a shared pace whether it answers, and how many take turns."""
    url = settings.pace_url.value
    if url is None or settings.target.is_sandbox or not settings.rps.value:
        return
    from zimage_cli.core.making.pace.link import Link, account_name

    try:
        key = settings.key()
    except ZimageError:
        # The check of the key has said so.
        key = None
    name = account_name(settings.pace_account.value, key.value.reveal() if key else "")
    try:
        link = Link(url, name, "validate", settings.rps.value)
        try:
            answer = link.say("bye")
        finally:
            link.close()
    except ZimageError as error:
        yield failed(Message("pace"), error)
        return
    yield Check(
        Message("pace"),
        "ok",
        counted(
            answer.processes,
            "{where}: answers in {trip:.1f} ms; {count} process takes turns",
            "{where}: answers in {trip:.1f} ms; {count:,} processes take turns",
            where=str(url),
            trip=1000 * answer.trip,
        ),
    )


def _answered(name: Message, answer: Ping, hint: Message | None = None) -> Check:
    detail = Message(
        "{origin}: reachable, key accepted, model visible; "
        "connect {connect:.0f} ms, answer {answer:.0f} ms",
        origin=answer.origin,
        connect=answer.connect_ms,
        answer=answer.answer_ms,
    )
    return Check(name, "ok", detail, hint)


def _key(settings: Settings) -> Check:
    name = Message("key")
    if settings.target.is_sandbox:
        return Check(name, "ok", Message("the sandbox needs none"))
    try:
        found = settings.key()
    except ZimageError as error:
        return failed(name, error)
    if found is None:
        region = settings.target.region_name
        way = Message("zimage config set-key --region {region}", region=settings.target.key_region)
        lacks = Message("no key for {region}. {command}", region=region, command=way)
        none = Message("none for {region}", region=region)
        return Check(name, "warning", none, way, lacks=lacks)
    return Check(name, "ok", _with_source(found.value.masked, found.origin))


def _folder(base: Path) -> Check:
    name, folder = Message("output"), base / save.FOLDER
    try:
        make_writable_folder(folder)
    except ZimageError as error:
        return failed(name, error)
    return Check(name, "ok", Message("{folder} is writable", folder=folder.absolute()))


def _history(settings: Settings) -> Check:
    name, path = Message("history"), settings.environment.history_file()
    hint = Message("Pictures are still made and saved; what is made is not remembered.")
    if path is None:
        return Check(name, "warning", Message("no home folder is known"), hint)
    try:
        History(path, patience=1).close()
        if not os.access(path, os.W_OK):
            return Check(name, "warning", Message("{path} is read-only", path=path), hint)
    except (HistoryLocked, HistoryFull) as error:
        found = Message("{cause} Until then nothing is sent.", cause=error.message)
        return Check(name, "warning", found, error.hint)
    except ZimageError as error:
        return Check(name, "warning", error.message, hint)
    except OSError as error:
        found = Message("{path}: {why}", path=path, why=reason(error))
        return Check(name, "warning", found, hint)
    return Check(name, "ok", Message("{path}", path=path))
