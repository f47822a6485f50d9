"""The sandbox as tests look at it: each call that it was asked, and each picture that it billed."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zimage_cli.sandbox import server
from zimage_cli.sandbox.books import Billed, Books, Call
from zimage_cli.sandbox.server import SandboxServer

KEPT_CALLS = 20_000


class Sandbox(server.Sandbox):
    """A sandbox whose books can be read."""

    def start(self) -> SandboxServer:
        return SandboxServer(self, Records())


@dataclass(frozen=True)
class Seen:
    """A call: its own attributes, and those of its request."""

    call: Call

    def __getattr__(self, name: str) -> Any:
        return getattr(self.call if hasattr(self.call, name) else self.call.request, name)

    def json(self) -> Any:
        return json.loads(self.call.request.body)

    @property
    def fault(self) -> str | None:
        return next(iter(self.call.faults), None)


class Records(Books):
    """Books that keep the latest calls, and in which one can wait for what is to come."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition(self._lock)
        self._calls: deque[Seen] = deque(maxlen=KEPT_CALLS)
        self._pictures: deque[Seen] = deque(maxlen=KEPT_CALLS)

    def arrived(self, call: Call) -> None:
        with self._changed:
            self._calls.append(Seen(call))
            super().arrived(call)
            self._changed.notify_all()

    def answered(self, call: Call, *, status: int, billed: Billed | None = None) -> None:
        with self._changed:
            super().answered(call, status=status, billed=billed)
            self._changed.notify_all()

    def picture(self, call: Call) -> None:
        with self._changed:
            self._pictures.append(Seen(call))
            super().picture(call)
            self._changed.notify_all()

    @property
    def calls(self) -> list[Seen]:
        """The requests at the API origin, oldest first."""
        with self._changed:
            return list(self._calls)

    @property
    def posts(self) -> list[Seen]:
        return [call for call in self.calls if call.method == "POST"]

    @property
    def gets(self) -> list[Seen]:
        return [call for call in self.calls if call.method == "GET"]

    @property
    def pictures(self) -> list[Seen]:
        """The requests at the picture origin, oldest first."""
        with self._changed:
            return list(self._pictures)

    @property
    def billed(self) -> list[Billed]:
        """The pictures made, oldest first."""
        with self._changed:
            return list(self._billed)

    @property
    def post_count(self) -> int:
        return len(self._post_clocks)

    @property
    def billed_count(self) -> int:
        return self._billed_count

    @property
    def throttled_count(self) -> int:
        return self._statuses[429]

    @property
    def peak_in_flight(self) -> int:
        """How many POSTs were at most being answered at one time."""
        return self._peak

    @property
    def post_clocks(self) -> list[float]:
        """time.monotonic() of every POST's arrival."""
        with self._changed:
            return list(self._post_clocks)

    def most_in(self, seconds: float = 1.0) -> int:
        """How many POSTs came at most in any window of so many seconds."""
        clocks = sorted(self.post_clocks)
        most = start = 0
        for end, clock in enumerate(clocks):
            while clock - clocks[start] >= seconds:
                start += 1
            most = max(most, end - start + 1)
        return most

    def wait_for(self, condition: Callable[[Records], bool], timeout: float = 60.0) -> bool:
        """Wait until the books satisfy `condition`, at most `timeout` seconds; say whether."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.02))
        return True
