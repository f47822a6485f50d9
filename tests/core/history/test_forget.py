"""Deleting rows, and who is in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.core.history.file import MIGRATIONS
from zimage_cli.core.history.forget import forget, forgetting
from zimage_cli.core.history.history import History
from zimage_cli.errors import UsageError

ROW: dict[str, Any] = {
    "status": "saved",
    "prompt": "a very secret fox",
    "size": "512*512",
    "prompt_extend": False,
    "region": "sandbox",
    "endpoint": "http://127.0.0.1:1",
}


@pytest.fixture
def book(work: Path) -> Iterator[History]:
    book = History(work / "history.db")
    yield book
    book.close()


@pytest.fixture
def other(work: Path, book: History) -> Iterator[History]:
    """The same history, opened by somebody else."""
    other = History(work / "history.db")
    yield other
    other.close()


def test_nothing_of_it_is_left_and_no_id_is_used_again(book: History, work: Path) -> None:
    rows = [book.begin(**ROW) for _ in range(3)]
    assert b"secret" in b"".join(path.read_bytes() for path in work.glob("history.db*"))
    assert forget(book, forgetting(book, rows)) == 3
    assert b"secret" not in b"".join(path.read_bytes() for path in work.glob("history.db*"))
    assert book.count() == 0
    assert book.begin(**ROW) == 4


@pytest.mark.parametrize(
    ("status", "error", "refused"),
    [
        ("sending", None, True),
        ("made", None, True),
        # Between two tries.
        ("failed", '{"type": "interrupted"}', True),
        ("lost", '{"type": "interrupted"}', True),
        ("made", '{"type": "not-saved"}', False),
        ("failed", '{"type": "service"}', False),
        ("refused", None, False),
        ("saved", None, False),
    ],
)
def test_what_a_process_works_on_stays(
    book: History, other: History, status: str, error: str | None, refused: bool
) -> None:
    rows = [other.begin(**ROW), other.begin(**{**ROW, "status": status, "error": error})]
    if not refused:
        assert forget(book, forgetting(book, rows)) == 2
        return
    with pytest.raises(UsageError, match="history 2 is being worked on by another zimage"):
        forgetting(book, rows)
    assert book.count() == 2
    other.close()
    assert forget(book, forgetting(book, rows)) == 2


def test_what_is_claimed_or_changed_meanwhile_stays(book: History, other: History) -> None:
    made = {**ROW, "status": "made", "error": '{"type": "not-saved"}'}
    rows = [book.begin(**made) for _ in range(4)]
    assert other.claim(rows[0])
    with pytest.raises(UsageError, match="history 1 is being worked on"):
        forgetting(book, rows)
    found = forgetting(book, rows[1:])
    assert found.unsaved == (2, 3, 4)
    assert other.claim(rows[1])
    other._change(rows[2], {"updated_at": "later", "status": "saved"})
    assert forget(book, found) == 1
    assert [one.id for one in book.newest(9)] == [3, 2, 1]
    # The claim of one that has ended is none.
    other.close()
    assert forget(book, forgetting(book, rows)) == 3


def test_what_goes_with_the_row(book: History) -> None:
    rows = [
        book.begin(**{**ROW, "status": status, "batch": batch, "job": "x", "error": "{}"})
        for status in ("saved", "lost")
        for batch in (None, "b")
    ]
    found = forgetting(book, rows)
    assert [row[0] for row in found.rows] == rows
    assert (found.unsaved, found.unfinished) == ((), (4,))


def test_what_somebody_else_wrote_can_be_forgotten(book: History) -> None:
    row = book.begin(**ROW)
    update = "UPDATE generation SET updated_at = ?, claim = ? WHERE id = ?"
    book.write(lambda db: db.execute(update, (b"\xff", b"../x", row)))
    assert forget(book, forgetting(book, [row])) == 1


def test_an_older_history_of_an_older_zimage(work: Path) -> None:
    """One that knows no claims; deleting brings it up to date."""
    path = work / "old.db"
    db = sqlite3.connect(path)
    db.executescript(MIGRATIONS[0])
    db.execute("PRAGMA user_version = 1")
    values = {**ROW, "created_at": "2026-01-01", "updated_at": "2026-01-01"}
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO generation ({names}) VALUES ({marks})", (*values.values(),))
    db.commit()
    db.close()
    book = History.to_read(path)
    assert forget(book, forgetting(book, [1])) == 1
    book.close()
