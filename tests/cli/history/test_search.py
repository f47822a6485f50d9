"""`zimage history WORDS…`: what is found, how it is shown, and what is said of wrong words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from zimage_cli.core.history.query import STATUSES, TIMES

ROWS: list[dict[str, Any]] = [
    {"path": "/pictures/a.png"},
    {"path": "/pictures/b\nc.png", "prompt": "a fox at night"},
    {"path": "-", "prompt": "a red kite"},
    {"status": "lost", "prompt": "limit -night"},
]


@pytest.fixture
def search(zimage: Any, remembered: Any) -> Callable[..., Any]:
    """`zimage history …` in a history of four rows."""
    remembered(*ROWS)

    def search(*words: str, **how: Any) -> Any:
        return zimage("history", *words, **how)

    return search


def ids(run: Any) -> list[int]:
    return [int(line.split("\t")[0]) for line in run.lines[1:]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["fox"], [2, 1]),
        (["list", "fox"], [2, 1]),
        (["fox", "-night"], [1]),
        (["-night", "fox"], [1]),
        (["-fox", "-kite"], [4]),
        (["fox at night"], [2]),
        (["--", "-night"], [4]),
        (["list", "a", "--", "-night"], []),
        (['-"limit"', "a"], [3, 2, 1]),
        (["fox", "--until", "2001-02-03", "-l", "1"], [2]),
        (["-l1", "fox"], [2]),
        (["--limit=1", "-kite", "fox"], [2]),
        (["--since", "7d"], []),
        (["--status", "lost", "--status", "made"], [4]),
        (["-r", "ap-southeast-1", "-s", "1:1", "--seed", "7", "kite"], [3]),
        (["--region", "sandbox"], []),
        (["--seed", "8"], []),
    ],
)
def test_what_is_found(search: Any, words: list[str], found: list[int]) -> None:
    assert ids(search(*words)) == found
    words = words[words[:1] == ["list"] :]
    entries = search("list", "--json", *words).json["entries"]
    assert [entry["id"] for entry in entries] == found


def test_how_many_match_is_told(search: Any) -> None:
    assert search("fox").stderr == "2 of 4 match, newest first\n"
    run = search("fox", "-l", "1")
    assert run.stderr == "2 of 4 match, newest first; 1 of them shown, --limit N for more\n"
    run = search("wolf")
    assert (run.stdout, run.stderr) == ("", "None of the 4 in the history matches.\n")
    assert search("wolf", "--json").json["entries"] == []
    run = search("shwo", "1")
    assert run.stderr.splitlines()[1] == "Did you mean the command zimage history show?"


def test_paths(search: Any) -> None:
    run = search("fox", "--paths")
    assert run.stdout == "/pictures/b\nc.png\n/pictures/a.png\n"
    assert run.stderr == "2 of 4 match, newest first\n"
    run = search("--paths", "-0")
    assert run.stdout == "/pictures/b\nc.png\0/pictures/a.png\0"
    # What went to the standard output has none.
    assert search("kite", "--paths").stdout == ""
    assert search("--paths", "--null", "-l", "1").stdout == "/pictures/b\nc.png\0"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_goes_away_is_no_error(search: Any, zimage: Any) -> None:
    # Gone before it begins: what it prints would have room in the pipe.
    reading, writing = os.pipe()
    os.close(reading)
    with zimage.popen("history", "--paths", "-0", stdout=writing) as process:
        os.close(writing)
        assert process.wait(60) == 141


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-json"], "-json leaves out what has the word json. Did you mean --json?"),
        (["-limit", "5"], "-limit leaves out what has the word limit. Did you mean --limit?"),
        (["—limit", "5"], "'—limit' begins with a long dash: an option begins with hyphens."),
        (["fox", "--limt", "5"], "zimage history list has no option --limt. Did you mean --limit?"),
        ([""], 'A word to look for has 1 to 8,000 characters; "" has not.'),
        (["-0"], "-0 belongs to --paths."),
        (["--paths", "--json"], "--paths and --json contradict each other: give only one"),
        (
            ["--since", "yesterdy"],
            f'--since: "yesterdy" is no time; allowed: {TIMES}. Did you mean yesterday?',
        ),
        (["--since", "1d", "--until", "2d"], "Nothing is both since 1d and until 2d."),
        (
            ["--status", "savd"],
            f'--status: "savd" is not allowed; allowed: {", ".join(STATUSES)}. Did you mean saved?',
        ),
        (
            ["--region", "tokyo"],
            '--region: "tokyo" is not allowed; allowed: beijing, singapore, sandbox, custom',
        ),
        (["--seed", "-1"], "--seed: -1 is not allowed; allowed: 0 … 2,147,483,647"),
        (["--batch", "x"], '--batch: the history has no batch in the folder "x".'),
        (["-l", "0"], "--limit: 0 is not allowed; allowed: 1 … 1,000,000"),
    ],
)
def test_wrong_words(search: Any, words: list[str], said: str) -> None:
    run = search(*words, status=2)
    assert run.stderr.splitlines()[0] == f"error: {said}"
    assert run.stdout == "" or run.json["entries"] == []


def test_a_batch_is_found_by_its_folder(unpaced: None, service: Any, prompts: Any) -> None:
    service("batch", prompts(2), "--size", "512x512", "-o", "here")
    service.generate("a kite")
    run = service("history", "--batch", "here")
    assert ids(run) == [2, 1]
    name = service("history", "show", "1", "--json").json["entry"]["batch"]
    assert ids(service("history", "--batch", name)) == [2, 1]
    assert service("history", "--batch", "here", "--paths", "kite").lines == [
        entry["path"] for entry in service.history()[1::-1]
    ]


def test_show_recover_and_search_take_files(service: Any) -> None:
    service.generate("a fox", "-o", "fox.jpg")
    service.generate("a kite", "-o", "kite.webp")
    (service.work / "fox.jpg").replace(service.work / "moved.png")
    # Another program has written at its end.
    with (service.work / "moved.png").open("ab") as file:
        file.write(b"more")
    shown = service("history", "show", "moved.png", "--json").json["entry"]
    assert (shown["id"], shown["prompt"]) == (1, "a fox")
    many = service("history", "show", "1-9", "--json").json
    assert [entry["id"] for entry in many["entries"]] == [1, 2]
    assert "entry" not in many
    text = service("history", "show", "last:2").stdout
    assert [part.splitlines()[1] for part in text.split("\n\n")] == ["id\t1", "id\t2"]
    run = service("history", "recover", "moved.png", status=2)
    assert "nothing to recover under 1" in run.stderr
    run = service("history", "show", "other.png", "--json", status=2)
    assert json.loads(run.stdout)["errors"][0]["field"] == "REF"


SCREEN = """\
id        when  status   size       seed       cost  file      prompt
─────────────────────────────────────────────────────────────────────────────
 2  2001-02-03  ✓ saved  1024×1024     7  USD 0.015  b\\nc.png  a fox at night
 1  2001-02-03  ✓ saved  1024×1024     7  USD 0.015  a.png     a fox in snow
2 of 4 match, newest first"""


def test_on_a_terminal(search: Any, terminal: Any) -> None:
    screen = terminal("history", "fox", columns=80, env={"TZ": "UTC"})
    assert screen.end() == 0
    assert screen.text == SCREEN
