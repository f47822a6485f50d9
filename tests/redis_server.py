"""A Redis of the tests' own, on a socket of its own: started, stopped, held and emptied."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

PATIENCE = 60.0


def until(what: Callable[[], object]) -> None:
    """Return once it holds."""
    for _ in range(int(PATIENCE / 0.01)):
        if what():
            return
        time.sleep(0.01)
    raise AssertionError("it does not come")


class RedisServer:
    """A server that keeps nothing on disk; `options` are those of its command line."""

    def __init__(self, *options: str) -> None:
        # Short: the name of a socket has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="zimage-redis-"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self.options = options

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *("redis-server", "--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--dir", str(self.folder), *self.options),
            ],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: self.socket.exists() and self.answers())

    def answers(self) -> bool:
        import redis

        try:
            return bool(self.client().execute_command("PING"))
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def hold(self) -> None:
        """Have it answer nobody; who connects is let in by the kernel."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def client(self, **more: Any) -> Any:
        import redis

        path = str(self.socket)
        return redis.Redis(unix_socket_path=path, decode_responses=True, protocol=2, **more)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def needed() -> None:
    """Skip the test where there is no Redis to start, or nothing to speak to it with."""
    pytest.importorskip("redis", reason="the extra redis is not installed")
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")


@contextmanager
def running(*options: str) -> Iterator[RedisServer]:
    """Run a server for one test, which may stop it."""
    needed()
    with RedisServer(*options) as server:
        yield server
