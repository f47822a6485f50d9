"""Which characters may be written as they are, in a request as on a terminal."""

from __future__ import annotations

import json
import unicodedata

# Letters, marks and spaces that show as nothing though their category does not say so: they hide
# text or make two strings look alike.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph
# separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_safe(char: str) -> bool:
    """Tell whether a character shows as itself and does nothing else to a terminal."""
    return char == " " or (unicodedata.category(char) not in _UNSAFE and char not in INVISIBLE)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON: Han and other letters as they are, nothing invisible raw.

    On one line without `indent`. Raises what `json.dumps` raises for a value that is no JSON.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # A raw line feed can only be layout: within a string it is escaped.
    lines = text.split("\n") if indent else (text,)
    if all(line.isprintable() for line in lines) and INVISIBLE.isdisjoint(text):
        return text
    return "".join(char if char == "\n" or is_safe(char) else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    # json.dumps leaves DEL alone; everything else unsafe it knows to escape.
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]
