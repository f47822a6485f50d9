"""REF: ids, ranges, the newest, and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from noise import noise

from zimage_cli.core.history import ref
from zimage_cli.core.history.history import History
from zimage_cli.core.recipe.png import text_chunk
from zimage_cli.errors import UsageError

ROW: dict[str, Any] = {
    "prompt": "a fox",
    "size": "512*512",
    "prompt_extend": False,
    "region": "sandbox",
    "endpoint": "http://127.0.0.1:1",
}


@pytest.fixture
def book(work: Path) -> Iterator[History]:
    """Rows 1 to 6, of which 2 is lost and 6 failed."""
    book = History(work / "history.db")
    for number in range(1, 7):
        status = {2: "lost", 6: "failed"}.get(number, "saved")
        book.begin(**ROW, status=status, path=str(work / f"{number}.png"))
    yield book
    book.close()


@pytest.fixture(scope="module")
def png() -> bytes:
    return noise(64, 64, 1_000)


def note(book: History, row: int, **columns: Any) -> None:
    sets = ", ".join(f"{name} = ?" for name in columns)
    update = f"UPDATE generation SET {sets} WHERE id = ?"
    book.write(lambda db: db.execute(update, (*columns.values(), row)))


@pytest.mark.parametrize(
    ("refs", "found"),
    [
        (["3"], [3]),
        (["2"], [2]),
        (["003"], [3]),
        (["2-4"], [2, 3, 4]),
        (["3-3"], [3]),
        (["5-99"], [5, 6]),
        # The newest that were saved, in the order in which they were made.
        (["last"], [5]),
        (["last:1"], [5]),
        (["last:3"], [3, 4, 5]),
        (["last:99"], [1, 3, 4, 5]),
        (["last:" + "9" * 50], [1, 3, 4, 5]),
        (["4", "last:2", "4-5"], [4, 5]),
        ([], []),
    ],
)
def test_what_is_named(book: History, refs: list[str], found: list[int]) -> None:
    assert ref.ids(book, refs) == found
    assert [one.id for one in ref.entries(book, refs)] == found


@pytest.mark.parametrize(
    ("text", "message", "nearest"),
    [
        ("7", "there is no 7 in the history", 6),
        ("0", "there is no 0 in the history", 6),
        ("9" * 99, f'there is no "{"9" * 59}…" in the history', 6),
        ("7-9", '"7-9": the history has no such picture.', None),
        ("5-2", '"5-2" begins behind its end. Did you mean 2-5?', "2-5"),
        ("last:0", '"last:0" is not allowed; allowed: last, or last:N with N of 1 or more', "last"),
        ("last:", '"last:" is not allowed; allowed: last, or last:N with N of 1 or more', "last"),
        ("٣", f'"٣" is no picture of the history; allowed: {ref.ALLOWED}', None),
        ("fox", f'"fox" is no picture of the history; allowed: {ref.ALLOWED}', None),
        ("", f'"" is no picture of the history; allowed: {ref.ALLOWED}', None),
        (".", f'"." is no picture of the history; allowed: {ref.ALLOWED}', None),
        ("-3", f'"-3" is no picture of the history; allowed: {ref.ALLOWED}', None),
        ("a\0b", f'"a\\u0000b" is no picture of the history; allowed: {ref.ALLOWED}', None),
    ],
)  # fmt: skip
def test_what_names_nothing(book: History, text: str, message: str, nearest: object) -> None:
    with pytest.raises(UsageError) as caught:
        ref.ids(book, ["1", text])
    assert caught.value.message == message
    assert caught.value.facts.get("nearest") == nearest
    assert caught.value.facts["field"] == "REF"


@pytest.mark.parametrize("text", ["1", "1-2", "last", "fox", "there.png"])
def test_without_a_history(work: Path, text: str) -> None:
    (work / "there.png").write_bytes(b"x")
    with pytest.raises(UsageError):
        ref.ids(None, [text])


def test_one_picture(book: History) -> None:
    assert ref.entry(book, "last").id == 5
    assert ref.entry(book, "last:1").id == 5
    with pytest.raises(UsageError) as caught:
        ref.entry(book, "2-4")
    assert caught.value.message == '"2-4" names 3 pictures, and one is wanted.'
    assert caught.value.hint == "Name one of them: 2"
    assert [one for one in ("1", "1-1", "last", "last:1", "1-x.png") if ref.several(one)] == [
        *("1-1", "last:1")
    ]


def test_a_file(book: History, work: Path) -> None:
    # By where it was saved, also where it is no more.
    assert ref.ids(book, ["3.png", str(work / "1.png")]) == [3, 1]
    # By its bytes, wherever it is now; as served too.
    (work / "moved.png").write_bytes(b"moved")
    note(book, 1, sha256=sha256(b"moved").hexdigest())
    assert ref.ids(book, ["moved.png"]) == [1]
    (work / "served.png").write_bytes(b"served")
    note(book, 2, served_sha256=sha256(b"served").hexdigest())
    assert ref.ids(book, ["served.png"]) == [2]
    # The bytes count for more than the name, and the newest of several made what is there.
    (work / "3.png").write_bytes(b"moved")
    assert ref.ids(book, ["3.png"]) == [1]
    note(book, 4, path=str(work / "5.png"))
    assert ref.ids(book, ["5.png"]) == [5]
    # An id is an id, also where a file is called so.
    (work / "4").write_bytes(b"served")
    assert ref.ids(book, ["4", "./4"]) == [4, 2]
    # The standard input is no picture's file.
    (work / "-").write_bytes(b"moved")
    assert ref.ids(book, ["-", "./-"]) == [1]
    (work / "other.png").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"^The history does not know the file other.png\.$"):
        ref.ids(book, ["other.png"])


def test_a_file_that_tells_its_request(book: History, work: Path, png: bytes) -> None:
    head, rest = png[:33], png[33:]

    def told(keyword: str, recipe: object) -> bytes:
        return head + text_chunk(keyword, json.dumps(recipe)) + rest

    recipe = {"prompt": "a fox", "request_id": "r-4"}
    (work / "a.png").write_bytes(told("zimage", recipe))
    note(book, 4, request_id="r-4")
    # It counts for more than the bytes, which another program may have changed.
    note(book, 5, sha256=sha256((work / "a.png").read_bytes()).hexdigest())
    assert ref.ids(book, ["a.png"]) == [4]
    for other in ({"prompt": "a fox"}, {"prompt": "a fox", "request_id": "r-5"}, {}, 7):
        (work / "b.png").write_bytes(told("zimage", other))
        note(book, 3, sha256=sha256((work / "b.png").read_bytes()).hexdigest())
        assert ref.ids(book, ["b.png"]) == [3]
    (work / "c.png").write_bytes(told("other", recipe))
    with pytest.raises(UsageError):
        ref.ids(book, ["c.png"])


def test_in_a_history_that_an_older_zimage_wrote(book: History, work: Path) -> None:
    book.write(lambda db: db.execute("ALTER TABLE generation DROP COLUMN served_sha256"))
    book.write(lambda db: db.execute("PRAGMA user_version = 3"))
    with_it = History(work / "history.db", read_only=True)
    (work / "a.png").write_bytes(b"a")
    note(book, 1, sha256=sha256(b"a").hexdigest())
    assert ref.ids(with_it, ["a.png", "3.png"]) == [1, 3]
    assert ref.entry(with_it, "a.png").served_sha256 is None
    with_it.close()
