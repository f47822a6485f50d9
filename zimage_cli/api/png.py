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


class PngError(ValueError):
    """The bytes are not a whole, sound PNG."""


@dataclass(frozen=True, slots=True)
class PngInfo:
    """Dimensions in pixels."""

    width: int
    height: int


class PngCheck:
    """Feed it the file's bytes in any pieces; `finish` tells whether it was a whole PNG."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._started = False
        self._info: PngInfo | None = None
        self._rows: list[tuple[int, int]] = []
        self._inflate = zlib.decompressobj()
        self._row_left = 0
        self._row_index = 0
        self._inflated_all = False
        self._palette = False
        self._needs_palette = False
        self._idat_state = 0
        self._ended = False
        self._kind = b""
        self._body_left = -1
        self._crc = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises PngError as soon as something is wrong."""
        if self._ended:
            return
        self._buffer += data
        if not self._started:
            if len(self._buffer) < len(SIGNATURE):
                return
            if not self._buffer.startswith(SIGNATURE):
                raise PngError("it does not begin like a PNG")
            del self._buffer[: len(SIGNATURE)]
            self._started = True
        while not self._ended and self._step():
            pass

    def finish(self) -> PngInfo:
        """Return the dimensions of a PNG that was whole. Raises PngError where it was not."""
        if self._info is None or not self._ended:
            raise PngError("it ends before its last chunk")
        return self._info

    def _step(self) -> bool:
        """Take one chunk's head, part of its body, or its CRC; False when more bytes are needed."""
        if self._body_left < 0:
            return self._head()
        if self._body_left:
            # IHDR is needed whole; everything else is taken as it comes.
            if not self._buffer or (self._kind == b"IHDR" and len(self._buffer) < self._body_left):
                return False
            part = bytes(self._buffer[: self._body_left])
            del self._buffer[: len(part)]
            self._body_left -= len(part)
            self._crc = zlib.crc32(part, self._crc)
            self._body(part)
            return True
        return self._tail()

    def _head(self) -> bool:
        if len(self._buffer) < 8:
            return False
        length, kind = struct.unpack(">I4s", self._buffer[:8])
        del self._buffer[:8]
        if length > 0x7FFFFFFF or not kind.isalpha():
            raise PngError("a chunk's head is damaged")
        if self._info is None and (kind != b"IHDR" or length != 13):
            raise PngError("its first chunk is not a header")
        if self._info is not None and kind == b"IHDR":
            raise PngError("it has two headers")
        self._order(kind, length)
        self._kind, self._body_left, self._crc = kind, length, zlib.crc32(kind)
        return True

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

    def _tail(self) -> bool:
        if len(self._buffer) < 4:
            return False
        if int.from_bytes(self._buffer[:4], "big") != self._crc:
            raise PngError(f"the checksum of its {self._kind.decode()} chunk is wrong")
        del self._buffer[:4]
        self._body_left = -1
        self._ended = self._kind == b"IEND"
        return True

    def _body(self, part: bytes) -> None:
        if self._kind == b"IHDR":
            self._header(part)
        elif self._kind == b"IDAT":
            self._pixels(part)

    def _header(self, part: bytes) -> None:
        width, height, depth, colour, compression, filtering, interlace = struct.unpack(
            ">IIBBBBB", part
        )
        if not (
            0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE and width * height <= _MAX_PIXELS
        ):
            raise PngError(f"its dimensions, {width}×{height}, are out of bounds")
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise PngError("its header has values that no decoder knows")
        bits = depth * _CHANNELS[colour]
        self._info = PngInfo(width, height)
        self._needs_palette = colour == 3
        passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
        for x, y, dx, dy in passes:
            columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
            if columns > 0 and rows > 0:
                self._rows.append(((columns * bits + 7) // 8, rows))

    def _pixels(self, part: bytes) -> None:
        try:
            while not self._inflate.eof:
                rows = self._inflate.decompress(part, _INFLATE_STEP)
                part = self._inflate.unconsumed_tail
                self._filters(rows)
                # A full step may have left more in the decompressor, even with no input left.
                if not part and len(rows) < _INFLATE_STEP:
                    break
        except zlib.error:
            raise PngError("its pixel data cannot be decompressed") from None
        if self._inflate.eof:
            if self._rows or self._row_left:
                raise PngError("its pixel data do not fit its dimensions")
            self._inflated_all = True

    def _filters(self, data: bytes) -> None:
        """Count the inflated bytes off against the rows, checking each row's filter byte."""
        at, end = 0, len(data)
        while at < end:
            if self._row_left:
                step = min(self._row_left, end - at)
                self._row_left -= step
                at += step
                continue
            if not self._rows:
                raise PngError("its pixel data do not fit its dimensions")
            length, rows = self._rows[0]
            if data[at] > _LAST_FILTER:
                raise PngError("a row of its pixel data is damaged")
            at += 1
            self._row_left = length
            self._row_index += 1
            if self._row_index == rows:
                self._row_index = 0
                del self._rows[0]
