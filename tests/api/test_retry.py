from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest

from zimage_cli.api import limits
from zimage_cli.api.retry import Policy, Wait, run
from zimage_cli.errors import AnswerLost, ConnectionFailed, ServiceError, ThrottledError


class Call:
    """Fails with the given errors in turn, then succeeds; keeps what it sees."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.tries = 0
        self.slept: list[float] = []
        self.waits: list[Wait] = []

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "picture"

    def run(self, policy: Policy = Policy(), **options: Any) -> str:  # noqa: B008 - frozen
        return run(self, policy, on_wait=self.waits.append, sleep=self.slept.append, **options)


def failing(pace: Any = "normal", retry_after: float | None = None) -> ServiceError:
    return ServiceError("failed", pace=pace, retry_after=retry_after)


def test_a_call_that_succeeds_is_made_once() -> None:
    call = Call()
    assert call.run() == "picture"
    assert (call.tries, call.slept, call.waits) == (1, [], [])


@pytest.mark.parametrize("retries", [0, 1, 4, 7])
@pytest.mark.parametrize("pace", ["normal", "burst"])
def test_how_often(retries: int, pace: str) -> None:
    call = Call(*[failing(pace) for _ in range(retries)])
    assert call.run(Policy(retries)) == "picture"
    errors = [failing(pace) for _ in range(retries + 1)]
    call = Call(*errors)
    with pytest.raises(ServiceError) as caught:
        call.run(Policy(retries))
    assert caught.value is errors[-1]
    assert call.tries == retries + 1
    assert len(call.slept) == retries


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (2, 3), (4, 3), (100, 3)])
def test_a_quota_is_tried_few_times(retries: int, tries: int) -> None:
    call = Call(*[failing("quota") for _ in range(10)])
    with pytest.raises(ServiceError):
        call.run(Policy(retries))
    assert call.tries == tries
    # What is said while waiting is what will happen.
    assert [(wait.next_try, wait.of) for wait in call.waits] == [
        (number, tries) for number in range(2, tries + 1)
    ]


def test_the_default_is_four_retries() -> None:
    call = Call(*[failing() for _ in range(10)])
    with pytest.raises(ServiceError):
        call.run()
    assert call.tries == 5


def test_what_is_not_to_be_sent_again_is_not() -> None:
    for error in (failing(None), failing(None, retry_after=1.0), AnswerLost("lost")):
        call = Call(error)
        with pytest.raises(type(error)):
            call.run(Policy(9))
        assert call.tries == 1
        assert call.waits == []


def test_a_lost_answer_is_sent_again_where_it_is_allowed() -> None:
    call = Call(AnswerLost("one"), failing(), AnswerLost("two"))
    assert call.run(Policy(4, retry_lost=True)) == "picture"
    assert call.tries == 4
    call = Call(*[AnswerLost("lost") for _ in range(9)])
    with pytest.raises(AnswerLost):
        call.run(Policy(2, retry_lost=True))
    assert call.tries == 3
    call = Call(AnswerLost("lost"))
    with pytest.raises(AnswerLost):
        call.run(Policy(0, retry_lost=True))


def test_a_lost_answer_after_an_ordinary_failure_ends_it() -> None:
    call = Call(ConnectionFailed("x", pace="normal"), failing(), AnswerLost("lost"), failing())
    with pytest.raises(AnswerLost):
        call.run(Policy(9))
    assert call.tries == 3


@pytest.mark.parametrize("seconds", [0.0, 0.5, 7.0, 119.0, 120.0])
def test_retry_after_is_honoured_exactly(seconds: float) -> None:
    call = Call(*[failing(pace, seconds) for pace in ("quota", "normal", "burst")])
    call.run(Policy(4, wait_base=50.0))
    assert call.slept == [seconds] * 3
    assert [wait.seconds for wait in call.waits] == [seconds] * 3


@pytest.mark.parametrize("seconds", [120.001, 3600.0, float("inf")])
def test_a_retry_after_of_over_120_seconds_ends_the_tries(seconds: float) -> None:
    call = Call(failing(), failing("normal", seconds), failing())
    with pytest.raises(ServiceError) as caught:
        call.run()
    assert caught.value.retry_after == seconds
    assert call.tries == 2


def test_what_is_said_while_waiting() -> None:
    errors = [failing(), ThrottledError("slow", pace="burst"), failing()]
    call = Call(*errors)
    call.run(Policy(5))
    assert [wait.next_try for wait in call.waits] == [2, 3, 4]
    assert {wait.of for wait in call.waits} == {6}
    assert [wait.error for wait in call.waits] == errors
    assert [wait.seconds for wait in call.waits] == call.slept


def waits_of(errors: Callable[[], list[ServiceError]], policy: Policy) -> list[list[float]]:
    found = []
    for _ in range(300):
        call = Call(*errors())
        call.run(policy)
        found.append(call.slept)
    return [list(column) for column in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("pace", "base", "least", "count"),
    [
        ("normal", limits.WAIT_BASE, 0.0, 4),
        ("burst", limits.BURST_WAIT_BASE, 0.0, 4),
        ("quota", limits.QUOTA_WAIT_BASE, limits.QUOTA_WAIT_LEAST, 2),
    ],
)
def test_waits_are_exponential_with_full_jitter(
    pace: str, base: float, least: float, count: int
) -> None:
    columns = waits_of(lambda: [failing(pace) for _ in range(count)], Policy(4))
    for number, waits in enumerate(columns):
        most = min(base * 2**number, limits.WAIT_MAX)
        span = most - least
        assert least <= min(waits) < least + span * 0.2
        assert least + span * 0.8 < max(waits) <= most
        assert least + span * 0.4 < statistics.fmean(waits) < least + span * 0.6


def test_no_wait_is_longer_than_the_most() -> None:
    columns = waits_of(lambda: [failing() for _ in range(12)], Policy(12, wait_max=3.0))
    assert max(map(max, columns)) <= 3.0
    columns = waits_of(lambda: [failing()], Policy(wait_base=0.01))
    assert max(columns[0]) <= 0.01


@pytest.mark.parametrize("where", ["sleep", "on_wait", "attempt"])
def test_an_interrupt_passes_through(where: str) -> None:
    def interrupt(*_: object) -> Any:
        raise KeyboardInterrupt

    call = Call(failing(), *([KeyboardInterrupt()] if where == "attempt" else []))
    with pytest.raises(KeyboardInterrupt):
        run(
            call,
            Policy(),
            on_wait=interrupt if where == "on_wait" else lambda _: None,
            sleep=interrupt if where == "sleep" else lambda _: None,
        )
    assert call.tries == (2 if where == "attempt" else 1)


@pytest.mark.parametrize("error", [ValueError("bug"), OSError("disk"), RuntimeError("x")])
def test_what_is_no_error_of_ours_passes_through_at_once(error: Exception) -> None:
    for before in ([], [failing()]):
        call = Call(*before, error, failing())
        with pytest.raises(type(error)):
            call.run()
        assert call.tries == 1 + len(before)
