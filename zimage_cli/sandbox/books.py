"""What the sandbox did: how many requests and answers of each kind, and what was billed."""

from __future__ import annotations

import threading
from array import array
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zimage_cli.sandbox.wire import Request

_KEPT_BILLED = 400_000


def mask(key: str | None) -> str | None:
    """Return a key as it may be shown: its kind and last four characters."""
    if key is None:
        return None
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 12 else f"{key[:3]}…"


@dataclass(slots=True)
class Call:
    """A request and its answer; `status` is 0 until it is answered (and after a reset).

    `key` is what stood behind `Bearer `, in full.
    """

    request: Request
    key: str | None = None
    status: int = 0
    code: str | None = None
    request_id: str | None = None
    faults: tuple[str, ...] = ()
    billed: bool = False


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

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object, the key masked."""
        return {
            "request_id": self.request_id,
            "prompt": self.prompt,
            "seed": self.seed,
            "seed_given": self.seed_given,
            "size": self.size,
            "prompt_extend": self.prompt_extend,
            "key": mask(self.key),
            "at": self.at,
        }


class Books:
    """Keep count, safely among threads.

    Counters and arrival times are exact for ever; of the pictures made, the latest are kept.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._post_clocks = array("d")
        self._post_times = array("d")
        self._statuses: Counter[int] = Counter()
        self._codes: Counter[str] = Counter()
        self._billed: deque[Billed] = deque(maxlen=_KEPT_BILLED)
        self._billed_count = 0
        self._picture_statuses: Counter[int] = Counter()
        self._authorized_pictures = 0
        self._in_flight = 0
        self._peak = 0

    def arrived(self, call: Call) -> None:
        """Enter a request at the API origin, before it is answered."""
        if call.request.method != "POST":
            return
        with self._lock:
            self._post_clocks.append(call.request.clock)
            self._post_times.append(call.request.at)
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)

    def answered(self, call: Call, *, status: int, billed: Billed | None = None) -> None:
        """Enter the answer, before its first byte is sent."""
        with self._lock:
            call.status = status
            if call.request.method == "POST":
                self._in_flight -= 1
                self._statuses[status] += 1
                if call.code is not None:
                    self._codes[call.code] += 1
            if billed is not None:
                call.billed = True
                self._billed.append(billed)
                self._billed_count += 1

    def picture(self, call: Call) -> None:
        """Enter a request at the picture origin and what it is answered with."""
        with self._lock:
            self._picture_statuses[call.status] += 1
            self._authorized_pictures += "authorization" in call.request.headers

    def summary(self, *, billed: bool = False) -> dict[str, Any]:
        """Return the counters, and with `billed` each picture made, as a JSON object."""
        with self._lock:
            found: dict[str, Any] = {
                "posts": len(self._post_clocks),
                "billed": self._billed_count,
                "throttled": self._statuses[429],
                "in_flight": self._in_flight,
                "peak_in_flight": self._peak,
                "statuses": _counts(self._statuses),
                "codes": dict(sorted(self._codes.items())),
                "picture_requests": self._picture_statuses.total(),
                "picture_statuses": _counts(self._picture_statuses),
                "picture_requests_with_authorization": self._authorized_pictures,
                "post_times": list(self._post_times),
                "post_clocks": list(self._post_clocks),
            }
            made = list(self._billed) if billed else []
        if billed:
            found["billed_pictures"] = [one.document() for one in made]
        return found


def _counts(statuses: Counter[int]) -> dict[str, int]:
    return {str(status): count for status, count in sorted(statuses.items())}
