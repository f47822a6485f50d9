"""What a person sees of a batch: the question, the moving bar, events, slow lines, the end."""

from __future__ import annotations

import json
import re
import signal
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
PUSH, POP = "\x1b[22;0t", "\x1b[23;0t"
BAR = re.compile(r"^[━╸─]+  (\d+) of (\d+)(?:  ✓ (\d+))?(?:  ✗ (\d+))?$", re.MULTILINE)
LEFT = re.compile(r"^about \d+ s left(?: · \d+\.\d\d/s)?$", re.MULTILINE)
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


def card(columns: int, *rows: str) -> list[str]:
    """Return the lines of a card with those rows."""
    width = min(columns, 100)
    inside = [f"│ {row.ljust(width - 4)} │" for row in rows]
    return [f"╭─ batch {'─' * (width - 10)}╮", *inside, f"╰{'─' * (width - 2)}╯"]


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
    moves = [match for text in shown(screen, BAR) if (match := BAR.search(text))]
    done = [int(match[1]) for match in moves]
    assert len(set(done)) >= 4
    assert done == sorted(done)
    # What is done is what is saved and what is not.
    for match in moves:
        assert int(match[1]) == int(match[3] or 0) + int(match[4] or 0)
    assert shown(screen, LEFT)
    assert shown(screen, re.compile(r"\d+ painting · \d+ waiting for their turn"))
    assert shown(screen, re.compile(r"✗ line \d refused: Content"))
    assert shown(screen, re.compile(r"✓ line \d+: 2"))
    moving = [frame for frame in screen.frames if BAR.search("\n".join(frame))]
    live = [line for frame in moving for line in frame if line[:1] not in tuple("╭│╰")]
    assert all(len(line) < columns for line in live)
    # Nothing of the show is left, and the cursor is back.
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)
    rows = ["pictures     16", "size         512×512", "price        unknown at this host"]
    if columns > 40:
        rows += ["takes about  54 s", "region       custom", "folder       out/"]
        assert screen.lines[:8] == card(columns, *rows)
    (first,) = [number for number, line in enumerate(screen.lines) if line.startswith("✓")]
    # Wrapped by the terminal, blanks at the ends of its lines cannot be told from none.
    told = re.sub(r"\s", "", "".join(screen.lines[first:]))
    refused = r"✗1refused:DataInspectionFailed\(line\d\)"
    advice = "What was refused needs other words: a changed line is made like a new one."
    advice = re.escape(advice.replace(" ", ""))
    assert re.fullmatch(rf"✓15savedinout/·\d+s{refused}{advice}", told)


@pytest.mark.parametrize("columns", [80, 200])
def test_the_whole_show_of_the_sandbox(columns: int, terminal: Any, prompts: Any) -> None:
    args = ("batch", prompts(3), "--sandbox", "-o", "out", "--size", "512*512", "--no-evidence")
    screen = terminal(*args, "--notify", columns=columns)
    assert screen.end(60) == 0
    rows = ["pictures     3", "size         512×512", "price        free"]
    rows += ["takes about  2 s", "region       sandbox", "folder       out/"]
    assert screen.lines[:8] == card(columns, *rows)
    assert re.fullmatch(r"✓ 3 saved in out/ · \d+ s", screen.lines[8])
    assert screen.lines[9:] == []
    # The bell rings once, at the end, whatever else is there.
    assert screen.raw.endswith("\a")
    assert screen.raw.count("\a") == 1
    again = terminal(*args, columns=columns)
    assert again.end(60) == 0
    assert again.lines == ["nothing to do: all 3 are in out/"]
    assert "\a" not in again.raw
    dry = terminal(*args, "--dry-run", "--notify", columns=columns)
    assert dry.end(60) == 0
    rows = ["pictures       3", "already saved  3", "to make        0"]
    rows += ["region         sandbox", "folder         out/"]
    assert dry.lines == [*card(columns, *rows), "nothing was sent"]
    # No run has ended.
    assert "\a" not in dry.raw


def test_a_folder_that_is_too_long_for_the_card_is_whole(terminal: Any, prompts: Any) -> None:
    folder = "pictures-of-kites/" + "a-very-long-name-" * 5 + "end"
    args = ("batch", prompts(2), "--sandbox", "-o", folder, "--size", "512*512", "--dry-run")
    screen = terminal(*args)
    assert screen.end() == 0
    assert "".join(screen.lines[7:9]) == f"{folder}/"
    assert "folder" not in screen.text


def test_the_window_tells_how_far_it_is_and_gets_its_title_back(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    service = serve(latency=0.2)
    window = {"TERM": "xterm-256color", "VTE_VERSION": "7900", "NO_COLOR": None}
    args = ("batch", prompts(4), "-j", "1", *FAST)
    screen = terminal(*args, "-o", "out", env={**service.env, **window})
    assert screen.end() == 0
    assert screen.raw.count(PUSH) == screen.raw.count(POP) == 1
    titles = re.findall(r"\x1b\]0;(.*?)\x1b\\", screen.raw)
    assert titles[0] == "zimage: 0 of 4"
    assert titles == sorted(set(titles))
    percents = [int(found) for found in re.findall(r"\x1b\]9;4;1;(\d+)\x1b\\", screen.raw)]
    assert percents == sorted(percents)
    assert len(percents) > 2
    assert screen.raw.index("\x1b]9;4;0;0\x1b\\") < screen.raw.index(POP)
    for other in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TMUX": "/tmp/tmux,1,0"}):
        screen = terminal(*args, "-o", "out", "--fresh", env={**service.env, **window, **other})
        assert screen.end() == 0
        assert "\x1b]" not in screen.raw
        assert "\x1b[22" not in screen.raw


def test_a_quit_gives_the_window_back(serve: Any, terminal: Any, prompts: Any) -> None:
    heard = threading.Event()
    service = serve(log=lambda _line: heard.wait(60))
    window = {"TERM": "xterm-256color", "VTE_VERSION": "7900", "NO_COLOR": None}
    screen = terminal("batch", prompts(4), "-o", "out", *FAST, env={**service.env, **window})
    screen.until(lambda it: "4 painting" in it.text and PUSH in it.raw)
    screen.child.send("\x1c")
    assert screen.end() == 128 + signal.SIGQUIT
    heard.set()
    assert screen.raw.rfind("\x1b]9;4;0;0\x1b\\") > screen.raw.rfind("\x1b]9;4;1;")
    assert screen.raw.count(PUSH) == screen.raw.count(POP) == 1


def test_in_the_background_the_window_is_left_alone(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    window = {"TERM": "xterm-256color", "VTE_VERSION": "7900", "NO_COLOR": None}
    args = ("batch", prompts(2), "-o", "out", *FAST)
    shell = 'set -m; "$@" & wait $!; echo "ended with $?"'
    screen = terminal(*args, env={**serve(latency=0.3).env, **window}, shell=shell)
    assert screen.end() == 0
    assert screen.lines[-1] == "ended with 0"
    assert "\x1b]" not in screen.raw
    assert PUSH not in screen.raw


@pytest.mark.parametrize("times", [1, 2])
def test_a_stop_gives_the_window_back(times: int, serve: Any, terminal: Any, prompts: Any) -> None:
    heard = threading.Event()
    service = serve(log=lambda _line: heard.wait(60))
    window = {"TERM": "xterm-256color", "VTE_VERSION": "7900", "NO_COLOR": None}
    args = ("batch", prompts(20), "-o", "out", "-j", "3", *FAST)
    screen = terminal(*args, env={**service.env, **window})
    screen.until(lambda it: "3 painting" in it.text)
    screen.child.sendintr()
    screen.until(lambda it: "stopping" in it.text)
    # It is paused: 4.
    screen.until(lambda it: "\x1b]9;4;4;0\x1b\\" in it.raw)
    if times == 1:
        heard.set()
    else:
        screen.child.sendintr()
    assert screen.end() == 130
    heard.set()
    assert screen.raw.rfind("\x1b]9;4;0;0\x1b\\") > screen.raw.rfind("\x1b]9;4;4;")
    assert screen.raw.count(PUSH) == screen.raw.count(POP) == 1


def test_typing_and_a_narrower_window_leave_nothing(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    heard = threading.Event()
    service = serve(log=lambda _line: heard.wait(60))
    args = ("batch", prompts(4), "-o", "out", "-j", "4", *FAST)
    # pyte cuts lines off where it gets narrower, as this terminal does.
    env = {**service.env, "TERM": "rxvt-256color"}
    screen = terminal(*args, columns=100, env=env)
    screen.until(lambda it: "4 painting" in it.text)
    screen.child.send("debris\r")
    screen.child.setwinsize(40, 60)
    narrower = re.compile(r"^─{51}  0 of 4$", re.MULTILINE)
    screen.until(lambda it: narrower.search(it.text) is not None)
    # What was on its way has come.
    screen.screen.resize(40, 60)
    heard.set()
    assert screen.end() == 0
    assert "debris" not in screen.text
    assert len(screen.lines) == 9
    assert re.fullmatch(r"✓ 4 saved in out/ · \d+ s", screen.lines[8])


def test_a_dumb_terminal_gets_lines(serve: Any, terminal: Any, prompts: Any) -> None:
    service = serve(latency=0.1)
    args = ("batch", prompts(3), "-o", "out", "-j", "1", *FAST)
    screen = terminal(*args, env={**service.env, "TERM": "dumb"})
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    assert re.fullmatch(r"✓ 3 saved in out/ · \d+ s", screen.lines[-1])


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
    assert shown(screen, re.compile(r"^about \d+ s left · CNY 0\.00 of 0\.30$", re.MULTILINE))


@pytest.mark.parametrize(("answer", "status"), [("n", 130), ("y", 6)])
def test_over_one_yuan_it_asks(answer: str, status: int, terminal: Any, prompts: Any) -> None:
    screen = terminal(
        *("batch", prompts(11), "-o", "out", "--patience", "0", "--rps", "0"), env=NOWHERE
    )
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    # The price is said once: in the plan.
    assert "│ price        CNY 1.10, CNY 0.10 a picture " in screen.text
    assert screen.text.count("CNY 1.10") == 1
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
    screen.until(lambda it: "3 painting · 17 waiting for their turn" in it.text)
    screen.until(lambda _: service.books.post_count == 3)
    screen.child.sendintr()
    still = "stopping: 3 pictures still painting; Ctrl-C again leaves at once"
    screen.until(lambda it: it.lines[-1] == still)
    heard.set()
    assert screen.end() == 130
    assert service.books.post_count == 3
    assert "✓ 3 saved in out/ · " in screen.text
    assert "stopping" not in screen.text
    assert "17 left; to go on:" in screen.text
    assert "zimage batch prompts.txt -o out -j 3" in screen.text
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)


def test_ctrl_c_twice_leaves_at_once_with_the_cursor_back(
    serve: Any, terminal: Any, prompts: Any
) -> None:
    service = serve(latency=600.0)
    screen = terminal("batch", prompts(20), "-o", "out", "-j", "3", *FAST, env=service.env)
    screen.until(lambda it: "3 painting" in it.text)
    screen.child.sendintr()
    screen.until(lambda it: "stopping" in it.text)
    screen.child.sendintr()
    assert screen.end() == 130
    left = "left at once: 3 pictures were left in flight: they may have been made and billed"
    assert left in "".join(screen.lines)
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
