"""A sandbox whose pictures cost nothing, and a maker on it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stand_in import Sandbox

from zimage_cli.api.retry import Policy, Wait
from zimage_cli.api.wire import Wire
from zimage_cli.core.history.entry import Entry
from zimage_cli.core.history.history import History
from zimage_cli.core.history.safe import SafeHistory
from zimage_cli.core.making.account import Account
from zimage_cli.core.making.evidence import FOLDER as EVIDENCE
from zimage_cli.core.making.evidence import Evidence
from zimage_cli.core.making.generation import Generation
from zimage_cli.core.making.maker import Maker
from zimage_cli.core.making.save import FolderPlace, Place
from zimage_cli.core.observer import Observer
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.wish import Wish
from zimage_cli.sandbox.server import SandboxServer

KEY = "sk-0123456789abcdef0123456789abcdef"


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture(scope="session")
def small_png() -> bytes:
    """A sound PNG of 512*512 pixels and a few hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", 512, 512, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes(range(256)) * 2) * 512)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture
def sandbox(small_png: bytes) -> Iterator[Callable[..., SandboxServer]]:
    """Start a sandbox; all of them stop when the test ends."""
    with ExitStack() as running:
        yield lambda **config: running.enter_context(
            Sandbox(**{"picture_bytes": small_png, **config})
        )


class Heard(Observer):
    """Keeps what happened, and does what it is told to when it happens."""

    def __init__(self, **on: Callable[[], object]) -> None:
        self.events: list[str] = []
        self.warnings: list[str] = []
        self.waits: list[Wait] = []
        self._on = on

    def _hear(self, event: str) -> None:
        if self.events[-1:] != [event]:
            self.events.append(event)
        if event in self._on:
            self._on.pop(event)()

    def sending(self, attempt: int) -> None:
        self._hear("sending")

    def sent(self) -> None:
        self._hear("sent")

    def waiting(self, wait: Wait) -> None:
        self.waits.append(wait)
        self._hear("waiting")

    def answered(self, answer: Any, request: Any) -> None:
        self._hear("answered")

    def receiving(self, received: int, total: int | None) -> None:
        self._hear("receiving" if received else "asked")

    def saved(self, picture: Any) -> None:
        self._hear("saved")

    def warning(self, text: str) -> None:
        self.warnings.append(text)
        self._hear("warning")


@dataclass
class Studio:
    """A sandbox, a folder, a history and a maker: everything that one picture needs."""

    server: SandboxServer
    maker: Maker
    base: Path
    history: Path
    warnings: list[str]
    heard: Heard = field(default_factory=Heard)

    @property
    def pictures(self) -> Path:
        return self.base / "pictures"

    def make(self, prompt: str = "a red fox", *, on: Heard | None = None, **changes: Any) -> Any:
        self.heard = on or Heard()
        request = Request(
            prompt, **{"size": "512*512", "seed": 7, "prompt_extend": False, **changes}
        )
        wanted = self.maker.wanted(request)
        generation = Generation(request, self.maker.account, wanted, self.heard)
        self.maker.ask(generation)
        return self.maker.save(generation)

    def read(self) -> list[Entry]:
        """The history's entries, newest first, read as another process would."""
        book = History(self.history)
        try:
            return book.newest(100)
        finally:
            book.close()

    @property
    def entry(self) -> Entry:
        [entry] = self.read()
        return entry

    @property
    def files(self) -> list[str]:
        """Everything under the folder of pictures, hidden files too."""
        if not self.pictures.exists():
            return []
        return sorted(path.name for path in self.pictures.iterdir())

    @property
    def evidence(self) -> list[Path]:
        return sorted((self.base / EVIDENCE).glob("*")) if (self.base / EVIDENCE).exists() else []


@pytest.fixture
def studio(
    sandbox: Callable[..., SandboxServer], tmp_path: Path
) -> Iterator[Callable[..., Studio]]:
    """Open a studio: `studio(retries=0, log=…)`."""
    with ExitStack() as opened:

        def build(
            *,
            key: str = KEY,
            retries: int = 1,
            retry_lost: bool = False,
            timeout: float = 10,
            place: Place | None = None,
            history: Path | None = None,
            region: str = "custom",
            server: SandboxServer | None = None,
            wish: Wish | None = None,
            **config: Any,
        ) -> Studio:
            server = server or sandbox(**config)
            wish = wish or Wish()
            base, warnings = tmp_path / "output", list[str]()
            path = history or tmp_path / "history.db"
            history = SafeHistory(path, warnings.append)
            opened.callback(history.close)
            place = place or FolderPlace(base / "pictures")
            place.prepare()
            maker = Maker(
                wire=opened.enter_context(Wire(timeout=timeout)),
                account=Account(server.api_root, region, None, key),
                history=history,
                place=place,
                policy=Policy(retries, retry_lost),
                template=NameTemplate.parse(suffix=wish.suffix),
                evidence=Evidence(base / EVIDENCE),
                wish=wish,
                sleep=lambda _: None,
            )
            return Studio(server, maker, base, path, warnings)

        yield build


@pytest.fixture
def heard() -> type[Heard]:
    return Heard
