"""The body of an answer: unpacked in bounded steps, read as JSON of bounded depth, without the key.

Nothing that a server sends may take the process's memory, or make an answer unreadable that says
where a paid picture is.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zimage_cli.messages import Message, foreign

if TYPE_CHECKING:
    import httpx

_STEP = 64 * 1024
_DEEPEST = 64
"""Levels. What an answer says lies within eight; the interpreter's own limit is not far above."""
_LONGEST_INTEGER = 20
"""Characters. Python refuses integers of 4,300 digits and more, and the whole text with them."""
_MARK = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_HIDDEN = "***"
_NUMBERED = re.compile(r"\[Errno (-?\d+)\] (.+)")
_CUT = re.compile(
    r"peer closed connection without sending complete message body"
    r" \(received (\d+) bytes, expected (\d+)\)"
)


class UnreadableEncoding(Exception):
    """The body is packed in a way, or in several, that zimage does not read."""


def content(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body in pieces of some 64 KiB, with one layer of gzip or deflate taken off.

    Raises UnreadableEncoding, and httpx.DecodingError for data that are damaged. httpx itself would
    take off any number of layers, and unpack all of a piece at once.
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        yield from response.iter_raw()
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        try:
            yield from _inflated(response.iter_raw(), gzip=encoding != "deflate")
        except zlib.error as error:
            import httpx

            raise httpx.DecodingError(str(error)) from None
    else:
        raise UnreadableEncoding


def _inflated(pieces: Iterable[bytes], *, gzip: bool) -> Iterator[bytes]:
    inflate = None
    for piece in pieces:
        if inflate is None:
            # "deflate" comes with a header, as the standard says, or without one.
            inflate = zlib.decompressobj(31 if gzip else 15 if piece[0] & 15 == 8 else -15)
        while not inflate.eof:
            data = inflate.decompress(piece, _STEP)
            piece = inflate.unconsumed_tail  # noqa: PLW2901 - what is left of it
            yield data
            # A full step may have left more in the decompressor, even with no input left.
            if not piece and len(data) < _STEP:
                break
    if inflate is not None and not inflate.eof:
        raise zlib.error("the packed data end too early")


def read_json(body: bytes) -> Any:
    """Return what JSON says. Raises ValueError for what is no JSON.

    What is nested deeper than any answer is read as null, and an endless number as a float:
    neither may hide what stands beside it.
    """
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    if text.count("[") + text.count("{") > _DEEPEST:
        text = _shallow(text)
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _shallow(text: str) -> str:
    """Return JSON with null for every list and object that lies too deep, in one pass."""
    kept: list[str] = []
    depth, begin, quoted = 0, 0, False
    for mark in _MARK.finditer(text):
        match text[mark.start()]:
            case '"':
                quoted = not quoted
            case "[" | "{" if not quoted:
                depth += 1
                if depth == _DEEPEST + 1:
                    kept += (text[begin : mark.start()], "null")
            case "]" | "}" if not quoted:
                if depth == _DEEPEST + 1:
                    begin = mark.end()
                depth -= 1
    if depth <= _DEEPEST:
        kept.append(text[begin:])
    return "".join(kept)


def without_key(body: bytes, key: str) -> bytes:
    r"""Return a body with no key in it, whatever way JSON has of writing it (`\u0073k-…`)."""
    try:
        document = read_json(body)
    except ValueError:
        return body.replace(key.encode(), _HIDDEN.encode())
    return json.dumps(hide(document, key)).encode()


def words_of(error: Exception) -> Message:
    """Return what an error of the connection says."""
    text = str(error).rstrip(".") or type(error).__name__
    if found := _NUMBERED.fullmatch(text):
        return Message("[Errno {number}] {why}", number=found[1], why=foreign(found[2]))
    if found := _CUT.fullmatch(text):
        return Message(
            "peer closed connection without sending complete message body"
            " (received {got} bytes, expected {whole})",
            got=found[1],
            whole=found[2],
        )
    return foreign(text)


def hide(value: Any, key: str) -> Any:
    """Return a value of JSON without the key; lists and objects are changed in place."""
    if isinstance(value, str):
        # A Message without the key stays one.
        return value.replace(key, _HIDDEN) if key in value else value
    if isinstance(value, list):
        for at, item in enumerate(value):
            value[at] = hide(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            value[name] = hide(item, key)
        for name in [name for name in value if key in name]:
            value[hide(name, key)] = value.pop(name)
    return value
