"""What stands beside the pixels of a PNG, JPEG or WebP: texts, EXIF, XMP, a C2PA manifest.

The files may be anybody's. Heads are walked and bodies skipped, no pixel is decoded, and how much
is walked and kept is bounded. Sources: the PNG specification (W3C, third edition); ITU-T T.81 and
XMP's part 3 for JPEG; the WebP container specification (Google); C2PA 2.1, appendix A.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from zimage_cli.api.png import SIGNATURE, PngError
from zimage_cli.core.recipe import png
from zimage_cli.core.recipe.png import Text

_LONGEST = png.LONGEST_TEXT
"""Bytes of EXIF or of an XMP packet that are read."""
_MOST_TEXT = 16 << 20
"""Characters of all texts together: a small file can hold many that inflate to 1 MiB."""
_MOST_PARTS = 200_000
"""Chunks or segments that are walked: twenty times those of a picture of 64 MiB."""

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_HEADLESS = {0x01, *range(0xD0, 0xD9)}
"""Markers of a JPEG that nothing follows: TEM, RST0 to RST7, SOI."""
_SIZED = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Its frame headers, SOF0 to SOF15."""
_END, _SCAN, _APP1, _APP11 = 0xD9, 0xDA, 0xE1, 0xEB


class NoPicture(ValueError):
    """The bytes are no PNG, JPEG or WebP that says its dimensions."""


@dataclass(slots=True)
class Pieces:
    """What a file holds beside its pixels; width and height in pixels.

    `unread` names what is longer than 1 MiB. `whole` is False where the file ends, or stops being
    readable, before its own end, or holds more than is read.
    """

    format: str
    width: int = 0
    height: int = 0
    texts: list[Text] = field(default_factory=list)
    exif: bytes | None = None
    xmp: list[bytes] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    c2pa: bool = False
    whole: bool = True

    def read_exif(self, file: IO[bytes], length: int) -> None:
        """Take the first EXIF, unless it is too long."""
        if length > _LONGEST:
            self.unread.append("EXIF")
        elif self.exif is None:
            self.exif = file.read(length)


def pieces(file: IO[bytes]) -> Pieces:
    """Return what a file holds. Raises NoPicture, OSError."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(SIGNATURE):
        found = _png(file)
    elif head.startswith(b"\xff\xd8\xff"):
        found = _jpeg(file)
    elif head[:4] == b"RIFF" and head[8:] == b"WEBP":
        found = _webp(file, int.from_bytes(head[4:8], "little") + 8)
    else:
        raise NoPicture
    if not found.width or not found.height:
        raise NoPicture
    return found


def _png(file: IO[bytes]) -> Pieces:
    found, room = Pieces("png"), _MOST_TEXT
    walked = 0
    try:
        for walked, chunk in enumerate(islice(png.chunks(file), _MOST_PARTS), 1):
            file.seek(chunk.offset + 8)
            if walked == 1:
                if chunk.kind != b"IHDR" or chunk.length != 13:
                    raise NoPicture
                found.width, found.height = struct.unpack(">II", file.read(8))
            elif chunk.kind == png.MANIFEST:
                found.c2pa = True
            elif chunk.kind == b"eXIf":
                found.read_exif(file, chunk.length)
            elif chunk.kind in png.READERS and room > 0:
                text = png.read_text(file, chunk)
                # One that is too long costs as much as the longest that is not.
                room -= _LONGEST if text.text is None else len(text.text)
                found.texts.append(text)
    except PngError:
        found.whole = False
    found.whole = found.whole and walked < _MOST_PARTS and room > 0
    for text in found.texts:
        if text.keyword == png.XMP and text.text is not None:
            found.xmp.append(text.text.encode("utf-8", "replace"))
    return found


def _jpeg(file: IO[bytes]) -> Pieces:
    found, more = Pieces("jpeg", whole=False), b""
    for marker, length in _segments(file):
        if marker == _SCAN:
            # Behind it are the pixels: of them only the end is looked for.
            found.whole = _has_end(file)
        elif marker in _SIZED and length >= 5:
            found.height, found.width = struct.unpack(">HH", file.read(5).ljust(5, b"\0")[1:])
        elif marker == _APP1:
            body = file.read(length)
            if body.startswith(_EXIF) and found.exif is None:
                found.exif = body
            elif body.startswith(_XMP):
                found.xmp.append(body[len(_XMP) :])
            elif body.startswith(_MORE_XMP) and len(more) <= _LONGEST:
                # A digest, the whole length and where this part stands; the parts come in order.
                more += body[len(_MORE_XMP) + 40 :]
        elif marker == _APP11:
            # JPEG's box for JUMBF: "JP", a number, a packet's number, then the box itself.
            body = file.read(min(length, 64))
            found.c2pa = found.c2pa or (body.startswith(b"JP") and b"jumdc2pa" in body)
    if more:
        found.xmp.append(more)
    return found


def _has_end(file: IO[bytes]) -> bool:
    """Tell whether the marker of a JPEG's end follows; pixels never look like one."""
    before = b""
    while part := file.read(1 << 16):
        if bytes((0xFF, _END)) in before + part:
            return True
        before = part[-1:]
    return False


def _segments(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield marker and length of each segment up to the pixels; its body is what is read next."""
    at, room = 2, _MOST_TEXT
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(4)
        if len(head) < 2 or head[0] != 0xFF or head[1] == _END:
            return
        marker = head[1]
        if marker in _HEADLESS or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(head[2:], "big") - 2
        if len(head) < 4 or length < 0:
            return
        room -= length
        if room > 0 or marker == _SCAN or marker in _SIZED:
            yield marker, length
        if marker == _SCAN:
            return
        at += 4 + length


def _webp(file: IO[bytes], end: int) -> Pieces:
    found, at = Pieces("webp"), 12
    size = file.seek(0, os.SEEK_END)
    found.whole = end <= size
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        if at >= end or len(head) < 8:
            return found
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if kind in {b"VP8X", b"VP8 ", b"VP8L"} and not found.width:
            found.width, found.height = _webp_size(kind, file.read(10))
        elif kind == b"EXIF":
            found.read_exif(file, length)
        elif kind == b"XMP " and length > _LONGEST:
            found.unread.append("XMP")
        elif kind == b"XMP " and not found.xmp:
            found.xmp.append(file.read(length))
        elif kind == b"C2PA":
            found.c2pa = True
        at += 8 + length + length % 2
    found.whole = False
    return found


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        sides = (body[at : at + 3] for at in (4, 7))
        width, height = (int.from_bytes(side, "little") + 1 for side in sides)
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if body[0] != 0x2F:
            return 0, 0
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        if body[3:6] != b"\x9d\x01\x2a":
            return 0, 0
    return width, height
