"""What a person, or a program, sees while a batch is made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.cli.output import one_line
from zimage_cli.cli.view import View, Watch
from zimage_cli.core.making.reach import PAUSES
from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import NOT_SAVED, Tally
from zimage_cli.core.status import Status
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.live import Live
    from zimage_cli.cli.output import Output
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.run import Run
    from zimage_cli.errors import ConnectionFailed

WORDS = {
    Status.REFUSED: "refused",
    Status.FAILED: "failed",
    Status.MADE: "paid and not saved",
    Status.LOST: "lost",
    Status.SKIPPED: "skipped",
}

_FRAME_EVERY = 0.1
_LINE_EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""

_SLOW = 15.0
"""Seconds after which a line in flight is shown by name: the service usually takes 2 to 10."""

_EVENTS = 4
_SLOW_SHOWN = 3
_WARNINGS = 20
_RATE_SPAN = 60.0


def span(seconds: float) -> str:
    """Return a time span for a person: `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class _LineWatch(Watch):
    """Follows one line in flight."""

    def __init__(self, job: Job, view: BatchView) -> None:
        super().__init__(job)
        self._view = view

    def sending(self, attempt: int) -> None:
        self.doing = "connecting" if attempt == 1 else f"try {attempt}"

    def waiting(self, wait: Wait) -> None:
        why = wait.error.code or wait.error.kind
        self.doing = f"{why}: next try in {wait.seconds:.0f} s"

    def warning(self, text: str) -> None:
        self._view.warn(f"{self.job.place}: {text}")


class BatchView(View):
    """Counts what ends, and shows it: live on a terminal, a line now and then elsewhere.

    A run whose terminal is gone goes on without a view.
    """

    def __init__(
        self, out: Output, pictures: int, currency: str | None = None, *, json: bool
    ) -> None:
        super().__init__(out)
        self._total = pictures
        self._json = json
        # On a terminal the paths are shown in the view.
        self._paths = not json and not out.stdout.isatty()
        self._began = time.monotonic()
        self._last_line = self._began
        self._tally: Callable[[], Tally] = Tally
        self._currency = currency
        self._events: deque[str] = deque(maxlen=_EVENTS)
        self._ended: deque[float] = deque()
        self._done = 0
        self._warned = 0
        self._live: Live | None = None
        self._outage = ""

    def watch(self, run: Run) -> None:
        """Show how far this run has come from now on."""
        self._tally = lambda: run.tally
        self.on_lost = run.stop

    def __enter__(self) -> Self:
        # Records printed on the same terminal would break the view up.
        records = self._json and self._out.stdout.isatty()
        if self._out.stderr.isatty() and not self._out.quiet and not records:
            self._live = self._out.live()
        return self

    def close(self) -> None:
        """End the live view; the cursor is shown again, whatever became of the drawing."""
        live, self._live = self._live, None
        if live is not None:
            with self._drawing():
                live.stop()

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
        """Note a line in flight."""
        watch = _LineWatch(job, self)
        with self._lock:
            self._flying[job.number] = watch
        return watch

    def warn(self, text: str) -> None:
        """Show a warning; where warnings are not overwritten, only the first of them."""
        with self._lock:
            if self._live is not None:
                self._events.append(visible(text))
                return
            self._warned += 1
            warned = self._warned
        if warned <= _WARNINGS:
            self._out.warn(visible(text))
        elif warned == _WARNINGS + 1:
            self._out.warn("further warnings of this kind are not shown")

    def ended(self, outcome: Outcome) -> None:
        """Note a line that has ended; print its record, or the path of its picture."""
        picture = outcome.picture
        with self._lock:
            self._flying.pop(outcome.job.number, None)
            self._done += 1
            if outcome.status is not Status.SKIPPED:
                self._ended.append(time.monotonic())
                self._events.append(_event(outcome))
        if self._json:
            self._result(lambda: self._out.json(outcome.document))
        elif self._paths and picture is not None and picture.path is not None:
            path = str(picture.path)
            self._result(lambda: self._out.result(path))

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Say once that everything waits, and why."""
        self._outage = f"the service cannot be reached since {since:%H:%M}"
        self.say(
            f"{self._outage}; trying again, at most every {PAUSES[-1]:.0f} s; Ctrl-C stops\n"
            f"  {visible(error.message)}"
        )

    def reachable(self, seconds: float) -> None:
        """Say that the service answers again."""
        self._outage = ""
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
        live = self._live
        if live is not None:
            with self._drawing():
                live.update(self._frame())
        elif time.monotonic() - self._last_line >= _LINE_EVERY:
            self._last_line = time.monotonic()
            self._out.note(", ".join(filter(None, (*self._counts(), self._outage))))

    def say(self, text: str) -> None:
        """Say something once, above the live view."""
        self._print(text, self._out.note)

    def _print(self, text: str, otherwise: Callable[[str], None], *, whole: bool = False) -> None:
        live = self._live
        if live is not None:
            with self._drawing():
                live.print(text, whole=whole)
                return
        otherwise(text)

    def _counts(self) -> tuple[str, str]:
        """Return how many are done of how many, and what else there is to say of it."""
        with self._lock:
            now = time.monotonic()
            while self._ended and now - self._ended[0] > _RATE_SPAN:
                self._ended.popleft()
            elapsed = min(_RATE_SPAN, now - self._began)
            rate = len(self._ended) / elapsed if elapsed > 1 else 0.0
            tally, done = self._tally(), self._done
        words = [
            f"{count:,} {WORDS[status]}" for status in NOT_SAVED if (count := tally.counts[status])
        ]
        if rate:
            words += [f"{rate:.2f}/s", f"{span((self._total - done) / rate)} left"]
        if self._currency:
            words.append(f"{money(Price(tally.spent, self._currency))} spent")
        return f"{done:,} of {self._total:,}", ", ".join(words)

    def _frame(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        done_of, counts = self._counts()
        with self._lock:
            now = time.monotonic()
            events = list(self._events)
            flying = sorted(self._flying.values(), key=lambda watch: watch.began)
            done = self._done
        # While the service cannot be reached, every line is slow.
        slow = [watch for watch in flying if now - watch.began > _SLOW and not self._outage]
        slow = slow[:_SLOW_SHOWN]
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        bar.add_row(ProgressBar(total=max(self._total, 1), completed=done), one_line(done_of))
        bar.width = min(self._out.stderr_console.width, 100)
        flight = f"{len(flying)} in flight"
        parts: list[Any] = [bar, one_line(f"{counts}, {flight}" if counts else flight)]
        parts += [one_line(self._outage, "yellow")] if self._outage else []
        parts += [one_line(text, "dim") for text in events]
        parts += [
            one_line(f"{w.job.place}: {w.doing}, {now - w.began:.0f} s", "yellow") for w in slow
        ]
        return Group(*parts)


def _event(outcome: Outcome) -> str:
    line = outcome.job.place
    if outcome.picture is not None:
        return visible(f"{line}: {outcome.picture.path}")
    words = WORDS.get(outcome.status, outcome.status.value)
    return visible(f"{line}: {words}: {clip(str(outcome.error), 200)}")
