"""When the same call is sent again, and after how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from zimage_cli.api import limits
from zimage_cli.api.errors import AnswerLost, ZimageError

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


class Policy(NamedTuple):
    """How often, and how long to wait. Times in seconds.

    `retry_lost` sends a call again although its first try may have been made and billed.
    """

    retries: int = limits.RETRIES
    retry_lost: bool = False
    wait_base: float = limits.WAIT_BASE
    wait_max: float = limits.WAIT_MAX


class Wait(NamedTuple):
    """A pause before another try: how long in seconds, which try comes next, and why."""

    seconds: float
    next_try: int
    of: int
    error: ZimageError


def run(
    attempt: Callable[[], T],
    policy: Policy,
    *,
    on_wait: Callable[[Wait], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `attempt` until it succeeds, fails for good, or the policy's retries are used up.

    Waits are Retry-After where the service gave one (one over 120 s ends the tries), else
    exponential with full jitter. Raises the last error.
    """
    try:
        return attempt()
    except ZimageError as first:
        if not _again(first, 1, policy):
            raise
        return _rest(first, attempt, policy, on_wait, sleep)


def _rest(
    first: ZimageError,
    attempt: Callable[[], T],
    policy: Policy,
    on_wait: Callable[[Wait], None],
    sleep: Callable[[float], None],
) -> T:
    # Only a call that has failed pays for the import.
    import tenacity

    pending: list[ZimageError] = [first]

    def attempt_or_first() -> T:
        if pending:
            raise pending.pop()
        return attempt()

    def stop(state: RetryCallState) -> bool:
        error = _error_of(state)
        return error is None or not _again(error, state.attempt_number, policy)

    def announce(state: RetryCallState) -> None:
        error = _error_of(state)
        if error is not None:
            number = state.attempt_number + 1
            on_wait(Wait(state.upcoming_sleep, number, _most(error, policy) + 1, error))

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ZimageError),
        stop=stop,
        wait=lambda state: _seconds(state, policy),
        before_sleep=announce,
        sleep=sleep,
        reraise=True,
    )
    return retrying(attempt_or_first)


def _error_of(state: RetryCallState) -> ZimageError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ZimageError) else None


def _again(error: ZimageError, tries: int, policy: Policy) -> bool:
    """Tell whether a call that failed with `error` on its n-th try is sent again."""
    if isinstance(error, AnswerLost):
        return policy.retry_lost and tries <= policy.retries
    if error.pace is None or (error.retry_after or 0) > limits.RETRY_AFTER_MAX:
        return False
    return tries <= _most(error, policy)


def _most(error: ZimageError, policy: Policy) -> int:
    """Return how often at most a call that failed so is sent again."""
    return min(policy.retries, limits.QUOTA_RETRIES) if error.pace == "quota" else policy.retries


def _seconds(state: RetryCallState, policy: Policy) -> float:
    from tenacity import wait_random_exponential

    error = _error_of(state)
    if error is not None and error.retry_after is not None:
        return error.retry_after
    base, least = {
        "burst": (limits.BURST_WAIT_BASE, 0.0),
        "quota": (limits.QUOTA_WAIT_BASE, limits.QUOTA_WAIT_LEAST),
    }.get((error.pace if error else None) or "normal", (policy.wait_base, 0.0))
    wait = wait_random_exponential(multiplier=base, max=policy.wait_max, min=least)
    return wait(state)
