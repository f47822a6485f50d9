"""The ledger: every generation, from before it is sent until its picture is on disk.

SQLite in WAL mode, so that several processes write at once. `sending` is written before the POST,
`made` (with the picture's address) before the download, then `saved`; `failed` and `lost` are the
other ends. Each write is synced: after a power cut the ledger still knows every paid picture.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zimage_cli.api.endpoint import without_query
from zimage_cli.api.errors import ConfigurationError, Stopped, ZimageError

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.entry import Entry

T = TypeVar("T")

SENDING, MADE, SAVED, FAILED, LOST = "sending", "made", "saved", "failed", "lost"

MIGRATIONS = (
    """
    CREATE TABLE generation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        pid INTEGER,
        prompt TEXT NOT NULL,
        size TEXT NOT NULL,
        seed INTEGER,
        prompt_extend INTEGER NOT NULL,
        region TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        workspace TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        answered_at TEXT,
        request_id TEXT,
        image_url TEXT,
        rewritten_prompt TEXT,
        reasoning TEXT,
        width INTEGER,
        height INTEGER,
        usage TEXT,
        wanted_path TEXT,
        path TEXT,
        bytes INTEGER,
        sha256 TEXT,
        evidence_path TEXT,
        cost_amount TEXT,
        cost_currency TEXT,
        elapsed_seconds REAL,
        error TEXT
    );
    CREATE INDEX generation_status ON generation (status);
    """,
    """
    ALTER TABLE generation ADD COLUMN batch TEXT;
    ALTER TABLE generation ADD COLUMN job TEXT;
    CREATE INDEX generation_batch ON generation (batch) WHERE batch IS NOT NULL;
    """,
)
"""Append only: entry n brings a ledger from schema n to n + 1."""

_BUSY_SECONDS = 10.0


def now() -> str:
    """Return the time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return what the ledger and the evidence keep of an error."""
    if isinstance(error, ZimageError):
        return {
            "type": error.kind,
            "code": error.code,
            "message": error.message,
            "service_message": error.service_message,
            "http_status": error.http_status,
            "request_id": error.request_id,
        }
    interrupted = isinstance(error, (Stopped, KeyboardInterrupt))
    kind = "interrupted" if interrupted else type(error).__name__
    return {"type": kind, "message": str(error) or kind}


class _Write(Generic[T]):
    """One write that waits for its commit."""

    __slots__ = ("do", "done", "error", "result")

    def __init__(self, do: Callable[[sqlite3.Connection], T]) -> None:
        self.do = do
        self.done = False
        self.result: T | None = None
        self.error: ConfigurationError | None = None


class Ledger:
    """The ledger in one file. Safe to share between threads and processes.

    Every method raises ConfigurationError where SQLite cannot do its work.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._waiting: list[_Write[Any]] = []
        self._waiting_lock = threading.Lock()
        with _sqlite_errors(path):
            self._db = _open(path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    # -- one generation ------------------------------------------------------------------------

    def begin(self, **columns: Any) -> int:
        """Write a row that is about to be sent and return its id."""
        row = {"status": SENDING, "created_at": now(), "pid": os.getpid(), **columns}
        row["updated_at"] = row["created_at"]
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        insert = f"INSERT INTO generation ({names}) VALUES ({marks})"
        values = [_storable(value) for value in row.values()]
        return self._write(lambda db: int(db.execute(insert, values).lastrowid or 0))

    def sending(self, row: int) -> None:
        """Note that a request is sent again."""
        self._update(row, status=SENDING, error=None)

    def made(self, row: int, answer: Answer, *, rewritten: str | None, attempts: int) -> None:
        """Note the answer, before its picture is fetched."""
        self._update(
            row,
            status=MADE,
            answered_at=now(),
            attempts=attempts,
            request_id=answer.request_id,
            image_url=answer.image_url,
            rewritten_prompt=rewritten,
            reasoning=answer.reasoning,
            width=answer.width,
            height=answer.height,
            usage=json.dumps(answer.usage),
        )

    def fetched(self, row: int, fetched: Fetched) -> None:
        """Note what was fetched, before it gets its name: so a file that has it can be known."""
        self._update(row, bytes=fetched.bytes, sha256=fetched.sha256)

    def saved(
        self,
        row: int,
        path: str,
        fetched: Fetched,
        image_url: str,
        elapsed: float,
        evidence_path: str | None = None,
    ) -> None:
        """Note the picture on disk; the signed part of its address is dropped."""
        self._update(
            row,
            status=SAVED,
            path=path,
            bytes=fetched.bytes,
            sha256=fetched.sha256,
            width=fetched.info.width,
            height=fetched.info.height,
            image_url=without_query(image_url),
            elapsed_seconds=round(elapsed, 3),
            error=None,
            **({"evidence_path": evidence_path} if evidence_path else {}),
        )

    def ended(
        self,
        row: int,
        status: str,
        error: BaseException,
        *,
        attempts: int | None = None,
        evidence_path: str | None = None,
    ) -> None:
        """Note how a generation ended without a picture on disk."""
        columns: dict[str, Any] = {"status": status, "error": json.dumps(error_facts(error))}
        if attempts is not None:
            columns["attempts"] = attempts
        if evidence_path is not None:
            columns["evidence_path"] = evidence_path
        self._update(row, **columns)

    # -- reading -------------------------------------------------------------------------------

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest entries, newest first."""
        return self._select("ORDER BY id DESC LIMIT ?", limit)

    def entry(self, row: int) -> Entry | None:
        """Return one entry."""
        found = self._select("WHERE id = ?", row)
        return found[0] if found else None

    def with_status(self, status: str) -> list[Entry]:
        """Return the entries with a status, oldest first."""
        return self._select("WHERE status = ? ORDER BY id", status)

    def batch(self, batch: str) -> Iterator[tuple[Any, ...]]:
        """Yield (job, id, status, seed, path, error, answered_at, region) of a batch's entries.

        Oldest first, as SQLite has them: what somebody else wrote there may be of any type.
        """
        with self._lock, _sqlite_errors(self.path):
            yield from self._db.execute(
                "SELECT job, id, status, seed, path, error, answered_at, region FROM generation "
                "WHERE batch = ? ORDER BY id",
                (batch,),
            )

    def whose(self, path: str) -> int | None:
        """Return the id of the entry whose picture is saved under a path."""
        with self._lock, _sqlite_errors(self.path):
            row = self._db.execute(
                "SELECT id FROM generation WHERE status = ? AND path = ?", (SAVED, path)
            ).fetchone()
        return int(row[0]) if row else None

    def settle_abandoned(self) -> int:
        """Mark as lost what a process left `sending` when it died; return how many.

        Nobody knows whether such a request reached the service.
        """
        dead = [entry.id for entry in self.with_status(SENDING) if not entry.in_progress]
        error = json.dumps({"type": "lost", "message": "zimage ended before the answer arrived"})
        if not dead:
            return 0
        update = (
            "UPDATE generation SET status = ?, updated_at = ?, error = ? "
            "WHERE id = ? AND status = ?"
        )
        changes = [(LOST, now(), error, row, SENDING) for row in dead]
        self._write(lambda db: db.executemany(update, changes))
        return len(dead)

    # -- inside --------------------------------------------------------------------------------

    def _update(self, row: int, **columns: Any) -> None:
        columns["updated_at"] = now()
        sets = ", ".join(f"{name} = ?" for name in columns)
        update = f"UPDATE generation SET {sets} WHERE id = ?"
        values = [_storable(value) for value in columns.values()]
        self._write(lambda db: db.execute(update, [*values, row]))

    def _write(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Do one write and return once it is on disk.

        Threads that come while the disk is busy are written together and synced once: a batch of
        64 in flight would otherwise wait for 64 syncs in a row.
        """
        mine: _Write[T] = _Write(write)
        with self._waiting_lock:
            self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                with self._waiting_lock:
                    together, self._waiting = self._waiting, []
                try:
                    self._commit(together)
                finally:
                    # After an interrupt: who waits for the others does them.
                    left = [write for write in together if not write.done and write is not mine]
                    with self._waiting_lock:
                        self._waiting[:0] = left
        if mine.error is not None:
            raise mine.error
        return cast("T", mine.result)

    def _commit(self, writes: list[_Write[Any]]) -> None:
        try:
            with _sqlite_errors(self.path), self._db:
                for write in writes:
                    write.result = write.do(self._db)
        except ConfigurationError as error:
            if len(writes) > 1 and not _concerns_the_file(error):
                # One that cannot be written does not take the others along.
                for write in writes:
                    self._commit([write])
            else:
                for write in writes:
                    write.error = error
        for write in writes:
            write.done = True

    def _select(self, clause: str, *values: Any) -> list[Entry]:
        # Making a picture only writes.
        from zimage_cli.core.entry import COLUMNS, entry

        with self._lock, _sqlite_errors(self.path):
            rows = self._db.execute(f"SELECT {COLUMNS} FROM generation {clause}", values).fetchall()
            return [entry(row) for row in rows]


class SafeLedger:
    """A ledger that never costs a picture: what cannot be noted is said once and let go.

    `warn` is called at most once, with a sentence.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._ledger: Ledger | None = None
        self._giving_up = threading.Lock()
        if path is None:
            self._give_up("no home folder is known")
            return
        try:
            self._ledger = Ledger(path)
        except ConfigurationError as error:
            self._give_up(error.message)

    @property
    def book(self) -> Ledger | None:
        """The ledger itself, for reading; None where none is kept."""
        return self._ledger

    def close(self) -> None:
        """Close the file."""
        if self._ledger is not None:
            self._ledger.close()

    def begin(self, **columns: Any) -> int | None:
        """Write a row that is about to be sent; None where no ledger is kept."""
        row: int | None = self._try(lambda ledger: ledger.begin(**columns))
        return row

    def note(self, row: int | None, write: Callable[[Ledger, int], None]) -> bool:
        """Do one write on a row, where there is one; tell whether it is on disk."""
        if row is None:
            return False
        self._try(lambda ledger: write(ledger, row))
        return self._ledger is not None

    def _try(self, write: Callable[[Ledger], Any]) -> Any:
        # Another thread may give it up at any moment.
        ledger = self._ledger
        if ledger is None:
            return None
        try:
            return write(ledger)
        except ConfigurationError as error:
            with self._giving_up:
                first, self._ledger = self._ledger is not None, None
            if first:
                ledger.close()
                self._give_up(error.message)
            return None

    def _give_up(self, why: str) -> None:
        self._warn(f"history is not being kept: {why}")


def _open(path: Path) -> sqlite3.Connection:
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Prompts and picture addresses are nobody else's business.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        db = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            # Entering WAL mode does not wait for a lock by itself.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            _migrate(db, path)
        except sqlite3.OperationalError as error:
            db.close()
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        except BaseException:
            db.close()
            raise
        else:
            return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    with db:
        version = _version(db)
        if version > len(MIGRATIONS):
            raise ConfigurationError(
                f"The history {path} was written by a newer zimage (schema {version})."
            )
        for number in range(version, len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";"):
                if statement.strip():
                    db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _concerns_the_file(error: ConfigurationError) -> bool:
    """Tell whether an error is of the file (full, locked, unreadable), not of what was written."""
    import sqlite3

    return isinstance(error.__context__, (sqlite3.OperationalError, OSError))


def _storable(value: Any) -> Any:
    """Return a value as SQLite takes it: a path that is no valid text goes in as bytes."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
    return value


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigurationError(
            f"The history {path} cannot be used: {error}",
            hint="Pictures are still made and saved. Move the file away to begin a new history.",
        ) from None
