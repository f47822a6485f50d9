"""The pace of many machines: turns are given by a Redis, and by its clock alone.

Each process stands in one line, so that all come to their turn equally often. Where the Redis is
lost in a run, each goes on at its own last pace: its share of the limit, in this process alone. It
tries to come back by itself; until the others have had the time for that too, it keeps both.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from zimage_cli.api import threads
from zimage_cli.core.making.pace import rule
from zimage_cli.core.making.pace.link import TTL, Link, PaceLost, Reply
from zimage_cli.core.making.pace.rule import Limit, State
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.settings.pace_url import PaceUrl

RETRY = 2.0
"""Seconds between two tries to come back."""

GATHER = 5.0
"""Seconds for which who came back keeps its own pace too: so long the others may take."""

_MOST_TRIP = 0.25


class RedisStore:
    """Turns at `rps` requests a second for everybody who names the same Redis and account.

    `tell` hears, once each, that the Redis is lost in mid-run and that it is back. Raises PaceLost
    where it cannot be used at the start, ConfigurationError without redis-py.
    """

    def __init__(
        self, rps: float, url: PaceUrl, name: str, tell: Callable[[Message], None]
    ) -> None:
        self.tell = tell
        self._rps = rps
        self._url = url
        self._name = name
        self._process = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._mine = State()
        """The latest turns of this process alone."""
        self._own: Limit | None = None
        """Its own pace, while it keeps one."""
        self._gathered = 0.0
        """When the others are back too, and it needs that no more."""
        self._link: Link | None = self._connected()

    def __repr__(self) -> str:
        return f"RedisStore({self._url})"

    def close(self) -> None:
        """Leave the others, and close the connection."""
        self._closed.set()
        with self._lock:
            link, self._link = self._link, None
            if link is not None:
                _leave(link)

    # -- turns ---------------------------------------------------------------------------------

    def take(self, turn: str, lead: float) -> tuple[bool, float]:
        """Take a turn: True, and when it may leave; or False, and how long to wait until asking."""
        with self._lock:
            now, alone = time.monotonic(), self._link is None
            if self._own is not None and not alone and now >= self._gathered:
                self._own = None
            own = rule.ready(self._mine, self._own, now) if self._own else -inf
            if own > now + lead:
                return False, own - now - lead
            if alone:
                return True, self._taken(turn, now, own)
            known = self._last.made if now - self._last.heard < TTL else ""
        # Whoever asks early has its turn when the answer is there.
        early = lead + min(self._last.trip, _MOST_TRIP) if lead > 0 else lead
        reply = self._say("take", turn, f"{early:.6f}", known)
        if reply is None:
            return self.take(turn, lead)
        if not reply.given:
            return False, reply.wait
        with self._lock:
            # The Redis counted from before it answered: that is too late, and never too early.
            return True, self._taken(turn, reply.heard, max(reply.heard + reply.wait, own))

    def left(self, turn: str, at: float | None) -> None:
        """Note when the request of a turn left; None where it never will."""
        with self._lock:
            self._mine = rule.left(self._mine, turn, at)
        if at is None:
            self._say("dropped", turn)
        else:
            self._say("left", turn, f"{max(0.0, time.monotonic() - at):.6f}")

    def succeeded(self) -> None:
        """Note an answer."""
        with self._lock:
            self._mine = rule.succeeded(self._mine)
        if self._last.factor < 1.0:
            self._say("succeeded")

    def failed(self, rest: float) -> None:
        """Note a 429: everybody rests for so many seconds."""
        with self._lock:
            self._mine = rule.failed(self._mine, rest, time.monotonic())
        self._say("failed", f"{rest:.6f}")

    def gave_up(self) -> None:
        """Note that nobody of this process waits for a turn any more."""
        self._say("gave up")

    def _taken(self, turn: str, now: float, at: float) -> float:
        self._mine = rule.taken(self._mine, self._own or self._share, now, turn, at)
        return at

    @property
    def _share(self) -> Limit:
        """What is left of the limit for each of those who took turns at last."""
        return Limit(self._rps / max(1, self._last.processes))

    # -- the Redis -----------------------------------------------------------------------------

    def _connected(self) -> Link:
        link = Link(self._url, self._name, self._process, self._rps)
        self._last = link.greeting
        return link

    def _say(self, event: str, *facts: object) -> Reply | None:
        """Tell the Redis what happened, and return its answer; None where it is lost."""
        with self._lock:
            if self._link is None:
                return None
            try:
                reply = self._last = self._link.say(event, *facts)
            except PaceLost as error:
                self._lose(error)
                return None
            return reply

    def _lose(self, error: PaceLost) -> None:
        """Go on alone, at this process' share, and try to come back meanwhile."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        if self._own is None:
            self._own, last = self._share, self._last
            hold = last.heard + last.held if last.held else 0.0
            self._mine = self._mine._replace(factor=last.factor, hold=hold)
        with suppress(RuntimeError):
            threads.start(threading.Thread(target=self._come_back, args=(error,), daemon=True))

    def _come_back(self, error: PaceLost) -> None:
        """Try until the Redis is there again. What the first new connection mends is not told."""
        told = False
        while not self._closed.is_set():
            try:
                link = self._connected()
            except PaceLost:
                if not told:
                    self.tell(_gone(error))
                told = True
                self._closed.wait(RETRY)
                continue
            with self._lock:
                if self._closed.is_set():
                    _leave(link)
                    return
                self._link, self._gathered = link, time.monotonic() + GATHER
            if told:
                self.tell(Message("The Redis answers again: turns are taken there again."))
            return


def _leave(link: Link) -> None:
    with suppress(PaceLost):
        link.say("bye")
    link.close()


def _gone(error: PaceLost) -> Message:
    return Message(
        "{why} The run goes on at its own last pace, and tries every {seconds:g} s to come back.",
        why=error.message,
        seconds=RETRY,
    )
