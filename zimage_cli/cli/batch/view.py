"""What a person, or a program, sees while a batch is made."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.cli.batch.progress import LineWatch, Progress, span
from zimage_cli.cli.desktop import Desktop
from zimage_cli.cli.folding import columns_of
from zimage_cli.cli.view import View, Watch
from zimage_cli.core.making.reach import PAUSES
from zimage_cli.core.status import Status
from zimage_cli.messages import Message, Words
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.cli.live import Live
    from zimage_cli.cli.output import Output
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.run import Run
    from zimage_cli.errors import ConnectionFailed, ZimageError

_FRAME_EVERY = 0.1
_LINE_EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""

_ENDED = {
    Status.REFUSED: "{place} refused: {error}",
    Status.FAILED: "{place} failed: {error}",
    Status.MADE: "{place} paid and not saved: {error}",
    Status.LOST: "{place} lost: {error}",
}
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
        self._view.warn(Message("{place}: {text}", place=self.job.place, text=text))


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

    def warn(self, text: Words) -> None:
        """Show a warning; where warnings are not overwritten, only the first of them."""
        with self._lock:
            if self._live is not None:
                self._troubles.append((visible(self._out.text(text)), "yellow"))
                return
            self._warned += 1
            warned = self._warned
        if warned <= _WARNINGS:
            self._out.warn(text)
        elif warned == _WARNINGS + 1:
            self._out.warn(Message("further warnings of this kind are not shown"))

    def ended(self, outcome: Outcome) -> None:
        """Note a line that has ended; print its record, or the path of its picture."""
        picture, place = outcome.picture, outcome.job.place
        self.progress.ended(outcome)
        if picture is not None:
            if picture.path is not None:
                place = Message("{place}: {text}", place=place, text=picture.path.name)
            with self._lock:
                self._successes.append(f"✓ {visible(self._out.text(place))}")
        elif outcome.error is not None:
            text = self._out.text(_told(outcome.status, place, outcome.error, self._out))
            with self._lock:
                self._troubles.append((f"✗ {visible(text)}", "red"))
        if self._json:
            self._result(lambda: self._out.json(outcome.document))
        elif self._paths and picture is not None and picture.path is not None:
            path = str(picture.path)
            self._result(lambda: self._out.result(path))

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Say once that everything waits, and why."""
        outage = Message("the service cannot be reached since {time}", time=f"{since:%H:%M}")
        self.progress.outage = outage
        self.say(
            Message(
                "{outage}; trying again, at most every {seconds:.0f} s; Ctrl-C stops\n  {error}",
                outage=outage,
                seconds=PAUSES[-1],
                error=visible(self._out.text(error.message)),
            )
        )

    def reachable(self, seconds: float) -> None:
        """Say that the service answers again."""
        self.progress.outage = None
        self.say(Message("the service can be reached again, after {span}", span=span(seconds)))

    def address(self, job: Job, command: str) -> None:
        """Print an address that no file could take, even under `quiet`."""
        text = Message(
            "{place}: made and paid, to be fetched within 24 hours: {command}",
            place=job.place,
            command=visible(command),
        )
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
                title = Message("zimage: {share}", share=it.share_in_words)
                paused = bool(it.outage or it.stopping)
                self._desktop.show(self._out.text(title), it.share, paused=paused)
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._last_line = time.monotonic()
            self._out.note(it.line())

    def say(self, text: Words) -> None:
        """Say something once, above the live view."""
        self._print(text, self._out.note)

    def stopping(self) -> None:
        """Say what is still waited for: in the live view, where it stays true, else once."""
        self.progress.stopping = True
        if self._live is None:
            self.say(self.progress.still())

    def _print(
        self, text: Words, otherwise: Callable[[Words], None], *, whole: bool = False
    ) -> None:
        live = self._live
        if live is not None:
            with self._drawing():
                live.print(self._out.text(text), whole=whole)
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
            still = self._out.text(it.still())
            lines = [still] if columns_of(still) <= self._columns else re.split("; |；", still)
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
        counts = [Text(self._out.text(it.share_in_words), "bold")]
        counts += [Text(f"✓ {it.saved:,}", "green")] if it.saved else []
        counts += [Text(f"✗ {it.failed:,}", "red")] if it.failed else []
        if it.before:
            before = Message("{count:,} before", count=it.before)
            counts.append(Text(self._out.text(before), "dim"))
        words = Text("  ").join(counts)
        room = min(self._columns, _WIDEST) - words.cell_len - 2
        if room < _SHORTEST:
            words.truncate(self._columns, overflow="ellipsis")
            return words
        ascii_only = self._out.stderr_console.options.ascii_only
        return Text.assemble(bar(it.share, room, ascii_only=ascii_only), "  ", words)

    def _joined(self, words: list[Message]) -> Text:
        """Return as many of the words as there is room for, the first ones first."""
        line = ""
        for word in map(self._out.text, words):
            longer = f"{line} · {word}" if line else word
            if line and columns_of(longer) > self._columns:
                break
            line = longer
        return self._text(line)

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        line = Text(self._out.text(text), style, no_wrap=True)
        line.truncate(self._columns, overflow="ellipsis")
        return line


def _told(status: Status, place: Message, error: ZimageError, out: Output) -> Message:
    """Return what became of a line that was not saved; of a long sentence the beginning."""
    words = clip(out.text(error.message), 200)
    said = Message(_ENDED[status], place=place, error=words)
    return Message("{said} ({named})", said=said, named=error.code) if error.code else said
