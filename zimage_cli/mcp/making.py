"""Tools that make pictures and check requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from zimage_cli.mcp.desk import Desk


def register(server: MCPServer[Any], desk: Desk) -> None:
    """Add these tools to a server."""
