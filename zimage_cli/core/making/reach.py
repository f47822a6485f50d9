"""A service that cannot be reached: all lines of a batch wait, and one at a time tries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from zimage_cli.errors import ConnectionFailed, Stopped

T = TypeVar("T")

REFUSED = 3
"""Connections in a row that fail until the service counts as out of reach."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each try; the last one from then on."""


class Reach:
    """Tracks whether the service can be reached, for all lines of a run.

    A request that was never sent has cost nothing, so it uses up no try. `on_out` and `on_back` are
    called once an outage; `on_end` gets the last error when it has lasted for `patience` seconds.
    """

    def __init__(
        self,
        patience: float,
        *,
        on_out: Callable[[datetime, ConnectionFailed], None],
        on_back: Callable[[float], None],
        on_end: Callable[[ConnectionFailed], None],
    ) -> None:
        self._patience = patience
        self._on_out = on_out
        self._on_back = on_back
        self._on_end = on_end
        self._changed = threading.Condition()
        self._stopped = False
        self._refused = 0
        self._since: float | None = None
        self._tries = 0
        self._next = 0.0
        self._probe: int | None = None
        """The thread that tries now."""

    def run(self, attempt: Callable[[], T], never_sent: Callable[[ConnectionFailed], None]) -> T:
        """Call `attempt` until it reaches the service; `never_sent` hears of what did not.

        Raises what it raises, and Stopped when nothing more is to be sent.
        """
        while True:
            self._wait()
            try:
                return attempt()
            except ConnectionFailed as error:
                if error.pace is None:
                    self._leave()
                    raise
                self._failed(error)
                never_sent(error)
            except BaseException:
                self._leave()
                raise

    def passed(self) -> None:
        """Note that a request was sent."""
        with self._changed:
            if self._since is not None and self._probe != threading.get_ident():
                # Its connection was made before the outage.
                return
            self._refused, since, self._since, self._probe = 0, self._since, None, None
            self._changed.notify_all()
        if since is not None:
            self._on_back(time.monotonic() - since)

    def stop(self) -> None:
        """End every wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _wait(self) -> None:
        """Return when a connection may be tried. Raises Stopped in an outage."""
        with self._changed:
            while self._since is not None:
                if self._stopped:
                    raise Stopped
                left = self._next - time.monotonic()
                if self._probe is None and left <= 0:
                    self._probe = threading.get_ident()
                    return
                self._changed.wait(None if self._probe is not None else left)

    def _leave(self) -> bool:
        """End this thread's try where it was the one that tries; tell whether it was."""
        with self._changed:
            probed = self._probe == threading.get_ident()
            if probed:
                self._probe = None
                self._changed.notify_all()
            return probed

    def _failed(self, error: ConnectionFailed) -> None:
        """Note that the service was not reached; end the run after `patience` seconds of that.

        Raises Stopped where no other try follows.
        """
        with self._changed:
            probed, now = self._leave(), time.monotonic()
            self._refused += 1
            out = self._since is None and self._refused >= REFUSED
            if out:
                self._since, self._tries = now, 0
            if self._stopped:
                raise Stopped
            if self._since is None or not (out or probed):
                return
            end = self._since + self._patience
            self._next = min(now + PAUSES[min(self._tries, len(PAUSES) - 1)], end)
            self._tries += 1
            ended = now >= end
        if ended:
            self._on_end(error)
            raise Stopped
        if out:
            self._on_out(datetime.now(UTC).astimezone(), error)
