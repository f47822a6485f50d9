"""What a person, or a program, sees while a batch is made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.cli.batch.progress import WORDS, LineWatch, Progress, span
from zimage_cli.cli.desktop import Desktop
from zimage_cli.cli.view import View, Watch
from zimage_cli.core.making.reach import PAUSES
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.cli.live import Live
    from zimage_cli.cli.output import Output
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.run import Run
    from zimage_cli.errors import ConnectionFailed

_FRAME_EVERY = 0.1
_LINE_EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""

_TROUBLES = 4
_SUCCESSES = 2
_SLOW_SHOWN = 3
_WARNINGS = 20
_WIDEST = 100
"""Columns of the bar in a wide terminal."""
_SHORTEST = 8
"""Columns without which there is no bar."""


class _LineWatch(LineWatch):
    """Tells the view what a line has to say."""

    def __init__(self, job: Job, view: BatchView) -> None:
        super().__init__(job)
        self._view = view

    def stopped(self, note: str | None) -> None:  # noqa: ARG002
        self._view.progress.gave_up(self.job)

    def warning(self, text: str) -> None:
        self._view.warn(f"{self.job.place}: {text}")


class BatchView(View):
    """Counts what ends, and shows it: live on a terminal, a line now and then elsewhere.

    A run whose terminal is gone goes on without a view.
    """

    def __init__(self, out: Output, progress: Progress, *, json: bool) -> None:
        super().__init__(out)
        self.progress = progress
        self._json = json
        # On a terminal the paths are shown in the view.
        self._paths = not json and not out.stdout.isatty()
        self._began = time.monotonic()
        self._last_line = self._began
        self._troubles: deque[tuple[str, str]] = deque(maxlen=_TROUBLES)
        """Failures and warnings, each with its style."""
        self._successes: deque[str] = deque(maxlen=_SUCCESSES)
        self._warned = 0
        self._run: Run | None = None
        self._live: Live | None = None
        self._desktop = Desktop(out.stderr, out.environ)

    @property
    def elapsed(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._began

    def watch(self, run: Run) -> None:
        """Show how far this run has come from now on."""
        self._run = run
        self.on_lost = run.stop

    def __enter__(self) -> Self:
        out = self._out
        # Records printed on the same terminal would break the view up.
        records = self._json and out.stdout.isatty()
        moves = out.moves
        if moves and not out.quiet and not records:
            self._live = out.live()
        return self

    def close(self) -> None:
        """End the live view; the cursor is shown again, whatever became of the drawing."""
        live, self._live = self._live, None
        if live is not None:
            with self._drawing():
                live.stop()
            with self._drawing():
                self._desktop.close()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Go on without the live view where it cannot be drawn, for whatever reason."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - rich may stumble over anything
            self.close()
            if isinstance(error, OSError):
                self._out.lose_stderr()

    # -- what the engine tells, from many threads ----------------------------------------------

    def started(self, job: Job) -> Watch:
        """Note a line that waits for its turn."""
        watch = _LineWatch(job, self)
        self.progress.started(job, watch)
        return watch

    def warn(self, text: str) -> None:
        """Show a warning; where warnings are not overwritten, only the first of them."""
        with self._lock:
            if self._live is not None:
                self._troubles.append((visible(text), "yellow"))
                return
            self._warned += 1
            warned = self._warned
        if warned <= _WARNINGS:
            self._out.warn(visible(text))
        elif warned == _WARNINGS + 1:
            self._out.warn("further warnings of this kind are not shown")

    def ended(self, outcome: Outcome) -> None:
        """Note a line that has ended; print its record, or the path of its picture."""
        picture, place = outcome.picture, outcome.job.place
        self.progress.ended(outcome)
        if picture is not None:
            name = "" if picture.path is None else f": {picture.path.name}"
            with self._lock:
                self._successes.append(f"✓ {visible(place + name)}")
        elif outcome.error is not None:
            words = WORDS.get(outcome.status, outcome.status.value)
            code = f" ({outcome.error.code})" if outcome.error.code else ""
            text = f"{place} {words}: {clip(str(outcome.error), 200)}{code}"
            with self._lock:
                self._troubles.append((f"✗ {visible(text)}", "red"))
        if self._json:
            self._result(lambda: self._out.json(outcome.document))
        elif self._paths and picture is not None and picture.path is not None:
            path = str(picture.path)
            self._result(lambda: self._out.result(path))

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Say once that everything waits, and why."""
        outage = self.progress.outage = f"the service cannot be reached since {since:%H:%M}"
        self.say(
            f"{outage}; trying again, at most every {PAUSES[-1]:.0f} s; Ctrl-C stops\n"
            f"  {visible(error.message)}"
        )

    def reachable(self, seconds: float) -> None:
        """Say that the service answers again."""
        self.progress.outage = ""
        self.say(f"the service can be reached again, after {span(seconds)}")

    def address(self, job: Job, command: str) -> None:
        """Print an address that no file could take, even under `quiet`."""
        text = f"{job.place}: made and paid, to be fetched within 24 hours: {visible(command)}"
        self._print(text, self._out.say, whole=True)

    # -- what is shown -------------------------------------------------------------------------

    def pause(self) -> float:
        """Return in how many seconds there is something to show."""
        if self._live is not None:
            return _FRAME_EVERY
        return max(0.0, self._last_line + _LINE_EVERY - time.monotonic())

    def refresh(self) -> None:
        """Draw the live view, or print a line when it is time."""
        live, it = self._live, self.progress
        if self._run is not None:
            it.tally = self._run.tally
        if live is not None:
            with self._drawing():
                live.update(self._frame())
                title = f"zimage: {it.done:,} of {it.total:,}"
                self._desktop.show(title, it.share, paused=bool(it.outage or it.stopping))
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._last_line = time.monotonic()
            self._out.note(it.line())

    def say(self, text: str) -> None:
        """Say something once, above the live view."""
        self._print(text, self._out.note)

    def stopping(self) -> None:
        """Say what is still waited for: in the live view, where it stays true, else once."""
        self.progress.stopping = True
        if self._live is None:
            self.say(self.progress.still())

    def _print(self, text: str, otherwise: Callable[[str], None], *, whole: bool = False) -> None:
        live = self._live
        if live is not None:
            with self._drawing():
                live.print(text, whole=whole)
                return
        otherwise(text)

    def _frame(self) -> Any:
        from rich.console import Group

        it = self.progress
        with self._lock:
            troubles, successes = [*self._troubles], [*self._successes]
        # What matters most stands last: of too many lines for a terminal the first ones are cut.
        parts = [self._text(text, "dim") for text in successes]
        parts += [self._text(text, "yellow") for text in it.slow()[:_SLOW_SHOWN]]
        parts += [self._text(text, style) for text, style in troubles]
        parts += [self._text(it.outage, "yellow")] if it.outage else []
        parts.append(self._bar())
        if it.stopping:
            still = it.still()
            lines = [still] if len(still) <= self._columns else still.split("; ")
            parts += [self._text(line, "bold yellow") for line in lines]
        else:
            parts += [self._joined(words) for words in (it.facts(), it.doing()) if words]
        return Group(*parts)

    @property
    def _columns(self) -> int:
        # Shorter than the terminal is wide: a full line would wrap where it gets narrower.
        return max(1, self._out.stderr_console.width - 1)

    def _bar(self) -> Text:
        from rich.text import Text

        from zimage_cli.cli.bar import bar

        it = self.progress
        counts = [Text(f"{it.done:,} of {it.total:,}", "bold")]
        counts += [Text(f"✓ {it.saved:,}", "green")] if it.saved else []
        counts += [Text(f"✗ {it.failed:,}", "red")] if it.failed else []
        counts += [Text(f"{it.before:,} before", "dim")] if it.before else []
        words = Text("  ").join(counts)
        room = min(self._columns, _WIDEST) - words.cell_len - 2
        if room < _SHORTEST:
            words.truncate(self._columns, overflow="ellipsis")
            return words
        ascii_only = self._out.stderr_console.options.ascii_only
        return Text.assemble(bar(it.share, room, ascii_only=ascii_only), "  ", words)

    def _joined(self, words: list[str]) -> Text:
        """Return as many of the words as there is room for, the first ones first."""
        line = ""
        for word in words:
            longer = f"{line} · {word}" if line else word
            if line and len(longer) > self._columns:
                break
            line = longer
        return self._text(line)

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        line = Text(text, style, no_wrap=True)
        line.truncate(self._columns, overflow="ellipsis")
        return line
