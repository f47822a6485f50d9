"""Text from outside: which characters may be written as they are, and what must not be shown."""

from __future__ import annotations

import json
import re
import unicodedata
from math import isfinite

from zimage_cli.messages import Message, Shown

# Letters, marks and spaces that show as nothing though their category does not say so: they hide
# text or make two strings look alike.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph
# separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


KEY_PREFIXES = ("sk-", "st-")
_KEY_IN_TEXT = r"(?<![A-Za-z0-9])(?:sk|st)-[!-~]{4,}"
_USER_IN_URL = r"(?<=://)([^\s/?#@:]*):[^\s/?#]*@"


def is_safe(char: str) -> bool:
    """Tell whether a character shows as itself and does nothing else to a terminal."""
    return char == " " or (unicodedata.category(char) not in _UNSAFE and char not in INVISIBLE)


def json_text(value: object, *, indent: int | None = None, compact: bool = False) -> str:
    """Return JSON: Han and other letters as they are, nothing invisible raw.

    On one line without `indent`, and without blanks where `compact`. Raises what `json.dumps`
    raises for a value that is no JSON.
    """
    separators = (",", ":") if compact else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    # A raw line feed can only be layout: within a string it is escaped.
    lines = text.split("\n") if indent else (text,)
    if all(line.isprintable() for line in lines) and INVISIBLE.isdisjoint(text):
        return text
    return "".join(char if char == "\n" or is_safe(char) else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    # json.dumps leaves DEL alone; everything else unsafe it knows to escape.
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def mask(text: str) -> str:
    """Return a key as it may be shown: its prefix and last four characters, `sk-…cdef`.

    A key too short to keep a secret with four characters shown shows none.
    """
    prefix = next((start for start in KEY_PREFIXES if text.startswith(start)), "")
    rest = text[len(prefix) :]
    return f"{prefix}…{rest[-4:]}" if len(rest) >= 16 else f"{prefix}…"


def redact(text: str) -> str:
    """Return text with everything that looks like a key, or a URL's password, masked.

    For values quoted in errors.
    """

    def masked(found: re.Match[str]) -> str:
        # The quote that ends the value is not the key's.
        key = found[0].rstrip("'\"")
        return mask(key) + found[0][len(key) :]

    return re.sub(_KEY_IN_TEXT, masked, re.sub(_USER_IN_URL, r"\1:…@", text))


def without_keys(text: str) -> str:
    """Return text with every API key masked.

    Only what is as long as a key: `st-` begins words too.
    """
    key = r"(?<![A-Za-z0-9])(?:sk-[\w.-]{15,}\w|st-[A-Za-z0-9]{16,})"
    return re.sub(key, lambda found: mask(found[0]), text, flags=re.ASCII)


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
            text = Message("an integer of too many digits")
        case float() if not isfinite(value):
            text = json.dumps(value)
        case None | bool() | int() | float():
            return Shown(json.dumps(value), value)
        case list() | tuple():
            text = Message("an array")
        case dict():
            text = Message("an object")
        case _:
            text = Message("a {type}", type=type(value).__name__)
    return Shown(text, str(text))


def _masked(text: str) -> str:
    # A megabyte need not be searched: only the beginning is shown.
    return redact(text[:2000]) + text[2000:]
