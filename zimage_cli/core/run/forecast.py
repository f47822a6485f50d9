"""How fast a run goes and how long it still takes, from the first moment on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 60.0
"""Seconds over which the rate is measured."""

_TRUST = 4
"""So many pictures does what was expected count for among those that have ended."""
_TIMES = 32
"""So many painting times are remembered."""


class Forecast:
    """The rate of a run and its end: expected at first, then more and more as it was.

    `seconds` is what one picture takes, `lines` how many are painted at a time, `most` the limit in
    pictures a second, 0 for none. Not safe between threads.
    """

    def __init__(
        self,
        seconds: float,
        lines: int,
        most: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = seconds
        self._lines = lines
        self._most = most
        self._clock = clock
        self._ended: deque[float] = deque()
        self._times: deque[float] = deque(maxlen=_TIMES)
        self._first = clock() + seconds
        """When the first picture is there."""

    def ended(self, seconds: float | None) -> None:
        """Note that a picture has come to its end, so long after it was asked for."""
        now = self._clock()
        self._first = min(self._first, now)
        self._ended.append(now)
        if seconds is not None:
            self._times.append(seconds)

    @property
    def measured(self) -> bool:
        """Tell whether the rate is more what it was than what was expected."""
        self._forget()
        return len(self._ended) > _TRUST

    @property
    def seconds(self) -> float:
        """What one picture takes."""
        return (self._expected + sum(self._times)) / (1 + len(self._times))

    @property
    def rate(self) -> float:
        """Pictures a second."""
        span = max(0.0, min(WINDOW, self._forget() - self._first))
        expected = self._limited(self._lines / self.seconds)
        return self._limited((len(self._ended) + _TRUST) / (span + _TRUST / expected))

    def left(self, unsent: int, painted_for: float | None = None) -> float:
        """Return how many seconds it takes until all have ended.

        `unsent` are not asked for yet; `painted_for` is for how long the last one has been
        painted, None where none is.
        """
        if not unsent and painted_for is None:
            return 0.0
        gone = 0.0 if unsent or painted_for is None else painted_for
        return unsent / self.rate + max(0.0, self.seconds - gone)

    def _forget(self) -> float:
        """Forget what has ended before the window; return the time."""
        now = self._clock()
        while self._ended and now - self._ended[0] > WINDOW:
            self._ended.popleft()
        return now

    def _limited(self, rate: float) -> float:
        return min(rate, self._most) if self._most else rate
