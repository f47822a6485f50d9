"""One script a shell, from the command tree."""

from __future__ import annotations

from zimage_cli.cli.completion import bash, fish, powershell, zsh
from zimage_cli.cli.completion.model import Command, in_language, read_tree
from zimage_cli.messages import Translate

_RENDERERS = {
    "bash": bash.render,
    "zsh": zsh.render,
    "fish": fish.render,
    "powershell": powershell.render,
}


def render(shell: str, tree: Command | None = None, translate: Translate | None = None) -> str:
    """Return a shell's completion script, of zimage's own tree if no other is given.

    What stands beside a word is in English, or as `translate` says it. Raises LookupError as
    `read_tree` does.
    """
    found = tree or read_tree()
    return _RENDERERS[shell](found if translate is None else in_language(found, translate))
