"""What a person sees of a batch: the question, the moving bar, events, slow lines, the end."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
BAR = re.compile(r"^[━╸╺]+ +(\d+) of (\d+)$", re.MULTILINE)
RATE = re.compile(r"\d+\.\d\d/s, \d+ s left")
FAST = ("--rps", "0", "--size", "512*512", "--no-evidence")
NOWHERE = {
    "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture
def prompts(work: Path) -> Callable[[int], str]:
    def make(count: int) -> str:
        path = work / "prompts.txt"
        path.write_text("".join(f"kite {number} [bold]\x1b[31m\n" for number in range(count)))
        path.write_text(path.read_text().replace("\x1b", ""))
        return "prompts.txt"

    return make


def shown(screen: Any, pattern: re.Pattern[str]) -> list[str]:
    """Return the different things that a pattern matched on the screens, in order."""
    found: list[str] = []
    for lines in screen.frames:
        match = pattern.search("\n".join(lines))
        if match and match[0] not in found:
            found.append(match[0])
    return found


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_bar_moves_and_the_screen_is_left_clean(
    columns: int, serve: Any, terminal: Any, prompts: Any
) -> None:
    service = serve(latency=0.25)
    service.script(*["ok"] * 3, "DataInspectionFailed")
    file = prompts(16)
    screen = terminal(
        "batch", file, "-o", "out", "-j", "2", *FAST, columns=columns, env=service.env
    )
    assert screen.end() == 9
    done = [int(match[1]) for text in shown(screen, BAR) if (match := BAR.search(text))]
    assert len(done) >= 4
    assert done == sorted(done)
    assert shown(screen, RATE)
    assert shown(screen, re.compile("1 refused"))
    assert shown(screen, re.compile(r"line \d: refused: Content"))
    assert shown(screen, re.compile(r"line \d+: out/2"))
    assert all(len(line) <= columns for frame in screen.frames for line in frame)
    # Nothing of the show is left, and the cursor is back.
    assert not BAR.search(screen.text)
    assert "15 saved, 1 refused" in screen.text
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)
    table = [line.split() for line in screen.lines[:3]]
    assert table == [["lines", "16"], ["pictures", "16"], ["to", "make", "16"]]


def test_slow_lines_are_shown_by_name_and_elsewhere_there_is_a_line_now_and_then(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    first, second = serve(), serve()
    for service in (first, second):
        service.script("ok", Fault("slow-answer", seconds=16.5))
    args = ("batch", prompts(3), "-j", "1", *FAST)
    began = time.monotonic()
    with second.popen(*args, "-o", "elsewhere") as run:
        screen = terminal(*args, "-o", "out", env=first.env)
        assert screen.end(60) == 0
        _, errors = run.communicate(timeout=60)
    tens_of_seconds = (time.monotonic() - began) // 10
    assert shown(screen, re.compile(r"^line 2: painting, 1\d s$", re.MULTILINE))
    text = errors.decode()
    assert 1 <= len([line for line in text.splitlines() if line[:6] == "1 of 3"]) <= tens_of_seconds
    assert "\x1b" not in text


def test_waits_and_warnings_are_told(serve: Any, terminal: Any, prompts: Any) -> None:
    service = serve(latency=0.1)
    service.script("wrong-usage")
    screen = terminal("batch", prompts(6), "-o", "out", "-j", "1", *FAST, env=service.env)
    assert screen.end() == 0
    assert shown(screen, re.compile(r"line 1: the service said"))
    service.script("wrong-usage")
    result = service("batch", prompts(1), "-o", "elsewhere", *FAST)
    assert "warning: line 1: the service said" in result.stderr


def test_what_was_spent_is_shown(terminal: Any, prompts: Any) -> None:
    screen = terminal(
        *("batch", prompts(3), "-o", "out", "--patience", "2", "-j", "1", "--rps", "0"), env=NOWHERE
    )
    assert screen.end(60) == 6
    assert shown(screen, re.compile(r"CNY 0\.00 spent"))


@pytest.mark.parametrize(("answer", "status"), [("n", 130), ("y", 6)])
def test_over_one_yuan_it_asks(answer: str, status: int, terminal: Any, prompts: Any) -> None:
    screen = terminal(
        *("batch", prompts(11), "-o", "out", "--patience", "0", "--rps", "0"), env=NOWHERE
    )
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    assert "This costs up to CNY 1.10." in screen.text
    screen.child.send(answer + "\r")
    assert screen.end() == status
    assert ("could not be reached" in screen.text) == (answer == "y")
    assert ("Nothing was sent" in screen.text) == (answer == "n")


def test_under_one_yuan_or_agreed_beforehand_it_does_not_ask(terminal: Any, prompts: Any) -> None:
    args = ("-o", "out", "--patience", "0", "--rps", "0")
    for more, count in (((), 10), (("--yes",), 11)):
        screen = terminal("batch", prompts(count), *args, *more, env=NOWHERE)
        assert screen.end() == 6
        assert "Go on?" not in screen.raw


def test_ctrl_c_once_saves_what_is_in_flight(serve: Any, terminal: Any, prompts: Any) -> None:
    heard = threading.Event()
    # Nothing is answered before the stop is heard.
    service = serve(log=lambda _line: heard.wait(60))
    screen = terminal("batch", prompts(20), "-o", "out", "-j", "3", *FAST, env=service.env)
    screen.until(lambda it: "3 in flight" in it.text and service.books.post_count == 3)
    screen.child.sendintr()
    screen.until(lambda it: "stopping: what is in flight is waited for" in it.text)
    heard.set()
    assert screen.end() == 130
    assert service.books.post_count == 3
    assert "3 saved" in screen.text
    assert "17 left; to go on:" in screen.text
    assert "zimage batch prompts.txt -o out -j 3" in screen.text
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)


def test_ctrl_c_twice_leaves_at_once_with_the_cursor_back(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    service = serve(latency=600.0)
    screen = terminal("batch", prompts(20), "-o", "out", "-j", "3", *FAST, env=service.env)
    screen.until(lambda it: "3 in flight" in it.text)
    screen.child.sendintr()
    screen.until(lambda it: "stopping" in it.text)
    screen.child.sendintr()
    assert screen.end() == 130
    assert "left at once" in screen.text
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)


def test_records_on_the_same_terminal_are_not_torn(serve: Any, terminal: Any, prompts: Any) -> None:
    service = serve(latency=0.1)
    screen = terminal(
        *("batch", prompts(6), "-o", "out", "-j", "2", "--json", *FAST),
        columns=2000,
        env=service.env,
    )
    assert screen.end() == 0
    records = [json.loads(line) for line in screen.lines if line.startswith("{")]
    assert records.pop()["type"] == "summary"
    assert sorted(record["line"] for record in records) == [1, 2, 3, 4, 5, 6]
    assert HIDE not in screen.raw
