"""The account's rate limit, counted over a strict sliding window."""

from __future__ import annotations

import threading
from collections import deque


class SlidingLimit:
    """Admit at most `rps` calls in any second, by account. Safe among threads.

    A rate below one a second admits one call every 1/rps seconds; a fraction above one is cut off.
    Refused calls do not count, or a client that keeps asking would never be let in again.
    """

    def __init__(self, rps: float) -> None:
        self._calls = max(1, int(rps))
        self._window = 1.0 if rps >= 1 else 1.0 / rps
        self._admitted: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def admit(self, account: str, clock: float) -> bool:
        """Say whether a call that arrived at `clock` (monotonic seconds) is within the limit."""
        with self._lock:
            times = self._admitted.setdefault(account, deque())
            # Threads may hand in their arrivals out of order: an earlier one still counts in full.
            while times and clock - times[0] >= self._window:
                times.popleft()
            if len(times) >= self._calls:
                return False
            times.append(clock)
            return True
