"""Text from outside, made safe to show."""

from __future__ import annotations

import unicodedata

# Letters, marks and spaces that show as nothing: they hide text or make two strings look alike.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))))
)
# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph
# separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_safe(char: str) -> bool:
    """Tell whether a character shows as itself and does nothing else to a terminal."""
    return char in {" "} or (unicodedata.category(char) not in _UNSAFE and char not in _INVISIBLE)


def escape(char: str) -> str:
    """Return a character as the escape that Python and JSON readers know."""
    code = ord(char)
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if named:
        return named
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str, *, newlines: bool = False) -> str:
    """Return text with every character that could act on a terminal, or hide, shown as an escape.

    With `newlines`, line feeds stay (and tabs become spaces): for text shown as a block.
    """
    if text.isascii() and text.isprintable():
        return text
    if newlines:
        return "\n".join(visible(line.expandtabs(4)) for line in text.split("\n"))
    return "".join(char if is_safe(char) else escape(char) for char in text)


def clip(text: str, length: int) -> str:
    """Return at most `length` characters of text, the cut shown by an ellipsis."""
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"
