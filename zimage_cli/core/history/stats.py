"""What was made, lost and paid, added up."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.history.entry import moment, price_of
from zimage_cli.core.history.query import STATUSES
from zimage_cli.core.status import Status

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.history.history import History
    from zimage_cli.core.history.query import Query
    from zimage_cli.core.request.prices import Price

GROUPS = ("day", "month", "region", "size", "status")

_MADE = (Status.SAVED, Status.MADE)
_FAILED = (Status.FAILED, Status.REFUSED)


class Cost(NamedTuple):
    """List prices of one currency: of what was made, and `up_to` with what was lost.

    What was lost may have been billed.
    """

    currency: str
    amount: Decimal
    up_to: Decimal


@dataclass
class Group:
    """Pictures that have something in common; `name` is what, None where that is not known."""

    name: str | None
    statuses: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    """Of the files that were saved."""
    _prices: Counter[tuple[Price, bool]] = field(default_factory=Counter)
    _seconds: array[float] = field(default_factory=lambda: array("d"))
    """8 bytes a picture: a median needs them all."""

    @property
    def made(self) -> int:
        """Pictures that were made, saved or not."""
        return sum(self.statuses[one] for one in _MADE)

    @property
    def failed(self) -> int:
        """Pictures that were not made and not billed, those that were refused too."""
        return sum(self.statuses[one] for one in _FAILED)

    @property
    def lost(self) -> int:
        """Pictures that may have been made and billed."""
        return self.statuses[Status.LOST]

    @property
    def cost(self) -> list[Cost]:
        """What it has cost at list price, by currency: amounts of two are never added."""
        sums: dict[str, list[Decimal]] = {}
        for (price, sure), count in self._prices.items():
            amount = price.amount * count
            both = sums.setdefault(price.currency, [Decimal(0), Decimal(0)])
            both[0] += amount if sure else amount * 0
            both[1] += amount
        return [Cost(currency, *both) for currency, both in sorted(sums.items())]

    def seconds(self, share: float) -> float | None:
        """Return the seconds in which so large a share of the saved pictures was there.

        None where none is known.
        """
        found = sorted(self._seconds)
        return found[math.ceil(len(found) * share) - 1] if found else None

    def add(self, status: str, price: Price | None, alike: _Alike) -> None:
        """Add pictures of one status and price."""
        self.statuses[status] += alike.count
        if price is not None and (status in _MADE or status == Status.LOST):
            self._prices[price, status != Status.LOST] += alike.count
        if status == Status.SAVED:
            self.bytes += alike.bytes
            self._seconds.extend(alike.seconds)


class _Alike:
    """Pictures of one group, status and price."""

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self.seconds = array("d")


class Stats(NamedTuple):
    """All pictures together, and by group, where groups were wanted."""

    total: Group
    groups: list[Group]


def stats(book: History | None, query: Query, by: str | None = None) -> Stats:
    """Add up what matches: by local `day` or `month`, by `region`, `size` or `status`, or as one.

    Days and months come in their order, and others with most pictures first.
    """
    total, groups = Group(None), dict[str | None, Group]()
    found = {} if book is None else book.read(lambda db: _read(db, query, by))
    for (name, status, currency, amount), alike in found.items():
        price = price_of(amount, currency)
        for group in (total, groups.setdefault(name, Group(name)) if by is not None else None):
            if group is not None:
                group.add(str(status), price, alike)
    return Stats(total, sorted(groups.values(), key=lambda group: _place(by, group)))


def _read(db: sqlite3.Connection, query: Query, by: str | None) -> dict[tuple[Any, ...], _Alike]:
    """Return the pictures that match by (group, status, currency, amount)."""
    where, values = query.where(db)
    dated = by in {"day", "month"}
    column = "substr(created_at, 1, 16)" if dated else by or "NULL"
    select = (
        f"SELECT {column}, status, cost_currency, cost_amount, bytes, elapsed_seconds "  # noqa: S608
        f"FROM generation {where}"
    )
    found: dict[tuple[Any, ...], _Alike] = {}
    days: dict[object, str | None] = {}
    # This runs once a row: what is worked out is worked out once a minute, or once a group.
    for key, status, currency, amount, size, seconds in db.execute(select, values):
        if dated and key not in days:
            days[key] = _local(key, 10 if by == "day" else 7)
        name = days[key] if dated else key if isinstance(key, str) else None
        alike = found.get((name, status, currency, amount))
        if alike is None:
            alike = found[name, status, currency, amount] = _Alike()
        alike.count += 1
        if type(size) is int:
            alike.bytes += size
        # A recovered one has no time of its own.
        if type(seconds) is float and 0 < seconds < math.inf:
            alike.seconds.append(seconds)
    return found


def _local(minute: object, letters: int) -> str | None:
    """Return the first letters of a local date."""
    when = moment(f"{minute}+00:00")
    try:
        return when.astimezone().isoformat()[:letters] if when else None
    except (OverflowError, OSError):
        return None


def _place(by: str | None, group: Group) -> tuple[object, ...]:
    if by in {"day", "month"}:
        return (group.name is None, group.name or "")
    if by == "status":
        place = STATUSES.index(group.name) if group.name in STATUSES else len(STATUSES)
        return (place, group.name or "")
    return (-group.made, -sum(group.statuses.values()), group.name or "")
