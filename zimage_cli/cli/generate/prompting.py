"""Asks for the prompt that the command line does not give."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.question import asking
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from types import ModuleType

    from zimage_cli.cli.output import Output
    from zimage_cli.client import Client

_PROMPTS = 50
"""Earlier prompts that the arrow keys bring back."""
_ROWS = 500
"""Rows of the history in which they are looked for."""


def ask_for_prompt(out: Output, client: Client) -> str | None:
    """Ask for a prompt, with this user's last ones by arrow up; None where none is given.

    Only on a terminal. Raises Interrupted.
    """
    if not out.stderr.isatty():
        return None
    readline = _readline()
    if readline is not None:
        for prompt in _last_prompts(client):
            readline.add_history(prompt)
    try:
        with asking(out, Message("Prompt:")) as words, _stdout_on_terminal():
            text = input(words)
    except EOFError:
        return None
    except UnicodeDecodeError:
        raise UsageError(
            "what was typed is not text in the terminal's encoding, {encoding}",
            field="prompt",
            encoding=sys.stdin.encoding,
        ) from None
    return text if text.strip() else None


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:  # Windows: its console edits the line.
        return None
    readline.set_auto_history(False)
    # The lines of a pasted text belong to one prompt; the shell would run the others.
    readline.parse_and_bind("set enable-bracketed-paste on")
    # In the locale C a byte above 127 is a key of its own: a Han character would run commands.
    for name, value in (("input-meta", "on"), ("output-meta", "on"), ("convert-meta", "off")):
        readline.parse_and_bind(f"set {name} {value}")
    return readline


def _last_prompts(client: Client) -> list[str]:
    """Return the last different prompts, oldest first, each as one line that shows as it is."""
    found: dict[str, None] = {}
    # Whoever is asked for a prompt can type it, whatever became of the history.
    with suppress(ZimageError), client.history() as book:
        for entry in book.newest(_ROWS) if book is not None else ():
            # As it was typed: with a preset around it, another would be put around that.
            prompt = " ".join((entry.typed_prompt or entry.prompt).split())
            if visible(prompt) == prompt:
                found[prompt] = None
    return [*found][:_PROMPTS][::-1]


@contextmanager
def _stdout_on_terminal() -> Iterator[None]:
    """Have the standard output lead to stderr's terminal: readline writes there, and edits only so.

    What is asked is no result: it must not get into a pipe.
    """
    stdout: Any = sys.stdout
    stderr: Any = sys.stderr
    kept, encoding, errors = os.dup(stdout.fileno()), stdout.encoding, stdout.errors
    # A file has UTF-8, whatever the terminal has.
    stdout.reconfigure(encoding=stderr.encoding, errors=stderr.errors)
    os.dup2(stderr.fileno(), stdout.fileno())
    try:
        yield
    finally:
        os.dup2(kept, stdout.fileno())
        os.close(kept)
        stdout.reconfigure(encoding=encoding, errors=errors)
