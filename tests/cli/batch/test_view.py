"""The live view of a batch: what cannot be drawn ends no run, and the cursor is shown again."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from zimage_cli.cli.batch.progress import Progress
from zimage_cli.cli.batch.view import BatchView
from zimage_cli.cli.output import Output
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.prices import Price
from zimage_cli.core.request.request import Request
from zimage_cli.core.run.forecast import Forecast
from zimage_cli.core.status import Status
from zimage_cli.errors import ConnectionFailed

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """A terminal that fails once, with `error`, after so many writes."""

    def __init__(self, error: Exception, after: int) -> None:
        super().__init__()
        self.error = error
        self.left = after

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return super().write(text)


def progress(pictures: int, cost: Price | None = None) -> Progress:
    return Progress(pictures, Forecast(6.0, 16, 2.0), cost)


def job(line: int) -> Job:
    request = Request("a kite", "512*512", 7, prompt_extend=False)
    return Job(line, line, request, NameTemplate.parse())


@pytest.mark.parametrize("after", range(1, 8))
@pytest.mark.parametrize("error", [OSError(5, "gone"), ValueError("no such cell"), MemoryError()])
def test_what_cannot_be_drawn_ends_the_view_alone(error: Exception, after: int) -> None:
    stderr = Terminal(error, after)
    out = Output(stderr=stderr, environ={"TERM": "xterm"})
    with BatchView(out, progress(3), json=False) as view:
        view.refresh()
        view.say("one")
        view.refresh()
        view.unreachable(datetime(2026, 1, 1, 14, 2, tzinfo=UTC), ConnectionFailed("no route"))
        view.refresh()
        view.say("two")
    text = stderr.getvalue()
    assert stderr.left <= 0
    assert text.rfind(SHOW) >= text.rfind(HIDE)


def test_an_address_that_nothing_else_knows_is_printed_even_when_quiet() -> None:
    stderr = io.StringIO()
    with BatchView(Output(quiet=True, stderr=stderr), progress(1), json=False) as view:
        view.address(job(3), "curl -o a.png 'https://host/a.png?Signature=s'")
        view.say("not this")
    assert stderr.getvalue() == (
        "line 3: made and paid, to be fetched within 24 hours: "
        "curl -o a.png 'https://host/a.png?Signature=s'\n"
    )


def test_a_lost_standard_output_is_kept_and_told_on() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    told: list[Any] = []
    out = Output(stdout=Closed(), stderr=io.StringIO())
    with BatchView(out, progress(2), json=True) as view:
        view.on_lost = lambda: told.append(1)
        for number in (1, 2):
            one = job(number)
            view.ended(Outcome(one, Status.SKIPPED, one.request, "custom", "http://127.0.0.1"))
    assert getattr(view.lost, "exit_code", None) == 141
    assert told
