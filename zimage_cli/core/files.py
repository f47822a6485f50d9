"""Files and folders: opened, locked, read, synced; and what disk and system allow."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from zimage_cli.messages import Message, foreign

_FEW_FILES = 64
"""A picture needs about 15 open at a time."""

_NO_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR}
)

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_LOOK_AGAIN = 0.01
"""Seconds between two looks at a lock that another process holds."""

_LOCKED = Message("another process has locked it")

_unsynced: set[Path] = set()
"""Folders with names that may not be on disk yet."""
_unsynced_lock = threading.Lock()
_syncing = threading.Lock()


def lock(handle: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed; False where another process has it.

    Raises OSError, one of `NO_LOCKS` where the file system knows no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        # A locked byte cannot be read: one behind all that a file holds.
        os.lseek(handle, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EDEADLK}:
                raise
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_locked(path: Path, flags: int, *, patience: float = 0.0) -> int:
    """Open a file as `open_own` does, and keep all others out who lock it until it is closed.

    Its holder may replace or remove it meanwhile: the lock is on the file that has the name now.
    Raises BlockingIOError where another process has held it for over `patience` seconds, and
    OSError, one of `NO_LOCKS` where the file system knows no locks.
    """
    until = time.monotonic() + patience
    while True:
        handle = open_own(path, flags)
        ours = False
        try:
            free = lock(handle)
            with suppress(FileNotFoundError):
                ours = free and os.path.samestat(os.fstat(handle), path.stat())
        finally:
            if not ours:
                os.close(handle)
        if ours:
            return handle
        if not free:
            if time.monotonic() > until:
                raise BlockingIOError(errno.EAGAIN, _LOCKED, str(path))
            time.sleep(_LOOK_AGAIN)


def open_own(path: Path | str, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file of one's own in a folder that others may write to. Raises OSError.

    No link is followed, a named pipe does not wait for its other end, and what is no regular file
    is refused. A new file is 0600. With `dir_fd` a path begins in that open folder.
    """
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags, 0o600, dir_fd=dir_fd)
    except OSError as error:
        # A link: FreeBSD has a number of its own for it.
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise OSError(error.errno, Message("it is a link"), str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, Message("it is no regular file"), str(path))
    return handle


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; `sync_folder` puts them on disk too. Raises OSError."""
    # Locked: whoever finds a new folder there finds its parent among those to sync.
    with _unsynced_lock:
        new = takewhile(lambda above: not above.exists(), (folder, *folder.parents))
        _unsynced.update(above.parent for above in new)
        folder.mkdir(parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder, and of new folders above it, are on disk.

    Threads that come while a folder is synced share the next sync. Where a folder cannot be synced
    (Windows, some file systems) nothing is done. Raises OSError where the disk fails.
    """
    with _unsynced_lock:
        _unsynced.add(folder)
    with _syncing:
        with _unsynced_lock:
            # None, where another thread has synced it meanwhile.
            left = _unsynced & {folder, *folder.parents}
            _unsynced.difference_update(left)
        try:
            for one in tuple(left):
                _sync_now(one)
                left.discard(one)
        finally:
            # What failed, or was not reached, is for the next one.
            with _unsynced_lock:
                _unsynced.update(left)


def _sync_now(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        # Windows opens no folder, and one that is not readable is opened by nobody.
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            # Too many files are open: this needs no further one.
            os.sync()
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


class TooLarge(OSError):
    """A file holds more than is read of it."""


def read_text(file: Path | BinaryIO, most: int) -> str:
    """Return the UTF-8 text of a file, without a BOM.

    Raises TooLarge for one of more than `most` bytes, UnicodeDecodeError, OSError.
    """
    if isinstance(file, Path):
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    else:
        data = file.read(most + 1)
    if len(data) > most:
        raise TooLarge(errno.EFBIG, Message("it is larger than {most} bytes", most=most))
    return data.decode("utf-8-sig")


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that a user may still write to a folder's disk, None where nobody knows."""
    if not hasattr(os, "statvfs"):
        import shutil

        return shutil.disk_usage(folder).free
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize if stat.f_blocks else None


def largest_file() -> int | None:
    """Return how many bytes a file of this process may have (`ulimit -f`), None for any number."""
    try:
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def reason(error: OSError | ValueError) -> Message:
    """Return why a path cannot be used: an OSError's own words, without the path.

    ValueError: it holds NUL, or letters that the locale's file names cannot have.
    """
    if isinstance(error, ValueError):
        return Message("no such name is possible")
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return Message("a file is in the way")
    words = error.strerror or str(error)
    return foreign(words if isinstance(words, Message) else words.lower())


def is_limited() -> bool:
    """Tell whether the system gives this process little memory or few files (`ulimit -v`, `-n`)."""
    if os.name == "nt":
        return False
    try:
        import resource
    except (ImportError, OSError):
        # Not even this could be loaded.
        return True
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    return memory != resource.RLIM_INFINITY or 0 <= files < _FEW_FILES
