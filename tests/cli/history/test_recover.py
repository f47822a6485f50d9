"""What `zimage history recover` shows: on a terminal of 80 and of 200 columns, and at Ctrl-C."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len, chop_cells

from zimage_cli.sandbox.faults import Fault

PROMPTS = ("a red kite over the sea", "a fox in the snow", "渔舟唱晚，夕阳西下，归帆点点", "a lake")


@pytest.fixture
def unsaved(unpaced: None, serve: Any, png: bytes, home: Path) -> Any:
    """A service with pictures that were not saved: two can be had, one is refused, one too old.

    Each of them takes two seconds to come.
    """
    service = serve(bandwidth=len(png) // 2)
    once, ever = Fault("picture-expired", count=1), Fault("picture-expired")
    for prompt, fault in zip(PROMPTS, (once, ever, once, once), strict=True):
        service.script(fault)
        service.generate(prompt, "--seed", "1", "-o", "pics/", status=8)
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        # The others at one time: however long it took to make them, it is the same minute.
        made = "UPDATE generation SET answered_at = datetime('now', ?) WHERE id = 4 OR ?"
        db.execute(made, ("-1 minutes", True))
        db.execute(made, ("-1470 minutes", False))
    return service


def folded(path: str, columns: int) -> list[str]:
    """Return a path as a terminal shows it: broken where its line is full, and nowhere else."""
    return chop_cells(path, columns)


def escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def saved(service: Any, name: str) -> str:
    [path] = (service.work / "pics").glob(f"*-{name}*.png")
    return str(path)


@pytest.mark.parametrize("columns", [80, 200])
def test_the_whole_show(unsaved: Any, terminal: Any, columns: int) -> None:
    screen = terminal("history", "recover", columns=columns, env=unsaved.env)
    assert screen.end() == 8
    failure = (
        "error: history 2, a fox in the snow: The picture was made and is not saved. The",
        "  picture's host answered HTTP 403. The address has expired or its signature was",
        "  refused. It is over: zimage history recover offers it no more.",
    )
    wide = (
        f"{failure[0]} {failure[1].strip()} {failure[2].strip()}".partition(" recover offers")[0],
        "  recover offers it no more.",
    )
    assert screen.lines == [
        "✓ history 1, a red kite over the sea",
        *folded(saved(unsaved, "a-red-kite"), columns),
        *(failure if columns == 80 else wide),
        "  next: To pay for another: zimage generate --like 2",
        "✓ history 3, 渔舟唱晚，夕阳西下，归帆点点",
        *folded(saved(unsaved, "渔舟唱晚"), columns),
        "history 4, a lake: over 24 h old: the service has dropped it",
        "2 of 4 recovered, 2 are over.",
    ]
    # What comes, and how much of it, in the last line alone and never as wide as the terminal.
    moving = [frame[-1] for frame in screen.frames if frame and " of 3  " in frame[-1]]
    line = r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] {} of 3  {}  [━╸─]{{24}}  \d+ k?B of 25 kB"
    assert any(re.fullmatch(line.format(1, "a red kite over the sea"), text) for text in moving)
    assert any(re.fullmatch(line.format(3, "渔舟唱晚，.*"), text) for text in moving)
    assert all(cell_len(text) < columns for text in moving)
    assert not any(" of 3  " in text for frame in screen.frames for text in frame[:-1])
    assert not screen.screen.cursor.hidden
    # Nothing more is offered, and nothing was paid for it.
    run = unsaved("history", "recover", "--dry-run")
    assert [line.partition("\t")[0] for line in run.lines] == ["id", "4"]
    assert unsaved.books.post_count == len(PROMPTS)


@pytest.mark.parametrize("columns", [80, 200])
def test_what_can_be_recovered(unsaved: Any, terminal: Any, columns: int) -> None:
    screen = terminal("history", "recover", "--dry-run", columns=columns, env=unsaved.env)
    assert screen.end() == 0
    left = re.search(r"23 h 5\d min more", screen.text)
    assert left
    assert screen.lines == [
        "id  state                                      prompt",
        "─" * 75,
        f" 1  can be fetched for {left[0]}        a red kite over the sea",
        f" 2  can be fetched for {left[0]}        a fox in the snow",
        f" 3  can be fetched for {left[0]}        渔舟唱晚，夕阳西下，归帆点点",
        " 4  over 24 h old: the service has dropped it  a lake",
    ]
    assert unsaved("history", "recover", "--dry-run").stdout == (
        "id\tstate\tprompt\n"
        f"1\tcan be fetched for {left[0]}\ta red kite over the sea\n"
        f"2\tcan be fetched for {left[0]}\ta fox in the snow\n"
        f"3\tcan be fetched for {left[0]}\t渔舟唱晚，夕阳西下，归帆点点\n"
        "4\tover 24 h old: the service has dropped it\ta lake\n"
    )


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_without_colour(unsaved: Any, terminal: Any, env: dict[str, str]) -> None:
    screen = terminal("history", "recover", columns=120, env={**unsaved.env, **env})
    assert screen.end() == 8
    assert screen.lines[-1] == "2 of 4 recovered, 2 are over."
    assert "\x1b[3" not in screen.raw
    if "TERM" in env:
        assert "\x1b" not in screen.raw


def test_a_console_that_has_only_ascii(unsaved: Any, terminal: Any) -> None:
    env = {**unsaved.env, "PYTHONIOENCODING": "ascii"}
    screen = terminal("history", "recover", columns=80, env=env)
    assert screen.end() == 8
    signs = [line for line in screen.lines if line.startswith(("+", "history", "2 of"))]
    assert signs == [
        "+ history 1, a red kite over the sea",
        "+ history 3, " + escaped("渔舟唱晚，夕阳西下，归帆点点")[:67],
        "history 4, a lake: over 24 h old: the service has dropped it",
        "2 of 4 recovered, 2 are over.",
    ]
    # A prompt in escapes is wider, and its line still fits.
    moving = [frame[-1] for frame in screen.frames if frame and " of 3  " in frame[-1]]
    assert any(escaped("渔舟") in text for text in moving)
    assert not any(" of 3  " in text for frame in screen.frames for text in frame[:-1])
    assert screen.raw.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("by_name", [False, True])
def test_ctrl_c_tells_what_was_recovered_and_what_is_left(
    unpaced: None, serve: Any, png: bytes, terminal: Any, by_name: bool
) -> None:
    service = serve(bandwidth=len(png) // 3)
    for seed in "123":
        service.script(Fault("picture-expired", count=1))
        service.generate(f"fox {seed}", "--seed", seed, "-o", "pics/", status=8)
    ids = ("1", "2", "3") if by_name else ()
    screen = terminal("history", "recover", *ids, env=service.env)
    # The first is saved when the second is asked for.
    screen.until(lambda now: "2 of 3  fox 2" in now.text, timeout=60)
    screen.child.sendintr()
    assert screen.end() == 130
    left = " 2 3" if by_name else ""
    assert [line.replace("^C", "") for line in screen.lines] == [
        "✓ history 1, fox 1",
        *folded(saved(service, "fox-1"), 80),
        "interrupted",
        f"  1 of 3 recovered; 2 left: zimage history recover{left}",
    ]
    assert not screen.screen.cursor.hidden
    assert len(service("history", "recover", *left.split()).lines) == 2


def test_a_batch_gives_up_what_storage_has_given_up(service: Any, work: Path) -> None:
    service.script("picture-expired")
    (work / "p.txt").write_text("a kite\n")
    args = ("batch", "p.txt", "-o", "out", "--json", "--rps", "0", "--size", "512*512")
    found = []
    for _ in range(3):
        run = service(*args, status=9)
        record, _summary = (json.loads(line) for line in run.lines)
        found.append((record["status"], record["billed"], record.get("reason")))
    assert found == [
        ("made", "yes", None),
        ("lost", "yes", None),
        ("skipped", "yes", "lost before, may be billed: --retry-lost"),
    ]
    assert "Nothing to recover" in service("history", "recover").stderr
    assert service.books.post_count == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_ctrl_c_ends_it_where_nobody_takes_the_results(
    unsaved: Any, terminal: Any, work: Path
) -> None:
    # Its reader takes nothing, and the pipe is full.
    (work / "full.py").write_text(
        "import os, sys\n"
        "reading, writing = os.pipe()\n"
        "os.set_blocking(writing, False)\n"
        "try:\n"
        "    while os.write(writing, bytes(4096)):\n"
        "        pass\n"
        "except BlockingIOError:\n"
        "    os.set_blocking(writing, True)\n"
        "os.dup2(writing, 1)\n"
        "os.set_inheritable(reading, True)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    shell = f'exec "$1" {work / "full.py"} "$@"'
    screen = terminal("history", "recover", shell=shell, env=unsaved.env)
    screen.until(lambda now: "✓ history 1" in now.text, timeout=60)
    # By now it has tried to draw while the result is written.
    time.sleep(0.5)
    screen.child.sendintr()
    assert screen.end(timeout=60) == 130
    assert screen.lines[-1] == "  1 of 3 recovered; 2 left: zimage history recover"
