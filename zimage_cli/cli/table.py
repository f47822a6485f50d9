"""Tables: columns that line up on a terminal, tab-separated values in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from zimage_cli.cli.folding import folded
from zimage_cli.text import visible

_PROSE = 100
"""Columns of a table that is folded. Longer lines are hard to read, however wide the terminal."""

_GAP = 2
_LEAST = 20
"""Columns that a cut column has at least, or others give way to it."""

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}

Style = Callable[[str, str], str]
"""Returns a text in an SGR style (`1;31`), or as it is where there is no colour."""


class Cell(NamedTuple):
    """A text that may be shown, its style (`bold red`), and what stands for it in a pipe.

    `whole` is never folded: a path or an address in two pieces cannot be copied.
    """

    text: str
    style: str = ""
    piped: str | None = None
    whole: bool = False


class Table:
    """A table of text.

    Columns named in `right` are right-aligned. `last` says what becomes of the last column where
    there is no room: it stays `whole`, is `cut` off with an ellipsis, is `fold`ed between words, or
    goes `under` the row. For a cut one the columns named in `drop` give way, one after the other.
    A cell of the column `loose` may be wider than its column: what follows it then stands on the
    next line. The columns named in `piped` stand only in a pipe. Without `header` there is one only
    in a pipe.
    """

    def __init__(
        self,
        headers: Sequence[str | Cell],
        *,
        right: Iterable[str] = (),
        last: Literal["whole", "cut", "fold", "under"] = "whole",
        drop: Sequence[str] = (),
        loose: str | None = None,
        piped: Iterable[str] = (),
        header: bool = True,
    ) -> None:
        self.headers = [_cell(one) for one in headers]
        self.sections: list[tuple[str, list[list[Cell]]]] = [("", [])]
        self.right, self.piped, self.drop = {*right}, {*piped}, drop
        self.last, self.loose, self.header = last, loose, header

    def add_row(self, *cells: str | Cell) -> None:
        """Add a row; a text without a style is ours, or made visible."""
        self.sections[-1][1].append([_cell(one) for one in cells])

    def add_section(self, title: str) -> None:
        """Begin a section with a title, and columns of its own, that stand only on a terminal."""
        self.sections.append((title, []))

    # -- in a pipe -----------------------------------------------------------------------------

    def values(self) -> Iterator[str]:
        """Yield the lines for a pipe: a header, tabs between values, `-` for what is empty."""
        for row in (self.headers, *(row for _, rows in self.sections for row in rows)):
            yield "\t".join(map(_value, row)).rstrip(" ")

    # -- on a terminal -------------------------------------------------------------------------

    def lines(self, width: int, style: Style, spelled: Callable[[str], str] = str) -> Iterator[str]:
        """Yield the lines for a terminal of so many columns; `spelled` gives what it can show."""
        shown = [at for at, one in enumerate(self.headers) if one.text not in self.piped]

        def cells(row: list[Cell]) -> list[Cell]:
            # Spelled now, and not when they are written: escapes are wider.
            return [row[at]._replace(text=spelled(row[at].text)) for at in shown]

        names = [self.headers[at].text for at in shown]
        headers, began = cells(self.headers), False
        for title, found in self.sections:
            if title:
                yield from (
                    ["", style(spelled(title), "1")] if began else [style(spelled(title), "1")]
                )
            rows = [cells(row) for row in found]
            layout = _Layout(self, names, headers, rows, width)
            if self.header and not began:
                yield from layout.row([one._replace(style="bold") for one in headers], style)
                yield style("─" * min(layout.total, width), _SGR["dim"])
            for row in rows:
                yield from layout.row(row, style)
            began = began or bool(title or rows)


class _Layout:
    """Where the columns of rows stand, at a width of the terminal."""

    def __init__(
        self,
        table: Table,
        names: Sequence[str],
        headers: Sequence[Cell],
        rows: list[list[Cell]],
        width: int,
    ) -> None:
        from rich.cells import cell_len

        self._names = names
        self._right = table.right
        self._kind = table.last
        above = [headers] if table.header else []
        widths = [
            max((cell_len(row[at].text) for row in (*above, *rows)), default=0)
            for at in range(len(headers))
        ]
        self.columns = list(range(len(headers)))
        if self._kind == "cut":
            wanted = min(_LEAST, widths[-1])
            for name in table.drop:
                if self._before(widths) + wanted > width:
                    self.columns.remove(self._names.index(name))
        if table.loose is not None:
            at = self._names.index(table.loose)
            room = width - sum(widths) - _GAP * (len(widths) - 1) + widths[at]
            fitting = [cell_len(row[at].text) for row in (*above, *rows)]
            widths[at] = max((one for one in fitting if one <= room), default=0)
        self._widths = widths
        self._under = self._kind == "under" and self._before(widths) + widths[-1] > width
        before = widths[0] + _GAP if self._under else self._before(widths)
        most = width if self._kind == "cut" else min(width, _PROSE)
        self._room = max(most - before, _LEAST)
        self.total = sum(widths[at] + _GAP for at in self.columns) - _GAP
        if self._under:
            self.total = max(self._before(widths) - _GAP, before + widths[-1])

    def _before(self, widths: list[int]) -> int:
        """Return the columns that stand before the last one, with the gaps."""
        return sum(widths[at] + _GAP for at in self.columns[:-1])

    def row(self, cells: Sequence[Cell], style: Style) -> Iterator[str]:
        """Yield the lines of a row."""
        from rich.cells import cell_len

        line, used, start = "", 0, 0
        for at in self.columns:
            cell, last = cells[at], at == self.columns[-1]
            if last and self._under:
                yield line.rstrip()
                line, used, start = "", 0, self._widths[0] + _GAP
            elif used > start - (_GAP if start else 0):
                # The cell before is wider than its column.
                yield line.rstrip()
                line, used = "", 0
            texts = self._last(cell) if last else [cell.text]
            pad = self._widths[at] - cell_len(texts[0]) if self._names[at] in self._right else 0
            begin = start + max(pad, 0)
            sgr = ";".join(_SGR[word] for word in cell.style.split())
            painted = [style(text, sgr) if sgr and text else text for text in texts]
            line += " " * (begin - used) + painted[0]
            used = begin + cell_len(texts[0])
            for text in painted[1:]:
                yield line.rstrip()
                line = " " * begin + text
            start += self._widths[at] + _GAP
        yield line.rstrip()

    def _last(self, cell: Cell) -> list[str]:
        if self._kind == "cut":
            return [cut(cell.text, self._room)]
        if (self._kind == "fold" or self._under) and not cell.whole:
            return [*folded(cell.text, self._room)]
        return cell.text.split("\n")


def cell(text: str, style: str = "", *, piped: str | None = None, whole: bool = False) -> Cell:
    """Return text from outside as a cell: made visible."""
    return Cell(visible(text), style, piped, whole)


def _cell(one: str | Cell) -> Cell:
    return one if isinstance(one, Cell) else Cell(one)


def _value(cell: Cell) -> str:
    text = visible(cell.text if cell.piped is None else cell.piped)
    return text if text.strip() else "-"


def cut(text: str, width: int) -> str:
    """Return at most so many columns of text, the cut shown by an ellipsis."""
    from rich.cells import cell_len, chop_cells

    if cell_len(text) <= width:
        return text
    return chop_cells(text, max(width - 1, 1))[0].rstrip() + "…"
