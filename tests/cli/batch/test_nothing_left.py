"""A batch that does not begin leaves nothing behind, and takes nothing away that was there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

FAST = ("--rps", "0", "--size", "512*512", "--no-evidence")
KEY = {"DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"}
NOWHERE = {**KEY, "HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
LOCK = ".zimage-batch.lock"
ASKS = ("--patience", "0", "--rps", "0")


@pytest.fixture
def eleven(prompts: Any) -> str:
    """A file that costs more than is spent without a question."""
    return str(prompts(11))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("lines", "args", "env", "status"),
    [
        (["", '{"prompt": ""}'], ("-o", "a/b/c"), NOWHERE, 2),
        (["kite"] * 11, ("-o", "a/b/c"), NOWHERE, 2),
        (["kite"] * 11, (), NOWHERE, 2),
        (["kite"] * 11, ("-o", "a/b/c", "--yes", "--max-cost", "1"), NOWHERE, 2),
        (["kite"], ("-o", "a/b/c"), {}, 3),
        (["kite"], ("-o", "a/b/c", "--fresh"), {}, 3),
        (["kite"], ("-o", "a/b/c", "--size", "1*1"), NOWHERE, 2),
    ],
    ids=["invalid", "unasked", "unasked, no -o", "too much", "no key", "no key, fresh", "size"],
)
def test_refused(
    lines: list[str],
    args: tuple[str, ...],
    env: dict[str, str],
    status: int,
    zimage: Any,
    work: Path,
) -> None:
    file = "lines.jsonl" if lines[-1].startswith("{") else "lines.txt"
    (work / file).write_text("".join(f"{line}\n" for line in lines))
    zimage("batch", file, *args, env=env, status=status)
    assert names(work) == {file}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
@pytest.mark.parametrize("answer", ["n\r", "\x03"], ids=["no", "Ctrl-C"])
def test_declined(answer: str, eleven: str, terminal: Any, work: Path) -> None:
    (work / "there").mkdir()
    screen = terminal("batch", eleven, "-o", "there/new/newer", *ASKS, env=NOWHERE)
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    assert names(work / "there") == {"new", "new/newer", f"new/newer/{LOCK}"}
    screen.child.send(answer)
    assert screen.end() == 130
    assert names(work) == {eleven, "there"}


def test_what_was_there_stays(zimage: Any, service: Any, eleven: str, work: Path) -> None:
    empty, own, used = work / "empty", work / "own", work / "used"
    empty.mkdir()
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    (work / "one.txt").write_text("kite\n")
    service("batch", "one.txt", "-o", "used", *FAST)
    before = {path: path.read_bytes() for path in used.iterdir()}
    assert {LOCK, "results.jsonl"} <= {path.name for path in before}
    for folder in (empty, own, used):
        zimage("batch", eleven, "-o", str(folder), *ASKS, env=NOWHERE, status=2)
    assert names(empty) == set()
    assert names(own) == {"notes.txt"}
    assert {path: path.read_bytes() for path in used.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_another_batch_in_the_same_folder_is_left_alone(
    zimage: Any, service: Any, terminal: Any, eleven: str, work: Path
) -> None:
    screen = terminal("batch", eleven, "-o", "a/b", *ASKS, env=NOWHERE)
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    other = ("batch", eleven, "-o", "a/b", *FAST)
    assert "another zimage batch is writing to a/b" in service(*other, status=2).stderr
    assert names(work / "a") == {"b", f"b/{LOCK}"}
    screen.child.send("n\r")
    assert screen.end() == 130
    assert names(work) == {eleven}
    service(*other)
    assert len(list((work / "a" / "b").glob("*.png"))) == 11


def test_a_dry_run_leaves_nothing(zimage: Any, eleven: str, work: Path) -> None:
    zimage("batch", eleven, "-o", "a/b", "--dry-run", env=NOWHERE)
    assert names(work) == {eleven}


def test_a_wrong_size_is_told_once(zimage: Any, eleven: str, work: Path) -> None:
    wrong = '"3000*3000" is 9,000,000 pixels'
    result = zimage("batch", eleven, "--size", "3000*3000", env=NOWHERE, status=2)
    assert result.stderr.count(wrong) == 1
    lines = [{"prompt": f"kite {number}", "size": "3000*3000"} for number in range(4)]
    (work / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = zimage("batch", "lines.jsonl", env=NOWHERE, status=2)
    assert result.stderr.count(wrong) == 1
    assert result.stderr.startswith("lines 1, 2, 3, 4: size: ")
    result = zimage("generate", "a kite", "--size", "3000*3000", env=NOWHERE, status=2)
    assert result.stderr.count(wrong) == 1
