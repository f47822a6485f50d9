"""The history's rows: every generation, from before it is sent until its picture is on disk.

SQLite in WAL mode, so that several processes write at once. `sending` is written before the POST,
`made` (with the picture's address) before the download, then `saved`; `failed` and `lost` are the
other ends. Each write is synced: after a power cut the history still has every paid picture.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import without_query
from zimage_cli.core.history import owner
from zimage_cli.core.history.database import Database, now, storable
from zimage_cli.core.history.file import HistoryError, folded, full, sqlite_errors
from zimage_cli.core.status import Status
from zimage_cli.errors import Stopped, ZimageError

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.history.entry import Entry


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return what the history and the evidence keep of an error."""
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


def _hashes(fetched: Fetched) -> dict[str, Any]:
    return {
        "bytes": fetched.bytes,
        "sha256": fetched.sha256,
        "served_sha256": fetched.as_served,
    }


class History(Database):
    """The history in one file. Safe to share between threads and processes.

    Every method raises HistoryError, a ConfigurationError, where SQLite cannot do its work.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self._owner = owner.Owner(path)
        super().__init__(path, **options)

    @classmethod
    def to_read(cls, path: Path) -> History:
        """Open a history to look at it, also where it can only be read. Raises HistoryError."""
        try:
            return cls(path, patience=0)
        except HistoryError:
            return cls(path, patience=0, read_only=True)

    def close(self) -> None:
        """Close the file, and free the lock that says that this process works on its rows."""
        super().close()
        self._owner.close()

    # -- one generation ------------------------------------------------------------------------

    def begin(self, *, sleep: Callable[[float], None] = time.sleep, **columns: Any) -> int:
        """Write a row that is about to be sent and return its id.

        Waits for a locked history, with `sleep`. Such a row takes nothing of the reserve.
        """
        row = {"status": Status.SENDING, "created_at": now(), "pid": os.getpid(), **columns}
        row |= {"updated_at": row["created_at"], "owner": self._owner.name()}
        row["folded"] = folded(*map(row.get, ("prompt", "rewritten_prompt", "path")))
        row = {name: storable(value) for name, value in row.items()}
        insert = f"INSERT INTO generation ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        self._want_reserve(row["status"])

        def write(db: sqlite3.Connection) -> int:
            return int(db.execute(insert, list(row.values())).lastrowid or 0)

        number = self.write(write, paid=False, patience=self._patience, sleep=sleep)
        if row["status"] == Status.SENDING:
            self._unfinished[number] = row
        return number

    def sending(self, row: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Note that a request is sent again; waits as `begin` does."""
        self._want_reserve(Status.SENDING)
        columns = {"status": Status.SENDING, "error": None}
        self._change(row, columns, paid=False, patience=self._patience, sleep=sleep)

    def made(self, row: int, answer: Answer, *, rewritten: str | None, attempts: int) -> None:
        """Note the answer, before its picture is fetched."""
        columns = {
            "status": Status.MADE,
            "answered_at": now(),
            "attempts": attempts,
            "request_id": answer.request_id,
            "image_url": answer.image_url,
            "rewritten_prompt": rewritten,
            "reasoning": answer.reasoning,
            "width": answer.width,
            "height": answer.height,
            "usage": json.dumps(answer.usage),
        }
        self._change(row, columns)

    def fetched(self, row: int, fetched: Fetched) -> None:
        """Note what the file will hold, before it gets its name: by this it is known later."""
        self._change(row, _hashes(fetched))

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
        columns = {
            "status": Status.SAVED,
            "path": path,
            **_hashes(fetched),
            "width": fetched.info.width,
            "height": fetched.info.height,
            "image_url": without_query(image_url),
            "elapsed_seconds": round(elapsed, 3),
            "error": None,
            "claim": None,
        }
        if evidence_path is not None:
            columns["evidence_path"] = evidence_path
        self._change(row, columns)
        self._unfinished.pop(row, None)

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
        self._change(row, columns)
        self._unfinished.pop(row, None)

    def claim(self, row: int) -> bool:
        """Claim a picture, so that no other process fetches it; False where one has claimed it.

        `release` ends the claim, and so does the end of this process.
        """
        me = self._owner.name()
        if me is None:
            # The file system has no locks: nobody can know who fetches what.
            return True
        held = self.read(
            lambda db: db.execute("SELECT claim FROM generation WHERE id = ?", (row,)).fetchone()
        )
        if held is None or owner.lives(owner.lock_file(self.path, held[0])):
            return False
        take = "UPDATE generation SET claim = ? WHERE id = ? AND claim IS ? AND status IN (?, ?)"
        values = (me, row, held[0], Status.MADE, Status.LOST)
        return (
            self.write(lambda db: db.execute(take, values).rowcount, patience=self._patience) == 1
        )

    def release(self, row: int) -> None:
        """End the claim on a picture, if that can be written."""
        free = "UPDATE generation SET claim = NULL WHERE id = ? AND claim = ?"
        values = (row, self._owner.name())
        with suppress(HistoryError):
            self.write(lambda db: db.execute(free, values), patience=0)

    # -- reading -------------------------------------------------------------------------------

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest entries, newest first."""
        return self._select("ORDER BY id DESC LIMIT ?", limit)

    def count(self) -> int:
        """Return how many entries there are."""
        count = "SELECT count(*) FROM generation"
        return int(self.read(lambda db: db.execute(count).fetchone()[0]))

    def entry(self, row: int) -> Entry | None:
        """Return one entry."""
        found = self.entries([row])
        return found[0] if found else None

    def entries(self, rows: Sequence[int]) -> list[Entry]:
        """Return the entries with these ids that there are, in their order."""
        wanted = json.dumps([*rows])
        found = self._select("WHERE id IN (SELECT value FROM json_each(?))", wanted)
        by_id = {one.id: one for one in found}
        return [by_id[row] for row in rows if row in by_id]

    def with_status(self, status: str) -> list[Entry]:
        """Return the entries with a status, oldest first."""
        return self._select("WHERE status = ? ORDER BY id", status)

    def batch(self, batch: str) -> Iterator[tuple[Any, ...]]:
        """Yield (job, id, status, seed, path, error, answered_at, region) of a batch's entries.

        Oldest first, as SQLite has them: what somebody else wrote there may be of any type.
        """
        with self._lock, sqlite_errors(self.path):
            yield from self._db.execute(
                "SELECT job, id, status, seed, path, error, answered_at, region FROM generation "
                "WHERE batch = ? ORDER BY id",
                (batch,),
            )

    def whose(self, path: str) -> int | None:
        """Return the id of the entry whose picture is saved under a path."""
        select = "SELECT id FROM generation WHERE status = ? AND path = ?"
        row = self.read(lambda db: db.execute(select, (Status.SAVED, storable(path))).fetchone())
        return int(row[0]) if row else None

    def settle_abandoned(self) -> int:
        """Mark as lost what will never have a picture; return how many rows.

        Rows still `sending` whose process has ended: nobody knows whether such a request reached
        the service. And rows `made` whose picture can never be fetched. Where the history cannot be
        written now, nothing is changed.
        """
        from zimage_cli.core.history.entry import why_never

        if self._read_only:
            return 0
        gone = "zimage ended before the answer arrived"
        dead = [
            (entry.id, Status.SENDING, gone)
            for entry in self.with_status(Status.SENDING)
            if not entry.in_progress
        ]
        dead += [
            (entry.id, Status.MADE, why)
            for entry in self.with_status(Status.MADE)
            if (why := why_never(entry)) is not None
        ]
        owner.sweep(self.path)
        if not dead:
            return 0
        update = (
            "UPDATE generation SET status = ?, updated_at = ?, error = ? "
            "WHERE id = ? AND status = ?"
        )
        changes = [
            (Status.LOST, now(), json.dumps({"type": "lost", "message": why}), row, status)
            for row, status, why in dead
        ]
        try:
            self.write(lambda db: db.executemany(update, changes), patience=0)
        except HistoryError:
            return 0
        return len(dead)

    # -- inside --------------------------------------------------------------------------------

    def _want_reserve(self, status: str) -> None:
        if status == Status.SENDING and not self._reserve.ready():
            raise full(self.path, "no space left on device")

    def _select(self, clause: str, *values: Any) -> list[Entry]:
        # Making a picture only writes.
        from zimage_cli.core.history.entry import entry, select

        def read(db: sqlite3.Connection) -> list[Entry]:
            rows = db.execute(f"{select(db)} {clause}", values).fetchall()
            return [entry(row, self.path) for row in rows]

        return self.read(read)
