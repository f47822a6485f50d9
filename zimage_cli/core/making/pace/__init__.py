"""The account's rate limit, kept by every zimage of a user, or of a team, together.

The service counts 2 requests in any one second over the whole account and punishes bursts. So a
turn is taken before each request. Turns are evenly spaced and counted from when their requests
*left*: one that is still connecting may leave at any moment, and until then keeps its place. After
a 429 the pace drops and comes back by itself; during a Retry-After nobody sends.

`rule` says when a turn is ready. What is known together stands in a `Store`: a file of this machine
(`file`), or a Redis that many machines share (`shared`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from zimage_cli.core.making.pace.file import FileStore
from zimage_cli.core.making.pace.rule import rest_after, speaks_of_rate
from zimage_cli.errors import ZimageError

LEAD = 0.02
"""Seconds by which a turn is given early: the connection and the row in the history are made in
them, and the request then leaves on time."""


class Store(Protocol):
    """Where turns are given. Its times are by this process' monotonic clock; safe among threads."""

    def take(self, turn: str, lead: float) -> tuple[bool, float]:
        """Take a turn: True, and when it may leave; or False, and how long to wait until asking."""

    def left(self, turn: str, at: float | None) -> None:
        """Note when the request of a turn left; None where it never will."""

    def succeeded(self) -> None:
        """Note an answer."""

    def failed(self, rest: float) -> None:
        """Note a 429: everybody rests for so many seconds."""

    def gave_up(self) -> None:
        """Note that nobody of this process waits for a turn any more."""

    def close(self) -> None:
        """Let go of what is open."""


class Turn(NamedTuple):
    """A turn that was given: its request may leave at `at`, by the monotonic clock."""

    pace: Pace
    id: str
    at: float

    def left(self) -> float:
        """Return the seconds until its request may leave."""
        return max(0.0, self.at - time.monotonic())

    def sent(self) -> None:
        """Note that the request has left just now, later than the turn was given."""
        self.pace.left(self.id, time.monotonic())

    def dropped(self) -> None:
        """Note that the request will not leave any more."""
        self.pace.left(self.id, None)


class Pace:
    """Turns at `rps` requests a second for one account; safe between threads and processes.

    `store` is where they are given; without one, the file `path`, None to share it within this
    object alone. The account is known by a salted hash of its key. 0 is no limit.
    """

    def __init__(
        self, rps: float, *, key: str = "", path: Path | None = None, store: Store | None = None
    ) -> None:
        self._store = (store or FileStore(rps, key, path)) if rps else None
        self._turn = threading.Lock()

    def close(self) -> None:
        """Let go of what is open."""
        if self._store is not None:
            self._store.close()

    def take(
        self,
        *,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[float], None] = lambda _: None,
        lead: float = 0.0,
    ) -> Turn:
        """Return when a request may be sent, or at most `lead` seconds before.

        `on_wait` hears of waits, in seconds; `sleep` is also asked for 0 s before anything, and may
        raise to give up.
        """
        # One thread of a process at a time asks for the next turn; the others queue behind it.
        with self._turn:
            sleep(0.0)
            name = os.urandom(6).hex()
            store = self._store
            if store is None:
                return Turn(self, name, 0.0)
            while True:
                given, when = store.take(name, lead)
                if given:
                    return Turn(self, name, when)
                try:
                    on_wait(when)
                    sleep(when)
                except BaseException:
                    store.gave_up()
                    raise

    def left(self, turn: str, at: float | None) -> None:
        """Note when the request of a turn left; None where it never will, and only holds a place.

        Called by `Turn`.
        """
        if self._store is not None:
            self._store.left(turn, at)

    def succeeded(self) -> None:
        """Note an answer: a dropped pace comes back a little."""
        if self._store is not None:
            self._store.succeeded()

    def failed(self, error: ZimageError) -> None:
        """Note a failure: where it speaks of the rate, the pace drops and everybody rests."""
        if self._store is not None and speaks_of_rate(error):
            self._store.failed(rest_after(error))
