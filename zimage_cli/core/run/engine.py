"""The engine: workers that make, fetch and note pictures, until there are none left or a reason.

One picture is a run of one; a batch adds what it knows from earlier runs (`core.batch.progress`).
Workers make, the main thread waits, signals only note.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from queue import Queue
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.core.making.generation import address_of
from zimage_cli.core.run import crew
from zimage_cli.core.run.causes import ends_all, to_fetch, unsent
from zimage_cli.core.run.money import Budget, on_the_bill
from zimage_cli.core.run.tally import RunOptions, Tally
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    Billed,
    BoundReached,
    ConfigurationError,
    DiskError,
    NotSavedError,
    RefusedError,
    Stopped,
    ZimageError,
)

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.observer import Observer, Watcher
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.progress import Progress
    from zimage_cli.core.run.state import State

ROOM = 4 * 1024 * 1024
"""Bytes of disk for a large picture. Where there is less, one in flight waits for another."""


class _Answered(NamedTuple):
    """A job whose picture was made and is to be fetched."""

    job: Job
    maker: Maker
    generation: Generation
    watch: Observer


class Engine:
    """One run over its jobs.

    `wait` tells when every job has ended or nothing more may be sent. `stop` ends it early: what is
    in flight is waited for and saved. `maker_for` gives the maker for a job's `base_url`; all of
    them share one history and one pace. `progress` is what a batch knows of its folder.
    """

    def __init__(
        self,
        maker_for: Callable[[str | None], Maker],
        options: RunOptions,
        watcher: Watcher,
        progress: Progress | None = None,
    ) -> None:
        self._maker_for = maker_for
        self._options = options
        self._watcher = watcher
        self._progress = progress
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._on_end: Callable[[], None] = lambda: None
        self._next = threading.Lock()
        self._book = threading.Condition()
        self._working = 0
        self._saving = 0
        self._flying = 0
        self._savers = min(crew.SAVERS, options.concurrency) if options.concurrency > 1 else 0
        self._answered: Queue[_Answered | None] = Queue(options.concurrency)
        self._full: DiskError | None = None
        self._bug: BaseException | None = None
        self.tally = Tally()
        self._budget = Budget(self.tally, options.max_cost)
        self._waits = options.patience is not None
        maker = maker_for(None)
        maker.sleep_unpaid = self._sleep
        if options.patience is not None:
            from zimage_cli.core.making.reach import Reach

            maker.reach = Reach(
                options.patience,
                on_out=watcher.unreachable,
                on_back=watcher.reachable,
                on_end=self._end_all,
            )

    # -- from outside --------------------------------------------------------------------------

    def start(self, jobs: Iterator[Job], on_end: Callable[[], None] = lambda: None) -> None:
        """Start the workers; `on_end` is called by the last of them.

        Those that ask wait on the service most of the time; those that fetch and save are few, so
        that the pictures of one moment do not fight for the processor, and the next ones are
        painted meanwhile. Where saving falls behind, asking waits. One at a time means just that:
        no request is sent before the picture before it is saved. Raises ConfigurationError where
        no worker can be started.
        """
        self._on_end = on_end
        wanted = self._options.concurrency
        if self._progress is not None:
            # What many pictures need may as well be there before the first.
            self._maker_for(None).loader.load()
        workers = crew.Crew(partial(self._work, jobs), self._save_all, wanted, self._savers)
        self._working = workers.askers
        self._saving = self._savers = workers.savers
        if workers.askers < wanted:
            few = f"{workers.askers:,} at a time instead of {wanted:,}"
            self._watcher.warn(
                f"pictures are made {few}: no more threads can be started (ulimit -a)"
            )
        workers.go()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; tell whether it has come. Raises a worker's bug."""
        done = self._finished.wait(seconds)
        if done and self._bug is not None:
            raise self._bug
        return done

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        reach = self._maker_for(None).reach
        if reach is not None:
            reach.stop()
        with self._book:
            self._book.notify_all()

    def cancel(self) -> None:
        """End what is in flight too: each picture is noted as it stands."""
        self.stop()
        self._maker_for(None).cancel()

    @property
    def unsettled(self) -> bool:
        """Tell whether anything was sent that has not come to its end."""
        return self._maker_for(None).unsettled

    # -- workers -------------------------------------------------------------------------------

    def _work(self, jobs: Iterator[Job]) -> None:
        try:
            while (job := self._take(jobs)) is not None:
                self._one(job)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - a bug in one thread must end the whole run
            self._broken(error)
        finally:
            with self._book:
                self._working -= 1
                last = not self._working
            if last and not self._savers:
                self._finish()
            elif last:
                for _ in range(self._savers):
                    self._answered.put(None)

    def _save_all(self) -> None:
        """Save pictures from the queue until every thread that asks has ended."""
        while (one := self._answered.get()) is not None:
            try:
                self._save(one)
            except BaseException as error:  # noqa: BLE001 - as above; those that ask must not hang
                self._broken(error)
        with self._book:
            self._saving -= 1
            last = not self._saving
        if last:
            self._finish()

    def _broken(self, error: BaseException) -> None:
        if isinstance(error, MemoryError):
            if self.tally.sent:
                # Whatever this thread had sent, it may not even have been able to note it.
                scarce = ConfigurationError(
                    "There is no memory left for zimage: nothing more is sent. What was in flight "
                    "may have been made and billed; see: zimage history list",
                    hint=crew.SCARCE_HINT,
                )
            else:
                scarce = ConfigurationError(
                    "There is no memory left for zimage: nothing was sent.", hint=crew.SCARCE_HINT
                )
            self._end_all(scarce)
        else:
            self._bug = error
            self.stop()

    def _finish(self) -> None:
        self._finished.set()
        self._on_end()

    def _take(self, jobs: Iterator[Job]) -> Job | None:
        with self._next:
            if self._stop.is_set():
                return None
            try:
                return next(jobs, None)
            except ZimageError as error:
                # The file cannot be read any more, or is another one by now.
                self._end_all(error)
                return None

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _one(self, job: Job) -> None:
        if self._progress is None:
            self._make(job, self._maker_for(job.request.base_url), job.request)
            return
        state = self._progress.of(job)
        match state.decide(self._options):
            case Status.NEW:
                request = job.request
                if request.seed is not None and state.seed is not None:
                    # A seed stays, even where the salt that it was drawn with is not known now.
                    request = replace(request, seed=state.seed)
                self._make(job, self._maker_for(request.base_url), request)
            case Status.MADE:
                self._fetch(self._progress, job, state)
            case kind:
                self._left(self._progress, job, state, kind)

    # -- one picture ---------------------------------------------------------------------------

    def _make(self, job: Job, maker: Maker, request: Request) -> None:
        try:
            wanted = self._wanted(job, maker, request)
        except ZimageError as error:
            self._failed(job, maker, request, error)
            return
        price = maker.account.price(prompt_extend=request.prompt_extend)
        amount = price.amount if price else Decimal(0)
        if not self._begin_flight(maker):
            return
        try:
            if not self._budget.reserve(amount):
                self._end_flight()
                self._end_all(self._bound_reached())
                return
            answered = self._ask(job, maker, request, wanted, amount)
        except BaseException:
            self._end_flight()
            raise
        if answered is None:
            self._end_flight()
        elif self._savers:
            self._answered.put(answered)
        else:
            self._save(answered)

    def _ask(
        self, job: Job, maker: Maker, request: Request, wanted: str, amount: Decimal
    ) -> _Answered | None:
        """Ask for a picture; None where there is none."""
        lost: list[ZimageError] = []
        watch = self._watcher.started(job)
        generation = maker.new_generation(
            request, wanted, self._progress.tags(job) if self._progress else None
        )
        try:
            maker.ask(generation, watch, on_lost=partial(self._lost_a_try, maker, amount, lost))
        except ZimageError as error:
            self._settle(maker, amount, error.billed)
            if lost and not error.maybe_billed:
                # A try before this one may be on the bill.
                error = lost[-1]
            self._failed(job, maker, request, error, generation)
            return None
        except BaseException:
            self._settle(maker, amount, Billed.NO)
            if lost:
                self._failed(job, maker, request, lost[-1], generation)
            raise
        self._settle(maker, amount, Billed.YES)
        return _Answered(job, maker, generation, watch)

    def _settle(self, maker: Maker, amount: Decimal, billed: Billed) -> None:
        self._budget.settle(amount, billed=billed is not Billed.NO)
        with self._book:
            self.tally.billed[on_the_bill(maker.account.region, billed)] += 1

    def _begin_flight(self, maker: Maker) -> bool:
        """Wait until the disk has room for one more picture in flight; False at the run's end.

        Where it has none, one is made all the same, alone: it shows what the disk really takes.
        """
        while True:
            # Not under the lock: a disk may be slow to answer.
            room = maker.place.room() if self._flying else None
            with self._book:
                if self._stop.is_set():
                    return False
                if not self._flying or room is None or room >= ROOM * (self._flying + 1):
                    self._flying += 1
                    return True
                self._book.wait(1.0)

    def _end_flight(self) -> None:
        with self._book:
            self._flying -= 1
            self._book.notify_all()

    def _save(self, one: _Answered) -> None:
        """Fetch and save what was answered; into a disk that is full, nothing is fetched."""
        job, maker, generation = one.job, one.maker, one.generation
        try:
            if self._full is not None:
                error = DiskError(
                    "The picture was made and not fetched. {why}", why=self._full.said
                )
                raise maker.leave(generation, error, one.watch)
            picture = maker.save(generation, one.watch)
        except ZimageError as error:
            self._failed(job, maker, generation.request, error, generation)
        except Stopped:
            stopped = NotSavedError("The picture was made and is not saved: zimage was stopped.")
            self._failed(job, maker, generation.request, stopped, generation)
        else:
            self._saved(job, picture, generation)
        finally:
            self._end_flight()

    def _fetch(self, progress: Progress, job: Job, state: State) -> None:
        """Fetch a picture that an earlier run paid."""
        maker = self._maker_for(job.request.base_url)
        if state.record is not None:
            self._fetch_recorded(progress, job, state, maker)
            return
        entry = progress.entry(state.entry)
        if entry is None:
            self._left(progress, job, state, Status.LOST)
            return
        watch = self._watcher.started(job)
        try:
            picture = progress.fetch(entry, self._maker_for(None).wire, watch.receiving)
        except ZimageError as error:
            error = error.but(request_id=entry.request_id)
            self._failed(job, maker, replace(job.request, seed=entry.seed), error, entry=entry)
        else:
            self._saved(job, picture)

    def _fetch_recorded(self, progress: Progress, job: Job, state: State, maker: Maker) -> None:
        """Fetch a picture that the journal alone knows."""
        request = replace(job.request, seed=state.seed)
        generation = progress.recorded_generation(state, maker.account, request)
        one = _Answered(job, maker, generation, self._watcher.started(job))
        try:
            generation.wanted = self._wanted(job, maker, request)
        except ZimageError as error:
            unsaved = NotSavedError(
                "The picture was made and not fetched. {why}",
                hint="Make room for it, then run the same command again: it is not paid twice.",
                why=error.said,
            )
            self._failed(job, maker, request, unsaved, generation)
        else:
            with self._book:
                self._flying += 1
            self._save(one)

    def _wanted(self, job: Job, maker: Maker, request: Request) -> str:
        """Return where a picture goes. Raises UsageError where it cannot, before it is paid."""
        if job.output is None:
            return maker.wanted(request, job.number, job.template)
        if self._progress is not None:
            return self._progress.path_of(job.output)
        return maker.place.wanted(job.output)

    # -- what came of it -----------------------------------------------------------------------

    def _saved(self, job: Job, picture: Picture, generation: Generation | None = None) -> None:
        from zimage_cli.core.outcome import Outcome

        self._end(
            Outcome(
                job,
                Status.SAVED,
                replace(job.request, seed=picture.seed),
                picture.region,
                picture.endpoint,
                picture=picture,
                billed=on_the_bill(picture.region, Billed.YES),
                price=picture.cost,
                history_id=picture.history_id,
                attempts=picture.attempts,
            ),
            generation,
        )

    def _failed(
        self,
        job: Job,
        maker: Maker,
        request: Request,
        error: ZimageError,
        generation: Generation | None = None,
        entry: Entry | None = None,
    ) -> None:
        """Note a picture that is not on disk; `generation` or `entry` says how far it came."""
        from zimage_cli.core.outcome import Outcome

        if isinstance(error, DiskError):
            self._full = self._full or error
        if self._progress is not None:
            error = self._progress.advised(error, generation)
        foreign = self._progress is not None and job.request.base_url is not None
        if ends_all(error, foreign=foreign, waits=self._waits):
            self._end_all(error)
            if self._progress is not None and unsent(error):
                return
        whom = maker.account
        self._end(
            Outcome(
                job,
                status_of(error),
                request,
                whom.region,
                whom.origin,
                error=error,
                billed=on_the_bill(maker.account.region, error.billed),
                price=whom.price(prompt_extend=request.prompt_extend),
                history_id=generation.entry if generation else entry.id if entry else None,
                attempts=generation.attempts if generation else entry.attempts if entry else 0,
                elapsed=round(time.monotonic() - generation.began, 3) if generation else None,
                address=address_of(generation)
                if to_fetch(error) and generation and generation.answer
                else None,
            ),
            generation,
        )

    def _left(self, progress: Progress, job: Job, state: State, kind: Status) -> None:
        """Note a picture that this run leaves alone."""
        outcome = progress.unrecorded_outcome(job, kind) or progress.skipped(job, state, kind)
        if outcome.status is Status.SKIPPED:
            with self._book:
                self.tally.left.setdefault(kind, []).append(job.line)
        self._end(outcome)

    def _end(self, outcome: Outcome, generation: Generation | None = None) -> None:
        """Count an outcome, write it down where there is a journal, and tell it."""
        kept = generation is not None and generation.noted
        if self._progress is not None and outcome.status is not Status.SKIPPED:
            try:
                self._progress.keep(outcome)
                kept = True
            except DiskError as error:
                # The history has it; but a folder that takes no line takes no picture either.
                self._end_all(error)
        printed = (
            outcome.status is Status.MADE
            and not kept
            and generation is not None
            and generation.answer is not None
        )
        with self._book:
            self.tally.note(outcome)
            self.tally.printed += printed
        if printed and generation is not None and self._progress is not None:
            self._watcher.address(outcome.job, generation.curl())
        self._watcher.ended(outcome)

    def _lost_a_try(
        self, maker: Maker, amount: Decimal, lost: list[ZimageError], error: ZimageError
    ) -> None:
        """Note a try that may be billed and is made again; the end, where that is too much."""
        lost.append(error)
        with self._book:
            self.tally.billed[on_the_bill(maker.account.region, Billed.MAYBE)] += 1
        if not self._budget.spend(amount):
            self._end_all(self._bound_reached())

    def _bound_reached(self) -> BoundReached:
        return BoundReached(
            "The run stopped at --max-cost {bound}: what was left was not asked for.",
            field="max_cost",
            bound=self._options.max_cost,
        )

    def _end_all(self, error: ZimageError) -> None:
        with self._book:
            self.tally.fatal = self.tally.fatal or error
        self.stop()


def status_of(error: ZimageError) -> Status:
    """Return what a picture is whose making ended with an error."""
    if to_fetch(error):
        return Status.MADE
    if error.maybe_billed:
        return Status.LOST
    return Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
