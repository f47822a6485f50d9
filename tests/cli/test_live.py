"""Lines that move, in a terminal that wraps what is too long for its new width: tmux."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

# Draws what a file says, each time that there is a new one and the terminal is as wide as it says.
PROGRAM = """
import os, sys, time
from pathlib import Path
from rich.text import Text
from zimage_cli.cli.output import Output

out = Output()
# tmux leaves the cursor in its row, and moves what it wraps out of the top of the screen.
for number in range(20):
    out.note(f"what stands above {number}")
with out.live() as live:
    for number in range(9):
        order = Path(sys.argv[1], str(number))
        while not order.exists():
            time.sleep(0.01)
        columns, *lines = order.read_text().splitlines()
        while os.get_terminal_size(2).columns != int(columns):
            time.sleep(0.01)
        if lines == ["end"]:
            break
        if lines[0].startswith("say "):
            live.print(lines[0])
        else:
            live.update(Text("\\n".join(lines), no_wrap=True, overflow="crop"))
out.note("the end")
time.sleep(600)
"""


@pytest.fixture
def pane(zimage: Any, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Change the width, have something drawn, and return what the screen comes to show."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "orders").mkdir()
    env = zimage.environment()

    def tmux(*args: str) -> str:
        words = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *args]
        done = subprocess.run(words, capture_output=True, check=True, timeout=60, env=env)
        return done.stdout.decode()

    def draw(columns: int, *lines: str, expected: list[str]) -> list[str]:
        tmux("resize-window", "-x", str(columns))
        number = len(list((tmp_path / "orders").iterdir()))
        (tmp_path / "order").write_text("\n".join([str(columns), *lines]))
        (tmp_path / "order").rename(tmp_path / "orders" / str(number))
        end = time.monotonic() + 60
        while True:
            # Lines that were wrapped are joined again.
            found = tmux("capture-pane", "-p", "-J", "-S", "-").rstrip().splitlines()
            found = [line.rstrip() for line in found]
            # It comes in pieces.
            if found == expected or time.monotonic() > end:
                return found
            time.sleep(0.05)

    words = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "orders")]
    tmux("new-session", "-d", "-x", "100", "-y", "30", shlex.join(words))
    try:
        yield draw
    finally:
        tmux("kill-server")


def test_lines_that_were_wrapped_are_erased_whole(pane: Any) -> None:
    above = [f"what stands above {number}" for number in range(20)]
    for columns, lines, left in (
        (100, ("1" * 200, "2" * 50), ["1" * 99, "2" * 50]),
        (40, ("3" * 200, "4" * 30), ["3" * 39, "4" * 30]),
        # Several rows of each line are erased, and not one of those above.
        (12, ("5" * 200, "6" * 7), ["5" * 11, "6" * 7]),
        (90, ("7" * 200, "8" * 9), ["7" * 89, "8" * 9]),
        (30, ("say something",), ["say something", "7" * 29, "8" * 9]),
        (30, ("end",), ["say something", "the end"]),
    ):
        expected = [*above, *left]
        assert pane(columns, *lines, expected=expected) == expected
