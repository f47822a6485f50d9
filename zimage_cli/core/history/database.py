"""The history's file as threads share it: writes wait for locks, try again and share a sync."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zimage_cli.core.history import file as history_file
from zimage_cli.core.history.file import (
    HistoryBroken,
    HistoryError,
    HistoryFull,
    HistoryLocked,
    sqlite_errors,
)
from zimage_cli.messages import Message

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a locked history is waited for before a request is given up, unsent."""

PAID_PATIENCE = 600.0
"""Seconds for which the note of a paid picture waits: its address is good for 24 hours."""

_FOLD = (
    f"UPDATE generation SET folded = {history_file.FOLDED}(prompt, rewritten_prompt, path) "  # noqa: S608
    "WHERE id = ?"
)
_PAUSE = 0.05
_TOLD_AFTER = 2.0
"""Seconds after which a wait for a lock is told: other zimages hold it for less."""


@dataclass(eq=False)
class _Write(Generic[T]):
    """One write that waits for its commit; `paid`: it may use the reserve of disk."""

    do: Callable[[sqlite3.Connection], T]
    paid: bool
    done: bool = False
    result: T | None = None
    error: HistoryError | None = None


class Database:
    """The history's file, open for writing or only for reading.

    `patience`: seconds for which opening, reading and a request wait while another program holds
    the lock, `paid_patience` those of a note; `on_locked` gets a sentence when a wait is
    long, once. Raises HistoryError.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: float = PATIENCE,
        paid_patience: float = PAID_PATIENCE,
        on_locked: Callable[[Message], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._on_locked = on_locked
        self._patience = patience
        self._paid_patience = paid_patience
        self._lock = threading.Lock()
        self._waiting: list[_Write[Any]] = []
        self._waiting_lock = threading.Lock()
        self._reserve = history_file.Reserve(path)
        self._read_only = read_only
        self._closed = False
        self._hurried = threading.Event()
        self._reopened = False
        self._locked_out = False
        self._told = False
        self._unfinished: dict[int, dict[str, Any]] = {}
        """The rows written here that have not ended: if another file takes the place of theirs,
        they are written there too."""
        self._left_behind: set[int] = set()
        """Rows that could not be written there, because their number was taken."""
        self._db = self._patiently(self._open, patience, sleep)

    def hurry(self) -> None:
        """End the waits for a locked history, and let no later one begin."""
        self._hurried.set()

    def wait_again(self) -> None:
        """Let waits for a locked history begin again after `hurry`."""
        self._hurried.clear()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._db.close()

    # -- inside --------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        with sqlite_errors(self.path):
            read_only = self._read_only
            way = history_file.open_to_read if read_only else history_file.open_to_write
            db = way(self.path)
            self._identity = _identity(self.path)
            return db

    def _patiently(
        self, work: Callable[[], T], patience: float, sleep: Callable[[float], object] | None
    ) -> T:
        """Do something, and again while another program holds the history's lock."""
        began = time.monotonic()
        while True:
            try:
                return work()
            except HistoryLocked:
                waited = time.monotonic() - began
                if waited >= patience or self._hurried.is_set():
                    raise
                if waited >= _TOLD_AFTER and self._first_to_tell():
                    self._on_locked(
                        Message("The history is locked by another program; waiting for it.")
                    )
                (sleep or self._hurried.wait)(_PAUSE)

    def _first_to_tell(self) -> bool:
        with self._waiting_lock:
            told, self._told = self._told, True
        return not told

    def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Return what is read of the file; `read` is called again where that was locked."""

        def once() -> T:
            with self._lock, sqlite_errors(self.path):
                return read(self._db)

        return self._patiently(once, self._patience, None)

    def write(
        self,
        do: Callable[[sqlite3.Connection], T],
        *,
        paid: bool = True,
        patience: float | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> T:
        """Do one write and return once it is on disk."""
        if patience is None:
            # Once one picture has waited in vain, the others do not wait.
            patience = 0 if self._locked_out else self._paid_patience
        try:
            result = self._patiently(lambda: self._write_once(do, paid=paid), patience, sleep)
        except HistoryLocked:
            self._locked_out |= patience >= self._paid_patience
            raise
        self._locked_out = False
        return result

    def _change(self, row: int, columns: dict[str, Any], **how: Any) -> None:
        changes = {name: storable(value) for name, value in columns.items()}
        changes["updated_at"] = now()
        if row in self._unfinished:
            self._unfinished[row] |= changes
        sets = ", ".join(f"{name} = ?" for name in changes)
        update = f"UPDATE generation SET {sets} WHERE id = ?"  # noqa: S608 - our own names
        found_anew = bool(columns.keys() & {"rewritten_prompt", "path"})

        def write(db: sqlite3.Connection) -> None:
            gone = row in self._left_behind
            if gone or not db.execute(update, [*changes.values(), row]).rowcount:
                raise HistoryError(
                    "The history {path} has no row {row} any more.", path=self.path, row=row
                )
            if found_anew:
                db.execute(_FOLD, (row,))

        self.write(write, **how)

    def _write_once(self, do: Callable[[sqlite3.Connection], T], *, paid: bool) -> T:
        """Write, together with what other threads have.

        Threads that come while the disk is busy are written together and synced once: a batch of
        64 in flight would otherwise wait for 64 syncs in a row.
        """
        mine: _Write[T] = _Write(do, paid)
        with self._waiting_lock:
            self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                with self._waiting_lock:
                    together, self._waiting = self._waiting, []
                try:
                    self._commit(together)
                finally:
                    # After an interrupt: the threads that wait for the others write them.
                    left = [write for write in together if not write.done and write is not mine]
                    with self._waiting_lock:
                        self._waiting[:0] = left
        if mine.error is not None:
            raise mine.error
        return cast("T", mine.result)

    def _commit(self, writes: list[_Write[Any]]) -> None:
        error = self._tried(writes)
        if isinstance(error, HistoryBroken) and self._reopen():
            error = self._tried(writes)
        if len(writes) > 1 and error and not isinstance(error, HistoryLocked | HistoryBroken):
            # One that cannot be written must not make the others fail.
            for write in writes:
                self._commit([write])
            return
        if isinstance(error, HistoryFull):
            for _ in self._room(paid=writes[0].paid):
                error = self._tried(writes)
                if not isinstance(error, HistoryFull):
                    break
        for write in writes:
            write.error = error
            write.done = True

    def _tried(self, writes: list[_Write[Any]]) -> HistoryError | None:
        try:
            with sqlite_errors(self.path):
                if not self._closed and _identity(self.path) != self._identity:
                    # SQLite would go on writing to the old file.
                    raise OSError(Message("it was moved or replaced"))
                with self._db:
                    for write in writes:
                        write.result = write.do(self._db)
        except HistoryError as error:
            return error
        self._reopened = False
        return None

    def _room(self, *, paid: bool) -> Iterator[None]:
        """Make room on the disk, a little more with every step."""
        with suppress(HistoryError), sqlite_errors(self.path):
            # Moves the WAL's rows into the history, one version of each page, and empties the WAL.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        yield
        while paid and self._reserve.give_back():
            yield

    def _reopen(self) -> bool:
        """Open the file again, once until a write succeeds; tell whether that can help."""
        if self._reopened or self._closed or self._read_only:
            return False
        self._reopened, before = True, self._identity
        with suppress(HistoryError), sqlite_errors(self.path):
            # So the file that was moved away is whole, without the WAL that stands beside it.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.close()
        try:
            self._db = self._open()
            if self._identity != before:
                self._move_along()
        except HistoryError:
            return False
        return True

    def _move_along(self) -> None:
        """Write the rows that have not ended into the file that took the place of theirs."""
        with sqlite_errors(self.path), self._db:
            for row, columns in list(self._unfinished.items()):
                names = ", ".join(("id", *columns))
                marks = ", ".join("?" * (len(columns) + 1))
                insert = f"INSERT OR IGNORE INTO generation ({names}) VALUES ({marks})"  # noqa: S608
                if not self._db.execute(insert, [row, *columns.values()]).rowcount:
                    # Another row has its number there: that one is not touched.
                    self._left_behind.add(row)


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def storable(value: Any) -> Any:
    """Return a value as SQLite takes it: a path that is no valid text goes in as bytes."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file stands under a path, None for none."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_dev, about.st_ino
