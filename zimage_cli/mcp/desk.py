"""What the tools of one server share."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from zimage_cli.mcp.money import Purse

if TYPE_CHECKING:
    from zimage_cli.client import Client
    from zimage_cli.core.run.money import Estimate
    from zimage_cli.mcp.bounds import Bounds

_MANY = 100
"""Questions that may be open at once; the oldest is forgotten first."""


class Questions:
    """Questions that are open: each may be answered once, and so be paid for once."""

    def __init__(self) -> None:
        self._open: dict[str, Estimate] = {}

    def ask(self, estimate: Estimate) -> str:
        """Note a question and return its name, which nobody can guess."""
        while len(self._open) >= _MANY:
            self._open.pop(next(iter(self._open)))
        name = secrets.token_urlsafe(16)
        self._open[name] = estimate
        return name

    def take(self, name: str | None, estimate: Estimate) -> bool:
        """Tell whether this was asked, at this price; it is closed then."""
        return name is not None and self._open.pop(name, None) == estimate


class Desk:
    """What the tools of one server share: the Client, the bounds, the purse and the folder.

    `folder` is where everything goes, and all that may be read: the output folder, links resolved.
    """

    def __init__(self, client: Client, bounds: Bounds) -> None:
        self.client = client
        self.bounds = bounds
        self.purse = Purse(bounds.max_cost, client.settings.target)
        self.questions = Questions()
        self.folder = client.settings.output_dir.value.resolve()
