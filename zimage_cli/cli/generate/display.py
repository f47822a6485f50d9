"""What a person sees while pictures are made.

On a terminal one thread draws. It imports rich once the request has left, so that the import does
not delay the request, and looks ten times a second at what the observers have noted. Elsewhere each
wait is printed as a line, and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.cli.view import View, Watch
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.output import Output
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.plan import RequestPlan

_FRAME = 0.1
_SHOW_AFTER = 1.0
"""Seconds until something is drawn even though the request has not left: a slow connection."""
_ROWS = 12
"""Pictures in flight that are shown, a row each."""


class _PictureWatch(Watch):
    """Follows one picture that is being made."""

    def __init__(self, job: Job, view: Display, label: str) -> None:
        super().__init__(job)
        self.doing = "connecting"
        self._view = view
        self.label = label
        self.bytes: tuple[int, int | None] | None = None

    def pacing(self, seconds: float) -> None:
        self.doing = "waiting for a turn"
        if seconds > _SHOW_AFTER:
            self.doing = "waiting for a turn: the account's limit is shared,"
            self._view.wake.set()

    def sending(self, attempt: int) -> None:
        self.wait = None
        self.bytes = None
        self.doing = "connecting" if attempt == 1 else f"connecting, try {attempt}"

    def sent(self) -> None:
        super().sent()
        self.began = time.monotonic()
        self._view.wake.set()

    def waiting(self, wait: Wait) -> None:
        if self.doing == "painting":
            self.doing = "waiting"
        self.wait = (time.monotonic() + wait.seconds, wait)
        self._view.tell_wait(self.label, wait)

    def answered(self, answer: Answer, request: Request) -> None:
        super().answered(answer, request)
        self.wait = None

    def receiving(self, received: int, total: int | None) -> None:
        self.wait = None
        self.bytes = (received, total)

    def stopped(self, note: str | None) -> None:
        self._view.stopped[self.job.number] = note

    def warning(self, text: str) -> None:
        self._view.warn(text)


class Display(View):
    """Shows the pictures of a plan being made, and tells each as it ends.

    `report` says what goes to the standard output: `paths`, `response` or, for the end, `json`.
    `pictures` are those that are saved, by their number; `failures` what became of the others;
    `stopped` are those that were given up on request, with what became of each in words.
    """

    def __init__(self, out: Output, plan: RequestPlan, report: str) -> None:
        super().__init__(out)
        self._plan = plan
        self._report = report
        self._count = len(plan.requests)
        self._shown = not out.quiet and out.stderr.isatty()
        # A dumb terminal cannot overwrite a line: it gets the table, then a line for each wait.
        self._live = self._shown and out.environ.get("TERM") not in {"dumb", "unknown"}
        self._began = time.monotonic()
        self._flying: dict[int, _PictureWatch] = {}
        self._untold: list[Callable[[], None]] = []
        """What prints the lines that wait for a moment without a live line, oldest first."""
        self._begun = False
        self._cursor_hidden = False
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.wake = threading.Event()
        self.stopped: dict[int, str | None] = {}
        self.pictures: dict[int, Picture] = {}
        self.failures: list[Outcome] = []

    def __enter__(self) -> Self:
        if self._shown:
            thread = threading.Thread(target=self._draw, name="display", daemon=True)
            # Without a thread to draw, the picture is made all the same.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self

    def close(self) -> None:
        """End the drawing, and tell what is left."""
        self._done.set()
        self.wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if self._cursor_hidden:
            self._out.show_cursor()
            self._cursor_hidden = False
        self._tell_all()

    # -- what the engine tells, from many threads ----------------------------------------------

    def started(self, job: Job) -> Watch:
        """Note a picture that is being made."""
        label = f"{job.number} of {self._count}: " if self._count > 1 else ""
        watch = _PictureWatch(job, self, label)
        with self._lock:
            self._begun = True
            self._flying[job.number] = watch
        return watch

    def ended(self, outcome: Outcome) -> None:
        """Tell what became of a picture, at a moment when no live line is in the way."""
        with self._lock:
            self._flying.pop(outcome.job.number, None)
            picture = outcome.picture
            if picture is None:
                self.failures.append(outcome)
                return
            self.pictures[outcome.job.number] = picture
        self._tell_unless_live(lambda: self._tell(picture))

    def warn(self, text: str) -> None:
        """Keep a warning for a moment when no live line is in the way."""
        self._tell_unless_live(lambda: self._out.warn(visible(text)))

    def say(self, text: str) -> None:
        """Say something at a moment when no live line is in the way."""
        self._tell_unless_live(lambda: self._out.note(text))

    def tell_wait(self, label: str, wait: Wait) -> None:
        """Show a pause, and why."""
        self.wake.set()
        if not self._live:
            self._await_table()
            why = f"{_why(wait)}: waiting {wait.seconds:.1f} s ({_tries(wait)})"
            self._out.note(f"{label}{why}")

    def _tell_unless_live(self, tell: Callable[[], None]) -> None:
        with self._lock:
            self._untold.append(tell)
        if not self._live:
            self.wake.set()
            self._await_table()
            self._tell_all()

    def _await_table(self) -> None:
        """Wait until the table stands above the lines that follow."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _tell_all(self) -> None:
        """Print what was not told yet."""
        with self._lock:
            untold, self._untold = self._untold, []
            for tell in untold:
                tell()

    def _tell(self, picture: Picture) -> None:
        """Show what was made: rewritten prompt and reasoning, then dimensions, size and cost."""
        out = self._out
        if not out.quiet:
            if self._shown and (picture.rewritten_prompt or picture.reasoning):
                out.show(_panel(picture))
            out.note(_saved_line(out, picture))
        if self._report == "response":
            self._result(lambda: out.json(picture.response))
        elif self._report == "paths" and picture.path is not None:
            path = str(picture.path)
            self._result(lambda: out.result(path))

    # -- the drawing thread --------------------------------------------------------------------

    def _draw(self) -> None:
        # Whatever goes wrong here, a terminal that went away or a module that cannot be loaded,
        # must not cost the picture, nor show a traceback.
        with suppress(Exception):
            self._draw_all()

    def _draw_all(self) -> None:
        self.wake.wait(_SHOW_AFTER)
        if self._done.is_set() and not self._begun:
            # The run ended before a request was made, for example without a key.
            return
        self._out.stderr_console.print(self._table())
        if not self._live:
            return
        while not self._done.is_set():
            self._cursor_hidden = True
            with self._out.live() as live:
                while not (self._done.is_set() or self._untold):
                    live.update(self._frame())
                    self._done.wait(_FRAME)
            self._cursor_hidden = False
            self._tell_all()

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in request_facts(self._plan):
            table.add_row(name, Text(visible(clip(value, 1000), newlines=True)))
        return table

    def _frame(self) -> Any:
        from rich.console import Group

        with self._lock:
            flying: list[Any] = [self._flying[number] for number in sorted(self._flying)]
        rows = [self._row(watch) for watch in flying[:_ROWS]]
        if not rows:
            rows = [self._spinner("connecting", self._began)]
        if self._count > 1:
            done = len(self.pictures) + len(self.failures)
            text = f"{done:,} of {self._count:,} done, {len(flying)} in flight"
            rows.append(self._spinner(text, self._began))
        return Group(*rows)

    def _row(self, watch: _PictureWatch) -> Any:
        if watch.bytes is not None and watch.wait is None:
            return self._bar(watch.label, *watch.bytes)
        if watch.wait is not None:
            until, wait = watch.wait
            # What moves comes first: a narrow terminal cuts off the end.
            left = max(0.0, until - time.monotonic())
            return self._line(f"{watch.label}{_tries(wait)} in {left:.1f} s: {_why(wait)}")
        return self._spinner(f"{watch.label}{watch.doing}", watch.began)

    def _spinner(self, text: str, since: float) -> Any:
        return self._line(f"{text} {time.monotonic() - since:.1f} s")

    def _line(self, text: str) -> Any:
        from rich.spinner import Spinner
        from rich.text import Text

        name = "line" if self._out.stderr_console.options.ascii_only else "dots"
        spinner = Spinner(name, Text(text))
        spinner.start_time = 0.0
        line = spinner.render(time.monotonic() - self._began)
        assert isinstance(line, Text)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _bar(self, label: str, received: int, total: int | None) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 1, 0, 0))
        bar = ProgressBar(total=total, completed=received, width=30, pulse=total is None)
        of = f" of {human_bytes(total)}" if total else ""
        row.add_row(f"{label}downloading", bar, f"{human_bytes(received)}{of}")
        return row


def request_facts(plan: RequestPlan) -> list[tuple[str, str]]:
    """Return the rows of the table that shows what is asked for before it is made."""
    from zimage_cli.core.request.prices import format_price

    first, target = plan.requests[0], plan.settings.target
    region = target.region_name
    prompts = {one.prompt for one in plan.requests}
    sizes = list(dict.fromkeys(one.size for one in plan.requests))
    seeds = list(dict.fromkeys(one.seed for one in plan.requests))
    more = f" (and {len(prompts) - 1:,} more)" if len(prompts) > 1 else ""
    rows = [
        ("prompt", first.prompt + more),
        ("size", ", ".join(sizes)),
        ("seed", _seeds(seeds)),
        ("prompt_extend", "on" if first.prompt_extend else "off"),
        ("region", "sandbox: no key, no cost, no real picture" if target.is_sandbox else region),
    ]
    if target.api_root is not None:
        origin = target.api_root.removesuffix("/api/v1")
        rows.append(
            ("endpoint", origin if target.endpoint == region else f"{target.endpoint}, {origin}")
        )
    estimate = plan.estimate
    cost = "free" if estimate.free else format_price(estimate.cost)
    if estimate.cost is not None and estimate.pictures > 1:
        cost += f" for {estimate.pictures:,} pictures"
    return [*rows, ("price", cost)]


def _seeds(seeds: list[int | None]) -> str:
    if seeds[0] is None:
        return "left to the service"
    if len(seeds) <= 4:
        return ", ".join(map(str, seeds))
    return f"{seeds[0]} … {seeds[-1]}"


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
    if picture.reasoning:
        parts.append(Text("reasoning", style="bold"))
        parts.append(Text(visible(picture.reasoning, newlines=True), style="dim"))
    return Panel(Group(*parts), title="prompt_extend", title_align="left")


def _saved_line(out: Output, picture: Picture) -> str:
    from zimage_cli.core.request.prices import format_price

    facts = [
        f"{picture.width}×{picture.height}",
        human_bytes(picture.bytes or 0),
        f"{picture.elapsed_seconds or 0.0:.1f} s",
        "sandbox, free" if picture.region == "sandbox" else format_price(picture.cost),
    ]
    if picture.history_id is not None:
        facts.append(f"history {picture.history_id}")
    # On a terminal stdout's line follows, which is the path.
    where = "to standard output" if picture.path is None else visible(str(picture.path))
    path = "" if out.stdout.isatty() else f" {where}:"
    return f"{out.style('saved', '32')}{path} {', '.join(facts)}"
