"""How the picture that the service served becomes the file that is kept."""

from __future__ import annotations

import os
from typing import NamedTuple, Self

SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""What a file's name ends in, and the format that it says; of each format the usual one first."""
OTHER_SUFFIXES = frozenset({".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".svg", ".jxl"})
"""Of formats that zimage does not write."""
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP"}
"""Each format, and how people write it."""
QUALITY = {"jpeg": 92, "webp": 90}
"""Where none is asked for; a PNG has no such thing."""


class Wish(NamedTuple):
    """A format, its quality (None: the usual one), and whether the recipe is written into the file.

    The service serves PNG; without a recipe that is kept byte for byte.
    """

    format: str = "png"
    quality: int | None = None
    metadata: bool = True

    @property
    def changes(self) -> bool:
        """Tell whether the file differs from what was served."""
        return self.metadata or self.format != "png"

    @property
    def suffix(self) -> str:
        """What names of such files end in."""
        return suffix_of(self.format)

    @property
    def spelled(self) -> str:
        """The wish as the history keeps it: `png`, `webp 80`, `jpeg bare`."""
        quality = [] if self.quality is None else [str(self.quality)]
        return " ".join((self.format, *quality, *([] if self.metadata else ["bare"])))

    def to(self, path: str) -> Self:
        """Return the wish for the file of a path: its extension decides, where it says a format."""
        found = format_of(path) or self.format
        return self._replace(format=found, quality=self.quality if found in QUALITY else None)

    @classmethod
    def read(cls, text: str | None) -> Wish:
        """Return the wish that a row of the history has; the default one for what is none."""
        # Only recovery reads it.
        import re

        found = re.fullmatch(r"(png|jpeg|webp)(?: ([1-9][0-9]?|100))?( bare)?", text or "")
        if found is None:
            return cls()
        quality = None if found[2] is None else int(found[2])
        return cls(found[1], quality, metadata=not found[3]).to("")


def format_of(path: str) -> str | None:
    """Return the format that the extension of a file's name says, None where it says none."""
    return SUFFIXES.get(os.path.splitext(path)[1].lower())  # noqa: PTH122 - Path raises for some


def suffix_of(name: str) -> str:
    """Return what the names of files of a format end in."""
    return next(suffix for suffix, kind in SUFFIXES.items() if kind == name)
