"""How well many machines share one account: shards of one file, one Redis, a strict service.

    python benchmarks/machines.py [--machines N] [--lines N] [--rps F]

Starts a Redis of its own (redis-server) and a sandbox that answers 429 beyond the limit, and as
many `zimage batch --shard` as there are machines, each with a home of its own. Prints what the
service counted by its own clock: the share of the limit, the number of 429, the gaps, each
machine's share, and whether every line was made once. Then the same while the Redis is held for
five seconds, and while it is killed and started again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from batch import books, prompts, served

AWAY = 5.0
"""Seconds for which the Redis is away."""


class Redis:
    """A server on a socket of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket)]
        self.command += ["--save", "", "--dir", str(folder)]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is there."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        while not self.socket.exists():
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def hold(self) -> None:
        """Have it answer nobody for a while."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(AWAY)
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it, and start it again after a while, empty."""
        self.stop()
        time.sleep(AWAY)
        self.start()


def machine(home: Path, shard: str, file: Path, rps: float, env: dict[str, str]) -> Any:
    """Start a batch with a home of its own."""
    home.mkdir()
    words = ["batch", str(file), "--shard", shard, "-o", str(home / "out"), "--rps", str(rps)]
    return subprocess.Popen(
        [sys.executable, "-m", "zimage_cli", *words, "--yes", "--no-evidence"],
        env={**env, "HOME": str(home), "ZIMAGE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(machines: int, lines: int, rps: float, trouble: Callable[[Redis], None] | None) -> None:
    """Make all lines, and print what the service saw."""
    with served(0.5, rps, 20_000) as root, tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        redis = Redis(folder)
        env = {
            "PATH": os.environ["PATH"],
            "DASHSCOPE_API_KEY": "sk-benchmark",
            "DASHSCOPE_BASE_URL": root,
            "ZIMAGE_PACE_URL": f"unix://{redis.socket}",
            "ZIMAGE_PACE_ACCOUNT": "benchmark",
        }
        file = prompts(folder / "prompts.jsonl", lines)
        homes = [folder / f"machine-{number}" for number in range(1, machines + 1)]
        running = [
            machine(home, f"{number}/{machines}", file, rps, env)
            for number, home in enumerate(homes, 1)
        ]
        if trouble is not None:
            while books(root)["posts"] < lines // 4:  # type: ignore[operator]
                time.sleep(0.05)
            trouble(redis)
        said = [one.communicate()[1] for one in running]
        if any(one.returncode for one in running):
            sys.exit("".join(said))
        with urllib.request.urlopen(root.removesuffix("/api/v1") + "/sandbox/books?billed=1") as it:
            found = json.load(it)
        redis.stop()
        report(found, homes, rps, goals=trouble is None)
        if trouble is not None:
            for what in ("its own last pace", "taken there again"):
                print(f"  “… {what}”: said by {sum(what in one for one in said)} of {machines}")


def report(found: dict[str, Any], homes: list[Path], rps: float, *, goals: bool) -> None:
    """Print what the service counted, and what it should be where nothing is in the way."""
    whose = {}
    saved: Counter[int] = Counter()
    for number, home in enumerate(homes, 1):
        for text in (home / "out" / "results.jsonl").read_text().splitlines():
            record = json.loads(text)
            if record.get("status") == "saved":
                saved[record["line"]] += 1
                whose[record["line"]] = number
    made = [one["prompt"] for one in found["billed_pictures"]]
    order = [whose[int(prompt.rpartition(" ")[2]) + 1] for prompt in made]
    clocks = sorted(found["post_clocks"])
    gaps = sorted(late - early for early, late in pairwise(clocks))
    rate = (len(clocks) - 1) / (clocks[-1] - clocks[0])
    # From when the last has come until the first has gone.
    begun = max(order.index(number) for number in set(order))
    ended = min(len(order) - order[::-1].index(number) for number in set(order))
    shares = Counter(order[begun:ended])
    mean = sum(shares.values()) / len(homes)
    least, within = ("  (at least 97 %)", "  (within 30 %)") if goals else ("", "")
    print(f"  {rate:.3f}/s, {rate / rps:.1%} of the limit{least}, 429: {found['throttled']}")
    print(f"  gaps: {gaps[0]:.3f} s, median {gaps[len(gaps) // 2]:.3f} s, {gaps[-1]:.3f} s")
    parts = ", ".join(f"{shares[n]} ({shares[n] / mean - 1:+.0%})" for n in sorted(set(order)))
    print(f"  shares while all were there: {parts}{within}")
    twice = sum(times > 1 for times in saved.values()) + len(made) - len(set(made))
    print(f"  {len(saved)} lines saved, {twice} of them twice")


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--lines", type=int, default=60)
    parser.add_argument("--rps", type=float, default=2.0)
    given = parser.parse_args()
    about = f"{given.lines} lines, {given.machines} machines, {given.rps:g} a second"
    for what, trouble in (
        ("one Redis", None),
        (f"it is held for {AWAY:g} s", Redis.hold),
        (f"it is killed, and back after {AWAY:g} s, empty", Redis.restart),
    ):
        print(f"{about}: {what}")
        run(given.machines, given.lines, given.rps, trouble)


if __name__ == "__main__":
    main()
