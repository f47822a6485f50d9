"""A service to ask, what it leaves behind, and a terminal to look at."""

from __future__ import annotations

import json
import os
import re
import select
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from screens import end
from stand_in import Sandbox

from zimage_cli.core.history.history import History
from zimage_cli.sandbox.server import SandboxServer

KEY = "sk-0123456789abcdef0123456789abcdef"
ROW: dict[str, Any] = {
    "status": "saved",
    "created_at": "2001-02-03T04:05:06.000+00:00",
    "prompt": "a fox in snow",
    "size": "1024*1024",
    "seed": 7,
    "prompt_extend": False,
    "region": "singapore",
    "endpoint": "https://dashscope-intl.aliyuncs.com",
    "cost_amount": "0.015",
    "cost_currency": "USD",
}
"""What the history knows of a picture."""
SIZE = "512*512"


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture of 512*512 that costs nothing to serve."""
    from noise import noise

    return noise(512, 512, 20_000)


@dataclass(frozen=True)
class Service:
    """A running stand-in for the service, and the command that asks it."""

    server: SandboxServer
    zimage: Any
    home: Path
    work: Path
    key: str = KEY

    @property
    def books(self) -> Any:
        return self.server.books

    @property
    def env(self) -> dict[str, str]:
        return {"DASHSCOPE_BASE_URL": self.server.api_root, "DASHSCOPE_API_KEY": self.key}

    def script(self, *steps: Any) -> None:
        self.server.script(*steps)

    def __call__(self, *args: str, env: Mapping[str, str | None] | None = None, **kw: Any) -> Any:
        return self.zimage(*args, env={**self.env, **(env or {})}, **kw)

    def generate(self, *args: str, **kw: Any) -> Any:
        """Make a picture of 512*512."""
        return self("generate", "--size", SIZE, *args, **kw)

    def popen(self, *args: str, env: Mapping[str, str | None] | None = None, **kw: Any) -> Any:
        return self.zimage.popen(*args, env={**self.env, **(env or {})}, **kw)

    def history(self) -> list[dict[str, Any]]:
        return rows_of(self.home)

    @property
    def images(self) -> Path:
        return self.work / "output" / "ai-image-zimage-turbo" / "images"

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What the evidence says, a document a run."""
        folder = self.work / "output" / "aliyun-zimage-turbo"
        return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """What the evidence says of every picture."""
        return [picture for run in self.runs for picture in run["pictures"]]

    def pictures(self) -> list[Path]:
        """Return every file in the pictures' folder, hidden ones too."""
        return sorted(self.images.iterdir()) if self.images.is_dir() else []


def rows_of(home: Path) -> list[dict[str, Any]]:
    """Return every row of a home's history, oldest first."""
    path = home / ".local" / "share" / "zimage" / "history.db"
    if sys.platform == "win32":
        path = home / "AppData" / "Local" / "zimage" / "history.db"
    if sys.platform == "darwin":
        path = home / "Library" / "Application Support" / "zimage" / "history.db"
    if not path.exists():
        return []
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute("SELECT * FROM generation ORDER BY id")]
    finally:
        db.close()


@pytest.fixture
def serve(zimage: Any, home: Path, work: Path, png: bytes) -> Iterator[Callable[..., Service]]:
    """Start a service: `serve(latency=3)`; all of them stop when the test ends."""
    with ExitStack() as running:

        def start(**config: Any) -> Service:
            server = running.enter_context(Sandbox(**{"picture_bytes": png, **config}))
            return Service(server, zimage, home, work)

        yield start


@pytest.fixture
def unpaced(config_file: Path) -> None:
    """Take the account's rate limit away: for tests whose subject is something else."""
    config_file.parent.mkdir(parents=True)
    config_file.write_text("rps = 0\n")
    config_file.chmod(0o600)


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    """A service without delay."""
    return serve()


@pytest.fixture
def prompts(work: Path) -> Callable[[int], str]:
    """Write a file of so many prompts and return its name."""

    def make(count: int) -> str:
        text = "".join(f"kite {number}\n" for number in range(count))
        (work / "prompts.txt").write_text(text)
        return "prompts.txt"

    return make


def files_in(folder: Path) -> set[str]:
    """Return the paths of all files below a folder, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def files() -> Callable[[Path], set[str]]:
    return files_in


@pytest.fixture
def remembered(home: Path) -> Callable[..., Path]:
    """Put rows into the history, each ROW but for what it says; return the file."""

    def put(*rows: Mapping[str, Any]) -> Path:
        path = home / ".local/share/zimage/history.db"
        with closing(History(path)) as book:
            for row in rows:
                book.begin(**{**ROW, **row})
        return path

    return put


@dataclass
class Terminal:
    """A command in a terminal of a given size, what it wrote, and what that looks like."""

    child: Any
    screen: Any
    stream: Any
    before: int
    """The terminal's local modes when it was new: the command may be faster than a test."""
    raw: str = ""
    frames: list[list[str]] = field(default_factory=list)
    """What stood there whenever what moves was drawn anew, and at the end."""
    left: int = 0
    """The terminal's local modes at the end."""

    @property
    def lines(self) -> list[str]:
        """The screen's lines as they are now, without trailing white space and empty end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def read(self, seconds: float = 0.05) -> bool:
        """Take what comes within so many seconds; False at the end."""
        from pexpect.spawnbase import EOF, SpawnBase

        # What it writes last may come after nothing did for so long: `spawn` looks then whether it
        # has ended, and leaves that unread.
        alive = self.child.isalive()
        if not select.select([self.child], [], [], seconds)[0]:
            return bool(alive)
        try:
            data = SpawnBase.read_nonblocking(self.child, 65536)
        except EOF:
            self.frames.append(self.lines)
            return False
        self.raw += data
        # It comes in pieces of any length: a frame is whole when the next one begins to erase it.
        for number, piece in enumerate(re.split(r"(?=\r\x1b\[2K)", data)):
            if number:
                self.frames.append(self.lines)
            self.stream.feed(piece)
        return True

    @property
    def local_modes(self) -> int:
        """What the terminal does with keys: ECHO, NOFLSH and the like."""
        import termios

        return int(termios.tcgetattr(self.child.child_fd)[3])

    def until(self, condition: Callable[[Terminal], bool], timeout: float = 60) -> Terminal:
        """Read until the screen satisfies a condition; fails with the screen."""
        deadline = time.monotonic() + timeout
        alive = True
        while not condition(self):
            if not alive or time.monotonic() > deadline:
                raise AssertionError(f"the screen never came to that:\n{self.text}\n{self.raw!r}")
            alive = self.read()
        return self

    def end(self, timeout: float = 60) -> int:
        """Read to the end and return the exit status (128 + signal for a signal)."""
        deadline = time.monotonic() + timeout
        # Its streams are closed an instant before it has ended: `close` would send it a hangup.
        while self.read() or self.child.isalive():
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end:\n{self.text}")
        self.left = self.local_modes
        self.child.close()
        if self.child.signalstatus is not None:
            return 128 + int(self.child.signalstatus)
        return int(self.child.exitstatus)

    def hang_up(self) -> None:
        """Take the terminal away; the command goes on.

        By what owns the number of its file: it would close that again, whatever has it by then.
        """
        self.child.ptyproc.fileobj.close()


@pytest.fixture
def terminal(zimage: Any) -> Iterator[Callable[..., Terminal]]:
    """Run the command in a terminal: `terminal("generate", …, columns=80, env=…)`."""
    pexpect = pytest.importorskip("pexpect")
    pyte = pytest.importorskip("pyte")
    if sys.platform == "win32":
        pytest.skip("POSIX terminals")
    opened: list[Any] = []

    def start(
        *args: str,
        columns: int = 80,
        rows: int = 40,
        env: Mapping[str, str | None] | None = None,
        shell: str | None = None,
        encoding: str = "utf-8",
    ) -> Terminal:
        import termios

        new = os.openpty()
        modes = int(termios.tcgetattr(new[1])[3])
        for number in new:
            os.close(number)
        command = ["/bin/sh", "-c", shell, "sh", *zimage.command] if shell else zimage.command
        child = pexpect.spawn(
            command[0],
            [*command[1:], *args],
            env=zimage.environment(env),
            cwd=str(zimage.cwd),
            dimensions=(rows, columns),
            encoding=encoding,
            codec_errors="backslashreplace" if encoding == "utf-8" else "strict",
            timeout=60,
        )
        child.delaybeforesend = None
        child.delayafterclose = 0.02
        opened.append(child)
        screen = pyte.Screen(columns, rows)
        return Terminal(child, screen, pyte.Stream(screen), modes)

    yield start
    for child in opened:
        end(child)
