"""The account's rate limit, kept by every zimage of a user together.

The service counts 2 requests in any one second over the whole account and punishes bursts. So a
turn is taken before each request: turns are evenly spaced, and a turn is only given when the
request before the last one *left* more than a second ago: a slow handshake shifts what follows.
After a 429 the pace drops and comes back by itself; a Retry-After holds everybody.

State is one row an account in a small SQLite file: locks that the kernel frees with the process,
whatever the system. It is never synced to disk: after a power cut nobody is in the way.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.errors import ServiceError, ThrottledError, ZimageError

if TYPE_CHECKING:
    import sqlite3

MARGIN = 0.022
"""Seconds added to the window: what two requests' ways to the service may differ by. It costs 2 %
of the limit."""

EVEN = 0.9
"""Turns are at least this share of an even spacing apart: what keeps the limit is the window, and a
turn that came late may be caught up with."""

SLOWEST = 0.1
"""The pace never drops below a tenth of the limit."""

_DROP = 0.6
_RECOVER = 0.05
_STALE = 150.0
"""Seconds. No honest hold is longer; one that is was written before the clock began anew."""

_BUSY_SECONDS = 5.0
_AFTER_429 = 1.0
"""Seconds of rest after a 429 without Retry-After: the window that was full empties."""


@dataclass(slots=True)
class _State:
    """What an account's zimages know together; times by the monotonic clock, which they share."""

    taken: list[float] = field(default_factory=list)
    """When the latest turns began, or their requests left, oldest first."""
    hold: float = 0.0
    factor: float = 1.0

    @classmethod
    def parse(cls, text: str | None, now: float) -> _State:
        try:
            raw = json.loads(text or "{}")
            taken = [float(at) for at in raw["taken"] if float(at) <= now + _STALE]
            hold, factor = float(raw["hold"]), float(raw["factor"])
        except (ValueError, KeyError, TypeError):
            return cls()
        # After a restart of the machine the clock is young, and old times lie far ahead.
        return cls(taken, hold if hold <= now + _STALE else 0.0, min(max(factor, SLOWEST), 1.0))

    def text(self) -> str:
        return json.dumps({"taken": self.taken, "hold": self.hold, "factor": self.factor})


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
    ) -> None:
        """Return when a request may be sent; `on_wait` hears of waits, in seconds."""
        if not self._rps:
            return
        # One thread of a process at a time asks for the next turn; the others queue behind it.
        with self._turn:
            while True:
                wait = self._try_take()
                if wait <= 0:
                    return
                on_wait(wait)
                sleep(wait)

    def sent(self) -> None:
        """Note that the request of the latest turn has left just now, later than the turn began."""
        if self._rps:
            with self._change() as state:
                if state.taken:
                    state.taken[-1] = max(state.taken[-1], time.monotonic())

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
        rest = error.retry_after if error.retry_after is not None else _AFTER_429
        with self._change() as state:
            state.factor = max(SLOWEST, state.factor * _DROP)
            state.hold = max(state.hold, time.monotonic() + min(rest, _STALE))
        self._may_be_slow = True

    _may_be_slow = False

    # -- the state -----------------------------------------------------------------------------

    def _try_take(self) -> float:
        """Take a turn and return 0, or return how long to wait before asking again."""
        with self._change() as state:
            now = time.monotonic()
            self._may_be_slow = state.factor < 1.0
            window = (self._room / self._rps + MARGIN) / state.factor
            ready = state.hold
            if state.taken:
                ready = max(ready, state.taken[-1] + EVEN * window / self._room)
            if len(state.taken) >= self._room:
                ready = max(ready, state.taken[-self._room] + window)
            if ready > now:
                return ready - now
            state.taken = [*state.taken, now][-self._room :]
            return 0.0

    @contextmanager
    def _change(self) -> Iterator[_State]:
        """Read the state, let it be changed, and write it, with no one else in between."""
        with self._db_lock:
            db = self._open() if self._shared else None
            now = time.monotonic()
            if db is None:
                state = _State.parse(self._own, now)
                yield state
                self._own = state.text()
                return
            with _or_alone(self):
                db.execute("BEGIN IMMEDIATE")
                row = db.execute(
                    "SELECT state FROM pace WHERE account = ?", (self._account,)
                ).fetchone()
                self._own = row[0] if row else None
            state = _State.parse(self._own, time.monotonic())
            try:
                yield state
            finally:
                self._own = state.text()
                with _or_alone(self):
                    db.execute(
                        "INSERT INTO pace VALUES (?, ?) "
                        "ON CONFLICT (account) DO UPDATE SET state = excluded.state",
                        (self._account, self._own),
                    )
                    db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection | None:
        if self._db is None and self._path is not None:
            with _or_alone(self):
                self._db = _connect(self._path)
                self._account = _account(self._db, self._key)
        return self._db

    def give_up_sharing(self) -> None:
        """Keep the pace within this process: the file cannot be used."""
        self._shared = False
        self._db = None


def speaks_of_rate(error: ZimageError) -> bool:
    """Tell whether an error says that the account asks too fast, or the service has no capacity."""
    if isinstance(error, ThrottledError):
        return error.pace in {"normal", "burst"}
    return isinstance(error, ServiceError) and (error.code or "").lower() == "modelservingerror"


@contextmanager
def _or_alone(pace: Pace) -> Iterator[None]:
    """Go on without the others where the file cannot be used: a pace is no reason to fail."""
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError):
        pace.give_up_sharing()


def _connect(path: Path) -> sqlite3.Connection:
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return _prepare(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # Not synced, so a power cut may have torn it; nothing in it is worth keeping.
        path.unlink(missing_ok=True)
        return _prepare(path)


def _prepare(path: Path) -> sqlite3.Connection:
    import sqlite3

    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA journal_mode = TRUNCATE")
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'salt'").fetchone():
        db.execute("BEGIN IMMEDIATE")
        db.execute(
            "CREATE TABLE IF NOT EXISTS pace (account TEXT PRIMARY KEY, state TEXT NOT NULL)"
        )
        db.execute("CREATE TABLE IF NOT EXISTS salt (salt BLOB NOT NULL)")
        db.execute(
            "INSERT INTO salt SELECT ? WHERE NOT EXISTS (SELECT 1 FROM salt)", (os.urandom(16),)
        )
        db.execute("COMMIT")
        path.chmod(0o600)
    return db


def _account(db: sqlite3.Connection, key: str) -> str:
    salt: Any = db.execute("SELECT salt FROM salt").fetchone()[0]
    return hashlib.blake2b(key.encode(), key=salt, digest_size=16).hexdigest()
