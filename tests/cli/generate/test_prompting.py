"""`zimage generate` without a prompt asks for one, on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")

UP = "\x1b[A"
ASK = ("generate", "--size", "512x512", "-o", "x.png")


def prompts(service: Any) -> list[str]:
    return [row["prompt"] for row in service.history()]


def asked(screen: Any) -> Any:
    return screen.until(lambda it: it.lines and it.lines[-1].startswith("Prompt:"))


def test_a_prompt_is_asked_for(service: Any, terminal: Any) -> None:
    screen = asked(terminal(*ASK, env=service.env))
    screen.child.send("a red kit\x08\x08te\r")
    assert screen.end() == 0
    assert prompts(service) == ["a red kte"]
    assert screen.lines[0] == "Prompt: a red kte"
    assert screen.lines[-1] == "x.png"


def test_the_last_prompts_come_back(unpaced: None, service: Any, terminal: Any) -> None:
    for prompt in ("first", "第二\n行", "third", "first"):
        service.generate(prompt)
    screen = asked(terminal(*ASK, env=service.env))
    # Each once, the newest first.
    for prompt in ("first", "third", "第二 行"):
        screen.child.send(UP)
        screen.until(lambda it, prompt=prompt: it.text == f"Prompt: {prompt}")
    screen.child.send("\r")
    assert screen.end() == 0
    assert prompts(service)[-1] == "第二 行"


def test_lines_that_are_pasted_are_one_prompt(service: Any, terminal: Any) -> None:
    screen = asked(terminal(*ASK, env=service.env))
    screen.child.send("\x1b[200~a kite\nin the sky\x1b[201~\r")
    assert screen.end() == 0
    assert prompts(service) == ["a kite\nin the sky"]


def test_the_question_is_no_result(service: Any, terminal: Any) -> None:
    screen = asked(terminal(*ASK, env=service.env, shell='"$@" > paths.txt'))
    screen.child.send("a kite\r")
    assert screen.end() == 0
    assert (service.work / "paths.txt").read_text() == "x.png\n"


def test_han_letters_are_no_keys_in_the_locale_c(service: Any, terminal: Any) -> None:
    screen = asked(terminal(*ASK, env={**service.env, "LC_ALL": "C"}))
    screen.child.send("雪地里的狐狸\r")
    assert screen.end() == 0
    assert prompts(service) == ["雪地里的狐狸"]


@pytest.mark.parametrize(("keys", "status"), [("\x03", 130), ("\x04", 2), ("\r", 2), ("  \r", 2)])
def test_no_answer_makes_nothing(service: Any, terminal: Any, keys: str, status: int) -> None:
    import termios

    screen = asked(terminal(*ASK, env=service.env))
    # readline has the terminal to itself, and gives it back.
    assert not screen.local_modes & termios.ICANON
    screen.child.send(keys)
    assert screen.end() == status
    assert screen.left & termios.ICANON
    assert screen.left & termios.ECHO
    assert "Traceback" not in screen.text
    told = [line for line in screen.lines if line][1]
    assert told == "interrupted" if status == 130 else told.startswith("error: ")
    assert service.books.post_count == 0


def test_nobody_is_asked_where_a_prompt_is_given_or_nobody_answers(
    service: Any, terminal: Any
) -> None:
    run = service("generate", status=2)
    assert "Prompt:" not in run.stderr
    screen = terminal("generate", "--request", "{}", env=service.env)
    assert screen.end() == 2
    assert "Prompt:" not in screen.text
    shell = 'exec "$@" 2> errors.txt'
    screen = terminal("generate", env=service.env, shell=shell)
    assert screen.end() == 2
    assert screen.text == ""


def test_nothing_is_sent_from_a_folder_that_is_gone(
    service: Any, terminal: Any, work: Path
) -> None:
    (work / "gone").mkdir()
    screen = asked(terminal(*ASK, env=service.env, shell='cd gone; "$@"'))
    (work / "gone").rmdir()
    screen.child.send("a kite\r")
    assert screen.end() == 2
    assert screen.lines[1].startswith("error: The folder . cannot be written to: no such file")
    assert service.books.post_count == 0
