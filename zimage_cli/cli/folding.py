"""Text in lines of so many columns, as a terminal counts them: Han letters are two wide.

A line ends between words, and between Han letters, but never within a path or an address, before
a mark that closes, or behind one that opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSING = "，。、；：？！）】》〉」』”’…％·"
_OPENING = "（【《〈「『“‘"
_HAN = (
    r"[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
    r"\U0001f300-\U0003fffd]"
)
_OTHER = rf"[^{_CLOSING}{_OPENING}]"
# A path, up to what can be no part of one; one letter, with the marks around it; all else.
_PIECE = (
    rf"[{_OPENING}]*(?:{_OTHER}*[/\\]{_OTHER}*|{_HAN}|(?:(?!{_HAN}){_OTHER})+)[{_CLOSING}]*"
    rf"|[{_OPENING}{_CLOSING}]+"
)


def columns_of(text: str) -> int:
    """Return how many columns a terminal shows text in."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def folded(text: str, width: int, *, first: str = "", later: str = "") -> Iterator[str]:
    """Yield text in lines of at most so many columns; `first` and `later` begin them.

    A word that is too long stays whole.
    """
    indent = first
    for paragraph in text.split("\n"):
        line, room = "", width - len(indent)
        for number, word in enumerate(paragraph.split(" ")):
            blank = " " if number else ""
            for piece in _pieces(word):
                longer = f"{line}{blank}{piece}"
                blank = ""
                if columns_of(longer) <= room or not line.strip():
                    line = longer
                    continue
                yield (indent + line).rstrip()
                line, indent = piece, later
                room = width - len(indent)
        yield (indent + line).rstrip()
        indent = later


def has_han(text: str) -> bool:
    """Tell whether a line of text may end between two letters."""
    return not text.isascii() and re.search(_HAN, text) is not None


def _pieces(word: str) -> list[str]:
    """Return the parts of a word between which a line may end."""
    return re.findall(_PIECE, word) if has_han(word) else [word]
