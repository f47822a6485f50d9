"""A picture of a given size in bytes, for benchmarks and tests that only move pictures."""

from __future__ import annotations

import hashlib
import struct
import zlib


def noise(width: int, height: int, size: int) -> bytes:
    """Return a valid PNG of about `size` bytes.

    As many rows as `size` needs are noise that does not compress, the others are one grey; a
    `size` over 3 × width × height gives all the noise there is room for.
    """
    row = 3 * width
    noisy = max(0, min(height, size // (row + 1)))
    random = hashlib.shake_256(f"{width}*{height}".encode()).digest(row * noisy)
    rows = [b"\0" + random[i * row : (i + 1) * row] for i in range(noisy)]
    rows.extend([b"\0" + b"\x80" * row] * (height - noisy))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
