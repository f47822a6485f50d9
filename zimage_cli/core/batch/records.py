"""From bytes to the records of a batch, a format each; what cannot be read is a record too."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

from zimage_cli.core.request.json_object import NotAnObject, decode_object
from zimage_cli.core.request.request import FIELDS, nearest_field
from zimage_cli.messages import Listing, Message
from zimage_cli.text import shown

LINE_LIMIT = 1024 * 1024
"""Bytes of a line, and of a table's row of several lines. A prompt's 800 characters are 4,800."""

OWN_FIELDS = ("name", "output", "count")
"""What a record may hold beside the fields of a request."""

COLUMNS = (*FIELDS, "model", *OWN_FIELDS)

_REREAD = 32 * 1024 * 1024
"""Bytes read a second time after rows whose quotes never close: a file made to do that on every
line would otherwise take the square of its length."""

_TOO_LONG = Message("is longer than {mebibytes} MiB", mebibytes=LINE_LIMIT // 1024**2)

# What spreadsheets and other tools call the columns that only a batch has.
_ALIASES = {
    "file": "output",
    "filename": "output",
    "file_name": "output",
    "path": "output",
    "template": "name",
    "n": "count",
    "repeat": "count",
}


class Record(NamedTuple):
    """One record of a batch: `fields`, or the `problem` that keeps it from being read.

    `line` is the physical line it begins on, from 1. `fields` are as `parse_request` takes them,
    unchecked, plus `name`, `output` and `count`. `problem` goes on after "line 7: ".
    """

    line: int
    fields: dict[str, object] | None
    problem: Message | None


class _Unreadable(Exception):
    """A line that is no text; `why` says what it is instead."""

    def __init__(self, why: Message) -> None:
        super().__init__(str(why))
        self.why = why


def read_records(file: BinaryIO, input_format: str) -> Iterator[Record]:
    """Yield the records of a file that stands behind its BOM.

    `jsonl`: lines of white space are skipped. `txt`: those too, and lines that begin with `#`; a
    prompt that begins with one is written with a space before it. `csv`, `tsv`: so are rows whose
    cells are all blank; a header that cannot be used is the only record.
    """
    match input_format:
        case "jsonl":
            return _line_records(file, decode_object)
        case "txt":
            return _line_records(file, lambda line: {"prompt": line}, comment=b"#")
        case "csv":
            return _table_records(file, ",")
    return _table_records(file, "\t")


def _line_records(
    file: BinaryIO, read: Callable[[str], dict[str, object]], comment: bytes | None = None
) -> Iterator[Record]:
    """Yield a record a line; `read` makes its fields of it. Lines that begin a `comment` have none.

    `read` gets it without its end: an error behind it would stand in a line of its own.
    """
    for number, raw in _lines(file):
        if raw.isspace() or (comment is not None and raw.startswith(comment)):
            continue
        try:
            fields = read(_text(raw).rstrip("\r\n"))
        except _Unreadable as error:
            yield Record(number, None, error.why)
        except NotAnObject as error:
            why = error.why
            if error.column:
                why = Message(
                    "is not valid JSON at column {column}: {why}", column=error.column, why=why
                )
            yield Record(number, None, why)
        else:
            yield Record(number, fields, None)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield every line with its number; of one over the limit, only its beginning."""
    for number, raw in enumerate(iter(partial(file.readline, LINE_LIMIT + 1), b""), 1):
        yield number, raw
        if len(raw) > LINE_LIMIT:
            _skip_rest(file, raw)


def _skip_rest(file: BinaryIO, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(LINE_LIMIT)


def _text(raw: bytes) -> str:
    if len(raw) > LINE_LIMIT and not raw.endswith(b"\n"):
        raise _Unreadable(_TOO_LONG)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        why = Message("is not valid UTF-8 at byte {place}", place=error.start + 1)
        raise _Unreadable(why) from None


# -- tables ---------------------------------------------------------------------------------------


class _Feed:
    """The lines of a table for `csv.reader`, which remembers where the row began."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._line = 0
        self._first = 0
        self._size = 0
        self._second = 0
        """Where the row's second line begins, in bytes."""
        self._reread = 0
        self.problem: Message | None = None
        """What keeps the row from being used though its cells can be told apart."""

    def begin(self) -> int:
        """Begin a row, and return the number of its first line."""
        self._first = self._line + 1
        self._size = 0
        self.problem = None
        return self._first

    def resume(self, why: Message) -> Message:
        """Go back behind the first line of a row that broke: it may have taken others in.

        Return its problem, which says so where that has been done too often.
        """
        if self._line == self._first:
            return why
        if self._reread > _REREAD:
            return Message("{why}; it took in all lines up to {line:,}", why=why, line=self._line)
        self._reread += self._size
        self._line = self._first
        self._file.seek(self._second)
        return why

    def here(self, why: Message) -> Message:
        """Return a problem with the line that it is on, where that is not the row's first."""
        if self._line == self._first:
            return why
        return Message("{why} (line {line})", why=why, line=self._line)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LINE_LIMIT + 1)
        if not raw:
            raise StopIteration
        self._line += 1
        self._size += len(raw)
        if self._line == self._first:
            if len(raw) > LINE_LIMIT:
                _skip_rest(self._file, raw)
            self._second = self._file.tell()
        elif self._size > LINE_LIMIT:
            _skip_rest(self._file, raw)
            raise _Unreadable(_TOO_LONG)
        try:
            text = _text(raw)
        except _Unreadable as error:
            if len(raw) > LINE_LIMIT:
                raise
            self._note(error.why)
            text = raw.decode(errors="replace")
        if "\0" in text:
            self._note(Message("holds NUL at character {place}", place=text.index("\0") + 1))
            text = text.replace("\0", "\ufffd")
        return text

    def _note(self, why: Message) -> None:
        # The reader goes on to the row's end with a stand-in for what is wrong.
        self.problem = self.problem or self.here(why)


def _table_records(file: BinaryIO, delimiter: str) -> Iterator[Record]:
    rows = _rows(file, delimiter)
    line, head = next(rows, (0, None))
    if head is None:
        return
    if isinstance(head, Message):
        yield Record(line, None, head)
        return
    if problem := _header_problem(head, delimiter):
        yield Record(line, None, problem)
        return
    columns = [(name, _TYPES.get(name, str)) for name in _names(head)]
    for line, row in rows:
        if isinstance(row, Message):
            yield Record(line, None, row)
        elif len(row) != len(columns):
            yield Record(line, None, _length_problem(len(row), len(columns), delimiter))
        else:
            fields = {
                name: typed(cell)
                for (name, typed), cell in zip(columns, row, strict=True)
                if cell and not cell.isspace()
            }
            yield Record(line, fields, None)


def _rows(file: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str] | Message]]:
    """Yield every row that is not blank with the line it begins on: its cells, or a problem."""
    feed = _Feed(file)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        line = feed.begin()
        try:
            row = next(reader, None)
        except (_Unreadable, csv.Error) as error:
            yield line, feed.resume(feed.problem or feed.here(_why(error)))
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        if row is None:
            return
        if feed.problem is not None:
            yield line, feed.problem
        elif "".join(row).strip():
            yield line, row


def _whole_number(cell: str) -> object:
    """Return a cell's number; what is none stays text, for the request's own check to name."""
    digits = cell.strip()
    bare = digits.removeprefix("-")
    fits = bare.isascii() and bare.isdecimal() and len(bare) <= 20
    return int(digits) if fits else cell


def _yes_or_no(cell: str) -> object:
    return _BOOLEANS.get(cell.strip().lower(), cell)


_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_TYPES: dict[str, Callable[[str], object]] = {
    "seed": _whole_number,
    "count": _whole_number,
    "prompt_extend": _yes_or_no,
}


def _why(error: Exception) -> Message:
    """Return what is wrong with a row, for what `csv` says of it."""
    text = str(error)
    if isinstance(error, _Unreadable):
        return error.why
    if "expected after" in text:
        return Message(
            'has text behind a closing quote; a quote within a quoted cell is written ""'
        )
    if "end of data" in text:
        return Message("has a quoted cell that is not closed")
    if "field limit" in text:
        return Message("has a cell of more than {most:,} characters", most=csv.field_size_limit())
    if "new-line" in text:
        return Message(
            "holds a carriage return outside quotes; save the file with LF or CRLF line ends"
        )
    return Message("is no row of a table: {why}", why=text)


def _length_problem(cells: int, columns: int, delimiter: str) -> Message:
    if cells < columns:
        return Message("has {cells} cells, the header {columns}", cells=cells, columns=columns)
    return Message(
        "has {cells} cells, the header {columns}; a cell that holds {mark} is written in quotes",
        cells=cells,
        columns=columns,
        mark=Message("a comma") if delimiter == "," else Message("a tab"),
    )


def _names(header: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in header]


def _header_problem(header: list[str], delimiter: str) -> Message | None:
    """Return everything that is wrong with a header in one sentence, or None."""
    names = _names(header)
    other = next((mark for mark in _MARKS if mark != delimiter and mark in names[0]), None)
    if len(names) == 1 and other:
        return Message(
            "the header is one cell, {cell}: it has {found}, "
            "and cells are separated by {expected} here",
            cell=shown(names[0]),
            found=_MARKS[other],
            expected=_MARKS[delimiter],
        )
    wrong: list[Message] = []
    unknown = [name for name in dict.fromkeys(names) if name not in COLUMNS]
    for name in unknown[:10]:
        near = _ALIASES.get(name) or nearest_field(name, COLUMNS)
        if near:
            wrong.append(
                Message(
                    "has the unknown column {name} (nearest: {near})", name=shown(name), near=near
                )
            )
        else:
            wrong.append(Message("has the unknown column {name}", name=shown(name)))
    if len(unknown) > 10:
        wrong.append(Message("has {more:,} more unknown columns", more=len(unknown) - 10))
    wrong.extend(
        Message("has the column {name} twice", name=name)
        for name in COLUMNS
        if names.count(name) > 1
    )
    if "prompt" not in names:
        wrong.append(Message("has no column prompt"))
    if not wrong:
        return None
    return Message(
        "the header {wrong}; allowed: {allowed}",
        wrong=Listing(", ", wrong),
        allowed=", ".join(COLUMNS),
    )


_MARKS = {",": Message("commas"), ";": Message("semicolons"), "\t": Message("tabs")}
