"""A batch that is killed, at any instant and as often as it takes, and what it has paid by then."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served
from gate import Gate
from PIL import Image

from zimage_cli.api.png import PngCheck
from zimage_cli.core.drafts import make_temporary
from zimage_cli.sandbox.faults import Fault

J = 4
"""Lines in flight at most."""

RUN = ("--rps", "0", "-j", str(J), "--size", "512*512", "--no-evidence", "--quiet")


def mixed_lines(count: int) -> Iterator[dict[str, Any]]:
    """Yield requests of every kind that a name or an identity could stumble over."""
    for number in range(count):
        match number % 10:
            case 0:
                yield {"prompt": "one of many twins"}
            case 1:
                yield {"prompt": "twins with one seed", "seed": 7}
            case 2:
                suffix = (".png", ".jpg", ".webp")[number % 3]
                output = f"sub/{number % 3}/kite-{number}{suffix}"
                yield {"prompt": f"kite {number}", "output": output}
            case 3:
                yield {"prompt": f"kite {number}", "output": "sub/wanted-by-many.png"}
            case 4:
                yield {"prompt": f"kite {number}", "name": "own-{n:03}.png"}
            case 5:
                yield {"prompt": f"kite {number}", "name": "same-name.png", "seed": number}
            case 6:
                yield {"prompt": f"kite {number}", "prompt_extend": True}
            case _:
                yield {"prompt": f"纸鸢 {number}"}


def write(path: Path, lines: Any) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path


def final_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the last record of every picture."""
    found = {}
    for line in (folder / "results.jsonl").read_bytes().splitlines():
        record = json.loads(line)
        found[record["job"]] = record
    return found


def pictures(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.suffix in {".png", ".jpg", ".webp"})
    return {path.relative_to(folder).as_posix() for path in files}


def whole(path: Path) -> bool:
    if path.suffix == ".png":
        check = PngCheck()
        check.feed(path.read_bytes())
        check.finish()
    else:
        with Image.open(path) as image:
            image.load()
    return True


def kill_until_done(service: Any, dice: random.Random, *args: str) -> tuple[int, int]:
    """Run the same command and kill it until it ends by itself; return kills and exit status."""
    kills = 0
    while True:
        before = service.books.post_count
        with service.popen("batch", *args, *RUN, stdout=subprocess.DEVNULL) as run:
            if dice.random() < 0.2:
                # Anywhere in its start.
                seconds = dice.uniform(0.0, 0.8)
            else:
                # Anywhere in its work.
                started = _Started(run, before)
                assert service.books.wait_for(started, 60)
                seconds = dice.uniform(0.0, 0.3)
            try:
                run.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                run.kill()
                run.communicate()
                kills += 1
            else:
                return kills, run.returncode


@dataclass
class _Started:
    run: subprocess.Popen[bytes]
    posts: int

    def __call__(self, books: Any) -> bool:
        return books.post_count > self.posts or self.run.poll() is not None


@pytest.mark.parametrize("part", range(4))
def test_every_line_is_made_once_however_often_it_is_killed(
    part: int, serve: Callable[..., Any], work: Path
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    service = serve(latency=(0.02, 0.1))
    lines = list(mixed_lines(100))
    file, folder = write(work / "lines.jsonl", lines), work / "out"
    kills = 0
    for _ in range(8):
        more, status = kill_until_done(service, dice, str(file), "-o", "out")
        kills += more
        if kills >= 10:
            break
        # The dice were quick: more lines at the end, and in front.
        lines = [*mixed_lines(20), *lines, {"prompt": f"after {kills} kills"}]
        write(file, lines)
    assert kills >= 10
    records = final_records(folder)
    statuses = Counter(record["status"] for record in records.values())
    lost = statuses["lost"]

    # Each line has ended in one way, and none was sent twice.
    assert statuses["saved"] + lost == len(lines) == len(records)
    assert lost <= kills * J
    assert status == (9 if lost else 0)
    assert statuses["saved"] <= service.books.billed_count <= len(lines)
    asked = Counter(line["prompt"] for line in lines)
    sent = Counter(bill.prompt for bill in service.books.billed)
    assert all(sent[prompt] <= asked[prompt] for prompt in asked)
    check_folder(folder, records)

    again = service("batch", str(file), "-o", "out", *RUN[:-1], status={0, 9})
    assert again.status == status
    assert f"✗ {lost} lost before, left (line" in again.stderr or not lost
    assert service.books.billed_count <= len(lines)

    # With the word of who pays, those are made too.
    service("batch", str(file), "-o", "out", "--retry-lost", *RUN)
    records = final_records(folder)
    assert Counter(record["status"] for record in records.values()) == {"saved": len(lines)}
    assert len(lines) <= service.books.billed_count <= len(lines) + lost
    check_folder(folder, records)
    assert not list(folder.rglob(".zimage-*.part"))

    # What had arrived was kept: no line has two answers. A seed that was drawn stays.
    rows = defaultdict(list)
    for row in service.history():
        rows[row["job"]].append(row)
    assert len(rows) == len(lines)
    for tries in rows.values():
        assert [row["status"] for row in tries].count("saved") == 1
        assert sum(row["answered_at"] is not None for row in tries) == 1
        assert len({row["seed"] for row in tries}) == 1

    check_recipes(folder, records, [row for row in service.history() if row["status"] == "saved"])

    before = service.books.post_count
    service("batch", str(file), "-o", "out", *RUN)
    assert service.books.post_count == before


def check_folder(folder: Path, records: dict[str, dict[str, Any]]) -> None:
    """Check that every saved line has one picture of its own, whole, and that there is no other."""
    files = [record["file"] for record in records.values() if record["status"] == "saved"]
    assert len(files) == len(set(files))
    assert pictures(folder) == set(files)
    assert all(whole(folder / file) for file in files)


def check_recipes(folder: Path, records: dict[str, dict[str, Any]], rows: Any) -> None:
    """Check that each file is the one of the history, and says of itself how it was made."""
    for row in rows:
        data = Path(row["path"]).read_bytes()
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        if row["finish"] == "png":
            assert hashlib.sha256(as_served(data)).hexdigest() == row["served_sha256"]
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        return
    done = subprocess.run(
        [exiftool, "-j", "-r", "-Recipe", "-Zimage", "-Description", "-Error", "-Warning", folder]
        + [f"-ext={suffix}" for suffix in ("png", "jpg", "webp")],
        capture_output=True,
        check=True,
    )
    read = {
        Path(one["SourceFile"]).relative_to(folder).as_posix(): one
        for one in json.loads(done.stdout)
    }
    saved = [record for record in records.values() if record["status"] == "saved"]
    assert read.keys() == {record["file"] for record in saved}
    for record in saved:
        one = read[record["file"]]
        recipe = one.get("Zimage") or one["Recipe"]
        told = recipe if isinstance(recipe, dict) else json.loads(recipe)
        assert (told["prompt"], told["seed"]) == (record["prompt"], record["seed"])
        assert one["Description"] == record["prompt"]
        assert not one.keys() & {"Error", "Warning"}


# -- stopped by a person -------------------------------------------------------------------------


def stop(service: Any, run: Any, number: int, *, in_flight: int) -> None:
    assert service.books.wait_for(lambda books: books.post_count >= in_flight, 60)
    run.send_signal(number)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_once_it_saves_what_is_in_flight(
    number: int, status: int, serve: Callable[..., Any], work: Path
) -> None:
    heard = threading.Event()
    # Nothing is answered until the stop is noticed.
    service = serve(log=lambda _line: heard.wait(120))
    file = write(work / "lines.jsonl", ({"prompt": f"kite {n}"} for n in range(50)))
    args = ("batch", str(file), "-o", "out", *RUN[:-1])
    with service.popen(*args) as run:
        stop(service, run, number, in_flight=J)
        errors = b""
        for line in run.stderr:
            errors += line
            if b"stopping" in line:
                break
        heard.set()
        errors += run.communicate(timeout=60)[1]
    assert run.returncode == status
    assert service.books.post_count == service.books.billed_count == J
    assert len(pictures(work / "out")) == J
    text = errors.decode()
    # The service may have read a request before zimage knows that it has left.
    still = re.search(
        r"^stopping: (\d+) pictures? still \w+(?:, (\d+) connecting)?; "
        r"Ctrl-C again leaves at once$",
        text,
        re.MULTILINE,
    )
    assert still is not None
    assert int(still[1]) + int(still[2] or 0) == J
    assert f"✓ {J} saved in out/ · " in text
    assert f"{50 - J} left; to go on:\n  zimage batch" in text
    assert {row["status"] for row in service.history()} == {"saved"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("stream", [(), ("--json",)], ids=["plain", "json"])
def test_stopped_twice_it_leaves_at_once(
    stream: tuple[str, ...], serve: Callable[..., Any], work: Path
) -> None:
    service = serve(latency=600.0)
    file = write(work / "lines.jsonl", ({"prompt": f"kite {n}"} for n in range(50)))
    args = ("batch", str(file), "-o", "out", *stream, *RUN[:-1])
    with service.popen(*args) as run:
        stop(service, run, signal.SIGINT, in_flight=J)
        for line in run.stderr:
            if b"stopping" in line:
                break
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert run.returncode == 130
    assert pictures(work / "out") == set()


def test_a_batch_cannot_be_stopped_into_forgetting(serve: Callable[..., Any], work: Path) -> None:
    """Ctrl-C at random instants, again and again, pays nothing twice and loses nothing."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    service = serve(latency=(0.02, 0.1))
    lines = list(mixed_lines(60))
    file = write(work / "lines.jsonl", lines)
    for _ in range(8):
        before = service.books.post_count
        with service.popen("batch", str(file), "-o", "out", *RUN) as run:
            assert service.books.wait_for(_Started(run, before), 60)
            time.sleep(dice.uniform(0.0, 0.2))
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
        if run.returncode == 0:
            break
        assert run.returncode == 130
    service("batch", str(file), "-o", "out", *RUN)
    records = final_records(work / "out")
    assert Counter(record["status"] for record in records.values()) == {"saved": len(lines)}
    assert service.books.billed_count == len(lines)
    check_folder(work / "out", records)


# -- many processes, one limit -------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[Callable[[Any], Gate]]:
    """Open a gate to a service."""
    if sys.platform != "linux":
        pytest.skip("Linux's kernel clock")
    with ExitStack() as opened:

        def start(service: Any) -> Gate:
            one = Gate(service.server.port, service.key)
            opened.callback(one.close)
            return one

        yield start


def together(service: Any, *commands: tuple[str, ...], env: Any = None) -> None:
    running = [service.popen(*command, env=env) for command in commands]
    ends = []
    for run in running:
        with run:
            out, errors = run.communicate(timeout=60)
            ends.append((run.returncode, out, errors))
    assert [status for status, _, _ in ends] == [0] * len(commands), ends


def test_two_batches_keep_the_account_s_limit_and_use_it(
    serve: Callable[..., Any], gate: Callable[[Any], Gate], work: Path
) -> None:
    service = serve(latency=0.2)
    door, commands = gate(service), []
    for name in ("one", "two"):
        file = write(
            work / f"{name}.jsonl", ({"prompt": f"{name} {number}"} for number in range(7))
        )
        commands.append(("batch", str(file), "-o", name, "--size", "512*512", "--no-evidence"))
    together(service, *commands, env=door.env)
    assert len(door.clocks) == service.books.billed_count == 14
    assert door.most_in(1.0) == 2
    # On a busy machine turns are late, so the best stretch of four counts: by the limit alone it
    # takes 2.04 s.
    assert door.shortest(4) < 3


def test_ten_at_once_keep_the_limit(
    serve: Callable[..., Any], gate: Callable[[Any], Gate], zimage: Any
) -> None:
    zimage("config", "set", "rps", "5")
    service = serve(latency=0.2)
    door = gate(service)
    command = ("generate", "a kite", "--size", "512*512", "--no-evidence", "--quiet")
    together(service, *[command] * 10, env=door.env)
    assert len(door.clocks) == service.books.billed_count == 10
    assert door.most_in(1.0) <= 5


def test_retry_after_holds_the_whole_run(serve: Callable[..., Any], work: Path) -> None:
    service = serve()
    service.script("ok", Fault("Throttling.RateQuota", retry_after="2"))
    file = write(work / "lines.jsonl", ({"prompt": f"kite {n}"} for n in range(10)))
    service("batch", str(file), "-o", "out", "--rps", "5", "--size", "512*512", "--no-evidence")
    clocks = sorted(service.books.post_clocks)
    assert service.books.throttled_count == 1
    assert len(clocks) == 11
    # What had its turn before the answer came may have left; after it, nothing did for 2 s, in
    # which the limit alone would have let all of them go.
    assert len([clock for clock in clocks if clock < clocks[1] + 2]) < 11


# -- what a killed process leaves ----------------------------------------------------------------


def test_pictures_that_had_their_name_are_found_and_equal_ones_told_apart(
    serve: Callable[..., Any], work: Path, home: Path
) -> None:
    service = serve()
    twins = [{"prompt": "twins", "seed": 7, "output": "same.png"}] * 5
    file = write(work / "lines.jsonl", twins)
    service("batch", str(file), "-o", "out", *RUN)
    before = pictures(work / "out")
    # As if it had died in the instant after the last of them got its name.
    (work / "out" / "results.jsonl").unlink()
    with closing(sqlite3.connect(next(home.rglob("history.db")))) as db, db:
        db.execute("UPDATE generation SET status = 'made', path = NULL")
    db.close()
    asked = len(service.books.pictures)
    service("batch", str(file), "-o", "out", *RUN)
    assert service.books.post_count == 5
    assert len(service.books.pictures) == asked
    records = final_records(work / "out")
    assert Counter(record["status"] for record in records.values()) == {"saved": 5}
    assert {record["line"] for record in records.values()} == {1, 2, 3, 4, 5}
    assert pictures(work / "out") == before
    check_folder(work / "out", records)


def test_what_the_dead_began_is_cleared_and_the_living_keep_theirs(
    serve: Callable[..., Any], work: Path
) -> None:
    service = serve()
    folder = work / "out"
    (folder / "sub").mkdir(parents=True)
    dead = [folder / ".zimage-0123456789ab.part", folder / "sub" / ".zimage-ba9876543210.part"]
    others = [folder / ".zimage-mine.part", folder / ".hidden", folder / "notes.part"]
    for path in (*dead, *others):
        path.write_bytes(b"half")
    handle, living = make_temporary(folder)
    try:
        file = write(work / "lines.jsonl", [{"prompt": "a", "output": "sub/a.png"}])
        service("batch", str(file), "-o", "out", *RUN)
        assert not any(path.exists() for path in dead)
        assert all(path.exists() for path in (*others, living))
    finally:
        os.close(handle)


def test_lines_lost_to_a_kill_are_told_once_and_listed(
    serve: Callable[..., Any], work: Path
) -> None:
    service = serve(latency=600.0)
    file = write(work / "lines.jsonl", ({"prompt": f"kite {n}"} for n in range(1, 4)))
    args = ("batch", str(file), "-o", "out", "--json", *RUN[:-1])
    with service.popen(*args) as run:
        assert service.books.wait_for(lambda books: books.post_count == 3, 60)
        run.kill()
        run.communicate()
    told = service(*args, status=9)
    *records, _ = [json.loads(line) for line in told.lines]
    assert [record["status"] for record in records] == ["lost"] * 3
    assert all(record["type"] == "lost" and record["message"] for record in records)
    assert "3 lost" in told.stderr
    assert "(lines 1, 2, 3)" in told.stderr
    assert "--retry-lost" in told.stderr
    assert [record["status"] for record in final_records(work / "out").values()] == ["lost"] * 3
    again = service(*args, status=9)
    assert [json.loads(line)["status"] for line in again.lines[:-1]] == ["skipped"] * 3
    assert "✗ 3 lost before, left (lines 1, 2, 3)\n" in again.stderr
    assert service.books.post_count == 3


def test_who_only_waits_for_a_turn_is_not_lost_to_a_kill(
    serve: Callable[..., Any], work: Path
) -> None:
    service = serve(latency=600.0)
    file = write(work / "lines.jsonl", ({"prompt": f"kite {n}"} for n in range(40)))
    args = ("batch", str(file), "-o", "out", "-j", "32", "--size", "512*512", "--no-evidence")
    with service.popen(*args, "--rps", "2") as run:
        assert service.books.wait_for(lambda books: books.post_count >= 3, 60)
        run.kill()
        run.communicate()
    # What was sent, and at most the one that was next. The service may still be reading the last.
    rows = len(service.history())
    assert service.books.wait_for(lambda books: books.post_count in {rows - 1, rows}, 60)


@pytest.mark.parametrize("rps", ["1", "3"])
def test_nothing_is_sent_without_a_row_after_the_current_folder_is_gone(
    rps: str, unpaced: None, serve: Any, work: Path
) -> None:
    service = serve(latency=1)
    here = work / "here"
    here.mkdir()
    (here / "lines.txt").write_text("a\nb\nc\nd\n")
    command = ("batch", "lines.txt", "-o", "out", "--size", "512x512", "-j", "3", "--rps", rps)
    shell = ["sh", "-c", 'cd here && exec "$@"', "sh", *service.zimage.command, *command]
    run = subprocess.Popen(shell, cwd=work, env=service.zimage.environment(service.env))
    assert service.books.wait_for(lambda books: books.post_count >= 1, 60)
    while here.exists():
        shutil.rmtree(here, ignore_errors=True)
    assert run.wait(60)
    # The row of one that was held back in that moment says that it failed.
    kept = [row["prompt"] for row in service.history() if row["status"] in {"made", "saved"}]
    assert sorted(kept) == sorted(picture.prompt for picture in service.books.billed)
    assert len(kept) == service.books.post_count
