"""What a run may cost and what it has cost: the estimate, the bound and the amount spent."""

from __future__ import annotations

import threading
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.request.prices import Price, amount_of
from zimage_cli.errors import Billed, BoundReached, UsageError
from zimage_cli.messages import Message, counted

if TYPE_CHECKING:
    from zimage_cli.core.run.tally import Tally

ASK_ABOVE = {"CNY": Decimal(1), "USD": Decimal("0.15")}
"""A run that costs more is asked about first."""


_MOST = Decimal(10**9)
"""Of a bound: an amount with more digits than Python calculates with cannot be told."""


class Estimate(NamedTuple):
    """What a run costs at list price; `cost` is None where no price is known.

    `unpriced` counts pictures without a known price among others that have one. `free`: sandbox.
    """

    pictures: int
    cost: Price | None
    unpriced: int = 0
    free: bool = False

    @property
    def is_much(self) -> bool:
        """Tell whether a person is asked before it is spent."""
        return self.cost is not None and self.cost.amount > ASK_ABOVE[self.cost.currency]

    def refuse_over(self, bound: Decimal | None, host: str | None) -> None:
        """Raise UsageError where it is over `--max-cost`, or nobody knows."""
        if bound is None or self.free:
            return
        if self.cost is None or self.unpriced:
            where = host if self.cost is None else Message("a base_url of the file")
            raise UsageError(
                "--max-cost: no list price is known at {host}. Nothing was sent.",
                field="max_cost",
                host=where,
            )
        if self.cost.amount > bound:
            raise UsageError(
                "{pictures} at {cost} would go over --max-cost {bound}. Nothing was sent.",
                field="max_cost",
                pictures=count_of(self.pictures),
                cost=money(self.cost),
                bound=bound,
                value=str(bound),
            )


def on_the_bill(region: str, billed: Billed) -> Billed:
    """Return whether a picture is on the bill; the sandbox bills nothing."""
    return Billed.NO if region == SANDBOX else billed


def count_of(pictures: int) -> Message:
    """Return a number of pictures in words."""
    return counted(pictures, "{count:,} picture", "{count:,} pictures")


def money(price: Price | None) -> Message:
    """Return an amount for a person: `CNY 12.30`, and `USD 0.165` where that is not all of it."""
    if price is None:
        return Message("unknown at this host")
    cents = round(price.amount, 2)
    amount = cents if cents == price.amount else price.amount.normalize()
    return amount_of(price, f"{amount:f}")


def parse_bound(text: str | None, option: str = "--max-cost") -> Decimal | None:
    """Return an amount that an option gives; None where it was not given. Raises UsageError."""
    if text is None:
        return None
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        raise UsageError(
            "{option}: {value!r} is not an amount; allowed: {allowed}",
            option=option,
            field=option.lstrip("-").replace("-", "_"),
            value=text,
            allowed=Message("a number such as 50"),
        )
    return amount


class Budget:
    """What a run may spend and what it has spent; safe between threads.

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
        """Tell whether so much more is over the bound; the run ends then."""
        if self._bound is None or self._tally.spent + self._reserved + amount <= self._bound:
            return False
        self._tally.fatal = self._tally.fatal or BoundReached(
            "The run stopped at --max-cost {bound}: what was left was not asked for.",
            field="max_cost",
            bound=self._bound,
        )
        return True
