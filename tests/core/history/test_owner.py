"""Who works on a row is told by a lock, not by a process id."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.core.history.history import History
from zimage_cli.core.history.owner import Owner, lives, lock_file, sweep
from zimage_cli.core.status import Status

REQUEST: dict[str, Any] = {
    "prompt": "a red fox",
    "size": "512*512",
    "prompt_extend": False,
    "region": "beijing",
    "endpoint": "https://dashscope.aliyuncs.com",
}

HOLDER = """
import sys
from pathlib import Path
from zimage_cli.core.history.history import History
book = History(Path(sys.argv[1]))
book.begin(prompt="x", size="1*1", prompt_extend=False, region="b", endpoint="https://h", pid=1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def locks(path: Path) -> list[Path]:
    return sorted((path.parent / "running").iterdir())


def test_a_process_number_of_another_container_says_nothing(zimage: Any, path: Path) -> None:
    """In a container every zimage is process 1, and process 1 is always there."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        env=zimage.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout, closing(History(path)) as book:
        assert child.stdout.readline() == b"ready\n"
        [entry] = book.newest(9)
        assert entry.pid == 1
        assert entry.in_progress
        # However long it works, and whatever number it has.
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE generation SET updated_at = '2020-01-01T00:00:00', pid = 4194305")
        assert book.settle_abandoned() == 0
        child.kill()
        child.wait()
        [entry] = book.newest(9)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE generation SET updated_at = ?, pid = 1", (entry.created_at,))
        assert len(locks(path)) == 1
        assert book.settle_abandoned() == 1
        assert book.newest(9)[0].status == Status.LOST
        assert locks(path) == []


def test_a_lock_lives_as_long_as_its_history_is_open(path: Path) -> None:
    book = History(path)
    # Looking takes none.
    assert not (path.parent / "running").exists()
    row = book.begin(**REQUEST)
    book.begin(**REQUEST)
    [lock] = locks(path)
    entry = book.entry(row)
    assert entry is not None
    assert entry.owner == lock
    assert lives(lock) is True
    sweep(path)
    assert locks(path) == [lock]
    book.close()
    assert locks(path) == []
    assert not entry.in_progress


def test_what_killed_processes_left_is_removed(path: Path) -> None:
    left = path.parent / "running"
    left.mkdir()
    for number in range(3):
        (left / f"{number:012x}.lock").touch()
    (left / "something else").touch()
    with closing(History(path)) as book:
        book.settle_abandoned()
    assert locks(path) == [left / "something else"]


def test_two_never_share_a_name_and_both_are_seen(path: Path) -> None:
    one, two = Owner(path), Owner(path)
    assert one.name() == one.name() != two.name()
    for lock in locks(path):
        # Who looks does not look like who holds.
        assert lives(lock) is True
        assert lives(lock) is True
    one.close()
    two.close()
    assert one.name() is None


@pytest.mark.parametrize("name", [None, 7, "", "../../../etc", "0123456789AB", "0" * 13, b"0" * 12])
def test_a_name_that_is_none_leads_nowhere(path: Path, name: object) -> None:
    assert lock_file(path, name) is None
    assert lives(lock_file(path, name)) is None


def test_without_locks_number_and_age_decide(path: Path) -> None:
    (path.parent / "running").write_text("in the way")
    with closing(History(path)) as book:
        entry = book.entry(book.begin(**REQUEST))
        assert entry is not None
        assert (entry.status, entry.owner, entry.pid) == (Status.SENDING, None, os.getpid())
        assert entry.in_progress
        assert book.claim(entry.id)
        book.release(entry.id)
        assert book.settle_abandoned() == 0
