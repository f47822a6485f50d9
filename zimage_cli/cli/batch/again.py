"""The commands that go on with a batch: for a person, and in `--json`."""

from __future__ import annotations

from collections.abc import Container, Iterable
from shlex import join

from zimage_cli.cli.output import Output
from zimage_cli.core.status import Status
from zimage_cli.messages import Message
from zimage_cli.text import visible

_OF_ONE_RUN = frozenset({"--fresh", "--retry-failed", "--retry-lost"})


class Again:
    """The commands that go on, made of the words that began a batch.

    `rest` tells whether something is left to do, `ends` how pictures ended, `free` whether no
    picture is paid.
    """

    def __init__(
        self, words: Iterable[str], *, rest: bool, ends: Container[Status], free: bool
    ) -> None:
        self._words = [word for word in words if word not in _OF_ONE_RUN]
        self._rest = rest
        self._ends = ends
        self._free = free

    def show(self, out: Output, *options: str) -> None:
        """Print the command that does what is left, or with options what they name."""
        out.note(Message("  {command}", command=self._command(*options)))

    def show_retries(self, out: Output) -> None:
        """Print what can be done about pictures that were refused, failed or were lost."""
        if Status.REFUSED in self._ends:
            out.note(
                Message(
                    "What was refused needs other words: a changed line is made like a new one."
                )
            )
        if Status.FAILED in self._ends:
            out.note(Message("To try again what failed:"))
            self.show(out, "--retry-failed")
        if Status.LOST in self._ends:
            lost = Message("What was lost may have been billed; to make it again and pay it:")
            out.note(Message("To make again what was lost:") if self._free else lost)
            self.show(out, "--retry-lost")

    def document(self) -> dict[str, str | None]:
        """Return the commands by name; None for one that would do nothing."""
        failed = Status.REFUSED in self._ends or Status.FAILED in self._ends
        return {
            "go_on": self._command() if self._rest else None,
            "retry_failed": self._command("--retry-failed") if failed else None,
            "retry_lost": self._command("--retry-lost") if Status.LOST in self._ends else None,
        }

    def _command(self, *options: str) -> str:
        return visible(join(["zimage", *self._words, *options]))
