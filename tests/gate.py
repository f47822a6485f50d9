"""Where the kernel notes when calls come to a service: for tests of the pace."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress


class Gate:
    """A way to the service where the kernel notes when each call came.

    Its clock is right on a busy machine too: a thread that reads late would see calls closer
    together than they were sent.
    """

    STAMPS = 35
    """Linux's SO_TIMESTAMPNS, and the type of what it adds to a message."""

    def __init__(self, port: int, key: str) -> None:
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._door.setsockopt(socket.SOL_SOCKET, self.STAMPS, 1)
        self.env = {
            "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{self._door.getsockname()[1]}/api/v1",
            "DASHSCOPE_API_KEY": key,
        }
        self.clocks: list[float] = []
        """When the first byte of each call came, in seconds."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # `close` alone does not wake who accepts.
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def most_in(self, seconds: float) -> int:
        """Return how many calls came at most in any window of so many seconds."""
        clocks = self.clocks
        return max(sum(0 <= late - early < seconds for late in clocks) for early in clocks)

    def shortest(self, calls: int) -> float:
        """Return the seconds of the shortest stretch between a call and the one so many later."""
        clocks = sorted(self.clocks)
        return min(late - early for early, late in zip(clocks, clocks[calls:], strict=False))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        # A call that is paid has a connection of its own.
        with near, socket.create_connection(("127.0.0.1", self._to)) as far, suppress(OSError):
            data, [(_, kind, stamp)], *_ = near.recvmsg(65536, 64)
            assert (kind, data[:5]) == (self.STAMPS, b"POST ")
            seconds, nanoseconds = struct.unpack("qq", stamp)
            self.clocks.append(seconds + nanoseconds / 1e9)
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            while data:
                far.sendall(data)
                data = near.recv(65536)
            far.shutdown(socket.SHUT_WR)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
