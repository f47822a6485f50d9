"""Tools that make many pictures: they return at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool

    from zimage_cli.mcp.desk import Desk


def tools(desk: Desk) -> Sequence[Tool]:  # noqa: ARG001
    """Return these tools."""
    return ()
