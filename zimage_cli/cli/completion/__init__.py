"""Shell completion: static scripts made from the command tree, checked in under `completions/`.

`python -m zimage_cli.cli.completion` writes them anew. At run time nothing of the generator is
loaded: `zimage completions show` prints a file.
"""

from __future__ import annotations

SCRIPTS = {
    "bash": "zimage.bash",
    "zsh": "_zimage",
    "fish": "zimage.fish",
    "powershell": "zimage.ps1",
}
"""Shell → the name of its script under `completions/`."""

COMMAND = "python -m zimage_cli.cli.completion"
"""What writes the scripts anew."""

TITLE = "Completion of zimage"
"""In the first lines of every script; `uninstall` removes no file without it."""
