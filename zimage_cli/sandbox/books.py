"""What the sandbox saw and did: every request, every answer, every picture that was billed."""

from __future__ import annotations

import threading
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.sandbox.wire import headers_of

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT_CALLS = 20_000
_KEPT_BILLED = 400_000
_KEPT_BODY = 16 * 1024


def mask(key: str | None) -> str | None:
    """Return a key as it may be shown: its kind and last four characters."""
    if key is None:
        return None
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 12 else f"{key[:3]}…"


@dataclass(slots=True)
class ApiCall:
    """One request at the API origin; `status` is 0 until it is answered (and after a reset).

    `at` is seconds since the epoch, `clock` time.monotonic() of the same instant, both taken when
    the last header had arrived. `key` is what stood behind `Bearer `, in full: for tests.
    """

    at: float
    clock: float
    method: str
    target: str
    head: bytes
    key: str | None
    body: bytes = b""
    status: int = 0
    code: str | None = None
    request_id: str | None = None
    faults: tuple[str, ...] = ()
    billed: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Return the request's headers by lower-case name."""
        return headers_of(self.head)

    def json(self) -> Any:
        """Return the request's body, parsed."""
        import json

        return json.loads(self.body)


@dataclass(slots=True)
class PictureCall:
    """One request at the picture origin."""

    at: float
    clock: float
    method: str
    target: str
    head: bytes
    status: int = 0
    fault: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return the request's headers by lower-case name."""
        return headers_of(self.head)


@dataclass(frozen=True, slots=True)
class Billed:
    """One picture that was made; `seed` is the one used, given or not."""

    request_id: str
    prompt: str
    seed: int
    seed_given: bool
    size: str
    prompt_extend: bool
    key: str
    at: float
    url: str


class Books:
    """Keep count, safely among threads.

    Counters and arrival times are exact for ever; full records are kept for the latest calls only,
    so that a day's batch does not fill the memory.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: deque[ApiCall] = deque(maxlen=_KEPT_CALLS)
        self._pictures: deque[PictureCall] = deque(maxlen=_KEPT_CALLS)
        self._billed: deque[Billed] = deque(maxlen=_KEPT_BILLED)
        self._post_clocks = array("d")
        self._post_times = array("d")
        self._statuses: Counter[int] = Counter()
        self._codes: Counter[str] = Counter()
        self._billed_count = 0
        self._picture_count = 0
        self._picture_statuses: Counter[int] = Counter()
        self._authorized_pictures = 0
        self._in_flight = 0
        self._peak = 0

    # What the server writes.

    def arrived(self, call: ApiCall) -> ApiCall:
        """Enter a request at the API origin, before it is answered."""
        call.body = call.body[:_KEPT_BODY]
        with self._changed:
            self._calls.append(call)
            if call.method == "POST":
                self._post_clocks.append(call.clock)
                self._post_times.append(call.at)
                self._in_flight += 1
                self._peak = max(self._peak, self._in_flight)
            self._changed.notify_all()
        return call

    def answered(self, call: ApiCall, *, status: int, billed: Billed | None = None) -> None:
        """Enter the answer, before its first byte is sent."""
        with self._changed:
            call.status = status
            if call.method == "POST":
                self._in_flight -= 1
                self._statuses[status] += 1
                if call.code is not None:
                    self._codes[call.code] += 1
            if billed is not None:
                call.billed = True
                self._billed.append(billed)
                self._billed_count += 1
            self._changed.notify_all()

    def picture(self, call: PictureCall) -> None:
        """Enter a request at the picture origin and what it is answered with."""
        with self._changed:
            self._pictures.append(call)
            self._picture_count += 1
            self._picture_statuses[call.status] += 1
            self._authorized_pictures += b"\r\nauthorization:" in call.head.lower()
            self._changed.notify_all()

    # What tests and benchmarks read.

    @property
    def calls(self) -> list[ApiCall]:
        """Return the requests at the API origin, oldest first."""
        with self._changed:
            return list(self._calls)

    @property
    def posts(self) -> list[ApiCall]:
        """Return the generation calls, oldest first."""
        return [call for call in self.calls if call.method == "POST"]

    @property
    def gets(self) -> list[ApiCall]:
        """Return the read-only calls, oldest first."""
        return [call for call in self.calls if call.method == "GET"]

    @property
    def billed(self) -> list[Billed]:
        """Return the pictures made, oldest first."""
        with self._changed:
            return list(self._billed)

    @property
    def pictures(self) -> list[PictureCall]:
        """Return the requests at the picture origin, oldest first."""
        with self._changed:
            return list(self._pictures)

    @property
    def post_count(self) -> int:
        """Return how many POSTs came."""
        return len(self._post_clocks)

    @property
    def billed_count(self) -> int:
        """Return how many pictures were billed."""
        return self._billed_count

    @property
    def throttled_count(self) -> int:
        """Return how many POSTs were answered with 429."""
        return self._statuses[429]

    @property
    def peak_in_flight(self) -> int:
        """Return how many POSTs were at most being answered at one time."""
        return self._peak

    @property
    def post_clocks(self) -> list[float]:
        """Return time.monotonic() of every POST's arrival."""
        with self._changed:
            return list(self._post_clocks)

    def most_in(self, seconds: float = 1.0) -> int:
        """Return how many POSTs came at most in any window of so many seconds."""
        clocks = sorted(self.post_clocks)
        most = start = 0
        for end, clock in enumerate(clocks):
            while clock - clocks[start] >= seconds:
                start += 1
            most = max(most, end - start + 1)
        return most

    def wait_for(self, condition: Callable[[Books], bool], timeout: float = 5.0) -> bool:
        """Wait until the books satisfy `condition`, at most `timeout` seconds; say whether."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.02))
        return True

    def summary(self, *, billed: bool = False) -> dict[str, Any]:
        """Return the counters, and with `billed` each picture made, as a JSON object."""
        with self._changed:
            found: dict[str, Any] = {
                "posts": len(self._post_clocks),
                "billed": self._billed_count,
                "throttled": self._statuses[429],
                "in_flight": self._in_flight,
                "peak_in_flight": self._peak,
                "statuses": {str(status): n for status, n in sorted(self._statuses.items())},
                "codes": dict(sorted(self._codes.items())),
                "picture_requests": self._picture_count,
                "picture_statuses": {
                    str(status): n for status, n in sorted(self._picture_statuses.items())
                },
                "picture_requests_with_authorization": self._authorized_pictures,
                "post_times": list(self._post_times),
                "post_clocks": list(self._post_clocks),
            }
            made = list(self._billed) if billed else []
        if billed:
            found["billed_pictures"] = [
                {
                    "request_id": one.request_id,
                    "prompt": one.prompt,
                    "seed": one.seed,
                    "seed_given": one.seed_given,
                    "size": one.size,
                    "prompt_extend": one.prompt_extend,
                    "key": mask(one.key),
                    "at": one.at,
                }
                for one in made
            ]
        return found
