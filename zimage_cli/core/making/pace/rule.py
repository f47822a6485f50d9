"""The rule of the pace: what a turn is, when the next one is ready, and what changes that.

Pure functions over a small state. Times are seconds by one clock, whichever that is: each place
where a state is kept has its own (`file`, `shared`). `turns.lua` says the same again, for Redis.
"""

from __future__ import annotations

from typing import NamedTuple

from zimage_cli.errors import ServiceError, ThrottledError, ZimageError

MARGIN = 0.022
"""Seconds added to the window: by so much the times may differ that two requests take to the
service. It costs 2 % of the limit."""

EVEN = 0.9
"""Turns are at least this share of an even spacing apart. The window keeps the limit; so after a
late turn the next ones may come a little earlier."""

SLOWEST = 0.1
"""The pace never drops below a tenth of the limit."""

PENDING = 2.0
"""Seconds for which a turn whose request has not left keeps its place: the slowest handshake, and
how long the others wait for a process that died there."""

MOST_LEAD = 1.0
"""Seconds. A turn that lies further ahead was given before the clock was set back or began anew."""

DROP = 0.6
RECOVER = 0.05
STALE = 150.0
"""Seconds. No hold is longer; one that seems to be was written before the clock was reset."""

KEPT = 12.0
"""Seconds for which turns are remembered: longer than the window of 1 s at the slowest pace."""

AFTER_429 = 1.0
"""Seconds of rest after a 429 without Retry-After: the window that was full empties."""


class State(NamedTuple):
    """What an account's zimages know together.

    `turns` says when the latest requests left, or where an id stands, when their turns were given.
    Everybody rests until `hold`. `factor` is the share of the limit that is used.
    """

    turns: tuple[tuple[float, str], ...] = ()
    hold: float = 0.0
    factor: float = 1.0


class Limit(NamedTuple):
    """Requests a second."""

    rps: float

    @property
    def room(self) -> int:
        """How many requests may leave in one window."""
        return max(1, int(self.rps))

    def window(self, factor: float = 1.0) -> float:
        """Return the seconds in which so many may leave."""
        return (self.room / self.rps + MARGIN) / factor


def held(state: State, now: float) -> float:
    """Return for how many seconds more everybody rests."""
    left = state.hold - now
    return left if 0 < left <= STALE else 0.0


def ready(state: State, limit: Limit, now: float) -> float:
    """Return when the next request may leave."""
    window, room = limit.window(state.factor), limit.room
    found = now + held(state, now)
    if state.turns:
        found = max(found, max(state.turns)[0] + EVEN * window / room)
    if len(state.turns) >= room:
        # What has not left may leave now.
        left = sorted(
            max(given, min(now, given + PENDING)) if pending else given
            for given, pending in state.turns
        )
        found = max(found, left[-room] + window)
    return found


def taken(state: State, limit: Limit, now: float, turn: str, at: float) -> State:
    """Return the state with a turn that was given for `at`, without those that count no more."""
    oldest = now - max(limit.window(state.factor), KEPT)
    kept = tuple(known for known in state.turns if known[0] >= oldest)
    return state._replace(turns=(*kept, (at, turn)))


def left(state: State, turn: str, at: float | None) -> State:
    """Return the state after a turn's request left; None: it never will, and holds its place."""
    turns = tuple(
        (given if at is None else at, "") if known == turn else (given, known)
        for given, known in state.turns
    )
    return state._replace(turns=turns)


def succeeded(state: State) -> State:
    """Return the state after an answer: a dropped pace comes back a little."""
    return state._replace(factor=min(1.0, state.factor + RECOVER))


def failed(state: State, rest: float, now: float) -> State:
    """Return the state after a 429: the pace drops, and everybody rests for so many seconds."""
    rest = min(rest, STALE)
    hold = now + rest if rest > held(state, now) else state.hold
    return state._replace(factor=max(SLOWEST, state.factor * DROP), hold=hold)


def speaks_of_rate(error: ZimageError) -> bool:
    """Tell whether an error says that the account asks too fast, or the service has no capacity."""
    if isinstance(error, ThrottledError):
        return error.pace in {"normal", "burst"}
    return isinstance(error, ServiceError) and (error.code or "").lower() == "modelservingerror"


def rest_after(error: ZimageError) -> float:
    """Return for how many seconds everybody rests after such an error."""
    return error.retry_after if error.retry_after is not None else AFTER_429
