"""What a person, or a program, sees of a batch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import typer

from zimage_cli.api.errors import UsageError
from zimage_cli.core.batch.outage import PAUSES
from zimage_cli.core.batch.tally import FAILED, LOST, SAVED, Tally, View
from zimage_cli.core.observer import Observer
from zimage_cli.core.prices import Price
from zimage_cli.core.text import clip, visible

if TYPE_CHECKING:
    from rich.live import Live

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.errors import ConnectionFailed
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import Item
    from zimage_cli.core.request import Request

_FRAME_EVERY = 0.1
_LINE_EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""

_SLOW = 15.0
"""Seconds after which a line in flight is shown by name: the service usually takes 2 to 10."""

_EVENTS = 4
_SLOW_SHOWN = 3
_WARNINGS = 20
_RATE_SPAN = 60.0
_LINES_SHOWN = 12


def money(price: Price | None) -> str:
    """Return an amount for a person: `CNY 12.30`, and `USD 0.165` where that is not all of it."""
    if price is None:
        return "unknown at this host"
    cents = round(price.amount, 2)
    amount = cents if cents == price.amount else price.amount.normalize()
    return f"{price.currency} {amount:f}"


def span(seconds: float) -> str:
    """Return a time span for a person: `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class _Watch(Observer):
    """Follows one line in flight."""

    def __init__(self, item: Item, tell: Callable[[str], None]) -> None:
        self.item = item
        self._tell = tell
        self.began = time.monotonic()
        self.doing = "waiting for its turn"

    def sending(self, attempt: int) -> None:
        self.doing = "connecting" if attempt == 1 else f"try {attempt}"

    def sent(self) -> None:
        self.doing = "painting"

    def waiting(self, wait: Wait) -> None:
        why = wait.error.code or wait.error.kind
        self.doing = f"{why}: next try in {wait.seconds:.0f} s"

    def answered(self, answer: Answer, request: Request) -> None:  # noqa: ARG002
        self.doing = "downloading"

    def warning(self, text: str) -> None:
        self._tell(f"line {self.item.line}: {text}")


class BatchView(View):
    """Counts what ends, and shows it: live on a terminal, a line now and then elsewhere.

    What cannot be shown ends no run: without its terminal it goes on without a view. A lost stdout
    that records were asked for on does; it is kept in `lost` until nothing is in flight any more.
    """

    def __init__(self, out: Output, total: int, *, json: bool) -> None:
        self._out = out
        self._total = total
        self._json = json
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._last_line = self._began
        self._tally = Tally()
        self._currency: str | None = None
        self._flying: dict[int, _Watch] = {}
        self._events: deque[str] = deque(maxlen=_EVENTS)
        self._ended: deque[float] = deque()
        self._done = 0
        self._warned = 0
        self._live: Live | None = None
        self._outage = ""
        self._on_lost: Callable[[], None] = lambda: None
        self.lost: Exception | None = None
        """What to raise for a standard output that is gone."""

    def watch(self, tally: Tally, price: Price | None, on_lost: Callable[[], None]) -> None:
        """Show this tally from now on; `on_lost` is called when stdout is gone."""
        self._tally = tally
        self._on_lost = on_lost
        self._currency = price.currency if price else None

    def __enter__(self) -> Self:
        # Records on the same terminal would tear the view.
        records = self._json and self._out.stdout.isatty()
        if self._out.stderr.isatty() and not self._out.quiet and not records:
            from rich.live import Live

            live = Live(
                console=self._out.stderr_console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live = live
            with self._drawing():
                live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the live view; the cursor is shown again, whatever became of the drawing."""
        live, self._live = self._live, None
        if live is not None:
            with self._drawing():
                try:
                    live.stop()
                finally:
                    live.console.show_cursor()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Go on without the live view where it cannot be drawn, for whatever reason."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - rich may stumble over anything
            self.close()
            if isinstance(error, OSError):
                self._out.lose_stderr()

    # -- what the runner tells, from many threads ----------------------------------------------

    def started(self, item: Item) -> Observer:
        """Note a line in flight."""
        watch = _Watch(item, self.warn)
        with self._lock:
            self._flying[item.number] = watch
        return watch

    def warn(self, text: str) -> None:
        """Tell what is worth knowing and stops nothing; only so much where it would stay."""
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

    def ended(self, item: Item, record: dict[str, Any]) -> None:
        """Note a line that has ended; print its record where that was asked for."""
        with self._lock:
            self._flying.pop(item.number, None)
            self._done += 1
            status = record["status"]
            if status in {SAVED, FAILED, LOST}:
                self._ended.append(time.monotonic())
                self._events.append(_event(record))
            if self._json and self.lost is None:
                try:
                    self._out.json(record)
                except (typer.Exit, UsageError) as error:
                    self.lost = error
        if self.lost is not None:
            self._on_lost()

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Say once that everything waits, and why."""
        self._outage = f"the service cannot be reached since {since:%H:%M}"
        self.say(
            f"{self._outage}; trying again, at most every {PAUSES[-1]:.0f} s; Ctrl-C stops\n"
            f"  {visible(error.message)}"
        )

    def reachable(self, seconds: float) -> None:
        """Say that it goes on."""
        self._outage = ""
        self.say(f"the service can be reached again, after {span(seconds)}")

    def address(self, line: int, command: str) -> None:
        """Print what nothing else knows, even under `quiet`."""
        text = f"line {line}: made and paid, to be fetched within 24 hours: {visible(command)}"
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
                live.update(self._frame(), refresh=True)
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
                live.console.print(text, soft_wrap=whole)
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
            tally, done = self._tally, self._done
        words = [f"{tally.failed:,} failed"] if tally.failed else []
        words += [f"{tally.lost:,} lost"] if tally.lost else []
        if rate:
            words += [f"{rate:.2f}/s", f"{span((self._total - done) / rate)} left"]
        if self._currency:
            words.append(f"{money(Price(tally.spent, self._currency))} spent")
        return f"{done:,} of {self._total:,}", ", ".join(words)

    def _frame(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        def line(text: str, style: str = "") -> Text:
            return Text(text, style=style, no_wrap=True, overflow="ellipsis")

        done_of, counts = self._counts()
        with self._lock:
            now = time.monotonic()
            events = list(self._events)
            flying = sorted(self._flying.values(), key=lambda watch: watch.began)
            done = self._done
        # While nobody is reached, all of them are slow.
        slow = [watch for watch in flying if now - watch.began > _SLOW and not self._outage]
        slow = slow[:_SLOW_SHOWN]
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        bar.add_row(ProgressBar(total=max(self._total, 1), completed=done), line(done_of))
        bar.width = min(self._out.stderr_console.width, 100)
        flight = f"{len(flying)} in flight"
        parts: list[Any] = [bar, line(f"{counts}, {flight}" if counts else flight)]
        parts += [line(self._outage, "yellow")] if self._outage else []
        parts += [line(text, "dim") for text in events]
        parts += [
            line(f"line {w.item.line}: {w.doing}, {now - w.began:.0f} s", "yellow") for w in slow
        ]
        return Group(*parts)


def _event(record: dict[str, Any]) -> str:
    if record["status"] == SAVED:
        return visible(f"line {record['line']}: {record['path']}")
    return visible(
        f"line {record['line']}: {record['status']}: {clip(str(record['message']), 200)}"
    )


def print_summary(out: Output, tally: Tally, invalid: int, cost: Price | None) -> None:
    """Print what a run came to, and what failed and where: that even under `quiet`."""
    tell = out.say if tally.failed or tally.lost else out.note
    spent = money(Price(tally.spent, cost.currency)) if cost else None
    words = [f"{tally.saved:,} saved"]
    counts = {
        "failed": tally.failed,
        "lost": tally.lost,
        "skipped": tally.skipped,
        "invalid": invalid,
    }
    words += [f"{count:,} {name}" for name, count in counts.items() if count]
    if spent and tally.spent != Decimal(0):
        words.append(f"{spent} at list price")
    tell(", ".join(words))
    for cause, count in tally.causes.most_common():
        tell(f"  {visible(cause)}: {count:,} ({_lines(tally.lines[cause])})")
    if tally.skipped_failed:
        out.note(f"  failed before, left: {_counted(tally.skipped_failed)}")
    if tally.skipped_lost:
        out.note(f"  lost before, left: {_counted(tally.skipped_lost)}")


def _counted(lines: list[int]) -> str:
    return f"{len(lines):,} ({_lines(lines)})"


def _lines(numbers: list[int]) -> str:
    found = sorted(set(numbers))
    shown = ", ".join(map(str, found[:_LINES_SHOWN]))
    more = f" and {len(found) - _LINES_SHOWN:,} more" if len(found) > _LINES_SHOWN else ""
    return f"line{'s' if len(found) > 1 else ''} {shown}{more}"
