"""Sandboxes, clients, and a listener for everything that the sandbox does not say."""

from __future__ import annotations

import contextlib
import gc
import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

# With SOCKS: tests set proxies long after something else may have loaded httpx without.
import httpcore  # noqa: F401
import pytest
from stand_in import Sandbox, kept_port

from zimage_cli.api.payload import WireRequest, generation_request
from zimage_cli.api.wire import Wire
from zimage_cli.sandbox.server import SandboxServer

KEY = "sk-0123456789abcdef0123456789abcdef"


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture(scope="session")
def small_png() -> bytes:
    """A sound PNG of 512*512 pixels and a few hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 512, 512, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes(range(256)) * 2) * 512)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture
def sandbox(small_png: bytes) -> Iterator[Callable[..., SandboxServer]]:
    """Start a sandbox whose pictures cost nothing; all of them stop when the test ends."""
    with ExitStack() as running:
        yield lambda **config: running.enter_context(
            Sandbox(**{"picture_bytes": small_png, **config})
        )


@pytest.fixture
def clients() -> Iterator[Callable[..., Wire]]:
    with ExitStack() as running:
        yield lambda **config: running.enter_context(Wire(**{"timeout": 10, **config}))


@pytest.fixture
def client(clients: Callable[..., Wire]) -> Wire:
    return clients()


@pytest.fixture
def wire() -> Callable[..., WireRequest]:
    """Build the call for an API root."""

    def build(api_root: str, prompt: str = "a red fox", *, extend: bool = False) -> WireRequest:
        return generation_request(
            api_root, prompt=prompt, size="512*512", seed=7, prompt_extend=extend
        )

    return build


@pytest.fixture
def abandoned_sockets() -> Iterator[None]:
    """Collect the sockets that a test abandons within it, and not in some later one.

    httpcore leaves the socket of a failed SOCKS handshake to the garbage collector.
    """
    # Without what was there before: all tests and what they have loaded.
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()


class Visit:
    """One connection, as the listener's script sees it; `seen` is every byte that came."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.seen = bytearray()
        self._taken = 0

    def take(self, count: int) -> bytes:
        """Return so many bytes; fewer where the visitor is done."""
        while len(self.seen) - self._taken < count and self._more():
            continue
        return self._cut(self._taken + count)

    def head(self) -> bytes:
        """Return an HTTP head with its empty line."""
        while (end := self.seen.find(b"\r\n\r\n", self._taken)) < 0 and self._more():
            continue
        return self._cut(end + 4 if end >= 0 else len(self.seen))

    def request(self) -> bytes:
        """Return an HTTP head and read its body too."""
        head = self.head()
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self.take(int(line.partition(b":")[2]))
        return head

    def drain(self) -> None:
        """Read until the visitor is done."""
        while self._more():
            continue
        self._taken = len(self.seen)

    def gone(self) -> bool:
        """Tell whether the visitor has left, waiting as long as the socket's timeout."""
        try:
            return self.sock.recv(65536) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def answer(self, body: bytes = b"{}", status: str = "200 OK", *lines: str) -> None:
        """Answer in HTTP, the connection closing after it."""
        head = [f"HTTP/1.1 {status}", "Connection: close", *lines]
        if not any(line.lower().startswith(("content-length", "transfer-enc")) for line in lines):
            head.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def _more(self) -> bool:
        with contextlib.suppress(OSError):
            data = self.sock.recv(65536)
            self.seen += data
            return bool(data)
        return False

    def _cut(self, end: int) -> bytes:
        part = bytes(self.seen[self._taken : end])
        self._taken += len(part)
        return part


class Listener:
    """A loopback port that speaks as told, one thread a connection."""

    def __init__(
        self, talk: Callable[[Visit], object], tls: ssl.SSLContext | None, family: int
    ) -> None:
        self._talk = talk
        self._tls = tls
        self._family = family
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listening = socket.create_server((host, 0), family=family)
        self.port: int = self._listening.getsockname()[1]
        self.visits: list[Visit] = []
        self._taking = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def count(self) -> int:
        """How many have connected, those too that this busy machine has not taken yet."""
        while select.select([self._listening], [], [], 0)[0]:
            time.sleep(0.01)
        with self._taking:
            return len(self.visits)

    @property
    def seen(self) -> bytes:
        """Every byte of every connection."""
        return b"".join(bytes(visit.seen) for visit in self.visits)

    def close(self) -> None:
        address = self._listening.getsockname()[:2]
        self._listening.settimeout(0)
        with contextlib.suppress(OSError):
            socket.create_connection(address, timeout=1).close()
        self._threads[0].join(5)
        self._listening.close()
        for visit in self.visits:
            with contextlib.suppress(OSError):
                visit.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            select.select([self._listening], [], [])
            with self._taking:
                sock, _ = self._listening.accept()
                if self._listening.gettimeout() == 0:
                    sock.close()
                    return
                sock.settimeout(5)
                visit = Visit(sock)
                self.visits.append(visit)
            thread = threading.Thread(target=self._serve, args=(visit,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, visit: Visit) -> None:
        try:
            with contextlib.suppress(OSError):
                if self._tls is not None:
                    visit.sock = self._tls.wrap_socket(visit.sock, server_side=True)
                self._talk(visit)
        finally:
            visit.sock.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Start a listener: `listen(talk)`; `talk` gets a Visit. All of them end with the test."""
    with ExitStack() as running:

        def start(
            talk: Callable[[Visit], object],
            tls: ssl.SSLContext | None = None,
            family: int = socket.AF_INET,
        ) -> Listener:
            listener = Listener(talk, tls, family)
            running.callback(listener.close)
            return listener

        yield start


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that refuses, and that nobody else gets meanwhile."""
    with kept_port() as port:
        yield port


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate that no system trusts, and a server's context with it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, private = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:pictures.invalid,DNS:api.invalid"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", private, "-out", cert, "-days", "2", "-subj", "/CN=zimage test"),
            *("-addext", names),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, private)
    return cert, context
