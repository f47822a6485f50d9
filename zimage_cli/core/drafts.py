"""Files while they are made: hidden and locked until they are whole and get their name."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zimage_cli.core.files import free_bytes, lock, make_folder, open_own, reason, sync_folder
from zimage_cli.errors import UsageError

_LOW_SPACE = 16 * 1024 * 1024
"""Bytes. A picture of the largest size, uncompressed: with less free, none is asked for."""

_PREFIX = ".zimage-"

_TEMPORARY = r"\.zimage-[0-9a-f]{12}(?P<tag>[0-9a-f]{4})?\.part"
"""What has no tag is of no use to anybody once its process has died."""

_KEPT_SECONDS = 25 * 3600
"""For as long as the service keeps a picture, what a dead process has of it may be taken up."""

NO_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
)
"""Of a file system, or a limit, that gives a file no second name."""


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
        if lock(handle) and _is_private(os.fstat(handle), path):
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
    return os.name == "nt" or (lock(handle) and os.fstat(handle).st_nlink > 0)


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
        if not lock(handle, shared=True):
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
        if error.errno not in NO_LINKS:
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
