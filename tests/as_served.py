"""A finished picture without what zimage wrote into it."""

from __future__ import annotations

import struct

OURS = ("parameters", "zimage", "XML:com.adobe.xmp")


def as_served(data: bytes) -> bytes:
    """Return a PNG without its recipe: the bytes that the service served.

    Fails where one of the three texts is not there once, or behind the pixels.
    """
    found, kept, at = [], [data[:8]], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at : at + length + 12]
        keyword = chunk[8:].partition(b"\0")[0].decode("latin-1")
        if kind in {b"tEXt", b"iTXt"} and keyword in OURS:
            assert not any(one[4:8] == b"IDAT" for one in kept[1:])
            found.append(keyword)
        else:
            kept.append(chunk)
        at += len(chunk)
    assert sorted(found) == sorted(OURS), found
    return b"".join(kept)
