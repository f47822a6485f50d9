"""The purse: what a server may spend in its life, what it has spent, and what is set aside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zimage_cli.core.request.prices import Price, cost, list_price
from zimage_cli.core.run.money import Estimate, count_of, money
from zimage_cli.errors import BoundReached, ZimageError

if TYPE_CHECKING:
    from zimage_cli.client import Client
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.run.plan import Plan
    from zimage_cli.core.run.run import Run
    from zimage_cli.core.settings.resolver import Target

ASK_THE_PERSON = (
    "Do not try again: ask the person. They allow more with --max-cost where this server is set up."
)


class Purse:
    """What a server may spend in its life: `bound`, in the currency of its region.

    What is about to be asked for is set aside first, so that calls side by side cannot spend the
    same money. What was asked for and not billed is given back; what may be billed is spent. The
    sandbox costs nothing. Safe between threads.
    """

    def __init__(self, bound: Decimal, target: Target) -> None:
        self._bound = bound
        self._host = target.host
        price = list_price(target.region_name, prompt_extend=False)
        self._currency = price.currency if price else None
        self._settled = Decimal("0.00")
        self._held: set[Hold] = set()
        self._lock = threading.Lock()

    @property
    def bound(self) -> Price | None:
        """What may be spent in all; None where no price is known, and in the sandbox."""
        return self._price(self._bound)

    @property
    def spent(self) -> Price | None:
        """What was billed, or may have been, so far."""
        with self._lock:
            return self._price(self._settled + sum(hold.spent for hold in self._held))

    @property
    def left(self) -> Price | None:
        """What may still be asked for: what is set aside is taken off."""
        with self._lock:
            return self._price(self._left())

    @property
    def document(self) -> dict[str, Any]:
        """What every result of a tool that spends says."""
        return {"spent": cost(self.spent), "left": cost(self.left)}

    def check(self, estimate: Estimate) -> None:
        """Raise BoundReached where so much is over what is left, or nobody knows."""
        with self._lock:
            self._check(estimate)

    def hold(self, estimate: Estimate) -> Hold:
        """Set aside what a run will cost at most. Raises BoundReached as `check` does."""
        with self._lock:
            self._check(estimate)
            hold = Hold(self, _amount(estimate))
            self._held.add(hold)
            return hold

    def settle(self, hold: Hold, spent: Decimal) -> None:
        """Give back what of it was not spent; a second time changes nothing."""
        with self._lock:
            if hold in self._held:
                self._held.remove(hold)
                self._settled += spent

    def _left(self) -> Decimal:
        return self._bound - self._settled - sum(hold.amount for hold in self._held)

    def _check(self, estimate: Estimate) -> None:
        if estimate.free:
            return
        if estimate.cost is None or estimate.unpriced:
            raise BoundReached(
                "No list price is known at {host}, so that --max-cost {bound} cannot be kept. "
                "Nothing was sent.",
                hint="This server makes pictures in a region, or in the sandbox: ask the person.",
                field="max_cost",
                host=self._host or "a base_url",
                bound=self._bound,
            )
        left = self._left()
        if estimate.cost.amount > left:
            raise BoundReached(
                "{pictures} at {cost} would go over what is left: {left} of --max-cost {bound}. "
                "Nothing was sent.",
                hint=ASK_THE_PERSON,
                field="max_cost",
                pictures=count_of(estimate.pictures),
                cost=money(estimate.cost),
                left=money(self._price(left)),
                bound=self._bound,
            )

    def _price(self, amount: Decimal) -> Price | None:
        return Price(amount, self._currency) if self._currency else None


class Hold:
    """Money set aside for a run. It is settled once; later calls change nothing."""

    def __init__(self, purse: Purse, amount: Decimal) -> None:
        self.amount = amount
        self._purse = purse
        self._run: Run | None = None

    @property
    def spent(self) -> Decimal:
        """What of it is spent already."""
        return self._run.tally.spent if self._run is not None else Decimal(0)

    def settle(self, spent: Decimal) -> None:
        """Give back what was not spent."""
        self._purse.settle(self, spent)

    def start(
        self,
        client: Client,
        plan: Plan,
        watcher: Watcher,
        on_end: Callable[[], None] = lambda: None,
    ) -> Run:
        """Begin the run that this was set aside for; at its end it is settled, whoever waits.

        `on_end` is called after that, in a thread. Raises what `Client.start` raises.
        """
        known = threading.Event()

        def ended() -> None:
            known.wait()
            self._settle_by_run()
            on_end()

        try:
            self._run = client.start(plan, watcher, ended)
        except BaseException:
            self.settle(Decimal(0))
            raise
        finally:
            known.set()
        return self._run

    def stop(self) -> None:
        """Have the run send nothing more: what is in flight is saved, and then it is settled."""
        if self._run is None:
            self.settle(Decimal(0))
        else:
            self._run.stop()

    def outcome(self) -> ZimageError | None:
        """Return what ended the run before its time, once it has ended. Raises a bug of ours."""
        assert self._run is not None
        self._run.wait()
        return self._run.fatal

    def _settle_by_run(self) -> None:
        assert self._run is not None
        try:
            self._run.wait(0)
        except BaseException:  # noqa: BLE001 - `outcome` raises it, where it is looked for
            # A bug: what was in flight may be billed.
            self.settle(self.amount)
        self.settle(self._run.tally.spent)


def _amount(estimate: Estimate) -> Decimal:
    return Decimal(0) if estimate.cost is None or estimate.free else estimate.cost.amount
