from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.api.answer import Answer
from zimage_cli.api.download import Fetched
from zimage_cli.api.png import PngInfo
from zimage_cli.core.history.entry import Entry
from zimage_cli.core.history.file import MIGRATIONS
from zimage_cli.core.history.history import History, error_facts
from zimage_cli.core.history.safe import SafeHistory
from zimage_cli.core.status import Status
from zimage_cli.errors import ConfigurationError, NotSavedError, RefusedError

URL = "https://bucket.oss.example/a.png?Expires=1&Signature=geheim"
FETCHED = Fetched(PngInfo(512, 768), 12345, "ab" * 32)
REQUEST: dict[str, Any] = {
    "prompt": "a red fox, 狐",
    "size": "512*768",
    "seed": 7,
    "prompt_extend": True,
    "region": "beijing",
    "endpoint": "https://dashscope.aliyuncs.com",
    "workspace": None,
    "wanted_path": "/pictures/fox.png",
    "cost_amount": "0.20",
    "cost_currency": "CNY",
}


def answer(**changes: Any) -> Answer:
    values: dict[str, Any] = {
        "image_url": URL,
        "text": "a redder fox",
        "reasoning": "red is good",
        "width": 512,
        "height": 768,
        "request_id": "r-1",
        "usage": {"width": 512, "image_count": 1},
    }
    return Answer(**{**values, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history.db"


@pytest.fixture
def books(path: Path) -> Iterator[Callable[[], History]]:
    opened: list[History] = []

    def open_book() -> History:
        opened.append(History(path))
        return opened[-1]

    yield open_book
    for book in opened:
        book.close()


@pytest.fixture
def book(books: Callable[[], History]) -> History:
    return books()


def entry_of(book: History, row: int) -> Entry:
    found = book.entry(row)
    assert found is not None
    return found


def sql(path: Path, statement: str, *values: Any) -> list[Any]:
    db = sqlite3.connect(path, timeout=60)
    try:
        with db:
            return db.execute(statement, values).fetchall()
    finally:
        db.close()


# -- one generation ----------------------------------------------------------------------------


def test_a_generation_from_sending_to_saved(book: History) -> None:
    row = book.begin(**REQUEST)
    entry = entry_of(book, row)
    assert {name: getattr(entry, name) for name in REQUEST} == REQUEST
    assert (entry.status, entry.pid, entry.attempts) == (Status.SENDING, os.getpid(), 0)
    assert entry.created_at == entry.updated_at
    assert datetime.fromisoformat(entry.created_at).tzinfo == UTC
    assert entry.in_progress
    assert entry.expires_at is None

    book.made(row, answer(), rewritten="a redder fox", attempts=2)
    entry = entry_of(book, row)
    assert (entry.status, entry.attempts, entry.image_url) == (Status.MADE, 2, URL)
    assert (entry.request_id, entry.rewritten_prompt) == ("r-1", "a redder fox")
    assert (entry.reasoning, entry.width, entry.height) == ("red is good", 512, 768)
    assert entry.usage == {"width": 512, "image_count": 1}
    assert entry.answered_at is not None
    assert entry.expires_at == datetime.fromisoformat(entry.answered_at) + timedelta(hours=24)

    book.saved(row, "/pictures/fox.png", FETCHED, URL, 3.14159, "/evidence/1.json")
    entry = entry_of(book, row)
    assert (entry.status, entry.path, entry.bytes) == (Status.SAVED, "/pictures/fox.png", 12345)
    assert (entry.sha256, entry.elapsed_seconds) == ("ab" * 32, 3.142)
    assert (entry.evidence_path, entry.error) == ("/evidence/1.json", None)
    assert entry.image_url == "https://bucket.oss.example/a.png"


def test_the_signed_part_is_gone_from_the_file_once_the_picture_is_saved(
    book: History, path: Path
) -> None:
    row = book.begin(**REQUEST)
    book.made(row, answer(), rewritten=None, attempts=1)
    book.saved(row, "/p.png", FETCHED, URL, 1.0)
    assert "geheim" not in json.dumps(sql(path, "SELECT * FROM generation"))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (
            Status.FAILED,
            RefusedError("no", code="DataInspectionFailed", http_status=400, request_id="r"),
        ),
        (Status.LOST, KeyboardInterrupt()),
        (Status.MADE, NotSavedError("disk full")),
        (Status.FAILED, RuntimeError("a bug")),
    ],
)
def test_other_ends(book: History, status: str, error: BaseException) -> None:
    row = book.begin(**REQUEST)
    book.ended(row, status, error, attempts=3, evidence_path="/e.json")
    entry = entry_of(book, row)
    assert (entry.status, entry.attempts, entry.evidence_path) == (status, 3, "/e.json")
    assert entry.error == error_facts(error)
    assert entry.error["type"] == getattr(
        error, "kind", "interrupted" if status == Status.LOST else "RuntimeError"
    )
    assert entry.error["message"]


def test_the_error_of_a_failed_download_goes_when_it_is_saved_after_all(book: History) -> None:
    row = book.begin(**REQUEST)
    book.made(row, answer(), rewritten=None, attempts=1)
    book.ended(row, Status.MADE, NotSavedError("disk full"))
    assert entry_of(book, row).image_url == URL
    book.saved(row, "/p.png", FETCHED, URL, 1.0)
    assert entry_of(book, row).error is None


def test_reading(book: History) -> None:
    rows = [book.begin(**{**REQUEST, "seed": seed}) for seed in range(5)]
    assert rows == [1, 2, 3, 4, 5]
    assert [entry.id for entry in book.newest(3)] == [5, 4, 3]
    assert book.count() == 5
    book.made(rows[3], answer(), rewritten=None, attempts=1)
    book.made(rows[1], answer(), rewritten=None, attempts=1)
    assert [entry.id for entry in book.with_status(Status.MADE)] == [2, 4]
    assert book.entry(99) is None


def test_hostile_texts_come_back_as_they_were(book: History) -> None:
    text = "'; DROP TABLE generation; -- \x00\x1b[2J\u202e \n\t🎨 '\""
    row = book.begin(**{**REQUEST, "prompt": text})
    book.made(row, answer(request_id=text, reasoning=text), rewritten=text, attempts=1)
    entry = entry_of(book, row)
    assert (entry.prompt, entry.request_id, entry.reasoning) == (text, text, text)
    assert entry.rewritten_prompt == text


def test_a_path_that_is_no_valid_text_comes_back_as_it_was(book: History) -> None:
    name = os.fsdecode(b"/pictures/\xff\xfe \xe7\x8b\x90.png")
    row = book.begin(**{**REQUEST, "wanted_path": name})
    book.saved(row, name, FETCHED, URL, 1.0, name)
    entry = entry_of(book, row)
    assert (entry.wanted_path, entry.path, entry.evidence_path) == (name, name, name)


# -- the file ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_the_files_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        book = History(path)
        book.begin(**REQUEST)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert modes.pop("running") == 0o700
        assert set(modes) == {"history.db", "history.db-wal", "history.db-shm", "history.reserve"}
        assert set(modes.values()) == {0o600}
        [lock] = (path.parent / "running").iterdir()
        assert lock.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        book.close()
        assert not lock.exists()
    finally:
        os.umask(before)


def test_every_write_is_synced_and_in_wal_mode(book: History, path: Path) -> None:
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert book._db.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("schema", range(len(MIGRATIONS)))
def test_older_schemas_are_brought_up_to_date(path: Path, books: Any, schema: int) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    for migration in MIGRATIONS[:schema]:
        db.executescript(migration)
    db.execute(f"PRAGMA user_version = {schema}")
    if schema:
        db.execute(
            "INSERT INTO generation (status, created_at, updated_at, prompt, size, prompt_extend, "
            "region, endpoint) VALUES ('saved', '2026-01-01T00:00:00+00:00', "
            "'2026-01-01T00:00:00+00:00', 'old fox', '1*1', 0, 'beijing', 'https://h')"
        )
        db.commit()
    db.close()
    book = books()
    row = book.begin(**REQUEST)
    assert [entry.prompt for entry in book.newest(9)] == [REQUEST["prompt"], "old fox"][
        : schema + 1
    ]
    assert entry_of(book, row).status == Status.SENDING
    assert sql(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert books().newest(1)[0].id == row


def test_a_newer_schema_is_refused_and_left_alone(path: Path, book: History) -> None:
    book.begin(**REQUEST)
    sql(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(ConfigurationError, match="written by a newer zimage"):
        History(path)
    assert sql(path, "SELECT count(*) FROM generation") == [(1,)]


def damaged(path: Path, kind: str) -> None:
    path.parent.mkdir(exist_ok=True)
    match kind:
        case "text":
            path.write_text("this is no database, but long enough to be taken for one" * 50)
        case "cut":
            History(path).close()
            path.write_bytes(path.read_bytes()[:5000])
        case "zeros":
            path.write_bytes(bytes(8192))
        case "folder":
            path.mkdir()
        case "file above":
            path.parent.rmdir()
            path.parent.write_text("x")
        case "other database":
            sql(path, f"PRAGMA user_version = {len(MIGRATIONS)}")


DAMAGES = ["text", "cut", "zeros", "folder", "file above", "other database"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_file_that_is_no_history_is_a_typed_error(path: Path, kind: str) -> None:
    damaged(path, kind)
    book = None
    try:
        book = History(path)
        book.begin(**REQUEST)
    except ConfigurationError as error:
        assert str(path) in error.message
        assert "Move the file away" in (error.hint or "")
    else:
        pytest.fail("it was taken for a history")
    finally:
        if book is not None:
            book.close()


def test_nonsense_in_a_row_is_shown_as_it_stands(book: History, path: Path) -> None:
    row = book.begin(**REQUEST)
    for column, value in (("usage", "{no json"), ("error", b"\xff\xff"), ("usage", "[" * 9999)):
        sql(path, f"UPDATE generation SET usage = NULL, error = NULL, {column} = ?", value)
        entry = entry_of(book, row)
        if column == "usage":
            assert entry.usage == value
        else:
            assert entry.error == {"type": "unreadable", "message": "\\xff\\xff"}


def test_a_read_only_file(path: Path, tmp_path: Path) -> None:
    History(path).close()
    path.chmod(0o400)
    if os.getuid() == 0:
        # Root writes everywhere, except where the mount says no.
        path.chmod(0o600)
        view = tmp_path / "view"
        view.mkdir()
        mount = ["mount", "--bind", "-o", "ro", str(path.parent), str(view)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount, and not here")
        subprocess.run(["mount", "-o", "remount,ro,bind", str(view)], check=True)
        path = view / path.name
    else:
        view = None
    warnings: list[str] = []
    try:
        book = SafeHistory(path, warnings.append)
        assert book.begin(**REQUEST) is None
        assert book.book is None
        book.close()
    finally:
        if view is not None:
            subprocess.run(["umount", str(view)], check=True)
    assert len(warnings) == 1
    assert str(path) in warnings[0]


# -- several at once ---------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from zimage_cli.core.history.history import History
sys.stdin.readline()
book = History(Path(sys.argv[1]))
for seed in range(10):
    row = book.begin(prompt=sys.argv[2], size="1*1", seed=seed, prompt_extend=False,
                     region="beijing", endpoint="https://h")
    book.ended(row, "failed", RuntimeError("x"), attempts=seed)
book.close()
"""


def test_ten_processes_write_at_once_into_a_new_file(path: Path, books: Any) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(10)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, b"")
    entries = books().newest(1000)
    assert len(entries) == 100
    assert {(entry.prompt, entry.seed, entry.attempts, entry.status) for entry in entries} == {
        (str(number), seed, seed, Status.FAILED) for number in range(10) for seed in range(10)
    }


def test_threads_write_at_once(book: History) -> None:
    rows: list[int] = []

    def write() -> None:
        for _ in range(20):
            row = book.begin(**REQUEST)
            book.made(row, answer(), rewritten=None, attempts=1)
            rows.append(row)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rows) == list(range(1, 161))
    assert len(book.with_status(Status.MADE)) == 160


class Busy:
    """A write that does not end until it is released: what comes meanwhile is written together."""

    def __init__(self, book: History) -> None:
        self.book = book
        self.begun, self.released = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=book.write, args=(self.write,))
        self.thread.start()
        assert self.begun.wait(60)

    def write(self, db: Any) -> None:
        self.begun.set()
        assert self.released.wait(60)

    def release(self, waiting: int) -> None:
        """End it once so many others wait."""
        until = time.monotonic() + 60
        while len(self.book._waiting) < waiting:
            assert time.monotonic() < until, "the writes never came"
            time.sleep(0.005)
        self.released.set()
        self.thread.join()


def test_a_write_that_cannot_be_done_does_not_take_the_others_along(
    book: History, path: Path
) -> None:
    sql(
        path,
        "CREATE TRIGGER no BEFORE INSERT ON generation WHEN NEW.prompt = 'bad' "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    )
    busy, results, errors = Busy(book), list[int](), list[ConfigurationError]()

    def write(prompt: str) -> None:
        try:
            results.append(book.begin(**{**REQUEST, "prompt": prompt}))
        except ConfigurationError as error:
            errors.append(error)

    prompts = ("good", "bad", "good", "good")
    threads = [threading.Thread(target=write, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    busy.release(4)
    for thread in threads:
        thread.join()
    assert len(set(results)) == 3
    assert [entry.prompt for entry in book.newest(9)] == ["good"] * 3
    assert len(errors) == 1
    assert "not this one" in errors[0].message


def test_an_interrupt_in_one_thread_loses_no_write_of_another(book: History, path: Path) -> None:
    """The thread that writes for all is interrupted: the others do their writes themselves."""
    busy, interrupted, rows = Busy(book), list[bool](), list[int]()
    interrupts = iter([KeyboardInterrupt])

    def writer(write: Callable[[Any], int]) -> None:
        try:
            rows.append(book.write(write))
        except KeyboardInterrupt:
            interrupted.append(True)

    def interrupted_insert(db: Any) -> int:
        # Whichever thread does it: it comes in the middle of the writes of all four, once.
        for interrupt in interrupts:
            raise interrupt
        return insert(db)

    def insert(db: Any) -> int:
        return int(
            db.execute(
                "INSERT INTO generation (status, created_at, updated_at, prompt, size, "
                "prompt_extend, region, endpoint) VALUES ('made', '', '', '', '', 0, '', '')"
            ).lastrowid
        )

    writes = (insert, interrupted_insert, insert, insert)
    threads = [threading.Thread(target=writer, args=(write,)) for write in writes]
    for thread in threads:
        thread.start()
    busy.release(4)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    # Nobody is told of a row that is not there, and only who was interrupted has none.
    assert sorted(sql(path, "SELECT id FROM generation WHERE status = 'made'")) == [
        (row,) for row in sorted(rows)
    ]
    assert (len(rows), len(interrupted)) == (3, 1)


# -- what a dead process left ------------------------------------------------------------------


def test_what_a_killed_process_left_is_lost(book: History, path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from zimage_cli.core.history.history import History\n"
        "book = History(Path(sys.argv[1]))\n"
        "book.begin(prompt='x', size='1*1', prompt_extend=False, region='b', endpoint='h')\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
        mine = book.begin(**REQUEST)
        assert book.settle_abandoned() == 0
        child.kill()
        child.wait()
    assert book.settle_abandoned() == 1
    [lost] = book.with_status(Status.LOST)
    assert lost.pid == child.pid
    assert lost.error is not None
    assert lost.error["type"] == "lost"
    assert entry_of(book, mine).status == Status.SENDING
    assert book.settle_abandoned() == 0


def test_a_row_of_many_hours_ago_is_nobodys(book: History, path: Path) -> None:
    row = book.begin(**REQUEST)
    old = (datetime.now(UTC) - timedelta(hours=7)).isoformat()
    # Of a zimage that took no lock yet, or where there are none.
    sql(path, "UPDATE generation SET updated_at = ?, owner = NULL", old)
    assert not entry_of(book, row).in_progress
    assert book.settle_abandoned() == 1


def test_other_rows_are_not_settled(book: History, path: Path) -> None:
    rows = [book.begin(**REQUEST) for _ in range(3)]
    book.made(rows[0], answer(), rewritten=None, attempts=1)
    book.ended(rows[1], Status.FAILED, RuntimeError("x"))
    book.saved(rows[2], "/p", FETCHED, URL, 1.0)
    sql(path, "UPDATE generation SET pid = 1, updated_at = '2020-01-01T00:00:00+00:00'")
    assert book.settle_abandoned() == 0


# -- a history that never costs a picture -------------------------------------------------------


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_stands_in_the_way_is_said_once(path: Path, kind: str) -> None:
    damaged(path, kind)
    warnings: list[str] = []
    book = SafeHistory(path, warnings.append)
    row = book.begin(**REQUEST)
    assert row is None
    for _ in range(3):
        book.note(row, lambda history, number: history.saved(number, "/p", FETCHED, URL, 1.0))
    book.close()
    assert len(warnings) == 1
    assert warnings[0].startswith("history is not being kept: ")
    assert str(path) in warnings[0]


def test_no_home_folder_is_said_once() -> None:
    warnings: list[str] = []
    book = SafeHistory(None, warnings.append)
    assert book.begin(**REQUEST) is None
    book.close()
    assert warnings == ["history is not being kept: no home folder is known"]


def test_a_history_that_breaks_later_is_said_once_by_many_threads(path: Path) -> None:
    warnings: list[str] = []
    book = SafeHistory(path, warnings.append)
    rows = [book.begin(**REQUEST) for _ in range(16)]
    assert None not in rows
    sql(path, "DROP TABLE generation")
    start = threading.Barrier(16)

    def note(row: int | None) -> None:
        start.wait()
        book.note(
            row, lambda history, number: history.made(number, answer(), rewritten=None, attempts=1)
        )

    threads = [threading.Thread(target=note, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(warnings) == 1
    assert book.book is None
    book.close()
