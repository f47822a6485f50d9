"""What shows a run, whichever command it is of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import typer

from zimage_cli.core.observer import Observer, Watcher
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.output import Output
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.messages import Words


def shown_on_terminal(out: Output) -> bool:
    """Tell whether a person sees what goes to stderr."""
    return not out.quiet and out.stderr.isatty()


TURN, CONNECTING = Message("waiting for its turn"), Message("connecting")
PAINTING, RETRYING, DOWNLOADING = Message("painting"), Message("retrying"), Message("downloading")
_COUNTS = {
    PAINTING: "{count:,} painting",
    DOWNLOADING: "{count:,} downloading",
    RETRYING: "{count:,} retrying",
    CONNECTING: "{count:,} connecting",
    TURN: "{count:,} waiting for their turn",
}


def doing_words(doing: Message, count: int) -> Message:
    """Return how many pictures are doing the same."""
    return Message(_COUNTS[doing], count=count)


class Watch(Observer):
    """Follows one picture that is being made.

    `doing` is one of the words above, `since` when that began and `began` when all began; `wait` is
    the pause before another try with the time of its end, `received` the bytes so far, of how many.
    """

    def __init__(self, job: Job, doing: Message = TURN) -> None:
        self.job = job
        self.doing = doing
        self.began = self.since = time.monotonic()
        self.attempt = 1
        self.answer_came = False
        self.wait: tuple[float, Wait] | None = None
        self.received: tuple[int, int | None] | None = None

    def _do(self, doing: Message) -> None:
        if doing != self.doing:
            self.doing, self.since = doing, time.monotonic()

    def pacing(self, seconds: float) -> None:  # noqa: ARG002
        """Note that it waits for its turn."""
        self._do(TURN)

    def sending(self, attempt: int) -> None:
        """Note that it is about to be sent."""
        self.attempt, self.wait, self.received = attempt, None, None
        self._do(CONNECTING)

    def sent(self) -> None:
        """Note that the service paints."""
        self._do(PAINTING)

    def waiting(self, wait: Wait) -> None:
        """Note the pause before another try."""
        self.wait = (time.monotonic() + wait.seconds, wait)
        self._do(RETRYING)

    def answered(self, answer: Answer, request: Request) -> None:  # noqa: ARG002
        """Note that the picture is fetched."""
        self.answer_came, self.wait = True, None
        self._do(DOWNLOADING)

    def receiving(self, received: int, total: int | None) -> None:
        """Note that bytes of it have come."""
        self.received, self.wait = (received, total), None
        self._do(DOWNLOADING)


class View(Watcher):
    """Shows a run while it is made; a context manager that leaves the terminal as it was.

    What cannot be shown ends no run. A standard output that is gone does: `on_lost` is called then,
    and the error is kept in `lost` until nothing is in flight any more.
    """

    def __init__(self, out: Output) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        """Held while a result is written: a reader that takes nothing holds up results alone."""
        self.on_lost: Callable[[], None] = lambda: None
        self.lost: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back; what comes after that is told in plain lines."""

    @property
    def stuck(self) -> bool:
        """Tell whether a result is being written and not taken."""
        return self._writing.locked()

    def pause(self) -> float | None:
        """Return in how many seconds there is something to show; None for never."""
        return None

    def refresh(self) -> None:
        """Show how far it has come."""

    def say(self, words: Words) -> None:
        """Say something once."""
        self._out.note(words)

    def stopping(self) -> None:
        """Say that nothing more is sent, and what is still waited for."""
        self.say(Message("stopping: what is in flight is waited for; Ctrl-C again leaves at once"))

    def _result(self, write: Callable[[], None]) -> None:
        """Write to the standard output, as long as it takes anything."""
        with self._writing:
            if self.lost is not None:
                return
            try:
                write()
            except (typer.Exit, UsageError) as error:
                self.lost = error
        if self.lost is not None:
            self.on_lost()
