"""The texts of EXIF of anybody's making: a user's comment, and what programs write elsewhere.

Sources: the TIFF specification (Adobe, revision 6); CIPA DC-008 (EXIF 2.32) for UserComment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from zimage_cli.core.recipe.exif import decoded

USER_COMMENT = "UserComment"

_TAGS = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x9286: USER_COMMENT,
}
_MORE_TAGS = 0x8769
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
"""Bytes of a value of each type that texts and pointers have."""


def exif_texts(data: bytes) -> dict[str, str]:
    """Return the texts by the names of their tags; nothing of what cannot be read."""
    found: dict[str, str] = {}
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return found
    more = [struct.unpack_from(f"{order}I", data, 4)[0]]
    # The first directory, and the one that a tag of it points to.
    for at in more:
        for tag, start, length in _entries(data, at, order):
            name = _TAGS.get(tag, "")
            if tag == _MORE_TAGS and len(more) == 1 and length == 4:
                more.append(struct.unpack_from(f"{order}I", data, start)[0])
            # The values may overlap: of each tag one is taken, or they are many times the file.
            elif name and name not in found:
                value = data[start : start + length]
                found[name] = (
                    decoded(value) or ""
                    if name == USER_COMMENT
                    else value.rstrip(b"\0 ").decode("utf-8", "replace")
                )
    return found


def _entries(data: bytes, at: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Yield tag, place and length of the values of a directory."""
    if at + 2 > len(data):
        return
    (count,) = struct.unpack_from(f"{order}H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if entry + 12 > len(data):
            return
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
        length = _SIZES.get(kind, 0) * values
        start = entry + 8 if length <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        if length and start + length <= len(data):
            yield tag, start, length
