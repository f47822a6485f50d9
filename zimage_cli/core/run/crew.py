"""The threads of a run and what they need: as much as the machine gives."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from zimage_cli.api import threads
from zimage_cli.errors import ConfigurationError

SAVERS = 8
"""Pictures that are fetched and checked at a time: enough for any line, few enough for one core."""

SCARCE_HINT = "End other programs, raise the limits that ulimit -a shows, or lower --concurrency."

_FILES_A_LINE = 3
"""Open files of a line in flight: two connections and the picture; so many more in the sandbox."""

_SPARE_FILES = 8
"""Files that are open for a moment: evidence, a resolver, a module."""


class Crew:
    """Threads that all begin to work at `go`; `askers` and `savers` say how many there are.

    Where not all can be started, half of those that were do nothing: their work needs memory too.
    Raises ConfigurationError where not one can be started.
    """

    def __init__(
        self, ask: Callable[[], None], save: Callable[[], None], askers: int, savers: int
    ) -> None:
        self.askers = self.savers = 0
        self._go = threading.Event()
        try:
            for number in range(askers):
                self._start(ask, "askers", number)
                self.askers += 1
                if number < savers:
                    self._start(save, "savers", number)
                    self.savers += 1
        except (RuntimeError, MemoryError) as error:
            if not self.askers:
                raise ConfigurationError(
                    "This machine starts no thread for the work ({why}). Nothing was sent.",
                    hint=SCARCE_HINT,
                    why=error,
                ) from None
            self.askers, self.savers = (self.askers + 1) // 2, self.savers // 2

    def go(self) -> None:
        """Let them begin."""
        self._go.set()

    def _start(self, job: Callable[[], None], kind: str, number: int) -> None:
        def work() -> None:
            self._go.wait()
            if number < getattr(self, kind):
                job()

        threads.start(threading.Thread(target=work, name=f"{kind}-{number}", daemon=True))


def room_for(lines: int, *, sandbox: bool) -> int:
    """Return how many of so many lines can be in flight, by the present limit of open files."""
    try:
        import resource
    except ImportError:
        return lines
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return lines
    room = (limit - files_for(0, sandbox=sandbox)) // _a_line(sandbox=sandbox)
    return min(lines, max(1, room))


def files_for(lines: int, *, sandbox: bool) -> int:
    """Return how many files this process has open with so many more lines in flight."""
    return _open_files() + _SPARE_FILES + _a_line(sandbox=sandbox) * lines


def _a_line(*, sandbox: bool) -> int:
    return _FILES_A_LINE * (2 if sandbox else 1)


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))  # noqa: PTH208 - names only
        except OSError:
            continue
    return 16
