"""How the picture that the service served becomes the file that is kept."""

from __future__ import annotations

import os
from typing import NamedTuple, Self

SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""What a file's name ends in, and the format that it says; of each format the usual one first."""
OTHER_SUFFIXES = frozenset({".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".svg", ".jxl"})
"""Of formats that zimage does not write."""
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
QUALITY = {"jpeg": 92, "webp": 90}
"""Where none is asked for; a PNG has no such thing."""

_BARE = "no-metadata"


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
        """The wish as the history keeps it: `png`, `webp 80`, `jpeg no-metadata`."""
        words = [self.format, "" if self.quality is None else str(self.quality)]
        return " ".join(filter(None, (*words, "" if self.metadata else _BARE)))

    def to(self, path: str) -> Self:
        """Return the wish for the file of a path: its extension decides, where it says a format."""
        found = format_of(path) or self.format
        return self._replace(format=found, quality=self.quality if found in QUALITY else None)

    @classmethod
    def read(cls, text: str | None) -> Wish:
        """Return the wish that a row of the history has; the default one for what is none."""
        first, *words = (text or "").split(" ")
        bare = words[-1:] == [_BARE]
        rest = words[: len(words) - bare]
        number = rest[0] if rest else ""
        known = not rest or (len(rest) == 1 and number.isascii() and number.isdecimal())
        quality = int(number) if known and number and len(number) < 4 else None
        if first not in FORMATS or not known or quality not in {None, *range(1, 101)}:
            return cls()
        return cls(first, quality, not bare).to("")


def format_of(path: str) -> str | None:
    """Return the format that the extension of a file's name says, None where it says none."""
    return SUFFIXES.get(os.path.splitext(path)[1].lower())  # noqa: PTH122 - Path raises for some


def suffix_of(name: str) -> str:
    """Return what the names of files of a format end in."""
    return next(suffix for suffix, kind in SUFFIXES.items() if kind == name)
