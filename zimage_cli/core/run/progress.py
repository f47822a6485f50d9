"""What a batch adds to a run: what earlier runs made, and a journal of what this one makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import without_query
from zimage_cli.core.files import reason
from zimage_cli.core.making.save import within
from zimage_cli.core.run import made
from zimage_cli.core.run.money import on_the_bill
from zimage_cli.core.status import Status
from zimage_cli.errors import AnswerLost, DiskError, NotSavedError

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.ledger import Ledger
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.journal import Journal
    from zimage_cli.core.run.state import State, States
    from zimage_cli.errors import ZimageError

_REASONS = {
    Status.SAVED: "saved before",
    Status.REFUSED: "refused before: --retry-failed",
    Status.FAILED: "failed before: --retry-failed",
    Status.LOST: "lost before, may be billed: --retry-lost",
}


_AGAIN = (
    "It may be billed. The same command leaves it alone; with --retry-lost it is made again, and "
    "paid once more."
)
_FETCHED_AGAIN = "Run the same command again within 24 hours: that fetches it, and costs nothing."


class Progress:
    """The progress of one output folder; `book` gives the history, None where none is kept."""

    def __init__(
        self, folder: Path, journal: Journal, known: States, book: Callable[[], Ledger | None]
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._known = known
        self._book = book

    def of(self, job: Job) -> State:
        """Return how far a picture has come."""
        return self._known.of(job.key)

    def tags(self, job: Job) -> dict[str, str | None]:
        """Return the columns by which the history finds a picture of this batch."""
        return {"batch": self._known.batch, "job": job.id}

    def path_of(self, output: str) -> str:
        """Return where a line's `output` goes. Raises UsageError."""
        return str(within(self._folder, output, make=True))

    def entry(self, number: int | None) -> Entry | None:
        """Return an entry of the history."""
        book = self._book()
        return book.entry(number) if book is not None and number else None

    def fetch(
        self, entry: Entry, wire: Wire, on_progress: Callable[[int, int | None], None]
    ) -> Picture:
        """Fetch a picture that was paid. Raises NotSavedError."""
        from zimage_cli.core.making import recover

        book = self._book()
        assert book is not None
        path = recover.fetch_again(
            book, wire, entry, default_folder=self._folder, on_progress=on_progress
        )
        return replace((book.entry(entry.id) or entry).picture, path=path)

    def recorded_generation(self, state: State, account: Account, request: Request) -> Generation:
        """Return the generation of a picture that the journal alone knows."""
        assert state.record is not None
        return made.generation_of(state.record, account, request)

    def unrecorded_outcome(self, job: Job, status: Status) -> Outcome | None:
        """Return how a picture ended where its process died before the journal had it."""
        from zimage_cli.core.outcome import Outcome
        from zimage_cli.errors import Billed

        entry = self.entry(self._known.unrecorded.get(job.key))
        if entry is None:
            return None
        billed = {Status.SAVED: Billed.YES, Status.LOST: Billed.MAYBE}.get(status, Billed.NO)
        saved = status is Status.SAVED
        return Outcome(
            job,
            status,
            replace(job.request, seed=entry.seed),
            entry.region,
            entry.endpoint,
            picture=entry.picture if saved else None,
            error=None if saved else entry.failure,
            billed=on_the_bill(entry.region, billed),
            price=entry.price,
            history_id=entry.id,
            attempts=entry.attempts,
            elapsed=entry.elapsed_seconds,
        )

    def advised(self, error: ZimageError, generation: Generation | None) -> ZimageError:
        """Return an error with what to do next in a batch, where that is something else."""
        if isinstance(error, AnswerLost):
            return error.but(hint=_AGAIN)
        if (
            isinstance(error, NotSavedError)
            and generation is not None
            and generation.noted
            and not generation.entry
        ):
            # The journal has its address, and the history knows nothing of it.
            return error.but(hint=_FETCHED_AGAIN)
        return error

    def skipped(self, job: Job, state: State, kind: Status) -> Outcome:
        """Return the outcome of a picture that this run leaves alone."""
        from zimage_cli.core.outcome import Outcome

        return Outcome(
            job,
            Status.SKIPPED,
            job.request,
            "",
            "",
            reason=_REASONS[kind],
            recall=partial(self._recall, state),
        )

    def _recall(self, state: State) -> Mapping[str, Any]:
        """Return what the journal, or else the history, says of a picture that was left alone."""
        record = None if state.at is None else self._journal.record_at(state.at)
        if record is not None:
            file = record.pop("file", None)
            if isinstance(file, str):
                record["path"] = str((self._folder / file).absolute())
            return record
        entry = self.entry(state.entry)
        return {} if entry is None else entry.picture.document

    def keep(self, outcome: Outcome) -> None:
        """Write an outcome into the journal. Raises DiskError."""
        record, file = outcome.document, None
        if outcome.picture is not None and outcome.picture.path is not None:
            path, folder = outcome.picture.path.absolute(), self._folder.absolute()
            file = (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
            if record["image_url"]:
                # What is printed may serve for an hour; a file that stays keeps no signature,
                # unless the picture is still to be fetched.
                record["image_url"] = without_query(record["image_url"])
        try:
            self._journal.append({**record, "file": file})
        except OSError as error:
            raise DiskError(
                "{path} cannot be written: {why}.", path=self._journal.path, why=reason(error)
            ) from None
