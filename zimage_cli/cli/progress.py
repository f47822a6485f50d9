"""What a person sees while a picture is made.

On a terminal one thread draws: it imports rich once the request has left, so that not one
millisecond of it delays the service, and looks ten times a second at what the observer's methods
have noted. Elsewhere a wait is a line, and nothing else is said.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.core.observer import Observer
from zimage_cli.core.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.output import Output
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request import Request

_FRAME = 0.1
_SHOW_AFTER = 1.0
"""Seconds until something is drawn even though the request has not left: a slow connection."""


class Display(Observer):
    """Shows one picture being made; a context manager that leaves the terminal as it was."""

    def __init__(
        self, out: Output, facts: list[tuple[str, str]], number: int = 1, count: int = 1
    ) -> None:
        self._out = out
        self._facts = facts
        self._label = f"{number} of {count}: " if count > 1 else ""
        self._shown = not out.quiet and out.stderr.isatty()
        # A dumb terminal cannot take a line back: it gets the table, then a line a wait.
        self._live = self._shown and out.environ.get("TERM") not in {"dumb", "unknown"}
        self._began = time.monotonic()
        self._doing = "connecting"
        self._wait: tuple[float, Wait] | None = None
        self._bytes: tuple[int, int | None] | None = None
        self._lines: list[str] = []
        self._cursor_hidden = False
        self.stopped_note: str | None = None
        self._wake = threading.Event()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._shown:
            thread = threading.Thread(target=self._draw, name="display", daemon=True)
            # Without a thread to draw, the picture is made all the same.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._flush()

    def show_cursor(self) -> None:
        """Show the cursor where the drawing thread had no time left to do it."""
        if self._cursor_hidden:
            self._out.show_cursor()

    # -- what the maker tells ------------------------------------------------------------------

    def pacing(self, seconds: float) -> None:
        """Note that the account's limit makes us wait our turn."""
        if seconds > _SHOW_AFTER:
            self._doing = "waiting for a turn: the account's limit is shared,"
            self._wake.set()

    def sending(self, attempt: int) -> None:
        """Note a try."""
        self._wait = None
        self._bytes = None
        self._doing = "connecting" if attempt == 1 else f"connecting, try {attempt}"

    def sent(self) -> None:
        """Note that the service paints: now there is time to draw."""
        self._doing = "painting"
        self._wake.set()

    def waiting(self, wait: Wait) -> None:
        """Note a pause, and why."""
        if self._doing == "painting":
            self._doing = "waiting"
        self._wait = (time.monotonic() + wait.seconds, wait)
        self._wake.set()
        if not self._live:
            if self._thread is not None:
                self._thread.join()  # the table stands above the line
            self._out.note(f"{_why(wait)}: waiting {wait.seconds:.1f} s ({_tries(wait)})")

    def answered(self, answer: Answer, request: Request) -> None:  # noqa: ARG002
        """Note that the picture comes next."""
        self._doing = "downloading"
        self._wait = None

    def receiving(self, received: int, total: int | None) -> None:
        """Note how much of the picture is here."""
        self._wait = None
        self._bytes = (received, total)

    def stopped(self, note: str | None) -> None:
        """Keep what a person who stopped it should know."""
        self.stopped_note = note

    def warning(self, text: str) -> None:
        """Keep a warning for a moment when no live line is in the way."""
        self._lines.append(text)

    def report(self, picture: Picture) -> None:
        """Show what was made: rewritten prompt and reasoning, then dimensions, size and cost."""
        if self._out.quiet:
            return
        if self._shown and (picture.rewritten_prompt or picture.answer.reasoning):
            self._out.show(_panel(picture))
        self._out.note(_saved_line(self._out, picture))

    def _flush(self) -> None:
        for text in self._lines:
            self._out.warn(visible(text))
        self._lines.clear()

    # -- the drawing thread --------------------------------------------------------------------

    def _draw(self) -> None:
        # Whatever goes wrong here, a terminal that went away or a module that cannot be loaded,
        # must not cost the picture, nor show a traceback.
        with suppress(Exception):
            self._draw_all()

    def _draw_all(self) -> None:
        self._wake.wait(_SHOW_AFTER)
        from rich.live import Live

        console = self._out.stderr_console
        console.print(self._table())
        if self._done.is_set() or not self._live:
            return
        self._cursor_hidden = True
        with Live(
            console=console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while not self._done.wait(_FRAME):
                live.update(self._frame(), refresh=True)
        self._cursor_hidden = False

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in self._facts:
            table.add_row(name, Text(visible(clip(value, 1000), newlines=True)))
        return table

    def _frame(self) -> Any:
        from rich.spinner import Spinner
        from rich.text import Text

        if self._bytes is not None and self._wait is None:
            return self._bar(*self._bytes)
        now = time.monotonic()
        if self._wait is not None:
            until, wait = self._wait
            # What moves comes first: a narrow terminal cuts off the end.
            text = f"{_tries(wait)} in {max(0.0, until - now):.1f} s: {_why(wait)}"
        else:
            text = f"{self._doing} {now - self._began:.1f} s"
        name = "line" if self._out.stderr_console.options.ascii_only else "dots"
        spinner = Spinner(name, Text(self._label + text))
        spinner.start_time = 0.0
        line = spinner.render(now - self._began)
        assert isinstance(line, Text)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _bar(self, received: int, total: int | None) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 1, 0, 0))
        bar = ProgressBar(total=total, completed=received, width=30, pulse=total is None)
        of = f" of {human_bytes(total)}" if total else ""
        row.add_row(f"{self._label}downloading", bar, f"{human_bytes(received)}{of}")
        return row


def human_bytes(count: int) -> str:
    """Return a length in bytes as people read it: 1.4 MB."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def _tries(wait: Wait) -> str:
    return f"try {wait.next_try} of {wait.of}"


def _why(wait: Wait) -> str:
    error = wait.error
    return visible(f"{error.message.rstrip('.')}{f' [{error.code}]' if error.code else ''}")


def _panel(picture: Picture) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    parts = []
    if picture.rewritten_prompt:
        parts.append(Text("rewritten prompt", style="bold"))
        parts.append(Text(visible(picture.rewritten_prompt, newlines=True)))
    if picture.answer.reasoning:
        parts.append(Text("reasoning", style="bold"))
        parts.append(Text(visible(picture.answer.reasoning, newlines=True), style="dim"))
    return Panel(Group(*parts), title="prompt_extend", title_align="left")


def _saved_line(out: Output, picture: Picture) -> str:
    from zimage_cli.core.prices import format_price

    price = picture.destination.price(prompt_extend=picture.request.prompt_extend)
    sandbox = picture.destination.region == "sandbox"
    info = picture.fetched.info
    facts = [
        f"{info.width}×{info.height}",
        human_bytes(picture.fetched.bytes),
        f"{picture.elapsed:.1f} s",
        "sandbox, free" if sandbox else format_price(price),
    ]
    if picture.entry is not None:
        facts.append(f"history {picture.entry}")
    # On a terminal the next line is stdout's, and that is the path.
    where = "to standard output" if picture.path == "-" else visible(picture.path)
    path = "" if out.stdout.isatty() else f" {where}:"
    return f"{out.style('saved', '32')}{path} {', '.join(facts)}"
