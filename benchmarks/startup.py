"""How fast zimage starts: ratios against a bare interpreter and a plain script, in one run.

    python benchmarks/startup.py [--runs N]

Every command is timed in turn with its yardstick (A B A B …), and what is printed is the median of
the ratios: the machine's speed may drift, the ratio hardly does. What the extra `preview` costs is
the median of differences, between two environments of which one lacks it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from without_preview import run_in_kitty, twins

from zimage_cli.sandbox.server import Sandbox

HERE = Path(__file__).parent
BARE = [sys.executable, "-I", "-c", "pass"]
ZIMAGE = [str(Path(sys.executable).with_name("zimage"))]

COMMANDS = (
    (("--version",), 1.6),
    (("--help",), 13.0),
    (("generate", "--help"), 13.0),
    (("config", "get", "region"), 9.0),
    (("sizes", "--json"), 9.0),
    (("generat",), 13.0),
    (("generate", "--siez"), 13.0),
    (("generate", "a lake", "--dry-run"), None),
    (("completions", "show", "bash"), None),
)
PEERS = ("dashscope --help", "llm --version", "hf --help", "http --version", "openai --version")


def environment(home: str) -> dict[str, str]:
    """Return an environment in which nothing but the program itself differs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**kept, "HOME": home, "DASHSCOPE_API_KEY": "sk-benchmark", "COLUMNS": "80"}


def seconds(command: Sequence[str], env: dict[str, str], cwd: str) -> float:
    """Return how long a command takes from start to exit."""
    began = time.perf_counter()
    null = subprocess.DEVNULL
    subprocess.run(command, env=env, cwd=cwd, stdout=null, stderr=null, check=False)
    return time.perf_counter() - began


def ratios(a: Callable[[], float], b: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """Return the medians of a, of b and of a/b, taken in turn after one warm-up each."""
    ones, twos = taken(a, b, runs)
    both = zip(ones, twos, strict=True)
    return median(ones), median(twos), median(one / two for one, two in both)


def start_up(runs: int, env: dict[str, str], cwd: str) -> None:
    """Print every start-up figure against a bare interpreter."""
    print(f"start to exit, against a bare interpreter; median of {runs} ratios")
    for args, aim in COMMANDS:
        command = [*ZIMAGE, *args]
        row(f"zimage {' '.join(args)}", command, aim, runs, env, cwd)
    for peer in PEERS:
        program, *args = peer.split()
        path = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
        if path:
            row(peer, [path, *args], None, runs, env, cwd)


def row(
    name: str, command: list[str], aim: float | None, runs: int, env: dict[str, str], cwd: str
) -> None:
    """Time one command and print its line."""
    ours, bare, ratio = ratios(
        lambda: seconds(command, env, cwd), lambda: seconds(BARE, env, cwd), runs
    )
    wanted = f"  (at most {aim:g})" if aim else ""
    print(f"  {name:32} {ours * 1000:6.0f} ms {bare * 1000:6.0f} ms {ratio:6.2f} ×{wanted}")


class Journey:
    """Process start to POST, and picture request to exit, of one command against the sandbox.

    `terminal`: in one that says it is kitty, else in a pipe. `written`: what came last.
    """

    def __init__(
        self,
        requests: list[dict[str, Any]],
        command: list[str],
        env: dict[str, str],
        *,
        terminal: bool = False,
    ):
        self._requests, self._command, self._env = requests, command, env
        self._terminal = terminal
        self.tails: list[float] = []
        self.written = b""

    def __call__(self) -> float:
        self._requests.clear()
        began = time.time()
        null, cwd = subprocess.DEVNULL, self._env["HOME"]
        if self._terminal:
            self.written = run_in_kitty(self._command, self._env, cwd)
        else:
            subprocess.run(
                self._command, env=self._env, cwd=cwd, stdout=null, stderr=null, check=True
            )
        ended = time.time()
        post, picture = self._requests
        self.tails.append(ended - picture["at"])
        return float(post["at"] - began)


def whole_path(runs: int, env: dict[str, str]) -> None:
    """Print start-to-POST and picture-to-exit against the plain script."""
    requests: list[dict[str, Any]] = []
    with Sandbox(latency=0.4, log=requests.append) as server:
        script = [sys.executable, str(HERE / "plain_stdlib.py"), server.api_root, env["HOME"]]
        plain = Journey(requests, script, env)
        ours = Journey(
            requests,
            [*ZIMAGE, "generate", "A calm lake at dawn", "--seed", "1234", "--overwrite",
             "-o", "ours.png"],
            {**env, "DASHSCOPE_BASE_URL": server.api_root},
        )  # fmt: skip
        a, b, ratio = ratios(ours, plain, runs)
    print("process start to POST, against a plain urllib script")
    print(f"  zimage generate {a * 1000:6.0f} ms {b * 1000:6.0f} ms {ratio:6.2f} ×  (at most 2.8)")
    more = median(x - y for x, y in zip(ours.tails, plain.tails, strict=True))
    print("picture request to exit, more than the plain script")
    print(f"  zimage generate {more * 1000:6.0f} ms  (at most 60)")


def extra(runs: int, env: dict[str, str], home: str) -> None:
    """Print what the extra `preview` adds where it is installed, in a pipe and in kitty."""
    pythons = twins(Path(home))
    if pythons is None:
        print("the extra `preview` is not installed here: nothing to compare")
        return
    print("with the extra `preview` installed, and without it; median of differences")
    version = [
        lambda python=python: seconds([python, "-m", "zimage_cli", "--version"], env, home)
        for python in pythons
    ]
    difference("--version, start to exit", *taken(*version, runs))
    requests: list[dict[str, Any]] = []
    with Sandbox(latency=0.4, log=requests.append) as server:
        env = {**env, "DASHSCOPE_BASE_URL": server.api_root}
        words = [
            "-m",
            "zimage_cli",
            "generate",
            "A calm lake at dawn",
            "--overwrite",
            "-o",
            "a.png",
        ]
        for terminal in (False, True):
            place = "in kitty" if terminal else "in a pipe"
            one, two = (
                Journey(requests, [python, *words], env, terminal=terminal) for python in pythons
            )
            difference(f"start to POST, {place}", *taken(one, two, runs))
            difference(f"picture request to exit, {place}", one.tails[1:], two.tails[1:])
        print(f"  written to kitty: {len(one.written)} bytes with it, {len(two.written)} without")


def in_chinese(runs: int, env: dict[str, str]) -> None:
    """Print what Chinese costs more than English, of the same program."""
    print("in Chinese, and in English; median of differences")
    envs = [{**env, "ZIMAGE_LANG": language} for language in ("zh", "en")]
    for args in (("--version",), ("generate", "--help"), ("generat",)):
        runners = [
            lambda own=own, args=args: seconds([*ZIMAGE, *args], own, own["HOME"]) for own in envs
        ]
        difference(f"zimage {' '.join(args)}, start to exit", *taken(*runners, runs))
    requests: list[dict[str, Any]] = []
    with Sandbox(latency=0.4, log=requests.append) as server:
        words = [*ZIMAGE, "generate", "A calm lake at dawn", "--overwrite", "-o", "a.png"]
        for terminal in (False, True):
            place = "in a terminal" if terminal else "in a pipe"
            one, two = (
                Journey(
                    requests,
                    words,
                    {**own, "DASHSCOPE_BASE_URL": server.api_root},
                    terminal=terminal,
                )
                for own in envs
            )
            difference(f"start to POST, {place} (at most +1.5)", *taken(one, two, runs))


def taken(
    a: Callable[[], float], b: Callable[[], float], runs: int
) -> tuple[list[float], list[float]]:
    """Return what a and b gave, taken in turn after one warm-up each."""
    a(), b()
    pairs = [(a(), b()) for _ in range(runs)]
    return [one for one, _ in pairs], [two for _, two in pairs]


def difference(name: str, a: Sequence[float], b: Sequence[float]) -> None:
    """Print the line of a comparison."""
    apart = median(one - two for one, two in zip(a, b, strict=True))
    print(
        f"  {name:36} {median(a) * 1000:6.0f} ms {median(b) * 1000:6.0f} ms {apart * 1000:+6.1f} ms"
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        env = environment(home)
        start_up(runs, env, home)
        whole_path(runs, env)
        in_chinese(runs, env)
        extra(runs, env, home)


if __name__ == "__main__":
    main()
