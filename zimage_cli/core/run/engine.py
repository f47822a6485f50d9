"""The engine: workers that make, fetch and note pictures, until there are none left or a reason.

One picture is a run of one; a batch adds what it knows from earlier runs (`core.run.folder`).
Workers make, the main thread waits, signals only note.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from queue import Queue
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.core.making.generation import Generation
from zimage_cli.core.run import crew, endings
from zimage_cli.core.run.money import Budget, on_the_bill
from zimage_cli.core.run.tally import RunOptions, Tally
from zimage_cli.errors import (
    Billed,
    ConfigurationError,
    DiskError,
    NotSavedError,
    Stopped,
    ZimageError,
)
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request

ROOM = 4 * 1024 * 1024
"""Bytes of disk for a large picture. With less for each in flight, the next one waits."""


class _Answered(NamedTuple):
    """A job whose picture was made and is to be fetched."""

    job: Job
    maker: Maker
    generation: Generation


class Engine:
    """One run over its jobs.

    `wait` tells when every job has ended or nothing more may be sent. `stop` ends it early: what is
    in flight is waited for and saved. `maker_for` gives the maker for a job's `base_url`; all of
    them share one history and one pace.
    """

    resumable = False
    """Whether the same command goes on where this run ends: what was not sent is new then."""

    def __init__(
        self, maker_for: Callable[[str | None], Maker], options: RunOptions, watcher: Watcher
    ) -> None:
        self._maker_for = maker_for
        self._maker = maker_for(None)
        self._options = options
        self._watcher = watcher
        self._stop = threading.Event()
        self._finished = threading.Event()
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
        self._maker.sleep_unpaid = self._sleep
        if options.patience is not None:
            from zimage_cli.core.making.reach import Reach

            self._maker.reach = Reach(
                options.patience,
                on_out=watcher.unreachable,
                on_back=watcher.reachable,
                on_end=self._end_all,
            )

    # -- from outside --------------------------------------------------------------------------

    def start(self, jobs: Iterator[Job]) -> None:
        """Start the workers.

        Those that ask mostly wait for the service. Those that fetch and save use the processor, so
        they are few; the next pictures are painted meanwhile. Where saving falls behind, asking
        waits. With one at a time, no request is sent before the picture before it is saved. Raises
        ConfigurationError where no worker can be started.
        """
        wanted = self._options.concurrency
        workers = crew.Crew(partial(self._work, jobs), self._save_all, wanted, self._savers)
        self._working = workers.askers
        self._saving = self._savers = workers.savers
        if workers.askers < wanted:
            self._watcher.warn(
                Message(
                    "pictures are made {lines:,} at a time instead of {wanted:,}: "
                    "no more threads can be started (ulimit -a)",
                    lines=workers.askers,
                    wanted=wanted,
                )
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
        if self._maker.reach is not None:
            self._maker.reach.stop()
        with self._book:
            self._book.notify_all()

    def cancel(self) -> None:
        """End what is in flight too: each picture is noted as it stands."""
        self.stop()
        self._maker.cancel()

    @property
    def unsettled(self) -> int:
        """How many pictures were asked for that have not come to their end."""
        return self._maker.unsettled

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
                self._finished.set()
            elif last:
                for _ in range(self._savers):
                    self._answered.put(None)

    def _save_all(self) -> None:
        """Save pictures from the queue until every thread that asks has ended."""
        while (one := self._answered.get()) is not None:
            try:
                self._save(*one)
            except BaseException as error:  # noqa: BLE001 - as above; those that ask must not hang
                self._broken(error)
        with self._book:
            self._saving -= 1
            last = not self._saving
        if last:
            self._finished.set()

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

    # -- one picture ---------------------------------------------------------------------------

    def _one(self, job: Job) -> None:
        self._make(job, self._maker_for(job.request.base_url), job.request)

    def _make(self, job: Job, maker: Maker, request: Request) -> None:
        try:
            wanted = self._wanted(job, maker, request)
        except ZimageError as error:
            self._failed(job, maker.account, request, error)
            return
        price = maker.account.price(prompt_extend=request.prompt_extend)
        amount = price.amount if price else Decimal(0)
        if not self._begin_flight():
            return
        try:
            if not self._budget.reserve(amount):
                self._end_flight()
                self.stop()
                return
            generation = self._ask(job, maker, request, wanted, amount)
        except BaseException:
            self._end_flight()
            raise
        if generation is None:
            self._end_flight()
        elif self._savers:
            self._answered.put(_Answered(job, maker, generation))
        else:
            self._save(job, maker, generation)

    def _ask(
        self, job: Job, maker: Maker, request: Request, wanted: str, amount: Decimal
    ) -> Generation | None:
        """Ask for a picture and return it with its answer; None where there is none."""
        account, lost = maker.account, list[ZimageError]()
        watch = self._watcher.started(job)
        generation = Generation(request, account, wanted, watch, self._tags(job))
        try:
            maker.ask(generation, partial(self._lost_a_try, account, amount, lost))
        except ZimageError as error:
            self._settle(account, amount, error.billed)
            if lost and not error.maybe_billed:
                # A try before this one may be on the bill.
                error = lost[-1]
            self._failed(job, account, request, error, generation)
            return None
        except BaseException:
            self._settle(account, amount, Billed.NO)
            if lost:
                self._failed(job, account, request, lost[-1], generation)
            raise
        self._settle(account, amount, Billed.YES)
        return generation

    def _settle(self, account: Account, amount: Decimal, billed: Billed) -> None:
        self._budget.settle(amount, billed=billed is not Billed.NO)
        with self._book:
            self.tally.billed[on_the_bill(account.region, billed)] += 1

    def _lost_a_try(
        self, account: Account, amount: Decimal, lost: list[ZimageError], error: ZimageError
    ) -> None:
        """Note a try that may be billed and is made again; the end, where that is too much."""
        lost.append(error)
        with self._book:
            self.tally.billed[on_the_bill(account.region, Billed.MAYBE)] += 1
        if not self._budget.spend(amount):
            self.stop()

    def _begin_flight(self) -> bool:
        """Wait until the disk has room for one more picture in flight; False at the run's end.

        Where it has none, one is made all the same, alone: only trying shows what the disk takes.
        """
        while True:
            # Not under the lock: a disk may be slow to answer.
            room = self._maker.place.room() if self._flying else None
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

    def _save(self, job: Job, maker: Maker, generation: Generation) -> None:
        """Fetch and save what was answered; into a disk that is full, nothing is fetched."""
        account, request = generation.account, generation.request
        try:
            if self._full is not None:
                error = DiskError(
                    "The picture was made and not fetched. {why}", why=self._full.message
                )
                raise maker.leave(generation, error)
            picture = maker.save(generation)
        except ZimageError as error:
            self._failed(job, account, request, error, generation)
        except Stopped:
            stopped = NotSavedError("The picture was made and is not saved: zimage was stopped.")
            self._failed(job, account, request, stopped, generation)
        else:
            self._end(endings.saved(job, picture), generation)
        finally:
            self._end_flight()

    # -- what came of it -----------------------------------------------------------------------

    def _failed(
        self,
        job: Job,
        account: Account,
        request: Request,
        error: ZimageError,
        generation: Generation | None = None,
        entry: Entry | None = None,
    ) -> None:
        """Note a picture that is not on disk; `generation` or `entry` says how far it came."""
        if isinstance(error, DiskError):
            self._full = self._full or error
        error = self._advised(error, generation)
        foreign = self.resumable and job.request.base_url is not None
        if endings.ends_all(error, foreign=foreign, waits=self._options.patience is not None):
            self._end_all(error)
            if self.resumable and endings.unsent(error):
                return
        self._end(endings.failed(job, account, request, error, generation, entry), generation)

    def _end(self, outcome: Outcome, generation: Generation | None = None) -> None:
        """Count an outcome, write it down where there is a journal, and tell it."""
        kept = self._keep(outcome) or (generation is not None and generation.noted)
        printed = outcome.address is not None and not kept
        with self._book:
            self.tally.note(outcome)
            self.tally.printed += printed
        if printed and generation is not None and self.resumable:
            self._watcher.address(outcome.job, generation.curl())
        self._watcher.ended(outcome)

    def _end_all(self, error: ZimageError) -> None:
        with self._book:
            self.tally.fatal = self.tally.fatal or error
        self.stop()

    # -- what a batch does otherwise -----------------------------------------------------------

    def _tags(self, job: Job) -> dict[str, str | None]:  # noqa: ARG002
        """Return further columns of a picture's row, by which the history finds it."""
        return {}

    def _wanted(self, job: Job, maker: Maker, request: Request) -> str:
        """Return where a picture goes. Raises UsageError where it cannot, before it is paid."""
        if job.output is None:
            return maker.wanted(request, job.number, job.template)
        return maker.place.wanted(job.output)

    def _advised(self, error: ZimageError, generation: Generation | None) -> ZimageError:  # noqa: ARG002
        """Return an error with what to do next, where that is something else for this run."""
        return error

    def _keep(self, outcome: Outcome) -> bool:  # noqa: ARG002
        """Write an outcome down, where there is a journal; tell whether it is there."""
        return False
