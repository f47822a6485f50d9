"""The only place that prints.

stdout is the result: paths, a table that was asked for, or one JSON document. Everything else goes
to stderr. `isatty` decides colour, progress and width, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TextIO

import typer

from zimage_cli.cli.streams import has_han, links_known, silence, spelled, wants_colour
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message, Translate, Words, translated
from zimage_cli.text import json_text, redact, visible

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, ConsoleOptions
    from rich.panel import Panel
    from rich.text import Text

    from zimage_cli.cli.live import Live
    from zimage_cli.cli.table import Table

SIGPIPE_STATUS = 141
"""What a shell reports for a program whose reader went away: 128 + SIGPIPE."""

_PIPE_WIDTH = 100_000
"""Columns of what rich writes in a pipe: nothing there may wrap or be cut."""

CARD_WIDTH = 100

_DIGITS = 6
"""As many are no number of columns any more."""

_WARNING = Message("warning:")


def _labelled(label: str, text: str) -> str:
    """Return a label and what follows it; a mark of full width is followed by no blank."""
    return f"{label}{text}" if "：" in label else f"{label} {text}"


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def document(
    status: str, *, errors: Iterable[Mapping[str, Any]] = (), **own: Any
) -> dict[str, Any]:
    """Return what `--json` prints, whatever the command: `own` are the command's own keys.

    `status` is `ok`, `partial`, `error` or `dry-run`.
    """
    return {"schema": 1, "status": status, **own, "errors": [*errors]}


@dataclass(eq=False, repr=False)
class Output:
    """Where a command's words go.

    `quiet` leaves only results and errors. Consoles are made when first needed: rich costs more to
    import than most commands take.
    """

    quiet: bool = False
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _warned: set[str] = field(default_factory=set)

    # -- results, on stdout -------------------------------------------------------------------

    def result(self, text: str, end: str = "\n") -> None:
        """Print one line of the result: exact in a pipe, control characters shown on a terminal."""
        self._write(self.stdout, (visible(text) if self.stdout.isatty() else text) + end)

    def path(self, path: Path) -> None:
        """Print a path as a line of the result, whole; a link where the terminal knows links."""
        text = str(path)
        if not (self.stdout.isatty() and links_known(self.environ)):
            self.result(text)
            return
        target = path.absolute().as_uri()
        self._write(self.stdout, f"\x1b]8;;{target}\x1b\\{visible(text)}\x1b]8;;\x1b\\\n")

    def help(self, text: str) -> None:
        """Print our own text as it is, with its lines and styles."""
        self._write(self.stdout, text + "\n")

    def document(
        self, status: str, *, errors: Iterable[Mapping[str, Any]] = (), **own: Any
    ) -> None:
        """Print the one document of a command's `--json`; as the function `document`."""
        self.json(document(status, errors=errors, **own))

    def json(self, value: object) -> None:
        """Print one JSON document on a line."""
        self._write(self.stdout, json_text(value) + "\n")

    def data(self, chunks: Iterable[bytes]) -> None:
        """Write bytes to stdout and nothing else. Raises OSError where they cannot be written."""
        binary: IO[bytes] = self.stdout.buffer
        try:
            for chunk in chunks:
                binary.write(chunk)
            binary.flush()
        except OSError:
            silence(self.stdout)
            raise

    def result_data(self, chunks: Iterable[bytes]) -> None:
        """Write bytes that are the result, and nothing else, to stdout."""
        with self._writing(self.stdout):
            self.data(chunks)

    @property
    def stdout_closed(self) -> bool:
        """Tell whether the program was started without a standard output."""
        return getattr(self.stdout, "name", None) == os.devnull

    def result_table(self, table: Table) -> None:
        """Print a table that is the result: tab-separated values in a pipe."""
        self._table(self.stdout, table)

    def result_text(self, words: str) -> str:
        """Return text as stdout has it: in English in a pipe, where a program may read it."""
        return self.text(words) if self.stdout.isatty() else str(words)

    def result_card(self, title: str, parts: Iterable[tuple[str, str]]) -> None:
        """Print a card that is the result: texts, ours or made visible, each with its style."""
        encoding = self.stdout.encoding or "utf-8"
        texts = [Prose(spelled(self.result_text(text), encoding), style) for text, style in parts]
        self._print(self._console(self.stdout), card(self.result_text(title), *texts))

    # -- everything else, on stderr -----------------------------------------------------------

    def text(self, words: str) -> str:
        """Return text in the language of the person who reads stderr."""
        translate = self.translate
        return str(words) if translate is None else str(translated(words, translate))

    @cached_property
    def translate(self) -> Translate | None:
        """What translates for the person; None for English, and where it could not be read."""
        from zimage_cli.cli.language import translation

        found = translation(self.environ)
        return found if found and has_han(self.stdout) and has_han(self.stderr) else None

    def note(self, words: Words) -> None:
        """Print a line for the person who waits; nothing under `quiet`. Facts in it are visible."""
        if not self.quiet:
            self._write(self.stderr, self.text(words) + "\n")

    def note_data(self, words: Words) -> None:
        """Print a note with facts that may be any text, made visible."""
        self.note(Message("{words}", words=visible(self.text(words))))

    def begin(self, words: Words) -> None:
        """Print the beginning of a line that a result on the same terminal ends."""
        if not self.quiet:
            self._write(self.stderr, self.text(words))

    def ask(self, words: str) -> None:
        """Print a question in one write, even under `quiet`: the answer ends its line."""
        self._write(self.stderr, words)

    def warn(self, words: Words) -> None:
        """Print a warning, made visible, and each text once; nothing under `quiet`."""
        if not self.quiet and words not in self._warned:
            self._warned.add(words)
            one_line = Message("{words}", words=visible(self.text(words)))
            self.tell(one_line, label=_WARNING, sgr="33")

    def say(self, words: Words) -> None:
        """Print a line on stderr even under `quiet`: errors and what must not be missed."""
        self._write(self.stderr, self.text(words) + "\n")

    def tell(
        self,
        words: Words,
        *,
        label: Message | None = None,
        sgr: str = "",
        indent: str = "",
        fold: bool = True,
    ) -> None:
        """Say sentences, made visible and without keys, behind a styled label.

        On a terminal they are broken between words, but for `fold`.
        """
        begin = "" if label is None else self.text(label)
        text = visible(redact(self.text(words)), newlines=True)
        text = indent + (_labelled(begin, text) if begin else text)
        if fold and self.stderr.isatty():
            from zimage_cli.cli.folding import folded

            columns = self._columns(self.stderr)
            lines = [
                one
                for line in text.split("\n")
                for one in folded(line, columns, later=" " * (_indent_of(line) + 2))
            ]
            text = "\n".join(lines)
        styled = self.style(begin, sgr) if begin and sgr else begin
        self._write(self.stderr, text.replace(begin, styled, 1) + "\n")

    def show_table(self, table: Table) -> None:
        """Print a table on stderr; nothing under `quiet`."""
        if not self.quiet:
            self._table(self.stderr, table)

    def show(self, renderable: Any) -> None:
        """Print something rich on stderr; nothing under `quiet`."""
        if not self.quiet:
            self._print(self.stderr_console, renderable)

    def live(self) -> Live:
        """Return a live display on stderr that leaves nothing behind."""
        from zimage_cli.cli.live import Live

        descriptor = None
        with suppress(OSError, ValueError):
            descriptor = self.stderr.fileno()
        return Live(self.stderr_console, descriptor, self.environ)

    @property
    def moves(self) -> bool:
        """Whether stderr is a terminal that can overwrite a line; a dumb one cannot."""
        return self.stderr.isatty() and self.environ.get("TERM") not in {"dumb", "unknown"}

    def lose_stderr(self) -> None:
        """Print nothing more on stderr: its terminal is gone."""
        silence(self.stderr)

    def show_cursor(self) -> None:
        """Show the terminal's cursor again."""
        self._write(self.stderr, "\x1b[?25h")

    def spelled(self, text: str) -> str:
        """Return text as stderr can show it: what is laid out must be as wide as it looks."""
        return spelled(self.text(text), self.stderr.encoding or "utf-8")

    def style(self, text: str, sgr: str) -> str:
        """Return text in an SGR style (`1;31`) where stderr gets colour."""
        return f"\x1b[{sgr}m{text}\x1b[0m" if wants_colour(self.stderr, self.environ) else text

    # -- consoles -----------------------------------------------------------------------------

    @cached_property
    def stderr_console(self) -> Console:
        """The rich console on stderr."""
        return self._console(self.stderr)

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        class Careful(Console):
            """Raises where a pipe is broken; rich itself ends the program, whatever the stream."""

            def on_broken_pipe(self) -> None:
                raise  # noqa: PLE0704 - called while the error is handled

        colour = wants_colour(stream, self.environ)
        wide = not stream.isatty() and not self._named("COLUMNS")
        # rich takes more for a number than is one, and 0 columns for a width.
        wrong = {name for name in ("COLUMNS", "LINES") if not self._named(name)}
        return Careful(
            file=stream,
            markup=False,
            emoji=False,
            highlight=False,
            # Without colour not even bold: a style is an escape too.
            color_system="auto" if colour else None,
            force_terminal=True if colour else None,
            width=_PIPE_WIDTH if wide else None,
            _environ={name: self.environ[name] for name in self.environ.keys() - wrong},
        )

    def _named(self, name: str) -> int:
        """Return the columns or lines that a variable names; 0 where it names none."""
        text = self.environ.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else 0

    def _columns(self, stream: TextIO) -> int:
        """Return the columns of a terminal: COLUMNS, then what it says itself, then 80."""
        found = self._named("COLUMNS")
        if not found:
            with suppress(OSError, ValueError):
                found = os.get_terminal_size(stream.fileno())[0]
        return max(found or 80, 20)

    def _table(self, stream: TextIO, table: Table) -> None:
        lines = table.values()
        if stream.isatty():
            colour = wants_colour(stream, self.environ)
            lines = table.lines(
                self._columns(stream),
                lambda text, sgr: f"\x1b[{sgr}m{text}\x1b[0m" if colour else text,
                lambda text: spelled(self.text(text), stream.encoding or "ascii"),
            )
        self._write(stream, "".join(f"{line}\n" for line in lines))

    def _print(self, console: Console, renderable: Any) -> None:
        with self._writing(console.file):
            # rich joins what it is given, and forgets that a text is one line.
            no_wrap, overflow = (
                getattr(renderable, name, None) for name in ("no_wrap", "overflow")
            )
            console.print(renderable, no_wrap=no_wrap, overflow=overflow)

    def _write(self, stream: TextIO, text: str) -> None:
        with self._writing(stream):
            stream.write(text)
            stream.flush()

    @contextmanager
    def _writing(self, stream: IO[str]) -> Iterator[None]:
        """Go on where stderr cannot be written to: nobody reads it any more.

        Where stdout cannot, end the command: with SIGPIPE's status where the reader went away, else
        with UsageError.
        """
        try:
            yield
        except OSError as error:
            if stream is self.stderr:
                silence(self.stderr)
                return
            silence(self.stdout)
            if isinstance(error, BrokenPipeError):
                raise typer.Exit(SIGPIPE_STATUS) from None
            from zimage_cli.core.files import reason

            raise UsageError(
                "The standard output cannot be written to: {why}.", why=reason(error)
            ) from None


class Prose(NamedTuple):
    """Text for rich in a style: its lines end where they may in Chinese too."""

    text: str
    style: str = ""

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines, in as much room as there is."""
        from rich.text import Text

        from zimage_cli.cli import folding

        text = self.text
        if folding.has_han(text):
            text = "\n".join(folding.folded(text, options.max_width))
        yield Text(text, style=self.style)


def card(title: str, *parts: Any) -> Panel:
    """Return what a person is to look at, in a frame: at most 100 columns wide."""
    from rich.box import ROUNDED
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    return Panel(
        Group(*parts),
        box=ROUNDED,
        title=Text(title, style="bold"),
        title_align="left",
        border_style="dim",
        width=CARD_WIDTH,
    )


def one_line(text: str, style: str = "") -> Text:
    """Return text, ours or made visible, as one line that is cut off where there is no room."""
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
