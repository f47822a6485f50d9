"""`zimage mcp`: the tool as an MCP server over standard input and output."""

from __future__ import annotations

import sys
from typing import Annotated

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.output import Output
from zimage_cli.core.run.money import parse_bound
from zimage_cli.errors import ConfigurationError
from zimage_cli.mcp.bounds import CONFIRM_ABOVE, MAX_COST, Bounds

app = App()


@app.command(
    epilog="Examples:\n\nzimage mcp --sandbox\n\n"
    "zimage mcp --max-cost 5 --confirm-above 0.50 --output-dir pictures --print-config claude",
    statuses=(0, 2, 3),
)
def mcp(
    output_dir: options.OutputDir = None,
    max_cost: Annotated[
        str | None,
        options.option(
            options.RUN,
            "--max-cost",
            "Spend no more than this while it runs, in the region's currency; default: 1.00.",
            "AMOUNT",
        ),
    ] = None,
    confirm_above: Annotated[
        str | None,
        options.option(
            options.RUN,
            "--confirm-above",
            "Have the person asked before a call that costs more; default: 0.10.",
            "AMOUNT",
        ),
    ] = None,
    region: options.Region = None,
    sandbox: options.Sandbox = False,
) -> None:
    """Serve programs that speak MCP, over standard input and output.

    A host such as Claude starts it. What it may spend, and where it saves, is said here and not by
    the model.
    """
    cost, confirm = parse_bound(max_cost), parse_bound(confirm_above, "--confirm-above")
    bounds = Bounds(
        MAX_COST if cost is None else cost,
        CONFIRM_ABOVE if confirm is None else confirm,
        output_dir,
        region,
        sandbox,
    )
    _refuse_without_mcp()
    out = Output()
    if sys.stdin.isatty():
        out.say("zimage mcp speaks MCP to the program that starts it; Ctrl-D ends it.")
        out.say("  next: zimage mcp --print-config claude|codex|cursor|vscode")
    from zimage_cli.mcp.server import serve

    serve(bounds)


def _refuse_without_mcp() -> None:
    try:
        import mcp.server  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "zimage mcp needs the package mcp, which cannot be loaded: {why}.",
            hint="Install it: pip install 'zimage-cli[mcp]'",
            why=error,
        ) from None
