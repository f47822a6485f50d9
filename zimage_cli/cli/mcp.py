"""`zimage mcp`: the tool as an MCP server over standard input and output."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

from zimage_cli.cli import options, process
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import LEFT_BEHIND, Interrupted
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.run.money import parse_bound
from zimage_cli.core.settings.settings import Flags
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
    out = Output()
    flags = Flags(region=region, sandbox=sandbox or None, output_dir=output_dir)
    _refuse_without_mcp()
    client = Client(flags=flags, on_warning=out.warn)
    if sys.stdin and sys.stdin.isatty():
        out.say("zimage mcp speaks MCP to the program that starts it; Ctrl-D ends it.")
        out.say("  next: zimage mcp --print-config claude|codex|cursor|vscode")
    _serve(out, client, bounds)


def _refuse_without_mcp() -> None:
    try:
        import mcp.server  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "zimage mcp needs the package mcp, which cannot be loaded: {why}.",
            hint="Install it: pip install 'zimage-cli[mcp]'",
            why=error,
        ) from None


def _serve(out: Output, client: Client, bounds: Bounds) -> None:
    """Serve until the input ends or a signal comes; what is in flight then is saved."""
    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.server import build

    _log_plainly()
    server = build(Desk(client, bounds))

    def work() -> None:
        try:
            server.run("stdio")
        except* BrokenPipeError:
            out.note("nobody reads the answers any more")
        finally:
            # What was printed while it served, and is printed from now on, is no answer.
            process.divert_stdout()
            client.close()

    with Signals() as signals:
        standard_input = process.Input()

        def stop() -> None:
            out.say("stopping: pictures that are being made are saved; again leaves at once")
            standard_input.close()

        ended = signals.attend(work, stop)
        if signals.numbers:
            raise Interrupted(signals.numbers[0], note=None if ended else LEFT_BEHIND)


def _log_plainly() -> None:
    """Have libraries warn on stderr, a line each: a traceback is for ZIMAGE_DEBUG."""
    import logging

    class Line(logging.Formatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
            return super().formatException(ei) if os.environ.get("ZIMAGE_DEBUG") == "1" else ""

    handler = logging.StreamHandler()
    handler.setFormatter(Line("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
