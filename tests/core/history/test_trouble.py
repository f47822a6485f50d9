"""A history whose disk is full, that another program holds, or that was moved away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.api.answer import Answer
from zimage_cli.api.download import Fetched
from zimage_cli.api.png import PngInfo
from zimage_cli.core.history.file import HistoryFull, HistoryLocked
from zimage_cli.core.history.history import History
from zimage_cli.core.history.safe import SafeHistory
from zimage_cli.core.status import Status
from zimage_cli.errors import NotSavedError, Stopped

URL = "https://bucket.oss.example/{}.png?Signature=s"
REQUEST: dict[str, Any] = {
    "prompt": "a red fox",
    "size": "512*512",
    "prompt_extend": False,
    "region": "beijing",
    "endpoint": "https://dashscope.aliyuncs.com",
}
FETCHED = Fetched(PngInfo(512, 512), 12345, "ab" * 32)


def answer(number: object, reasoning: str = "") -> Answer:
    return Answer(
        image_url=URL.format(number),
        text="",
        reasoning=reasoning,
        width=512,
        height=512,
        request_id=f"r-{number}",
        usage={},
    )


def made(book: SafeHistory, row: int | None, reasoning: str = "") -> bool:
    return book.made(row, answer(row, reasoning), rewritten=None, attempts=1)


def rows_of(path: Path) -> list[tuple[int, str, str | None]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT id, status, image_url FROM generation ORDER BY id").fetchall()


class Waited(list[str]):
    """Warnings, and an event for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def __call__(self, text: str) -> None:
        self.append(text)
        self.came.set()


# -- a full disk -------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of so much room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if sys.platform != "linux" or os.getuid():
            pytest.skip("only root can mount a disk here")
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    ballast = folder / "ballast"
    for size in (1 << 24, 1 << 20, 4096):
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(size)) == size:
                continue
    return ballast


def test_what_is_paid_is_written_down_while_the_disk_is_full(
    disk: Callable[[str], Path],
) -> None:
    path, warnings = disk("70m") / "history.db", list[str]()
    book = SafeHistory(path, warnings.append)
    try:
        rows = [book.begin(**REQUEST) for _ in range(32)]
        reserve = path.with_suffix(".reserve")
        assert reserve.stat().st_size == reserve.stat().st_blocks * 512 == 2 * 1024 * 1024
        ballast = fill(path.parent)
        # 640 KiB: no room that is left by chance takes as much.
        assert all(made(book, row, "x" * 20_000) for row in rows)
        assert rows_of(path) == [(row, Status.MADE, URL.format(row)) for row in rows]
        # What is not sent yet takes nothing of it.
        assert reserve.stat().st_size < 2 * 1024 * 1024
        with pytest.raises(
            HistoryFull, match=r"cannot be written: .*\. The request was not sent\.$"
        ):
            book.begin(**REQUEST)
        with pytest.raises(HistoryFull, match=r"The request was not sent"):
            book.sending(rows[0])
        assert (book.without_row, warnings) == (0, [])
        # With room again everything goes on, and the reserve is whole.
        ballast.unlink()
        assert book.begin(**REQUEST) == 33
        assert reserve.stat().st_size == 2 * 1024 * 1024
    finally:
        book.close()


def test_what_no_reserve_helps_is_told(disk: Callable[[str], Path]) -> None:
    path, warnings = disk("1m") / "history.db", list[str]()
    book = SafeHistory(path, warnings.append)
    try:
        rows = [book.begin(**REQUEST) for _ in range(3)]
        assert not path.with_suffix(".reserve").exists()
        ballast = fill(path.parent)
        assert [made(book, row, "x" * 500_000) for row in rows] == [False] * 3
        assert book.without_row == 3
        assert len(warnings) == 1
        assert warnings[0].startswith(f"the history is not complete: The history {path} cannot")
        # A row that has its end is no reason to send nothing.
        assert book.begin(**{**REQUEST, "prompt": "x" * 500_000}, status=Status.FAILED) is None
        ballast.unlink()
        assert made(book, rows[0])
        assert book.without_row == 2
    finally:
        book.close()


LIMITED = """
import resource, sys
from pathlib import Path
from zimage_cli.api.answer import Answer
from zimage_cli.core.history.file import HistoryFull
from zimage_cli.core.history.safe import SafeHistory
path, warnings = Path(sys.argv[1]), []
book = SafeHistory(path, warnings.append)
def begin(prompt="a fox"):
    return book.begin(prompt=prompt, size="512*512", prompt_extend=False, region="beijing",
                      endpoint="https://dashscope.aliyuncs.com")
def made(row, url):
    return book.made(row, Answer(url, "", "", 512, 512, "r", {}), rewritten=None, attempts=1)
rows = [begin() for _ in range(20)]
wal = path.with_name(path.name + "-wal").stat().st_size
assert wal > 3 * path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (wal, wal))
assert made(rows[0], "https://h/one.png")
assert begin()
assert warnings == [], warnings
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, wal))
assert not made(rows[1], "https://h/two.png")
assert book.without_row == 1
assert len(warnings) == 1 and "cannot be written" in warnings[0], warnings
try:
    begin()
except HistoryFull as error:
    assert "The request was not sent" in error.message
    print("told")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_a_limit_on_the_size_of_files(zimage: Any, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("told\n", "")
    assert rows_of(path)[0][1:] == (Status.MADE, "https://h/one.png")


def test_a_full_disk_sends_nothing(disk: Callable[[str], Path], studio: Any) -> None:
    path = disk("1m") / "history.db"
    one = studio(history=path)
    fill(path.parent)
    with pytest.raises(HistoryFull, match="The request was not sent"):
        one.make("x" * 700)
    assert one.server.books.post_count == 0


# -- a locked history --------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


class Held:
    """Another program that holds the history: an open sqlite3 shell."""

    def __init__(self, path: Path, how: str = "BEGIN EXCLUSIVE") -> None:
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute(how)

    def release(self, *_: object) -> None:
        if self.db.in_transaction:
            self.db.rollback()
        self.db.close()


def test_what_is_paid_waits_for_a_locked_history(path: Path) -> None:
    warnings = Waited()
    book = SafeHistory(path, warnings)
    rows = [book.begin(**REQUEST) for _ in range(8)]
    held, noted = Held(path), list[bool]()
    threads = [
        threading.Thread(target=lambda row=row: noted.append(made(book, row))) for row in rows
    ]
    for thread in threads:
        thread.start()
    # It is told after several tries.
    assert warnings.came.wait(60)
    assert noted == []
    held.release()
    for thread in threads:
        thread.join()
    assert noted == [True] * 8
    assert book.begin(**REQUEST) == 9
    book.close()
    assert warnings == ["The history is locked by another program; waiting for it."]
    assert [row[1:] for row in rows_of(path)[:8]] == [
        (Status.MADE, URL.format(row)) for row in rows
    ]


def test_a_stop_ends_the_wait_before_a_request(path: Path) -> None:
    def stop(_: float) -> None:
        raise Stopped

    book = SafeHistory(path, lambda _: None)
    row = book.begin(**REQUEST)
    held = Held(path)
    for ask in (lambda: book.begin(sleep=stop, **REQUEST), lambda: book.sending(row, sleep=stop)):
        with pytest.raises(Stopped):
            ask()
    held.release()
    assert book.begin(**REQUEST) == 2
    book.close()


def test_a_history_that_stays_locked_sends_nothing_and_is_kept(path: Path) -> None:
    warnings = list[str]()
    book = SafeHistory(path, warnings.append, patience=0.1, paid_patience=0.2)
    row = book.begin(**REQUEST)
    held = Held(path)
    with pytest.raises(
        HistoryLocked, match=r"is locked by another program\. The request was not sent\.$"
    ):
        book.begin(**REQUEST)
    with pytest.raises(HistoryLocked, match="The request was not sent"):
        book.sending(row)
    assert book.begin(**REQUEST, status=Status.FAILED) is None
    assert not made(book, row)
    assert book.without_row == 1
    assert warnings == [
        f"the history is not complete: The history {path} is locked by another program."
    ]
    # As well when it is opened, where its schema is to be changed.
    held.release()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    held = Held(path)
    with pytest.raises(HistoryLocked, match="Nothing was sent"):
        SafeHistory(path, warnings.append, patience=0.1)
    held.release()
    assert made(book, row)
    assert (book.without_row, rows_of(path)) == (0, [(row, Status.MADE, URL.format(row))])
    book.close()


def test_a_request_is_not_sent_without_its_row(studio: Any, path: Path) -> None:
    one = studio()
    held = Held(one.history)

    def release(_: float) -> None:
        # The lock passes while the request waits.
        held.release()

    def stop(_: float) -> None:
        assert one.server.books.post_count == 0
        raise Stopped

    one.maker.sleep = stop
    with pytest.raises(Stopped):
        one.make()
    one.maker.sleep = release
    assert one.make().history_id == 1
    assert one.server.books.post_count == 1
    assert one.warnings == []


def test_the_next_try_is_not_sent_without_its_note(studio: Any) -> None:
    """The row says `failed` between two tries: a process that dies in the second would not tell."""
    one = studio(retries=1)
    one.server.script("InternalError")
    held: list[Held] = []
    asleep: list[float] = []

    def pause(seconds: float) -> None:
        if not seconds:
            # No pause, only asked whether to go on.
            return
        asleep.append(seconds)
        if not held:
            held.append(Held(one.history))
        elif len(asleep) > 3:
            assert one.server.books.post_count == 1
            held[0].release()

    one.maker.sleep = pause
    one.make()
    assert one.server.books.post_count == 2
    assert len(asleep) > 3
    assert one.entry.status == Status.SAVED


def test_an_answer_that_is_in_no_file_is_told_with_its_address(studio: Any) -> None:
    one = studio(retries=0)
    one.server.script("picture-expired")
    one.maker.history.close()
    one.maker.history = SafeHistory(one.history, one.warnings.append, paid_patience=0)
    held: list[Held] = []
    with pytest.raises(NotSavedError) as caught:
        one.make(on=type(one.heard)(sent=lambda: held.append(Held(one.history))))
    assert one.server.books.billed[0].url in (caught.value.hint or "")
    assert one.maker.history.without_row == 1
    held[0].release()
    one.maker.history.close()


def test_an_answer_is_noted_late_where_the_lock_passes(studio: Any) -> None:
    one = studio()
    one.maker.history.close()
    one.maker.history = SafeHistory(one.history, one.warnings.append, paid_patience=0)
    held: list[Held] = []
    one.make(
        on=type(one.heard)(
            sent=lambda: held.append(Held(one.history)),
            receiving=lambda: [each.release() for each in held],
        )
    )
    assert one.maker.history.without_row == 0
    assert one.entry.status == Status.SAVED
    assert one.entry.request_id == one.server.books.posts[0].request_id
    assert one.entry.answered_at is not None
    one.maker.history.close()


# -- a history that breaks ---------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be moved there")
@pytest.mark.parametrize("instead", ["nothing", "new", "other rows"])
def test_a_history_that_is_moved_away(path: Path, tmp_path: Path, instead: str) -> None:
    """What is in flight moves along, without touching what stands in the other file."""
    warnings = list[str]()
    book = SafeHistory(path, warnings.append)
    done, flying, answered = (book.begin(**REQUEST) for _ in range(3))
    book.note(done, lambda history, row: history.saved(row, "/p", FETCHED, URL, 1.0))
    assert made(book, answered)
    other = tmp_path / "other.db"
    with closing(History(other)) as history:
        for _ in range(2 if instead == "other rows" else 0):
            history.begin(**REQUEST, status=Status.FAILED)
    path.rename(tmp_path / "away.db")
    if instead != "nothing":
        other.rename(path)
    noted = made(book, flying)
    new = book.begin(**REQUEST)
    assert new == 4
    assert made(book, new)
    book.note(answered, lambda history, row: history.saved(row, "/q", FETCHED, "https://h/q", 1.0))
    book.close()
    expected = [(3, Status.SAVED, "https://h/q"), (4, Status.MADE, URL.format(4))]
    if instead == "other rows":
        assert not noted
        assert book.without_row == 1
        expected = [(1, Status.FAILED, None), (2, Status.FAILED, None), *expected]
        assert len(warnings) == 1
    else:
        assert noted
        expected = [(2, Status.MADE, URL.format(2)), *expected]
        assert warnings == []
    assert rows_of(path) == expected
    with closing(sqlite3.connect(tmp_path / "away.db")) as db:
        found = db.execute("SELECT status FROM generation ORDER BY id").fetchall()
    assert found == [(Status.SAVED,), (Status.SENDING,), (Status.MADE,)]


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be moved there")
def test_a_history_that_cannot_be_opened_again_is_given_up_once(path: Path) -> None:
    warnings = list[str]()
    book = SafeHistory(path, warnings.append)
    row = book.begin(**REQUEST)
    path.rename(path.with_name("away.db"))
    path.mkdir()
    assert not made(book, row)
    assert book.begin(**REQUEST) is None
    assert book.book is None
    assert book.without_row == 1
    assert len(warnings) == 1
    assert warnings[0].startswith("history is not being kept: ")
