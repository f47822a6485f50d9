"""Get pictures that were made and never saved, within the 24 hours that the service keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api import limits
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.advice import error_documents
from zimage_cli.core.files import reason, remove_abandoned, sync_folder
from zimage_cli.core.history.database import now
from zimage_cli.core.history.entry import moment, why_refused
from zimage_cli.core.making import evidence
from zimage_cli.core.making.evidence import saved_facts
from zimage_cli.core.making.fetching import fetch_and_keep
from zimage_cli.core.making.save import FolderPlace
from zimage_cli.core.request.names import NameTemplate, numbered
from zimage_cli.core.request.request import Request
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    AddressRefused,
    ConfigurationError,
    DiskError,
    NotSavedError,
    UsageError,
    ZimageError,
)
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History

READY, EXPIRED, BUSY, GONE = "ready", "expired", "busy", "gone"
CLAIMED, LOST, RECOVERED = "claimed", "lost", "recovered"

_WHERE_IT_WENT = "Where it went, when that has ended: zimage history show {number}"

_GONE_FOR_GOOD = frozenset({403, 404, 410})


class TakenError(NotSavedError):
    """Another process is fetching the picture right now."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that was made and is not on disk; `state` says whether it can still be had."""

    entry: Entry
    state: str

    @property
    def words(self) -> Message:
        """Return the state as a sentence for a person."""
        until = self.entry.expires_at
        if self.state == READY and until is not None:
            left = until - datetime.now(UTC)
            hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
            return Message(
                "can be fetched for {hours} h {minutes} min more", hours=hours, minutes=minutes
            )
        if self.state == EXPIRED and until is None and self.entry.answered_at is not None:
            return Message("made nobody knows when: the history has no date for it")
        return {
            EXPIRED: Message(
                "over {hours} h old: the service has dropped it", hours=limits.URL_LIFETIME_HOURS
            ),
            BUSY: Message("zimage process {pid} is still saving it", pid=self.entry.pid),
            GONE: Message("made by the sandbox, which has ended"),
            CLAIMED: Message("another zimage is fetching it right now"),
            LOST: Message("given up before"),
        }[self.state]

    @property
    def hopeless(self) -> bool:
        """Tell whether no try is made: it is gone, or another process fetches it right now."""
        return self.state == CLAIMED or self.entry.region == SANDBOX


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a candidate: `state` is `recovered` where it has a path now, else its own.

    `error` says why it was not fetched; it is no failure where the picture was `skipped`.
    """

    entry: Entry
    state: str
    path: Path | None = None
    error: ZimageError | None = None
    skipped: bool = False

    @property
    def failed(self) -> bool:
        """Tell whether it was to be fetched and was not."""
        return self.error is not None and not self.skipped

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Its error objects in `--json`."""
        if self.error is None or self.skipped:
            return []
        return error_documents(self.error, prompt=self.entry.prompt)

    @property
    def document(self) -> dict[str, Any]:
        """The picture's object in `--json`."""
        path = None if self.path is None else str(self.path)
        return {"id": self.entry.id, "state": self.state, "path": path, "errors": self.errors}


class Recovery:
    """What can be recovered, or what has the ids that were named, and the fetching of it.

    `folder` is where all of it goes, None for where each was meant to go. `book` is None where
    there is no history. Raises UsageError for an unknown id.
    """

    def __init__(
        self,
        book: History | None,
        wire: Wire,
        ids: Sequence[int] = (),
        *,
        folder: Path | None,
        default_folder: Path,
    ) -> None:
        self._book = book
        self._wire = wire
        self._by_name = bool(ids)
        self._folder = folder
        self._default_folder = default_folder
        self.found = pick(candidates(book, ids) if book else [], ids)

    def cancel(self) -> None:
        """End it, from any thread: connections are closed, claims and half pictures are removed."""
        self._wire.cancel()

    def untouched(self) -> list[Recovered]:
        """Return what was found, without trying to fetch any of it."""
        return [Recovered(candidate.entry, candidate.state) for candidate in self.found]

    def fetch(self) -> Iterator[Recovered]:
        """Fetch one picture after the other, and yield what became of each.

        Those that were not named are tried only where they are ready; a named one is whatever its
        state, as a GET is free. Raises Stopped once it is cancelled.
        """
        clear(self.found, self._folder, self._default_folder)
        for candidate in self.found:
            if candidate.state == READY or self._by_name:
                yield self._one(candidate)
            else:
                yield Recovered(candidate.entry, candidate.state)

    def _one(self, candidate: Candidate) -> Recovered:
        entry, state, by_name = candidate.entry, candidate.state, self._by_name
        assert self._book is not None
        try:
            if candidate.hopeless:
                raise _not_recoverable(candidate)
            path = recover(
                self._book,
                self._wire,
                entry,
                self._folder,
                default_folder=self._default_folder,
                sleep=self._wire.sleep,
            )
        except TakenError as error:
            # Skipped among others, but a failure where it was asked for by name.
            return Recovered(entry, state if by_name else CLAIMED, error=error, skipped=not by_name)
        except ZimageError as error:
            return Recovered(entry, state, error=error)
        return Recovered(entry, RECOVERED, path)


def _not_recoverable(candidate: Candidate) -> NotSavedError:
    number, words = candidate.entry.id, candidate.words
    if candidate.entry.region == SANDBOX:
        return NotSavedError(
            "{number} cannot be recovered: {words}.",
            hint="Its prompt and seed, to make it again: zimage history show {number}",
            number=number,
            words=words,
        )
    return NotSavedError(
        "{number} was not fetched: {words}.", hint=_WHERE_IT_WENT, number=number, words=words
    )


def candidates(book: History, ids: Collection[int] = ()) -> list[Candidate]:
    """Return every picture that was made and not saved, oldest first.

    Those among `ids` too that were given up as lost, as long as an address is known.
    """
    found = book.with_status(Status.MADE)
    known = {entry.id for entry in found}
    named = (book.entry(number) for number in sorted(set(ids) - known))
    found += [entry for entry in named if entry and entry.status == Status.LOST and entry.image_url]
    return [Candidate(entry, _state(entry)) for entry in found]


def _state(entry: Entry) -> str:
    if entry.claimed:
        return CLAIMED
    # A failed download leaves an error; without one its process may be fetching it right now.
    if entry.error is None and entry.in_progress:
        return BUSY
    if entry.region == SANDBOX:
        return GONE
    if entry.status == Status.LOST:
        return LOST
    until = entry.expires_at
    if until is None or datetime.now(UTC) >= until:
        return EXPIRED
    return READY


def recover(
    book: History,
    wire: Wire,
    entry: Entry,
    folder: Path | None,
    *,
    default_folder: Path,
    looked: bool = False,
    on_progress: Callable[[int, int | None], None] = lambda _received, _total: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch one picture and save it where it was meant to go, or into `folder`; return its path.

    Nothing is paid again. A picture that got its name just before its process died is found there,
    and so is one that another process has saved meanwhile. `looked`: the folder is known to take
    pictures, and `find_saved` has not found this one. Raises NotSavedError, or UsageError where the
    folder cannot be written.
    """
    with _claimed(book, entry) as saved:
        wanted = _wanted(entry, folder, default_folder)
        there = saved
        if there is None and not looked:
            there = _already_there(book, entry, wanted)
            if there is None:
                FolderPlace(wanted.parent).prepare()
        return there or _fetch(book, wire, entry, wanted, on_progress, sleep)


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
            "Another zimage is fetching {number} right now.", hint=_WHERE_IT_WENT, number=entry.id
        )
    try:
        yield None
    finally:
        book.release(entry.id)


def clear(found: list[Candidate], folder: Path | None, default_folder: Path) -> None:
    """Remove what was left half written where pictures go, by processes that were killed."""
    for place in {_wanted(one.entry, folder, default_folder).parent for one in found}:
        remove_abandoned(place)


def find_saved(book: History, entry: Entry, default_folder: Path) -> Path | None:
    """Find a picture that got its name just before its process died, and note it; None where not.

    Not for two equal pictures at the same time: each would be taken for the other.
    """
    return _already_there(book, entry, _wanted(entry, None, default_folder))


def _examine(path: Path) -> Fetched | None:
    """Return what a file on disk is, None where it is no sound PNG."""
    import hashlib

    from zimage_cli.api.download import Fetched
    from zimage_cli.api.png import PngCheck, PngError

    check, data = PngCheck(), path.read_bytes()
    try:
        check.feed(data)
        return Fetched(check.finish(), len(data), hashlib.sha256(data).hexdigest())
    except PngError:
        return None


def _already_there(book: History, entry: Entry, wanted: Path) -> Path | None:
    if entry.sha256 is None:
        return None
    number, path = 1, wanted
    while path.is_file():
        if path.stat().st_size == entry.bytes and book.whose(str(path.absolute())) is None:
            fetched = _examine(path)
            if fetched is not None and fetched.sha256 == entry.sha256:
                try:
                    sync_folder(path.parent)
                except OSError as error:
                    raise DiskError(
                        "{path} cannot be written: {why}.", path=path.parent, why=reason(error)
                    ) from None
                _note(book, entry, path.absolute(), fetched)
                return path.absolute()
        number += 1
        path = numbered(wanted, number)
    return None


def _fetch(
    book: History,
    wire: Wire,
    entry: Entry,
    wanted: Path,
    on_progress: Callable[[int, int | None], None],
    sleep: Callable[[float], None],
) -> Path:
    refused = why_refused(entry)
    if refused is not None:
        _give_up(book, entry, error := AddressRefused("{why}", why=refused))
        raise error
    try:
        fetched, kept = fetch_and_keep(
            wire,
            entry.image_url or "",
            FolderPlace(wanted.parent),
            str(wanted),
            loopback=entry.loopback,
            note=lambda fetched: book.fetched(entry.id, fetched),
            on_progress=on_progress,
            sleep=sleep,
        )
    except NotSavedError as error:
        until = entry.expires_at
        over = until is not None and datetime.now(UTC) > until
        if over and error.http_status in _GONE_FOR_GOOD:
            _give_up(book, entry, error)
        raise
    except ValueError as error:
        # Somebody wrote a name into the history that no file can have.
        raise NotSavedError(
            "{path} could not be written: {why}.", path=wanted, why=reason(error)
        ) from None
    path = Path(kept).absolute()
    _note(book, entry, path, fetched)
    return path


def _give_up(book: History, entry: Entry, error: NotSavedError) -> None:
    """Note that a picture is lost; its address stays in the history for one more try by hand."""
    with suppress(ConfigurationError):
        book.ended(entry.id, Status.LOST, error)


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


def _wanted(entry: Entry, folder: Path | None, default_folder: Path) -> Path:
    meant = entry.wanted_path or "-"
    if meant != "-":
        path = Path(meant)
        return path if folder is None else folder / path.name
    request = Request(entry.prompt, entry.size, entry.seed, entry.prompt_extend)
    when = _local(entry.created_at)
    name = NameTemplate.parse().render(request, region=entry.region, when=when)
    return (folder or default_folder) / name


def _local(created: str) -> datetime:
    with suppress(OverflowError, OSError, ValueError):
        if (when := moment(created)) is not None:
            return when.astimezone()
    return datetime.now(UTC).astimezone()


def pick(found: list[Candidate], ids: Sequence[int]) -> list[Candidate]:
    """Return the candidates with these ids, all of them for none. Raises UsageError."""
    by_id = {candidate.entry.id: candidate for candidate in found}
    unknown = [str(number) for number in ids if number not in by_id]
    if unknown:
        raise UsageError(
            "nothing to recover under {ids}",
            hint="See what is recoverable: zimage history recover --dry-run",
            ids=", ".join(unknown),
        )
    return [by_id[number] for number in ids] if ids else found
