"""The pace of one machine: one row an account in a small SQLite file.

Its clock is the monotonic one, which all processes of a machine share. Its locks are freed by the
kernel with the process, whatever the system. It is never synced to disk: what it says is worthless
after a restart.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zimage_cli.core.making.pace import rule
from zimage_cli.core.making.pace.rule import Limit, State

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")

_BUSY_SECONDS = 5.0


class _Row(NamedTuple):
    """A state as the file has it.

    The monotonic clock begins anew with the machine, so the end of a hold is kept by the other one
    too, and the earlier counts.
    """

    state: State
    hold_clock: float

    @classmethod
    def parse(cls, text: str | None, now: float, clock: float) -> _Row:
        try:
            raw = json.loads(text or "{}")
            turns = [(float(at), str(turn)) for at, turn in raw["turns"]]
            hold, hold_clock = float(raw["hold"]), float(raw["hold_clock"])
            factor = float(raw["factor"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return cls(State(), 0.0)
        state = State(
            # After a restart of the machine the clock is young, and old times lie ahead.
            tuple((at, turn) for at, turn in turns if at <= now + rule.MOST_LEAD),
            min(hold, now + hold_clock - clock),
            factor if rule.SLOWEST <= factor <= 1.0 else 1.0,
        )
        return cls(state, hold_clock)

    def text(self) -> str:
        turns, hold, factor = self.state
        return json.dumps(
            {"turns": turns, "hold": hold, "hold_clock": self.hold_clock, "factor": factor}
        )


class FileStore:
    """Turns at `rps` requests a second, shared by whoever opens the same file.

    `path` is where the state is shared, None to keep it within this object alone; so it is where
    the file cannot be used. The account is known by a salted hash of its key.
    """

    def __init__(self, rps: float, key: str = "", path: Path | None = None) -> None:
        self._limit = Limit(rps)
        self._lock = threading.Lock()
        self._key = key
        self._path = path
        self._account = ""
        self._db: sqlite3.Connection | None = None
        self._own: str | None = None
        self._shared = path is not None
        self._may_be_slow = False

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def take(self, turn: str, lead: float) -> tuple[bool, float]:
        """Take a turn: True, and when it may leave; or False, and how long to wait until asking."""

        def change(state: State) -> tuple[State, tuple[bool, float]]:
            now = time.monotonic()
            self._may_be_slow = state.factor < 1.0
            at = rule.ready(state, self._limit, now)
            if at > now + lead:
                return state, (False, at - now - lead)
            return rule.taken(state, self._limit, now, turn, at), (True, at)

        return self._change(change)

    def left(self, turn: str, at: float | None) -> None:
        """Note when the request of a turn left; None where it never will."""
        self._change(lambda state: (rule.left(state, turn, at), None))

    def succeeded(self) -> None:
        """Note an answer."""

        def change(state: State) -> tuple[State, None]:
            state = rule.succeeded(state)
            self._may_be_slow = state.factor < 1.0
            return state, None

        if self._may_be_slow:
            self._change(change)

    def failed(self, rest: float) -> None:
        """Note a 429: everybody rests for so many seconds."""
        self._change(lambda state: (rule.failed(state, rest, time.monotonic()), None))
        self._may_be_slow = True

    def gave_up(self) -> None:
        """Note that nobody of this process waits any more: nothing is kept of who waits."""

    # -- the file ------------------------------------------------------------------------------

    def _change(self, change: Callable[[State], tuple[State, T]]) -> T:
        """Read the state, change it, and write it, with no one else in between."""
        with self._lock:
            db = self._open() if self._shared else None
            if db is not None:
                with self._or_alone():
                    db.execute("BEGIN IMMEDIATE")
                    select = "SELECT state FROM pace WHERE account = ?"
                    row = db.execute(select, (self._account,)).fetchone()
                    self._own = row[0] if row else None
            before = _Row.parse(self._own, time.monotonic(), time.time())
            state, found = change(before.state)
            moved = state.hold != before.state.hold
            self._own = _Row(state, _clock_of(state) if moved else before.hold_clock).text()
            if db is not None:
                with self._or_alone():
                    db.execute(
                        "INSERT INTO pace VALUES (?, ?) "
                        "ON CONFLICT (account) DO UPDATE SET state = excluded.state",
                        (self._account, self._own),
                    )
                    db.execute("COMMIT")
            return found

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


def _clock_of(state: State) -> float:
    """Return the end of a hold by the clock that goes on when the machine is restarted."""
    return time.time() + state.hold - time.monotonic()


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
