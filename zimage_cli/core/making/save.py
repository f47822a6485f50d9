"""Where a picture goes: a file under a name of its own, or the standard output."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zimage_cli.core.drafts import (
    make_temporary,
    make_writable_folder,
    publish,
    remove_abandoned,
    take_temporary,
)
from zimage_cli.core.files import free_bytes, largest_file, make_folder, reason, sync_folder
from zimage_cli.core.request.names import numbered
from zimage_cli.errors import UsageError

FOLDER = Path("ai-image-zimage-turbo") / "images"

_DEVICES = frozenset({"/dev", "/dev/fd", "/proc/self/fd"})


@dataclass(slots=True, eq=False, repr=False)
class FileDraft:
    """A picture that is arriving: `file` takes its bytes, `keep` gives it its place."""

    file: IO[bytes]
    temporary: Path
    path: Path
    folder: FolderPlace
    synced: bool = False
    overwrite: bool = True
    """Whether it may replace an older file, where its folder allows that."""

    def sync(self) -> None:
        """Return once the bytes are on disk. Raises OSError."""
        if not self.synced:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.synced = True

    def name_as_png(self) -> None:
        """Name the file for what it is, although another format was wanted.

        Nobody asked for a file of that name to be replaced.
        """
        self.path, self.overwrite = self.path.with_suffix(".png"), False

    def keep(self) -> str:
        """Give the picture its name, and return that once both are on disk. Raises OSError."""
        self.sync()
        path = self.folder.publish(self.temporary, self.path, overwrite=self.overwrite)
        sync_folder(path.parent)
        return str(path)


def _spelled(name: str) -> str:
    """Return a name with `_` for every letter that the locale's file names cannot have."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        return name.encode(encoding, "replace").decode(encoding).replace("?", "_")
    return name


def _check_name(path: Path) -> None:
    """Refuse a name that no file can have, or that something other than a file has."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise UsageError(
            "{path} cannot be written: {why}. Nothing was sent.", path=path, why=reason(error)
        ) from None
    if not stat.S_ISREG(mode):
        raise UsageError("{path} exists and is no file. Nothing was sent.", path=path)


class FolderPlace:
    """A folder of pictures; `filename` is the first one's name, where that is known.

    Nothing that exists is overwritten without `overwrite`, and nothing that this run saved even
    then: a number is added.
    """

    def __init__(
        self, folder: Path, *, filename: str | None = None, overwrite: bool = False
    ) -> None:
        self.folder = folder
        self.filename = filename
        self.overwrite = overwrite
        self._saved: set[Path] = set()
        self._publishing = threading.Lock()

    def prepare(self) -> None:
        """Make the folder and write a probe; look at the file's name. Raises UsageError."""
        if str(self.folder) in _DEVICES:
            raise UsageError(
                "{path} is for devices, not for pictures.",
                hint="For stdout: -o -",
                path=self.folder,
            )
        make_writable_folder(self.folder)
        if self.filename is not None:
            _check_name(self.folder / self.filename)

    def clear(self) -> None:
        """Remove what killed processes left of pictures that were arriving here."""
        remove_abandoned(self.folder)

    def wanted(self, name: str) -> str:
        """Return the path for a picture of that name, before any number is added."""
        return str(self.folder / _spelled(name))

    def room(self) -> int | None:
        """Return the bytes that the disk still takes, None where nobody knows."""
        try:
            free = free_bytes(self.folder)
        except OSError:
            return None
        largest = largest_file()
        return largest if free is None else free if largest is None else min(free, largest)

    def publish(self, temporary: Path, path: Path, *, overwrite: bool = True) -> Path:
        """Give a finished file its name and return the name it got. Raises OSError."""
        if not self.overwrite:
            return self._publish(temporary, path, overwrite=False)
        # Two pictures of one run must not both replace the same older file.
        with self._publishing:
            final = self._publish(temporary, path, overwrite=overwrite and path not in self._saved)
            self._saved.add(final)
            return final

    def _publish(self, temporary: Path, path: Path, *, overwrite: bool) -> Path:
        return publish(
            temporary, path, overwrite=overwrite, numbered=lambda number: numbered(path, number)
        )

    @contextmanager
    def draft(self, wanted: str, tag: str | None = None) -> Iterator[Draft]:
        """Open a hidden file beside the picture's place. Raises OSError.

        With a tag it holds what a process that died has fetched into the file with that tag.
        """
        path = Path(wanted)
        make_folder(path.parent)
        handle, temporary = (
            make_temporary(path.parent) if tag is None else take_temporary(path.parent, tag)
        )
        try:
            with _open(os.fdopen(handle, "r+b")) as file:
                yield FileDraft(file, temporary, path, self)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _open(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Close a file at the end, whatever is left in its buffer.

    What is to be kept was synced. On a full disk the close of a file that was given up tries to
    write the rest of it, raises, and would take the other file with it.
    """
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


@dataclass(slots=True, eq=False, repr=False)
class StreamDraft:
    """A picture that is arriving, for a stream."""

    file: IO[bytes]
    write: Callable[[Iterator[bytes]], None]

    def sync(self) -> None:
        """Write all of it to the temporary file. Raises OSError."""
        self.file.flush()

    def name_as_png(self) -> None:
        """Do nothing: a stream has no name."""

    def keep(self) -> str:
        """Write the whole picture. Raises OSError."""
        self.file.seek(0)
        self.write(iter(lambda: self.file.read(1 << 16), b""))
        return "-"


class StreamPlace:
    """The standard output: a picture is whole and checked before its first byte is written."""

    def __init__(self, write: Callable[[Iterator[bytes]], None]) -> None:
        self._write = write

    def prepare(self) -> None:
        """Do nothing: a stream cannot be probed."""

    def clear(self) -> None:
        """Do nothing: a stream keeps nothing."""

    def wanted(self, name: str) -> str:  # noqa: ARG002 - a stream has one name
        """Return `-`."""
        return "-"

    def room(self) -> None:
        """Return None: nobody knows how many bytes a stream takes."""

    @contextmanager
    def draft(self, wanted: str, tag: str | None = None) -> Iterator[Draft]:  # noqa: ARG002
        """Open a temporary file that has no name."""
        import tempfile

        with _open(tempfile.TemporaryFile()) as file:
            yield StreamDraft(file, self._write)


Draft = FileDraft | StreamDraft
Place = FolderPlace | StreamPlace
"""Somewhere to save pictures."""


def within(folder: Path, output: str, *, make: bool = False) -> Path:
    """Return the path of a line's `output` in the folder; `make` makes what leads to it.

    Raises UsageError where a link leads out of the folder, or a file is in the way.
    """
    path = folder / output
    parent = path.parent
    if parent == folder:
        return path
    try:
        there = _nearest(parent, folder)
        # Below it is nothing yet, and so no link: it alone decides where the path leads.
        if not Path(os.path.realpath(there)).is_relative_to(os.path.realpath(folder)):
            raise UsageError(
                "output: {path} is a link that leads out of the output folder",
                field="output",
                value=output,
                path=parent,
            )
        if make:
            make_folder(parent)
    except (OSError, ValueError) as error:
        raise UsageError(
            "output: {path} cannot be a folder: {why}",
            field="output",
            value=output,
            path=parent,
            why=reason(error),
        ) from None
    return path


def _nearest(path: Path, top: Path) -> Path:
    """Return the nearest folder that exists, of a path and those above it up to `top`.

    Raises UsageError for a file in the way, and OSError for a link that leads nowhere: how
    `resolve` and `is_file` take a loop of links differs from one Python to the next.
    """
    while path != top:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if path.is_symlink():
                raise
            path = path.parent
            continue
        if not stat.S_ISDIR(mode):
            raise UsageError(
                "output: {path} is a file, and so no folder for others", field="output", path=path
            )
        break
    return path
