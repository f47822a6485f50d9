"""How a run is made, and what it has come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, BoundReached, ZimageError

if TYPE_CHECKING:
    from zimage_cli.core.outcome import Outcome

CONCURRENCY = 16
"""Pictures in flight at most: the service takes up to 10 s for one, and 2 requests a second."""

PATIENCE = 3600.0
"""Seconds that a batch waits for a service that cannot be reached."""

NOT_SAVED = (Status.REFUSED, Status.FAILED, Status.MADE, Status.LOST)


class RunOptions(NamedTuple):
    """How a run is made. `max_cost` is in the region's currency; None is no bound.

    `patience` is how many seconds it waits for a service that cannot be reached; None does not
    wait, and the first picture that cannot be asked for ends the run.
    """

    concurrency: int = CONCURRENCY
    retry_failed: bool = False
    retry_lost: bool = False
    max_cost: Decimal | None = None
    patience: float | None = PATIENCE


@dataclass(slots=True, eq=False, repr=False)
class Tally:
    """What a run has come to. `spent` is list price: what was made, and what may have been."""

    counts: Counter[Status] = field(default_factory=Counter)
    billed: Counter[Billed] = field(default_factory=Counter)
    """What was asked for in this run, by whether it is on the bill."""
    sent: int = 0
    spent: Decimal = Decimal(0)
    causes: dict[tuple[Status, str], list[int]] = field(default_factory=dict)
    """The lines that were not saved, by what became of them and the error's code or type."""
    fatal: ZimageError | None = None
    """What ended the run before its time."""
    left: dict[Status, list[int]] = field(default_factory=dict)
    """Lines that an earlier run did not save and this one leaves alone, by what became of them."""
    printed: int = 0
    """Of those made and not saved: how many addresses no file took, so that they were printed."""
    over: int = 0
    """Of those made and not saved: how many addresses storage itself refuses."""

    @property
    def over_budget(self) -> bool:
        """Tell whether the run ended at its `--max-cost`."""
        return isinstance(self.fatal, BoundReached)

    @property
    def saved(self) -> int:
        """How many pictures are on disk that were not before."""
        return self.counts[Status.SAVED]

    @property
    def not_saved(self) -> int:
        """How many were tried and are not on disk."""
        return sum(self.counts[status] for status in NOT_SAVED)

    @property
    def ended(self) -> int:
        """How many have come to their end, those left alone too."""
        return self.counts.total()

    def note(self, outcome: Outcome) -> None:
        """Add an outcome; not safe between threads."""
        self.counts[outcome.status] += 1
        if outcome.error is not None:
            cause = outcome.error.code or outcome.error.kind
            self.causes.setdefault((outcome.status, cause), []).append(outcome.job.line)
        if outcome.status is Status.MADE:
            from zimage_cli.api.download import AddressOver

            self.over += isinstance(outcome.error, AddressOver)

    def document(self, pictures: int, currency: str | None) -> dict[str, Any]:
        """Return the counts as JSON has them; `pictures` is how many there are in all."""
        names = (Status.SAVED, *NOT_SAVED, Status.SKIPPED)
        return {
            "pictures": pictures,
            **{status.value: self.counts[status] for status in names},
            "left": pictures - self.ended,
            "billed": {kind.value: self.billed[kind] for kind in (Billed.YES, Billed.MAYBE)},
            "cost": {"amount": str(self.spent) if currency else None, "currency": currency},
        }
