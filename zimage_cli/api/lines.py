"""Connections: each serves one exchange at a time, which has a deadline and can be cancelled.

httpcore bounds every single read, not their sum, and a thread that waits in one can only be woken
through its socket. So every exchange has a line of its own, whose sockets are known.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from zimage_cli.api import threads
from zimage_cli.errors import Stopped

if TYPE_CHECKING:
    import httpx

_LOOK = 0.5
"""Seconds between two looks at the deadlines: how late one may be."""

_LAST_WORDS = 1.0
"""Seconds in which what arrived before a cancel can still be read."""

_OPENED = (".connect_tcp.complete", ".start_tls.complete")
"""How the names of httpcore's events end that hand out a stream: straight, by proxy, by SOCKS."""

KEPT = 10
"""Idle connections of a kind that a pool keeps between runs, as httpx itself would."""

Kind = tuple[bool, bool, bool]
"""What exchanges have in common that may use the same line: TLS, no proxy, for pictures."""


class Line:
    """An httpx client that one exchange at a time uses.

    Whatever connection the exchange takes, a new one or one of an earlier exchange, is known here.
    """

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.deadline = inf
        """On the monotonic clock; it may be put off at any time."""
        self.expired = False
        self.ended = False
        """Its sockets were shut down: what comes to an end now may not be whole."""
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn from httpcore's trace which sockets are open."""
        if event.endswith(_OPENED):
            stream = info["return_value"]
            # A server that sends faster than h11 reads would keep a shut socket readable for ever.
            stream.read = partial(self._read, stream.read)
            opened = stream.get_extra_info("socket")
            self._sockets = [sock for sock in self._sockets if sock.fileno() >= 0] + [opened]
            if self.ended:
                self.shut()

    def _read(self, read: Callable[..., bytes], *args: Any, **kwargs: Any) -> bytes:
        return b"" if self.expired else read(*args, **kwargs)

    def shut(self) -> None:
        """Wake the thread that waits for this line; what has arrived whole can still be read."""
        self.ended = True
        # Shut once more a little later: what arrives after that is no answer that was here by now.
        self.deadline = inf if self.expired else time.monotonic() + _LAST_WORDS
        for sock in self._sockets:
            with suppress(OSError):
                # Not TLS's own shutdown: it would make the other thread read what is encrypted.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close its connections, those too that httpcore forgets where a proxy talks nonsense."""
        self.http.close()
        for sock in self._sockets:
            sock.close()


class Pool:
    """Lines that nothing uses at the moment, for whoever needs one next; safe between threads."""

    def __init__(self, build: Callable[[Kind], httpx.Client]) -> None:
        self._build = build
        self._idle: dict[Kind, list[Line]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self, kind: Kind) -> None:
        """Have an idle line of a kind."""
        with self._lock:
            if not self._idle.get(kind) and not self._closed:
                self._idle[kind] = [Line(self._build(kind))]

    def take(self, kind: Kind) -> Line:
        """Give out a line: an idle one, or a new one."""
        with self._lock:
            idle = self._idle.get(kind)
            return idle.pop() if idle else Line(self._build(kind))

    def put(self, kind: Kind, line: Line, keep: int) -> None:
        """Take a line back, or close it where so many of its kind are idle already."""
        with self._lock:
            idle = self._idle.setdefault(kind, [])
            kept = len(idle) < keep and not self._closed
            if kept:
                idle.append(line)
        if not kept:
            line.close()

    def trim(self, keep: int = KEPT) -> None:
        """Close idle lines until no more than so many of each kind are left."""
        with self._lock:
            for idle in self._idle.values():
                while len(idle) > keep:
                    idle.pop(0).close()

    def close(self) -> None:
        """Close what is idle; what is in use closes when its exchange ends."""
        with self._lock:
            self._closed = True
        self.trim(0)


class Lines:
    """The exchanges of one run; `keep` of each kind of line stay in the pool while it lasts."""

    def __init__(self, pool: Pool, keep: int) -> None:
        self._pool = pool
        self._keep = keep
        self._busy: set[Line] = set()
        self._changed = threading.Condition()
        """Guards `_busy` and the watch."""
        self._watching = False
        self._stopped = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise Stopped once the lines are cancelled."""
        if self._stopped.is_set():
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep; raises Stopped at once when the lines are cancelled."""
        if self._stopped.wait(seconds):
            raise Stopped

    def cancel(self) -> None:
        """End its exchanges and waits, from any thread: they raise Stopped, as do all later ones.

        A request that has not left will not leave. An answer that has arrived whole is still given.
        A thread that only connects is not woken, and raises Stopped when it has a connection.
        """
        with self._changed:
            self._stopped.set()
            for line in self._busy:
                line.shut()

    def close(self) -> None:
        """Leave in the pool what the next run may use."""
        self._pool.trim()
        with self._changed:
            self._changed.notify()

    @contextmanager
    def lend(self, kind: Kind, seconds: float) -> Iterator[Line]:
        """Give out a line for one exchange, which is ended after so many seconds.

        Raises Stopped when the lines are cancelled. After an error the line is not used again.
        """
        self.check()
        line = self._pool.take(kind)
        sound = False
        try:
            self._begin(line, time.monotonic() + seconds)
            yield line
            sound = True
        finally:
            with self._changed:
                self._busy.discard(line)
                # `cancel` and the deadlines do not reach it any more: another run may use it.
                sound = sound and not line.ended
            if sound:
                self._pool.put(kind, line, self._keep)
            else:
                line.close()

    def _begin(self, line: Line, deadline: float) -> None:
        with self._changed:
            self.check()
            line.deadline = deadline
            self._busy.add(line)
            if not self._watching:
                thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                # Where no thread can be had, the time limit of each single read still holds.
                with suppress(RuntimeError, MemoryError):
                    threads.start(thread)
                    self._watching = True

    def _watch(self) -> None:
        """End every exchange at its deadline, as long as there is one."""
        with self._changed:
            while self._busy:
                now = time.monotonic()
                for line in self._busy:
                    if line.deadline <= now:
                        line.expired = True
                        line.shut()
                # A deadline is moved, later or earlier, without waking this thread.
                self._changed.wait(_LOOK)
            self._watching = False
