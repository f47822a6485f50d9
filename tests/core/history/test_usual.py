"""How long the service usually paints: from rows like the one that is asked for."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.core.history.history import History
from zimage_cli.core.history.usual import Usual, usual
from zimage_cli.core.request.request import Request

SENT = datetime(2026, 11, 22, tzinfo=UTC)
ALIKE = {
    "status": "saved",
    "prompt": "a fox",
    "size": "1024*1024",
    "width": 1024,
    "height": 1024,
    "prompt_extend": 0,
    "region": "beijing",
    "endpoint": "https://dashscope.aliyuncs.com",
    "attempts": 1,
    "updated_at": SENT.isoformat(),
}
REQUEST = Request("another", "1024*1024", None, prompt_extend=False)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.db"
    History(path).close()
    return path


def add(history: Path, *seconds: float, **columns: Any) -> None:
    db = sqlite3.connect(history)
    with db:
        for span in seconds:
            times = {"created_at": SENT, "answered_at": SENT + timedelta(seconds=span)}
            row = {**ALIKE, **{name: time.isoformat() for name, time in times.items()}, **columns}
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            db.execute(f"INSERT INTO generation ({names}) VALUES ({marks})", [*row.values()])
    db.close()


def asked(history: Path | None) -> Usual | None:
    found = usual(history, "beijing", REQUEST)
    return found and Usual(*(round(seconds, 2) for seconds in found))


def test_quartiles_and_median(history: Path) -> None:
    add(history, 4, 9, 5, 6, 7, 30, 3.5, 8)
    assert asked(history) == Usual(5, 7, 9)


def test_too_few_say_nothing(history: Path) -> None:
    add(history, 4, 4, 4, 4)
    assert asked(history) is None
    add(history, 4)
    assert asked(history) == Usual(4, 4, 4)


@pytest.mark.parametrize(
    "other",
    [
        {"region": "singapore"},
        {"prompt_extend": 1},
        {"status": "lost"},
        {"attempts": 2},
        {"width": 2048, "height": 2048},
        {"width": 512, "height": 512},
        {"answered_at": None},
        {"created_at": "no time"},
        {"answered_at": (SENT - timedelta(hours=1)).isoformat()},
    ],
)
def test_only_what_is_alike_counts(history: Path, other: dict[str, Any]) -> None:
    add(history, 4, 4, 4, 4)
    add(history, 4, 4, **other)
    assert asked(history) is None


def test_only_what_is_new_counts(history: Path) -> None:
    add(history, *[100] * 60)
    add(history, *[4] * 50)
    assert asked(history) == Usual(4, 4, 4)


def test_what_cannot_be_read_is_not_known(history: Path, tmp_path: Path) -> None:
    assert asked(None) is None
    assert asked(tmp_path / "missing.db") is None
    add(history, 4, 4, 4, 4, 4)
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    assert asked(tmp_path / "broken.db") is None
    db = sqlite3.connect(history)
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert asked(history) is None
