"""`zimage mcp`: the tool as an MCP server over standard input and output."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from zimage_cli.cli import options, process
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import LEFT_BEHIND, NEXT, Interrupted
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.history.query import one_of
from zimage_cli.core.run.money import parse_bound
from zimage_cli.core.settings.environment import HOME, Environment
from zimage_cli.core.settings.settings import Flags, resolve
from zimage_cli.core.settings.source import Kind
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.mcp.bounds import CONFIRM_ABOVE, MAX_COST, Bounds
from zimage_cli.mcp.hosts import HOSTS
from zimage_cli.messages import Listing, Message

app = App()

_HERE = (Kind.FLAG, Kind.ENVIRONMENT)
_OF_SHELL = ("endpoint", "workspace", "base_url", "pace_url", "pace_account")
"""Settings that say where is asked, and in whose turn, and that no option of this command gives."""


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
    print_config: Annotated[
        str | None,
        options.option(
            options.REPORT,
            "--print-config",
            "Print what claude, codex, cursor or vscode is told of this server, with the other "
            "options; start nothing.",
            "HOST",
        ),
    ] = None,
) -> None:
    """Serve programs that speak MCP, over standard input and output.

    A host such as Claude starts it. What it may spend, and where it saves, is said here and not by
    the model.
    """
    cost, confirm = parse_bound(max_cost), parse_bound(confirm_above, "--confirm-above")
    bounds = Bounds(
        MAX_COST if cost is None else cost, CONFIRM_ABOVE if confirm is None else confirm
    )
    out = Output()
    flags = Flags(region=region, sandbox=sandbox or None, output_dir=output_dir)
    if print_config is not None:
        _print_config(out, one_of("--print-config", print_config, (*HOSTS,)), bounds, flags)
        return
    client = Client(flags=flags, on_warning=out.warn)
    _refuse_without_mcp()
    if sys.stdin and sys.stdin.isatty():
        out.say(Message("zimage mcp speaks MCP to the program that starts it; Ctrl-D ends it."))
        config = "zimage mcp --print-config claude"
        out.tell(Message("{command}", command=config), label=NEXT, indent="  ", fold=False)
    _serve(out, client, bounds)


def _print_config(out: Output, host: str, bounds: Bounds, flags: Flags) -> None:
    """Print what a host is told of this server: it holds in whatever folder that starts it."""
    settings = resolve(Environment.current(), flags)
    region = settings.region
    command = [
        *_own_command(),
        "mcp",
        # A host has a folder of its own, or none.
        *("--output-dir", str(settings.output_dir.value.absolute())),
        *("--max-cost", str(bounds.max_cost)),
        *("--confirm-above", str(bounds.confirm_above)),
        *(("--sandbox",) if flags.sandbox else ()),
        # And an environment of its own: another region would be another bill.
        *(("--region", region.value) if region.origin.kind in _HERE and not flags.sandbox else ()),
    ]
    try:
        "".join(command).encode()
    except UnicodeEncodeError:
        raise UsageError("A path is not UTF-8: no configuration can hold it.") from None
    key, key_region = settings.key(), settings.target.key_region
    for line in HOSTS[host].written(command).split("\n"):
        out.result(line)
    out.note(Message("It belongs into {file}.", file=HOSTS[host].file))
    store = f"zimage config set-key --region {key_region}"
    if key_region is not None and key is None:
        out.note(Message("There is no key yet. Store one: {command}", command=store))
    elif key is not None and key.origin.kind is Kind.ENVIRONMENT:
        out.note(
            Message(
                "The key is in this shell's environment, which a host may not have: {command}",
                command=store,
            )
        )
    origins = (settings.resolved[name].origin for name in _OF_SHELL)
    lost = [one.name for one in origins if one.kind is Kind.ENVIRONMENT and one != region.origin]
    lost += [HOME] if settings.environment.get(HOME) else []
    if lost:
        out.note(
            Message(
                "In this shell's environment, which a host may not have: {names}",
                names=Listing(", ", dict.fromkeys(lost)),
            )
        )


def _own_command() -> list[str]:
    """Return the absolute command that starts this program."""
    name = os.path.abspath(sys.argv[0])  # noqa: PTH100 - links stay, which outlive what they name
    if Path(name).name != "__main__.py":
        # The launchers of Windows leave the suffix out.
        for path in (name, f"{name}.exe"):
            if Path(path).is_file():
                return [path]
    return [sys.executable, "-m", "zimage_cli"]


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
    from zimage_cli.mcp.lines import mended
    from zimage_cli.mcp.server import build

    _log_plainly()
    server = build(Desk(client, bounds))

    def work() -> None:
        full = False
        try:
            server.run("stdio")
        except* BrokenPipeError:
            out.note(Message("nobody reads the answers any more"))
        except* OSError:
            full = True
        finally:
            # What was printed while it served, and is printed from now on, is no answer.
            process.divert_stdout()
            client.close()
        if full:
            raise UsageError("The answers cannot be written to the standard output.")

    with Signals() as signals:
        standard_input = process.Input(mended)

        def stop() -> None:
            out.say(
                Message("stopping: pictures that are being made are saved; again leaves at once")
            )
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
