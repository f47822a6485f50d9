"""Keys that are pressed, and a terminal that changes its size, while pictures are made."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
ARGS = ("generate", "a fox", "--size", "512x512", "--seed", "7", "-o", "x.png")
SEVERAL = (*ARGS[:-1], "out/", "-n", "3")


@pytest.fixture
def shown() -> Iterator[threading.Event]:
    """Set by a test that has seen enough: the service answers then."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow(serve: Any, shown: threading.Event, unpaced: None) -> Any:
    """A service that answers when the test has seen enough."""
    return serve(log=lambda _line: shown.wait(120))


def moves(screen: Any, sign: str = r"painting     [━─]+  \d+\.\d s") -> Any:
    """Read until what moves has moved on from here."""
    before = len(screen.frames)
    return screen.until(
        lambda it: re.search(sign, it.text) and len({*map(tuple, it.frames[before:])}) > 2
    )


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_what_is_typed_is_not_shown_and_stays_for_the_shell(
    slow: Any, terminal: Any, shown: threading.Event, command: str
) -> None:
    (slow.work / "foxes.txt").write_text("a fox\n")
    args = ARGS if command == "generate" else ("batch", "foxes.txt", *ARGS[2:-1], "out")
    shell = '"$@"; read line; echo "the shell reads $line"'
    screen = terminal(*args, env=slow.env, shell=shell)
    moves(screen, "painting")
    screen.child.send("hello\r")
    moves(screen, "painting")
    shown.set()
    assert screen.end() == 0
    assert screen.raw.count("hello") == 1
    assert screen.lines[-1] == "the shell reads hello"


def test_ctrl_z_gives_the_terminal_back(slow: Any, terminal: Any, shown: threading.Event) -> None:
    import termios

    shell = 'set -m; "$@"; echo stopped; read go; fg > /dev/null; echo "ended with $?"'
    screen = terminal(*SEVERAL, env=slow.env, shell=shell)
    moves(screen)
    assert not screen.local_modes & termios.ECHO
    screen.child.sendcontrol("z")
    screen.until(lambda it: "stopped" in it.raw)
    assert screen.local_modes == screen.before
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)
    assert screen.raw.count(HIDE) == 1
    screen.child.send("go\r")
    screen.until(lambda it: it.raw.count(HIDE) == 2)
    moves(screen)
    assert not screen.local_modes & termios.ECHO
    shown.set()
    assert screen.end() == 0
    assert screen.lines[-1] == "ended with 0"
    assert screen.left == screen.before
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)
    # What the shell has written meanwhile was not erased.
    assert "go" in screen.lines
    assert len(list((slow.work / "out").iterdir())) == 3


DRAWING = """
import sys, threading, time
from pathlib import Path
from rich.text import Text
from zimage_cli.cli import keys
from zimage_cli.cli.output import Output

class Slow:
    def __rich_console__(self, console, options):
        Path("drawing").touch()
        while not Path("go on").exists():
            time.sleep(0.01)
        yield Text("drawn again\\nin two lines")

def draw():
    live.update(Text("one\\ntwo\\nthree\\nfour"))
    live.update(Slow())
    live.update(Text("and again"))

keys.give_back_on_signals()
with Output().live() as live:
    thread = threading.Thread(target=draw)
    (thread.start if sys.argv[1:] else draw)()
    while thread.is_alive():
        # In the instant before a wait without an end, a signal would not be heard.
        thread.join(0.1)
print("drawn")
"""


@pytest.mark.parametrize("thread", ["", "another"])
def test_a_stop_in_the_middle_of_drawing_erases_what_is_drawn_and_nothing_of_the_shell(
    thread: str, terminal: Any, work: Path
) -> None:
    (work / "program.py").write_text(DRAWING)
    program = f"{sys.executable} program.py {thread}"
    screen = terminal(shell=f"set -m; {program}; echo stopped; read go; fg > /dev/null; echo end")
    screen.until(lambda _: (work / "drawing").exists())
    screen.child.sendcontrol("z")
    screen.until(lambda it: "stopped" in it.raw)
    (work / "go on").touch()
    screen.child.send("go\r")
    assert screen.end() == 0
    assert "stopped" in screen.text
    assert "drawn again" not in screen.text
    own = {"one", "two", "three", "go", "drawn again", "drawn", "end"}
    found = [line for line in screen.lines if line in own]
    assert found == ["one", "two", "three", "go", "drawn", "end"]


@pytest.mark.parametrize(("key", "number"), [("\x1c", signal.SIGQUIT), ("\x03", signal.SIGINT)])
def test_however_it_ends_keys_are_shown_again(
    slow: Any, terminal: Any, key: str, number: int
) -> None:
    screen = terminal(*SEVERAL, env=slow.env)
    moves(screen)
    assert screen.local_modes != screen.before
    with suppress(OSError):
        # Again and again, also while it says what became of the pictures.
        while screen.read(0.02):
            screen.child.send(key)
    assert screen.end() == 128 + number
    assert screen.left == screen.before
    assert screen.raw.rfind(SHOW) > screen.raw.rfind(HIDE)


QUITTING = """
import os, resource, signal, sys, termios
from itertools import count
from zimage_cli.cli import keys

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def quit_twice(line, told):
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        if event == "line" and frame.f_code.co_filename == keys.__file__:
            seen += 1
            if seen == line:
                os.write(told, b"!")
                signal.raise_signal(signal.SIGQUIT)
        return trace

    keys.give_back_on_signals()
    sys.settrace(trace)
    keys.hold(0)
    signal.raise_signal(signal.SIGQUIT)


before = termios.tcgetattr(0)
for line in count(1):
    near, far = os.pipe()
    if (child := os.fork()) == 0:
        quit_twice(line, far)
        os._exit(0)
    os.close(far)
    status = os.waitpid(child, 0)[1]
    left = termios.tcgetattr(0)
    if left[3] != before[3] or os.WTERMSIG(status) != signal.SIGQUIT:
        print("left at line", line, left[3], status)
        termios.tcsetattr(0, termios.TCSANOW, before)
    if not os.read(near, 1):
        break
print("lines", line)
"""


def test_a_second_ctrl_backslash_at_any_line_leaves_the_keys_shown(
    terminal: Any, work: Path
) -> None:
    (work / "program.py").write_text(QUITTING)
    screen = terminal(shell=f"{sys.executable} program.py")
    assert screen.end() == 0
    words, lines = screen.text.split()
    assert words == "lines"
    assert int(lines) > 20


def test_ctrl_c_says_how_many_are_waited_for(
    slow: Any, terminal: Any, shown: threading.Event
) -> None:
    screen = moves(terminal(*SEVERAL, env=slow.env))
    screen.until(lambda it: "0 of 3  3 painting" in it.text)
    screen.child.sendintr()
    words = "stopping: 3 pictures still painting; Ctrl-C again leaves at once"
    screen.until(lambda it: it.lines[-1] == words)
    shown.set()
    assert screen.end() == 130
    assert "stopping" not in screen.text
    assert len(list((slow.work / "out").iterdir())) == 3


PRESSED = """
import signal, sys

def follow(frame, event, called):
    if event == "call" and frame.f_code.co_name == "restore":
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

sys.setprofile(follow)
"""
"""Presses Ctrl-C just before the terminal is given back at the end."""


def test_ctrl_c_at_the_end_gives_the_terminal_back(serve: Any, terminal: Any, shim: Any) -> None:
    service = serve()
    screen = terminal(*ARGS, env={**service.env, **shim(PRESSED)})
    assert screen.end() == 130
    assert screen.left == screen.before
    assert (service.work / "x.png").is_file()


# -- another size ----------------------------------------------------------------------------------


def test_a_terminal_that_cuts_lines_off_keeps_no_stale_one(
    slow: Any, terminal: Any, shown: threading.Event
) -> None:
    # As xterm does it, and pyte: what is too long for the new width is cut off.
    screen = moves(terminal(*SEVERAL, env={**slow.env, "XTERM_VERSION": "XTerm(390)"}))
    for columns in (44, 120, 40):
        if columns > screen.screen.columns:
            screen.screen.resize(40, columns)
        screen.child.setwinsize(40, columns)
        screen.until(lambda it, columns=columns: it.frames and fits(it.lines, columns))
        # What was on its way has come: now the lines above are cut off.
        screen.screen.resize(40, columns)
        # After ten seconds, 40 columns have no room for the bar.
        moves(screen, "painting")
        # What is read may end in the middle of a frame. A line that is stale stays for good.
        screen.until(lambda it, columns=columns: fits(it.lines, columns))
    shown.set()
    assert screen.end() == 0
    assert "painting" not in screen.text
    assert [line[:1] for line in screen.lines[:4]] == ["╭", "│", "│", "╰"]
    assert screen.lines[-1].startswith("✓ 3 saved · ")


def fits(lines: list[str], columns: int) -> bool:
    """Tell whether the lines that move are as wide as there is room, and no others are there."""
    live = [len(line) for line in lines if "painting" in line]
    return len(live) == 4 and min(columns, 60) - 20 < max(live) < columns
