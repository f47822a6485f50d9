"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zimage_cli.api.errors import UsageError

_LOW_SPACE = 16 * 1024 * 1024
"""Bytes. A picture of the largest size, uncompressed: with less than that free, asking first is
cheaper than losing it."""

_TEMPORARY = r"\.zimage-[0-9a-f]{12}\.part"

_NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
)


def make_temporary(folder: Path, mode: int = 0o666) -> tuple[int, Path]:
    """Create an empty hidden file in a folder, to become something there under its name.

    Its mode is the one that any new file would get: the umask takes its part off.
    """
    # tempfile would do the same, and bring random, hashlib and shutil along: 8 ms at every start.
    # Its files are private, and to widen them later one needs the umask, which can only be read by
    # changing it for all threads.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = folder / f".zimage-{os.urandom(6).hex()}.part"
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
        names = [entry.path for entry in os.scandir(folder) if re.fullmatch(_TEMPORARY, entry.name)]
    except OSError:
        return 0
    for name in names:
        with suppress(OSError):
            removed += _remove_unlocked(name)
    return removed


def _remove_unlocked(name: str) -> bool:
    if os.name == "nt":
        os.unlink(name)  # noqa: PTH108 - scandir's strings: a folder may hold 100,000 names
        return True
    import fcntl

    handle = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)  # noqa: PTH108
    finally:
        os.close(handle)
    return True


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
        folder.mkdir(parents=True, exist_ok=True)
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


def memory_is_limited() -> bool:
    """Tell whether the system bounds this process's memory (`ulimit -v`)."""
    try:
        import resource
    except ImportError:
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
