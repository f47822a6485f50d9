"""What a person at a terminal sees, and what is left when they stop it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
ELAPSED = re.compile(r"painting (\d+\.\d) s")
RECEIVED = re.compile(r"downloading [━╸╺ -]+ (\d+) kB of (\d+) kB")
ARGS = ("generate", "a calm [bold]lake[/bold]", "--size", "512x512", "--seed", "7")


@pytest.fixture(scope="session")
def large() -> bytes:
    """A picture of 512*512 that takes the sandbox several pieces to send."""
    from noise import noise

    return noise(512, 512, 100_000)


def statuses(service: Any) -> list[str]:
    return [row["status"] for row in service.history()]


def seen(terminal: Any, pattern: re.Pattern[str]) -> list[str]:
    """Return the different things that a pattern matched on the screens, in order."""
    found: list[str] = []
    for lines in terminal.frames:
        match = pattern.search("\n".join(lines))
        if match and match[0] not in found:
            found.append(match[0])
    return found


@pytest.fixture
def until_shown() -> Iterator[threading.Event]:
    """Set by a test that has seen enough: `serve(log=held(until_shown))` answers then."""
    shown = threading.Event()
    yield shown
    shown.set()


def held(event: threading.Event) -> Any:
    """Return a log that keeps the sandbox from answering before an event."""
    return lambda _line: event.wait(120)


@pytest.mark.parametrize("columns", [80, 200])
def test_the_whole_show(
    serve: Any, terminal: Any, until_shown: Any, large: bytes, columns: int
) -> None:
    config = {"extend_latency": 0.0, "bandwidth": 60_000, "picture_bytes": large}
    service = serve(log=held(until_shown), **config)
    screen = terminal(*ARGS, "--prompt-extend", columns=columns, env=service.env)
    screen.until(lambda it: len(seen(it, ELAPSED)) >= 2)
    until_shown.set()
    assert screen.end() == 0
    table = [
        "prompt         a calm [bold]lake[/bold]",
        "size           512*512",
        "seed           7",
        "prompt_extend  on",
        "region         custom",
        f"endpoint       {service.server.origin}",
        "price          no list price",
    ]
    assert screen.lines[:7] == table
    # The table stands before anything has come.
    assert next(lines for lines in screen.frames if lines)[0] == table[0]
    assert len(seen(screen, RECEIVED)) >= 2
    # Nothing of what moved is left.
    assert "painting" not in screen.text
    assert "downloading" not in screen.text
    assert screen.lines[7].startswith("╭─ prompt_extend ─")
    assert len(screen.lines[7]) == columns
    assert screen.lines[8].startswith("│ rewritten prompt ")
    assert "│ reasoning " in screen.text
    saved = next(i for i, line in enumerate(screen.lines) if line.startswith("saved "))
    assert re.fullmatch(
        r"saved 512×512, \d+ kB, \d\.\d s, no list price, history 1", screen.lines[saved]
    )
    path = "".join(screen.lines[saved + 1 :])
    assert (service.work / path).is_file()
    assert screen.raw.count(HIDE) == screen.raw.count(SHOW) == 1
    assert screen.raw.index(HIDE) < screen.raw.index(SHOW)


def test_colour(service: Any, terminal: Any) -> None:
    plain = terminal(*ARGS, env={**service.env, "NO_COLOR": "1"})
    assert plain.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain.raw)
    coloured = terminal(*ARGS, env=service.env)
    assert coloured.end() == 0
    assert "\x1b[32msaved\x1b[0m" in coloured.raw
    # A pipe is a pipe, coloured or not: nothing moves, nothing is wrapped.
    run = service.generate("a fox", "-o", "x" * 200 + ".png", env={"FORCE_COLOR": "1"})
    assert run.stderr.startswith("\x1b[32msaved\x1b[0m ")
    assert run.lines == ["x" * 200 + ".png"]
    assert run.stderr.count("\n") == 1
    assert HIDE not in run.stderr


def test_a_dumb_terminal_gets_lines(unpaced: None, service: Any, terminal: Any) -> None:
    service.script(Fault("Throttling.RateQuota", retry_after="0.1"))
    screen = terminal(*ARGS, env={**service.env, "TERM": "dumb"}, columns=120)
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    assert screen.lines[0] == "prompt         a calm [bold]lake[/bold]"
    assert screen.lines[7].startswith("Too many requests a second for the account [Throttling.Rat")
    assert screen.lines[8].startswith("saved 512×512, ")


def test_an_old_console_gets_ascii(service: Any, terminal: Any) -> None:
    env = {**service.env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    screen = terminal("generate", "狐狸", "--size", "512x512", "--prompt-extend", env=env)
    assert screen.end() == 0
    assert screen.raw.isascii()
    assert r"\u72d0\u72f8" in screen.raw


def test_a_wait_says_why_and_how_long(unpaced: None, service: Any, terminal: Any) -> None:
    service.script(Fault("Throttling.BurstRate", retry_after="2"))
    screen = terminal(*ARGS, env=service.env)
    assert screen.end() == 0
    waits = seen(screen, re.compile(r"try 2 of 5 in \d\.\d s: The request rate rose too quickly"))
    assert len(waits) >= 2
    assert all(len(line) <= 80 for lines in screen.frames for line in lines)
    assert "try 2" not in screen.text


def test_a_wait_in_a_pipe_is_one_line(unpaced: None, service: Any) -> None:
    service.script(Fault("Throttling.BurstRate", retry_after="0"))
    run = service.generate("a fox")
    assert run.stderr.splitlines()[0] == (
        "The request rate rose too quickly [Throttling.BurstRate]: waiting 0.0 s (try 2 of 5)"
    )
    service.script(Fault("Throttling.BurstRate", retry_after="0"))
    assert service.generate("a fox", "-q").stderr == ""


def test_quiet_leaves_the_path(service: Any, terminal: Any) -> None:
    screen = terminal(*ARGS, "-o", "x.png", "--quiet", env=service.env)
    assert screen.end() == 0
    assert screen.raw == "x.png\r\n"


def test_several_pictures_are_counted(
    unpaced: None, serve: Any, terminal: Any, until_shown: Any
) -> None:
    service = serve(log=held(until_shown))
    screen = terminal(*ARGS, "-n", "2", env=service.env, rows=60)
    screen.until(lambda it: "2 of 2: painting" in it.text)
    until_shown.set()
    assert screen.end() == 0
    assert [line for line in screen.lines if line.startswith("saved ")]


def test_picture_bytes_are_not_for_a_terminal(service: Any, terminal: Any) -> None:
    screen = terminal(*ARGS, "-o", "-", env=service.env)
    assert screen.end() == 2
    assert "a picture's bytes are not for a terminal" in screen.text
    assert service.books.post_count == 0


def test_errors_are_broken_between_words(service: Any, terminal: Any) -> None:
    screen = terminal("generate", "a fox", columns=60)
    assert screen.end() == 3
    assert screen.lines[0] == "error: no API key was found for beijing (keys belong to one"
    assert screen.lines[1] == "  region)"
    assert screen.lines[2].startswith("  next: Set one: zimage config set-key --region")
    assert all(len(line) <= 60 for line in screen.lines)
    assert "https://bailian.console.aliyun.com" in screen.text
    run = service.zimage("generate", "a fox", status=3)
    assert run.stderr.count("\n") == 2


def test_history_in_a_narrow_terminal(service: Any, terminal: Any) -> None:
    service.generate("a fox " * 30)
    screen = terminal("history", "list", columns=60)
    assert screen.end() == 0
    assert screen.lines[0].split() == ["id", "when", "status", "seed", "cost", "prompt"]
    assert re.fullmatch(r" 1  [ :\d-]+  ✓ saved +\d+ +-  a fox .*…", screen.lines[2])
    assert all(len(line) <= 60 for line in screen.lines)


# -- stopping --------------------------------------------------------------------------------------

# What a press of Ctrl-C meets → how the service behaves, when it is met, row in the history, words.
STOPS: dict[str, tuple[dict[str, Any], tuple[Any, ...], str, str, str]] = {
    "painting": ({"latency": 600}, (), "painting", "lost", "may have been made and billed"),
    "waiting": ({}, (Fault("Throttling", retry_after="120"),), "try 2 of 5", "failed", ""),
    "downloading": ({}, ("picture-stall",), "kB of", "made", "zimage history recover"),
}


@pytest.mark.parametrize("stage", STOPS)
def test_ctrl_c(serve: Any, terminal: Any, files: Any, large: bytes, stage: str) -> None:
    config, script, sign, status, words = STOPS[stage]
    service = serve(**config, picture_bytes=large)
    service.script(*script)
    screen = terminal(*ARGS, env=service.env)
    screen.until(lambda screen: sign in screen.text)
    screen.child.sendintr()
    # Long before what it waits for would have come.
    assert screen.end() == 130
    assert screen.raw.count(HIDE) == screen.raw.count(SHOW) == 1
    assert screen.raw.rindex(HIDE) < screen.raw.rindex(SHOW)
    assert "interrupted" in screen.lines
    assert words in " ".join(screen.lines).replace("  ", " ")
    assert "Traceback" not in screen.text
    (row,) = service.history()
    assert row["status"] == status
    assert service.evidence[0]["status"] == status
    assert service.pictures() == []
    assert not [name for name in files(service.work) if not name.endswith(".json")]


def test_ctrl_c_twice(serve: Any, terminal: Any) -> None:
    import termios

    service = serve(latency=600)
    screen = terminal(*ARGS, env=service.env)
    before = screen.local_modes
    screen.until(lambda screen: "painting" in screen.text)
    # Ctrl-C throws away nothing that was written, the line that shows the cursor for example.
    assert screen.local_modes == before | termios.NOFLSH != before
    for _ in range(3):
        screen.child.sendintr()
        screen.read()
    assert screen.end() == 130
    assert screen.left == before
    assert screen.raw.rindex(HIDE) < screen.raw.rindex(SHOW)
    assert "Traceback" not in screen.text
    assert service.history()[0]["status"] in {"lost", "sending"}
    # Whatever the second one cut short, the next look at the history puts right.
    assert service("history", "show", "1", "--json").json["entry"]["status"] == "lost"


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_signals_in_a_pipe(serve: Any, number: int, status: int, word: str) -> None:
    service = serve(latency=600)
    process = service.popen(*ARGS, "--json")
    assert service.books.wait_for(lambda books: books.post_count == 1, 60)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    assert stderr.decode().splitlines()[0] == word
    assert b"may have been made and billed" in stderr
    document = json.loads(stdout)
    assert document["status"] == "error"
    # What became of the picture, and why.
    assert [error["type"] for error in document["errors"]] == ["lost", "interrupted"]
    assert [error["billed"] for error in document["errors"]] == ["maybe", "no"]
    assert {error["prompt"] for error in document["errors"]} == {"a calm [bold]lake[/bold]"}
    assert service.history()[0]["status"] == "lost"


def test_interrupted_in_the_middle_of_several(unpaced: None, serve: Any) -> None:
    service = serve()
    service.script("ok", Fault("slow-answer", seconds=600), Fault("slow-answer", seconds=600))
    process = service.popen(*ARGS, "-n", "3", "--json")
    assert service.books.wait_for(lambda books: books.post_count == 3, 60)
    saved = ["saved", "sending", "sending"]
    assert service.books.wait_for(lambda _: saved == sorted(statuses(service)), 60)
    process.send_signal(signal.SIGINT)
    told = iter(process.stderr.readline, b"")
    assert any(b"is waited for; Ctrl-C again leaves at once" in line for line in told)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    document = json.loads(stdout)
    assert document["status"] == "partial"
    assert len(document["images"]) == 1
    assert [error["type"] for error in document["errors"]] == ["lost", "lost", "interrupted"]
    assert sorted(row["status"] for row in service.history()) == ["lost", "lost", "saved"]


def test_one_ctrl_c_saves_what_is_paid_and_sends_no_more(serve: Any) -> None:
    service = serve(latency=1.5)
    process = service.popen(*ARGS, "-n", "40", "--json")
    assert service.books.wait_for(lambda books: books.post_count == 2, 60)
    process.send_signal(signal.SIGINT)
    told = iter(process.stderr.readline, b"")
    assert any(b"stopping: what is in flight is waited for" in line for line in told)
    sent = service.books.post_count
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    document = json.loads(stdout)
    assert document["status"] == "partial"
    assert [error["type"] for error in document["errors"]] == ["interrupted"]
    # One more may have been on its way in that moment.
    assert service.books.post_count in {sent, sent + 1}
    assert len(document["images"]) == service.books.billed_count == service.books.post_count
    assert {row["status"] for row in service.history()} == {"saved"}


def test_killed_in_flight_is_lost_at_the_next_look(serve: Any) -> None:
    service = serve(latency=600)
    process = service.popen(*ARGS)
    assert service.books.wait_for(lambda books: books.post_count == 1, 60)
    assert service("history", "list", "--json").json["entries"][0]["status"] == "sending"
    process.kill()
    process.communicate(timeout=60)
    (entry,) = service("history", "list", "--json").json["entries"]
    assert entry["status"] == "lost"
    assert entry["error"]["message"] == "zimage ended before the answer arrived"


def test_killed_in_the_download_is_recoverable(serve: Any, files: Any) -> None:
    service = serve()
    service.script(Fault("picture-stall", count=1))
    process = service.popen(*ARGS, "-o", "x.png")
    # Before the POST there was a file of that name already: the look whether the folder takes one.
    assert service.books.wait_for(lambda books: books.pictures, 60)
    assert service.books.wait_for(lambda _: any(service.work.glob(".zimage-*.part")), 60)
    process.kill()
    process.communicate(timeout=60)
    assert not (service.work / "x.png").exists()
    run = service("history", "recover")
    assert run.lines == [str(service.work / "x.png")]
    assert service.books.post_count == 1


def test_nohup_keeps_its_word(serve: Any) -> None:
    hung_up = threading.Event()
    service = serve(log=held(hung_up))
    process = service.popen(
        *ARGS, "-o", "x.png", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert service.books.wait_for(lambda books: books.post_count == 1, 60)
    process.send_signal(signal.SIGHUP)
    hung_up.set()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (service.work / "x.png").is_file()


def test_ctrl_c_while_it_starts_shows_no_traceback(zimage: Any) -> None:
    for delay in (0.02, 0.04, 0.06, 0.08, 0.12):
        process = zimage.popen("generate", "a", "--sandbox", stderr=subprocess.PIPE)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        # Before the first line of zimage runs, the interpreter itself answers.
        if b"zimage_cli" in stderr:
            assert b"Traceback" not in stderr
        assert b"bug" not in stderr
        assert process.returncode in {130, -signal.SIGINT, 1, 0}
