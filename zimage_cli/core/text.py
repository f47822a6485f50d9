"""Text from outside, made safe to show."""

from __future__ import annotations

import json
from math import isfinite

from zimage_cli.api.characters import is_safe
from zimage_cli.api.messages import Shown


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
    if len(text) <= length:
        return text
    return text[: length - 1] + "…" if length > 0 else ""


def shown(value: object, length: int = 60) -> Shown:
    """Return a value as it stands in JSON, on one line, visible, at most about `length` characters.

    JSON's form tells `"12"` from `12` and `true` from `"true"`. Arrays and objects are named only;
    what looks like an API key is masked. `plain` of it is the value, no longer and as well masked.
    """
    match value:
        case str():
            text = clip(_masked(value), length)
            return Shown(visible(json.dumps(text, ensure_ascii=False)), text)
        case int() if value.bit_length() >= 200:
            # Python refuses to print integers of more than some thousand digits.
            text = "an integer of too many digits"
        case float() if not isfinite(value):
            text = json.dumps(value)
        case None | bool() | int() | float():
            return Shown(json.dumps(value), value)
        case list() | tuple():
            text = "an array"
        case dict():
            text = "an object"
        case _:
            text = f"a {type(value).__name__}"
    return Shown(text, text)


def _masked(text: str) -> str:
    from zimage_cli.core.keys import redact

    # A megabyte need not be searched: only the beginning is shown.
    return redact(text[:2000]) + text[2000:]


__all__ = ["clip", "escape", "is_safe", "shown", "visible"]
