"""`zimage mcp`: the tool as an MCP server over standard input and output."""

from __future__ import annotations

from zimage_cli.cli.app import App

app = App()


@app.command(epilog="Examples:\n\nzimage mcp --sandbox")
def mcp() -> None:
    """Serve programs that speak MCP, over standard input and output."""
    from zimage_cli.mcp.bounds import Bounds
    from zimage_cli.mcp.server import serve

    serve(Bounds())
