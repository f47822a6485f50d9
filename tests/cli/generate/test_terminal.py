"""What a person at a terminal sees, and what is left when they stop it."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

from zimage_cli.sandbox.faults import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
ELAPSED = re.compile(r"painting     [━╸─]+  \d+\.\d s")
RECEIVED = re.compile(r"downloading  [━╸─]+  \d+ kB of \d+ kB")
ARGS = ("generate", "a calm [bold]lake[/bold]", "--size", "512x512", "--seed", "7")
PROMPT = "a calm [bold]lake[/bold]"
AGAIN = "  zimage history show 1 · zimage generate --like 1 --seed new"


def card(columns: int, title: str, *texts: str) -> list[str]:
    """Return the lines of a card with texts that are broken between words."""
    width = min(columns, 100)
    lines = [line for text in texts for line in textwrap.wrap(text, width - 4)]
    return [
        f"╭─ {title} {'─' * (width - 5 - len(title))}╮",
        *(f"│ {line:<{width - 4}} │" for line in lines),
        f"╰{'─' * (width - 2)}╯",
    ]


def still(lines: list[str]) -> list[str]:
    """Return lines with a sign for every time that was measured."""
    return [re.sub(r"\d+\.\d s", "N s", line) for line in lines]


def broken(line: str, columns: int) -> list[str]:
    """Return a line as a terminal breaks it."""
    return [line[at : at + columns] for at in range(0, len(line), columns)]


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
    # It takes four seconds to come.
    config = {"extend_latency": 0.0, "bandwidth": 25_000, "picture_bytes": large}
    service = serve(log=held(until_shown), **config)
    screen = terminal(*ARGS, "--prompt-extend", columns=columns, env=service.env)
    screen.until(lambda it: len(seen(it, ELAPSED)) >= 2)
    until_shown.set()
    assert screen.end() == 0
    facts = f"512×512 · seed 7 · prompt_extend · {service.server.origin} · no list price"
    request = card(columns, "request", PROMPT, facts)
    (row,) = service.history()
    path = str(Path(row["path"]).relative_to(service.work))
    assert still(screen.lines) == [
        *request,
        *card(columns, "rewritten prompt", row["rewritten_prompt"], "reasoning", row["reasoning"]),
        f"✓ saved  512×512 · {row['bytes'] / 1000:.0f} kB · N s · no list price · history 1",
        AGAIN,
        *broken(path, columns),
    ]
    # The card stands before anything has come.
    assert screen.frames[0][: len(request)] == request
    assert len(seen(screen, RECEIVED)) >= 2
    # Lines that move are shorter than the terminal is wide.
    moving = [line for lines in screen.frames for line in lines if line[:1] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"]
    assert 0 < max(map(len, moving)) < columns
    assert screen.raw.count(HIDE) == screen.raw.count(SHOW) == 1
    assert screen.raw.index(HIDE) < screen.raw.index(SHOW)


def remember(service: Any, seconds: list[float]) -> None:
    """Make one picture, and write rows of others instead that took the service so long."""
    service.generate("fox")
    (row,) = service.history()
    sent = datetime(2026, 11, 22, tzinfo=UTC)
    db = sqlite3.connect(service.home / ".local" / "share" / "zimage" / "history.db")
    with db:
        db.execute("DELETE FROM generation")
        for span in seconds:
            new = {**row, "created_at": sent.isoformat()}
            new["answered_at"] = (sent + timedelta(seconds=span)).isoformat()
            del new["id"]
            names, marks = ", ".join(new), ", ".join("?" * len(new))
            db.execute(f"INSERT INTO generation ({names}) VALUES ({marks})", [*new.values()])
    db.close()


def test_the_bar_knows_how_long_it_usually_takes(
    serve: Any, terminal: Any, until_shown: Any
) -> None:
    known = serve()
    remember(known, [0.4, 0.4, 2.0, 0.4, 2.0, 0.6, 0.6, 2.0, 2.0])
    service = serve(log=held(until_shown))
    screen = terminal(*ARGS, env=service.env)
    whole = re.compile(r"painting     (━*)(╸?)(─*)  (\d+\.\d) s  \(usually up to 2 s\)")
    # Long after the usual time.
    screen.until(lambda it: any(float(one.group(4)) > 3 for one in bars(it, whole)))
    until_shown.set()
    assert screen.end() == 0
    done = [len(one[1]) + len(one[2]) / 2 for one in bars(screen, whole)]
    assert done == sorted(done)
    # Half of it, 13 columns, is what is done after 0.35 s: the usual time is 0.6 s.
    times = [float(one[4]) for one in bars(screen, whole)]
    assert all((full < 13) is (at < 0.4) for full, at in zip(done, times, strict=True) if at != 0.4)
    # It is never full.
    assert all(one[3] for one in bars(screen, whole))


def bars(screen: Any, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    return [found for lines in screen.frames if (found := pattern.search("\n".join(lines)))]


def test_without_a_history_the_bar_moves(serve: Any, terminal: Any, until_shown: Any) -> None:
    service = serve(log=held(until_shown))
    screen = terminal(*ARGS, env=service.env)
    moving = re.compile(r"^. painting     (─*━+─*)  \d+\.\d s$", re.MULTILINE)
    screen.until(lambda it: len({one[1] for one in bars(it, moving)}) >= 3)
    until_shown.set()
    assert screen.end() == 0
    assert "usually" not in screen.raw


def test_colour(service: Any, terminal: Any) -> None:
    plain = terminal(*ARGS, env={**service.env, "NO_COLOR": "1"})
    assert plain.end() == 0
    # No style at all: what is left moves the cursor.
    assert not re.search(r"\x1b\[[0-9;]*m", plain.raw)
    coloured = terminal(*ARGS, env=service.env)
    assert coloured.end() == 0
    assert "\x1b[32m✓ saved\x1b[0m  512×512 · " in coloured.raw
    # No colour that is only readable on dark, or only on light.
    assert {*re.findall(r"\x1b\[([0-9;]*)m", coloured.raw)} <= {*("0", "1", "2", "1;2", "32", "36")}
    # A pipe is a pipe, coloured or not: nothing moves, nothing is wrapped.
    run = service.generate("a fox", "-o", "x" * 200 + ".png", env={"FORCE_COLOR": "1"})
    assert run.stderr.splitlines()[2].startswith("\x1b[32msaved\x1b[0m " + "x" * 200 + ".png: 512×")
    assert run.lines == ["x" * 200 + ".png"]
    assert run.stderr.count("\n") == 3
    assert HIDE not in run.stderr


def test_a_dumb_terminal_gets_lines(unpaced: None, service: Any, terminal: Any) -> None:
    service.script(Fault("Throttling.RateQuota", retry_after="0.1"))
    args = (*ARGS, "-o", "x.png")
    screen = terminal(*args, env={**service.env, "TERM": "dumb"}, columns=120)
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    facts = f"512×512 · seed 7 · {service.server.origin} · no list price"
    why = "Too many requests a second for the account [Throttling.RateQuota]"
    assert still(screen.lines) == [
        *card(80, "request", PROMPT, facts),
        f"{why}: waiting N s (try 2 of 5)",
        "✓ saved  512×512 · 26 kB · N s · no list price · history 1",
        AGAIN,
        "x.png",
    ]


def test_an_old_console_gets_ascii(serve: Any, terminal: Any, until_shown: Any) -> None:
    service = serve(log=held(until_shown))
    env = {**service.env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    args = ("generate", "狐狸", "--size", "512x512", "--seed", "7", "-o", "x.png")
    screen = terminal(*args, env=env)
    screen.until(lambda it: re.search(r"\n[-\\|/] painting     -*=+-*  \d", it.text))
    until_shown.set()
    assert screen.end() == 0
    assert screen.raw.isascii()
    assert still(screen.lines) == [
        f"+- request {'-' * 68}+",
        "| " + r"\u72d0\u72f8".ljust(77) + "|",
        f"| {f'512x512 - seed 7 - {service.server.origin} - no list price':<77}|",
        f"+{'-' * 78}+",
        "+ saved  512x512 - 26 kB - N s - no list price - history 1",
        AGAIN.replace("·", "-"),
        "x.png",
    ]


def test_a_wait_says_why_and_how_long(unpaced: None, service: Any, terminal: Any) -> None:
    service.script(Fault("Throttling.BurstRate", retry_after="100"))
    screen = terminal(*ARGS, env=service.env)
    wait = re.compile(r"try 2 of 5 in \d+\.\d s: The request rate rose too quickly")
    screen.until(lambda it: len(seen(it, wait)) >= 2)
    screen.child.sendintr()
    assert screen.end() == 130
    assert all(len(line) <= 80 for lines in screen.frames for line in lines)
    assert "try 2" not in screen.text


def test_a_pipe_gets_the_same_facts_as_lines(unpaced: None, service: Any) -> None:
    service.script(Fault("Throttling.BurstRate", retry_after="0"))
    run = service.generate("a fox", "--seed", "7", "--prompt-extend", "-o", "x.png")
    (row,) = service.history()
    assert still(run.stderr.splitlines()) == [
        "prompt: a fox",
        f"request: 512×512 · seed 7 · prompt_extend · {service.server.origin} · no list price",
        "The request rate rose too quickly [Throttling.BurstRate]: waiting N s (try 2 of 5)",
        f"rewritten prompt: {row['rewritten_prompt']}",
        f"reasoning: {row['reasoning']}",
        "saved x.png: 512×512 · 26 kB · N s · no list price · history 1",
    ]
    service.script(Fault("Throttling.BurstRate", retry_after="0"))
    assert service.generate("a fox", "-q").stderr == ""


def test_quiet_leaves_the_path(service: Any, terminal: Any) -> None:
    screen = terminal(*ARGS, "-o", "x.png", "--quiet", env=service.env)
    assert screen.end() == 0
    assert screen.raw == "x.png\r\n"


def test_a_path_is_a_link_where_the_terminal_knows_links(service: Any, terminal: Any) -> None:
    links = terminal(*ARGS, "-o", "狐.png", env={**service.env, "WT_SESSION": "1"})
    assert links.end() == 0
    uri = (service.work / "狐.png").as_uri()
    assert f"\x1b]8;;{uri}\x1b\\狐.png\x1b]8;;\x1b\\" in links.raw
    for env in ({}, {"WT_SESSION": "1", "TMUX": "x"}, {"WT_SESSION": "1", "FORCE_HYPERLINK": "0"}):
        plain = terminal(*ARGS, "-o", "狐.png", env={**service.env, **env})
        assert plain.end() == 0
        assert "\x1b]8" not in plain.raw


def test_where_the_path_is_piped_the_terminal_shows_it_too(service: Any, terminal: Any) -> None:
    shell = '"$@" > paths.txt'
    screen = terminal(*ARGS, "-o", "x.png", env=service.env, shell=shell)
    assert screen.end() == 0
    assert (service.work / "paths.txt").read_text() == "x.png\n"
    assert screen.lines[-2:] == [AGAIN, "x.png"]


# -- several ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 200])
def test_several_pictures_have_a_row_each(
    unpaced: None, serve: Any, terminal: Any, until_shown: Any, columns: int
) -> None:
    service = serve(log=held(until_shown), picture_bytes=None)
    service.script("ok", "DataInspectionFailed", "ok", "ok")
    args = ("a {red|blue} kite", "--expand", "--sizes", "512*512,512*768", "--seed", "7")
    screen = terminal("generate", *args, "-o", "out/", columns=columns, env=service.env)
    rows = [
        re.compile(rf"^. {number}  {name} +painting     [━─]+  \d+\.\d s$", re.MULTILINE)
        for number, name in enumerate(
            ("512×512 · …red kite", "512×768 · …red kite", "512×512 · …blue kite",
             "512×768 · …blue kite"), 1,
        )
    ]  # fmt: skip
    screen.until(lambda it: all(row.search(it.text) for row in rows))
    overall = re.compile(r"^─{26,}  0 of 4  4 painting · \d+\.\d s$", re.MULTILINE)
    screen.until(lambda it: overall.search(it.text))
    until_shown.set()
    assert screen.end() == 4
    facts = f"512×512, 512×768 · seed 7 · {service.server.origin} · no list price"
    request = card(columns, "4 pictures", "a red kite", "a blue kite", facts)
    assert screen.lines[:5] == request
    told = "\n".join(screen.lines[5:])
    saved = {str(path.relative_to(service.work)) for path in (service.work / "out").iterdir()}
    for path in saved:
        number = path.removesuffix(".png").rpartition("-")[2]
        assert "\n".join(broken(f"✓ {number}  {path}", columns)) in told
    assert len(saved) == 3
    failure = re.compile(r"^✗ [1-4]  Content moderation refused the prompt\. It ", re.MULTILINE)
    assert len(failure.findall(told)) == 1
    assert re.search(r"\n✓ 3 saved · ✗ 1 not saved · \d+\.\d s · history [\d–, ]+\nerror: ", told)
    # What moved is gone.
    assert "painting" not in told
    assert " of 4  " not in told


def test_rows_never_outnumber_the_terminal(unpaced: None, serve: Any, terminal: Any) -> None:
    shown = threading.Event()
    service = serve(log=held(shown))
    screen = terminal(*ARGS, "-n", "12", env=service.env, rows=10)
    screen.until(lambda it: re.search(r"0 of 12  1\d painting", it.text))
    assert len([line for line in screen.lines if "painting  " in line]) == 6
    shown.set()
    assert screen.end() == 0
    assert "painting" not in screen.text
    assert screen.lines[-1].startswith("✓ 12 saved · ")
    # The card is whole: nothing that moved has scrolled into what stands above it.
    assert screen.raw.count("╰") == 1


def test_many_files_in_a_pipe_are_named(unpaced: None, service: Any) -> None:
    run = service.generate("a fox", "-n", "2", "--seed", "7", "-o", "x.png")
    lines = still(run.stderr.splitlines())
    origin = service.server.origin
    assert lines[:2] == [
        "prompt: a fox",
        f"request: 2 pictures · 512×512 · seeds 7, 8 · {origin} · no list price",
    ]
    assert sorted(line.rpartition(" · ")[0] for line in lines[2:]) == [
        "saved x-2.png: 512×512 · 26 kB · N s · no list price",
        "saved x.png: 512×512 · 26 kB · N s · no list price",
    ]


def test_another_name_and_new_folders_are_said(service: Any, terminal: Any) -> None:
    run = service.generate("a fox", "-o", "a/b/kite.png")
    assert run.stderr.splitlines()[2] == "made the folder a/b"
    run = service.generate("a fox", "-o", "a/b/kite.png")
    assert "folder" not in run.stderr
    assert run.stderr.splitlines()[-1] == "kite.png exists: saved as kite-2.png"
    assert run.lines == ["a/b/kite-2.png"]
    # One level is what everybody expects.
    assert "folder" not in service.generate("a fox", "-o", "c/").stderr
    screen = terminal(*ARGS, "-o", "a/b/kite.png", "--output-dir", "d/e", env=service.env)
    assert screen.end() == 0
    assert screen.lines[-3:] == [
        "kite.png exists: saved as kite-3.png",
        AGAIN.replace("1", "4"),
        "a/b/kite-3.png",
    ]


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
    screen.until(lambda screen: "painting" in screen.text)
    # Ctrl-C throws away nothing that was written, the line that shows the cursor for example; and
    # what is typed is not shown among the lines that move.
    assert screen.local_modes == (screen.before | termios.NOFLSH) & ~termios.ECHO != screen.before
    for _ in range(3):
        screen.child.sendintr()
        screen.read()
    assert screen.end() == 130
    assert screen.left == screen.before
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
    assert stderr.decode().splitlines()[2] == word
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
    told = iter(process.stderr.readline, b"")
    assert any(line.startswith(b"saved ") for line in told)
    process.send_signal(signal.SIGINT)
    # Whoever has sent a moment ago may not have noted yet that it is painting.
    assert any(line.startswith(b"stopping: ") for line in told)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    document = json.loads(stdout)
    assert document["status"] == "partial"
    assert len(document["images"]) == 1
    assert [error["type"] for error in document["errors"]] == ["lost", "lost", "interrupted"]
    assert sorted(row["status"] for row in service.history()) == ["lost", "lost", "saved"]


def test_one_ctrl_c_saves_what_is_paid_and_sends_no_more(serve: Any) -> None:
    hold = Hold()
    service = serve(log=hold)
    process = service.popen(*ARGS, "-n", "40", "--json")
    assert service.books.wait_for(lambda books: books.post_count >= 2, 60)
    process.send_signal(signal.SIGINT)
    told = iter(process.stderr.readline, b"")
    still = rb"stopping: \d+ pictures? .*; Ctrl-C again leaves at once\n"
    assert any(re.fullmatch(still, line) for line in told)
    begun = len(service.history())
    hold.release()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    document = json.loads(stdout)
    assert document["status"] == "partial"
    assert [error["type"] for error in document["errors"]] == ["interrupted"]
    assert len(document["images"]) == service.books.billed_count == service.books.post_count
    # In that moment those of a second may have had their turn, and no row yet.
    assert service.books.post_count <= begun + 2
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


@pytest.mark.parametrize("report", ["--json", "--print-response"])
def test_what_to_do_next_is_no_part_of_a_report(service: Any, terminal: Any, report: str) -> None:
    screen = terminal(*ARGS, "-o", "x.png", report, env=service.env)
    assert screen.end() == 0
    assert "✓ saved" in screen.text
    assert "--like" not in screen.text
