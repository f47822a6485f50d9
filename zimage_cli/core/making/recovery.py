"""All pictures that were made and never saved: which they are, and the fetching of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api import limits
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.advice import error_documents
from zimage_cli.core.drafts import remove_abandoned
from zimage_cli.core.making.fetching import once
from zimage_cli.core.making.recover import WHERE_IT_WENT, TakenError, recover, wanted_path
from zimage_cli.core.status import Status
from zimage_cli.errors import AddressRefused, NotSavedError, UsageError, ZimageError
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History

Progress = Callable[["Candidate", int, "int | None"], None]
"""Hears of a picture, how many bytes of it have come, and of how many where that is known."""

READY, EXPIRED, BUSY, GONE = "ready", "expired", "busy", "gone"
CLAIMED, LOST, RECOVERED = "claimed", "lost", "recovered"


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
    def is_over(self) -> bool:
        """Tell whether it can never be had."""
        return self.state == GONE or (self.state == EXPIRED and self.entry.expires_at is not None)


@dataclass(frozen=True, slots=True)
class Recovered(Candidate):
    """What became of a candidate: `state` is `recovered` where it has a path now, else its own.

    `error` says why it was not fetched; it is no failure where the picture was `skipped`. `over`:
    it can never be had.
    """

    path: Path | None = None
    error: ZimageError | None = None
    skipped: bool = False
    over: bool = False

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
    there is no history. `warn` hears what stops nothing. Raises UsageError for an unknown id.
    """

    def __init__(
        self,
        book: History | None,
        wire: Wire,
        ids: Sequence[int] = (),
        *,
        folder: Path | None,
        default_folder: Path,
        warn: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._wire = wire
        self._by_name = bool(ids)
        self._folder = folder
        self._default_folder = default_folder
        self._tell = once({}, warn)
        self.found = pick(candidates(book, ids) if book else [], ids)

    def cancel(self) -> None:
        """End it, from any thread: connections are closed, claims and half pictures are removed."""
        self._wire.cancel()

    def untouched(self) -> list[Recovered]:
        """Return what was found, without trying to fetch any of it."""
        return [Recovered(candidate.entry, candidate.state) for candidate in self.found]

    @property
    def tried(self) -> list[Candidate]:
        """The pictures that `fetch` tries to get.

        Those that were not named only where they are ready; a named one whatever its state, as a
        GET is free.
        """
        return [one for one in self.found if one.state == READY or self._by_name]

    def fetch(
        self, on_progress: Progress = lambda _one, _received, _total: None
    ) -> Iterator[Recovered]:
        """Fetch one picture after the other, and yield what became of each, tried or not.

        `on_progress` hears which picture is fetched, and of its bytes. Raises Stopped once it is
        cancelled.
        """
        wanted = (wanted_path(one.entry, self._folder, self._default_folder) for one in self.found)
        for folder in {path.parent for path in wanted}:
            # What was left half written there, by processes that were killed.
            remove_abandoned(folder)
        for candidate in self.found:
            if candidate.state == READY or self._by_name:
                on_progress(candidate, 0, None)
                yield self._one(candidate, partial(on_progress, candidate))
            else:
                yield Recovered(candidate.entry, candidate.state, over=candidate.is_over)

    def _one(
        self, candidate: Candidate, on_progress: Callable[[int, int | None], None]
    ) -> Recovered:
        entry, state, by_name = candidate.entry, candidate.state, self._by_name
        assert self._book is not None
        try:
            if state == CLAIMED or entry.region == SANDBOX:
                raise _not_recoverable(candidate)
            path = recover(
                self._book,
                self._wire,
                entry,
                self._folder,
                default_folder=self._default_folder,
                on_progress=on_progress,
                tell=self._tell,
                sleep=self._wire.sleep,
            )
        except TakenError as error:
            # Skipped among others, but a failure where it was asked for by name.
            return Recovered(entry, state if by_name else CLAIMED, error=error, skipped=not by_name)
        except AddressRefused as error:
            return Recovered(entry, LOST, error=error, over=True)
        except ZimageError as error:
            return Recovered(entry, state, error=error, over=state == GONE)
        return Recovered(entry, RECOVERED, path)


def _not_recoverable(candidate: Candidate) -> NotSavedError:
    gone = candidate.entry.region == SANDBOX
    return NotSavedError(
        "It cannot be recovered: {words}." if gone else "It was not fetched: {words}.",
        hint="To make it again: zimage generate --like {number} --sandbox"
        if gone
        else WHERE_IT_WENT,
        number=candidate.entry.id,
        words=candidate.words,
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


def pick(found: list[Candidate], ids: Sequence[int]) -> list[Candidate]:
    """Return the candidates with these ids, all of them for none. Raises UsageError."""
    by_id = {candidate.entry.id: candidate for candidate in found}
    unknown = [str(number) for number in ids if number not in by_id]
    if unknown:
        raise UsageError(
            "nothing to recover under {ids}",
            hint="See what is recoverable: zimage history recover --dry-run",
            ids=Listing(", ", unknown),
        )
    return [by_id[number] for number in ids] if ids else found
