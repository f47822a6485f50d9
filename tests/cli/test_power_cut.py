"""What a power cut finds on the disk: seen in the order of system calls, as no test can cut it."""

from __future__ import annotations

import ast
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CALLS = "?link,linkat,fsync,fdatasync,pwrite64"
_LINE = re.compile(r"(\d+) +(\w+)\((.*?)(?:\) += (-?\d+)(.*)| <unfinished \.\.\.>)$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>.*\) += (-?\d+)")
_SAVED_ROW = re.compile(rb"saved20.{56}.{1,20}?(view \d+)!", re.DOTALL)
"""The status of a row, two times, the process and the prompt, as SQLite has them in a page."""


@dataclass
class Call:
    """A system call that succeeded: it began at one line of the trace and ended at another."""

    name: str
    args: str
    began: int
    ended: int


@pytest.fixture
def trace(zimage: Any, tmp_path: Path) -> Callable[..., list[Call]]:
    """Run the command under strace and return its calls; skips where nothing may be traced."""
    strace = shutil.which("strace")
    probe = [strace or "", "-f", "-o", str(tmp_path / "probe"), "true"]
    if strace is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("strace is missing, or may not trace here")

    def run(*args: str) -> list[Call]:
        log = tmp_path / "trace"
        command = [strace, "-f", "-y", "-s", "65536", "-e", f"trace={CALLS}", "-o", str(log)]
        done = subprocess.run(
            [*command, *zimage.command, *args],
            env=zimage.environment(),
            cwd=zimage.cwd,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return calls(log.read_text("utf-8", "surrogateescape"))

    return run


def calls(log: str) -> list[Call]:
    found: list[Call] = []
    open_calls: dict[str, Call] = {}
    for number, line in enumerate(log.splitlines()):
        if begun := _LINE.match(line):
            thread, name, args, result = begun[1], begun[2], begun[3], begun[4]
            call = Call(name, args, number, number)
            if result is None:
                open_calls[thread] = call
            elif int(result) >= 0:
                found.append(call)
        elif (resumed := _RESUMED.match(line)) and resumed[1] in open_calls:
            call = open_calls.pop(resumed[1])
            call.ended = number
            if int(resumed[3]) >= 0:
                found.append(call)
    return found


def links(found: list[Call]) -> dict[str, Call]:
    """Return the calls that gave pictures their names, by `view N`."""
    named = {}
    for call in found:
        if call.name.startswith("link") and (view := re.search(r"view-(\d+)", call.args)):
            named[f"view {view[1]}"] = call
    return named


def saved_rows(found: list[Call]) -> dict[str, Call]:
    """Return the first write to the history's log that says `saved`, by `view N`."""
    rows: dict[str, Call] = {}
    for call in found:
        if call.name == "pwrite64" and "history.db-wal>" in call.args:
            data = call.args.partition('"')[2].rpartition('"')[0]
            for view in _SAVED_ROW.findall(ast.literal_eval(f'b"{data}"')):
                rows.setdefault(view.decode(), call)
    return rows


def syncs(found: list[Call], folder: Path) -> list[Call]:
    return [call for call in found if call.name == "fsync" and f"<{folder}>" in call.args]


def check_order(found: list[Call], pictures: int, folder: Path, work: Path) -> None:
    named, rows, synced = links(found), saved_rows(found), syncs(found, folder)
    assert len(named) == len(rows) == pictures
    for view, row in rows.items():
        link = named[view]
        assert [s for s in synced if link.ended < s.began and s.ended < row.began], view
    # Every folder that was made on the way stands in the one above it before any row says saved.
    first, above = min(row.began for row in rows.values()), folder.parent
    while above != work.parent:
        assert [s for s in syncs(found, above) if s.ended < first], above
        above = above.parent


def test_a_picture_s_name_is_on_disk_before_history_says_saved(
    trace: Callable[..., list[Call]], work: Path
) -> None:
    found = trace(
        *("generate", "a lake, view 1!", "--sandbox", "--size", "512*512", "--no-evidence"),
        *("-o", "new/deep/"),
    )
    check_order(found, 1, work / "new" / "deep", work)


def test_so_is_every_picture_s_of_a_batch(
    trace: Callable[..., list[Call]], work: Path, config_file: Path
) -> None:
    lines = [f'{{"prompt": "a lake, view {n}!", "output": "sub/view-{n}.png"}}' for n in range(12)]
    (work / "lines.jsonl").write_text("\n".join(lines))
    found = trace(
        *("batch", "lines.jsonl", "--sandbox", "--size", "512*512", "-o", "new", "--no-evidence")
    )
    folder = work / "new" / "sub"
    check_order(found, 12, folder, work)
    assert len(syncs(found, folder)) <= 12


def test_what_a_merge_has_taken_is_on_disk_at_its_end(
    trace: Callable[..., list[Call]], zimage: Any, work: Path
) -> None:
    lines = [f'{{"prompt": "a lake", "output": "view-{n}.png"}}' for n in range(3)]
    (work / "lines.jsonl").write_text("\n".join(lines))
    batch = ("batch", "lines.jsonl", "--size", "512*512")
    zimage(*batch, "--sandbox", "-o", "shard", "--no-evidence")
    found = trace(*batch, "--merge", "shard", "-o", "all")
    named, folder = links(found), work / "all"
    assert len(named) == 3
    for path in (folder, folder / "results.jsonl"):
        assert max(call.ended for call in named.values()) < syncs(found, path)[-1].began


def test_so_is_one_that_recover_finds_in_its_place(
    trace: Callable[..., list[Call]], zimage: Any, home: Path, work: Path
) -> None:
    zimage(
        *("generate", "a lake, view 1!", "--sandbox", "--size", "512*512", "--no-evidence"),
        *("-o", "out/"),
    )
    (history,) = home.rglob("history.db")
    with closing(sqlite3.connect(history)) as db, db:
        # As a process leaves it that is killed in the instant after the picture got its name.
        db.execute("UPDATE generation SET status = 'made', region = 'beijing', path = NULL")
    db.close()
    found = trace("history", "recover")
    (row,) = saved_rows(found).values()
    assert [sync for sync in syncs(found, work / "out") if sync.ended < row.began]
