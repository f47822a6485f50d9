"""EXIF of anybody's making: a user's comment, what programs write elsewhere, the orientation.

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
_ORIENTATION, _SHORT = 0x0112, 2
_ON_ITS_SIDE = range(5, 9)
"""Orientations in which a row of pixels is shown as a column."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
"""Bytes of a value of each type that texts and pointers have."""


def exif_texts(data: bytes) -> dict[str, str]:
    """Return the texts by the names of their tags; nothing of what cannot be read."""
    found: dict[str, str] = {}
    data, order, first = _begun(data)
    more = [] if first is None else [first]
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


def is_on_its_side(data: bytes) -> bool:
    """Tell whether a picture is shown turned by a quarter, so that its width is its height."""
    data, order, first = _begun(data)
    for tag, start, length in () if first is None else _entries(data, first, order):
        if tag == _ORIENTATION and length == _SHORT:
            return struct.unpack_from(f"{order}H", data, start)[0] in _ON_ITS_SIDE
    return False


def _begun(data: bytes) -> tuple[bytes, str, int | None]:
    """Return the data without a name before it, their byte order and where they begin, if known."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return data, "", None
    return data, order, struct.unpack_from(f"{order}I", data, 4)[0]


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
