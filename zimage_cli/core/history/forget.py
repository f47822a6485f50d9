"""Deleting rows: what may be deleted, and what is lost with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.core.history.file import HistoryError
from zimage_cli.core.history.query import each
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History


class Forgetting(NamedTuple):
    """Rows that may be deleted, and among them those with something that goes with the row."""

    rows: tuple[tuple[int, object, object], ...]
    """(id, when it was last changed, who claimed it once), as they stand in the file"""
    unsaved: tuple[int, ...]
    """Pictures that were made and are not saved: only their rows have the address."""
    unfinished: tuple[int, ...]
    """Of batches, and without a picture: the batch run again may make them once more."""


def forgetting(book: History, ids: Sequence[int]) -> Forgetting:
    """Look at rows before they are deleted.

    Raises UsageError where a process works on one of them.
    """
    rows: list[tuple[int, object, object]] = []
    unsaved: list[int] = []
    unfinished: list[int] = []
    # Before the entries: what changes in between then stays.
    stands = book.read(lambda db: _stands(db, ids))
    for entry in each(book, ids):
        if _is_worked_on(entry):
            raise UsageError(
                "history {number} is being worked on by another zimage. Nothing was forgotten.",
                hint="When that has ended: zimage history show {number}",
                field="REF",
                number=entry.id,
                value=entry.id,
            )
        if entry.id in stands:
            rows.append((entry.id, *stands[entry.id]))
        if entry.status == Status.MADE:
            unsaved.append(entry.id)
        if entry.batch is not None and entry.status != Status.SAVED:
            unfinished.append(entry.id)
    return Forgetting(tuple(rows), tuple(unsaved), tuple(unfinished))


def _stands(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, tuple[object, object]]:
    select = (
        "SELECT id, updated_at, claim FROM generation WHERE id IN (SELECT value FROM json_each(?))"
    )
    return {row[0]: row[1:] for row in db.execute(select, (json.dumps([*ids]),))}


def _is_worked_on(entry: Entry) -> bool:
    if entry.claimed:
        return True
    # Between two tries a row says how the one before ended: as interrupted.
    waits = (entry.error or {}).get("type") == "interrupted"
    ended = entry.status in {Status.SAVED, Status.REFUSED} or (
        entry.error is not None and not waits
    )
    return not ended and entry.in_progress


def forget(book: History, what: Forgetting) -> int:
    """Delete rows, and overwrite what stood there; return how many.

    What a process has changed or claimed since it was looked at stays. Raises HistoryError.
    """
    delete = "DELETE FROM generation WHERE id = ? AND updated_at IS ? AND claim IS ?"

    def write(db: sqlite3.Connection) -> int:
        return int(db.executemany(delete, what.rows).rowcount)

    book.read(lambda db: db.execute("PRAGMA secure_delete = ON").fetchall())
    count = book.write(write)
    # The WAL, which still has the pages as they were, is emptied too, unless others read it now.
    with suppress(HistoryError):
        book.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    return count
