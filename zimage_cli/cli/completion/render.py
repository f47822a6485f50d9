"""One script a shell, from the command tree."""

from __future__ import annotations

from zimage_cli.cli.completion import bash, fish, powershell, zsh
from zimage_cli.cli.completion.model import Command, read_tree

_RENDERERS = {
    "bash": bash.render,
    "zsh": zsh.render,
    "fish": fish.render,
    "powershell": powershell.render,
}


def render(shell: str, tree: Command | None = None) -> str:
    """Return a shell's completion script, of zimage's own tree if no other is given.

    Raises LookupError as `read_tree` does.
    """
    return _RENDERERS[shell](tree or read_tree())
