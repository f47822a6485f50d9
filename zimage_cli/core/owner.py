"""Who works on a row of the history: known by a lock that the kernel frees with its process.

A process id tells nothing across containers, where each has its own process 1, and is used again.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path

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
                    self._held = _make(self._folder)
            return self._held[1].stem if self._held else None

    def close(self) -> None:
        """Free and remove the lock."""
        with self._making:
            held, self._held = self._held, None
        if held is not None:
            _remove(*held)


def lock_file(history: Path, name: object) -> Path | None:
    """Return the file of a lock that a row names, None for what is no such name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    return history.with_name(FOLDER) / f"{name}.lock"


def lives(lock: Path | None) -> bool | None:
    """Tell whether a living process holds a lock; None where that cannot be known.

    A file that nobody holds any more is removed.
    """
    if lock is None:
        return None
    try:
        handle = os.open(lock, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    except OSError:
        return None
    held = True
    try:
        # Shared: two that look at the same time do not take each other for the holder.
        held = not _lock(handle, shared=True)
    except OSError:
        return None
    finally:
        if held:
            os.close(handle)
        else:
            _remove(handle, lock)
    return held


def sweep(history: Path) -> None:
    """Remove the locks that processes left when they were killed."""
    with suppress(OSError):
        for lock in list(history.with_name(FOLDER).glob("*.lock")):
            lives(lock)


def _make(folder: Path) -> tuple[int, Path]:
    folder.mkdir(exist_ok=True, mode=0o700)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    while True:
        path = folder / f"{os.urandom(6).hex()}.lock"
        handle = os.open(path, flags, 0o600)
        try:
            # In the instant since it was made, another may have taken it for a dead process's.
            if _lock(handle, shared=False) and os.fstat(handle).st_nlink:
                return handle, path
        except OSError:
            _remove(handle, path)
            raise
        os.close(handle)


def _lock(handle: int, *, shared: bool) -> bool:
    """Lock an open file; False where another holds it. Raises OSError where there are no locks."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(handle: int, path: Path) -> None:
    # An open file cannot be removed on Windows; elsewhere nobody may lock it in between.
    if os.name == "nt":
        os.close(handle)
    with suppress(OSError):
        path.unlink()
    if os.name != "nt":
        os.close(handle)
