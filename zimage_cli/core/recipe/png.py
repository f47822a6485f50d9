"""The chunks of a PNG: walked, read as texts, and new ones put between them.

Source: the PNG specification (W3C, third edition), and XMP's part 3 for its keyword.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from zimage_cli.api.png import SIGNATURE, PngError

LONGEST_TEXT = 1 << 20
"""Bytes of a text that are read, after inflating."""
_MOST_TEXTS = 256
"""Texts of a file that are read: a small file could hold any number of large ones."""

PARAMETERS = "parameters"
RECIPE = "zimage"
XMP = "XML:com.adobe.xmp"
LABEL = "AIGC"
"""Keywords of texts."""
MANIFEST = b"caBX"
"""The chunk that holds a C2PA manifest."""


class Chunk(NamedTuple):
    """A chunk: `offset` is where its length field begins, `length` that of its body."""

    kind: bytes
    offset: int
    length: int


class Text(NamedTuple):
    """What a text chunk says; None: it is damaged, or longer than 1 MiB."""

    keyword: str
    text: str | None
    kind: bytes


def chunks(file: IO[bytes]) -> Iterator[Chunk]:
    """Yield the chunks up to IEND, without reading their bodies. Raises PngError."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise PngError("it does not begin like a PNG")
    at = len(SIGNATURE)
    while True:
        file.seek(at)
        head = file.read(8)
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        end = at + length + 12
        if end > size or not kind:
            raise PngError("it ends before its last chunk")
        if not kind.isalpha():
            raise PngError("a chunk's head is damaged")
        yield Chunk(kind, at, length)
        if kind == b"IEND":
            return
        at = end


def texts(file: IO[bytes], walked: Iterable[Chunk] | None = None) -> Iterator[Text]:
    """Yield what the text chunks say, up to 256 of them. Raises PngError.

    `walked` are its chunks, where they are known. The file may be read elsewhere between two texts.
    """
    left = _MOST_TEXTS
    for chunk in chunks(file) if walked is None else walked:
        if chunk.kind in READERS and left:
            left -= 1
            yield read_text(file, chunk)


def read_text(file: IO[bytes], chunk: Chunk) -> Text:
    """Return what a text chunk says, one of those in READERS."""
    file.seek(chunk.offset + 8)
    body = file.read(min(chunk.length, LONGEST_TEXT + 1024))
    keyword, _, rest = body.partition(b"\0")
    name = keyword[:79].decode("latin-1")
    crc = zlib.crc32(body, zlib.crc32(chunk.kind))
    text = None
    if len(body) == chunk.length and file.read(4) == crc.to_bytes(4, "big"):
        try:
            text = READERS[chunk.kind](rest)
        except (ValueError, zlib.error):
            text = None
    return Text(name, text, chunk.kind)


def _plain(rest: bytes) -> str:
    return _short(rest).decode("latin-1")


def _compressed(rest: bytes) -> str:
    if rest[:1] != b"\0":
        raise ValueError("an unknown compression")
    return _inflated(rest[1:]).decode("latin-1")


def _international(rest: bytes) -> str:
    flags, rest = rest[:2], rest[2:]
    if flags not in {b"\0\0", b"\1\0"}:
        raise ValueError("an unknown compression")
    _language, _keyword, body = rest.split(b"\0", 2)
    return (_inflated(body) if flags[0] else _short(body)).decode("utf-8")


def _inflated(body: bytes) -> bytes:
    inflate = zlib.decompressobj()
    text = _short(inflate.decompress(body, LONGEST_TEXT + 1))
    if not inflate.eof:
        raise ValueError("it is cut off")
    return text


def _short(text: bytes) -> bytes:
    if len(text) > LONGEST_TEXT:
        raise ValueError("too long")
    return text


READERS = {b"tEXt": _plain, b"zTXt": _compressed, b"iTXt": _international}
"""The kinds of text chunks, and how the body of each is read."""


def chunk_of(kind: bytes, body: bytes) -> bytes:
    """Return a whole chunk."""
    crc = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I4s", len(body), kind) + body + crc.to_bytes(4, "big")


def text_chunk(keyword: str, text: str) -> bytes:
    """Return a text chunk: tEXt where Latin-1 has all its characters, else iTXt."""
    name = keyword.encode("latin-1")
    # tEXt has no C1 controls; XMP is always iTXt.
    if keyword != XMP and all(char < "\x7f" or "\xa0" <= char <= "\xff" for char in text):
        return chunk_of(b"tEXt", name + b"\0" + text.encode("latin-1"))
    return chunk_of(b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def splice(
    served: bytes, finished: IO[bytes], new: Iterable[bytes], walked: Iterable[Chunk]
) -> str:
    """Write a PNG with new chunks before its first IDAT, everything else byte for byte.

    `walked` are the chunks of `served`. Returns the SHA-256 of what is written. Raises PngError,
    OSError.
    """
    first = next((chunk.offset for chunk in walked if chunk.kind == b"IDAT"), None)
    if first is None:
        raise PngError("it has no pixel data")
    digest = hashlib.sha256()
    view = memoryview(served)
    parts: list[bytes | memoryview] = [view[:first], *new, view[first:]]
    for part in parts:
        finished.write(part)
        digest.update(part)
    return digest.hexdigest()
