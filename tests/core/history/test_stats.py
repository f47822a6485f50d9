"""What was made, lost and paid, added up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.core.history.history import History
from zimage_cli.core.history.query import Query
from zimage_cli.core.history.stats import Cost, stats

ROW: dict[str, Any] = {
    "status": "saved",
    "created_at": "2026-03-01T10:00:00.000+00:00",
    "prompt": "a fox",
    "size": "512*512",
    "prompt_extend": False,
    "region": "beijing",
    "endpoint": "https://dashscope.aliyuncs.com",
    "cost_amount": "0.10",
    "cost_currency": "CNY",
    "bytes": 1000,
    "elapsed_seconds": 2.0,
}
USD = {"region": "singapore", "cost_amount": "0.015", "cost_currency": "USD"}


@pytest.fixture
def book(work: Path) -> Iterator[History]:
    book = History(work / "history.db")
    yield book
    book.close()


def test_all_together(book: History) -> None:
    for row in (
        {},
        {"elapsed_seconds": 9.0},
        {"status": "made", "elapsed_seconds": None, "bytes": None},
        {"status": "lost", "elapsed_seconds": None, "bytes": None},
        {"status": "failed", "bytes": None},
        {"status": "refused"},
        {"status": "sending"},
        # Recovered: nobody knows how long it took.
        {**USD, "elapsed_seconds": 0.0},
        {**USD, "status": "lost"},
        {"region": "sandbox", "cost_amount": None, "cost_currency": None},
    ):
        book.begin(**{**ROW, **row})
    total = stats(book, Query()).total
    assert (total.made, total.failed, total.lost, total.bytes) == (5, 2, 2, 4000)
    assert total.cost == [
        Cost("CNY", Decimal("0.30"), Decimal("0.40")),
        Cost("USD", Decimal("0.015"), Decimal("0.030")),
    ]
    assert (total.seconds(0.5), total.seconds(0.95)) == (2.0, 9.0)
    assert stats(book, Query(region="singapore")).total.lost == 1
    assert stats(None, Query()).total.made == 0
    assert stats(None, Query()).total.seconds(0.5) is None


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100])
def test_so_many_were_there_by_then(book: History, count: int) -> None:
    for number in range(count, 0, -1):
        book.begin(**{**ROW, "elapsed_seconds": float(number)})
    total = stats(book, Query()).total
    for share in (0.5, 0.95):
        found = total.seconds(share)
        assert found is not None
        # The smallest that so large a share does not exceed.
        assert found / count >= share > (found - 1) / count


@pytest.fixture
def auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Auckland")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zone but the machine's")
def test_days_are_local(book: History, auckland: None) -> None:
    for stamp in (
        "2026-02-28T10:59:59.999+00:00",
        "2026-02-28T11:00:00.000+00:00",
        "2026-03-01T10:59:00.000+00:00",
        "",
        "nonsense",
        "0001-01-01T00:00:00+00:00",
    ):
        book.begin(**{**ROW, "created_at": stamp})
    days = stats(book, Query(), "day").groups
    assert [(day.name, day.made) for day in days if (day.name or "x") > "0002"] == [
        ("2026-02-28", 1),
        ("2026-03-01", 2),
        (None, 2),
    ]
    months = stats(book, Query(), "month").groups
    assert [month.made for month in months][1:] == [1, 2, 2]


def test_groups(book: History) -> None:
    for row in ({"status": "lost"}, {}, {"size": "1*1"}, {"size": "1*1"}, {**USD, "status": "odd"}):
        book.begin(**{**ROW, **row})
    for by, names in (
        ("region", [("beijing", 3), ("singapore", 0)]),
        ("size", [("1*1", 2), ("512*512", 1)]),
        ("status", [("saved", 3), ("lost", 0), ("odd", 0)]),
    ):
        assert [(one.name, one.made) for one in stats(book, Query(), by).groups] == names


def test_what_somebody_else_wrote(book: History) -> None:
    for column, value in (
        ("cost_amount", "much"),
        ("cost_amount", "NaN"),
        ("cost_amount", "1e999999999"),
        ("cost_amount", "-5"),
        ("cost_amount", b"\xff"),
        ("cost_currency", None),
        ("bytes", "many"),
        ("elapsed_seconds", "long"),
        ("elapsed_seconds", float("inf")),
        ("elapsed_seconds", -1.0),
        ("status", b"saved"),
        ("region", b"\xff"),
        # As many as of that one.
        ("region", "odd"),
    ):
        row = book.begin(**ROW)
        book.write(
            lambda db, c=column, v=value, r=row: db.execute(
                f"UPDATE generation SET {c} = ? WHERE id = ?", (v, r)
            )
        )
    for by in (None, "region", "status", "day"):
        total = stats(book, Query(), by).total
        assert sum(total.statuses.values()) == 13
        assert total.cost == [Cost("CNY", Decimal("0.60"), Decimal("0.60"))]
