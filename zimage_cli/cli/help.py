"""`zimage help COMMAND`: the same as `zimage COMMAND --help`."""

from __future__ import annotations

from typing import Annotated

import typer

from zimage_cli.cli.app import App

app = App()


@app.command(
    "help",
    epilog="Examples:\n\nzimage help generate\n\nzimage help config set\n\nzimage help --json",
    document={"command": None},
)
def show(
    context: typer.Context,
    command: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="A command, such as generate.")
    ] = None,
    subcommand: Annotated[
        list[str] | None, typer.Argument(metavar="SUBCOMMAND", help="One of its commands.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as one JSON document.")] = False,
) -> None:
    """Show the whole help of a command."""
    words = [*([] if command is None else [command]), *(subcommand or ())]
    root = context.find_root().command
    as_data = ["--json"] if json else []
    root.invoke(root.make_context("zimage", [*words, "--help", *as_data]))
