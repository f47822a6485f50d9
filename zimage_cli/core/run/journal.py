"""results.jsonl: one record a finished line, appended and never changed."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from zimage_cli.core.drafts import make_writable_folder
from zimage_cli.core.files import NO_LOCKS, make_folder, open_locked, open_own, reason
from zimage_cli.errors import UsageError
from zimage_cli.text import json_text

NAME = "results.jsonl"
LOCK_NAME = ".zimage-batch.lock"
FRESH = "fresh"
"""The status of a record that says: what stands above belongs to an earlier batch."""
_LONGEST = 16 * 1024 * 1024
"""Bytes of a line: four times the longest answer. More is no record, and would fill the memory."""


class Journal:
    """The journal of one output folder; safe to append to from several threads."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock = threading.Lock()
        self._handle: int | None = None

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every whole record with its place, oldest first; half a line is passed over.

        Raises UsageError where the file cannot be read.
        """
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                place = 0
                for line in iter(partial(file.readline, _LONGEST), b""):
                    record = _record(line)
                    if record is not None:
                        yield place, record
                    place += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UsageError(
                "{path} cannot be read: {why}",
                hint="Move it away, or give the batch another folder with --output.",
                path=self.path,
                why=reason(error),
            ) from None

    def record_at(self, place: int) -> dict[str, Any] | None:
        """Return the record that `records` gave with a place; None where it cannot be read now."""
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                file.seek(place)
                return _record(file.readline(_LONGEST))
        except OSError:
            return None

    def append(self, record: dict[str, Any]) -> int:
        """Add a record and return its place. Raises OSError.

        One write of a whole line to a file opened for appending: a kill leaves all of it or
        nothing. It is not synced: a line lost in a power cut is read from the history next time.
        """
        line = json_text(record).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if self._handle is None:
                self._handle = _open(self.path)
            try:
                _write(self._handle, line)
                return os.lseek(self._handle, 0, os.SEEK_CUR) - len(line)
            except OSError:
                # Half of it may be written: opened again, the file gets a line end first.
                os.close(self._handle)
                self._handle = None
                raise

    def sync(self) -> None:
        """Return once all records are on disk. Raises OSError."""
        with self._lock:
            if self._handle is not None:
                os.fsync(self._handle)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _open(path: Path) -> int:
    # Private: it holds prompts.
    handle = open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    size = os.fstat(handle).st_size
    if size:
        os.lseek(handle, size - 1, os.SEEK_SET)
        if os.read(handle, 1) != b"\n":
            os.write(handle, b"\n")
    return handle


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]


@contextmanager
def made_for(folder: Path, keep: Callable[[], bool]) -> Iterator[None]:
    """Make a folder that takes pictures; what is empty of it is removed again without `keep`.

    A folder that was there is never removed. Raises UsageError where it cannot be written to.
    """
    # os.path and not Path: that one raises where a folder cannot be looked into.
    missing = [*takewhile(lambda one: not os.path.exists(one), (folder, *folder.parents))]  # noqa: PTH110
    try:
        make_writable_folder(folder)
        yield
    finally:
        if not keep():
            with suppress(OSError):
                for one in missing:
                    one.rmdir()


@contextmanager
def alone_in(folder: Path, keep: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Lock a folder for one batch; the kernel frees the lock with the process.

    Without `keep` the lock file is removed again, unless the folder has a journal. Raises
    UsageError where another batch holds it.
    """
    path = folder / LOCK_NAME
    _refuse_planted(path)
    try:
        handle = _open_lock(path)
    except BlockingIOError:
        raise UsageError(
            "another zimage batch is writing to {path}",
            hint="Wait for it to end, or give this one another folder with --output.",
            path=folder,
        ) from None
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise UsageError(
                "{path} cannot be locked: its file system knows no locks",
                hint="Give a folder on a local disk with --output.",
                path=folder,
            ) from None
        raise UsageError("{path} cannot be locked: {why}", path=folder, why=reason(error)) from None
    try:
        yield
    finally:
        gone = not keep() and not os.path.lexists(folder / NAME)
        if gone and os.name != "nt":
            # While it is held: whoever opens it next makes a new one.
            path.unlink(missing_ok=True)
        os.close(handle)
        if gone and os.name == "nt":
            # No open file can be removed there.
            with suppress(OSError):
                path.unlink()


def _open_lock(path: Path) -> int:
    try:
        return open_locked(path, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        # A batch that had made the folder, and did not begin, has removed it just now.
        make_folder(path.parent)
        return open_locked(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # Of a shard that is only read: who writes there by another way has locked it too.
        return open_locked(path, os.O_RDONLY)


def _refuse_planted(path: Path) -> None:
    """Refuse a lock file that is none of ours."""
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode) or (found.st_nlink > 1 and found.st_size):
        raise UsageError(
            "{path} is no lock file of zimage",
            hint="Look where it leads, then remove it, or give another folder with --output.",
            path=path,
        )
