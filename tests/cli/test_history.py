"""What was made, is being made, and can still be had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import ROW

from zimage_cli.core.history.history import History
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
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        for row in rows:
            db.execute(
                "UPDATE generation SET answered_at = "
                "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', ?) WHERE id = ?",
                (f"-{hours} hours", row),
            )


def test_on_a_fresh_machine(zimage: Any, home: Path) -> None:
    run = zimage("history", "list")
    assert (run.stdout, run.stderr) == ("", "Nothing has been made yet.\n")
    assert zimage("history", "list", "--json").json == {
        "schema": 1,
        "status": "ok",
        "entries": [],
        "errors": [],
    }
    run = zimage("history", "show", "1", "--json", status=2)
    assert run.stderr == (
        "error: there is no 1 in the history\n  next: See what is there: zimage history list\n"
    )
    assert list(run.json) == ["schema", "status", "entry", "errors"]
    (error,) = run.json["errors"]
    assert run.json["entry"] is None
    assert (error["type"], error["field"], error["value"]) == ("usage", "REF", 1)
    run = zimage("history", "recover")
    assert "Nothing to recover" in run.stderr
    # Looking makes nothing.
    assert list(home.iterdir()) == []


def test_list_is_newest_first(unpaced: None, service: Any) -> None:
    service.script("ok", "DataInspectionFailed", "reset", "picture-expired")
    for status in (0, 4):
        service.generate("first", status=status)
    for status in (6, 8):
        service.generate("second  with\nlines", status=status)
    run = service("history", "list")
    assert run.stderr == "all 4, newest first\n"
    assert run.lines[0].split("\t") == [
        *("id", "when", "status", "size", "seed", "cost", "file", "prompt")
    ]
    rows = [line.split("\t") for line in run.lines[1:]]
    assert [(row[0], row[2]) for row in rows] == [
        *(("4", "made"), ("3", "lost"), ("2", "refused"), ("1", "saved"))
    ]
    first = service.history()[0]
    assert rows[3] == [
        *("1", first["created_at"], "saved", "512*512", str(first["seed"]), "-", first["path"]),
        "first",
    ]
    assert rows[0][6:] == ["-", "second  with\\nlines"]
    run = service("history", "--limit", "2")
    assert [line.split("\t")[0] for line in run.lines] == ["id", "4", "3"]
    assert run.stderr == "2 of 4, newest first; --limit N for more\n"
    document = service("history", "list", "--json", "-l", "1").json
    assert [entry["id"] for entry in document["entries"]] == [4]
    assert service("history", "--json", "-l", "1").json == document
    # Whole in a pipe.
    service.generate("long " * 150)
    assert service("history", "list").lines[1].endswith("\t" + ("long " * 150).strip())


@pytest.mark.parametrize("value", ["0", "1000001", "-1"])
def test_a_limit_out_of_range_is_told_in_our_words(zimage: Any, value: str) -> None:
    run = zimage("history", "list", f"--limit={value}", status=2)
    assert run.stderr == f"error: --limit: {value} is not allowed; allowed: 1 … 1,000,000\n"


LAKE: dict[str, Any] = {
    **ROW,
    "prompt": "A calm lake at dawn, mist over the water",
    "seed": 1189429956,
    "path": "/home/me/pictures/20010203-calm-lake-1189429956.png",
}
URL = "https://bucket.example/kite.png?Signature=secret"
NOT_SAVED = {"path": None, "wanted_path": "/home/me/pictures/kite.png"}
ROWS: list[dict[str, Any]] = [
    LAKE,
    {**LAKE, **NOT_SAVED, "status": "refused", "prompt": "一只红色的风筝在空中飞翔，远处是山和湖"},
    {**LAKE, **NOT_SAVED, "status": "lost", "size": "2048*1152", "prompt": "two\nlines"},
    {**LAKE, **NOT_SAVED, "status": "made", "seed": 7, "prompt": "kite " * 30, "image_url": URL},
    {**LAKE, "region": "sandbox", "cost_amount": None, "prompt": "\x1b[31mred"},
]
SCREEN_80 = """\
id        when  status           seed        cost  prompt
────────────────────────────────────────────────────────────────────────────────
 5  2001-02-03  ✓ saved    1189429956     sandbox  \\x1b[31mred
 4  2001-02-03  ! made              7   USD 0.015  kite kite kite kite kite kit…
 3  2001-02-03  ✗ lost     1189429956  USD 0.015?  two lines
 2  2001-02-03  ✗ refused  1189429956           -  一只红色的风筝在空中飞翔，远…
 1  2001-02-03  ✓ saved    1189429956   USD 0.015  A calm lake at dawn, mist ov…
all 5, newest first
"""
# ruff: noqa: E501
SCREEN_200 = """\
id        when  status     size             seed        cost  file                               prompt
RULE
 5  2001-02-03  ✓ saved    1024×1024  1189429956     sandbox  20010203-calm-lake-1189429956.png  \\x1b[31mred
 4  2001-02-03  ! made     1024×1024           7   USD 0.015  -                                  kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite kite ki…
 3  2001-02-03  ✗ lost     2048×1152  1189429956  USD 0.015?  -                                  two lines
 2  2001-02-03  ✗ refused  1024×1024  1189429956           -  -                                  一只红色的风筝在空中飞翔，远处是山和湖
 1  2001-02-03  ✓ saved    1024×1024  1189429956   USD 0.015  20010203-calm-lake-1189429956.png  A calm lake at dawn, mist over the water
all 5, newest first
""".replace("RULE", "─" * 200)


@pytest.fixture
def history(remembered: Any) -> Path:
    """A history with rows of every kind."""
    return remembered(*ROWS)


@pytest.mark.parametrize(("columns", "expected"), [(80, SCREEN_80), (200, SCREEN_200)])
def test_list_on_a_terminal(history: Path, terminal: Any, columns: int, expected: str) -> None:
    screen = terminal("history", columns=columns, env={"TZ": "UTC"})
    assert screen.end() == 0
    assert screen.text + "\n" == expected


def test_a_time_of_today_is_told_in_few_letters(zimage: Any, home: Path, terminal: Any) -> None:
    now = datetime.now(UTC)
    with closing(History(home / ".local/share/zimage/history.db")) as book:
        book.begin(**{**LAKE, "created_at": now.isoformat()})
    screen = terminal("history", env={"TZ": "UTC"})
    assert screen.end() == 0
    # Midnight may pass meanwhile, and a year end.
    shown = screen.lines[2].partition("✓")[0].split(maxsplit=1)[1].strip()
    assert shown in {f"{now:%H:%M}", f"{now:%m-%d %H:%M}", f"{now:%Y-%m-%d}"}


SHOWN = """\
id             4
status         made: made and billed, not saved: zimage history recover
asked          2001-02-03 04:05
prompt         kite kite kite kite kite kite kite kite kite kite kite kite kite
               kite kite kite kite kite kite kite kite kite kite kite kite kite
               kite kite kite kite
size           1024×1024
seed           7
prompt_extend  off
region         singapore
endpoint       https://dashscope-intl.aliyuncs.com
list price     USD 0.015
tries          0
was to go to   /home/me/pictures/kite.png
"""


def test_show_has_a_hanging_indent(history: Path, terminal: Any) -> None:
    screen = terminal("history", "show", "4", env={"TZ": "UTC"})
    assert screen.end() == 0
    assert screen.text + "\n" == SHOWN
    screen = terminal("history", "show", "1", env={"TZ": "UTC"}, columns=60)
    assert screen.end() == 0
    # A path is not broken by us: the terminal itself goes on at its edge.
    assert f"\x1b[2mpath\x1b[0m           {LAKE['path']}\r\n" in screen.raw


def test_show(service: Any) -> None:
    service.generate("a fox", "--seed", "7", "--prompt-extend")
    entry = service("history", "show", "1", "--json").json["entry"]
    assert list(entry)[: len(ENTRY_KEYS)] == ENTRY_KEYS
    assert (entry["id"], entry["status"], entry["seed"]) == (1, "saved", 7)
    assert entry["prompt_extend"] is True
    assert entry["usage"]["image_count"] == 1
    assert entry["endpoint"] == service.server.origin
    text = service("history", "show", "1").stdout
    rows = dict(line.split("\t") for line in text.splitlines())
    for name in ("request id", "rewritten prompt", "path", "evidence"):
        assert rows[name] == entry[{"evidence": "evidence_path"}.get(name, name.replace(" ", "_"))]
    shown = (rows["name"], rows["prompt"], rows["seed"], rows["size"])
    assert shown == ("value", "a fox", "7", "512*512")
    assert (rows["sha256"], rows["bytes"]) == (entry["sha256"], str(entry["bytes"]))
    for value in ("0", "-1", "x", "99999999999999999999999"):
        service("history", "show", value, status=2)


def test_what_show_says_is_a_request(unpaced: None, service: Any) -> None:
    made = service.generate("a fox\nin the snow", "--seed", "7", "--prompt-extend", "--json")
    shown = service("history", "show", "1", "--json")
    (image,) = made.json["images"]
    for document in (shown.stdout, json.dumps(shown.json["entry"]), made.stdout, json.dumps(image)):
        run = service("generate", "--file", "-", "--json", stdin=document)
        (again,) = run.json["images"]
        for name in ("prompt", "size", "seed", "prompt_extend", "served_sha256"):
            assert again[name] == image[name]
        run = service("validate", "--file", "-", "--json", stdin=document)
        assert run.json["checks"][-1]["detail"] == "512*512, seed 7, prompt_extend"
    # An option wins, and where the picture was made does not count.
    run = service("generate", "--request", shown.stdout, "--seed", "8", "--sandbox", "--json")
    assert (run.json["images"][0]["seed"], run.json["images"][0]["region"]) == (8, "sandbox")
    failed = service("history", "show", "999", "--json", status=2)
    assert (failed.json["entry"], failed.json["status"]) == (None, "error")
    run = service("generate", "--file", "-", "--json", stdin=failed.stdout, status=2)
    assert "speaks of 0 pictures" in run.json["errors"][0]["message"]


def test_show_a_failure(service: Any) -> None:
    service.script("IPInfringementSuspect")
    service.generate("a fox", status=4)
    run = service("history", "show", "1")
    assert "status\trefused: by content moderation, not billed" in run.lines
    assert "suspected of being involved in IP infringement. (IPInfringementSuspect)" in run.stdout
    error = service("history", "show", "1", "--json").json["entry"]["error"]
    assert error["code"] == "IPInfringementSuspect"
    assert error["http_status"] == 400


def test_recover_lists_saves_and_skips(unpaced: None, service: Any, home: Path) -> None:
    service.script(*[Fault("picture-expired", count=1)] * 3)
    for seed in "123":
        service.generate("a fox", "--seed", seed, "-o", "foxes/", status=8)
    age(home, 24.5, 2)
    run = service("history", "recover", "--dry-run")
    assert run.stderr == ""
    head, *rows = [line.split("\t") for line in run.lines]
    assert head == ["id", "state", "prompt"]
    assert rows[0][1].startswith("can be fetched for 23 h 5")
    assert [row[:1] + row[2:] for row in rows] == [[number, "a fox"] for number in "123"]
    assert rows[1][1] == "over 24 h old: the service has dropped it"
    assert service.pictures() == []
    run = service("history", "recover")
    paths = [Path(line) for line in run.lines]
    assert [path.parent for path in paths] == [service.work / "foxes"] * 2
    assert [path.name[16:] for path in paths] == ["a-fox-1.png", "a-fox-3.png"]
    assert run.stderr.splitlines() == [
        "✓ history 1, a fox",
        "history 2, a fox: over 24 h old: the service has dropped it",
        "✓ history 3, a fox",
        "2 of 3 recovered, 1 is over.",
    ]
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
    assert list(run.json) == ["schema", "status", "pictures", "errors"]
    assert run.json["status"] == "error"
    (picture,) = run.json["pictures"]
    assert (picture["path"], picture["state"]) == (None, "lost")
    assert picture["errors"][0]["http_status"] == 403
    assert run.stderr == (
        "error: history 1, a fox: The picture was made and is not saved. The picture's host "
        "answered HTTP 403. The address has expired or its signature was refused. It is over: "
        "zimage history recover offers it no more.\n"
        "  next: To pay for another: zimage generate --like 1\n"
        "0 of 1 recovered, 1 is over.\n"
    )
    assert {Path(name).suffix for name in files(service.work)} == {".json"}
    assert "Nothing to recover" in service("history", "recover").stderr
    shown = service("history", "show", "1").stdout
    assert "\nto try again\tzimage history recover 1\n" in shown
    # By its number it can be had, and a folder that is in the way is said before it is fetched.
    asked = len(service.books.pictures)
    (service.work / "other").write_text("a file")
    run = service("history", "recover", "1", "--output-dir", "other", status=2)
    assert "a file is in the way" in run.stderr
    assert len(service.books.pictures) == asked


def test_a_sandbox_picture_is_gone_with_its_sandbox(zimage: Any) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX devices")
    with Path("/dev/full").open("wb") as full:
        process = zimage.popen("generate", "fox", "--sandbox", "-o", "-", stdout=full)
        _, stderr = process.communicate(timeout=60)
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


def test_bare_history_lists(zimage: Any) -> None:
    for words in ([], ["fox"], ["list", "fox"], ["-fox"]):
        assert zimage("history", *words).stderr == "Nothing has been made yet.\n"
    assert zimage("history", "-h").stdout == zimage("history", "--help").stdout


# -- several at once ---------------------------------------------------------------------------


def unsaved(service: Any, count: int) -> None:
    """Make pictures that are not saved, and can be."""
    service.script(*[Fault("picture-expired", count=1)] * count)
    service.generate("a fox", "-n", str(count), "--seed", "1", "-o", "foxes/", status=8)


def change(home: Path, **columns: Any) -> None:
    sets = ", ".join(f"{name} = ?" for name in columns)
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        db.execute(f"UPDATE generation SET {sets}", [*columns.values()])


def test_three_at_once_save_each_picture_once(unpaced: None, serve: Any) -> None:
    service = serve(picture_latency=1.5)
    unsaved(service, 4)
    asked = len(service.books.pictures)
    running = [service.popen("history", "recover") for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends
    saved = sorted(line for stdout, _ in ends for line in stdout.decode().splitlines())
    assert len(service.books.pictures) - asked == 4
    files = sorted(path for path in (service.work / "foxes").iterdir())
    assert sorted(set(saved)) == [str(path) for path in files]
    assert len(files) == 4
    assert {row["status"] for row in service.history()} == {"saved"}
    # Who came late says so, or finds what another has saved.
    assert len(saved) > 4 or b"nother zimage is fetching" in b"".join(err for _, err in ends)


def test_what_another_recover_fetches_is_refused_by_its_number(
    unpaced: None, service: Any, home: Path
) -> None:
    unsaved(service, 2)
    with closing(History(home / ".local/share/zimage/history.db")) as other:
        assert other.claim(1)
        run = service("history", "recover", "1", status=8)
        assert run.stderr.splitlines() == [
            "error: history 1, a fox: It was not fetched: another zimage is fetching it right now.",
            "  next: Where it went, when that has ended: zimage history show 1",
            "0 of 1 recovered, 1 failed.",
        ]
        run = service("history", "recover")
        assert len(run.lines) == 1
        assert run.stderr.splitlines() == [
            "history 1, a fox: another zimage is fetching it right now",
            "✓ history 2, a fox",
            "1 of 2 recovered, 1 left alone.",
        ]
    assert len(service("history", "recover").lines) == 1


def test_a_killed_recover_leaves_nothing_in_the_way(unpaced: None, serve: Any, home: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX signals")
    service = serve(picture_latency=5)
    unsaved(service, 1)
    asked = len(service.books.pictures)
    process = service.popen("history", "recover")
    deadline = time.monotonic() + 60
    # Its draft is there before it asks.
    while len(service.books.pictures) == asked:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    parts = list((service.work / "foxes").glob(".zimage-*.part"))
    assert [path.exists() for path in parts] == [True]
    run = service("history", "recover", "--dry-run")
    assert "can be fetched" in run.stdout
    change(home, image_url="ftp://example.org/x.png")
    service("history", "recover", "1", status=8)
    # For as long as the service has the picture, it may still be of use.
    assert [path.exists() for path in parts] == [True]
    os.utime(parts[0], (0, 0))
    service("history", "recover", "1", status=8)
    assert [path.exists() for path in parts] == [False]


# -- whatever the state ------------------------------------------------------------------------


def test_recover_by_number_always_tries(unpaced: None, service: Any, home: Path) -> None:
    unsaved(service, 1)
    # As of a zimage in a container, with no lock: process 1 lives for ever.
    change(home, error=None, owner=None, pid=os.getpid())
    run = service("history", "recover")
    assert "is still saving it" in run.stderr
    assert run.lines == []
    change(home, answered_at="2001-01-01T00:00:00+00:00")
    assert "is still saving it" in service("history", "recover", "--dry-run").stdout
    change(home, pid=None)
    run = service("history", "recover")
    assert "Nothing to recover" in run.stderr
    (row,) = service.history()
    assert row["status"] == "lost"
    shown = service("history", "show", "1").stdout
    assert "over 24 h ago" in shown
    # That could not help.
    assert "to try again" not in shown
    run = service("history", "recover", "1")
    assert run.stderr == "✓ history 1, a fox\n1 of 1 recovered.\n"
    assert Path(run.lines[0]).is_file()
    assert service.history()[0]["status"] == "saved"
    assert service.books.post_count == 1


def test_a_sandbox_picture_is_not_tried(unpaced: None, service: Any, home: Path) -> None:
    unsaved(service, 1)
    change(home, region="sandbox")
    run = service("history", "recover", "1", status=8)
    assert run.stderr.splitlines() == [
        "error: history 1, a fox: It cannot be recovered: made by the sandbox, which has ended.",
        "  next: To make it again: zimage generate --like 1 --sandbox",
        "0 of 1 recovered, 1 is over.",
    ]


# -- a history that cannot be written ----------------------------------------------------------


def as_anybody(zimage: Any) -> Any:
    """Run the command without root's right to write everywhere."""
    if sys.platform == "win32":
        pytest.skip("POSIX modes")
    if os.getuid():
        return zimage
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*less, "true"], check=False).returncode:
        pytest.skip("root's rights cannot be dropped here")

    def run(*args: str, status: int = 0) -> Any:
        done = subprocess.run(
            [*less, *zimage.command, *args],
            env=zimage.environment(),
            cwd=zimage.cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    return run


INDEXES_SINCE_2 = ("generation_search", "generation_unfolded", "generation_unfiled")
SINCE_2 = (
    *("owner", "claim", "served_sha256", "finish", "parent", "preset", "typed_prompt", "folded"),
)


@pytest.mark.parametrize("beside", ["nothing", "wal"])
@pytest.mark.parametrize("schema", [2, None])
def test_a_read_only_history_is_shown(
    unpaced: None, service: Any, zimage: Any, home: Path, beside: str, schema: int | None
) -> None:
    run = as_anybody(zimage)
    service.generate("a fox", "-n", "2")
    path = home / ".local/share/zimage/history.db"
    with closing(sqlite3.connect(path)) as db:
        if schema == 2:
            # As the zimage before this one left it.
            for index in INDEXES_SINCE_2:
                db.execute(f"DROP INDEX {index}")
            for column in SINCE_2:
                db.execute(f"ALTER TABLE generation DROP COLUMN {column}")
            db.execute("PRAGMA user_version = 2")
            db.commit()
        if beside == "nothing":
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if beside == "wal":
        # Its writer still runs.
        reader = sqlite3.connect(path)
        reader.execute("SELECT * FROM generation").fetchone()
    modes = {each: each.stat().st_mode for each in (path.parent, *path.parent.glob("history.db*"))}
    for each, mode in modes.items():
        each.chmod(mode & 0o555)
    try:
        listed = run("history", "list").stdout
        shown = run("history", "show", "2", "--json").stdout
        assert "read" not in run("history", "recover", "--dry-run").stderr
    finally:
        for each, mode in modes.items():
            each.chmod(mode)
        if beside == "wal":
            reader.close()
    assert [line.split()[:1] for line in listed.splitlines()[1:]] == [["2"], ["1"]]
    assert json.loads(shown)["entry"]["status"] == "saved"


@pytest.mark.parametrize("schema", [2, None])
def test_a_locked_history_is_shown(
    unpaced: None, service: Any, home: Path, schema: int | None
) -> None:
    service.generate("a fox")
    path = home / ".local/share/zimage/history.db"
    change(home, status="sending", owner="0123456789ab")
    with closing(sqlite3.connect(path)) as db:
        if schema == 2:
            for index in INDEXES_SINCE_2:
                db.execute(f"DROP INDEX {index}")
            for column in SINCE_2:
                db.execute(f"ALTER TABLE generation DROP COLUMN {column}")
            db.execute("PRAGMA user_version = 2")
            db.commit()
        db.execute("BEGIN EXCLUSIVE")
        assert "sending" in service("history", "list").stdout
        assert "a fox" in service("history", "show", "1").stdout
        db.rollback()
    assert "lost" in service("history", "list").stdout


# -- what somebody else wrote ------------------------------------------------------------------

ODD: dict[str, list[Any]] = {
    "status": [7, b"\xff", "", "made\x1b[2J"],
    "created_at": ["yesterday", 7, "0001-01-01T00:00:00", "9999-12-31T23:59:59+00:00", b"\xff"],
    "updated_at": ["never", 7, "9999-12-31T23:59:59"],
    "pid": [2**63 - 1, -1, 0, "me", 1.5, b"\xff"],
    "prompt": [7, b"\xff", 1e300],
    "size": [7, b"\xff"],
    "seed": ["seven", 1.5, -1, b"x"],
    "region": [7, "", "../../x"],
    "endpoint": ["http://[", 7, ""],
    "attempts": ["many", 1.5],
    "answered_at": ["tomorrow", 7, "9999-12-31T23:59:59", "2026-13-45", float("inf")],
    "image_url": ["file:///etc/passwd", 7, "http://[", "\x00", b"\xff"],
    "usage": ["no json", "NaN", '{"n": NaN}', "[" * 9999, 7, "1" * 5000, b"\xff"],
    "error": ["no json", "[]", "7", '"x"', '{"message": [1], "service_message": 7}', 7, b"\xff"],
    "wanted_path": ["\x00", "", "/", "..", 7, b"\xff\xff"],
    "path": ["\x00", 7],
    "bytes": ["many", -1, 1.5],
    "width": ["wide", 1.5],
    "elapsed_seconds": ["long", float("inf"), b"\xff"],
    "cost_amount": [7, "free"],
    "sha256": [7, "x"],
    "owner": [7, "../../x", "0123456789ab"],
    "claim": [7, "../../x", "0123456789ab"],
    "batch": [7, b"\xff"],
}


@pytest.mark.parametrize("column", sorted(ODD))
def test_rows_that_somebody_tampered_with(
    unpaced: None, service: Any, home: Path, column: str
) -> None:
    values = ODD[column]
    unsaved(service, len(values))
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        for number, value in enumerate(values, 1):
            change_one = f"UPDATE generation SET {column} = ? WHERE id = ?"
            db.execute(change_one, (value, number))
    listed = service("history", "list", "--json").json
    assert len(listed["entries"]) == len(values)
    runs = [service("history", "list")]
    for number in range(1, len(values) + 1):
        runs.append(service("history", "show", str(number)))
        document = service("history", "show", str(number), "--json")
        json.loads(document.stdout, parse_constant=pytest.fail)
    runs.append(service("history", "recover", "--dry-run"))
    runs.append(service("history", "recover", "--output-dir", "other", status={0, 2, 8}))
    for run in runs:
        assert "bug" not in run.stderr
        assert "\x1b" not in run.stdout + run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_leaves_no_claim_and_no_half_picture(unpaced: None, serve: Any, png: bytes) -> None:
    service = serve(bandwidth=len(png) // 4)
    unsaved(service, 2)
    process = service.popen("history", "recover")
    assert service.books.wait_for(lambda books: len(books.pictures) == 3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == b""
    assert stderr.decode().splitlines()[-2:] == [
        "interrupted",
        "  0 of 2 recovered; 2 left: zimage history recover",
    ]
    assert not list((service.work / "foxes").iterdir())
    assert [row["claim"] for row in service.history()] == [None, None]
    assert len(service("history", "recover").lines) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_tells_what_was_recovered_until_then(unpaced: None, serve: Any, png: bytes) -> None:
    service = serve(bandwidth=len(png) // 3)
    unsaved(service, 2)
    process = service.popen("history", "recover", "--json")
    # The first one is saved when the second is asked for.
    assert service.books.wait_for(lambda books: len(books.pictures) == 4, 60)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    document = json.loads(stdout)
    assert list(document) == ["schema", "status", "pictures", "errors"]
    assert document["status"] == "partial"
    assert [(each["id"], each["state"]) for each in document["pictures"]] == [(1, "recovered")]
    assert [error["type"] for error in document["errors"]] == ["interrupted"]


def test_recover_says_what_was_saved_and_what_was_not(unpaced: None, service: Any) -> None:
    unsaved(service, 2)
    assert service("history", "recover", "--dry-run", "--json").json["status"] == "dry-run"
    service.script(Fault("picture-expired", times=1))
    service.generate("a fox", "--seed", "9", "-o", "foxes/", status=8)
    run = service("history", "recover", "--json", status=8)
    assert run.json["status"] == "partial"
    states = [picture["state"] for picture in run.json["pictures"]]
    assert states == ["recovered", "recovered", "lost"]
    assert run.json["errors"] == run.json["pictures"][2]["errors"]
    assert run.json["errors"][0]["prompt"] == "a fox"
