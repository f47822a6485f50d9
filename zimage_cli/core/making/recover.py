"""Get a picture that was made and never saved, within the 24 hours that the service keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.core.drafts import is_held, tagged
from zimage_cli.core.files import reason, sync_folder
from zimage_cli.core.history.database import now
from zimage_cli.core.history.entry import moment, why_refused
from zimage_cli.core.making import evidence
from zimage_cli.core.making.evidence import saved_facts
from zimage_cli.core.making.fetching import Finish, fetch_and_keep, part_of
from zimage_cli.core.making.save import FolderPlace
from zimage_cli.core.request.names import NameTemplate, numbered
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status
from zimage_cli.errors import AddressRefused, ConfigurationError, DiskError, NotSavedError

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.png import PngInfo
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History
    from zimage_cli.core.recipe.recipe import Recipe
    from zimage_cli.messages import Message

WHERE_IT_WENT = "Where it went, when that has ended: zimage history show {number}"

_OVER = "To pay for another: zimage generate --like {number}"
_GONE_AFTER_ITS_DAY = frozenset({403, 404, 410})


class TakenError(NotSavedError):
    """Another process is fetching the picture right now."""


def recover(
    book: History,
    wire: Wire,
    entry: Entry,
    folder: Path | None,
    *,
    default_folder: Path,
    looked: bool = False,
    on_progress: Callable[[int, int | None], None] = lambda _received, _total: None,
    tell: Callable[[Message], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch one picture and save it where it was meant to go, or into `folder`; return its path.

    Nothing is paid again. A picture that got its name just before its process died is found there,
    and so is one that another process has saved meanwhile. `looked`: the folder is known to take
    pictures, and `find_saved` has not found this one. `tell` hears what is worth knowing of its
    finishing, which is as its row has it. Raises NotSavedError, or UsageError where the
    folder cannot be written.
    """
    with _claimed(book, entry) as saved:
        wanted = wanted_path(entry, folder, default_folder)
        there = saved
        if there is None and not looked:
            there = _already_there(book, entry, wanted)
            if there is None:
                FolderPlace(wanted.parent).prepare()
        return there or _fetch(book, wire, entry, wanted, on_progress, tell, sleep)


@contextmanager
def _claimed(book: History, entry: Entry) -> Iterator[Path | None]:
    """Claim a picture for this process; yield its path where another has saved it meanwhile.

    Raises TakenError where another process fetches it right now.
    """
    if not book.claim(entry.id):
        row = book.entry(entry.id)
        if row is not None and row.status == Status.SAVED and row.path:
            yield Path(row.path)
            return
        raise TakenError(
            "Another zimage is fetching {number} right now.", hint=WHERE_IT_WENT, number=entry.id
        )
    try:
        yield None
    finally:
        book.release(entry.id)


def find_saved(book: History, entry: Entry, default_folder: Path) -> Path | None:
    """Find a picture that got its name just before its process died, and note it; None where not.

    Not for two equal pictures at the same time: each would be taken for the other.
    """
    return _already_there(book, entry, wanted_path(entry, None, default_folder))


def _is_of(entry: Entry, path: Path) -> Fetched | None:
    """Return what a file on disk is, None where it is not the picture that the history knows."""
    from zimage_cli.core.making.examine import examine, examine_converted

    if path.stat().st_size != entry.bytes:
        return None
    with path.open("rb") as file:
        found = examine(file) or examine_converted(file)
    if found is None or found.sha256 != entry.sha256:
        return None
    return replace(found, served_sha256=entry.served_sha256)


def _already_there(book: History, entry: Entry, wanted: Path) -> Path | None:
    if entry.sha256 is None:
        return None
    # What could not be converted is called a PNG.
    for first in dict.fromkeys((wanted, wanted.with_suffix(".png"))):
        number, path = 1, first
        while path.is_file():
            if book.whose(str(path.absolute())) is None and (fetched := _is_of(entry, path)):
                _keep(book, entry, path.absolute(), fetched)
                return path.absolute()
            number += 1
            path = numbered(first, number)
    return None


def _keep(book: History, entry: Entry, path: Path, fetched: Fetched) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise DiskError(
            "{path} cannot be written: {why}.", path=path.parent, why=reason(error)
        ) from None
    _note(book, entry, path, fetched)
    # What was fetched, beside what was made of it.
    is_held(tagged(path.parent, part_of(entry.image_url or "")))


def _fetch(
    book: History,
    wire: Wire,
    entry: Entry,
    wanted: Path,
    on_progress: Callable[[int, int | None], None],
    tell: Callable[[Message], None],
    sleep: Callable[[float], None],
) -> Path:
    refused = why_refused(entry)
    if refused is not None:
        raise _given_up(book, entry, AddressRefused("{why}", why=refused))
    try:
        fetched, kept = fetch_and_keep(
            wire,
            entry.image_url or "",
            FolderPlace(wanted.parent),
            str(wanted),
            Finish(Wish.read(entry.finish).to(str(wanted)), partial(_recipe, entry), tell),
            loopback=entry.loopback,
            note=lambda fetched: book.fetched(entry.id, fetched),
            on_progress=on_progress,
            sleep=sleep,
        )
    except NotSavedError as error:
        if _is_over(entry, error):
            raise _given_up(book, entry, error) from None
        raise
    except ValueError as error:
        # Somebody wrote a name into the history that no file can have.
        raise NotSavedError(
            "{path} could not be written: {why}.", path=wanted, why=reason(error)
        ) from None
    path = Path(kept).absolute()
    _note(book, entry, path, fetched)
    return path


def _recipe(entry: Entry, info: PngInfo) -> Recipe:
    from zimage_cli.core.recipe.recipe import Recipe

    return Recipe.of(
        _request(entry),
        info,
        region=entry.region,
        request_id=entry.request_id,
        rewritten_prompt=entry.rewritten_prompt,
        answered_at=entry.answered_at,
    )


def _request(entry: Entry) -> Request:
    return Request(entry.prompt, entry.size, entry.seed, entry.prompt_extend)


def _is_over(entry: Entry, error: NotSavedError) -> bool:
    """Tell whether no try can succeed any more, as far as anybody can know.

    Within its day only storage itself says so: 403 may as well come from a proxy, and 404 from
    storage that is not up to date.
    """
    from zimage_cli.api.download import AddressOver

    until = entry.expires_at
    late = until is not None and datetime.now(UTC) > until
    return isinstance(error, AddressOver) or (late and error.http_status in _GONE_AFTER_ITS_DAY)


def _given_up(book: History, entry: Entry, error: NotSavedError) -> AddressRefused:
    """Note that a picture is lost, and return the error that says so.

    Its address stays in the history, for one more try by hand.
    """
    over = AddressRefused(
        "{cause} It is over: zimage history recover offers it no more.",
        hint=_OVER,
        cause=error.message,
        number=entry.id,
        http_status=error.http_status,
    )
    with suppress(ConfigurationError):
        book.ended(entry.id, Status.LOST, over)
    return over


def _note(book: History, entry: Entry, path: Path, fetched: Fetched) -> None:
    url = entry.image_url or ""
    book.saved(entry.id, str(path), fetched, url, entry.elapsed_seconds or 0.0)
    if entry.evidence_path:
        # The user may have moved or changed the evidence; the history has these facts too.
        with suppress(OSError, ValueError):
            evidence.update(
                Path(entry.evidence_path),
                entry.id,
                status=Status.SAVED,
                picture=saved_facts(str(path), fetched),
                error=None,
                recovered=now(),
            )


def wanted_path(entry: Entry, folder: Path | None, default_folder: Path) -> Path:
    """Return where a picture was meant to go, or under that name into `folder`."""
    meant = entry.wanted_path or "-"
    if meant != "-":
        path = Path(meant)
        return path if folder is None else folder / path.name
    when = _local(entry.created_at)
    suffix = Wish.read(entry.finish).suffix
    name = NameTemplate.parse(suffix=suffix).render(_request(entry), region=entry.region, when=when)
    return (folder or default_folder) / name


def _local(created: str) -> datetime:
    with suppress(OverflowError, OSError, ValueError):
        if (when := moment(created)) is not None:
            return when.astimezone()
    return datetime.now(UTC).astimezone()
