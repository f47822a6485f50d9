"""The commands that go on with a batch: for a person, and in `--json`."""

from __future__ import annotations

from collections.abc import Container, Sequence
from shlex import join

from zimage_cli.cli.output import Output
from zimage_cli.core.status import Status
from zimage_cli.messages import Message
from zimage_cli.text import visible

_RETRIES = {"--retry-failed": Status.FAILED, "--retry-lost": Status.LOST}
_OF_ONE_RUN = frozenset({"--fresh", *_RETRIES})


class Again:
    """The commands that go on, made of the words that began a batch.

    `rest` tells whether something is left to do, `ends` how pictures ended, `free` whether no
    picture is paid, `begun` whether the batch began: what `--fresh` asks for is done then.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        rest: bool,
        ends: Container[Status],
        free: bool,
        begun: bool = True,
    ) -> None:
        self._words = [word for word in words if word not in _OF_ONE_RUN]
        # What was to be tried again and was not; but what ended so once more is asked about anew.
        kept = [option for option, end in _RETRIES.items() if end not in ends]
        kept += [] if begun else ["--fresh"]
        self._kept = [option for option in kept if option in words]
        self._rest = rest
        self._ends = ends
        self._free = free

    def show(self, out: Output) -> None:
        """Print the command that does what is left."""
        self._show(out, self._kept)

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
            self._show(out, ["--retry-failed"])
        if Status.LOST in self._ends:
            lost = Message("What was lost may have been billed; to make it again and pay it:")
            out.note(Message("To make again what was lost:") if self._free else lost)
            self._show(out, ["--retry-lost"])

    def document(self) -> dict[str, str | None]:
        """Return the commands by name; None for one that would do nothing."""
        failed = Status.REFUSED in self._ends or Status.FAILED in self._ends
        return {
            "go_on": self._command(self._kept) if self._rest else None,
            "retry_failed": self._command(["--retry-failed"]) if failed else None,
            "retry_lost": self._command(["--retry-lost"]) if Status.LOST in self._ends else None,
        }

    def _show(self, out: Output, options: Sequence[str]) -> None:
        out.note(Message("  {command}", command=self._command(options)))

    def _command(self, options: Sequence[str]) -> str:
        return visible(join(["zimage", *self._words, *options]))
