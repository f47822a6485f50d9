"""A batch whose history is locked, whose disk fills up, or whose rows somebody changed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

from zimage_cli.sandbox.faults import Fault

J = 4
RUN = ("--rps", "0", "-j", str(J), "--size", "512*512", "--no-evidence")


@pytest.fixture
def file(work: Path) -> Path:
    path = work / "prompts.txt"
    path.write_text("".join(f"kite {number}\n" for number in range(12)))
    return path


def until(condition: Callable[[], object], process: Any) -> None:
    """Wait for what a running batch does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def billed(service: Any) -> Counter[str]:
    return Counter(picture.prompt for picture in service.books.billed)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("killed", [False, True])
def test_a_locked_history_is_waited_for(
    serve: Any, file: Path, home: Path, work: Path, killed: bool
) -> None:
    hold = Hold()
    service = serve(log=hold)
    batch = ("batch", str(file), "-o", "out", *RUN)
    with (work / "said").open("wb") as said:
        run = service.popen(*batch, stdout=subprocess.DEVNULL, stderr=said)
        until(lambda: service.books.post_count == J, run)
        with closing(sqlite3.connect(next(home.rglob("history.db")), timeout=60)) as db:
            db.execute("BEGIN EXCLUSIVE")
            hold.release()
            until(lambda: "waiting for it" in (work / "said").read_text(), run)
            # What has no row is not sent.
            until(lambda: service.books.billed_count == J, run)
            assert service.books.post_count == J
            if killed:
                run.kill()
                run.wait()
        # Closing the connection frees it.
        assert run.wait(timeout=60) == (-9 if killed else 0), (work / "said").read_text()
    if killed:
        # The four that were paid are told, and nobody pays them again.
        again = service(*batch, status=9)
        assert "What was lost may have been billed" in again.stderr
    assert billed(service) == dict.fromkeys((f"kite {n}" for n in range(12)), 1)
    assert Counter(row["status"] for row in service.history()) == (
        {"saved": 8, "lost": 4} if killed else {"saved": 12}
    )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 70 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.getuid():
        pytest.skip("only root can mount a disk here")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("fetched", [True, False])
def test_a_disk_that_fills_up_under_the_history(
    disk: Path, serve: Any, file: Path, work: Path, fetched: bool
) -> None:
    """What is in flight is paid, so its addresses are written down; nothing more is sent."""
    hold = Hold()
    service = serve(log=hold)
    env = {"ZIMAGE_HOME": str(disk)}
    batch = ("batch", str(file), "-o", "out", *RUN)
    if not fetched:
        service.script(*[Fault("picture-expired", count=1)] * 12)
    with (work / "said").open("wb") as said:
        run = service.popen(*batch, env=env, stdout=subprocess.DEVNULL, stderr=said)
        until(lambda: service.books.post_count == J, run)
        for size in (1 << 20, 4096):
            with (disk / "ballast").open("ab", buffering=0) as ballast, suppress(OSError):
                while ballast.write(bytes(size)) == size:
                    continue
        hold.release()
        assert run.wait(timeout=60) == 2, (work / "said").read_text()
    text = (work / "said").read_text()
    assert "cannot be written: no space left on device. The request was not sent." in text
    with closing(sqlite3.connect(disk / "history.db")) as db:
        rows = db.execute("SELECT status, image_url FROM generation").fetchall()
    made = service.books.billed
    assert J <= len(made) < 12
    if fetched:
        assert [status for status, _ in rows] == ["saved"] * len(made)
    else:
        assert sorted(rows) == sorted(("made", each.url) for each in made)
    (disk / "ballast").unlink()
    service(*batch, env=env, status=0 if fetched else 9)
    service(*batch, env=env)
    assert billed(service) == dict.fromkeys((f"kite {n}" for n in range(12)), 1)
    assert len(list((work / "out").glob("*.png"))) == 12


ODD: list[tuple[str, Any]] = [
    ("pid", 2**63 - 1),
    ("created_at", "yesterday"),
    ("updated_at", 7),
    ("prompt", 7),
    ("seed", "seven"),
    ("usage", "NaN"),
    ("error", "[]"),
    ("answered_at", "9999-12-31T23:59:59"),
    ("image_url", "file:///etc/passwd"),
    ("wanted_path", "\x00"),
    ("endpoint", "http://["),
    ("owner", b"\xff"),
]


@pytest.mark.parametrize("status", ["made", "sending", "saved", "failed", "lost", "odd"])
def test_a_batch_goes_on_whatever_somebody_wrote_into_its_rows(
    service: Any, file: Path, home: Path, work: Path, status: str
) -> None:
    service.script(*[Fault("picture-expired", count=1)] * 12)
    batch = ("batch", str(file), "-o", "out", *RUN)
    service(*batch, status=9)
    (work / "out" / "results.jsonl").unlink()
    with closing(sqlite3.connect(next(home.rglob("history.db")))) as db, db:
        db.execute("UPDATE generation SET status = ?", (status,))
        for number, (column, value) in enumerate(ODD, 1):
            change = f"UPDATE generation SET {column} = ? WHERE id = ?"
            db.execute(change, (value, number))
    run = service(*batch, status={0, 9})
    assert "bug" not in run.stderr
    # Only where the row says that there is no picture may one be paid again.
    if status in {"made", "sending", "lost"}:
        assert set(billed(service).values()) == {1}
