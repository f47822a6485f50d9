"""Who works on a row of the history: known by a lock that the kernel frees with its process.

A process id proves nothing: every container has a process 1, and ids are used again.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from pathlib import Path

from zimage_cli.core.drafts import is_held, make_held

FOLDER = "running"
"""Beside the history."""

_NAME = re.compile(r"[0-9a-f]{12}")


class Owner:
    """One open history's lock: a file of its own, locked until `close` or the process's end."""

    def __init__(self, history: Path) -> None:
        self._folder = history.with_name(FOLDER)
        self._making = threading.Lock()
        self._tried = False
        self._held: tuple[int, Path] | None = None

    def name(self) -> str | None:
        """Return the lock's name, made at the first call; None where there can be no locks."""
        with self._making:
            if not self._tried:
                self._tried = True
                with suppress(OSError):
                    self._folder.mkdir(exist_ok=True, mode=0o700)
                    self._held = make_held(self._folder, "", ".lock", 0o600)
            return self._held[1].stem if self._held else None

    def close(self) -> None:
        """Free and remove the lock."""
        with self._making:
            held, self._held = self._held, None
        if held is not None:
            handle, path = held
            os.close(handle)
            with suppress(OSError):
                path.unlink()


def lock_file(history: Path, name: object) -> Path | None:
    """Return the file of a lock that a row names, None for what is no such name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return history.with_name(FOLDER) / f"{name}.lock"


def lives(lock: Path | None) -> bool | None:
    """Tell whether a living process holds a lock; None where that cannot be known.

    A file that nobody holds any more is removed.
    """
    return None if lock is None else is_held(lock)


def sweep(history: Path) -> None:
    """Remove the locks that processes left when they were killed."""
    with suppress(OSError):
        for lock in list(history.with_name(FOLDER).glob("*.lock")):
            lives(lock)
