"""Questions at a terminal: where they go, and what ends them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")

ELEVEN = ("generate", "kite", "-n", "11", "-o", "out")
"""More than is spent without a question. There is no key."""
ASK = "Go on? [y/N]:"

PRESSED = """
import io, signal, sys

def follow(frame, event, called):
    if (
        event == "c_return"
        and called.__name__ == "write"
        and isinstance(called.__self__, io.FileIO)
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

sys.setprofile(follow)
"""
"""Presses Ctrl-C in the moment in which the question is written."""


def asked(screen: Any, question: str = ASK) -> Any:
    return screen.until(lambda it: it.text.endswith(question))


def test_a_question_is_no_result(terminal: Any, work: Path) -> None:
    """A part of it in the file would be a part of the first path, or of the document."""
    shell = '"$@" > result'
    screen = asked(terminal(*ELEVEN, "--json", shell=shell))
    screen.child.send("y\r")
    assert screen.end() == 3
    result = (work / "result").read_text()
    assert result.startswith("{")
    assert json.loads(result)["status"] == "error"
    screen = asked(terminal(*ELEVEN, shell=shell))
    screen.child.send("n\r")
    assert screen.end() == 130
    assert (work / "result").read_bytes() == b""


@pytest.mark.parametrize(
    ("keys", "status", "told"),
    [
        ("\x03", 130, [f"{ASK} ^C", "interrupted"]),
        ("\x04", 130, [ASK, "Nothing was sent."]),
        ("no\x04\x04", 130, [f"{ASK} no", "Nothing was sent."]),
        ("yes\x04\x04", 3, [f"{ASK} yes", "error: no API key was found for beijing (keys belong"]),
    ],
    ids=["Ctrl-C", "Ctrl-D", "Ctrl-D after no", "Ctrl-D after yes"],
)
def test_what_ends_a_question(keys: str, status: int, told: list[str], terminal: Any) -> None:
    screen = asked(terminal(*ELEVEN))
    screen.child.send(keys)
    assert screen.end() == status
    assert "\n".join(told) in screen.text


def test_a_question_that_is_answered_at_once_is_seen_once(terminal: Any, shim: Any) -> None:
    screen = terminal(*ELEVEN, env=shim(PRESSED))
    assert screen.end() == 130
    assert screen.lines[-2:] == [ASK, "interrupted"]


def test_a_question_is_asked_where_stdout_is_closed(terminal: Any) -> None:
    screen = asked(terminal(*ELEVEN, shell='"$@" >&-'))
    screen.child.send("n\r")
    assert screen.end() == 130
    assert screen.lines[-2:] == [f"{ASK} n", "Nothing was sent."]


def test_what_is_no_text_is_no_answer(terminal: Any) -> None:
    screen = asked(terminal(*ELEVEN, encoding="latin-1"))
    screen.child.send("\xff\r")
    asked(screen, f"\nError: invalid input\n{ASK}")
    screen.child.send("n\r")
    assert screen.end() == 130
    assert screen.lines[-2:] == [f"{ASK} n", "Nothing was sent."]
