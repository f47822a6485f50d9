"""zimage sandbox serve: the stand-in for other people's software."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from zimage_cli.sandbox.faults import groups, kinds

KEY = "sk-0123456789abcdef0123456789abcdef"


@dataclass
class Served:
    """A sandbox in a process of its own."""

    process: subprocess.Popen[bytes]
    root: str
    lines: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Wait for the next line of the log."""
        assert self.process.stderr is not None
        self.lines.append(self.process.stderr.readline().decode().rstrip("\n"))
        return self.lines[-1]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr.decode()

    def books(self) -> Any:
        origin = self.root.removesuffix("/api/v1")
        with urllib.request.urlopen(f"{origin}/sandbox/books", timeout=60) as answer:
            return json.load(answer)


@pytest.fixture
def running(zimage: Any) -> Iterator[Callable[..., Served]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str) -> Served:
        process = zimage.popen("sandbox", "serve", "--port", "0", *args)
        started.append(process)
        root = process.stdout.readline().decode().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v1", root)
        return Served(process, root)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_says_how_to_point_software_at_it(running: Any) -> None:
    served = running()
    told = "\n".join(served.line() for _ in range(6))
    assert f"The sandbox serves at {served.root}; pictures at http://127.0.0.1:" in told
    assert f"  export DASHSCOPE_BASE_URL={served.root}\n" in told
    assert f"  export DASHSCOPE_HTTP_BASE_URL={served.root}\n" in told
    assert "  export DASHSCOPE_API_KEY=sk-" in told
    assert "Ctrl-C" in told


def test_a_line_a_request(running: Any, zimage: Any) -> None:
    served = running()
    for _ in range(6):
        served.line()
    env = {"DASHSCOPE_BASE_URL": served.root, "DASHSCOPE_API_KEY": KEY}
    zimage("generate", "fox", "--size", "512x512", env=env)
    zimage("validate", "--online", env=env)
    post, picture, models = served.line(), served.line(), served.line()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d POST /api/v1/services/\S+ 200 [0-9a-f-]{36} billed \d+\.\d{3} s", post
    )
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /\S+\.png 200 \d+\.\d{3} s", picture)
    assert " GET /api/v1/models 200 " in models
    status, rest = served.stop()
    assert status == 0
    assert rest == "\nStopped after 1 calls, 1 pictures.\n"
    assert KEY not in "\n".join(served.lines)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_at_once(running: Any, number: int) -> None:
    served = running("--latency", "60")
    for _ in range(6):
        served.line()
    hanging = subprocess.Popen(
        [sys.executable, "-c", CALL, served.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while served.books()["in_flight"] == 0:
        pass
    status, rest = served.stop(number)
    assert status == 0
    assert "Traceback" not in rest
    assert "Stopped after 1 calls, 0 pictures." in rest
    hanging.communicate(timeout=60)


CALL = """
import sys, urllib.request
body = (b'{"model": "z-image-turbo", "input": {"messages": '
        b'[{"role": "user", "content": [{"text": "x"}]}]}}')
request = urllib.request.Request(
    sys.argv[1] + "/services/aigc/multimodal-generation/generation", body,
    {"Content-Type": "application/json", "Authorization": "Bearer sk-0123456789abcdef"})
urllib.request.urlopen(request, timeout=60)
"""


def test_faults_and_limits(running: Any, zimage: Any) -> None:
    served = running("--fault", "DataInspectionFailed:1", "--rps", "1", "--json")
    env = {"DASHSCOPE_BASE_URL": served.root, "DASHSCOPE_API_KEY": KEY}
    run = zimage("generate", "fox", "-n", "2", "--retries", "0", "--json", env=env, status=(4, 5))
    codes = {error["code"] for error in run.json["errors"]}
    assert "DataInspectionFailed" in codes
    for _ in range(6):
        served.line()
    line = json.loads(served.line())
    assert line["code"] == "DataInspectionFailed"
    assert line["faults"] == ["DataInspectionFailed"]
    assert line["key"] == "sk-…cdef"


def test_kinds_of_faults(zimage: Any) -> None:
    header, *rows = zimage("sandbox", "serve", "--fault", "list").lines
    assert header == "name\tgroup\twhat it does"
    cells = [row.split("\t") for row in rows]
    assert [name for name, _, _ in cells] == [*kinds()]
    assert len({name for name, _, _ in cells}) == len(cells)
    assert len({group for _, group, _ in cells}) == 6
    assert all(all(row) for row in cells)


@pytest.mark.parametrize("columns", [80, 200])
def test_kinds_of_faults_on_a_terminal(terminal: Any, columns: int) -> None:
    screen = terminal("sandbox", "serve", "--fault", "list", columns=columns, rows=160)
    assert screen.end() == 0
    assert screen.lines[0] == "The request is refused; nothing is billed"
    assert (
        screen.lines[1]
        == "  InvalidParameter                 400: The request parameter is invalid."
    )
    titles = [line for line in screen.lines if line and line[0] != " "]
    assert titles == [title for title, _ in groups()]
    names = [line.split()[0] for line in screen.lines if re.match("  [^ ]", line)]
    assert names == [*kinds()]
    told = " ".join(" ".join(screen.lines).split())
    assert all(f"{kind} {about}" in told for _, of_it in groups() for kind, about in of_it.items())


@pytest.mark.parametrize(
    "args",
    [
        ("--fault", "nonsense"),
        ("--fault", "reset:2"),
        ("--fault", "reset:x"),
        ("--fault", "reset:0.1", "--fault", "reset:0.2"),
        ("--port", "70000"),
        ("--port", "x"),
        ("--rps", "0"),
        ("--rps", "nan"),
        ("--rps", "inf"),
        ("--latency", "-1"),
        ("--latency", "nan"),
        ("--latency", "inf"),
        ("--fault", "\x1b[31m"),
        ("--label", "\x1b[31m"),
        ("--label", ""),
    ],
)
def test_nonsense_is_refused(zimage: Any, args: tuple[str, ...]) -> None:
    run = zimage("sandbox", "serve", *args, status=2)
    assert run.stderr.startswith("error: ")
    assert "\x1b" not in run.stderr


def test_a_number_out_of_range_is_told_in_our_words(zimage: Any) -> None:
    run = zimage("sandbox", "serve", "--latency", "-1", status=2)
    assert run.stderr == "error: --latency: -1 is not allowed; allowed: 0 or more\n"


def test_a_label_that_does_not_exist_is_told_with_all_that_do(zimage: Any) -> None:
    run = zimage("sandbox", "serve", "--label", "aigc,exif", status=2)
    assert run.stderr == (
        "error: There is no label 'exif'; allowed: aigc,xmp,c2pa.\n"
        "  next: Name them with commas between: --label aigc,xmp,c2pa\n"
    )


def test_labels(running: Any, zimage: Any) -> None:
    served = running("--label", "aigc,c2pa")
    env = {"DASHSCOPE_BASE_URL": served.root, "DASHSCOPE_API_KEY": KEY}
    run = zimage("generate", "fox", "--size", "512x512", "-o", "-", env=env)
    assert b"AIGC\0{" in run.stdout_bytes
    assert b"caBX" in run.stdout_bytes


def test_a_port_that_is_taken(running: Any, zimage: Any) -> None:
    served = running()
    port = served.root.split(":")[2].split("/")[0]
    run = zimage("sandbox", "serve", "--port", port, status=2)
    assert f"Port {port} on 127.0.0.1 is already in use." in run.stderr


def test_the_curl_of_a_dry_run_works_against_it(running: Any, zimage: Any) -> None:
    import shutil

    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    served = running()
    env = {"DASHSCOPE_BASE_URL": served.root, "DASHSCOPE_API_KEY": KEY}
    plan = zimage("generate", "it's a fox", "--size", "512x512", "--dry-run", "--json", env=env)
    done = subprocess.run(
        ["sh", "-c", plan.json["requests"][0]["curl"]],
        env={**os.environ, **env},
        capture_output=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(done.stdout)
    content = answer["output"]["choices"][0]["message"]["content"]
    assert content[1] == {"text": "it's a fox"}
    with urllib.request.urlopen(content[0]["image"], timeout=60) as picture:
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"


def test_quiet(running: Any, zimage: Any) -> None:
    served = running("--quiet")
    env = {"DASHSCOPE_BASE_URL": served.root, "DASHSCOPE_API_KEY": KEY}
    zimage("generate", "fox", "--size", "512x512", env=env)
    status, rest = served.stop()
    assert (status, rest) == (0, "")


def test_bare_sandbox_shows_its_help(zimage: Any) -> None:
    run = zimage("sandbox", status=2)
    assert "serve" in run.stderr
