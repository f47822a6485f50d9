"""A run that is under way, as who began it sees, stops and waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from zimage_cli.api import threads
from zimage_cli.core.status import Status
from zimage_cli.errors import ConfigurationError, Stopped, ZimageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.engine import Engine
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.run.tally import Tally

WORK = "zimage-run"
"""What the name of a run's own thread begins with."""

_SLICE = 0.1
"""Seconds between two looks at work that was cancelled."""
_SETTLE_SECONDS = 5.0
"""How long cancelled work may take to write down how it ended: a disk may be slow."""
_LEAVE_SECONDS = 0.5
"""How long it may take to end where it has nothing to write down: a connection may hang."""


def begin(thread: threading.Thread) -> None:
    """Start a thread. Raises ConfigurationError where the system allows no more of them."""
    try:
        threads.start(thread)
    except RuntimeError:
        raise ConfigurationError(
            "The system allows this process no more threads. Nothing was sent.",
            hint="See the limits: ulimit -a",
        ) from None


def settle(
    wait: Callable[[float], object], works: Callable[[], bool], unsettled: Callable[[], bool]
) -> None:
    """Wait for cancelled work as long as it is `unsettled`, 5 s at most, and a moment in any case.

    `wait` waits so many seconds for its end; `works` tells whether it has not come.
    """
    began = time.monotonic()
    while works() and time.monotonic() - began < (
        _SETTLE_SECONDS if unsettled() else _LEAVE_SECONDS
    ):
        wait(_SLICE)


class Run:
    """A run that is under way, in threads of its own.

    `fatal` is what ended it before its time, if anything did.
    """

    def __init__(
        self,
        wire: Wire,
        prepare: Callable[[Wire], tuple[Engine, Iterator[Job]]],
        on_end: Callable[[Run], None],
    ) -> None:
        self._prepare = prepare
        self._on_end = on_end
        self._wire = wire
        self._engine: Engine | None = None
        self._stopping = False
        self._done = threading.Event()
        self._error: BaseException | None = None
        # No daemon: a program that ends meanwhile waits for the pictures that are paid.
        self._thread = threading.Thread(target=self._work, name=WORK, daemon=False)
        self.left_behind = False
        """Whether it was cancelled and has not ended: what it waits for does not answer."""
        self.cut_off = 0
        """How many pictures were being painted when it was cancelled: they may be billed."""

    def start(self) -> None:
        """Begin. Raises ConfigurationError where the system allows no more threads."""
        begin(self._thread)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; tell whether it has come. Raises a bug of ours."""
        done = self._done.wait(seconds)
        if done and self._error is not None:
            raise self._error
        return done

    def stop(self) -> None:
        """Send nothing more; what is in flight is waited for and saved."""
        self._stopping = True
        if self._engine is not None:
            self._engine.stop()

    def cancel(self) -> None:
        """End what is in flight too; return when that is written down, or does not answer."""
        self.stop()
        lost = self.tally.counts[Status.LOST]
        self._wire.cancel()
        if self._engine is not None:
            self._engine.cancel()
        settle(self._done.wait, lambda: not self._done.is_set(), lambda: bool(self.unsettled))
        self.left_behind = not self._done.is_set()
        self.cut_off = self.tally.counts[Status.LOST] - lost + self.unsettled

    def join(self) -> None:
        """Wait for its threads."""
        # Ctrl-C during a join makes Python 3.11 believe that a thread has ended which still works.
        self._done.wait()
        self._thread.join()

    @property
    def unsettled(self) -> int:
        """How many pictures were asked for that have not come to their end."""
        return 0 if self._engine is None else self._engine.unsettled

    @property
    def tally(self) -> Tally:
        """What it has come to so far."""
        from zimage_cli.core.run.tally import Tally

        return Tally() if self._engine is None else self._engine.tally

    fatal: ZimageError | None = None

    def _work(self) -> None:
        try:
            engine, jobs = self._prepare(self._wire)
            self._engine = engine
            if self._stopping:
                engine.stop()
            engine.start(jobs)
            engine.wait()
            self.fatal = engine.tally.fatal
        except ZimageError as error:
            self.fatal = error
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by `wait`, where it is looked for
            self._error = error
        finally:
            self._wire.close()
            self._done.set()
            self._on_end(self)


def outcomes(
    start: Callable[[Watcher, Callable[[], None]], Run], plan: RequestPlan, watcher: Watcher
) -> Iterator[Outcome]:
    """Start the run of a plan and yield its outcomes.

    `start` gets who watches the run, and what to call at its end. Where the caller stops early,
    what is in flight is still saved.
    """
    from queue import SimpleQueue

    from zimage_cli.core.observer import Telling

    news: SimpleQueue[Outcome | None] = SimpleQueue()
    run = start(Telling(watcher, news.put), lambda: news.put(None))
    told: set[int] = set()
    try:
        while (outcome := news.get()) is not None:
            told.add(outcome.job.number)
            yield outcome
        run.wait()
    except GeneratorExit:
        run.stop()
        raise
    except BaseException:
        run.cancel()
        raise
    yield from not_asked_for(run, plan, told)


def not_asked_for(run: Run, plan: RequestPlan, told: Collection[int]) -> Iterator[Outcome]:
    """Yield what a run that has ended left out; `told` are the numbers of the jobs that ended.

    Raises what ended it where that was before the first.
    """
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.errors import Billed

    if run.fatal is not None and not told:
        raise run.fatal
    why = run.fatal.message if run.fatal else Message("the run was stopped")
    for job in plan.jobs() if len(told) < len(plan.requests) else ():
        if job.number not in told:
            target = plan.settings.target
            yield Outcome(
                job,
                Status.SKIPPED,
                job.request,
                target.region_name,
                target.host or "",
                billed=Billed.NO,
                reason=Message("not asked for: {why}", why=why),
            )
