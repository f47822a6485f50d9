"""Questions on the terminal. They go to stderr: a result on stdout is for a pipe or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zimage_cli.cli.signals import raising
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output

_ANSWERS = {"y": True, "yes": True, "是": True, "n": False, "no": False, "否": False, "": False}
"""What is understood, whatever the language."""

_NO_WORDS = Message("{words}", words="")
"""An empty line: no sentence at all stands for the catalogue's header in gettext."""


@contextmanager
def asking(out: Output, question: Message) -> Iterator[str]:
    """Have signals raise Interrupted while a person types; what ends it ends the line too.

    Yields the question's words: a translation is loaded before.
    """
    words = f"{out.text(question)} "
    with raising():
        try:
            yield words
        except (EOFError, KeyboardInterrupt):
            out.say(_NO_WORDS)
            raise


def confirm(
    out: Output,
    text: Message,
    *,
    told: bool = False,
    otherwise: Message = Message("Nothing was sent."),  # noqa: B008 - it never changes
) -> None:
    """Ask whether to go on; `text`, where it was `told` already, is not said again.

    `otherwise` says what has not happened where nobody agreed. Raises UsageError without a
    terminal, typer.Exit for a no, Interrupted.
    """
    import typer

    from zimage_cli.cli.errors import INTERRUPTED_STATUS

    if not (sys.stdin and sys.stdin.isatty() and out.stderr.isatty()):
        raise UsageError(
            "{text} {otherwise}",
            hint="Add --yes to agree beforehand.",
            text=text,
            otherwise=otherwise,
        )
    question = Message("Go on? [y/N]:" if told else "{text} Go on? [y/N]:", text=text)
    agreed = None
    while agreed is None:
        agreed = _ANSWERS.get(_answer(out, question).strip().lower())
        if agreed is None:
            out.say(Message("Error: invalid input"))
    if not agreed:
        out.say(otherwise)
        raise typer.Exit(INTERRUPTED_STATUS)


def _answer(out: Output, question: Message) -> str:
    """Return the line that is typed; nothing for Ctrl-D.

    `input` writes the question, or a part of it, to a stdout that is redirected.
    """
    with asking(out, question) as words:
        out.ask(words)
        line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):  # Ctrl-D
        out.say(_NO_WORDS)
    return line.decode(sys.stdin.encoding, "replace")
