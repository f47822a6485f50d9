"""HTTP/1.1 on a socket, and ways to break it on purpose.

http.server would need 40 ms of imports at each `--sandbox`, hides the raw request target and
cannot break an answer in the middle; what is needed of HTTP/1.1 here is small.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_MAX_HEAD = 64 * 1024
_MAX_BODY = 6 * 1024 * 1024
_PIECE = 16 * 1024
_JOIN_BELOW = 32 * 1024

_REASONS = {
    100: "Continue",
    200: "OK",
    302: "Found",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class WireError(Exception):
    """The peer did not speak HTTP, or went away."""

    def __init__(self, status: int = 0) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Request:
    """One request: the target is as it stood on the wire, byte for byte."""

    method: str
    target: str
    version: str
    head: bytes
    headers: dict[str, str]
    at: float
    clock: float
    body: bytes = b""
    body_read: bool = False

    @property
    def path(self) -> str:
        """Return the target up to its query."""
        return self.target.partition("?")[0]

    @property
    def keep_alive(self) -> bool:
        """Say whether the peer wants to go on with this connection."""
        wish = self.headers.get("connection", "").lower()
        return "close" not in wish and (self.version == "HTTP/1.1" or "keep-alive" in wish)


@dataclass(slots=True)
class Answer:
    """One answer, and how it is delivered.

    `cut`: so many bytes of the body are sent and the connection is closed. `reset`: that closing is
    a reset. `hang`: that closing waits until the peer or the server stops. `delay`: seconds before
    the first byte. `spread`: seconds over which the body is sent. `bandwidth`: bytes a second.
    `padding`: so many zero bytes follow the body. `silent`: not even a status line is sent;
    `status` is 0 then.
    """

    status: int
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False
    cut: int | None = None
    reset: bool = False
    hang: bool = False
    silent: bool = False
    delay: float = 0.0
    spread: float = 0.0
    bandwidth: float | None = None
    padding: int = 0

    @property
    def breaks(self) -> bool:
        """Say whether the connection cannot be used any more after this answer."""
        return self.silent or self.reset or self.hang or self.cut is not None

    def head(self, *, keep_alive: bool) -> bytes:
        """Return the status line and headers."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}"]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(self.body) + self.padding}")
        lines.append("Server: zimage-sandbox")
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Connection:
    """A connection from one client; every wait ends when `stopping` is set."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._buffer = bytearray()

    def close(self, *, reset: bool = False) -> None:
        """Close; with `reset` the peer gets an RST instead of a FIN."""
        with contextlib.suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self._sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._sock.close()

    def read_head(self) -> Request | None:
        """Read up to the end of the headers; None when the peer is done. Raises WireError."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise WireError(431)
            if not self._fill():
                if self._buffer.strip():
                    raise WireError
                return None
        at, clock = time.time(), time.monotonic()
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        first, *rest = head.decode("latin-1").lstrip("\r\n").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise WireError(400)
        return Request(parts[0], parts[1], parts[2], head, _fields(rest), at, clock)

    def read_body(self, request: Request) -> None:
        """Read the request's body into it. Raises WireError when it does not come whole."""
        if request.headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            request.body = self._read_chunks()
        else:
            length = request.headers.get("content-length", "0")
            if not (length.isascii() and length.isdigit()):
                raise WireError(400)
            request.body = self._take(int(length))
        request.body_read = True

    def send(self, answer: Answer, *, keep_alive: bool, head_only: bool = False) -> None:
        """Send the answer the way it says. Raises OSError when the peer is gone."""
        if answer.delay and self._stopping.wait(answer.delay):
            return
        if not answer.silent:
            head = answer.head(keep_alive=keep_alive and not answer.breaks)
            if head_only:
                self._sock.sendall(head)
                return
            self._send_body(head, answer)
        if answer.hang:
            self._wait_for_peer()

    def _send_body(self, head: bytes, answer: Answer) -> None:
        body = memoryview(answer.body if answer.cut is None else answer.body[: answer.cut])
        paced = answer.spread > 0 or answer.bandwidth is not None
        if not paced and not answer.chunked and len(body) < _JOIN_BELOW:
            self._sock.sendall(head + body)
        else:
            self._sock.sendall(head)
            for piece in self._pieces(body, answer):
                self._send_piece(piece, chunked=answer.chunked)
        zeros = memoryview(bytes(4 * _PIECE))
        left = answer.padding if answer.cut is None else 0
        while left > 0 and not self._stopping.is_set():
            self._send_piece(zeros[:left], chunked=answer.chunked)
            left -= len(zeros)
        if answer.chunked and answer.cut is None:
            self._sock.sendall(b"0\r\n\r\n")

    def _pieces(self, body: memoryview, answer: Answer) -> Iterator[memoryview]:
        """Yield the body in pieces, each after its pause; ends early when the server stops."""
        size, pause = 4 * _PIECE if answer.chunked else max(1, len(body)), 0.0
        if answer.spread > 0:
            size = max(1, min(_PIECE, -(-len(body) // 20)))
            pause = answer.spread / max(1, -(-len(body) // size))
        elif answer.bandwidth is not None:
            size, pause = _PIECE, _PIECE / answer.bandwidth
        for at in range(0, len(body), size):
            if pause and self._stopping.wait(pause):
                return
            yield body[at : at + size]

    def _send_piece(self, piece: memoryview, *, chunked: bool) -> None:
        if chunked:
            self._sock.sendall(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")))
        else:
            self._sock.sendall(piece)

    def _wait_for_peer(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopping.is_set() and self._sock.recv(_PIECE):
                continue

    def _fill(self) -> bool:
        data = self._sock.recv(4 * _PIECE)
        self._buffer += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        if count > _MAX_BODY:
            raise WireError(413)
        while len(self._buffer) < count:
            if not self._fill():
                raise WireError
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _take_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise WireError(400)
            if not self._fill():
                raise WireError
        return self._take(end + 2)[:-2]

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            try:
                size = int(self._take_line().partition(b";")[0], 16)
            except ValueError:
                raise WireError(400) from None
            if len(body) + size > _MAX_BODY:
                raise WireError(413)
            if size <= 0:
                break
            body += self._take(size)
            if self._take_line():
                raise WireError(400)
        while self._take_line():
            continue
        return bytes(body)


def _fields(lines: list[str]) -> dict[str, str]:
    """Return header fields by lower-case name; a repeated one is joined with a comma."""
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise WireError(400)
        name, value = name.lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
