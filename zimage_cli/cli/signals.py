"""Ctrl-C and its like: the handler notes them, and the main thread acts when it is ready."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.core.run.run import begin, settle
from zimage_cli.errors import Stopped
from zimage_cli.messages import Listing, Message, counted

if TYPE_CHECKING:
    from types import FrameType

    from zimage_cli.cli.view import View
    from zimage_cli.core.run.run import Run

_MOST = 3
"""Signals that are noted; the next one has its default action: what hangs can always be ended."""

_FRAME = 0.1
"""Seconds between two looks at work that is shown, and of a question at signals."""

WORK = ("work", "zimage-run", "askers-", "savers-")
"""What the names of threads begin with that make pictures."""


@contextmanager
def raising() -> Iterator[None]:
    """Have a signal raise Interrupted: a question has to give the terminal back as it was.

    Only where nothing else runs and nothing is imported.
    """
    from zimage_cli.cli.errors import Interrupted

    def end(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before: dict[int, Any] = {}
    try:
        before |= install(end, "SIGINT", "SIGTERM", "SIGHUP")
        with _woken():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _woken() -> Iterator[None]:
    """Have a read that waits look for signals now and then: it misses what came just before it."""
    if not hasattr(signal, "setitimer"):  # Windows.
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, _FRAME, _FRAME)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def install(handler: Callable[[int, FrameType | None], None], *names: str) -> dict[int, Any]:
    """Handle the signals that this system has and that are not ignored, as under nohup.

    Returns what handled them before, by number.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) not in {signal.SIG_IGN, None}
    }


_ONE = {
    "painting": "{count:,} picture still painting",
    "downloading": "{count:,} picture still downloading",
    "connecting": "{count:,} picture still connecting",
}
_MANY = {
    "painting": "{count:,} pictures still painting",
    "downloading": "{count:,} pictures still downloading",
    "connecting": "{count:,} pictures still connecting",
}
_MORE = {
    "downloading": "{count:,} downloading",
    "connecting": "{count:,} connecting",
}


def stopping_words(painting: int, downloading: int = 0, connecting: int = 0) -> Message:
    """Return what a run that was asked to end still waits for, and how to leave it.

    What waits for its turn is not among it: nothing of that was sent, and nothing will be.
    """
    counts = {"painting": painting, "downloading": downloading, "connecting": connecting}
    still: list[Message] = []
    for doing, count in counts.items():
        if count and still:
            still.append(Message(_MORE[doing], count=count))
        elif count:
            still.append(counted(count, _ONE[doing], _MANY[doing]))
    if not still:
        return Message("stopping: nothing is painting any more; Ctrl-C again leaves at once")
    return Message("stopping: {still}; Ctrl-C again leaves at once", still=Listing(", ", still))


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP while it is open; those that are ignored stay ignored.

    An exception that a handler raises would leave things half done at any point of the main thread.
    For the main thread only.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """Every signal so far, oldest first."""
        self._taken = 0
        self._woken = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        from socket import socketpair

        # The interpreter writes to it the moment that a signal arrives. Locks and queues are not
        # enough: a signal in the instant before one of them begins to wait does not end the wait.
        self._news, self._wakes = socketpair()
        self._news.setblocking(False)
        self._wakes.setblocking(False)
        self._others = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self._before = install(self._note, "SIGINT", "SIGTERM", "SIGHUP")
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._others)
        self._news.close()
        self._wakes.close()
        if self.numbers:
            # The process ends now: one more Ctrl-C must not cut off what it still has to say.
            return
        keys = sys.modules.get("zimage_cli.cli.keys")
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, keys.giving_back(handler) if keys else handler)

    def wait(self, seconds: float | None = None) -> int | None:
        """Return the next signal that was not yet taken; None at the time-out or on `wake`.

        Without `seconds` it waits for either.
        """
        from select import select

        end = None if seconds is None else time.monotonic() + seconds
        ready: list[Any] = [self._news]
        while ready:
            left = None if end is None else max(0.0, end - time.monotonic())
            if self._taken < len(self.numbers):
                self._taken += 1
                return self.numbers[self._taken - 1]
            if self._woken:
                self._woken = False
                return None
            ready, _, _ = select([self._news], [], [], left)
            if ready:
                self._news.recv(4096)
        return None

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        self._woken = True
        # A full socket wakes it already; with a closed one nobody waits any more.
        with suppress(OSError):
            self._wakes.send(b"\0")

    def wait_for(
        self,
        work: Callable[[], None],
        cancel: Callable[[], None],
        unsettled: Callable[[], bool],
        show: Callable[[], None] | None = None,
    ) -> None:
        """Do work in a thread of its own, and cancel it at the first signal; `show` it meanwhile.

        After that it is waited for as long as it is `unsettled`, 5 s at most. Raises what the work
        raises, or Stopped where it is left behind: it hangs, or has nothing more to write down.
        """
        thread, ended = self._begin(work)
        while not ended:
            if self.wait(_FRAME if show else None) is not None:
                cancel()
                settle(thread.join, thread.is_alive, unsettled)
                break
            if show is not None:
                show()
        if not ended:
            raise Stopped
        thread.join()
        if ended[0] is not None:
            raise ended[0]

    def attend(self, work: Callable[[], None], stop: Callable[[], None]) -> bool:
        """Do work in a thread of its own; the first signal asks it to `stop`, another leaves it.

        Tells whether it has ended. Raises what the work raises.
        """
        thread, ended = self._begin(work)
        while not ended:
            if self.wait() is None:
                continue
            if len(self.numbers) > 1:
                return False
            stop()
        if ended[0] is not None:
            raise ended[0]
        thread.join()
        return True

    def drive(self, run: Run, view: View, *, patient: bool) -> None:
        """Wait for the end of a run, and show it meanwhile.

        The first signal of a `patient` run stops it: what is in flight is waited for. Any other
        cancels it. Raises a bug of ours.
        """
        while not run.wait(0):
            if self.wait(view.pause()) is None:
                view.refresh()
            elif patient and len(self.numbers) == 1:
                run.stop()
                view.stopping()
            else:
                view.close()
                run.cancel()
                return

    def _begin(
        self, work: Callable[[], None]
    ) -> tuple[threading.Thread, list[BaseException | None]]:
        """Do work in a thread of its own; the list gets what it raised, or None, at its end."""
        ended: list[BaseException | None] = []

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as caught:  # noqa: BLE001 - raised below, in the main thread
                error = caught
            ended.append(error)
            self.wake()

        thread = threading.Thread(target=run, name=WORK[0], daemon=True)
        begin(thread)
        return thread, ended

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.numbers.append(number)
        if len(self.numbers) >= _MOST:
            keys = sys.modules.get("zimage_cli.cli.keys")
            if keys is not None:
                keys.leave()
            for known in self._before:
                signal.signal(known, signal.SIG_DFL)
