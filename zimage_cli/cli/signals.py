"""Ctrl-C and its like, noted by the handler and taken by the main thread when it is ready."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.api.errors import ConfigurationError, Stopped

if TYPE_CHECKING:
    from queue import SimpleQueue
    from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

_MOST = 3
"""Signals that are noted; the next one has its default action, so a hang can always be ended."""

_SLICE = 0.1
"""Seconds between two looks, where no event ends a wait: on Windows, Ctrl-C ends none."""


WORK = "work"
"""What the names of threads begin with that make pictures."""

SETTLE_SECONDS = 5.0
"""How long cancelled work may take to write down how it ended: a disk may be slow."""


_LEAVE_SECONDS = 0.5
"""How long it may take to end where it has nothing to write down: a connection may hang."""


@contextmanager
def raising() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt: a question has to give the terminal back as it was.

    Only where nothing else runs and nothing is imported.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP while it is open; those that are ignored stay ignored.

    An exception that a handler raises would leave things half done at any point of the main thread.
    For the main thread only.
    """

    def __init__(self) -> None:
        from queue import SimpleQueue

        self.numbers: list[int] = []
        """Every signal so far, oldest first."""
        # Its `put` may interrupt itself, as a handler does. That of an Event or a Queue may not.
        self._news: SimpleQueue[int | None] = SimpleQueue()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in {signal.SIG_IGN, None}:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self.numbers:
            # The process ends now: one more Ctrl-C must not cut off what it still has to say.
            return
        while self._before:
            signal.signal(*self._before.popitem())

    def wait(self, seconds: float | None = None) -> int | None:
        """Return the next signal that was not yet taken; None at the time-out or on `wake`.

        Without `seconds` it waits for either.
        """
        from queue import Empty

        left = float("inf") if seconds is None else max(seconds, 0.0)
        while True:
            step = min(left, _SLICE) if os.name == "nt" else left
            try:
                return self._news.get(timeout=None if step == float("inf") else step)
            except Empty:
                left -= step
                if left <= 0:
                    return None

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        self._news.put(None)

    def wait_for(
        self,
        work: Callable[[], None],
        cancel: Callable[[], None],
        unsettled: Callable[[], bool],
    ) -> None:
        """Do work in a thread of its own, and cancel it at the first signal.

        After that it is waited for as long as it is `unsettled`, 5 s at most. Raises what the work
        raises, or Stopped where it is left behind: it hangs, or has nothing more to write down.
        """
        ended: list[BaseException | None] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again below, in the main thread
                ended.append(error)
            else:
                ended.append(None)
            self.wake()

        thread = threading.Thread(target=run, name=WORK, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise ConfigurationError(
                "The system allows this process no more threads. Nothing was sent.",
                hint="See the limits: ulimit -a",
            ) from None
        if self.wait() is not None:
            cancel()
            began = time.monotonic()
            while not ended and time.monotonic() - began < (
                SETTLE_SECONDS if unsettled() else _LEAVE_SECONDS
            ):
                self.wait(_SLICE)
        if not ended:
            raise Stopped
        thread.join()
        if ended[0] is not None:
            raise ended[0]

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.numbers.append(number)
        self._news.put(number)
        if len(self.numbers) >= _MOST:
            for known in self._before:
                signal.signal(known, signal.SIG_DFL)
