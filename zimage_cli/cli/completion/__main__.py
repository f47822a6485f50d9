"""Write the completion scripts anew: `python -m zimage_cli.cli.completion [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.completion.render import render
from zimage_cli.cli.output import Output
from zimage_cli.core.drafts import write_whole


def write(folder: Path) -> None:
    """Write all scripts into a folder and print their paths."""
    output = Output()
    for shell, name in SCRIPTS.items():
        write_whole(folder / name, render(shell).encode("utf-8"))
        output.result(str(folder / name))


if __name__ == "__main__":
    write(Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parents[3] / "completions"))
