"""What a batch run is asked for, what it has come to, and who sees it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zimage_cli.core.batch import state as states
from zimage_cli.core.observer import Observer

if TYPE_CHECKING:
    from zimage_cli.api.errors import ConnectionFailed, ZimageError
    from zimage_cli.core.batch.plan import Item
    from zimage_cli.core.batch.state import State

SAVED, FAILED, LOST, SKIPPED = "saved", "failed", "lost", "skipped"

PATIENCE = 3600.0
"""Seconds that a run waits for a service that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a batch is run. `max_cost` is in the region's currency; None is no bound."""

    concurrency: int = 16
    retry_failed: bool = False
    retry_lost: bool = False
    no_seed: bool = False
    max_cost: Decimal | None = None
    patience: float = PATIENCE


@dataclass(slots=True)
class Tally:
    """What a run has come to. `spent` is list price: what was made, and what may have been."""

    saved: int = 0
    failed: int = 0
    lost: int = 0
    skipped: int = 0
    sent: int = 0
    spent: Decimal = Decimal(0)
    causes: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    fatal: ZimageError | None = None
    over_budget: bool = False
    skipped_failed: list[int] = field(default_factory=list)
    """Lines that failed in an earlier run and are left; so `skipped_lost`."""
    unfetched: int = 0
    """Failures that are paid: the next run fetches them."""
    printed: int = 0
    """Failures that are paid and whose address could only be printed: no file took it."""
    skipped_lost: list[int] = field(default_factory=list)


class View:
    """Sees a batch run. Every method may be left as it is; they are called from many threads."""

    def started(self, item: Item) -> Observer:  # noqa: ARG002
        """Note that a line is being made; return who watches it."""
        return Observer()

    def ended(self, item: Item, record: dict[str, Any]) -> None:
        """Note that a line has ended."""

    def warn(self, text: str) -> None:
        """Say what is worth knowing and stops nothing."""

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Note that the service cannot be reached: everything waits until it can."""

    def reachable(self, seconds: float) -> None:
        """Note that the service can be reached again, after so many seconds."""

    def address(self, line: int, command: str) -> None:
        """Tell how to fetch a picture that is paid and whose address no file took."""


def decide(state: State, options: Options) -> str:
    """Return what a run does with a picture: `new`, `fetch`, or a kind of state it leaves alone."""
    if state.kind == states.FAILED and options.retry_failed:
        return states.NEW
    if state.kind == states.LOST and options.retry_lost:
        return states.NEW
    return state.kind


class Budget:
    """What a run may spend, and what it has: safe between threads.

    The price of a picture is set aside before it is asked for, so that what is in flight counts.
    """

    def __init__(self, tally: Tally, bound: Decimal | None) -> None:
        self._tally = tally
        self._bound = bound
        self._reserved = Decimal(0)
        self._lock = threading.Lock()

    def reserve(self, amount: Decimal) -> bool:
        """Set the price of a picture aside; False where that is too much."""
        with self._lock:
            if self._over(amount):
                return False
            self._reserved += amount
            self._tally.sent += 1
            return True

    def settle(self, amount: Decimal, *, billed: bool) -> None:
        """Give back what was set aside for a picture, spent or not."""
        with self._lock:
            self._reserved -= amount
            if billed:
                self._tally.spent += amount

    def spend(self, amount: Decimal) -> bool:
        """Note a try that may be billed and is made again; False where that is too much."""
        with self._lock:
            self._tally.spent += amount
            return not self._over(Decimal(0))

    def _over(self, amount: Decimal) -> bool:
        over = self._bound is not None and self._tally.spent + self._reserved + amount > self._bound
        self._tally.over_budget |= over
        return over
