"""What a file that was written before is: whole or not, and by which hash it is known."""

from __future__ import annotations

import hashlib
import os
from typing import IO

from zimage_cli.api.download import Fetched
from zimage_cli.api.png import PngCheck, PngError, PngInfo

_BLOCK = 1 << 20


def summed(file: IO[bytes]) -> tuple[int, str]:
    """Return the length and the SHA-256 of an open file."""
    digest = hashlib.sha256()
    file.seek(0)
    while data := file.read(_BLOCK):
        digest.update(data)
    return file.tell(), digest.hexdigest()


def examine(file: IO[bytes]) -> Fetched | None:
    """Return what an open file holds, None where that is no whole, sound PNG."""
    if not os.fstat(file.fileno()).st_size:
        return None
    check = PngCheck()
    file.seek(0)
    try:
        while data := file.read(_BLOCK):
            check.feed(data)
        info = check.finish()
    except PngError:
        return None
    return Fetched(info, *summed(file))


def examine_converted(file: IO[bytes]) -> Fetched | None:
    """Return what an open file holds, None where that is neither JPEG nor WebP."""
    from PIL import Image

    size, digest = summed(file)
    try:
        with Image.open(file, formats=("JPEG", "WEBP")) as image:
            return Fetched(PngInfo(*image.size), size, digest)
    except Exception:  # noqa: BLE001 - Pillow raises what it likes for what is no picture
        return None
