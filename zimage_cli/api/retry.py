"""When the same call is sent again, and after how long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from zimage_cli.api import limits
from zimage_cli.errors import AnswerLost, ZimageError

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
    tries = 0
    while True:
        tries += 1
        try:
            return attempt()
        except ZimageError as error:
            if not _again(error, tries, policy):
                raise
            failed = error
        seconds = _seconds(failed, tries, policy)
        on_wait(Wait(seconds, tries + 1, _most(failed, policy) + 1, failed))
        sleep(seconds)


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


def _seconds(error: ZimageError, tries: int, policy: Policy) -> float:
    """Return how long to wait after the n-th try: full jitter, so that many do not come at once."""
    if error.retry_after is not None:
        return error.retry_after
    base, least = {
        "burst": (limits.BURST_WAIT_BASE, 0.0),
        "quota": (limits.QUOTA_WAIT_BASE, limits.QUOTA_WAIT_LEAST),
    }.get(error.pace or "normal", (policy.wait_base, 0.0))
    most = min(policy.wait_max, base * 2.0 ** (tries - 1))
    # Not from `random`: loading it takes as long as this whole module.
    share = int.from_bytes(os.urandom(4), "big") / 2**32
    return least + share * max(0.0, most - least)
