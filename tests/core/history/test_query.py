"""The search: words whatever their form, times, and what is said of wrong values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.history import query as reading
from zimage_cli.core.history.entry import batch_name
from zimage_cli.core.history.file import fold
from zimage_cli.core.history.history import History
from zimage_cli.core.history.query import Query, find, located, matching, time_of, words_of
from zimage_cli.core.request.sizes import parse_size
from zimage_cli.errors import UsageError

ROW: dict[str, Any] = {
    "status": "saved",
    "prompt": "a fox",
    "size": "512*512",
    "seed": 1,
    "prompt_extend": False,
    "region": "sandbox",
    "endpoint": "http://127.0.0.1:1",
}
ROWS: tuple[dict[str, Any], ...] = (
    {"prompt": "A red ＦＯＸ\n in  snow"},
    {"prompt": "一只狐狸在雪地里"},
    {"prompt": "a calm lake", "rewritten_prompt": "A calm lake, a Fox drinks"},
    {"prompt": "a lake", "path": "/pictures/fox-100%.png"},
    {"prompt": "cafe\u0301 _ straße", "status": "lost", "size": "1024*1024", "seed": 7},
    {"prompt": "a kite", "region": "singapore", "created_at": "2026-03-01T10:00:00.500+00:00"},
)


@pytest.fixture
def book(work: Path) -> Iterator[History]:
    book = History(work / "history.db")
    for row in ROWS:
        book.begin(**{**ROW, **row})
    yield book
    book.close()


def search(book: History, *words: str, **more: Any) -> list[int]:
    return matching(book, Query(*words_of(words), **more))[::-1]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["fox"], [1, 3, 4]),
        (["Fox"], [1, 3, 4]),
        (["ｆｏＸ"], [1, 3, 4]),
        (["狐狸"], [2]),
        (["lake", "fox"], [3, 4]),
        (["fox", "-lake"], [1]),
        (["-a"], [2]),
        (["-fox", "-lake"], [2, 5, 6]),
        # A phrase, whatever white space stands between its words; never from one text to the next.
        (["fox in snow"], [1]),
        (["ed fo"], [1]),
        (["snow in fox"], []),
        (["lake a calm"], []),
        (['"a calm"'], [3]),
        (['-"calm lake"'], [1, 2, 4, 5, 6]),
        (['"-a"'], []),
        # Nothing in a word is a pattern.
        (["%"], [4]),
        (["_"], [5]),
        (["f_x"], []),
        (["\\"], []),
        (["café"], [5]),
        (["CAFE\u0301"], [5]),
        (["STRASSE"], [5]),
        (["pictures/fox"], [4]),
    ],
)
def test_words(book: History, words: list[str], found: list[int]) -> None:
    assert search(book, *words) == found
    # The same in rows that an older zimage wrote, and where they cannot be folded.
    book.write(lambda db: db.execute("UPDATE generation SET folded = NULL WHERE id % 2"))
    reader = History(book.path, read_only=True)
    assert search(reader, *words) == found
    reader.close()
    assert search(book, *words) == found
    unfolded = "SELECT count(*) FROM generation WHERE folded IS NULL"
    assert book.read(lambda db: db.execute(unfolded).fetchone()) == (0,)


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"statuses": ("lost",)}, [5]),
        ({"statuses": ("lost", "saved")}, [1, 2, 3, 4, 5, 6]),
        ({"region": "singapore"}, [6]),
        ({"size": "1024*1024"}, [5]),
        ({"seed": 7}, [5]),
        ({"with_file": True}, [4]),
        ({"batches": ()}, []),
        ({"since": "2026-03-01T10:00:00", "until": "2026-03-01T10:00:01"}, [6]),
        ({"since": "2026-03-01T10:00:01", "until": "2026-03-02T10:00:01"}, []),
        ({"words": ("lake",), "with_file": True}, [4]),
        ({"without": ("fox",), "region": "sandbox"}, [2, 5]),
    ],
)
def test_other_facts(book: History, narrow: dict[str, Any], found: list[int]) -> None:
    assert matching(book, Query(**narrow))[::-1] == found


def test_a_few_of_many(book: History) -> None:
    found = find(book, Query(("lake",)), 1)
    assert [one.id for one in found.entries] == [4]
    assert found[1:] == (2, 6)
    assert find(book, Query(), 2)[1:] == (6, 6)


def test_what_is_written_later_is_found(book: History) -> None:
    row = book.begin(**{**ROW, "status": "sending"})
    book._change(row, {"status": "made", "rewritten_prompt": "the Quick one"})
    assert search(book, "a fox", "quick") == [row]
    book._change(row, {"status": "saved", "path": "/here/ΤΈΛΟΣ.png"})
    assert search(book, "a fox", "quick", "τέλος") == [row]
    book._change(row, {"status": "lost"})
    assert search(book, "a fox", "quick", "τέλος") == [row]


def test_a_path_that_is_no_text(book: History) -> None:
    row = book.begin(**{**ROW, "path": "/a/\udcff-fox.png"})
    assert search(book, "/a/", "fox.png") == [row]
    assert located(book, Query(("fox.png",))) == [(row, "/a/\udcff-fox.png")]


def test_where_a_picture_is_or_was_to_go(book: History) -> None:
    gone = book.begin(**{**ROW, "status": "lost", "wanted_path": "/wanted/fox.png"})
    piped = book.begin(**{**ROW, "path": "-", "wanted_path": "-"})
    places = dict(located(book, Query()))
    assert [*places] == [*range(piped, 0, -1)]
    assert (places[gone], places[piped]) == ("/wanted/fox.png", "-")
    assert (places[4], places[1]) == ("/pictures/fox-100%.png", "")


@given(st.text(), st.text())
def test_any_text_is_found_in_any_other_that_holds_it(before: str, word: str) -> None:
    # Letters on the edge may become one with their neighbours: a space keeps them apart.
    assert fold(word) in fold(f"{before} {word} x")
    assert fold(fold(word)) == fold(word)


@given(st.lists(st.text(max_size=20), max_size=4))
def test_any_words_are_words_or_a_usage_error(words: list[str]) -> None:
    try:
        found, without = words_of(words)
    except UsageError:
        assert not all(fold(word.strip('-"')) for word in words)
    else:
        assert len(found) + len(without) == len(words)


@given(st.text(max_size=30))
def test_any_time_is_a_time_or_a_usage_error(text: str) -> None:
    for end in (False, True):
        try:
            found = time_of("--since", text, end=end)
        except UsageError as error:
            assert error.facts["field"] == "since"
        else:
            assert len(found) == 19


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zone but the machine's")
@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-11-01", "2026-10-31T23:00:00", "2026-11-01T23:00:00"),
        # The clock goes back an hour on that day.
        ("2026-10-25", "2026-10-24T22:00:00", "2026-10-25T23:00:00"),
        ("2026-02", "2026-01-31T23:00:00", "2026-02-28T23:00:00"),
        ("2025-12", "2025-11-30T23:00:00", "2025-12-31T23:00:00"),
        ("2026-11-01T12:30", "2026-11-01T11:30:00", "2026-11-01T11:30:00"),
        ("2026-11-01 12:30:15", "2026-11-01T11:30:15", "2026-11-01T11:30:15"),
        ("2026-11-01T12:30Z", "2026-11-01T12:30:00", "2026-11-01T12:30:00"),
        ("２０２６-11-01", "2026-10-31T23:00:00", "2026-11-01T23:00:00"),
    ],
)
def test_dates_are_local(berlin: None, text: str, begin: str, end: str) -> None:
    assert (time_of("--since", text), time_of("--until", text, end=True)) == (begin, end)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("7d", timedelta(days=7)),
        ("7 days", timedelta(days=7)),
        ("1day", timedelta(days=1)),
        ("12H", timedelta(hours=12)),
        ("30min", timedelta(minutes=30)),
        ("2 weeks", timedelta(weeks=2)),
        ("0d", timedelta()),
    ],
)
def test_how_long_ago(text: str, ago: timedelta) -> None:
    before = datetime.now().astimezone() - ago
    found = datetime.fromisoformat(time_of("--since", text) + "+00:00")
    after = datetime.now().astimezone() - ago
    assert before - timedelta(seconds=1) <= found <= after


def test_today_and_yesterday() -> None:
    for _ in range(2):
        day = datetime.now().astimezone().date()
        found = [time_of("--since", "today"), time_of("--since", "yesterday")]
        ends = [time_of("--until", "today", end=True), time_of("--until", "yesterday", end=True)]
        if day == datetime.now().astimezone().date():
            # Else midnight came between.
            break
    assert found[0] == time_of("--since", day.isoformat()) == ends[1]
    assert found[1] == time_of("--since", (day - timedelta(days=1)).isoformat())
    assert ends[0] == time_of("--until", day.isoformat(), end=True)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("30m", "30min"),
        ("7dais", "7d"),
        ("3wks", "3w"),
        ("yesterdy", "yesterday"),
        ("7", None),
        ("", None),
        ("2026", None),
        ("2026-13", None),
        ("2026-02-30", None),
        ("9999-12", None),
        ("99999999999999d", None),
        ("-7d", None),
        ("20261101", None),
    ],
)
def test_what_is_no_time(text: str, nearest: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        time_of("--until", text, end=True)
    assert f'--until: "{text}" is no time; allowed: {reading.TIMES}' in caught.value.message
    assert caught.value.facts["nearest"] == nearest
    assert ("Did you mean" in caught.value.message) is (nearest is not None)


def test_wrong_values_name_the_nearest() -> None:
    for read, wrong, right in (
        (reading.status_of, "savd", "saved"),
        (reading.region_of, "bejing", "beijing"),
        (parse_size, "16:8", "1280*720"),
    ):
        with pytest.raises(UsageError) as caught:
            read(wrong)
        assert caught.value.facts["nearest"] == right
        assert caught.value.facts["allowed"]
    assert [reading.region_of(one) for one in ("CN-Beijing", "Sandbox", "custom", "北京")] == [
        *("beijing", "sandbox", "custom", "beijing")
    ]
    assert reading.status_of("LOST") == "lost"
    for blank in ("", " ", "-", '""', '-""', "\u3000", "x" * 8_001):
        if blank != "-":
            with pytest.raises(UsageError):
                words_of([blank])
    assert words_of(["-"]) == (("-",), ())


def test_a_batch_is_known_by_its_folder(book: History, work: Path) -> None:
    folder = work / "pictures"
    for fresh in (0, 2):
        book.begin(**ROW, batch=batch_name(folder, fresh), job="x")
    other = book.begin(**ROW, batch="other", job="x")
    names = reading.batches_of(book, "pictures")
    assert matching(book, Query(batches=names)) == [8, 7]
    assert reading.batches_of(book, names[0]) == [names[0]]
    assert matching(book, Query(batches=reading.batches_of(book, "other"))) == [other]
    for unknown in ("elsewhere", "", "a\0b"):
        for there in (book, None):
            with pytest.raises(UsageError, match="has no batch in the folder"):
                reading.batches_of(there, unknown)


@pytest.mark.parametrize(
    "query",
    [
        Query(("fox",), ("snow",)),
        Query(since="2026", until="2027", statuses=("saved",), region="x", size="x", seed=1),
    ],
)
def test_the_index_alone_is_read(book: History, query: Query) -> None:
    """Rows are several times as much: with 172,800 they would take longer than all else."""
    where, values = query.where(book._db)
    select = f"EXPLAIN QUERY PLAN SELECT id FROM generation {where} ORDER BY id DESC"
    [(*_, plan)] = book._db.execute(select, values)
    assert "COVERING INDEX generation_search" in plan


def test_those_without_a_file_are_known_by_an_index(book: History) -> None:
    where, values = Query(("fox",), with_file=True).where(book._db)
    select = f"EXPLAIN QUERY PLAN SELECT id FROM generation {where} ORDER BY id DESC"
    plan = [step for *_, step in book._db.execute(select, values)]
    assert not [step for step in plan if "SCAN generation" in step and "INDEX" not in step]
    assert "INDEX generation_unfiled" in " ".join(plan)


def test_nothing_is_read_to_know_that_all_is_ready(book: History) -> None:
    plan = book._db.execute(f"EXPLAIN QUERY PLAN {reading._UNFOLDED}").fetchone()[-1]
    assert plan.endswith("INDEX generation_unfolded")
