"""The stand-in as a server: two origins on loopback, one thread a connection.

Only the standard library is loaded until the first picture is drawn, and no more of it than a
one-picture run can afford.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from zimage_cli.errors import UsageError
from zimage_cli.messages import Message, Shown
from zimage_cli.sandbox.books import Books, Call, mask
from zimage_cli.sandbox.pictures import PictureStore, Storage
from zimage_cli.sandbox.service import Behaviour, Service
from zimage_cli.sandbox.wire import Answer, Connection, Request, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

SANDBOX_KEY = "sk-sandbox"
"""A key that every sandbox without `keys` accepts: nothing secret."""

_BACKLOG = 1024
_STOP_SECONDS = 0.1
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Sandbox(Behaviour, Storage):
    """A sandbox: how it answers, and where; `with Sandbox(rps=2) as server:` runs one.

    `port`, `picture_port`: 0 takes a free one. `region`: a name for the log and the books of this
    server. `log`: called with one dict a request, keys masked.
    """

    host: str = "127.0.0.1"
    port: int = 0
    picture_port: int = 0
    region: str | None = None
    log: Callable[[dict[str, Any]], None] | None = None
    _running: list[SandboxServer] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Refuse what would make the stand-in reachable from elsewhere, or meaningless."""
        if self.host not in _LOOPBACK and not self.host.startswith("127."):
            raise UsageError(
                "The sandbox listens on loopback only, not on {value}.",
                field="host",
                value=Shown(repr(self.host), self.host),
            )
        for port in (self.port, self.picture_port):
            if not 0 <= port <= 65535:
                raise UsageError(
                    "{value} is no port: give one from {allowed}.",
                    field="port",
                    value=port,
                    allowed=Message("0 to 65535"),
                )
        if self.rps is not None and not 0 < self.rps < inf:
            raise UsageError(
                "The sandbox's rate limit must be over 0 calls a second.",
                field="rps",
                value=self.rps,
            )
        if self.labels:
            from zimage_cli.sandbox.labels import check_labels

            check_labels(self.labels)

    def start(self) -> SandboxServer:
        """Start a server; the caller stops it. Raises UsageError where the port is taken."""
        return SandboxServer(self)

    def __enter__(self) -> SandboxServer:
        self._running.append(self.start())
        return self._running[-1]

    def __exit__(self, *_exc: object) -> None:
        self._running.pop().stop()


class SandboxServer:
    """A running sandbox: where it is, and what it did."""

    def __init__(self, config: Sandbox, books: Books | None = None) -> None:
        self.config = config
        self.books = Books() if books is None else books
        self._stopping = threading.Event()
        self._log_lock = threading.Lock()
        self._pictures = PictureStore(config, self.books)
        self._service = Service(config, self.books, self._pictures, self._stopping)
        api = _listen(config.host, config.port)
        try:
            pictures = _listen(config.host, config.picture_port)
        except UsageError:
            api.close()
            raise
        self.origin = _origin(api)
        self.picture_origin = _origin(pictures)
        self._pictures.origin = self.picture_origin
        self._doors = (
            _Door(api, self._stopping, self._serve_api, "sandbox-api"),
            _Door(pictures, self._stopping, self._serve_picture, "sandbox-pictures"),
        )

    @property
    def api_root(self) -> str:
        """Return the root to point clients at, `http://127.0.0.1:PORT/api/v1`."""
        return f"{self.origin}/api/v1"

    def stop(self) -> None:
        """Stop at once: hanging connections are cut. Safe to call twice."""
        self._stopping.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for door in self._doors:
            door.close(deadline)

    def _serve_api(self, request: Request, connection: Connection) -> Answer:
        answer, call = self._service.answer(request, connection)
        if call is not None:
            self._log(_api_line(call, answer, self.config.region))
        return answer

    def _serve_picture(self, request: Request, connection: Connection) -> Answer:
        connection.read_body(request)
        answer = self._pictures.answer(request)
        self._log(
            {
                "at": request.at,
                "origin": "pictures",
                "method": request.method,
                "path": request.path,
                "status": answer.status,
                "bytes": len(answer.body),
                "seconds": round(time.monotonic() - request.clock, 3),
            }
        )
        return answer

    def _log(self, line: dict[str, Any]) -> None:
        if self.config.log is not None:
            # One at a time, or the lines of several threads would run into each other.
            with self._log_lock, contextlib.suppress(OSError, ValueError):
                self.config.log(line)


def _api_line(call: Call, answer: Answer, region: str | None) -> dict[str, Any]:
    return {
        "at": call.request.at,
        "origin": "api",
        "region": region,
        "method": call.request.method,
        "path": call.request.path,
        "status": answer.status,
        "code": call.code,
        "request_id": call.request_id,
        "key": mask(call.key),
        "billed": call.billed,
        "faults": list(call.faults),
        "seconds": round(time.monotonic() - call.request.clock, 3),
    }


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                "Port {value} on {host} is already in use.",
                hint="Take another, or 0.",
                field="port",
                value=port,
                host=host,
            ) from error
        raise UsageError(
            "Cannot listen on {host}:{port}: {why}.", host=host, port=port, why=error.strerror
        ) from error


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Door:
    """A listening socket and the threads of its connections."""

    def __init__(
        self,
        listener: socket.socket,
        stopping: threading.Event,
        serve: Callable[[Request, Connection], Answer],
        name: str,
    ) -> None:
        self._listener = listener
        self._address = listener.getsockname()
        self._stopping = stopping
        self._serve = serve
        self._name = name
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name=name, daemon=True)
        self._thread.start()

    def close(self, deadline: float) -> None:
        """Take no more connections, cut the open ones, and wait for threads until `deadline`."""
        # On some systems accept() does not end when its socket is closed; a connection ends it.
        with contextlib.suppress(OSError):
            socket.create_connection(self._address[:2], timeout=_STOP_SECONDS).close()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._listener.close()
        with self._lock:
            threads = list(self._open)
            for sock in self._open.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            # A thread that does not end in time is a daemon: the process ends without it.
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                # The table of open files may be full for a moment; anything else ends with `stop`.
                if self._stopping.wait(0.01):
                    return
                continue
            if self._stopping.is_set():
                sock.close()
                return
            thread = threading.Thread(
                target=self._connection, args=(sock,), name=self._name, daemon=True
            )
            with self._lock:
                self._open[thread] = sock
            try:
                thread.start()
            except RuntimeError:
                # The system allows no more threads: the client finds the connection closed.
                with self._lock:
                    del self._open[thread]
                sock.close()

    def _connection(self, sock: socket.socket) -> None:
        connection = Connection(sock, self._stopping)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reset = self._requests(connection)
        except (OSError, MemoryError, ImportError):
            reset = False
        finally:
            with self._lock:
                self._open.pop(threading.current_thread(), None)
        connection.close(reset=reset)

    def _requests(self, connection: Connection) -> bool:
        """Serve the requests of one connection; say whether it is to end with a reset."""
        while not self._stopping.is_set():
            try:
                request = connection.read_head()
                if request is None:
                    return False
                answer = self._serve(request, connection)
            except WireError as error:
                if error.status:
                    refused = Answer(error.status, b"", None)
                    connection.send(refused, keep_alive=False)
                return False
            keep_alive = request.keep_alive and request.body_read
            if self._stopping.is_set():
                return False
            connection.send(answer, keep_alive=keep_alive, head_only=request.method == "HEAD")
            if answer.breaks or not keep_alive:
                return answer.reset
        return False
