"""The records of a CSV or TSV file: its header, and a row each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import BinaryIO
from unicodedata import normalize

from zimage_cli.core.batch.records import (
    COLUMNS,
    HEADERS,
    LINE_LIMIT,
    TOO_LONG,
    Record,
    Unreadable,
    nearest_column,
    skip_rest,
    text_of,
)
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import shown, visible

DELIMITERS = {"csv": ",", "tsv": "\t"}

_REREAD = 32 * 1024 * 1024
"""Bytes read a second time after rows whose quotes never close: a file made to do that on every
line would otherwise take the square of its length."""


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
                skip_rest(self._file, raw)
            self._second = self._file.tell()
        elif self._size > LINE_LIMIT:
            skip_rest(self._file, raw)
            raise Unreadable(TOO_LONG)
        try:
            text = text_of(raw)
        except Unreadable as error:
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


def table_records(file: BinaryIO, delimiter: str, name: str) -> Iterator[Record]:
    """Yield the records of a table; rows whose cells are all blank are skipped.

    Raises UsageError for a header that cannot be used; `name` is the file's in it.
    """
    rows = _rows(file, delimiter)
    line, head = next(rows, (0, None))
    if head is None:
        return
    if isinstance(head, Message):
        raise UsageError(
            "{name}: the header in line {line} cannot be read: it {why}",
            name=name,
            line=line,
            why=head,
        )
    columns = [(one, _TYPES.get(one, str)) for one in _header(head, delimiter, name, line)]
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


def is_header(line: str, delimiter: str) -> bool:
    """Tell whether a line names columns of a table, the prompt among them, and nothing else."""
    try:
        [cells] = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return False
    return not _wrong(_names(cells))


def _rows(file: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str] | Message]]:
    """Yield every row that is not blank with the line it begins on: its cells, or a problem."""
    feed = _Feed(file)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        line = feed.begin()
        try:
            row = next(reader, None)
        except (Unreadable, csv.Error) as error:
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
    **dict.fromkeys(("true", "1", "yes", "on", "是", "开"), True),
    **dict.fromkeys(("false", "0", "no", "off", "否", "关"), False),
}
_TYPES: dict[str, Callable[[str], object]] = {
    "seed": _whole_number,
    "count": _whole_number,
    "prompt_extend": _yes_or_no,
}


_BROKEN = {
    "expected after": Message(
        'has text behind a closing quote; a quote within a quoted cell is written ""'
    ),
    "end of data": Message("has a quoted cell that is not closed"),
    "field limit": Message(
        "has a cell of more than {most:,} characters", most=csv.field_size_limit()
    ),
    "new-line": Message(
        "holds a carriage return outside quotes; save the file with LF or CRLF line ends"
    ),
}


def _why(error: Exception) -> Message:
    """Return what is wrong with a row, for what `csv` says of it."""
    if isinstance(error, Unreadable):
        return error.why
    text = str(error)
    known = next((said for words, said in _BROKEN.items() if words in text), None)
    return known or Message("is no row of a table: {why}", why=text)


def _length_problem(cells: int, columns: int, delimiter: str) -> Message:
    if cells < columns:
        return Message("has {cells} cells, the header {columns}", cells=cells, columns=columns)
    return Message(
        "has {cells} cells, the header {columns}; a cell that holds {mark} is written in quotes",
        cells=cells,
        columns=columns,
        mark=Message("a comma") if delimiter == "," else Message("a tab"),
    )


# -- the header -----------------------------------------------------------------------------------

_MARKS = {
    ",": Message("commas"),
    ";": Message("semicolons"),
    "\t": Message("tabs"),
    "，": Message("full-width commas"),
}
_FORMATS = {mark: name for name, mark in DELIMITERS.items()}
_ADVICE = {
    0: "Write it so: {mended}",
    1: "Add a column with the prompts, so that the header is: {mended}",
    -1: "Take the other columns out of the table, so that the header is: {mended}",
}
"""What to do, by whether the mended header has as many columns, more or fewer."""


def _names(header: list[str]) -> list[str]:
    """Return the fields that a header's cells name, and what names none as it is."""
    plain = [normalize("NFKC", cell).strip().lower() for cell in header]
    return [HEADERS.get(name, name) for name in plain]


def _header(cells: list[str], delimiter: str, file: str, line: int) -> list[str]:
    """Return the fields of a table's columns. Raises UsageError, with the header mended."""
    names = _names(cells)
    wrong = _wrong(names)
    if not wrong:
        return names
    other = next((mark for mark in _MARKS if mark != delimiter and mark in cells[0]), None)
    if len(cells) == 1 and other:
        raise UsageError(
            "{file}: the header in line {line} is one cell, {cell}: it has {found}, and cells are "
            "separated by {expected} here",
            hint="Say what it is: --input-format {format}"
            if other in _FORMATS
            else "Save the table again with {expected} between the cells.",
            file=file,
            line=line,
            cell=shown(cells[0]),
            found=_MARKS[other],
            expected=_MARKS[delimiter],
            format=_FORMATS.get(other),
        )
    mended = _mended(cells, names)
    if not mended:
        raise UsageError(
            "{file}: line {line} is no header: it names no column; allowed: {allowed}",
            hint="Put a line above it that names the columns, such as: {example}",
            file=file,
            line=line,
            allowed=Listing(", ", COLUMNS),
            example=delimiter.join(COLUMNS[: min(len(cells), 3)]),
        )
    raise UsageError(
        "{file}: the header in line {line} {wrong}; allowed: {allowed}",
        hint=_ADVICE[(len(mended) > len(cells)) - (len(mended) < len(cells))],
        file=file,
        line=line,
        wrong=Listing(", ", wrong),
        allowed=Listing(", ", COLUMNS),
        mended=visible(delimiter.join(mended), newlines=True),
    )


def _wrong(names: list[str]) -> list[Message]:
    """Return everything that is wrong with a header."""
    wrong: list[Message] = []
    unknown = [name for name in dict.fromkeys(names) if name not in COLUMNS]
    for name in unknown[:10]:
        near = nearest_column(name)
        template = "has the unknown column {name} (nearest: {near})"
        if near is None:
            template = "has the unknown column {name}"
        wrong.append(Message(template, name=shown(name), near=near))
    if len(unknown) > 10:
        wrong.append(Message("has {more:,} more unknown columns", more=len(unknown) - 10))
    wrong.extend(
        Message("has the column {name} twice", name=name)
        for name in COLUMNS
        if names.count(name) > 1
    )
    if "prompt" not in names:
        wrong.append(Message("has no column prompt"))
    return wrong


def _mended(cells: list[str], names: list[str]) -> list[str]:
    """Return the header as it was probably meant, without what means nothing; empty where none is.

    Where no column is the prompt, the first that means nothing else is.
    """
    meant = [name if name in COLUMNS else nearest_column(name) for name in names]
    if not any(meant):
        return []
    taken: set[str] = set()
    mended = []
    if "prompt" not in meant:
        if None in meant:
            meant[meant.index(None)] = "prompt"
        else:
            mended.append("prompt")
    for cell, name, column in zip(cells, names, meant, strict=True):
        if column is not None and column not in taken:
            taken.add(column)
            mended.append(cell.strip() if column == name else column)
    return mended
