"""Help in another language than English, in columns of a terminal: typer counts letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from zimage_cli.cli.folding import columns_of, folded
from zimage_cli.messages import Message, Translate, said

WORDS = (Message("[OPTIONS]"), Message("[COMMAND]"), Message("COMMAND"))
"""What a usage line begins with behind the command; all that follows is a name."""

_Formatter: Any = typer.Context.formatter_class


class HelpLines(_Formatter):  # type: ignore[misc]
    """Typer's formatter, for text in which a letter may be two columns wide."""

    def __init__(self, translate: Translate, **settings: Any) -> None:
        super().__init__(**settings)
        self.translate = translate

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:  # noqa: ARG002
        """Write the usage line."""
        word, blank, names = args.partition(" ")
        begin = said(Message("Usage: {command}", command=prog), self.translate)
        line = f"{begin} {said(word, self.translate)}{blank}{names}"
        self._write_folded(line, "", " " * (columns_of(begin) + 1))

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        self.write(f"{' ' * self.current_indent}{heading}：\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs of a command's help, translated."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            self.write("\n" if number else "")
            self._write_folded(said(" ".join(paragraph.split()), self.translate), indent, indent)

    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names, and beside each what it means."""
        column = min(max(columns_of(name) for name, _ in rows), col_max) + col_spacing
        later = " " * (self.current_indent + column)
        for name, text in rows:
            begin = " " * self.current_indent + name
            room = len(later) - columns_of(begin)
            if text and room < col_spacing:
                self.write(f"{begin}\n")
                begin, room = "", len(later)
            self._write_folded(text, begin + " " * room if text else begin, later)

    def _write_folded(self, text: str, first: str, later: str) -> None:
        """Write text in lines; `first` and `later` begin them."""
        for line in folded(text, self.width, first=first, later=later):
            self.write(f"{line}\n")
