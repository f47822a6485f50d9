"""`zimage skill`: the skill file for software agents."""

from __future__ import annotations

from zimage_cli.cli.app import App

app = App(help="The skill file for software agents.", no_args_is_help=True)


@app.command(epilog="Examples:\n\nzimage skill show")
def show() -> None:
    """Print the skill."""


@app.command(epilog="Examples:\n\nzimage skill install --project")
def install() -> None:
    """Put the skill where agents look for it."""
