"""`zimage completions`: what a shell needs to complete zimage."""

from __future__ import annotations

from zimage_cli.cli.app import App

app = App()


@app.callback(no_args_is_help=True)
def completions() -> None:
    """Shell completion."""
