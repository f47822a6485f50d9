"""Ctrl-C and its like, noted by the handler and taken by the main thread when it is ready."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from queue import SimpleQueue
    from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

_MOST = 3
"""Signals that are noted; the next one has its default action, so a hang can always be ended."""

_SLICE = 0.1
"""Seconds of a wait on Windows, where none is interrupted by Ctrl-C."""


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

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.numbers.append(number)
        self._news.put(number)
        if len(self.numbers) >= _MOST:
            for known in self._before:
                signal.signal(known, signal.SIG_DFL)
