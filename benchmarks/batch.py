"""How fast and how small a batch is: ratios against a plain script, in one run.

    python benchmarks/batch.py [--rounds N] [--day] [--million]

Prints pictures a second beside a plain httpx and thread-pool script, what syncing the folder takes
of that, peak memory at 100 and at 10,000 lines, the rate kept at the account's limit with the
number of 429, how long 10,000 saved lines take to resume and, with --day, how history and journal
grow over a day at the limit. With --million: what the plan of a million lines takes, a journal of
as many, and the merge of 100,000 pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from zimage_cli.core.files import sync_folder
from zimage_cli.core.history.history import History
from zimage_cli.core.run.journal import Journal
from zimage_cli.core.run.state import States

HERE = Path(__file__).parent
COUNT, WORKERS = 200, 64
ADDRESS = "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/7d/90/20261122/x.png"
PROMPT = "A calm lake at dawn with mist over the water, cinematic, realistic, view "


@contextmanager
def served(latency: float, rps: float, size: int) -> Iterator[str]:
    """Run a sandbox in a process of its own and yield its API root."""
    command = [sys.executable, str(HERE / "serve.py"), str(latency), str(rps), str(size)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()


def books(root: str) -> dict[str, object]:
    """Return what the sandbox counted."""
    with urllib.request.urlopen(root.removesuffix("/api/v1") + "/sandbox/books") as answer:
        found: dict[str, object] = json.load(answer)
        return found


def zimage(home: Path, *args: str, root: str = "", status: int = 0) -> float:
    """Run zimage and return the seconds it took; end with its words where it fails."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ZIMAGE_HOME": str(home),
        "DASHSCOPE_API_KEY": "sk-benchmark",
        **({"DASHSCOPE_BASE_URL": root} if root else {}),
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "zimage_cli", *args],
        env=env,
        cwd=home,
        capture_output=True,
        check=False,
    )
    if done.returncode != status:
        sys.exit(done.stderr.decode())
    return time.monotonic() - began


def peak(home: Path, *args: str) -> int:
    """Return the peak memory in KiB of one zimage, asked of a parent that has no other child."""
    code = (
        "import resource,subprocess,sys;"
        "subprocess.run([sys.executable,'-m','zimage_cli',*sys.argv[1:]],check=True,"
        "stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    env = {**os.environ, "ZIMAGE_HOME": str(home), "DASHSCOPE_API_KEY": "sk-benchmark"}
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=env, cwd=home, check=True, capture_output=True
    )
    return int(done.stdout)


def prompts(path: Path, count: int) -> Path:
    """Write a file of prompts."""
    lines = (json.dumps({"prompt": f"a lake, view {n}", "seed": n}) for n in range(count))
    path.write_text("\n".join(lines) + "\n")
    return path


def speed(rounds: int) -> None:
    """Print pictures a second against the plain script."""
    pairs = []
    with served(0.5, 0, 1_400_000) as root:
        for turn in range(rounds + 1):
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder)
                file = prompts(home / "prompts.jsonl", COUNT)
                ours = zimage(
                    home, "batch", str(file), "-o", "ours", "--rps", "0", "-j", str(WORKERS),
                    "--yes", "-q", root=root,
                )  # fmt: skip
                plain_folder = home / "plain"
                plain_folder.mkdir()
                command = [str(HERE / "plain_httpx.py"), root, str(plain_folder)]
                began = time.monotonic()
                subprocess.run(
                    [sys.executable, *command, str(COUNT), str(WORKERS)],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                plain = time.monotonic() - began
                assert len(list((home / "ours").glob("*.png"))) == COUNT
                if turn:
                    pairs.append((ours, plain))
    a, b = median(x for x, _ in pairs), median(y for _, y in pairs)
    ratio = median(x / y for x, y in pairs)
    print(f"{COUNT} pictures of 1.4 MB, 0.5 s each, {WORKERS} in flight; median of {rounds} ratios")
    print(f"  zimage batch {COUNT / a:6.1f}/s   plain script {COUNT / b:6.1f}/s")
    print(f"  time {ratio:.2f} × the plain script's  (at most 1.1)")
    one = folder_sync()
    print(
        f"  syncing the folder takes {one * 1000:.2f} ms after a link: {COUNT * one / a:.1%} of the"
    )
    print("  time, were it done for each picture alone; those that are saved together share one")


def folder_sync() -> float:
    """Return the median seconds that a folder's sync takes after a file in it got its name."""
    found = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for number in range(COUNT):
            path = folder / f".{number}.part"
            path.write_bytes(bytes(4096))
            (folder / f"{number}.png").hardlink_to(path)
            path.unlink()
            began = time.perf_counter()
            sync_folder(folder)
            found.append(time.perf_counter() - began)
    return median(found)


def memory() -> None:
    """Print peak memory of a run of 100 and of 10,000 lines."""
    found = {}
    with served(0.0, 0, 20_000) as root:
        for count in (100, 10_000):
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder)
                file = prompts(home / "prompts.jsonl", count)
                args = ["batch", str(file), "-o", "ours", "--rps", "0", "--yes", "-q"]
                args += ["--base-url", root]
                found[count] = peak(home, *args)
                if count == 10_000:
                    again = zimage(home, *args)
    small, large = found[100], found[10_000]
    print("peak memory of a run")
    print(f"  100 lines {small / 1024:.0f} MiB, 10,000 lines {large / 1024:.0f} MiB (under 90)")
    print(f"  {large / small:.2f} ×  (at most 1.3)")
    print(f"10,000 saved lines, nothing left to do: {again:.2f} s  (at most 2)")


def limit() -> None:
    """Print the rate kept at a strict limit of 2 a second, and the number of 429."""
    with served(0.5, 2, 20_000) as root, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        file = prompts(home / "prompts.jsonl", 60)
        zimage(home, "batch", str(file), "-o", "ours", "--yes", "-q", root=root)
        found = books(root)
    clocks = sorted(found["post_clocks"])  # type: ignore[call-overload]
    rate = (len(clocks) - 1) / (clocks[-1] - clocks[0])
    print("60 pictures at 2 a second, counted strictly by the server")
    print(f"  {rate:.3f}/s, {rate / 2:.1%} of the limit (at least 97 %), 429: {found['throttled']}")


def day() -> None:
    """Print how history and journal grow over a day at the limit, and how fast a look-up stays."""
    count = 172_800
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        picture = folder / "a.png"
        picture.touch()
        book, journal = History(folder / "history.db"), Journal(folder)
        known = States(folder)
        fill(book, journal, known, count, picture)
        began = time.perf_counter()
        States.load(folder, journal, book, fresh=False)
        load = time.perf_counter() - began
        began = time.perf_counter()
        book.newest(20)
        newest = time.perf_counter() - began
        book.close()
        journal.close()
        history_size = (folder / "history.db").stat().st_size
        journal_size = journal.path.stat().st_size
    print(f"a day at the limit, {count:,} pictures")
    print(f"  history.db {history_size / 1e6:.0f} MB, results.jsonl {journal_size / 1e6:.0f} MB")
    print(f"  resume reads both in {load:.1f} s; history list takes {newest * 1000:.1f} ms")


def million() -> None:
    """Print what a million lines take: to be checked, to be gone on with, to be merged."""
    count, merged = 1_000_000, 100_000
    with tempfile.TemporaryDirectory() as text:
        home = Path(text)
        file = home / "prompts.txt"
        file.write_text("".join(f"a calm lake at dawn, view {n}\n" for n in range(count)))
        began = time.monotonic()
        size = peak(home, "batch", str(file), "-o", "out", "--dry-run", "-q")
        dry = time.monotonic() - began
        print(f"{count:,} lines checked in {dry:.0f} s, with {size / 1024:.0f} MiB")
        (home / "out").mkdir()
        (home / "out" / "a.png").touch()
        with closing(Journal(home / "out")) as journal:
            note(journal, count, home / "out" / "a.png")
            journal_size = journal.path.stat().st_size
        began = time.monotonic()
        again = peak(home, "batch", str(file), "-o", "out", "--dry-run", "-q")
        resumed = time.monotonic() - began
        print(
            f"  beside a results.jsonl of as many, {journal_size / 1e6:.0f} MB, in {resumed:.0f} s"
        )
        print(f"  with {again / 1024:.0f} MiB")
        shard = home / "shard"
        shard.mkdir()
        with closing(Journal(shard)) as journal:
            for n in range(merged):
                (shard / f"{n}.png").touch()
                journal.append({"job": f"{n:032x}", "status": "saved", "file": f"{n}.png"})
        (home / "one.txt").write_text("a line of no shard\n")
        args = ("batch", "one.txt", "shard", "--merge", "-o", "all", "-q")
        took = zimage(home, *args, status=9)
        assert len(list((home / "all").glob("*.png"))) == merged
    print(f"{merged:,} pictures merged by links in {took:.0f} s")


def fill(book: History, journal: Journal, known: States, count: int, picture: Path) -> None:
    """Write a day's rows and records as a batch would, without waiting for the disk each time."""
    columns = {
        "status": "saved", "created_at": "2026-11-22T08:00:00.000+00:00",
        "updated_at": "2026-11-22T08:00:05.000+00:00", "pid": 1, "size": "1024*1024",
        "prompt_extend": 0, "region": "beijing", "endpoint": "https://dashscope.aliyuncs.com",
        "attempts": 1, "answered_at": "2026-11-22T08:00:04.000+00:00",
        "image_url": ADDRESS,
        "width": 1024, "height": 1024, "usage": '{"width": 1024, "height": 1024}',
        "path": str(picture), "bytes": 1_400_000, "sha256": "0" * 64, "batch": known.batch,
        "cost_amount": "0.10", "cost_currency": "CNY", "elapsed_seconds": 5.0,
    }  # fmt: skip
    names = ", ".join([*columns, "prompt", "seed", "job", "request_id"])
    marks = ", ".join("?" * (len(columns) + 4))
    with sqlite3.connect(book.path) as db:
        db.executemany(
            f"INSERT INTO generation ({names}) VALUES ({marks})",
            (
                (*columns.values(), f"{PROMPT}{n}", n, f"{n:032x}", f"{n:036x}")
                for n in range(count)
            ),
        )
    note(journal, count, picture)


def note(journal: Journal, count: int, picture: Path) -> None:
    """Write the records of so many pictures."""
    for n in range(count):
        journal.append(
            {
                "image_url": ADDRESS, "width": 1024, "height": 1024,
                "prompt": f"{PROMPT}{n}", "rewritten_prompt": None, "reasoning": None,
                "request_id": f"{n:036x}", "path": str(picture), "seed": n, "size": "1024*1024",
                "prompt_extend": False, "region": "beijing", "endpoint": "https://dashscope.aliyuncs.com",
                "bytes": 1_400_000, "sha256": "0" * 64,
                "cost": {"amount": "0.10", "currency": "CNY"}, "elapsed_seconds": 5.0,
                "attempts": 1, "line": n, "status": "saved", "job": f"{n:032x}", "file": "a.png",
            }
        )  # fmt: skip


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--day", action="store_true", help="also simulate a day at the limit")
    parser.add_argument("--million", action="store_true", help="also plan a million lines")
    args = parser.parse_args()
    speed(args.rounds)
    memory()
    limit()
    if args.day:
        day()
    if args.million:
        million()


if __name__ == "__main__":
    main()
