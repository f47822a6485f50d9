"""How far each picture has come, told from history and journal, whatever stands in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zimage_cli.core.history.history import History
from zimage_cli.core.run.journal import FRESH, NAME, Journal
from zimage_cli.core.run.state import State, States
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.status import Status

KEY = bytes(range(16))
KNOWN = set(Status) - {Status.SENDING, Status.SKIPPED}
"""All that the state of a picture can be."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture
def book(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.db")
    yield history
    history.close()


def load(folder: Path, book: History | None = None, *, fresh: bool = False) -> States:
    return States.load(folder, Journal(folder), book, fresh=fresh)


def journal(folder: Path, *records: dict[str, Any]) -> None:
    text = "".join(json.dumps({"job": KEY.hex(), **record}) + "\n" for record in records)
    with (folder / NAME).open("a") as file:
        file.write(text)


def ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")


def row(book: History, folder: Path, status: str, **columns: Any) -> int:
    return book.begin(
        **{
            "status": status,
            "prompt": "a kite",
            "size": "512*512",
            "seed": 5,
            "prompt_extend": False,
            "region": "custom",
            "endpoint": "http://127.0.0.1:1",
            "batch": States(folder).batch,
            "job": KEY.hex(),
            **columns,
        }
    )


def picture(folder: Path, name: str = "a.png") -> str:
    (folder / name).write_bytes(b"picture")
    return str((folder / name).absolute())


def test_an_empty_folder_knows_nothing(folder: Path, book: History) -> None:
    assert load(folder).of(KEY).status == Status.NEW
    assert load(folder, book).of(KEY).status == Status.NEW


@pytest.mark.parametrize(
    ("record", "kind", "seed"),
    [
        ({"status": "saved", "file": "a.png", "seed": 3}, Status.SAVED, 3),
        ({"status": "saved", "file": "a.png", "seed": 0}, Status.SAVED, 0),
        ({"status": "saved", "file": "a.png", "seed": 2**31 - 1}, Status.SAVED, 2**31 - 1),
        ({"status": "saved", "file": "a.png", "seed": None}, Status.SAVED, None),
        ({"status": "saved", "file": "gone.png", "seed": 3}, Status.NEW, 3),
        ({"status": "saved", "file": None}, Status.NEW, None),
        ({"status": "failed", "seed": 4}, Status.FAILED, 4),
        ({"status": "refused", "seed": 4}, Status.REFUSED, 4),
        ({"status": "lost", "seed": 4}, Status.LOST, 4),
        # Its address was in the history alone: it is paid all the same.
        ({"status": "made", "seed": 4}, Status.LOST, 4),
        ({"status": "made", "seed": 4, "answered_at": ago(1)}, Status.LOST, 4),
        ({"status": "made", "seed": 4, "region": "sandbox"}, Status.NEW, 4),
        ({"status": "failed", "seed": -1}, Status.FAILED, None),
        ({"status": "failed", "seed": 2**31}, Status.FAILED, None),
        ({"status": "failed", "seed": True}, Status.FAILED, None),
        ({"status": "failed", "seed": "4"}, Status.FAILED, None),
        # What was never sent has not failed, whatever an earlier release called it.
        ({"status": "failed", "type": "connection", "seed": 4}, Status.NEW, 4),
        ({"status": "failed", "type": "configuration", "seed": 4}, Status.NEW, 4),
        ({"status": "failed", "type": ["connection"], "seed": 4}, Status.FAILED, 4),
        ({"status": "failed", "type": "not-saved", "seed": 4}, Status.FAILED, 4),
        ({"status": "skipped"}, Status.NEW, None),
        ({"status": ["saved"]}, Status.NEW, None),
    ],
)
def test_the_journal_stands_in_where_there_is_no_history(
    record: dict[str, Any], kind: Status, seed: int | None, folder: Path
) -> None:
    picture(folder)
    journal(folder, record)
    state = load(folder).of(KEY)
    assert (state.status, state.seed) == (kind, seed)


def unfetched(hours: float = 1, **changes: Any) -> dict[str, Any]:
    made = {"image_url": "https://host/a.png?Signature=s", "answered_at": ago(hours)}
    return {"status": "failed", "type": "not-saved", "seed": 4, **made, **changes}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Status.MADE),
        ({"hours": 23.9}, Status.MADE),
        ({"hours": 24.1}, Status.LOST),
        ({"answered_at": None}, Status.LOST),
        ({"answered_at": "yesterday"}, Status.LOST),
        ({"answered_at": "2026-01-01T00:00:00"}, Status.LOST),
        ({"region": "sandbox"}, Status.NEW),
        ({"image_url": None}, Status.FAILED),
        ({"image_url": ["https://host/a.png"]}, Status.FAILED),
    ],
)
def test_the_journal_knows_what_is_paid_and_not_fetched(
    changes: dict[str, Any], kind: Status, folder: Path
) -> None:
    # Now, and not when tests are collected: a whole run may take long.
    journal(folder, unfetched(**changes))
    state = load(folder).of(KEY)
    assert (state.status, state.seed) == (kind, 4)
    assert (state.record is not None) == (kind == Status.MADE)


@pytest.mark.parametrize(
    ("status", "columns", "kind"),
    [
        # The history took the row and, on a full disk, not the answer.
        ("sending", {}, Status.MADE),
        ("lost", {}, Status.MADE),
        ("made", {"answered_at": None}, Status.MADE),
        ("saved", {"path": None}, Status.NEW),
    ],
)
def test_what_the_history_did_not_take_the_journal_tells(
    status: str, columns: dict[str, Any], kind: Status, folder: Path, book: History
) -> None:
    journal(folder, unfetched())
    row(book, folder, status, **columns)
    assert load(folder, book).of(KEY).status == kind


def test_an_address_that_the_journal_has_stays_where_a_later_record_has_none(folder: Path) -> None:
    journal(folder, unfetched(), {"status": "made", "seed": 4})
    state = load(folder).of(KEY)
    assert state.status == Status.MADE
    assert state.record is not None
    assert state.record["image_url"] == unfetched()["image_url"]


def test_a_row_with_its_answer_is_fetched_by_the_row(folder: Path, book: History) -> None:
    journal(folder, unfetched())
    number = row(book, folder, "made", answered_at=ago(1), image_url="https://host/a.png?x")
    state = load(folder, book).of(KEY)
    assert (state.status, state.entry, state.record) == (Status.MADE, number, None)


def test_a_row_that_was_never_sent_is_new(folder: Path, book: History) -> None:
    row(book, folder, "failed", error=json.dumps({"type": "connection"}))
    assert load(folder, book).of(KEY).status == Status.NEW


def test_the_last_record_counts(folder: Path) -> None:
    picture(folder)
    journal(folder, {"status": "lost"}, {"status": "failed"}, {"status": "saved", "file": "a.png"})
    assert load(folder).of(KEY).status == Status.SAVED
    journal(folder, {"status": "failed"})
    assert load(folder).of(KEY).status == Status.FAILED


@pytest.mark.parametrize(
    ("status", "columns", "kind"),
    [
        ("sending", {}, Status.LOST),
        ("lost", {}, Status.LOST),
        ("failed", {"error": '{"type": "refused"}'}, Status.FAILED),
        ("refused", {"error": '{"type": "refused"}'}, Status.REFUSED),
        ("failed", {"error": '{"type": "interrupted"}'}, Status.NEW),
        ("failed", {"error": None}, Status.FAILED),
        ("made", {"answered_at": ago(1)}, Status.MADE),
        ("made", {"answered_at": ago(20)}, Status.MADE),
        # The service has dropped it: it is paid, and there is nothing to fetch.
        ("made", {"answered_at": ago(24.1)}, Status.LOST),
        ("made", {"answered_at": None}, Status.LOST),
        # A sandbox ends with its process.
        ("made", {"answered_at": ago(1), "region": "sandbox"}, Status.NEW),
        ("saved", {"path": None}, Status.NEW),
        ("saved", {"path": "/nowhere/a.png"}, Status.NEW),
    ],
)
def test_the_history_knows_more(
    status: str, columns: dict[str, Any], kind: Status, folder: Path, book: History
) -> None:
    number = row(book, folder, status, **columns)
    state = load(folder, book).of(KEY)
    assert (state.status, state.seed) == (kind, 5)
    assert state.entry == (
        number if kind in {Status.LOST, Status.FAILED, Status.REFUSED, Status.MADE} else None
    )


def test_what_the_journal_does_not_have_is_remembered(folder: Path, book: History) -> None:
    saved = row(book, folder, "saved", path=picture(folder))
    known = load(folder, book)
    assert known.of(KEY).status == Status.SAVED
    assert known.unrecorded == {KEY: saved}
    journal(folder, {"status": "saved", "file": "a.png"})
    assert load(folder, book).unrecorded == {}


def test_what_went_wrong_before_it_was_saved_is_not_told_again(folder: Path, book: History) -> None:
    row(book, folder, "failed")
    row(book, folder, "lost")
    row(book, folder, "saved", path=picture(folder))
    journal(folder, {"status": "failed"}, {"status": "lost"}, {"status": "saved", "file": "a.png"})
    known = load(folder, book)
    assert known.of(KEY).status == Status.SAVED
    assert known.unrecorded == {}


def test_a_picture_that_stands_is_done_whatever_came_later(folder: Path, book: History) -> None:
    journal(folder, {"status": "saved", "file": "a.png"})
    row(book, folder, "saved", path=str(folder / "a.png"))
    row(book, folder, "lost")
    assert load(folder, book).of(KEY).status == Status.LOST
    picture(folder)
    assert load(folder, book).of(KEY).status == Status.SAVED


@pytest.mark.parametrize(
    ("status", "kind"),
    [("lost", Status.LOST), ("failed", Status.FAILED), ("refused", Status.REFUSED)],
)
def test_an_end_without_a_picture_is_remembered_too(
    status: str, kind: Status, folder: Path, book: History
) -> None:
    first = row(book, folder, status)
    assert load(folder, book).unrecorded == {KEY: first}
    second = row(book, folder, status)
    assert load(folder, book).unrecorded == {KEY: second}
    journal(folder, {"status": status})
    known = load(folder, book)
    assert known.of(KEY).status == status
    assert known.unrecorded == {}


def test_later_tries_count_more(folder: Path, book: History) -> None:
    row(book, folder, "lost")
    row(book, folder, "failed", error='{"type": "refused"}')
    assert load(folder, book).of(KEY).status == Status.FAILED
    row(book, folder, "made", answered_at=ago(0))
    assert load(folder, book).of(KEY).status == Status.MADE
    assert load(folder, book).unrecorded == {}
    row(book, folder, "saved", path=picture(folder))
    assert load(folder, book).of(KEY).status == Status.SAVED


def test_a_picture_that_was_moved_with_its_folder_is_done(folder: Path, book: History) -> None:
    row(book, folder, "saved", path=picture(folder))
    journal(folder, {"status": "saved", "file": "a.png"})
    moved = folder.with_name("moved")
    folder.rename(moved)
    assert load(moved, book).of(KEY).status == Status.SAVED


def test_the_folder_is_the_same_whichever_path_leads_to_it(
    folder: Path, book: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    row(book, folder, "lost")
    link = folder.with_name("link")
    link.symlink_to(folder)
    monkeypatch.chdir(folder.parent)
    for path in (link, Path("out"), Path("out/../out"), folder / ".." / "link"):
        assert load(path, book).of(KEY).status == Status.LOST


def test_starting_over_forgets_and_keeps_forgetting(folder: Path, book: History) -> None:
    picture(folder)
    row(book, folder, "lost")
    journal(folder, {"status": "saved", "file": "a.png"})
    fresh = load(folder, book, fresh=True)
    assert fresh.of(KEY).status == Status.NEW
    assert fresh.batch != States(folder).batch
    journal(folder, {"status": FRESH})
    after = load(folder, book)
    assert after.of(KEY).status == Status.NEW
    assert after.batch == fresh.batch


@pytest.mark.parametrize(
    ("row_says", "journal_says"), [("refused", "failed"), ("failed", "refused")]
)
def test_what_an_older_version_called_failed_is_not_told_again(
    row_says: str, journal_says: str, folder: Path, book: History
) -> None:
    row(book, folder, row_says)
    journal(folder, {"status": journal_says})
    assert load(folder, book).unrecorded == {}


@pytest.mark.parametrize(
    ("status", "again", "decided"),
    [
        (Status.FAILED, {}, Status.FAILED),
        (Status.FAILED, {"retry_failed": True}, Status.NEW),
        (Status.REFUSED, {"retry_failed": True}, Status.NEW),
        (Status.REFUSED, {"retry_lost": True}, Status.REFUSED),
        (Status.LOST, {"retry_failed": True}, Status.LOST),
        (Status.LOST, {"retry_lost": True}, Status.NEW),
        (Status.MADE, {"retry_failed": True, "retry_lost": True}, Status.MADE),
        (Status.SAVED, {"retry_failed": True, "retry_lost": True}, Status.SAVED),
    ],
)
def test_what_is_made_again_is_what_was_asked_for(
    status: Status, again: dict[str, bool], decided: Status
) -> None:
    assert State(status).decide(RunOptions(**again)) is decided


_COLUMNS = ("job", "seed", "path", "error", "answered_at", "region", "updated_at")

anything = st.one_of(
    st.none(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=30),
    st.binary(max_size=30),
    st.just(KEY.hex()),
    st.just("[" * 50_000),
    st.just("a" * 5000),
)


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "status": st.sampled_from(["sending", "made", "saved", "refused", "failed", "lost"])
                | st.text(max_size=5)
                | st.binary(max_size=5),
            },
            optional=dict.fromkeys(_COLUMNS, anything),
        ),
        max_size=5,
    )
)
def test_no_history_is_too_strange(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("strange")
    book = History(folder / "history.db")
    try:
        number = row(book, folder, "lost")
        with closing(sqlite3.connect(folder / "history.db")) as db, db:
            db.text_factory = bytes
            for columns in rows:
                values = {
                    **dict.fromkeys(("created_at", "updated_at", "prompt", "size", "endpoint"), ""),
                    "prompt_extend": 0,
                    "region": "custom",
                    "batch": States(folder).batch,
                    **{name: _storable(value) for name, value in columns.items()},
                }
                values = {
                    name: "" if value is None and name in {"region", "updated_at"} else value
                    for name, value in values.items()
                }
                marks = ", ".join("?" * len(values))
                db.execute(
                    f"INSERT INTO generation ({', '.join(values)}) VALUES ({marks})",
                    [*values.values()],
                )
        db.close()
        for state in load(folder, book):
            assert state.status in {
                Status.NEW,
                Status.SAVED,
                Status.MADE,
                Status.FAILED,
                Status.LOST,
            }
        assert load(folder, book).unrecorded.get(KEY, number) >= number
    finally:
        book.close()


def _storable(value: object) -> object:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


@given(
    records=st.lists(
        st.dictionaries(
            st.sampled_from(["job", "status", "seed", "file", "line", "image_url"]),
            st.sampled_from([KEY.hex(), *Status, FRESH, "a.png", "x" * 9999, "\0", "../" * 9])
            | st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats(allow_nan=False)
                | st.text(max_size=9),
                lambda inner: st.lists(inner, max_size=2),
            ),
        ),
        max_size=6,
    )
)
def test_no_journal_is_too_strange(
    records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("strange")
    (folder / NAME).write_text("".join(json.dumps(record) + "\n" for record in records))
    for state in load(folder):
        assert state.status in KNOWN
