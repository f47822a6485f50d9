"""EXIF's UserComment: where JPEG and WebP have the text that PNG has as `parameters`."""

from __future__ import annotations

import struct

_EXIF_IFD = 0x8769
_EXIF_VERSION = 0x9000
_USER_COMMENT = 0x9286
_LONG, _UNDEFINED = 4, 7
_UNICODE = b"UNICODE\0"


def with_comment(text: str) -> bytes:
    """Return an EXIF block with the text as UserComment.

    UTF-16 in big-endian order, as AUTOMATIC1111 writes it and its readers expect it. Pillow would
    write the comment with a type that the standard does not allow.
    """
    comment = _UNICODE + text.encode("utf-16-be", "replace")
    return b"Exif\0\0" + struct.pack(
        ">2sHI HHHIII HHHI4sHHIII",
        *(b"MM", 42, 8),
        *(1, _EXIF_IFD, _LONG, 1, 26, 0),
        *(2, _EXIF_VERSION, _UNDEFINED, 4, b"0232"),
        *(_USER_COMMENT, _UNDEFINED, len(comment), 56, 0),
    ) + comment  # fmt: skip


def decoded(body: bytes) -> str | None:
    """Return the text of a UserComment's bytes, None where it is empty."""
    if not body.startswith(_UNICODE):
        text = body.removeprefix(b"ASCII\0\0\0").decode("utf-8", "replace")
    else:
        body = body[len(_UNICODE) :]
        # The standard leaves the order open: most texts have zeros in one half of their letters.
        if body.startswith((b"\xff\xfe", b"\xfe\xff")):
            return body.decode("utf-16", "replace").strip("\0 ") or None
        little = body[1::2].count(0) > body[::2].count(0)
        text = body.decode("utf-16-le" if little else "utf-16-be", "replace")
    return text.strip("\0 ") or None
