"""What every test stands on: a home of its own, no settings from outside, and the real command."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forker import Forker, supported
from hypothesis import settings
from redis_server import RedisServer, needed

import zimage_cli

# No deadline: the machine may be busy with other tests. In CI the same examples every time: what
# others find by chance must not stop a change that has nothing to do with it.
settings.register_profile("zimage", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("zimage")

SOURCE = Path(zimage_cli.__file__).resolve().parent.parent

# Every command in an interpreter of its own, also where a fork would do the same.
FRESH = os.environ.get("ZIMAGE_TEST_FRESH") == "1"

# What pytest makes of the tests is kept beside them, whatever the developer's shell says, as the
# commands keep what they compile: without it each worker spends four seconds on that.
sys.dont_write_bytecode = False

# All that a test takes from the developer's shell: nothing in it can decide a test or be shown by
# a failing one.
INHERITED = frozenset(
    {"PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TMPDIR", "TEMP", "TMP"}
)

# Tests wait more than they work.
WORKERS_PER_CORE = 3

# Those that take longest come first, so that no worker is left alone with one at the end.
SLOW = (
    "tests/mcp/test_patience.py",
    *("tests/cli/batch/", "tests/cli/test_interrupts.py", "tests/cli/test_completions_shells.py"),
    "tests/cli/test_machines.py",
    *("tests/cli/generate/test_terminal.py", "tests/cli/test_history.py", "tests/api/test_body.py"),
    *("tests/cli/test_locale.py", "tests/api/test_deadline.py", "tests/test_readme.py"),
    *("tests/test_scale.py", "tests/test_translations.py"),
)


def pytest_configure() -> None:
    # A shell without job control starts what stands before `&` with these ignored, and `nohup` the
    # hangup: the commands that tests interrupt would ignore them too.
    for name in ("SIGINT", "SIGQUIT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, default)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answer `-n auto`."""
    # Handed out a few at a time; by itself xdist begins with a quarter of all.
    config.option.maxschedchunk = config.option.maxschedchunk or 4
    return WORKERS_PER_CORE * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    # All that is collected stays to the end: nobody looks for garbage in it. It is not frozen:
    # Hypothesis 6.130 asks what refers to its generators, and finds nothing in what is.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW))


def is_inherited(name: str) -> bool:
    # pytest and Hypothesis keep notes of their own in the environment of their processes.
    return name.upper() in INHERITED or name.startswith(("PYTEST_", "HYPOTHESIS_", "COVERAGE_"))


@dataclass(frozen=True)
class Result:
    """What one run of the command left behind."""

    args: tuple[str, ...]
    status: int
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode("utf-8")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8")

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; fails on anything beside it."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


@dataclass(frozen=True)
class Zimage:
    """Run `python -m zimage_cli` in a process and an environment of its own.

    `zimage(…)` may fork a process that has the program imported: see forker.py. `zimage.popen(…)`
    starts a fresh interpreter.

    `env` adds to (or with None removes from) that environment. A status that was not asked for
    raises AssertionError with both streams: pass a number, or several where any of them will do.
    """

    env: Mapping[str, str]
    cwd: Path
    forker: Forker | None = None

    @property
    def command(self) -> list[str]:
        """The command line without arguments, for tests that start it in a terminal."""
        return [sys.executable, "-m", "zimage_cli"]

    def environment(self, env: Mapping[str, str | None] | None = None) -> dict[str, str]:
        merged: dict[str, str | None] = {**self.env, **(env or {})}
        return {name: value for name, value in merged.items() if value is not None}

    def popen(
        self, *args: str, env: Mapping[str, str | None] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start it and return at once: for servers, signals and kills."""
        defaults: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.cwd,
        }
        return subprocess.Popen(
            [*self.command, *args], env=self.environment(env), **{**defaults, **options}
        )

    def __call__(
        self,
        *args: str,
        status: int | Collection[int] = 0,
        env: Mapping[str, str | None] | None = None,
        stdin: str | bytes | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> Result:
        given = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        whole, folder = self.environment(env), cwd or self.cwd
        if self.forker and self.forker.can_run(whole):
            ended = self.forker.run(args, whole, folder, given, timeout)
        else:
            options: dict[str, Any] = (
                {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
            )
            done = subprocess.run(
                [*self.command, *args],
                env=whole,
                cwd=folder,
                capture_output=True,
                timeout=timeout,
                check=False,
                **options,
            )
            ended = done.returncode, done.stdout, done.stderr
        result = Result(args, *ended)
        asked = {status} if isinstance(status, int) else set(status)
        if result.status not in asked:
            streams = "\n".join(
                f"--- {name}\n{data.decode('utf-8', 'backslashreplace')}"
                for name, data in zip(("stdout", "stderr"), ended[1:], strict=True)
            )
            raise AssertionError(
                f"zimage {' '.join(args)} ended with {result.status}, "
                f"not {sorted(asked)}\n{streams}"
            )
        return result


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with nothing in it."""
    folder = tmp_path / "home"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that the command is run in."""
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def isolation(home: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test's own process the isolated home too, and the work folder as its cwd."""
    for name in list(os.environ):
        if not is_inherited(name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)


def base_environment(home: str) -> dict[str, str]:
    """What a command is started with."""
    return {
        **{name: value for name, value in os.environ.items() if is_inherited(name)},
        "HOME": home,
        "USERPROFILE": home,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(SOURCE),
    }


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker | None]:
    """The process that forks itself for commands; None where every one gets an interpreter."""
    if FRESH or not supported():
        yield None
        return
    forker = Forker(base_environment(os.devnull))
    yield forker
    forker.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is opened for one test, and closed behind it."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis for all tests of this process that do not stop it: each takes an account of its own.

    Skips where there is none to start.
    """
    needed()
    with RedisServer() as server:
        yield server


@pytest.fixture
def zimage(home: Path, work: Path, isolation: None, forker: Any) -> Zimage:
    """The real command: `zimage("sizes", "--json", status=0).json`."""
    return Zimage(base_environment(str(home)), work, forker)


@pytest.fixture
def shim(zimage: Zimage, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Write a module that stands before all others, and return the environment.

    `sitecustomize` runs before anything of the command's.
    """
    folder = tmp_path / "shim"

    def write(text: str, module: str = "sitecustomize") -> dict[str, str]:
        folder.mkdir()
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        return {"PYTHONPATH": os.pathsep.join((str(folder), zimage.env["PYTHONPATH"]))}

    return write


@pytest.fixture
def config_file(home: Path) -> Path:
    """Where the command keeps its settings in this test's home; not made yet."""
    if sys.platform == "win32":
        return home / "AppData" / "Local" / "zimage" / "config.toml"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "zimage" / "config.toml"
    return home / ".config" / "zimage" / "config.toml"
