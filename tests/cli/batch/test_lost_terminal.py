"""A batch whose terminal, or whose reader, goes away: what is shown never ends what is made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

FAST = ("--rps", "0", "-j", "4", "--size", "512*512", "--no-evidence")

LEADER = """
import os, signal, sys
import fcntl, termios
if "nohup" in sys.argv[1]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "zimage_cli", *sys.argv[2:]])
"""
"""Takes the terminal on stderr as the session's own, and becomes zimage."""


@dataclass
class Watched:
    """A batch on a pseudo-terminal of its own."""

    run: subprocess.Popen[bytes]
    master: int
    shown: str = ""

    def until(self, text: str) -> None:
        while text not in self.shown:
            self.shown += os.read(self.master, 65536).decode("utf-8", "replace")

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self.master)

    def end(self) -> int:
        self.run.communicate(timeout=60)
        return self.run.returncode


@pytest.fixture
def watched(zimage: Any) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(service: Any, kind: str, *args: str, stdout: Any = subprocess.DEVNULL) -> Watched:
        master, slave = os.openpty()
        run = subprocess.Popen(
            [sys.executable, "-c", LEADER, kind, *args],
            env=zimage.environment(service.env),
            cwd=zimage.cwd,
            stdin=subprocess.DEVNULL,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        started.append(Watched(run, master))
        return started[-1]

    yield start
    for one in started:
        one.run.kill()
        one.run.wait()


def pictures(folder: Path) -> int:
    return len(list(folder.glob("*.png")))


@pytest.mark.parametrize("streams", ["stderr", "both"])
def test_without_its_terminal_it_goes_on(
    streams: str, serve: Any, watched: Any, prompts: Any, work: Path
) -> None:
    service = serve(latency=0.2)
    stdout = None if streams == "both" else subprocess.DEVNULL
    it = watched(service, "nohup", "batch", prompts(40), "-o", "out", *FAST, stdout=stdout)
    it.until("painting")
    assert service.books.wait_for(lambda books: books.post_count >= 6, 60)
    it.hang_up()
    assert it.end() == 0
    assert service.books.post_count == service.books.billed_count == 40
    assert pictures(work / "out") == 40
    assert Counter(row["status"] for row in service.history()) == {"saved": 40}


def test_a_window_that_is_closed_stops_it_as_ctrl_c_does(
    serve: Any, watched: Any, prompts: Any, work: Path
) -> None:
    service = serve(latency=1.0)
    it = watched(service, "window", "batch", prompts(40), "-o", "out", *FAST)
    it.until("painting")
    assert service.books.wait_for(lambda books: books.post_count >= 4, 60)
    it.hang_up()
    assert it.end() == 128 + signal.SIGHUP
    books = service.books
    assert books.post_count == books.billed_count < 40
    assert pictures(work / "out") == books.billed_count
    assert Counter(row["status"] for row in service.history()) == {"saved": books.billed_count}
    # What is left goes on as if nothing had been.
    service("batch", "prompts.txt", "-o", "out", *FAST)
    assert books.billed_count == 40


def test_a_terminal_that_is_lost_while_it_stops_costs_nothing(
    serve: Any, watched: Any, prompts: Any, work: Path
) -> None:
    hold = Hold()
    service = serve(log=hold)
    it = watched(service, "nohup", "batch", prompts(40), "-o", "out", *FAST)
    it.until("4 painting")
    assert service.books.wait_for(lambda books: books.post_count == 4, 60)
    it.run.send_signal(signal.SIGINT)
    it.until("stopping")
    it.hang_up()
    hold.release()
    assert it.end() == 130
    assert pictures(work / "out") == service.books.billed_count == 4


def test_a_reader_that_is_gone_ends_it_with_everything_saved(
    serve: Any, prompts: Any, work: Path
) -> None:
    service = serve(latency=0.3)
    args = ("batch", prompts(60), "-o", "out", "--json", *FAST)
    with service.popen(*args) as run:
        first = json.loads(run.stdout.readline())
        assert first["status"] == "saved"
        run.stdout.close()
        errors = run.stderr.read().decode()
        assert run.wait(60) == 141
    books = service.books
    assert books.post_count == books.billed_count < 60
    assert pictures(work / "out") == books.billed_count
    assert Counter(row["status"] for row in service.history()) == {"saved": books.billed_count}
    assert f"{books.billed_count} saved" in errors
    assert f"{60 - books.billed_count} left; to go on:" in errors
    assert "Traceback" not in errors
    assert "bug" not in errors
