"""Ctrl-C and kill at any instant: no hang, no traceback, no hidden cursor, no row left open."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

RUNS = int(os.environ.get("ZIMAGE_INTERRUPTS", "24"))
"""Interrupts at random instants; more by hand: ZIMAGE_INTERRUPTS=1000."""

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
SPAN = 1.0
"""Seconds from the start in which they fall: loading, connecting, painting, fetching, the end."""


def statuses(service: Any) -> list[str]:
    return [row["status"] for row in service.history()]


def hear(process: Any, words: bytes) -> None:
    """Read what a process says until it says these words."""
    assert any(words in line for line in iter(process.stderr.readline, b""))


def check_books(service: Any) -> None:
    """What was sent has a row that says so, and nothing else is told as lost."""
    found = statuses(service)
    assert "sending" not in found
    sent = [status for status in found if status in {"saved", "made", "lost"}]
    # Who left at once did not wait until the service had read it.
    assert service.books.wait_for(lambda books: books.post_count == len(sent))
    assert found.count("saved") == len(service.pictures())


def check_end(status: int, text: str) -> None:
    """It ended as it should, and no traceback leads through a line of ours.

    Until the first statements of `__main__` have run, Python itself answers, with a traceback.
    """
    frames = re.findall(r'zimage_cli/([\w/]+)\.py", line (\d+)', text)
    early = {"__init__", "__main__"}
    assert all(name in early and int(line) < 12 for name, line in frames), text
    assert "bug" not in text
    assert status in {0, 130, -signal.SIGINT} or (status == 1 and "KeyboardInterrupt" in text), text


def test_ctrl_c_at_any_instant_in_a_terminal(unpaced: None, serve: Any, terminal: Any) -> None:
    import termios

    service = serve(latency=0.15)
    chance = random.Random(20261122)
    for run in range(RUNS):
        screen = terminal("generate", "fox", "--size", "512x512", env=service.env)
        began = time.monotonic()
        # From this thread alone: `kill` looks after a child that has ended, as `end` does.
        for at in sorted(chance.uniform(0, SPAN) for _ in range(1 + run % 3)):
            while (left := began + at - time.monotonic()) > 0 and screen.read(left):
                continue
            screen.child.kill(signal.SIGINT)
        status = screen.end(30)
        check_end(status, screen.raw)
        assert screen.raw.rfind(SHOW) >= screen.raw.rfind(HIDE)
        assert screen.left & termios.ECHO
        assert not [path for path in service.pictures() if path.name.startswith(".")]
        check_books(service)


def test_ctrl_c_at_any_instant_in_the_sandbox(unpaced: None, zimage: Any, work: Path) -> None:
    chance = random.Random(7)
    for run in range(RUNS):
        process = zimage.popen("generate", "fox", "--sandbox", "--size", "512x512")
        for at in sorted(chance.uniform(0, SPAN / 3) for _ in range(1 + run % 3)):
            try:
                process.wait(at)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        check_end(process.returncode, stderr.decode())
        assert b"history recover" not in stderr
    shown = zimage("history", "list", "--limit", "1000", "--json").json["entries"]
    assert "sending" not in {entry["status"] for entry in shown}
    # Three different ways to be too early, and none of them is a picture that may be billed.
    assert not [
        entry for entry in shown if entry["error"] and "ended before" in str(entry["error"])
    ]


@pytest.fixture
def silent_proxy() -> Iterator[tuple[str, threading.Event]]:
    """A proxy that takes the connection and the CONNECT, and never answers."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        held = []

        def serve() -> None:
            with_one, _ = door.accept()
            held.append(with_one)
            with_one.recv(65536)
            asked.set()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", asked
        for one in held:
            one.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_was_never_sent_has_no_row(
    zimage: Any, silent_proxy: tuple[str, threading.Event], number: int
) -> None:
    """The connection does not stand yet: a row would later be told as lost."""
    proxy, asked = silent_proxy
    env = {
        "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
        "DASHSCOPE_BASE_URL": "https://service.invalid",
        "HTTPS_PROXY": proxy,
    }
    process = zimage.popen("generate", "fox", env=env)
    assert asked.wait(60)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert stdout == b""
    if number != signal.SIGKILL:
        assert stderr.decode().splitlines()[-1] in {"interrupted", "terminated"}
    assert zimage("history", "list", "--json").json["entries"] == []


def test_a_wait_for_another_try_is_not_told_as_lost(serve: Any) -> None:
    """The service refused the first try, so it billed nothing: a kill while waiting says that."""
    from zimage_cli.sandbox.faults import Fault

    service = serve()
    service.script(Fault("Throttling", retry_after="60"))
    process = service.popen("generate", "fox", "--size", "512x512")
    hear(process, b"waiting 60.0 s")
    process.kill()
    process.communicate(timeout=60)
    (entry,) = service("history", "list", "--json").json["entries"]
    assert entry["status"] == "failed"
    assert entry["error"]["type"] == "interrupted"
    assert "Too many requests" in entry["error"]["message"]


def test_the_terminal_goes_away_and_the_picture_is_saved(serve: Any, terminal: Any) -> None:
    hold = Hold()
    service = serve(log=hold)
    screen = terminal(
        "generate", "fox", "--size", "512x512", "-o", "x.png",
        env=service.env, shell='trap "" HUP; exec "$@"',
    )  # fmt: skip
    screen.until(lambda it: "painting" in it.text)
    screen.hang_up()
    hold.release()
    screen.child.wait()
    assert (service.work / "x.png").is_file()
    assert statuses(service) == ["saved"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("command", ["generate", "batch"])
def test_a_connection_that_never_comes_does_not_hold_it_back(
    zimage: Any, work: Path, command: str
) -> None:
    """A listening socket whose queue is full answers no further connection, as a dead host does."""
    (work / "prompts.txt").write_text("fox\n")
    with socket.socket() as door, socket.socket() as first, socket.socket() as second:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(door.getsockname())
        env = {
            "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
            "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{door.getsockname()[1]}",
        }
        what = ["fox"] if command == "generate" else ["prompts.txt"]
        process = zimage.popen(command, *what, env=env)
        while not waits_for_connection(process.pid):
            assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        if command == "batch":
            hear(process, b"stopping")
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        # It would connect for ten seconds.
        assert time.monotonic() - began < 9
        assert process.returncode == 130
    assert zimage("history", "list", "--json").json["entries"] == []


def waits_for_connection(pid: int) -> bool:
    """Tell whether a process has sent a SYN that nobody answers (state 02 in /proc)."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(entry.readlink()))
        except OSError:
            continue
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(
        fields[3] == "02" and f"socket:[{fields[9]}]" in inodes for fields in map(str.split, lines)
    )


@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("command", ["generate", "batch"])
def test_a_locked_history_does_not_swallow_an_address(
    unpaced: None, serve: Any, home: Path, command: str, signals: int
) -> None:
    """The answer is here and its note waits for the lock: whoever stops it gets the address."""
    hold = Hold()
    service = serve()
    (service.work / "prompts.txt").write_text("fox\ncat\n")
    service.generate("first", "-o", "first.png")
    service = serve(log=hold)
    what = ["fox", "-o", "x.png"] if command == "generate" else ["prompts.txt", "-o", "out"]
    process = service.popen(command, *what, "--size", "512x512")
    count = 1 if command == "generate" else 2
    assert service.books.wait_for(lambda books: books.post_count == count)
    holder = sqlite3.connect(home / ".local" / "share" / "zimage" / "history.db")
    holder.execute("BEGIN IMMEDIATE")
    hold.release()
    assert service.books.wait_for(lambda books: len(books.billed) == count)
    hear(process, b"locked by another program")
    process.send_signal(signal.SIGINT)
    if command == "batch":
        hear(process, b"stopping")
        process.send_signal(signal.SIGINT)
    for _ in range(signals - 1):
        process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    holder.rollback()
    holder.close()
    journal = service.work / "out" / "results.jsonl"
    told = stderr + (journal.read_bytes() if journal.exists() else b"")
    for call in service.books.billed:
        assert call.url.encode() in told, told
    if command == "batch":
        # The same command fetches both, and pays nothing.
        service("batch", *what, "--size", "512x512")
        assert service.books.post_count == 2
        assert len(list((service.work / "out").glob("*.png"))) == 2


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_a_reader_that_stands_still_holds_no_stop_up(
    unpaced: None, serve: Any, command: str
) -> None:
    service = serve()
    (service.work / "prompts.txt").write_text("fox\n")
    what = ["fox", "-o", "-"] if command == "generate" else ["prompts.txt", "-o", "out", "--json"]
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    process = service.popen(command, *what, "--size", "512x512", stdout=write)
    os.close(write)
    assert service.books.wait_for(lambda books: books.pictures, 60)
    if command == "batch":
        assert service.books.wait_for(lambda _: statuses(service) == ["saved"], 60)
    # By then it writes; should it not, it is stopped all the same.
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    if command == "batch":
        hear(process, b"stopping")
        process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(read)
    assert process.returncode == 130
    [row] = service.history()
    assert row["status"] == ("made" if command == "generate" else "saved")
