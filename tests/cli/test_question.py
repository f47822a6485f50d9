"""Questions at a terminal: where they go, and what ends them."""

from __future__ import annotations

import json
import signal
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
        and signal.getitimer(signal.ITIMER_REAL)[1]  # a question is asked
    ):
        sys.setprofile(None)
        signal.raise_signal(signal.SIGINT)

sys.setprofile(follow)
"""
"""Presses Ctrl-C in the moment in which the question is written."""

ALONE = """
import signal, sys

def hear(event, what):
    if event == "import" and signal.getitimer(signal.ITIMER_REAL)[1]:
        raise RuntimeError(what[0])

sys.addaudithook(hear)
"""
"""Refuses what is imported while a signal raises: Python prints, and forgets, what is raised then
in a callback of its imports."""

QUESTIONS = pytest.mark.parametrize(
    ("command", "question"),
    [(ELEVEN, ASK), (("generate",), "Prompt:"), (("config", "set-key"), "not shown:")],
    ids=["yes or no", "prompt", "key"],
)


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


@QUESTIONS
@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_leaves_the_terminal_as_it_was(
    command: tuple[str, ...], question: str, number: int, status: int, word: str, terminal: Any
) -> None:
    screen = terminal(*command)
    asked(screen, question).child.kill(number)
    assert screen.end() == status
    assert screen.left == screen.before
    assert screen.lines[-1] == word
    assert screen.lines[-2].endswith(question)


@QUESTIONS
def test_nothing_is_imported_while_a_signal_raises(
    command: tuple[str, ...], question: str, terminal: Any, shim: Any
) -> None:
    screen = asked(terminal(*command, env=shim(ALONE)), question)
    screen.child.sendintr()
    assert screen.end() == 130


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
