"""The server: its tools, over standard input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zimage_cli.client import Client
from zimage_cli.mcp.desk import Desk
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from zimage_cli.mcp.bounds import Bounds


def build(desk: Desk) -> MCPServer[Any]:
    """Return the server with all its tools."""
    from mcp.server import MCPServer

    from zimage_cli.mcp import batches, looking, making

    server: MCPServer[Any] = MCPServer("zimage", version=__version__)
    for room in (making, looking, batches):
        room.register(server, desk)
    return server


def serve(bounds: Bounds) -> None:
    """Serve until the client closes the standard input. Raises what `Client` raises."""
    with Client(bounds.region, sandbox=bounds.sandbox, output_dir=bounds.output_dir) as client:
        build(Desk(client, bounds)).run("stdio")
