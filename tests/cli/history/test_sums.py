"""`zimage history stats`, `export`, `path` and `forget` as commands."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import ROW

from zimage_cli.core.history.history import History

# Where .ci/run has installed it: the tests' own environment is another.
DATASETTE = os.environ.get("ZIMAGE_DATASETTE", "")

SUMMED = {**ROW, "bytes": 1_400_000, "elapsed_seconds": 4.25}
URL = "https://bucket.example/kite.png?Signature=secret"
ROWS: list[dict[str, Any]] = [
    {},
    {"created_at": "2001-02-04T04:05:06.000+00:00", "region": "beijing", "cost_amount": "0.10",
     "cost_currency": "CNY", "bytes": 2_000_000_000},
    {"status": "lost", "prompt": "=HYPERLINK(1)", "bytes": None},
    {"status": "failed", "prompt": 'two\n"lines", 狐', "bytes": None, "image_url": URL,
     "error": '{"message": "no"}'},
]  # fmt: skip


@pytest.fixture
def path(remembered: Any) -> Path:
    """A history of four rows."""
    return remembered(*({**SUMMED, **row} for row in ROWS))


# -- stats -------------------------------------------------------------------------------------

UTC = {"TZ": "UTC"}
UP_TO = "Up to: pictures that were lost may have been billed.\n"


def test_stats_in_a_pipe(zimage: Any, path: Path) -> None:
    run = zimage("history", "stats", env=UTC)
    assert run.stderr == UP_TO
    assert [line.split("\t") for line in run.lines] == [
        ["name", "value"],
        ["made", "2"],
        ["failed", "1"],
        ["lost", "1"],
        ["cost", "CNY 0.10, USD 0.015"],
        ["cost up to", "CNY 0.10, USD 0.03"],
        ["median", "4.25"],
        ["p95", "4.25"],
        ["bytes", "2001400000"],
    ]
    run = zimage("history", "stats", "--by", "day", env=UTC)
    assert [line.split("\t") for line in run.lines] == [
        ["day", "made", "failed", "lost", "cost", "cost up to", "median", "p95", "bytes"],
        ["2001-02-03", "1", "1", "1", "USD 0.015", "USD 0.03", "4.25", "4.25", "1400000"],
        ["2001-02-04", "1", "0", "0", "CNY 0.10", "CNY 0.10", "4.25", "4.25", "2000000000"],
    ]


def test_stats_as_json(zimage: Any, path: Path) -> None:
    document = zimage("history", "stats", "--by", "region", "--json").json
    assert list(document) == ["schema", "status", "by", "groups", "total", "errors"]
    assert document["groups"][0] == {
        "name": "singapore",
        "made": 1,
        "failed": 1,
        "lost": 1,
        "statuses": {"failed": 1, "lost": 1, "saved": 1},
        "cost": [{"currency": "USD", "amount": "0.015", "up_to": "0.030"}],
        "seconds": {"median": 4.25, "p95": 4.25},
        "bytes": 1_400_000,
    }
    assert document["total"]["made"] == 2
    assert zimage("history", "stats", "--json").json["groups"] == []
    run = zimage("history", "stats", "--since", "1d")
    assert (run.stdout, run.stderr) == ("", "None of the 4 in the history matches.\n")


def test_stats_of_nothing(zimage: Any) -> None:
    assert zimage("history", "stats").stderr == "Nothing has been made yet.\n"
    document = zimage("history", "stats", "--json").json
    assert (document["total"]["made"], document["total"]["cost"]) == (0, [])
    run = zimage("history", "stats", "--by", "dya", "--json", status=2)
    assert run.json["errors"][0]["nearest"] == "day"
    assert run.json["groups"] == []


FACTS = """\
made    2
failed  1
lost    1
cost    CNY 0.10, up to USD 0.03
median  4.2 s
p95     4.2 s
bytes   2.0 GB
"""
NARROW = """\
day         made  failed  lost                      cost  median
──────────────────────────────────────────────────────────────────────────────
2001-02-03     1       1     1            up to USD 0.03   4.2 s  ━━━━━━━━━━━━
2001-02-04     1       0     0                  CNY 0.10   4.2 s  ━━━━━━━━━━━━
all            2       1     1  CNY 0.10, up to USD 0.03   4.2 s
"""
WIDE = """\
month    made  failed  lost                      cost  median    p95   bytes
──────────────────────────────────────────────────────────────────────────────────────────
2001-02     2       1     1  CNY 0.10, up to USD 0.03   4.2 s  4.2 s  2.0 GB  ━━━━━━━━━━━━
all         2       1     1  CNY 0.10, up to USD 0.03   4.2 s  4.2 s  2.0 GB
"""


@pytest.mark.parametrize(
    ("by", "columns", "expected"),
    [([], 80, FACTS), (["--by", "day"], 80, NARROW), (["--by", "month"], 120, WIDE)],
)
def test_stats_on_a_terminal(
    path: Path, terminal: Any, by: list[str], columns: int, expected: str
) -> None:
    screen = terminal("history", "stats", *by, columns=columns, env=UTC)
    assert screen.end() == 0
    assert screen.text + "\n" == expected + UP_TO


# -- export and path ---------------------------------------------------------------------------


def test_export(zimage: Any, path: Path, work: Path) -> None:
    run = zimage("history", "export", "-o", "all.jsonl")
    assert (run.lines, run.stderr) == ([str(work / "all.jsonl")], "4 entries written\n")
    text = (work / "all.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [one["id"] for one in records] == [1, 2, 3, 4]
    assert records[3]["prompt"] == ROWS[3]["prompt"]
    assert records[3]["image_url"] == "https://bucket.example/kite.png"
    assert records[3]["error"] == {"message": "no"}
    assert "secret" not in text
    assert not {"owner", "claim", "pid", "folded"} & records[0].keys()
    if sys.platform != "win32":
        assert (work / "all.jsonl").stat().st_mode & 0o077 == 0
    # The same on the standard output; filters are those of the search.
    assert zimage("history", "export", "-o", "-", "--format", "jsonl").stdout == text
    run = zimage("history", "export", "-hyperlink", "fox", "--region", "beijing", "-o", "b.CSV")
    assert run.stderr == "1 entry written\n"
    assert zimage("history", "export", "wolf", "-o", "none.jsonl", "--json").json == {
        "schema": 1,
        "status": "ok",
        "path": str(work / "none.jsonl"),
        "entries": 0,
        "errors": [],
    }
    assert (work / "none.jsonl").read_bytes() == b""


def test_a_spreadsheet_runs_no_prompt(zimage: Any, path: Path, work: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE generation SET prompt = '＝1', path = '-' WHERE id = 2")
    zimage("history", "export", "-o", "all.csv")
    with (work / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt"] for row in rows] == [
        *("a fox in snow", "'＝1", "'=HYPERLINK(1)", 'two\n"lines", 狐')
    ]
    assert rows[1]["path"] == "-"
    assert (rows[0]["seed"], rows[0]["prompt_extend"], rows[0]["path"]) == ("7", "false", "")
    assert json.loads(rows[3]["error"]) == {"message": "no"}


def test_export_replaces_nothing_unasked(zimage: Any, path: Path, work: Path) -> None:
    (work / "a.csv").write_text("mine")
    run = zimage("history", "export", "-o", "a.csv", status=2)
    assert run.stderr == f"error: {work / 'a.csv'} exists.\n  next: To replace it: --overwrite\n"
    assert (work / "a.csv").read_text() == "mine"
    zimage("history", "export", "-o", "a.csv", "--overwrite")
    assert (work / "a.csv").read_text("utf-8").startswith("id,status,")
    assert [one.name for one in work.iterdir()] == ["a.csv"]


def test_what_a_killed_export_left_goes_with_the_next(zimage: Any, path: Path, work: Path) -> None:
    (work / ".zimage-0123456789ab.part").write_text("half")
    zimage("history", "export", "-o", "a.csv")
    assert [one.name for one in work.iterdir()] == ["a.csv"]


PRESSED = """
import signal, sys

def follow(frame, event, called):
    if (
        event == "c_return"
        and called.__name__ == {after!r}
        and frame.f_globals["__name__"] == "zimage_cli.core.history.export"
    ):
        sys.setprofile(None)
        signal.raise_signal({number})

sys.setprofile(follow)
"""


@pytest.mark.parametrize(
    ("after", "number", "status", "said"),
    [
        ("encode", signal.SIGINT, 130, "interrupted\n"),
        ("encode", signal.SIGTERM, 143, "terminated\n"),
        ("fsync", signal.SIGINT, 0, "4 entries written\n"),
    ],
    ids=["Ctrl-C after a line", "SIGTERM after a line", "too late: all is on disk, without a name"],
)
def test_a_signal_leaves_a_whole_export_or_nothing(
    after: str, number: int, status: int, said: str, zimage: Any, path: Path, work: Path, shim: Any
) -> None:
    pressed = shim(PRESSED.format(after=after, number=int(number)))
    run = zimage("history", "export", "-o", "a.csv", env=pressed, status=status)
    assert run.stderr == said
    assert [*work.iterdir()] == [work / "a.csv"] * (status == 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "zimage history export: --output is missing."),
        (["-o", ""], "zimage history export: --output is missing."),
        (["-o", "x.png"], "--output: x.png does not tell the format"),
        (["-o", "-"], "--output: - does not tell the format"),
        (["-o", "x.txt", "--format", "json"], '--format: "json" is not allowed; allowed: jsonl, '),
        (["-o", "no/x.csv"], "no/x.csv cannot be written: no such file or directory."),
        (["-o", "-", "--format", "csv", "--json"], "--json and -o - both write to the standard "),
    ],
)
def test_what_cannot_be_exported(
    zimage: Any, path: Path, work: Path, words: list[str], said: str
) -> None:
    run = zimage("history", "export", *words, status=2)
    assert said in run.stderr.splitlines()[0].replace(f"{work}{os.sep}", "")
    assert list(work.iterdir()) == []


def test_path(zimage: Any, home: Path, path: Path) -> None:
    assert zimage("history", "path").stdout == f"{path}\n"
    document = zimage("history", "path", "--json").json
    assert (document["path"], document["exists"]) == (str(path), True)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM generation").fetchone() == (4,)


def test_datasette_shows_it(zimage: Any, path: Path) -> None:
    """`datasette "$(zimage history path)"`, also while zimage has it open."""
    if not DATASETTE and not importlib.util.find_spec("datasette"):
        pytest.skip("datasette is not installed")
    with closing(History(path)):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "datasette", zimage("history", "path").lines[0]),
                *("--get", "/history/generation.json?_shape=array&_sort=id"),
            ],
            env={**os.environ, "PYTHONPATH": DATASETTE},
            capture_output=True,
            check=True,
            timeout=60,
        )
    rows = json.loads(run.stdout)
    assert [row["prompt"] for row in rows] == [{**SUMMED, **row}["prompt"] for row in ROWS]


# -- forget ------------------------------------------------------------------------------------


def test_forget(service: Any) -> None:
    for _ in range(4):
        service.generate("a fox")
    run = service("history", "forget", "1", status=2)
    assert run.stderr == (
        "error: 1 picture will be deleted from the history; files stay. Nothing was forgotten.\n"
        "  next: Add --yes to agree beforehand.\n"
    )
    assert len(service.history()) == 4
    files = service.pictures()
    run = service("history", "forget", "1", service.history()[1]["path"], "--yes")
    assert run.stderr == (
        "2 pictures forgotten. The files stay: pictures, evidence, and what a batch wrote.\n"
    )
    assert [row["id"] for row in service.history()] == [3, 4]
    assert service.pictures() == files
    document = service("history", "forget", "last:2", "-y", "--json").json
    assert document == {"schema": 1, "status": "ok", "forgotten": 2, "errors": []}
    run = service("history", "forget", "1", "--json", status=2)
    assert run.json["forgotten"] == 0
    # An id is not given twice.
    service.generate("a fox")
    assert [row["id"] for row in service.history()] == [5]


def test_what_is_lost_with_a_row_is_told(unpaced: None, service: Any, prompts: Any) -> None:
    service.script("picture-expired")
    service.generate("a fox", status=8)
    service.script("DataInspectionFailed")
    service("batch", prompts(1), "--size", "512x512", status=9)
    run = service("history", "forget", "1-2", "--yes")
    assert run.stderr.splitlines()[:2] == [
        (
            "warning: history 1: made, billed and not saved; without the history it cannot be "
            "recovered."
        ),
        "warning: history 2: of a batch; the same batch run again may make and pay it once more.",
    ]


def test_what_cannot_be_forgotten_any_more_is_told_in_one_document(zimage: Any, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        # As if another process had changed it: it is not deleted.
        db.execute(
            "CREATE TRIGGER other BEFORE DELETE ON generation WHEN old.id = 2 "
            "BEGIN SELECT RAISE(IGNORE); END"
        )
    for refs, status, forgotten in (("1-3", "partial", 2), ("2", "error", 0)):
        run = zimage("history", "forget", refs, "--yes", "--json", status=2)
        assert (run.json["status"], run.json["forgotten"]) == (status, forgotten)
        [error] = run.json["errors"]
        assert "1 of " in error["message"]
        assert run.stderr.startswith("error: 1 of ")


@pytest.mark.parametrize(("key", "left"), [("n", 4), ("y", 3)])
def test_forget_asks(path: Path, terminal: Any, key: str, left: int) -> None:
    screen = terminal("history", "forget", "2")
    screen.until(lambda screen: "Go on? [y/N]:" in screen.text, 60)
    screen.child.send(f"{key}\r")
    assert screen.end(60) == (0 if key == "y" else 130)
    assert ("Nothing was forgotten." in screen.text) is (key == "n")
    with closing(History(path)) as book:
        assert book.count() == left
