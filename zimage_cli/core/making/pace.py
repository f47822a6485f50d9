"""The account's rate limit, kept by every zimage of a user together.

The service counts 2 requests in any one second over the whole account and punishes bursts. So a
turn is taken before each request. Turns are evenly spaced and counted from when their requests
*left*: one that is still connecting may leave at any moment, and until then keeps its place. After
a 429 the pace drops and comes back by itself; during a Retry-After nobody sends.

The state is one row an account in a small SQLite file: its locks are freed by the kernel with the
process, whatever the system. It is never synced to disk: what it says is worthless after a restart.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.errors import ServiceError, ThrottledError, ZimageError

if TYPE_CHECKING:
    import sqlite3

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

LEAD = 0.02
"""Seconds by which a turn is given early: the connection and the row in the history are made in
them, and the request then leaves on time."""

_MOST_LEAD = 1.0
"""Seconds. A turn that lies further ahead was given before the machine was restarted."""

_DROP = 0.6
_RECOVER = 0.05
_STALE = 150.0
"""Seconds. No hold is longer; one that seems to be was written before the clock was reset."""

_KEPT = 12.0
"""Seconds for which turns are remembered: longer than the window of 1 s at the slowest pace."""

_BUSY_SECONDS = 5.0
_AFTER_429 = 1.0
"""Seconds of rest after a 429 without Retry-After: the window that was full empties."""


@dataclass(slots=True, eq=False, repr=False)
class _State:
    """What an account's zimages know together; times by the monotonic clock, which they share.

    That clock begins anew with the machine, so the end of a hold is kept by the other one too, and
    the earlier counts.
    """

    turns: list[tuple[float, str]] = field(default_factory=list)
    """When the latest requests left, or where an id stands, when their turns were given."""
    hold: float = 0.0
    hold_clock: float = 0.0
    factor: float = 1.0

    @classmethod
    def parse(cls, text: str | None, now: float) -> _State:
        try:
            raw = json.loads(text or "{}")
            turns = [(float(at), str(turn)) for at, turn in raw["turns"]]
            hold, hold_clock = float(raw["hold"]), float(raw["hold_clock"])
            factor = float(raw["factor"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return cls()
        return cls(
            # After a restart of the machine the clock is young, and old times lie ahead.
            [(at, turn) for at, turn in turns if at <= now + _MOST_LEAD],
            hold,
            hold_clock,
            factor if SLOWEST <= factor <= 1.0 else 1.0,
        )

    def text(self) -> str:
        return json.dumps(
            {
                "turns": self.turns,
                "hold": self.hold,
                "hold_clock": self.hold_clock,
                "factor": self.factor,
            }
        )

    def held(self, now: float) -> float:
        """Return for how many seconds more everybody rests."""
        left = min(self.hold - now, self.hold_clock - time.time())
        return left if 0 < left <= _STALE else 0.0

    def rest(self, seconds: float, now: float) -> None:
        """Let everybody rest."""
        seconds = min(seconds, _STALE)
        if seconds > self.held(now):
            self.hold, self.hold_clock = now + seconds, time.time() + seconds


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

    `path` is where the state is shared, None to share it within this object alone; so it is where
    the file cannot be used. The account is known by a salted hash of its key. 0 is no limit.
    """

    def __init__(self, rps: float, *, key: str = "", path: Path | None = None) -> None:
        self._rps = rps
        self._room = max(1, int(rps))
        self._turn = threading.Lock()
        self._db_lock = threading.Lock()
        self._key = key
        self._path = path
        self._account = ""
        self._db: sqlite3.Connection | None = None
        self._own: str | None = None
        self._shared = path is not None and rps > 0

    def close(self) -> None:
        """Close the file."""
        with self._db_lock:
            if self._db is not None:
                self._db.close()
                self._db = None

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
            while self._rps:
                turn = self._try_take(name, lead)
                if isinstance(turn, Turn):
                    return turn
                on_wait(turn)
                sleep(turn)
            return Turn(self, name, 0.0)

    def left(self, turn: str, at: float | None) -> None:
        """Note when the request of a turn left; None where it never will, and only holds a place.

        Called by `Turn`.
        """
        if self._rps:
            with self._change() as state:
                state.turns = [
                    (at or given, "") if known == turn else (given, known)
                    for given, known in state.turns
                ]

    def succeeded(self) -> None:
        """Note an answer: a dropped pace comes back a little."""
        if self._rps and self._may_be_slow:
            with self._change() as state:
                state.factor = min(1.0, state.factor + _RECOVER)
                self._may_be_slow = state.factor < 1.0

    def failed(self, error: ZimageError) -> None:
        """Note a failure: where it speaks of the rate, the pace drops and everybody rests."""
        if not self._rps or not speaks_of_rate(error):
            return
        with self._change() as state:
            state.factor = max(SLOWEST, state.factor * _DROP)
            rest = error.retry_after if error.retry_after is not None else _AFTER_429
            state.rest(rest, time.monotonic())
        self._may_be_slow = True

    _may_be_slow = False

    # -- the state -----------------------------------------------------------------------------

    def _try_take(self, turn: str, lead: float) -> Turn | float:
        """Take a turn and return it, or return how long to wait before asking again."""
        with self._change() as state:
            now = time.monotonic()
            self._may_be_slow = state.factor < 1.0
            window = (self._room / self._rps + MARGIN) / state.factor
            ready = now + state.held(now)
            if state.turns:
                ready = max(ready, max(state.turns)[0] + EVEN * window / self._room)
            if len(state.turns) >= self._room:
                # What has not left may leave now.
                left = sorted(
                    max(given, min(now, given + PENDING)) if pending else given
                    for given, pending in state.turns
                )
                ready = max(ready, left[-self._room] + window)
            if ready > now + lead:
                return ready - now - lead
            oldest = now - max(window, _KEPT)
            state.turns = [known for known in state.turns if known[0] >= oldest] + [(ready, turn)]
            return Turn(self, turn, ready)

    @contextmanager
    def _change(self) -> Iterator[_State]:
        """Read the state, let it be changed, and write it, with no one else in between."""
        with self._db_lock:
            db = self._open() if self._shared else None
            if db is not None:
                with self._or_alone():
                    db.execute("BEGIN IMMEDIATE")
                    select = "SELECT state FROM pace WHERE account = ?"
                    row = db.execute(select, (self._account,)).fetchone()
                    self._own = row[0] if row else None
            state = _State.parse(self._own, time.monotonic())
            try:
                yield state
            finally:
                self._own = state.text()
                if db is not None:
                    with self._or_alone():
                        db.execute(
                            "INSERT INTO pace VALUES (?, ?) "
                            "ON CONFLICT (account) DO UPDATE SET state = excluded.state",
                            (self._account, self._own),
                        )
                        db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection | None:
        if self._db is None and self._path is not None:
            with self._or_alone():
                self._db, self._account = _connect(self._path, self._key)
        return self._db

    @contextmanager
    def _or_alone(self) -> Iterator[None]:
        """Go on within this process where the file cannot be used: that is no reason to fail."""
        import sqlite3

        try:
            yield
        except (sqlite3.Error, OSError):
            self._shared = False
            db, self._db = self._db, None
            if db is not None:
                with suppress(sqlite3.Error):
                    db.close()


def speaks_of_rate(error: ZimageError) -> bool:
    """Tell whether an error says that the account asks too fast, or the service has no capacity."""
    if isinstance(error, ThrottledError):
        return error.pace in {"normal", "burst"}
    return isinstance(error, ServiceError) and (error.code or "").lower() == "modelservingerror"


def _connect(path: Path, key: str) -> tuple[sqlite3.Connection, str]:
    """Return the file, made anew where it is damaged, and how it knows the account of a key."""
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _prepared(path, key)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # Not synced, so a power cut may have torn it; nothing in it is worth keeping.
        path.unlink(missing_ok=True)
        return _prepared(path, key)


def _prepared(path: Path, key: str) -> tuple[sqlite3.Connection, str]:
    import sqlite3

    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = TRUNCATE")
        tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('pace', 'salt')"
        if db.execute(tables).fetchone()[0] < 2:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "CREATE TABLE IF NOT EXISTS pace (account TEXT PRIMARY KEY, state TEXT NOT NULL)"
            )
            db.execute("CREATE TABLE IF NOT EXISTS salt (salt BLOB NOT NULL)")
            first = "INSERT INTO salt SELECT ? WHERE NOT EXISTS (SELECT 1 FROM salt)"
            db.execute(first, (os.urandom(16),))
            db.execute("COMMIT")
            path.chmod(0o600)
        return db, _account(db, key)
    except BaseException:
        db.close()
        raise


def _account(db: sqlite3.Connection, key: str) -> str:
    import sqlite3
    from hashlib import blake2b

    row = db.execute("SELECT salt FROM salt").fetchone()
    salt: Any = row[0] if row else None
    if not isinstance(salt, bytes) or not 16 <= len(salt) <= 64:
        raise sqlite3.DatabaseError("no salt")
    account = blake2b(key.encode("utf-8", "surrogatepass"), key=salt, digest_size=16)
    return account.hexdigest()
