"""`zimage schema`: JSON Schemas of what zimage reads and prints."""

from __future__ import annotations

from zimage_cli.cli.app import App

app = App()


@app.command(epilog="Examples:\n\nzimage schema request")
def schema() -> None:
    """Print the JSON Schema of what zimage reads or prints."""
