"""How far a batch has come, in numbers and in words."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from zimage_cli.cli.signals import stopping_words
from zimage_cli.cli.view import Watch
from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.forecast import Forecast
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import NOT_SAVED, Tally
from zimage_cli.core.status import Status

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request

WORDS = {
    Status.REFUSED: "refused",
    Status.FAILED: "failed",
    Status.MADE: "paid and not saved",
    Status.LOST: "lost",
    Status.SKIPPED: "skipped",
}

_SLOW = 15.0
"""Seconds after which a line in flight is shown by name: the service usually takes 2 to 10."""

_WAITING, _CONNECTING, _PAINTING = "waiting for their turn", "connecting", "painting"
_DOWNLOADING, _RETRYING = "downloading", "retrying"
_IN_FLIGHT = (_PAINTING, _DOWNLOADING, _RETRYING, _CONNECTING)
"""What a line that has had its turn may be doing; in the order in which it is told."""


def span(seconds: float) -> str:
    """Return a time span for a person: `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class LineWatch(Watch):
    """Follows one line that is being made: its `stage`, and that in words."""

    def __init__(self, job: Job) -> None:
        super().__init__(job, _WAITING)
        self.stage = _WAITING
        self.painting_since: float | None = None
        self.paid = False

    def sending(self, attempt: int) -> None:
        """Note that it has had its turn."""
        if attempt == 1:
            self.began = time.monotonic()
        self._is(_CONNECTING)

    def sent(self) -> None:
        """Note that the service paints."""
        self.painting_since = time.monotonic()
        self._is(_PAINTING)

    def answered(self, answer: Answer, request: Request) -> None:  # noqa: ARG002
        """Note that it is made, and paid."""
        self.fetching()

    def fetching(self) -> None:
        """Note that its picture is fetched."""
        self.paid = True
        self._is(_DOWNLOADING)

    def receiving(self, received: int, total: int | None) -> None:  # noqa: ARG002
        """Note that its picture arrives."""
        self._is(_DOWNLOADING)

    def waiting(self, wait: Wait) -> None:
        """Note that a try failed."""
        why = wait.error.code or wait.error.kind
        self._is(_RETRYING, f"{why}: next try in {wait.seconds:.0f} s")

    def slow_for(self, now: float) -> float | None:
        """Return for how many seconds it has been made, where that is unusually long."""
        seconds = now - self.began
        return seconds if self.stage != _WAITING and seconds > _SLOW else None

    def _is(self, stage: str, doing: str = "") -> None:
        self.stage, self.doing = stage, doing or stage


class Progress:
    """What has ended of a batch, what is in flight, and how long it still takes.

    `pictures` is how many there are in all, `cost` what they come to. Safe between threads.
    """

    def __init__(self, pictures: int, forecast: Forecast, cost: Price | None = None) -> None:
        self.total = pictures
        self.done = 0
        self.saved = 0
        self.before = 0
        """Of those that are done: how many this run left as an earlier one had ended them."""
        self.tally = Tally()
        self.stopping = False
        self.outage = ""
        """Since when the service cannot be reached, in words; empty where it can."""
        self._forecast = forecast
        self._cost = cost
        self._lock = threading.Lock()
        self._flying: dict[int, LineWatch] = {}

    def started(self, job: Job, watch: LineWatch) -> None:
        """Note a line that waits for its turn."""
        with self._lock:
            self._flying[job.number] = watch

    def gave_up(self, job: Job) -> None:
        """Note a line that the run's end left as it was."""
        with self._lock:
            self._flying.pop(job.number, None)

    def ended(self, outcome: Outcome) -> None:
        """Note what became of a line."""
        with self._lock:
            watch = self._flying.pop(outcome.job.number, None)
            self.done += 1
            self.saved += outcome.status is Status.SAVED
            self.before += outcome.status is Status.SKIPPED
            if outcome.status is not Status.SKIPPED:
                since = None if watch is None else watch.painting_since
                self._forecast.ended(None if since is None else time.monotonic() - since)

    @property
    def failed(self) -> int:
        """How many this run has not saved."""
        return self.done - self.saved - self.before

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return self.done / max(self.total, 1)

    def slow(self) -> list[tuple[LineWatch, float]]:
        """Return what takes unusually long, and for how many seconds; the longest first."""
        if self.outage:
            # Then that is true of everything.
            return []
        now = time.monotonic()
        with self._lock:
            flying = [(one, one.slow_for(now)) for one in self._flying.values()]
        found = [(one, seconds) for one, seconds in flying if seconds is not None]
        return sorted(found, key=lambda pair: pair[0].began)

    def facts(self) -> list[str]:
        """Return how long it still takes, what was spent of what, and how fast it goes."""
        now, stages = time.monotonic(), self._stages()
        unsent = stages[_WAITING] + stages[_CONNECTING] + stages[_RETRYING]
        with self._lock:
            since = [one.painting_since or 0.0 for one in self._flying.values()]
            painted_for = now - max(since) if any(since) else None
            left = self._forecast.left(unsent, painted_for)
            rate = [f"{self._forecast.rate:.2f}/s"] if self._forecast.measured else []
        facts = [f"about {span(max(1.0, left))} left"] if self.done < self.total else []
        if self._cost is not None:
            spent = money(Price(self.tally.spent, self._cost.currency))
            facts.append(f"{spent} of {money(self._cost).partition(' ')[2]}")
        return facts + rate

    def doing(self) -> list[str]:
        """Return how many pictures are in flight, by what they are doing, and how many wait."""
        stages = self._stages()
        return [f"{stages[stage]:,} {stage}" for stage in (*_IN_FLIGHT, _WAITING) if stages[stage]]

    def still(self) -> str:
        """Return what a run that stops still waits for: what was sent, and what has its turn."""
        with self._lock:
            flying = [*self._flying.values()]
        stages = Counter(_DOWNLOADING if one.paid else one.stage for one in flying)
        return stopping_words(stages[_PAINTING], stages[_DOWNLOADING], stages[_CONNECTING])

    def line(self) -> str:
        """Return how far it has come, as a line of its own."""
        counts = self.tally.counts
        ended = [f"{self.saved:,} saved"]
        ended += [f"{counts[status]:,} {WORDS[status]}" for status in NOT_SAVED if counts[status]]
        doing = [self.still()] if self.stopping else [*self.facts(), *self.doing()]
        words = [f"{self.done:,} of {self.total:,}", *ended, *doing, self.outage]
        return ", ".join(filter(None, words))

    def _stages(self) -> Counter[str]:
        """Return what all that have not ended are doing; in flight is only what was sent."""
        with self._lock:
            stages = Counter(watch.stage for watch in self._flying.values())
            left = self.total - self.done
        if self.outage:
            # One of them tries now and then; no other has a connection.
            del stages[_CONNECTING]
        stages[_WAITING] = max(0, left - sum(stages[stage] for stage in _IN_FLIGHT))
        return stages
