"""A record of a batch, and those of a file with one a line; what cannot be read is one too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

from zimage_cli.core.request.fields import FIELDS
from zimage_cli.core.request.json_object import NotAnObject, decode_object
from zimage_cli.core.request.request import nearest_field
from zimage_cli.messages import Message

LINE_LIMIT = 1024 * 1024
"""Bytes of a line, and of a table's row of several lines. A prompt's 800 characters are 4,800."""

OWN_FIELDS = ("name", "output", "count", "preset")
"""What a record may hold beside the fields of a request."""

COLUMNS = (*FIELDS, "model", *OWN_FIELDS)

TOO_LONG = Message("is longer than {mebibytes} MiB", mebibytes=LINE_LIMIT // 1024**2)

HEADERS = {
    "提示词": "prompt",
    "尺寸": "size",
    "种子": "seed",
    "随机种子": "seed",
    "智能改写": "prompt_extend",
    "扩写": "prompt_extend",
    "数量": "count",
    "文件名": "output",
    "预设": "preset",
}
"""The words that a table's header may use as well, as the service's own pages do."""

# What spreadsheets and other tools call the columns that only a batch has.
_ALIASES = {
    "file": "output",
    "filename": "output",
    "file_name": "output",
    "path": "output",
    "template": "name",
    "n": "count",
    "repeat": "count",
    "style": "preset",
    "styles": "preset",
}


class Record(NamedTuple):
    """One record of a batch: `fields`, or the `problem` that keeps it from being read.

    `line` is the physical line it begins on, from 1. `fields` are as `parse_request` takes them,
    unchecked, plus OWN_FIELDS. `problem` goes on after "line 7: ".
    """

    line: int
    fields: dict[str, object] | None
    problem: Message | None


class Unreadable(Exception):
    """A line that is no text; `why` says what it is instead."""

    def __init__(self, why: Message) -> None:
        super().__init__(str(why))
        self.why = why


def nearest_column(name: str) -> str | None:
    """Return the field of a record that was probably meant by another name, or None."""
    return HEADERS.get(name) or _ALIASES.get(name) or nearest_field(name, COLUMNS)


def line_records(file: BinaryIO, input_format: str) -> Iterator[Record]:
    """Yield the records of a file with one a line, which stands behind its BOM.

    `jsonl`: lines of white space are skipped. `txt`: those too, and lines that begin with `#`; a
    prompt that begins with one is written with a space before it.
    """
    if input_format == "jsonl":
        return _line_records(file, decode_object)
    return _line_records(file, lambda line: {"prompt": line}, comment=b"#")


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
            fields = read(text_of(raw).rstrip("\r\n"))
        except Unreadable as error:
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
            skip_rest(file, raw)


def skip_rest(file: BinaryIO, raw: bytes) -> None:
    """Read on to the end of a line of which only the beginning was read."""
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(LINE_LIMIT)


def text_of(raw: bytes) -> str:
    """Return a line as text. Raises Unreadable."""
    if len(raw) > LINE_LIMIT and not raw.endswith(b"\n"):
        raise Unreadable(TOO_LONG)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        why = Message("is not valid UTF-8 at byte {place}", place=error.start + 1)
        raise Unreadable(why) from None
