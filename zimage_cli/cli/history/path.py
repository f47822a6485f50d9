"""`zimage history path`: where the history is."""

from __future__ import annotations

from zimage_cli.cli import options
from zimage_cli.cli.output import Output
from zimage_cli.core.settings.environment import Environment
from zimage_cli.errors import ConfigurationError


def path(json: options.Json = False) -> None:
    """Print where the history is, or would be: an SQLite file, with the table `generation`."""
    file = Environment.current().history_file()
    if file is None:
        raise ConfigurationError(
            "no home folder is known, so there is no history", hint="Set HOME or ZIMAGE_HOME."
        )
    if json:
        Output().document("ok", path=str(file), exists=file.exists())
    else:
        Output().path(file)
