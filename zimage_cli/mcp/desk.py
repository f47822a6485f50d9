"""What the tools of one server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zimage_cli.client import Client
    from zimage_cli.mcp.bounds import Bounds


class Desk:
    """What the tools of one server share: the Client and the bounds."""

    def __init__(self, client: Client, bounds: Bounds) -> None:
        self.client = client
        self.bounds = bounds
