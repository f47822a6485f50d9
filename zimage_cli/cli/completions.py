"""`zimage completions`: what a shell needs to complete zimage."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)


@app.callback(no_args_is_help=True)
def completions() -> None:
    """Shell completion."""
