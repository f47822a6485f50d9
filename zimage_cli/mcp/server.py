"""The server: what it says of itself, and its tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zimage_cli.version import __version__

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from zimage_cli.mcp.desk import Desk

INSTRUCTIONS = """\
Makes pictures from text with Alibaba's Z-Image Turbo, and saves them as files.
- Pictures cost money. Every answer says what is spent and left; the person set the bounds, and no \
tool changes them. check_request tells price and problems free of charge.
- An answer with billed "maybe" or "yes" is never repeated without asking the person.
- Answers hold paths, not pictures: view_picture shows one.
- For more than four pictures: start_batch, then batch_status."""

_DAY = 86_400
"""Seconds that a person may take to answer a question."""


def build(desk: Desk) -> MCPServer[Any]:
    """Return the server with all its tools."""
    from mcp.server import MCPServer
    from mcp.server.request_state import RequestStateSecurity

    from zimage_cli.mcp import batches, looking, making

    return MCPServer(
        "zimage",
        title="zimage",
        version=__version__,
        instructions=INSTRUCTIONS,
        tools=[tool for room in (making, looking, batches) for tool in room.tools(desk)],
        log_level="WARNING",
        request_state_security=RequestStateSecurity.ephemeral(ttl=_DAY),
    )
