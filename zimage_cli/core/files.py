"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from zimage_cli.api.errors import UsageError

_LOW_SPACE = 16 * 1024 * 1024
"""Bytes. A picture of the largest size, uncompressed: with less than that free, asking first is
cheaper than losing it."""

_FEW_FILES = 64
"""A picture needs about 15 open at a time."""

_PREFIX = ".zimage-"
_TEMPORARY = r"\.zimage-[0-9a-f]{12}\.part"

_NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
)
_NO_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR}
)

_unsynced: set[Path] = set()
"""Folders with names that may not be on disk yet."""
_unsynced_lock = threading.Lock()
_syncing = threading.Lock()


def make_temporary(folder: Path, mode: int = 0o666) -> tuple[int, Path]:
    """Create an empty hidden file in a folder, to become something there under its name.

    Its mode is the one that any new file would get: the umask takes its part off.
    """
    # tempfile would do the same, and bring random, hashlib and shutil along: 8 ms at every start.
    # Its files are private, and to widen them later one needs the umask, which can only be read by
    # changing it for all threads.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = folder / f"{_PREFIX}{os.urandom(6).hex()}.part"
        try:
            handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), mode)
        except FileExistsError:
            continue
        if _hold(handle):
            return handle, path
        # In the instant since it was made, `remove_abandoned` took it for nobody's.
        os.close(handle)


def _hold(handle: int) -> bool:
    """Lock a file for as long as it is open; False where another has it or it is gone."""
    if os.name == "nt":
        # An open file cannot be removed there.
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: `remove_abandoned` gets none either, and leaves it.
        return True
    return os.fstat(handle).st_nlink > 0


def remove_abandoned(folder: Path) -> int:
    """Remove what processes that died left of files they were making; return how many.

    A folder's own files only. What a living process is writing is locked, and stays.
    """
    removed = 0
    try:
        with os.scandir(folder) as found:
            hidden = [entry for entry in found if entry.name.startswith(_PREFIX)]
    except OSError:
        return 0
    for entry in hidden:
        if re.fullmatch(_TEMPORARY, entry.name):
            with suppress(OSError):
                removed += _remove_unlocked(entry.path)
    return removed


def _remove_unlocked(name: str) -> bool:
    if os.name == "nt":
        os.unlink(name)  # noqa: PTH108 - scandir's strings: a folder may hold 100,000 names
        return True
    import fcntl

    handle = open_own(name, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)  # noqa: PTH108
    finally:
        os.close(handle)
    return True


def open_own(path: Path | str, flags: int) -> int:
    """Open a file of one's own in a folder that others may write to. Raises OSError.

    No link is followed, a named pipe does not wait for its other end, and what is no regular file
    is refused. A new file is 0600.
    """
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        # A link: FreeBSD has a number of its own for it.
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise OSError(error.errno, "it is a link", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
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

    Threads that come while folders are synced share the next sync. Where a folder cannot be synced
    (Windows, some file systems) nothing is done. Raises OSError where the disk fails.
    """
    mine, failed = {folder, *folder.parents}, None
    with _unsynced_lock:
        _unsynced.add(folder)
    with _syncing:
        with _unsynced_lock:
            if _unsynced.isdisjoint(mine):
                return
            together = _unsynced.copy()
            _unsynced.clear()
        left = set(together)
        try:
            for one in together:
                try:
                    _sync_now(one)
                except OSError as error:
                    failed = error if one in mine else failed
                else:
                    left.discard(one)
        finally:
            # What failed, or was not reached because of an interrupt, is for the next one.
            with _unsynced_lock:
                _unsynced.update(left)
    if failed is not None:
        raise failed


def _sync_now(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
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


def write_whole(path: Path, data: bytes, *, mode: int | None = None, sync: bool = True) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError.

    Its mode is exactly `mode`, or a new file's. Without `sync` a power cut may take it: for what
    can be told again from elsewhere.
    """
    handle, temporary = make_temporary(path.parent, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def publish(
    temporary: Path, wanted: Path, *, overwrite: bool, numbered: Callable[[int], Path]
) -> Path:
    """Give a finished temporary file its name, and return the name it got.

    Without `overwrite` an existing file is never replaced, also when another process takes the name
    at the same moment: the next of `numbered(2)`, `numbered(3)` … is tried. Raises OSError.
    """
    if overwrite:
        temporary.replace(wanted)
        return wanted
    path, number = wanted, 1
    while not _take_name(temporary, path):
        number += 1
        path = numbered(number)
    return path


def _take_name(temporary: Path, path: Path) -> bool:
    """Move a file to a name that must be free; False where it is taken."""
    if os.name == "nt":
        try:
            temporary.rename(path)
        except FileExistsError:
            return False
        return True
    try:
        # link() fails where the name exists; rename() would replace what is there.
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        temporary.replace(path)
        return True
    temporary.unlink()
    return True


def make_writable_folder(folder: Path) -> None:
    """Make a folder and prove that a picture can be written there, before one is paid for.

    Raises UsageError that says what stands in the way.
    """
    try:
        make_folder(folder)
        handle, probe = make_temporary(folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(bytes(4096))
        finally:
            probe.unlink(missing_ok=True)
        free = free_bytes(folder)
    except (OSError, ValueError) as error:
        # ValueError: NUL, or letters that the locale's file names cannot have.
        why = reason(error) if isinstance(error, OSError) else "no such name is possible"
        raise UsageError(
            f"The folder {folder} cannot be written to: {why}. Nothing was sent.",
            hint="Choose another place with --output-dir or --output.",
        ) from None
    if free is not None and free < _LOW_SPACE:
        raise UsageError(
            f"The disk of {folder} is full: {free // 1024} KiB are left. Nothing was sent.",
            hint="Free some space, or choose another place with --output-dir.",
        )


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that a user may still write to a folder's disk, None where nobody knows."""
    if not hasattr(os, "statvfs"):
        import shutil

        return shutil.disk_usage(folder).free
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize if stat.f_blocks else None


def reason(error: OSError) -> str:
    """Return what an OSError says, in its own words and without the path that we say ourselves."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "a file is in the way"
    return (error.strerror or str(error)).lower()


def is_limited() -> bool:
    """Tell whether the system gives this process little memory or few files (`ulimit -v`, `-n`)."""
    try:
        import resource
    except ImportError:
        return False
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    return memory != resource.RLIM_INFINITY or 0 <= files < _FEW_FILES
