"""A history that another program holds during a batch: nothing is sent that is not written down."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

ARGS = ("-o", "out", "-j", "4", "--rps", "0", "--size", "512*512", "--no-evidence")
LINES = 40


@pytest.fixture
def prompts(work: Path) -> str:
    (work / "prompts.txt").write_text("".join(f"kite {number}\n" for number in range(LINES)))
    return "prompts.txt"


@contextmanager
def locked(home: Path) -> Iterator[Callable[[], None]]:
    """Hold the history's lock, as a backup does, until it is let go."""
    db = sqlite3.connect(next(home.rglob("history.db")), timeout=60, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db.rollback
    finally:
        db.close()


def until_it_waits(run: Any) -> bytes:
    said = b""
    for line in run.stderr:
        said += line
        if b"locked by another program; waiting" in line:
            return said
    raise AssertionError(said)


def test_it_waits_for_a_locked_history_and_goes_on(
    serve: Any, prompts: str, home: Path, work: Path
) -> None:
    service = serve()
    service.books.free = 8
    with service.popen("batch", prompts, *ARGS) as run:
        # Four wait for their answers, so it has not come to its end before the lock is held.
        assert service.books.wait_for(lambda books: books.post_count == 12, 60)
        with locked(home) as let_go:
            service.books.let_go.set()
            until_it_waits(run)
            let_go()
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert b"not in the history" not in errors
    assert service.books.billed_count == service.books.post_count == LINES
    assert Counter(row["status"] for row in service.history()) == {"saved": LINES}


def test_ctrl_c_while_it_waits_sends_nothing_more(
    serve: Any, prompts: str, home: Path, work: Path
) -> None:
    service = serve()
    service.books.free = 8
    with service.popen("batch", prompts, *ARGS) as run:
        assert service.books.wait_for(lambda books: books.post_count == 12, 60)
        with locked(home) as let_go:
            service.books.let_go.set()
            until_it_waits(run)
            run.send_signal(signal.SIGINT)
            for line in run.stderr:
                if b"stopping" in line:
                    break
            let_go()
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130, errors
    books = service.books
    assert books.post_count == books.billed_count < LINES
    assert Counter(row["status"] for row in service.history()) == {"saved": books.billed_count}
    lines = (work / "out" / "results.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["saved"] * books.billed_count
    service("batch", prompts, *ARGS)
    assert books.billed_count == LINES
