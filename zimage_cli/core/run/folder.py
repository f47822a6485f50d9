"""The engine of a batch: it knows what earlier runs made in its folder, and keeps a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import without_query
from zimage_cli.core.files import reason
from zimage_cli.core.making.generation import Generation
from zimage_cli.core.making.save import within
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.run import endings
from zimage_cli.core.run.engine import Engine
from zimage_cli.core.run.money import on_the_bill
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    AnswerLost,
    Billed,
    DiskError,
    NotSavedError,
    ServiceError,
    ZimageError,
)
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.observer import Observer, Watcher
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.journal import Journal
    from zimage_cli.core.run.state import State, States
    from zimage_cli.core.run.tally import RunOptions

_REASONS = {
    Status.SAVED: Message("saved before"),
    Status.REFUSED: Message("refused before: --retry-failed"),
    Status.FAILED: Message("failed before: --retry-failed"),
    Status.LOST: Message("lost before, may be billed: --retry-lost"),
}
_AGAIN = (
    "It may be billed. The same command leaves it alone; with --retry-lost it is made again, and "
    "paid once more."
)
_ROOM = "Make room, then run the same command again: what is saved is not paid again."
_FETCHED_AGAIN = "Run the same command again within 24 hours: that fetches it, and costs nothing."


class FolderEngine(Engine):
    """A run over the jobs of one output folder; `known` is how far earlier runs have come there."""

    resumable = True

    def __init__(
        self,
        maker_for: Callable[[str | None], Maker],
        options: RunOptions,
        watcher: Watcher,
        journal: Journal,
        known: States,
    ) -> None:
        super().__init__(maker_for, options, watcher)
        self._journal = journal
        self._known = known
        self._folder = known.folder

    def start(self, jobs: Iterator[Job]) -> None:
        """Start the workers; what many pictures need is loaded before the first."""
        self._maker.loader.load()
        super().start(jobs)

    # -- one picture ---------------------------------------------------------------------------

    def _one(self, job: Job) -> None:
        state, request = self._known.of(job.key), job.request
        match state.decide(self._options):
            case Status.NEW:
                if request.seed is not None and state.seed is not None:
                    # A seed stays, even where the salt that it was drawn with is not known now.
                    request = replace(request, seed=state.seed)
                self._make(job, self._maker_for(request.base_url), request)
            case Status.MADE if state.record is not None:
                self._fetch_recorded(job, state, state.record)
            case Status.MADE:
                self._fetch(job, state)
            case kind:
                self._left(job, state, kind)

    def _fetch(self, job: Job, state: State) -> None:
        """Fetch a picture that an earlier run paid."""
        from zimage_cli.core.making import recover

        book, entry = self._maker.history.book, self._entry(state.entry)
        if book is None or entry is None:
            self._left(job, state, Status.LOST)
            return
        watch = self._watcher.started(job)
        watch.fetching()
        try:
            wire = self._maker.wire
            path = recover.recover(
                book,
                wire,
                entry,
                None,
                default_folder=self._folder,
                looked=True,
                on_progress=watch.receiving,
                tell=self._maker.once(watch.warning),
                sleep=wire.sleep,
            )
        except ZimageError as error:
            account = self._maker_for(job.request.base_url).account
            request = replace(job.request, seed=entry.seed)
            self._failed(job, account, request, error.but(request_id=entry.request_id), entry=entry)
        else:
            picture = replace((book.entry(entry.id) or entry).picture, path=path)
            self._end(endings.saved(job, picture))

    def _fetch_recorded(self, job: Job, state: State, record: Mapping[str, Any]) -> None:
        """Fetch a picture that the journal alone knows."""
        maker = self._maker_for(job.request.base_url)
        request = replace(job.request, seed=state.seed)
        watch = self._watcher.started(job)
        watch.fetching()
        generation = recorded_generation(record, maker.account, request, watch)
        try:
            generation.wanted = self._wanted(job, maker, request)
        except ZimageError as error:
            unsaved = NotSavedError(
                "The picture was made and not fetched. {why}",
                hint="Make room for it, then run the same command again: it is not paid twice.",
                why=error.message,
            )
            self._failed(job, maker.account, request, unsaved, generation)
        else:
            with self._book:
                self._flying += 1
            self._save(job, maker, generation)

    def _left(self, job: Job, state: State, kind: Status) -> None:
        """Note a picture that this run leaves alone, or that ended before the journal had it."""
        entry = self._entry(self._known.unrecorded.get(job.key))
        if entry is not None:
            self._end(_ended_before(job, entry, kind))
            return
        with self._book:
            self.tally.left.setdefault(kind, []).append(job.line)
        self._end(
            Outcome(
                job,
                Status.SKIPPED,
                job.request,
                "",
                "",
                reason=_REASONS[kind],
                recall=partial(self._recall, state),
            )
        )

    def _recall(self, state: State) -> Mapping[str, Any]:
        """Return what the journal, or else the history, says of a picture that was left alone."""
        record = None if state.at is None else self._journal.record_at(state.at)
        if record is not None:
            file = record.pop("file", None)
            if isinstance(file, str):
                record["path"] = str((self._folder / file).absolute())
            return record
        entry = self._entry(state.entry)
        return {} if entry is None else entry.picture.document

    def _entry(self, number: int | None) -> Entry | None:
        book = self._maker.history.book
        return book.entry(number) if book is not None and number else None

    # -- what a batch does otherwise -----------------------------------------------------------

    def _tags(self, job: Job) -> dict[str, str | None]:
        return {"batch": self._known.batch, "job": job.id}

    def _wanted(self, job: Job, maker: Maker, request: Request) -> str:
        if job.output is None:
            return super()._wanted(job, maker, request)
        return str(within(self._folder, job.output, make=True))

    def _advised(self, error: ZimageError, generation: Generation | None) -> ZimageError:
        if isinstance(error, AnswerLost | ServiceError) and error.maybe_billed:
            return error.but(hint=_AGAIN)
        kept = generation is not None and generation.noted and not generation.entry
        if kept and isinstance(error, NotSavedError) and error.hint is None:
            # The journal has its address, and the history knows nothing of it.
            return error.but(hint=_FETCHED_AGAIN)
        return error

    def _keep(self, outcome: Outcome) -> bool:
        if outcome.status is Status.SKIPPED:
            return False
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
            # The history has it; but a folder that takes no line takes no picture either.
            path, why = self._journal.path, reason(error)
            full = DiskError("{path} cannot be written: {why}.", hint=_ROOM, path=path, why=why)
            self._end_all(full)
            return False
        return True


def _ended_before(job: Job, entry: Entry, status: Status) -> Outcome:
    """Return how a picture ended whose process died before the journal had it."""
    if status is Status.SAVED:
        return endings.saved(job, entry.picture)
    billed = Billed.MAYBE if status is Status.LOST else Billed.NO
    return Outcome(
        job,
        status,
        replace(job.request, seed=entry.seed),
        entry.region,
        entry.endpoint,
        error=entry.failure,
        billed=on_the_bill(entry.region, billed),
        price=entry.price,
        history_id=entry.id,
        attempts=entry.attempts,
        elapsed=entry.elapsed_seconds,
    )


def recorded_generation(
    record: Mapping[str, Any], account: Account, request: Request, observer: Observer
) -> Generation:
    """Return the generation of a picture that the journal has and nobody fetched yet.

    The journal is not trusted to hold what zimage wrote: a value of a wrong type counts as None.
    """
    from zimage_cli.api.answer import Answer

    def text(name: str) -> str | None:
        value = record.get(name)
        return value if isinstance(value, str) else None

    def number(name: str) -> int | None:
        value = record.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return Generation(
        request,
        account,
        "",
        observer,
        # It has no row and gets none; but the journal has it.
        begun=True,
        noted=True,
        attempts=number("attempts") or 1,
        answered_at=text("answered_at"),
        answer=Answer(
            image_url=str(record.get("image_url")),
            text=text("rewritten_prompt"),
            reasoning=text("reasoning"),
            width=number("width"),
            height=number("height"),
            request_id=text("request_id"),
            usage={},
        ),
    )
