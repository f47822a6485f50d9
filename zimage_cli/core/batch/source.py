"""The file of a batch: read as often as it takes, in memory that does not grow with it."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import PurePath
from threading import Lock
from typing import IO, BinaryIO, Self, cast

from zimage_cli.core.batch.records import Record, read_records
from zimage_cli.core.files import reason
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import clip, shown, visible

INPUT_FORMATS = ("jsonl", "csv", "tsv", "txt")

_BLOCK = 256 * 1024
"""Bytes read at once."""
_SUFFIXES = {**{f".{name}": name for name in INPUT_FORMATS}, ".ndjson": "jsonl"}
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Source:
    """An open batch file: `for record in source` is a fresh pass from its first line.

    Passes do not disturb each other, in several threads either. A file that is replaced meanwhile
    is read on as it was; one that is written to changes its `fingerprint`. A pass raises UsageError
    where the file cannot be read any more. Made by `open_source`.
    """

    def __init__(self, file: IO[bytes], name: str, input_format: str) -> None:
        self.name = name
        """The path as it may be shown; `standard input` for `-`."""
        self.input_format = input_format
        self._file = file
        self._lock = Lock()
        head = self._reader(0).read(4)
        if head.startswith(_UTF16):
            raise UsageError("{name}: is UTF-16; save it as UTF-8", name=name)
        self._start = len(_BOM) if head.startswith(_BOM) else 0

    def __iter__(self) -> Iterator[Record]:
        return read_records(self._reader(self._start), self.input_format)

    def fingerprint(self) -> tuple[int, int, int, int]:
        """Return device, inode, size in bytes and time of the last change in nanoseconds."""
        about = os.fstat(self._file.fileno())
        return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns

    def close(self) -> None:
        """Close the file; what standard input held is gone then."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reader(self, start: int) -> BinaryIO:
        raw = _Pass(self._file, self._lock, self.name)
        raw.seek(start)
        return io.BufferedReader(raw, _BLOCK)


def open_source(path: str, input_format: str | None, *, stdin: BinaryIO | None = None) -> Source:
    """Open a batch file, or standard input for `-`.

    `input_format` is one of INPUT_FORMATS, or None to go by the suffix. What cannot be read twice
    (standard input, a pipe) is first copied to an unnamed temporary file. Raises UsageError.
    """
    name = "standard input" if path == "-" else visible(clip(path, 200))
    if path == "-":
        input_format = _format(path, name, input_format)
        stream = stdin or getattr(sys.stdin, "buffer", None)
        if stream is None or stream.closed:
            raise UsageError("{name}: is closed", name=name)
        file = _spool(stream, name)
    else:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 — no Path: its forms of "" and "." differ
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from None
        if stat.S_ISDIR(mode):
            raise UsageError("{name}: is a folder; give a file", name=name)
        input_format = _format(path, name, input_format)
        try:
            file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from None
        if not stat.S_ISREG(mode):
            with file as stream:
                file = _spool(stream, name)
    try:
        return Source(file, name, input_format)
    except BaseException:
        file.close()
        raise


def _format(path: str, name: str, input_format: str | None) -> str:
    allowed = ", ".join(INPUT_FORMATS)
    if input_format is not None:
        found = _SUFFIXES.get("." + input_format.strip().lower())
        if found is None:
            raise UsageError(
                "--input-format: {value} is not a format; allowed: {allowed}",
                field="input_format",
                value=shown(input_format),
                allowed=allowed,
            )
        return found
    suffix = PurePath(path).suffix.lower()
    found = _SUFFIXES.get(suffix)
    if found is not None:
        return found
    if path == "-":
        raise UsageError(
            "{name}: say with --input-format what it holds: {allowed}", name=name, allowed=allowed
        )
    if suffix == ".json":
        raise UsageError(
            "{name}: one JSON document is not read as a batch",
            name=name,
            hint="Write one object a line, without the brackets and commas around them, and name "
            "the file .jsonl: jq -c '.[]' prompts.json > prompts.jsonl",
        )
    known = ", ".join(_SUFFIXES)
    unknown = Message("has the unknown suffix {suffix}", suffix=shown(suffix))
    raise UsageError(
        "{name}: {problem}; say with --input-format what it holds: {allowed}",
        hint="Known: {known}",
        name=name,
        problem=unknown if suffix else Message("has no suffix"),
        allowed=allowed,
        known=known,
    )


def _unreadable(name: str, error: OSError | ValueError) -> UsageError:
    why = reason(error) if isinstance(error, OSError) else str(error)
    return UsageError("{name}: {why}", name=name or shown(name), why=visible(why))


def _spool(stream: IO[bytes], name: str) -> IO[bytes]:
    """Return a temporary file without a name that holds what a stream gives."""
    from shutil import copyfileobj
    from tempfile import TemporaryFile

    try:
        file = TemporaryFile(buffering=0)  # noqa: SIM115 — the Source closes it
    except OSError as error:
        raise UsageError(
            "{name}: no temporary file for it: {why}", name=name, why=reason(error)
        ) from None
    try:
        copyfileobj(stream, file, _BLOCK)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise UsageError(
                "{name}: cannot be kept: {why}", name=name, why=reason(error)
            ) from None
        raise
    return cast("IO[bytes]", file)


class _Pass(io.RawIOBase):
    """A file with a position of its own, over an open file that others read as well."""

    def __init__(self, file: IO[bytes], lock: Lock, name: str) -> None:
        self._file = file
        self._lock = lock
        self._name = name
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            with self._lock:
                self._file.seek(self._at)
                count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            raise UsageError(
                "{name}: cannot be read: {why}", name=self._name, why=reason(error)
            ) from None
        self._at += count
        return cast("int", count)
