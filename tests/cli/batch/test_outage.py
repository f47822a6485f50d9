"""A service that goes away in the middle of a batch: everything waits, and nothing fails."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from stand_in import kept_port

FAST = ("--rps", "0", "--size", "512*512", "--no-evidence")


class Road:
    """A way to a server that can be closed, as for a network that is gone, and opened again.

    What is under way when it is closed arrives.
    """

    def __init__(self, port: int, to: int) -> None:
        self._to = to
        self._listener: socket.socket | None = None
        self.port = port
        self.refused = 0
        self.open()

    @property
    def env(self) -> dict[str, str]:
        return {"DASHSCOPE_BASE_URL": f"http://127.0.0.1:{self.port}/api/v1"}

    def open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            # `close` alone does not wake who accepts.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._to)) as far:
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            self._carry(near, far)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def road(serve: Any) -> Iterator[Callable[..., tuple[Any, Road]]]:
    """Start a service and a road to it."""
    with ExitStack() as roads:

        def start(**config: Any) -> tuple[Any, Road]:
            service = serve(**config)
            road = Road(roads.enter_context(kept_port()), service.server.port)
            roads.callback(road.close)
            return service, road

        yield start


def read_until(stream: Any, text: bytes) -> bytes:
    seen = b""
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)


def statuses(folder: Path) -> Counter[str]:
    path = folder / "results.jsonl"
    return Counter(json.loads(line)["status"] for line in path.read_bytes().splitlines())


def test_it_waits_until_the_service_is_back_and_nothing_fails(
    road: Any, prompts: Any, work: Path
) -> None:
    service, way = road()
    service.books.free = 12
    args = ("batch", prompts(60), "-o", "out", "-j", "8", "--retries", "0", *FAST)
    with service.popen(*args, env=way.env) as run:
        assert service.books.wait_for(lambda books: books.post_count == 20)
        # Nobody connects in this moment, so what comes next is refused and nothing is cut off.
        way.close()
        service.books.let_go.set()
        said = read_until(run.stderr, b"cannot be reached since")
        time.sleep(1.5)  # the length of the outage: one try falls into it
        way.open()
        said += run.stderr.read()
        assert run.wait(60) == 0, said.decode()
    text = said.decode()
    assert text.count("cannot be reached since") == 1
    assert re.search(
        r"the service cannot be reached since \d\d:\d\d; trying again, at most every 30 s; "
        r"Ctrl-C stops\n  http://127.0.0.1:\d+ could not be reached: .*efused",
        text,
    )
    assert re.search(r"the service can be reached again, after \d+ s", text)
    assert "60 saved" in text
    assert service.books.post_count == service.books.billed_count == 60
    assert statuses(work / "out") == {"saved": 60}
    assert {row["attempts"] for row in service.history()} == {1}


def test_a_service_that_is_not_there_yet_is_waited_for(road: Any, prompts: Any, work: Path) -> None:
    service, way = road()
    way.close()
    args = ("batch", prompts(5), "-o", "out", "-j", "2", *FAST)
    with service.popen(*args, env=way.env) as run:
        read_until(run.stderr, b"cannot be reached since")
        way.open()
        run.communicate(timeout=60)
    assert run.returncode == 0
    assert service.books.billed_count == 5


@pytest.mark.parametrize("patience", ["0", "1s"])
def test_patience_ends_and_what_was_not_sent_is_new(
    patience: str, road: Any, prompts: Any, work: Path
) -> None:
    service, way = road()
    way.close()
    args = ("batch", prompts(20), "-o", "out", "-j", "8", *FAST)
    began = time.monotonic()
    result = service(*args, "--patience", patience, env=way.env, status=6)
    # Well before the next try, which would be after 30 s.
    assert time.monotonic() - began < 25
    assert "error: http://127.0.0.1:" in result.stderr
    assert "20 left; to go on:\n  zimage batch" in result.stderr
    assert "failed" not in result.stderr
    assert not (work / "out" / "results.jsonl").exists()
    assert service.history() == []
    way.open()
    service(*args, env=way.env)
    assert service.books.billed_count == 20


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_the_wait(road: Any, prompts: Any) -> None:
    service, way = road()
    way.close()
    with service.popen("batch", prompts(9), "-o", "out", *FAST, env=way.env) as run:
        read_until(run.stderr, b"cannot be reached since")
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert b"9 left; to go on:" in errors
    assert service.history() == []


def test_lines_that_once_failed_so_are_new(road: Any, prompts: Any, work: Path) -> None:
    """What an earlier release noted as failed, though nothing was sent."""
    service, _ = road()
    service.script(*["DataInspectionFailed"] * 3)
    args = ("batch", prompts(3), "-o", "out", "-j", "1", *FAST)
    service(*args, status=9)
    journal = work / "out" / "results.jsonl"
    records = [json.loads(line) for line in journal.read_bytes().splitlines()]
    for record in records[:2]:
        record |= {"status": "failed", "type": "connection", "code": None}
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    for name in (".db", ".db-wal", ".db-shm"):
        next(service.home.rglob(f"history{name}"), journal.with_name("none")).unlink(True)
    service(*args, status=9)
    assert service.books.billed_count == 2
    assert service.books.post_count == 5


def test_another_place_that_a_line_names_does_not_stop_the_others(
    serve: Any, road: Any, work: Path
) -> None:
    service = serve()
    _, way = road()
    way.close()
    lines = [{"prompt": f"kite {number}"} for number in range(10)]
    lines[4]["base_url"] = way.env["DASHSCOPE_BASE_URL"]
    (work / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    args = ("batch", "lines.jsonl", "-o", "out", "--trust-base-url", "--retries", "1", *FAST)
    result = service(*args, status=9)
    assert "✓ 9 saved in out/ · " in result.stderr
    assert "✗ 1 failed: connection (line 5)\n" in result.stderr
    assert "cannot be reached since" not in result.stderr


def test_the_live_view_shows_it(road: Any, terminal: Any, prompts: Any) -> None:
    service, way = road()
    service.books.free = 4
    args = ("batch", prompts(30), "-o", "out", "-j", "2", *FAST)
    screen = terminal(*args, env={**service.env, **way.env})
    screen.until(lambda it: service.books.post_count == 6)
    # As above: both wait for an answer.
    way.close()
    service.books.let_go.set()
    screen.until(
        lambda it: re.search(r"^the service cannot be reached since \S+$", it.text, re.MULTILINE)
    )
    way.open()
    assert screen.end(60) == 0
    assert "the service can be reached again, after" in screen.text
    assert "30 saved" in screen.text


@pytest.mark.parametrize("value", ["", "-1", "1d", "1.5h", "h", "9" * 12])
def test_a_patience_that_is_none_is_refused(value: str, zimage: Any, prompts: Any) -> None:
    result = zimage("batch", prompts(1), "--patience", value, status=2)
    assert "--patience" in result.stderr
