"""Who watches pictures being made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.errors import ConnectionFailed
    from zimage_cli.messages import Message


class Observer:
    """Hears what happens while a picture is made. Every method may be left as it is."""

    def pacing(self, seconds: float) -> None:
        """Note that the account's limit makes this request wait its turn."""

    def sending(self, attempt: int) -> None:
        """Note that a request is about to be sent."""

    def sent(self) -> None:
        """Note that the request has left: the service paints."""

    def waiting(self, wait: Wait) -> None:
        """Note that a try failed and another follows after a pause."""

    def answered(self, answer: Answer, request: Request) -> None:
        """Note that the answer is here: the picture is fetched next."""

    def fetching(self) -> None:
        """Note that a picture that was paid before is fetched, and nothing else."""

    def receiving(self, received: int, total: int | None) -> None:
        """Note that bytes of the picture have arrived."""

    def saved(self, picture: Picture) -> None:
        """Note that the picture is in its place."""

    def stopped(self, note: Message | None) -> None:
        """Note that the picture was given up on request; `note` says what became of it."""

    def warning(self, text: Message) -> None:
        """Say what is worth knowing and stops nothing."""


class Watcher:
    """Sees a run. Every method may be left as it is; many threads call them.

    These make the pictures: a method that closes the client would wait for itself.
    """

    def started(self, job: Job) -> Observer:  # noqa: ARG002
        """Note that a picture is being made; return who watches it."""
        return Observer()

    def ended(self, outcome: Outcome) -> None:
        """Note that a picture has come to its end."""

    def warn(self, text: Message) -> None:
        """Say what is worth knowing and stops nothing."""

    def unreachable(self, since: datetime, error: ConnectionFailed) -> None:
        """Note that the service cannot be reached: everything waits until it can."""

    def reachable(self, seconds: float) -> None:
        """Note that the service can be reached again, after so many seconds."""

    def address(self, job: Job, command: str) -> None:
        """Tell how to fetch a picture that is paid and whose address no file took."""


class Telling(Watcher):
    """Passes on to a watcher what it hears, and tells another listener of every outcome.

    The watcher itself is not changed: it may see several runs at once.
    """

    def __init__(self, watcher: Watcher, tell: Callable[[Outcome], None]) -> None:
        self._watcher = watcher
        self._tell = tell
        self.__dict__.update(
            (name, getattr(watcher, name))
            for name in ("started", "warn", "unreachable", "reachable", "address")
        )

    def ended(self, outcome: Outcome) -> None:
        """Note that a picture has come to its end."""
        self._watcher.ended(outcome)
        self._tell(outcome)
