"""How fast a run goes and when it ends: from what is expected to what it was."""

from __future__ import annotations

import pytest

from zimage_cli.core.run.forecast import Forecast


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_anything_has_ended_pace_and_painting_time_tell(clock: Clock) -> None:
    # 16 at a time would be 2.67 a second: the limit is 2.
    forecast = Forecast(6.0, 16, 2.0, clock)
    assert not forecast.measured
    assert forecast.rate == 2.0
    assert forecast.left(60) == 60 / 2 + 6
    # Without a limit, or with few lines, it is the painting.
    assert Forecast(6.0, 16, 0.0, clock).left(60) == pytest.approx(60 / (16 / 6) + 6)
    assert Forecast(6.0, 3, 2.0, clock).rate == 0.5


def test_the_last_ones_take_what_is_left_of_their_painting(clock: Clock) -> None:
    forecast = Forecast(6.0, 16, 2.0, clock)
    assert forecast.left(0) == 0
    assert forecast.left(0, 0.0) == 6.0
    assert forecast.left(0, 4.0) == 2.0
    assert forecast.left(0, 9.0) == 0.0
    # What is not sent yet takes all of it.
    assert forecast.left(4, 4.0) == 4 / 2 + 6


def test_what_has_ended_counts_more_and_more(clock: Clock) -> None:
    forecast = Forecast(6.0, 16, 2.0, clock)
    clock.now += 6
    for _ in range(40):
        clock.now += 1
        forecast.ended(3.0)
    assert forecast.measured
    assert 1.0 < forecast.rate < 1.1
    assert 3.0 < forecast.seconds < 3.2
    # A minute later only the last minute counts.
    clock.now += 50
    assert 0.15 < forecast.rate < 0.25
    clock.now += 60
    assert not forecast.measured
    assert forecast.rate < 0.1


def test_a_burst_is_not_faster_than_the_limit(clock: Clock) -> None:
    forecast = Forecast(6.0, 16, 2.0, clock)
    clock.now += 5
    for _ in range(16):
        forecast.ended(None)
    assert forecast.rate == 2.0


def test_a_service_that_is_faster_than_expected_is_soon_believed(clock: Clock) -> None:
    forecast = Forecast(6.0, 4, 0.0, clock)
    for _ in range(80):
        clock.now += 0.05
        forecast.ended(0.2)
    assert 10 < forecast.rate < 22
    assert forecast.left(100) < 11
