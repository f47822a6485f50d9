"""What was made, is being made, and can still be had."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

ENTRY_KEYS = [
    *("id", "status", "created_at", "updated_at", "pid", "prompt", "size", "seed"),
    *("prompt_extend", "region", "endpoint", "workspace", "attempts", "answered_at"),
    *("request_id", "image_url", "rewritten_prompt", "reasoning", "width", "height", "usage"),
    *("wanted_path", "path", "bytes", "sha256", "evidence_path", "cost_amount"),
    *("cost_currency", "elapsed_seconds", "error"),
]


def age(home: Path, hours: float, *rows: int) -> None:
    """Make the answers of rows older."""
    with sqlite3.connect(home / ".local/share/zimage/history.db") as db:
        for row in rows:
            db.execute(
                "UPDATE generation SET answered_at = "
                "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', ?) WHERE id = ?",
                (f"-{hours} hours", row),
            )


def test_on_a_fresh_machine(zimage: Any, home: Path) -> None:
    run = zimage("history", "list")
    assert (run.stdout, run.stderr) == ("", "Nothing has been made yet.\n")
    assert zimage("history", "list", "--json").json == {"schema": 1, "entries": []}
    run = zimage("history", "show", "1", status=2)
    assert run.stderr == (
        "error: there is no 1 in the history\n  next: See what is there: zimage history list\n"
    )
    run = zimage("history", "recover")
    assert "Nothing to recover" in run.stderr
    # Looking makes nothing.
    assert list(home.iterdir()) == []


def test_list_is_newest_first(unpaced: None, service: Any) -> None:
    service.script("ok", "DataInspectionFailed", "reset", "picture-expired")
    service.generate("first", "-n", "2", "--seed", "1", status=4)
    service.generate("second  with\nlines", "-n", "2", "--seed", "3", status=6)
    run = service("history", "list")
    assert run.stderr == ""
    assert run.lines[0].split() == ["id", "when", "status", "size", "prompt"]
    found = [(line.split()[0], line.split()[3]) for line in run.lines[2:]]
    assert found == [("4", "made"), ("3", "lost"), ("2", "failed"), ("1", "saved")]
    assert "second with lines" in run.lines[2]
    assert len(service("history", "list", "--limit", "2").lines) == 4
    document = service("history", "list", "--json", "-l", "1").json
    assert [entry["id"] for entry in document["entries"]] == [4]
    # One line an entry, whole in a pipe.
    service.generate("long " * 150)
    assert all(line.rstrip().endswith("…") for line in service("history", "list").lines[2:3])
    service("history", "list", "--limit", "0", status=2)
    service("history", "list", "--limit", "x", status=2)


def test_show(service: Any) -> None:
    service.generate("a fox", "--seed", "7", "--prompt-extend")
    entry = service("history", "show", "1", "--json").json["entry"]
    assert list(entry)[: len(ENTRY_KEYS)] == ENTRY_KEYS
    assert (entry["id"], entry["status"], entry["seed"]) == (1, "saved", 7)
    assert entry["prompt_extend"] is True
    assert entry["usage"]["image_count"] == 1
    assert entry["endpoint"] == service.server.origin
    text = service("history", "show", "1").stdout
    for name in ("prompt", "seed", "request id", "rewritten prompt", "sha256", "path", "evidence"):
        assert f"\n{name} " in text
    assert entry["sha256"] in text
    assert f"\npath              {entry['path']}\n" in text
    for value in ("0", "-1", "x", "99999999999999999999999"):
        service("history", "show", value, status=2)


def test_show_a_failure(service: Any) -> None:
    service.script("IPInfringementSuspect")
    service.generate("a fox", status=4)
    run = service("history", "show", "1")
    assert "status            failed: not made, not billed\n" in run.stdout
    assert "suspected of being involved in IP infringement. (IPInfringementSuspect)" in run.stdout
    error = service("history", "show", "1", "--json").json["entry"]["error"]
    assert error["code"] == "IPInfringementSuspect"
    assert error["http_status"] == 400


def test_recover_lists_saves_and_skips(unpaced: None, service: Any, home: Path) -> None:
    service.script(*[Fault("picture-expired", count=1)] * 3)
    service.generate("a fox", "--seed", "1", "-n", "3", "-o", "foxes/", status=8)
    age(home, 24.5, 2)
    run = service("history", "recover", "--dry-run")
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert lines[0].startswith("1  a fox: can be fetched for 23 h 5")
    assert lines[1] == "2  a fox: over 24 h old: the service has dropped it"
    assert service.pictures() == []
    run = service("history", "recover")
    paths = [Path(line) for line in run.lines]
    assert [path.parent for path in paths] == [service.work / "foxes"] * 2
    assert [path.name[16:] for path in paths] == ["a-fox-1.png", "a-fox-3.png"]
    assert "over 24 h old" in run.stderr
    assert service.books.post_count == 3
    # Asked for by its number it is tried, whatever the clock says: a GET is free.
    run = service("history", "recover", "2")
    assert [Path(line).name[16:] for line in run.lines] == ["a-fox-2.png"]
    assert service.books.post_count == 3
    run = service("history", "recover", "1", status=2)
    assert "nothing to recover under 1" in run.stderr


def test_recover_elsewhere(service: Any) -> None:
    service.script(Fault("picture-expired", count=1))
    service.generate("a fox", "-o", "fox.png", status=8)
    run = service("history", "recover", "1", "--output-dir", "other", "--json")
    (picture,) = run.json["pictures"]
    assert picture["state"] == "recovered"
    assert picture["path"] == str(service.work / "other/ai-image-zimage-turbo/images/fox.png")
    assert Path(picture["path"]).is_file()


def test_recover_overwrites_nothing(service: Any) -> None:
    service.script(Fault("picture-expired", count=1))
    service.generate("a fox", "-o", "fox.png", status=8)
    (service.work / "fox.png").write_text("kept")
    assert service("history", "recover").lines == [str(service.work / "fox-2.png")]
    assert (service.work / "fox.png").read_text() == "kept"


def test_recover_that_fails_again(service: Any, files: Any) -> None:
    service.script("picture-expired")
    service.generate("a fox", "-o", "fox.png", status=8)
    run = service("history", "recover", "--json", status=8)
    assert run.json["status"] == "error"
    (picture,) = run.json["pictures"]
    assert (picture["path"], picture["state"]) == (None, "ready")
    assert picture["errors"][0]["http_status"] == 403
    assert "The picture's host answered HTTP 403." in run.stderr
    assert {Path(name).suffix for name in files(service.work)} == {".json"}
    # It stays recoverable, and a folder that is in the way is said before anything is fetched.
    asked = len(service.books.pictures)
    (service.work / "other").write_text("a file")
    run = service("history", "recover", "--output-dir", "other", status=2)
    assert "a file is in the way" in run.stderr
    assert len(service.books.pictures) == asked


def test_a_sandbox_picture_is_gone_with_its_sandbox(zimage: Any) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX devices")
    with Path("/dev/full").open("wb") as full:
        process = zimage.popen("generate", "fox", "--sandbox", "-o", "-", stdout=full)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 8, stderr
    run = zimage("history", "recover")
    assert "made by the sandbox, which has ended" in run.stderr
    assert run.stdout == ""


def test_ids_are_short_and_stay(service: Any) -> None:
    for expected in (1, 2):
        service.generate("a fox")
        assert service.history()[-1]["id"] == expected


def test_the_history_is_nobody_elses_business(service: Any, home: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX modes")
    service.generate("a fox")
    folder = home / ".local/share/zimage"
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_bare_history_shows_its_help(zimage: Any) -> None:
    run = zimage("history", status=2)
    assert "recover" in run.stderr
    assert "zimage history show 42" in run.stderr
