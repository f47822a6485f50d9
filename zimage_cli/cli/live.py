"""The lines at the end of a terminal that are drawn again and again, and leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.cli import keys

if TYPE_CHECKING:
    from rich.console import Console

_KEEP_ROWS = ("linux", "rxvt", "screen")
"""What TERM begins with where a narrower terminal cuts lines off; elsewhere they are wrapped."""


class Live:
    """Draws lines in place of those that it drew before; safe between threads.

    Every line is shorter than the terminal is wide, and there are fewer than it has rows. Where the
    terminal has become narrower, the lines that it wrapped are erased whole. In the background,
    and on a terminal that cannot move its cursor, nothing is drawn. A context manager.
    """

    def __init__(
        self, console: Console, descriptor: int | None, environ: Mapping[str, str]
    ) -> None:
        self._console = console
        self._descriptor = descriptor
        named = environ.get("TERM", "").startswith(_KEEP_ROWS) and not environ.get("TMUX")
        self._wraps = not named and "XTERM_VERSION" not in environ
        self._lock = threading.RLock()
        self._drawn: list[int] = []
        """The width of every line that stands there."""
        self._lines: Any = None
        self._stops = keys.stops()
        self.hides_cursor = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def update(self, lines: Any) -> None:
        """Draw lines, which may be anything that rich renders."""
        with self._lock:
            self._lines = lines if self._take() else None
            if self._lines is not None:
                self._draw()

    def print(self, *above: Any, whole: bool = False) -> None:
        """Print something above the lines; `whole`: it is not broken, however long it is."""
        with self._lock:
            self._draw(*above, whole=whole)

    def clear(self) -> None:
        """Erase the lines: something else is printed now."""
        with self._lock, self._console:
            self._erase()

    def stop(self) -> None:
        """Erase the lines for good, and give cursor and keys back."""
        with self._lock:
            self._lines = None
            try:
                self.clear()
            finally:
                if self.hides_cursor:
                    self._console.show_cursor()
                    self.hides_cursor = False
                if self._descriptor is not None:
                    keys.echo_again(self._descriptor)

    def _take(self) -> bool:
        """Take cursor and keys, again after Ctrl-Z; tell whether the terminal is ours."""
        if self._console.is_dumb_terminal:
            return False
        if self._descriptor is not None:
            if not keys.in_front(self._descriptor):
                self._drawn = []
                return False
            if keys.hold(self._descriptor) and self.hides_cursor:
                # It was given back meanwhile, and others have written there.
                self._drawn, self.hides_cursor = [], False
        if not self.hides_cursor:
            self.hides_cursor = True
            self._console.show_cursor(False)
        return True

    def _draw(self, *above: Any, whole: bool = False) -> None:
        from rich.segment import Segment, Segments

        console = self._console
        lines: list[list[Segment]] = []
        if self._lines is not None:
            columns, rows = self._size()
            options = console.options.update(width=max(1, columns - 1), height=None)
            lines = console.render_lines(self._lines, options, pad=False)[-max(1, rows - 1) :]
        with console:
            # Last of all, and written at once: the terminal may change its size at any moment.
            self._erase()
            if self._lines is None:
                lines = []
            if above:
                console.print(*above, soft_wrap=whole)
            self._drawn = [Segment.get_line_length(line) for line in lines]
            parts = [part for line in lines for part in (*line, Segment.line())][:-1]
            console.print(Segments(parts), end="", crop=False)

    def _erase(self) -> None:
        from rich.control import Control
        from rich.segment import ControlType

        if (stops := keys.stops()) != self._stops:
            # Also in the middle of an update: what stands above the cursor now is not ours. The
            # next update draws again, when it has taken the terminal.
            self._stops, self._drawn, self._lines = stops, [], None
        if not self._drawn:
            return
        columns = self._size()[0] if self._wraps else 0
        rows = sum(max(1, -(-width // columns)) if columns else 1 for width in self._drawn)
        self._drawn = []
        up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * (rows - 1)
        self._console.control(
            Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up)
        )

    def _size(self) -> tuple[int, int]:
        """Return columns and rows as they are now: COLUMNS may say what the terminal has not."""
        columns, rows = self._console.size
        try:
            now = os.get_terminal_size(-1 if self._descriptor is None else self._descriptor)
        except OSError:
            return columns, rows
        return min(columns, now.columns or columns), now.lines or rows
