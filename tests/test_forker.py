"""A command in a fork does what it does in an interpreter of its own, or it is not forked."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _forks(forker: Any) -> None:
    if forker is None:
        pytest.skip("no forks: another system, or ZIMAGE_TEST_FRESH=1")


@pytest.fixture
def both(zimage: Any, tmp_path: Path, forker: Any) -> Callable[..., list[Any]]:
    """Run a command in a fork and in a fresh interpreter; return what each said and left behind.

    Each has a folder of its own, which is its home too.
    """

    def run(*args: str, env: dict[str, str] | None = None, **options: Any) -> list[Any]:
        found = []
        for name, way in (("forks", forker), ("fresh", None)):
            place = tmp_path / name / "place"
            place.mkdir(parents=True)
            command = dataclasses.replace(zimage, cwd=place, forker=way)
            result = command(
                *args, env={**(env or {}), "HOME": str(place)}, status=range(256), **options
            )
            left = [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]
            said = [result.stdout, result.stderr, *sorted(left)]
            for varies in (re.escape(str(place)), r"20\d{6}T\d{6}[.]\d{3}Z-\w{8}", r"\d+[.]\d s"):
                said = [re.sub(varies, "…", text) for text in said]
            found.append([result.status, *said])
        return found

    return run


def test_commands_are_forked(zimage: Any, forker: Any) -> None:
    assert zimage.forker is forker
    assert forker.can_run(zimage.environment({"DASHSCOPE_API_KEY": "sk-1", "COLUMNS": "60"}))


@pytest.mark.parametrize(
    "line",
    [
        "--version",
        "sizes --json",
        "generate --help",
        "regions",
        "config show --json",
        "config set rps 3",
        "completions show fish",
        "validate",
        "generate fox --dry-run --seed 5 -o fox.png",
        "generate fox --sandbox --seed 5 -o fox.png",
        "generate --sise 9",
        "no-such-command",
        "batch missing.txt",
        "",
    ],
)
def test_both_ways_do_the_same(both: Any, line: str) -> None:
    fork, fresh = both(*line.split())
    assert fork == fresh


def test_the_environment_arrives(both: Any) -> None:
    fork, fresh = both("config", "show", env={"ZIMAGE_REGION": "singapore", "COLUMNS": "60"})
    assert fork == fresh
    assert "singapore" in fork[1]


def test_much_stdin_arrives_and_what_is_no_utf8_fails_alike(both: Any) -> None:
    prompts = "".join(f"风筝 {number}\n" for number in range(20_000)).encode()
    fork, fresh = both(
        "batch", "-", "--input-format", "txt", "--dry-run", stdin=prompts + b"\xff\n"
    )
    assert fork == fresh
    assert "20001" in fork[2]


@pytest.fixture
def program(tmp_path: Path, zimage: Any, forker: Any) -> Iterator[Any]:
    """Run a text as the program, both ways: it stands where zimage_cli does, and looks like it."""
    package = tmp_path / "source" / "zimage_cli"
    (package / "cli").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli" / "__init__.py").touch()
    (package / "cli" / "process.py").write_text(
        "def collect_rarely(): pass\ndef spare_imports(): pass\n"
    )
    environment = zimage.environment({"PYTHONPATH": str(package.parent)})
    opened: list[Any] = []

    def start(text: str) -> Callable[..., list[tuple[int, bytes, bytes]]]:
        (package / "__main__.py").write_text(
            f"def run():\n    exec({text!r}, {{}})\nif __name__ == '__main__':\n    run()\n"
        )
        opened.append(type(forker)(environment))

        def run(*args: str, env: dict[str, str] | None = None, given: bytes | None = None) -> Any:
            whole = {**environment, **(env or {})}
            fresh = subprocess.run(
                [*zimage.command, *args],
                env=whole,
                cwd=zimage.cwd,
                capture_output=True,
                check=False,
                **({"stdin": subprocess.DEVNULL} if given is None else {"input": given}),
            )
            fork = opened[-1].run(args, whole, zimage.cwd, given, 60)
            return [fork, (fresh.returncode, fresh.stdout, fresh.stderr)]

        run.forker = opened[-1]  # type: ignore[attr-defined]
        return run

    yield start
    for each in opened:
        each.close()


LOOK = """
import json, os, signal, sys, threading, time
def look(name):
    stream = getattr(sys, name)
    facts = ("name", "mode", "encoding", "errors", "newlines", "line_buffering", "write_through")
    raw = stream.buffer.raw
    return [getattr(stream, fact) for fact in facts] + [
        raw.name, raw.mode, raw.closefd, stream.seekable(), stream is getattr(sys, f"__{name}__")]
print(json.dumps({
    "streams": [look(name) for name in ("stdin", "stdout", "stderr")],
    "given": sys.stdin.read(),
    "path": sys.path, "argv": sys.argv, "cwd": os.getcwd(), "environment": dict(os.environ),
    "files": sorted(set(os.listdir("/proc/self/fd")) - {"3"}), "zone": time.tzname,
    "umask": os.umask(0), "limits": open("/proc/self/limits").read(),
    "signals": {n: str(signal.getsignal(n)) for n in signal.valid_signals() - {2, 9, 19}},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "family": [os.getpgid(0), os.getsid(0)], "thread": threading.current_thread().name,
    "threads": threading.active_count(), "flags": str(sys.flags), "nice": os.nice(0),
}))
"""


def test_a_fork_finds_itself_as_a_fresh_process_does(program: Any) -> None:
    fork, fresh = program(LOOK)("a", "风", env={"TZ": "Asia/Shanghai"}, given="风\n".encode())
    assert json.loads(fork[1]) == json.loads(fresh[1])
    assert fork == fresh
    assert json.loads(fork[1])["given"] == "风\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import sys; print('half'); sys.exit(7)", 7),
        ("import sys; sys.exit('a message')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os; print('lost'); os._exit(9)", 9),
        # What cannot be written at the end is complained of then.
        ("import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); print('full')", 120),
        ("import atexit, sys; atexit.register(lambda: print('at the end'))", 0),
        ("import threading as t; t.Timer(0.2, print, ['late']).start()", 0),
        ("import sys; sys.stdin.close(); print(sys.stdin.closed)", 0),
        ("import os, time; os.close(1); time.sleep(0.2); print('closed')", 120),
        ("import logging, sqlite3, json; print(json.dumps([1]), sqlite3.connect(':memory:'))", 0),
    ],
)
def test_it_ends_as_a_fresh_process_does(program: Any, text: str, status: int) -> None:
    fork, fresh = program(text)()
    assert fork[0] == status
    if "sqlite3" not in text:  # an address
        assert fork == fresh


def test_an_exception_that_nobody_catches_is_shown(program: Any) -> None:
    fork, fresh = program("print('before')\nraise ValueError('a bug')")()
    assert fork[:2] == fresh[:2] == (1, b"before\n")
    assert fork[2].splitlines()[-1] == fresh[2].splitlines()[-1] == b"ValueError: a bug"


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONPATH": "/elsewhere"},
        {"LANG": "C"},
        {"LC_ALL": "zh_CN.UTF-8"},
        {"HTTPS_PROXY": "socks5://127.0.0.1:1"},
        {"FORCE_COLOR": "1"},
        {"HOME": None},
    ],
    ids=str,
)
def test_what_a_start_reads_gets_an_interpreter(zimage: Any, forker: Any, env: Any) -> None:
    assert not forker.can_run(zimage.environment(env))


def test_a_test_that_changes_its_own_process_gets_an_interpreter(zimage: Any, forker: Any) -> None:
    before = os.umask(0o123)
    try:
        assert not forker.can_run(zimage.environment())
    finally:
        os.umask(before)
    assert forker.can_run(zimage.environment())


@pytest.mark.parametrize("meanwhile", ["time.sleep(600)", "time.sleep(0.01); print(flush=True)"])
def test_what_takes_too_long_is_killed(program: Any, zimage: Any, meanwhile: str) -> None:
    forker = program(f"import time\nwhile True: {meanwhile}").forker
    with pytest.raises(subprocess.TimeoutExpired):
        forker.run((), zimage.environment(), zimage.cwd, b"never read" * 100_000, 1)
    parent = forker._process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children")
    until = time.monotonic() + 60
    while children.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert children.read_text() == ""


def test_a_test_fails_when_the_process_that_forks_has_died(program: Any, zimage: Any) -> None:
    run = program("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)").forker
    with pytest.raises(RuntimeError, match="has died"):
        run.run((), zimage.environment(), zimage.cwd, None, 60)
    with pytest.raises(OSError):
        run.run((), zimage.environment(), zimage.cwd, None, 60)


def test_runs_at_the_same_time_do_not_disturb_each_other(zimage: Any, forker: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda number: zimage("config", "set", "rps", str(number)), range(1, 9))
        )
    assert sorted(result.args[-1] for result in results) == sorted(map(str, range(1, 9)))
