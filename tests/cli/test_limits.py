"""A system that gives little memory, few threads or few files: nothing paid is forgotten."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("POSIX limits", allow_module_level=True)

import resource

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        *((resource.RLIMIT_AS, mib * MIB) for mib in (60, 90, 120, 150, 180, 210, 240, 300)),
        *((resource.RLIMIT_NOFILE, files) for files in (6, 8, 10, 12, 14, 16, 24)),
        *((resource.RLIMIT_FSIZE, size) for size in (0, 1000, 40_000)),
    ],
)
def test_a_picture_under_a_limit(unpaced: None, serve: Any, what: int, limit: int) -> None:
    """Each limit is met somewhere else on the way; what is billed has a row, and no row is open."""
    service = serve()
    process = service.popen(
        *("generate", "fox", "--size", "512x512", "--retries", "0", "--json", "-o", "fox.png"),
        preexec_fn=lambda: resource.setrlimit(what, (limit, limit)),
    )
    stdout, stderr = process.communicate(timeout=60)
    assert b"bug" not in stderr, stderr
    assert process.returncode != 1, stderr
    posts = service.books.post_count
    try:
        rows = [row["status"] for row in service.history()]
    except sqlite3.OperationalError as error:
        # It had no file left to make the tables with.
        assert "no such table" in str(error)
        rows = []
    saved = (service.work / "fox.png").exists()
    assert saved == (process.returncode == 0)
    if process.returncode == 0:
        assert rows == ["saved"]
        assert json.loads(stdout)["status"] == "ok"
    elif posts:
        # Recoverable, told as lost, or the address itself: nothing in between.
        address = service.books.billed[0].url.encode()
        told = rows in (["made"], ["lost"]) or address in stderr
        assert told or b"may have been made and billed" in stderr, (rows, stderr)
        assert rows or b"in zimage history" not in stderr
        assert b"Nothing was sent" not in stderr
    assert "sending" not in rows


@pytest.mark.parametrize(
    "args",
    [
        "history export -o x.jsonl --json",
        "open fox.png --json",
        "batch - --input-format txt --sandbox --dry-run -q --json",
        "mcp --print-config claude",
        "skill install --project --json",
    ],
)
def test_a_current_folder_that_was_deleted_is_no_bug(zimage: Any, args: str) -> None:
    gone = zimage.cwd / "gone"
    gone.mkdir()
    run = subprocess.run(
        ["sh", "-c", 'rmdir ../gone && exec "$@"', "sh", *zimage.command, *args.split()],
        env=zimage.environment(),
        cwd=gone,
        input=b"a kite\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = "the current folder cannot be used: no such file or directory"
    assert (run.stderr.decode(), run.returncode) == (
        f"error: {said}\n  next: Go to another one: cd\n",
        2,
    )
    if "--json" in args:
        assert [error["message"] for error in json.loads(run.stdout)["errors"]] == [said]
