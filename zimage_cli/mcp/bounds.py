"""What the person who starts the server allows: no tool can change it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

MAX_COST = Decimal("1.00")
"""What a server may spend in its life where nothing else is said, in the region's currency."""
CONFIRM_ABOVE = Decimal("0.10")
"""A call that costs more is asked about first."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server may do. Amounts are in the currency of the region; None for settings' own."""

    max_cost: Decimal = MAX_COST
    confirm_above: Decimal = CONFIRM_ABOVE
    output_dir: Path | None = None
    region: str | None = None
    sandbox: bool = False
