"""A real `zimage mcp`, and who talks to it: the SDK's client, or lines on its pipes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
from apart import apart
from cli.conftest import KEY, Service, png, serve, service, terminal, unpaced
from cloud import KEYS, Cloud, certificate, clouds

__all__ = ["KEY", "certificate", "png", "serve", "service", "terminal", "unpaced"]

# The suites of other Pythons and of the lowest versions do without the extra.
if find_spec("mcp_types") is None:
    collect_ignore_glob = ["test_*.py"]

T = TypeVar("T")

MINUTE = 60
VERSIONS = ("2025-11-25", "2026-07-28")
"""The versions of the protocol: one begins with a handshake, one has none."""
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}


class Person:
    """Who is asked by elicitation: one answer a question, the last one for all that follow.

    An answer is "accept", "decline" or "cancel"; `asked` are the questions.
    """

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def __call__(self, _context: Any, question: Any) -> Any:
        from mcp_types import ElicitResult

        self.asked.append(question)
        action = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        fields = question.requested_schema.get("properties", {})
        content = dict.fromkeys(fields, True) if action == "accept" else None
        return ElicitResult(action=action, content=content)


@pytest.fixture
def person() -> type[Person]:
    """Who is asked: `person("accept")`, or one answer a question."""
    return Person


@dataclass
class Talk:
    """Talk to a `zimage mcp` of its own: `talk(service, conversation, "--max-cost", "1")`.

    `conversation` gets the SDK's `mcp.Client`, and what it returns is returned. `version` is the
    protocol's; a `person` answers questions, and without one the client does not declare that it
    can ask. More `options` are the client's. What the process says on stderr is `stderr` then.
    """

    errlog: Path

    def __call__(
        self,
        service: Service,
        conversation: Callable[[Any], Awaitable[T]],
        *args: str,
        version: str = "2026-07-28",
        person: Person | None = None,
        env: dict[str, str | None] | None = None,
        command: list[str] | None = None,
        **options: Any,
    ) -> T:
        import anyio
        from mcp import Client
        from mcp.client.stdio import StdioServerParameters, stdio_client

        program, *before = command or [*service.zimage.command, "mcp"]
        parameters = StdioServerParameters(
            command=program,
            args=[*before, *args],
            env=service.zimage.environment({**service.env, **(env or {})}),
            cwd=service.work,
        )

        async def meet() -> T:
            with anyio.fail_after(MINUTE), self.errlog.open("a") as errlog:
                async with Client(
                    stdio_client(parameters, errlog),
                    mode=MODES[version],
                    elicitation_callback=person,
                    **options,
                ) as client:
                    assert client.protocol_version == version
                    return await conversation(client)

        return apart(lambda: anyio.run(meet))

    @property
    def stderr(self) -> str:
        return self.errlog.read_text()


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path / "mcp.stderr")


@dataclass
class Wire:
    """A `zimage mcp` whose pipes a test holds itself: for signals, kills and lines of any kind."""

    process: subprocess.Popen[bytes]
    errlog: Path
    lines: list[bytes] = field(default_factory=list)
    """All that came on stdout so far."""

    def __post_init__(self) -> None:
        self._told: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._id = 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._told.put(line)
        self._told.put(b"")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def ask(self, method: str, **params: Any) -> int:
        """Send a request and return its id."""
        self._id += 1
        self.send({"id": self._id, "method": method, "params": params})
        return self._id

    def read(self) -> Any:
        """Return the next message; None at the end of its stdout."""
        line = self._told.get(timeout=MINUTE)
        return json.loads(line) if line else None

    def answer(self, number: int) -> Any:
        """Return the answer to a request; what comes before it is passed over."""
        while True:
            message = self.read()
            assert message is not None, "it ended before it answered"
            if message.get("id") == number and "method" not in message:
                return message

    def request(self, method: str, **params: Any) -> Any:
        """Send a request and return its answer."""
        return self.answer(self.ask(method, **params))

    def shake_hands(self, **capabilities: Any) -> Any:
        """Begin as the versions with a handshake do; returns what the server says of itself."""
        who = {"name": "test", "version": "1"}
        said = self.request(
            "initialize",
            protocolVersion=VERSIONS[0],
            capabilities=capabilities,
            clientInfo=who,
        )
        self.send({"method": "notifications/initialized"})
        return said["result"]

    def end(self) -> int:
        """Close its stdin, wait for its end and return its exit status."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        status = self.process.wait(MINUTE)
        self._reader.join(MINUTE)
        return status

    @property
    def stderr(self) -> str:
        """What it has said there so far."""
        return self.errlog.read_text()

    def hear(self, words: str) -> None:
        """Wait until it has said that on stderr."""
        deadline = time.monotonic() + MINUTE
        while words not in self.stderr:
            assert time.monotonic() < deadline, f"it never said {words!r}:\n{self.stderr}"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        if sys.platform != "win32":
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Start a `zimage mcp` and hold its pipes: `wire(service, "--sandbox")`."""
    started: list[Wire] = []

    def start(
        service: Service,
        *args: str,
        env: dict[str, str | None] | None = None,
        command: list[str] | None = None,
    ) -> Wire:
        log = tmp_path / f"wire{len(started)}.stderr"
        # Nobody reads that meanwhile: a pipe could be full.
        with log.open("w") as errlog:
            process = subprocess.Popen(
                [*(command or [*service.zimage.command, "mcp"]), *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errlog,
                cwd=service.work,
                env=service.zimage.environment({**service.env, **(env or {})}),
                start_new_session=True,
            )
        started.append(Wire(process, log))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@dataclass(frozen=True)
class Priced(Service):
    """Beijing by its real name, where a picture costs CNY 0.10."""

    cloud: Cloud | None = None

    @property
    def env(self) -> dict[str, str]:
        assert self.cloud is not None
        return {**self.cloud.env, "DASHSCOPE_API_KEY": self.key, "ZIMAGE_REGION": "beijing"}


@pytest.fixture
def priced(
    certificate: Path,
    png: bytes,
    zimage: Any,
    home: Path,
    work: Path,
) -> Iterator[Callable[..., Priced]]:
    """Start a region with prices: `priced(latency=3).books`."""
    from contextlib import ExitStack

    with ExitStack() as running:

        def start(**config: Any) -> Priced:
            cloud = running.enter_context(clouds(certificate, **{"picture_bytes": png, **config}))
            return Priced(cloud.beijing, zimage, home, work, KEYS["beijing"], cloud)

        yield start
