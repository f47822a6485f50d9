"""The file of a batch: read as often as it takes, in memory that does not grow with it."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePath
from threading import Lock
from typing import IO, BinaryIO, Self, cast

from zimage_cli.core.batch.encoding import BLOCK, UTF8, decoded, encoding_of
from zimage_cli.core.batch.records import LINE_LIMIT, Record, line_records
from zimage_cli.core.batch.table import DELIMITERS, is_header, table_records
from zimage_cli.core.files import reason
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import clip, shown, visible

INPUT_FORMATS = ("jsonl", "csv", "tsv", "txt")

_SUFFIXES = {**{f".{name}": name for name in INPUT_FORMATS}, ".ndjson": "jsonl"}
_NOTHING = {
    "jsonl": Message("it has no line but blank ones"),
    "csv": Message("it has no row below a header"),
    "tsv": Message("it has no row below a header"),
    "txt": Message("it has no line but blank ones and comments"),
}
_JSON_OBJECT = r'\{\s*(["}]|$)'
_JSON_ARRAY = r'\[\s*([{"\]]|$)'


class Source:
    """An open batch file: `for record in source` is a fresh pass from its first line.

    Passes do not disturb each other, in several threads either. A file that is replaced meanwhile
    is read on as it was; one that is written to changes its `fingerprint`, unless what is read is
    a copy of ours. A pass raises UsageError where the file cannot be read any more. Made by
    `open_source`.
    """

    def __init__(self, file: IO[bytes], name: str, input_format: str | None) -> None:
        self.name = name
        """The path as it may be shown; `standard input` for `-`."""
        self.input_format = input_format or "txt"
        self.guessed: Message | None = None
        """Why it is read in this format, where nobody said so."""
        self._file = file
        self._lock = Lock()
        self._start = 0

    def __iter__(self) -> Iterator[Record]:
        file, delimiter = self._reader(self._start), DELIMITERS.get(self.input_format)
        if delimiter is None:
            return line_records(file, self.input_format)
        return table_records(file, delimiter, self.name)

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

    def prepare(self, encoding: str | None, *, guess: bool) -> None:
        """Check the whole text, and `guess` the format by its first line where nobody said it.

        Raises UsageError where it is not in this encoding, or holds nothing.
        """
        file = self._reader(0)
        found, self._start = encoding_of(file.read(BLOCK), encoding, self.name)
        file.seek(self._start)
        text = decoded(file, found, self.name)
        if found == UTF8:
            for _ in text:
                pass
        else:
            pieces = (piece.encode(UTF8, "surrogatepass") for piece in text)
            copy = _spool(pieces, self.name)
            self._file.close()
            self._file, self._start = copy, 0
        if guess:
            self._guess()
        if next(iter(self), None) is None:
            why = _NOTHING[self.input_format]
            raise UsageError(
                "{name} holds no prompt: {why}. Nothing was sent.", name=self.name, why=why
            )

    def _guess(self) -> None:
        lines = iter(partial(self._reader(self._start).readline, LINE_LIMIT), b"")
        first = next((line for line in lines if not line.isspace()), b"")
        text = first.decode(errors="replace").strip()
        if re.match(_JSON_ARRAY, text):
            raise _one_document(self.name)
        if re.match(_JSON_OBJECT, text):
            self.input_format = "jsonl"
            why = Message("its first line is a JSON object")
        elif kind := next((kind for kind, mark in DELIMITERS.items() if is_header(text, mark)), ""):
            self.input_format = kind
            why = Message("its first line is the header of a table")
        else:
            return
        self.guessed = Message(
            "{name} is read as {kind}, because {why}; as text: --input-format txt",
            name=self.name,
            kind=self.input_format,
            why=why,
        )

    def _reader(self, start: int) -> BinaryIO:
        raw = _Pass(self._file, self._lock, self.name)
        raw.seek(start)
        return io.BufferedReader(raw, BLOCK)


def open_source(
    path: str,
    input_format: str | None,
    *,
    encoding: str | None = None,
    stdin: BinaryIO | None = None,
) -> Source:
    """Open a batch file, or standard input for `-`, and check its text.

    `input_format` is one of INPUT_FORMATS, or None to go by the suffix, or the first line of
    standard input. `encoding` is Python's name of one, or None to go by the mark at the beginning,
    else UTF-8. What cannot be read twice (standard input, a pipe), and what is not UTF-8, is first
    copied to an unnamed temporary file. Raises UsageError, also for a file without a record.
    """
    name = Message("standard input") if path == "-" else visible(clip(path, 200))
    if path == "-":
        known = _format(path, name, input_format) if input_format is not None else None
        stream = stdin or getattr(sys.stdin, "buffer", None)
        if stream is None or stream.closed:
            raise UsageError("{name}: is closed", name=name)
        file = _spool(iter(partial(stream.read, BLOCK), b""), name)
    else:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 — no Path: its forms of "" and "." differ
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from None
        if stat.S_ISDIR(mode):
            raise UsageError("{name}: is a folder; give a file", name=name)
        known = _format(path, name, input_format)
        try:
            file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from None
        if not stat.S_ISREG(mode):
            with file as stream:
                file = _spool(iter(partial(stream.read, BLOCK), b""), name)
    source = Source(file, name, known)
    try:
        source.prepare(encoding, guess=known is None)
    except BaseException:
        source.close()
        raise
    return source


def _format(path: str, name: str, input_format: str | None) -> str:
    allowed = Listing(", ", INPUT_FORMATS)
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
    if suffix == ".json":
        raise _one_document(name)
    known = Listing(", ", _SUFFIXES)
    unknown = Message("has the unknown suffix {suffix}", suffix=shown(suffix))
    raise UsageError(
        "{name}: {problem}; say with --input-format what it holds: {allowed}",
        hint="Known: {known}",
        name=name,
        problem=unknown if suffix else Message("has no suffix"),
        allowed=allowed,
        known=known,
    )


def _one_document(name: str) -> UsageError:
    return UsageError(
        "{name}: one JSON document is not read as a batch",
        name=name,
        hint="Write one object a line, without the brackets and commas around them, and name "
        "the file .jsonl: jq -c '.[]' prompts.json > prompts.jsonl",
    )


def _unreadable(name: str, error: OSError | ValueError) -> UsageError:
    why = reason(error) if isinstance(error, OSError) else visible(str(error))
    return UsageError("{name}: {why}", name=name or shown(name), why=why)


def _spool(pieces: Iterable[bytes], name: str) -> IO[bytes]:
    """Return a temporary file without a name that holds these pieces."""
    from tempfile import TemporaryFile

    try:
        file = TemporaryFile(buffering=0)  # noqa: SIM115 — the Source closes it
    except OSError as error:
        raise UsageError(
            "{name}: no temporary file for it: {why}", name=name, why=reason(error)
        ) from None
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
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
