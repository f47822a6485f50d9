"""A PNG checked while it arrives, with nothing but zlib.

Checked: signature, order and CRC of every chunk, IHDR's fields, that the pixel data inflates to
exactly the bytes the dimensions need with a valid filter on every row, and IEND. That is all a
decoder needs to show every pixel, and it costs no second pass over the file. Bytes after IEND are
let through, as decoders do: a paid picture is not thrown away for them. Source: the PNG
specification (W3C, third edition).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from zimage_cli.messages import Unfit

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_MAX_SIDE = 65535
_MAX_PIXELS = 1 << 26
_INFLATE_STEP = 1 << 20
_LAST_FILTER = 4


class PngError(Unfit, ValueError):
    """The bytes are not a whole, sound PNG."""


@dataclass(frozen=True, slots=True)
class PngInfo:
    """Dimensions in pixels."""

    width: int
    height: int


class PngCheck:
    """Feed it the file's bytes in any pieces; `finish` tells whether it was a whole PNG."""

    def __init__(self) -> None:
        self._held = b""
        """The beginning of something that is only understood whole: signature, head, IHDR, CRC."""
        self._started = False
        self._info: PngInfo | None = None
        self._passes: list[tuple[int, int]] = []
        """(bytes of a row with its filter byte, rows left) of each pass still to come."""
        self._row_left = 0
        self._inflate = zlib.decompressobj()
        self._inflated_all = False
        self._palette = False
        self._needs_palette = False
        self._idat_state = 0
        self._ended = False
        self._kind = b""
        self._body_left = -1
        self._crc = 0

    def feed(self, data: bytes | bytearray) -> None:
        """Take the next bytes. Raises PngError as soon as something is wrong."""
        if self._ended or not data:
            return
        if self._held:
            data, self._held = self._held + data, b""
        with memoryview(data) as view:
            at = 0
            while not self._ended:
                taken = self._take(view[at:])
                if taken == 0:
                    self._held = bytes(view[at:])
                    return
                at += taken
                if at == len(view):
                    return

    def finish(self) -> PngInfo:
        """Return the dimensions of a PNG that was whole. Raises PngError where it was not."""
        if self._info is None or not self._ended:
            raise PngError("it ends before its last chunk")
        return self._info

    def _take(self, view: memoryview) -> int:
        """Take the signature, a chunk's head, part of its body, or its CRC; return how much.

        0: it takes more bytes than these.
        """
        if not self._started:
            return self._signature(view)
        if self._body_left < 0:
            return self._head(view)
        if not self._body_left:
            return self._tail(view)
        if self._kind == b"IHDR" and len(view) < self._body_left:
            return 0
        part = view[: self._body_left]
        self._body_left -= len(part)
        self._crc = zlib.crc32(part, self._crc)
        if self._kind == b"IHDR":
            self._header(part)
        elif self._kind == b"IDAT":
            self._pixels(part)
        return len(part)

    def _signature(self, view: memoryview) -> int:
        if not SIGNATURE.startswith(view[: len(SIGNATURE)].tobytes()):
            raise PngError("it does not begin like a PNG")
        self._started = len(view) >= len(SIGNATURE)
        return len(SIGNATURE) if self._started else 0

    def _head(self, view: memoryview) -> int:
        if len(view) < 8:
            return 0
        length, kind = struct.unpack(">I4s", view[:8])
        if length > 0x7FFFFFFF or not kind.isalpha():
            raise PngError("a chunk's head is damaged")
        if self._info is None and (kind != b"IHDR" or length != 13):
            raise PngError("its first chunk is not a header")
        if self._info is not None and kind == b"IHDR":
            raise PngError("it has two headers")
        self._order(kind, length)
        self._kind, self._body_left, self._crc = kind, length, zlib.crc32(kind)
        return 8

    def _order(self, kind: bytes, length: int) -> None:
        if kind == b"PLTE":
            if self._idat_state or self._palette or length % 3 or not 0 < length <= 768:
                raise PngError("its palette is damaged")
            self._palette = True
        elif kind == b"IDAT":
            if self._idat_state == 2 or (self._needs_palette and not self._palette):
                raise PngError("its pixel data are out of order")
            self._idat_state = 1
        elif kind == b"IEND":
            if length or not self._inflated_all:
                raise PngError("its pixel data are not whole")
        elif kind != b"IHDR" and not kind[0] & 0x20:
            raise PngError("it has a critical chunk that no decoder knows")
        if kind != b"IDAT" and self._idat_state == 1:
            self._idat_state = 2

    def _tail(self, view: memoryview) -> int:
        if len(view) < 4:
            return 0
        if int.from_bytes(view[:4], "big") != self._crc:
            raise PngError("the checksum of its {chunk} chunk is wrong", chunk=self._kind.decode())
        self._body_left = -1
        self._ended = self._kind == b"IEND"
        return 4

    def _header(self, part: memoryview) -> None:
        width, height, depth, colour, compression, filtering, interlace = struct.unpack(
            ">IIBBBBB", part
        )
        if not (
            0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE and width * height <= _MAX_PIXELS
        ):
            raise PngError(
                "its dimensions, {width}×{height}, are out of bounds", width=width, height=height
            )
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise PngError("its header has values that no decoder knows")
        bits = depth * _CHANNELS[colour]
        self._info = PngInfo(width, height)
        self._needs_palette = colour == 3
        passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
        for x, y, dx, dy in passes:
            columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
            if columns > 0 and rows > 0:
                self._passes.append(((columns * bits + 7) // 8 + 1, rows))

    def _pixels(self, part: memoryview) -> None:
        source: bytes | memoryview = part
        try:
            while not self._inflate.eof:
                rows = self._inflate.decompress(source, _INFLATE_STEP)
                source = self._inflate.unconsumed_tail
                self._filters(rows)
                # A full step may have left more in the decompressor, even with no input left.
                if not source and len(rows) < _INFLATE_STEP:
                    break
        except zlib.error:
            raise PngError("its pixel data cannot be decompressed") from None
        if self._inflate.eof:
            if self._passes or self._row_left:
                raise PngError("its pixel data do not fit its dimensions")
            self._inflated_all = True

    def _filters(self, data: bytes) -> None:
        """Count the inflated bytes off against the rows, checking each row's filter byte."""
        at = min(self._row_left, len(data))
        self._row_left -= at
        while at < len(data):
            if not self._passes:
                raise PngError("its pixel data do not fit its dimensions")
            length, rows = self._passes[0]
            begun = min(rows, -(-(len(data) - at) // length))
            end = at + begun * length
            if max(data[at:end:length]) > _LAST_FILTER:
                raise PngError("a row of its pixel data is damaged")
            self._row_left = max(0, end - len(data))
            at = end
            self._passes[0] = (length, rows - begun)
            if begun == rows:
                del self._passes[0]
