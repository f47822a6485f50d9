"""What is said and drawn of pictures, function by function; whole screens: test_terminal.py."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest

from zimage_cli.cli.generate.cards import share
from zimage_cli.cli.generate.display import Display
from zimage_cli.cli.generate.facts import human_bytes, usually
from zimage_cli.cli.output import Output
from zimage_cli.cli.view import CONNECTING, TURN
from zimage_cli.core.history.usual import Usual
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.request import Request
from zimage_cli.core.status import Status


def test_the_bar_of_a_guess_is_never_full_and_never_goes_back() -> None:
    shares = [share(tenth / 10, 4.0) for tenth in range(10_000)]
    assert shares == sorted(shares)
    assert shares[40] == pytest.approx(0.85)
    assert shares[20] == pytest.approx(0.425)
    assert shares[-1] < 0.97
    assert share(3.0, 0.0) < 0.97


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (4.1, 7.9, "(usually 4–8 s)"),
        (4.6, 5.4, "(usually 5 s)"),
        (0.1, 0.3, "(usually under 1 s)"),
        (0.2, 2.2, "(usually up to 2 s)"),
        (9.0, 71.0, "(usually 9–71 s)"),
    ],
)
def test_how_long_it_usually_takes(low: float, high: float, words: str) -> None:
    assert usually(Usual(low, (low + high) / 2, high)) == words
    assert usually(None) == ""


def test_lengths() -> None:
    assert [*map(human_bytes, (0, 999, 1000, 409_600, 999_999, 1_400_000))] == [
        *("0 B", "999 B", "1 kB", "410 kB", "1000 kB", "1.4 MB")
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def until(self, word: str) -> None:
        """Wait until the last thing that was drawn over an erased line holds a word, or nothing."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            _, erased, after = self.getvalue().rpartition("\x1b[2K")
            if erased and (word in after if word else not after):
                return
            time.sleep(0.01)
        raise AssertionError(self.getvalue()[-200:])


def test_a_picture_that_has_ended_is_not_said_to_be_connecting() -> None:
    request = Request("a kite", "512*512", 7, prompt_extend=False)
    job = Job(1, 1, request, NameTemplate.parse())
    nowhere = SimpleNamespace(history_file=lambda: None)
    settings = SimpleNamespace(
        environment=nowhere,
        target=SimpleNamespace(region_name="custom"),
        preview=SimpleNamespace(value="off"),
    )
    plan: Any = SimpleNamespace(requests=(request,), settings=settings)
    terminal = Terminal()
    out = Output(stdout=Terminal(), stderr=terminal, environ={"TERM": "xterm", "COLUMNS": "80"})
    with Display(out, plan, "paths", introduced=True) as display:
        display.started(job)
        display.wake.set()
        terminal.until(TURN)
        display.ended(Outcome(job, Status.FAILED, request, "custom", ""))
        terminal.until("")
        display.close()
    assert CONNECTING not in terminal.getvalue()
