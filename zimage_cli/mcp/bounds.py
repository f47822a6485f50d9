"""What the person who starts the server allows: no tool can change it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MAX_COST = Decimal("1.00")
"""What a server may spend in its life where nothing else is said, in the region's currency."""
CONFIRM_ABOVE = Decimal("0.10")
"""A call that costs more is asked about first."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server may spend, in the currency of its region."""

    max_cost: Decimal = MAX_COST
    confirm_above: Decimal = CONFIRM_ABOVE
