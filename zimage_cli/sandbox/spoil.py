"""Spoil a PNG in one precise way."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = 8


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return each chunk's (type, offset of its body, length of its body)."""
    found = []
    at = _SIGNATURE
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], at + 8, length))
        at += 12 + length
    return found


def spoil(kind: str, data: bytes) -> bytes:
    """Return the PNG `data` spoiled as the picture fault `kind` says."""
    start, length = next((at, size) for name, at, size in _chunks(data) if name == b"IDAT")
    if kind == "picture-corrupt":
        spoiled = bytearray(data)
        spoiled[start + length // 2] ^= 0x10
        return bytes(spoiled)
    if kind == "picture-undecodable":
        body = data[start : start + 2] + bytes(b ^ 0x5A for b in data[start + 2 : start + length])
        checksum = struct.pack(">I", zlib.crc32(b"IDAT" + body))
        return data[:start] + body + checksum + data[start + length + 4 :]
    if kind == "picture-truncated":
        return data[: start + length * 2 // 3]
    if kind == "picture-trailing":
        return data + b"<html>appended</html>"
    if kind == "picture-jpeg":
        return _as_jpeg(data)
    raise AssertionError(kind)


def _as_jpeg(data: bytes) -> bytes:
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(data)) as picture:
        small = picture.convert("RGB")
        # A JPEG has at most 65,535 pixels a side; what is in it does not matter.
        small.thumbnail((4096, 4096))
        small.save(out, "JPEG", quality=70)
    return out.getvalue()
