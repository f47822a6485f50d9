"""How a call's pictures come along, in a few words: what its progress says."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zimage_cli.core.observer import Observer, Watcher

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request

_ORDER = ("saving", "painting", "sending", "waiting to try again", "waiting for a turn")
"""What is told where pictures are at several stages: the one that is furthest."""


class Painting(Watcher):
    """Sees one call's run: what became of its pictures, what is worth knowing, and the words."""

    def __init__(self, pictures: int) -> None:
        self.outcomes: list[Outcome] = []
        self.warnings: list[str] = []
        self.stages: dict[int, str] = {}
        self._pictures = pictures
        self._lock = threading.Lock()

    def started(self, job: Job) -> Observer:
        """Note that a picture is being made; return who watches it."""
        return _Stages(self, job.number)

    def ended(self, outcome: Outcome) -> None:
        """Note that a picture has come to its end."""
        with self._lock:
            self.outcomes.append(outcome)
            self.stages.pop(outcome.job.number, None)

    def warn(self, text: str) -> None:
        """Note what is worth knowing, once."""
        with self._lock:
            if text not in self.warnings:
                self.warnings.append(text)

    def at(self, number: int, stage: str) -> None:
        """Note how far a picture is."""
        with self._lock:
            self.stages[number] = stage

    def words(self) -> str:
        """Return what happens now: `painting`, or `painting, 1 of 4 done`."""
        with self._lock:
            stages, done = set(self.stages.values()), len(self.outcomes)
        now = next((stage for stage in _ORDER if stage in stages), "waiting for a turn")
        return f"{now}, {done} of {self._pictures} done" if self._pictures > 1 else now


class _Stages(Observer):
    """Hears how far one picture is."""

    def __init__(self, painting: Painting, number: int) -> None:
        self._painting = painting
        self._number = number

    def pacing(self, seconds: float) -> None:  # noqa: ARG002
        self._painting.at(self._number, "waiting for a turn")

    def sending(self, attempt: int) -> None:  # noqa: ARG002
        self._painting.at(self._number, "sending")

    def sent(self) -> None:
        self._painting.at(self._number, "painting")

    def waiting(self, wait: Wait) -> None:  # noqa: ARG002
        self._painting.at(self._number, "waiting to try again")

    def answered(self, answer: Answer, request: Request) -> None:  # noqa: ARG002
        self._painting.at(self._number, "saving")

    def warning(self, text: str) -> None:
        self._painting.warn(text)
