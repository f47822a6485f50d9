"""The bars of every screen: heavy and coloured where done, thin and dim where not.

Without colour the two glyphs tell it; a console that has only ASCII gets `=` and `-`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_DONE, _HALF, _EMPTY = "━", "╸", "─"
_ASCII_DONE, _ASCII_EMPTY = "=", "-"
_CELLS_A_SECOND = 12.0


def bar(done: float | None, width: int, *, clock: float = 0.0, ascii_only: bool = False) -> Text:
    """Return a bar of `width` columns that is `done` from 0 to 1; it is green when whole.

    With None, how much there is to do is not known: a piece moves along it, placed by `clock` in
    seconds.
    """
    from rich.text import Text

    heavy, thin = (_ASCII_DONE, _ASCII_EMPTY) if ascii_only else (_DONE, _EMPTY)
    if done is None:
        piece = max(1, width // 4)
        end = int(clock * _CELLS_A_SECOND) % (width + piece)
        before, after = max(0, end - piece), max(0, width - end)
        filled = heavy * (width - before - after)
    else:
        halves = int(max(0.0, min(1.0, done)) * width * 2)
        filled = heavy * (halves // 2) + (_HALF if halves % 2 and not ascii_only else "")
        before, after = 0, width - len(filled)
    return Text.assemble(
        (thin * before, "dim"),
        (filled, "green" if done is not None and done >= 1 else "cyan"),
        (thin * after, "dim"),
        no_wrap=True,
    )
