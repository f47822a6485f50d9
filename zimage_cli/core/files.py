"""Files: written whole or not at all, locked, synced; and what disk and system allow."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from zimage_cli.errors import UsageError

_LOW_SPACE = 16 * 1024 * 1024
"""Bytes. A picture of the largest size, uncompressed: with less free, none is asked for."""

_FEW_FILES = 64
"""A picture needs about 15 open at a time."""

_PREFIX = ".zimage-"
_TEMPORARY = r"\.zimage-[0-9a-f]{12}(?P<tag>[0-9a-f]{4})?\.part"
"""What has no tag is of no use to anybody once its process has died."""
_KEPT_SECONDS = 25 * 3600
"""For as long as the service keeps a picture, what a dead process has of it may be taken up."""

_NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
)
_NO_SYNC = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR}
)

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_LOOK_AGAIN = 0.01
"""Seconds between two looks at a lock that another process holds."""

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
    return make_held(folder, _PREFIX, ".part", mode, lock_needed=False)


def take_temporary(folder: Path, tag: str) -> tuple[int, Path]:
    """Open the hidden file with a tag of 16 hex digits, with all that a dead process left in it.

    What a living process has open is left to it, and what already got its name is no longer hidden:
    then it is a file of `make_temporary`. Raises OSError.
    """
    path = tagged(folder, tag)
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
    new = True
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        new = False
        try:
            handle = open_own(path, flags)
        except OSError:
            return make_temporary(folder)
    try:
        if _lock(handle) and _is_private(os.fstat(handle), path):
            return handle, path
    except OSError:
        # No locks there. Nobody else takes it either, as nobody can know whether we live.
        if new:
            return handle, path
    os.close(handle)
    return make_temporary(folder)


def _is_private(found: os.stat_result, path: Path) -> bool:
    """Tell whether an open file has this name, no other, and is of this user."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return own and found.st_nlink == 1 and os.path.samestat(found, there)


def tagged(folder: Path, tag: str) -> Path:
    """Return the path of the hidden file with a tag."""
    return folder / f"{_PREFIX}{tag}.part"


def make_held(
    folder: Path, prefix: str, suffix: str, mode: int, *, lock_needed: bool = True
) -> tuple[int, Path]:
    """Create an empty file with a random name, which `is_held` until it is closed.

    With `lock_needed`, raises OSError where the file system knows no locks.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = folder / f"{prefix}{os.urandom(6).hex()}{suffix}"
        try:
            handle = os.open(path, flags, mode)
        except FileExistsError:
            continue
        try:
            if _hold(handle):
                return handle, path
        except OSError:
            if not lock_needed:
                # `is_held` gets no lock either, and leaves the file.
                return handle, path
            os.close(handle)
            path.unlink()
            raise
        # Before it was locked, `is_held` took it for abandoned.
        os.close(handle)


def _hold(handle: int) -> bool:
    """Lock a new file; False where it was removed meanwhile, or is about to be."""
    # On Windows no open file is removed: that is its lock.
    return os.name == "nt" or (_lock(handle) and os.fstat(handle).st_nlink > 0)


def _lock(handle: int, *, shared: bool = False) -> bool:
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
            free = _lock(handle)
            with suppress(FileNotFoundError):
                ours = free and os.path.samestat(os.fstat(handle), path.stat())
        finally:
            if not ours:
                os.close(handle)
        if ours:
            return handle
        if not free:
            if time.monotonic() > until:
                raise BlockingIOError(errno.EAGAIN, "another process has locked it", str(path))
            time.sleep(_LOOK_AGAIN)


def is_held(path: Path | str) -> bool | None:
    """Tell whether a living process has a file of `make_held` open; None where nobody can know.

    A file that nobody holds any more is removed.
    """
    if os.name == "nt":
        try:
            os.unlink(path)  # noqa: PTH108 - scandir's strings: a folder may hold 100,000 names
        except OSError as error:
            # An open file cannot be removed there.
            return not isinstance(error, FileNotFoundError)
        return False
    try:
        handle = open_own(path, os.O_RDONLY)
    except OSError as error:
        return False if isinstance(error, FileNotFoundError) else None
    try:
        # Shared: two that look at the same time do not take each other for the holder.
        if not _lock(handle, shared=True):
            return True
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def remove_abandoned(folder: Path) -> int:
    """Remove what processes that died left of files they were making; return how many.

    A folder's own files only. What a living process is writing is locked, and stays; so does for
    its day what has a tag, by which `take_temporary` finds it.
    """
    try:
        with os.scandir(folder) as found:
            hidden = [entry for entry in found if entry.name.startswith(_PREFIX)]
    except OSError:
        return 0
    return sum(_is_useless(entry) and is_held(entry.path) is False for entry in hidden)


def _is_useless(entry: os.DirEntry[str]) -> bool:
    found = re.fullmatch(_TEMPORARY, entry.name)
    if found is None or not found["tag"]:
        return found is not None
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _KEPT_SECONDS
    except OSError:
        return False


def open_own(path: Path | str, flags: int) -> int:
    """Open a file of one's own in a folder that others may write to. Raises OSError.

    No link is followed, a named pipe does not wait for its other end, and what is no regular file
    is refused. A new file is 0600.
    """
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
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
        raise TooLarge(errno.EFBIG, f"it is larger than {most} bytes")
    return data.decode("utf-8-sig")


def write_whole(path: Path, data: bytes, *, mode: int | None = None, sync: bool = True) -> None:
    """Write a file so that it is there whole or not at all. Raises OSError.

    Its mode is exactly `mode`, or a new file's. Without `sync` a power cut may lose it: for what
    also stands elsewhere.
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
        raise UsageError(
            "The folder {path} cannot be written to: {why}. Nothing was sent.",
            hint="Choose another place with --output-dir or --output.",
            path=folder,
            why=reason(error),
        ) from None
    if free is not None and free < _LOW_SPACE:
        raise UsageError(
            "The disk of {path} is full: {kibibytes} KiB are left. Nothing was sent.",
            hint="Free some space, or choose another place with --output-dir.",
            path=folder,
            kibibytes=free // 1024,
        )


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


def reason(error: OSError | ValueError) -> str:
    """Return why a path cannot be used: an OSError's own words, without the path.

    ValueError: it holds NUL, or letters that the locale's file names cannot have.
    """
    if isinstance(error, ValueError):
        return "no such name is possible"
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "a file is in the way"
    return (error.strerror or str(error)).lower()


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
