"""What a person, or a program, sees of a batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from zimage_cli.cli.view import View
from zimage_cli.core.advice import error_documents
from zimage_cli.core.making.reach import PAUSES
from zimage_cli.core.observer import Observer
from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import NOT_SAVED, Tally
from zimage_cli.core.status import Status
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from rich.live import Live

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.run import Run
    from zimage_cli.errors import ConnectionFailed, ZimageError

_WORDS = {
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
_LINES_SHOWN = 12


def span(seconds: float) -> str:
    """Return a time span for a person: `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class _Watch(Observer):
    """Follows one line in flight."""

    def __init__(self, job: Job, tell: Callable[[str], None]) -> None:
        self.job = job
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
        self._tell(f"{self.job.place}: {text}")


class BatchView(View):
    """Counts what ends, and shows it: live on a terminal, a line now and then elsewhere.

    Without its terminal it goes on without a view.
    """

    def __init__(
        self, out: Output, pictures: int, currency: str | None = None, *, json: bool
    ) -> None:
        super().__init__(out)
        self._total = pictures
        self._json = json
        # Paths on the terminal are in the view.
        self._paths = not json and not out.stdout.isatty()
        self._began = time.monotonic()
        self._last_line = self._began
        self._tally: Callable[[], Tally] = Tally
        self._currency = currency
        self._flying: dict[int, _Watch] = {}
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

    # -- what the engine tells, from many threads ----------------------------------------------

    def started(self, job: Job) -> Observer:
        """Note a line in flight."""
        watch = _Watch(job, self.warn)
        with self._lock:
            self._flying[job.number] = watch
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
        """Say that it goes on."""
        self._outage = ""
        self.say(f"the service can be reached again, after {span(seconds)}")

    def address(self, job: Job, command: str) -> None:
        """Print what nothing else knows, even under `quiet`."""
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
            tally, done = self._tally(), self._done
        words = [
            f"{count:,} {_WORDS[status]}" for status in NOT_SAVED if (count := tally.counts[status])
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
        parts += [line(f"{w.job.place}: {w.doing}, {now - w.began:.0f} s", "yellow") for w in slow]
        return Group(*parts)


def _event(outcome: Outcome) -> str:
    line = outcome.job.place
    if outcome.picture is not None:
        return visible(f"{line}: {outcome.picture.path}")
    words = _WORDS.get(outcome.status, outcome.status.value)
    return visible(f"{line}: {words}: {clip(str(outcome.error), 200)}")


class Again(NamedTuple):
    """The command line's arguments, for the commands that go on."""

    words: tuple[str, ...]

    def __call__(self, *options: str) -> str:
        """Return the command that goes on."""
        from shlex import join

        own = {"--fresh", "--retry-failed", "--retry-lost"}
        kept = [word for word in self.words if word not in own]
        return visible(join(["zimage", *kept, *options]))


def show(out: Output, plan: FilePlan) -> None:
    """Show what a run will do, and what it will cost."""
    found, kinds = plan.preflight, plan.preflight.kinds
    target = plan.settings.target
    rows = [
        ("lines", f"{found.lines:,}"),
        ("pictures", f"{found.pictures:,}"),
        ("already saved", f"{kinds[Status.SAVED]:,}"),
        ("to fetch, paid before", f"{kinds[Status.MADE]:,}"),
        ("refused before, left", f"{kinds[Status.REFUSED]:,}"),
        ("failed before, left", f"{kinds[Status.FAILED]:,}"),
        ("lost before, left", f"{kinds[Status.LOST]:,}"),
        ("invalid, left", f"{found.invalid:,}"),
        ("to make", f"{found.to_make:,}"),
        ("list price", "free, sandbox" if target.is_sandbox else money(found.cost)),
        ("takes about", span(plan.seconds)),
        ("region", target.region_name),
        ("folder", str(plan.folder)),
    ]
    always = {"lines", "pictures", "to make", "list price", "takes about", "region", "folder"}
    for name, value in rows:
        if name in always or value != "0":
            out.note(f"{name:<22} {visible(value)}")


def report(out: Output, plan: FilePlan, tally: Tally, again: Again) -> None:
    """Print what a run came to, what failed and where, and the commands that go on."""
    _print_counts(out, plan, tally)
    left = plan.preflight.pictures - tally.ended
    if tally.over_budget:
        out.note(f"Stopped at --max-cost {plan.options.max_cost}; with a higher one, to go on:")
        out.note(f"  {again()}")
    free = plan.settings.target.is_sandbox
    unfetched = tally.counts[Status.MADE] - tally.printed
    if unfetched or (left > 0 and not tally.over_budget):
        words = [f"{left:,} left"] if left > 0 else []
        if unfetched:
            paid, costs = "paid and ", "for 24 hours that costs nothing"
            if free:
                paid, costs = "", "made again"
            words.append(f"{unfetched:,} {paid}not fetched: {costs}")
        out.note(f"{', '.join(words)}; to go on:")
        out.note(f"  {again()}")
    if tally.printed and not free:
        told = "the address is printed above: no file could take it"
        out.say(f"{tally.printed:,} paid, and {told}")
    if _failed(tally):
        out.note("To try again what failed:")
        out.note(f"  {again('--retry-failed')}")
    if tally.counts[Status.LOST] or Status.LOST in tally.left:
        out.note("What was lost may have been billed; to make it again and pay it:")
        out.note(f"  {again('--retry-lost')}")


def _failed(tally: Tally) -> bool:
    """Tell whether anything failed that can be tried again without paying twice."""
    kinds = (Status.REFUSED, Status.FAILED)
    return any(tally.counts[kind] or kind in tally.left for kind in kinds)


def summary(
    plan: FilePlan, tally: Tally, again: Again, status: int, error: ZimageError | None
) -> dict[str, Any]:
    """Return the last object of `--json`: the counts, what was billed, and how to go on."""
    found = plan.preflight
    left = found.pictures - tally.ended
    go_on = left > 0 or tally.counts[Status.MADE]
    lost = tally.counts[Status.LOST] or Status.LOST in tally.left
    word = "ok" if not status else "partial" if tally.saved else "error"
    return {
        "type": "summary",
        "schema": 1,
        "status": word,
        "lines": found.lines,
        "invalid": found.invalid,
        **tally.document(found.pictures, found.cost.currency if found.cost else None),
        "commands": {
            "go_on": again() if go_on else None,
            "retry_failed": again("--retry-failed") if _failed(tally) else None,
            "retry_lost": again("--retry-lost") if lost else None,
        },
        "errors": [] if error is None else error_documents(error),
    }


def _print_counts(out: Output, plan: FilePlan, tally: Tally) -> None:
    """Print what failed and where even under `quiet`."""
    tell = out.say if tally.not_saved else out.note
    cost = plan.preflight.cost
    spent = money(Price(tally.spent, cost.currency)) if cost else None
    words = [f"{tally.saved:,} saved"]
    counts = {_WORDS[status]: tally.counts[status] for status in (*NOT_SAVED, Status.SKIPPED)}
    counts["invalid"] = plan.preflight.invalid
    words += [f"{count:,} {name}" for name, count in counts.items() if count]
    if spent and tally.spent:
        words.append(f"{spent} at list price")
    tell(", ".join(words))
    for cause, count in tally.causes.most_common():
        tell(f"  {visible(cause)}: {count:,} ({_lines(tally.lines[cause])})")
    for status in (Status.REFUSED, Status.FAILED, Status.LOST):
        if numbers := tally.left.get(status):
            out.note(f"  {_WORDS[status]} before, left: {len(numbers):,} ({_lines(numbers)})")


def _lines(numbers: list[int]) -> str:
    found = sorted(set(numbers))
    shown = ", ".join(map(str, found[:_LINES_SHOWN]))
    more = f" and {len(found) - _LINES_SHOWN:,} more" if len(found) > _LINES_SHOWN else ""
    return f"line{'s' if len(found) > 1 else ''} {shown}{more}"
