"""Whole screens of a batch that is under way, at every width: each number, and what goes first."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.api.retry import Wait
from zimage_cli.cli.batch.progress import Progress
from zimage_cli.cli.batch.view import BatchView
from zimage_cli.cli.output import Output
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.picture import Picture
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.prices import Price
from zimage_cli.core.request.request import Request
from zimage_cli.core.run.forecast import Forecast
from zimage_cli.core.status import Status
from zimage_cli.errors import ConnectionFailed, RefusedError, ThrottledError

REQUEST = Request("a kite", "512*512", 7, prompt_extend=False)
REFUSED = RefusedError("Content moderation refused the prompt.", code="DataInspectionFailed")
ANSWER: Any = None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Screen:
    """A view of 60 pictures on a terminal, and what that shows."""

    def __init__(self, columns: int, **environ: str) -> None:
        pyte = pytest.importorskip("pyte")
        self.stderr = Terminal()
        self.screen = pyte.Screen(columns, 24)
        self.stream = pyte.Stream(self.screen)
        environ = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": "24", **environ}
        out = Output(stdout=Terminal(), stderr=self.stderr, environ=environ)
        forecast = Forecast(6.0, 16, 2.0, lambda: 1000.0)
        self.progress = Progress(60, forecast, Price(Decimal("0.90"), "USD"))
        self.view = BatchView(out, self.progress, json=False)

    @property
    def lines(self) -> list[str]:
        self.view.refresh()
        self.screen.reset()
        self.stream.feed(self.stderr.getvalue().replace("\n", "\r\n"))
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


@pytest.fixture
def screen_of_one() -> Screen:
    """A view of one picture, whose price nobody knows."""
    screen = Screen(80)
    screen.progress = Progress(1, Forecast(6.0, 16, 2.0))
    screen.view.progress = screen.progress
    return screen


def job(line: int) -> Job:
    return Job(line, line, REQUEST, NameTemplate.parse())


def picture(path: str) -> Picture:
    known = {"path": Path(path), "size": "512*512", "region": "singapore", "attempts": 1}
    return Picture(**{one.name: known.get(one.name) for one in fields(Picture)})  # type: ignore[arg-type]


def saved(line: int, path: str) -> Outcome:
    return Outcome(job(line), Status.SAVED, REQUEST, "singapore", "", picture=picture(path))


def at_work(screen: Screen) -> None:
    """Have one of everything: saved, refused, painting, downloading, retrying, connecting."""
    view = screen.view
    watches = {line: view.started(job(line)) for line in range(1, 17)}
    for line in range(1, 11):
        watches[line].sending(1)
    for line in range(3, 10):
        watches[line].sent()
    watches[7].answered(ANSWER, REQUEST)
    slow_down = ThrottledError("Too fast.", code="Throttling.RateQuota")
    for line in (8, 9):
        watches[line].waiting(Wait(5.0, 2, 4, slow_down))
    view.ended(saved(1, "pics/20261123-041500-a-calm-lake-at-dawn-1189429956.png"))
    view.ended(Outcome(job(2), Status.REFUSED, REQUEST, "singapore", "", error=REFUSED))
    screen.progress.tally.spent = Decimal("0.030")


def bar(done: int, room: int) -> str:
    halves = done * room * 2 // 60
    filled = "━" * (halves // 2) + "╸" * (halves % 2)
    return filled + "─" * (room - len(filled))


AT_WORK = {
    40: [
        "✓ line 1: 20261123-041500-a-calm-lake-…",
        "✗ line 2 refused: Content moderation r…",
        f"{bar(2, 20)}  2 of 60  ✓ 1  ✗ 1",
        "about 32 s left · USD 0.03 of 0.90",
        "4 painting · 1 downloading · 2 retrying",
    ],
    80: [
        "✓ line 1: 20261123-041500-a-calm-lake-at-dawn-1189429956.png",
        "✗ line 2 refused: Content moderation refused the prompt. (DataInspectionFailed)",
        f"{bar(2, 60)}  2 of 60  ✓ 1  ✗ 1",
        "about 32 s left · USD 0.03 of 0.90",
        "4 painting · 1 downloading · 2 retrying · 1 connecting",
    ],
    200: [
        "✓ line 1: 20261123-041500-a-calm-lake-at-dawn-1189429956.png",
        "✗ line 2 refused: Content moderation refused the prompt. (DataInspectionFailed)",
        f"{bar(2, 81)}  2 of 60  ✓ 1  ✗ 1",
        "about 32 s left · USD 0.03 of 0.90",
        "4 painting · 1 downloading · 2 retrying · 1 connecting · 50 waiting for their turn",
    ],
}


@pytest.mark.parametrize("columns", AT_WORK)
def test_every_number_of_a_run(columns: int) -> None:
    screen = Screen(columns)
    with screen.view:
        assert screen.lines == [
            f"{bar(0, min(columns - 1, 100) - 9)}  0 of 60",
            "about 36 s left · USD 0.00 of 0.90",
            "60 waiting for their turn",
        ]
        at_work(screen)
        assert screen.lines == AT_WORK[columns]
    assert screen.lines == []


AGAIN = "Ctrl-C again leaves at once"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_while_it_stops_the_number_stays_true(columns: int) -> None:
    screen = Screen(columns)
    with screen.view as view:
        at_work(screen)
        assert len(screen.lines) == 5
        view.stopping()
        told = {
            40: ["stopping: 4 pictures still painting, 1…", AGAIN],
            80: ["stopping: 4 pictures still painting, 1 downloading, 1 connecting", AGAIN],
            200: [f"stopping: 4 pictures still painting, 1 downloading, 1 connecting; {AGAIN}"],
        }
        assert screen.lines[2:] == [AT_WORK[columns][2], *told[columns]]
        for line in (3, 4, 5, 7):
            view.ended(saved(line, f"pics/{line}.png"))
        # What had its turn and was not sent is given up.
        view.started(job(10)).stopped(None)
        narrow = columns == 40
        last = ["stopping: 1 picture still painting", AGAIN]
        assert screen.lines[4:] == (last if narrow else ["; ".join(last)])
        view.ended(saved(6, "pics/6.png"))
        last = ["stopping: nothing is painting any more", AGAIN]
        assert screen.lines[4:] == (last if narrow else ["; ".join(last)])


def test_while_the_service_is_away_nothing_is_connecting() -> None:
    screen = Screen(80)
    with screen.view as view:
        at_work(screen)
        gone = ConnectionFailed("The service could not be reached.")
        view.unreachable(datetime(2026, 1, 1, 14, 2, tzinfo=UTC), gone)
        assert screen.lines == [
            "the service cannot be reached since 14:02; trying again, at most every 30 s;",
            "Ctrl-C stops",
            "  The service could not be reached.",
            *AT_WORK[80][:2],
            "the service cannot be reached since 14:02",
            *AT_WORK[80][2:4],
            "4 painting · 1 downloading · 2 retrying · 51 waiting for their turn",
        ]
        view.reachable(75.0)
        assert screen.lines[3] == "the service can be reached again, after 1 min"
        assert screen.lines[4:] == AT_WORK[80]


def test_the_last_lines_are_those_that_matter(tmp_path: Path) -> None:
    screen = Screen(80)
    with screen.view as view:
        for line in range(1, 9):
            view.ended(saved(line, f"pics/{line}.png"))
        for line in range(11, 19):
            failed = Outcome(job(line), Status.REFUSED, REQUEST, "singapore", "", error=REFUSED)
            view.ended(failed)
        view.warn("line 1: the service said something")
        refused = "refused: Content moderation refused the prompt. (DataInspectionFaile…"
        assert screen.lines == [
            "✓ line 7: 7.png",
            "✓ line 8: 8.png",
            *(f"✗ line {line} {refused}" for line in (16, 17, 18)),
            "line 1: the service said something",
            f"{bar(16, 59)}  16 of 60  ✓ 8  ✗ 8",
            "about 28 s left · USD 0.00 of 0.90 · 2.00/s",
            "44 waiting for their turn",
        ]


def test_what_takes_longer_than_usual_has_no_end_in_sight(screen_of_one: Screen) -> None:
    screen = screen_of_one
    with screen.view as view:
        watch = view.started(job(1))
        watch.sending(1)
        watch.sent()
        assert screen.lines[1:] == ["about 6 s left", "1 painting"]
        watch.painting_since -= 6.5
        assert screen.lines[1:] == ["1 painting"]
        watch.began -= 15.5
        assert screen.lines == ["line 1: painting, 16 s", f"{bar(0, 71)}  0 of 1", "1 painting"]


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}])
def test_failures_are_red_and_successes_dim(environ: dict[str, str]) -> None:
    screen = Screen(80, **environ)
    with screen.view:
        at_work(screen)
        assert len(screen.lines) == 5
    styles = set(re.findall(r"\x1b\[([\d;]*)m", screen.stderr.getvalue()))
    if environ:
        assert styles == set()
    else:
        # Default, bold, dim, red, green, yellow and cyan: readable on light and on dark.
        assert {"2", "31"} <= styles <= {"0", "1", "2", "31", "32", "33", "36"}
