"""How far a batch has come, in numbers and in words."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from zimage_cli.cli.signals import stopping_words
from zimage_cli.cli.view import (
    CONNECTING,
    DOWNLOADING,
    PAINTING,
    RETRYING,
    TURN,
    Watch,
    doing_words,
)
from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.forecast import Forecast
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import NOT_SAVED, Tally
from zimage_cli.core.status import Status
from zimage_cli.messages import Listing, Message, Words
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.request.jobs import Job

_ENDED = {
    Status.REFUSED: "{count:,} refused",
    Status.FAILED: "{count:,} failed",
    Status.MADE: "{count:,} paid and not saved",
    Status.LOST: "{count:,} lost",
}

_CAUSES = (
    Message("authentication"),
    Message("billing"),
    Message("configuration"),
    Message("connection"),
    Message("quota"),
    Message("refused"),
    Message("service"),
    Message("throttled"),
    Message("usage"),
)
"""Types of errors that say why a picture was not saved; of most errors the code does."""

_SLOW = 15.0
"""Seconds after which a line in flight is shown by name: the service usually takes 2 to 10."""

_IN_FLIGHT = (PAINTING, DOWNLOADING, RETRYING, CONNECTING)
"""What a line that has had its turn may be doing; in the order in which it is told."""


def not_saved(status: Status, count: int) -> Message:
    """Return how many pictures were not saved, and what became of them."""
    return Message(_ENDED[status], count=count)


def cause_of(name: str) -> Message:
    """Return the code of an error, or its type, for a person."""
    other = Message("{name}", name=visible(name))
    return next((known for known in _CAUSES if known == name), other)


def span(seconds: float) -> Message:
    """Return a time span for a person: `2 h 5 min`."""
    if seconds < 60:
        return Message("{seconds:.0f} s", seconds=seconds)
    hours, minutes = divmod(int(seconds) // 60, 60)
    if not hours:
        return Message("{minutes} min", minutes=minutes)
    return Message("{hours} h {minutes} min", hours=hours, minutes=minutes)


class LineWatch(Watch):
    """Follows one line that is being made, and since when the service has painted it."""

    painting_since: float | None = None

    def sending(self, attempt: int) -> None:
        """Note that it has had its turn."""
        super().sending(attempt)
        if attempt == 1:
            self.began = self.since

    def sent(self) -> None:
        """Note that the service paints."""
        super().sent()
        self.painting_since = self.since

    def fetching(self) -> None:
        """Note that its picture is fetched: it was paid before."""
        self.answer_came = True
        self._do(DOWNLOADING)

    def slow(self, now: float) -> Message | None:
        """Return what it is doing, and for how long all in all, where that is unusually long."""
        seconds, wait = now - self.began, self.wait
        doing: str = self.doing
        if doing == TURN or seconds <= _SLOW:
            return None
        if wait is not None:
            until, why = wait
            cause = cause_of(why.error.code or why.error.kind)
            left = max(0.0, until - now)
            doing = Message("{cause}: next try in {left:.0f} s", cause=cause, left=left)
        return Message(
            "{place}: {doing}, {seconds:.0f} s", place=self.job.place, doing=doing, seconds=seconds
        )


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
        self.outage: Message | None = None
        """Since when the service cannot be reached, in words; None where it can."""
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

    @property
    def share_in_words(self) -> Message:
        """How many of all are done."""
        return Message("{done:,} of {total:,}", done=self.done, total=self.total)

    def slow(self) -> list[Message]:
        """Return what takes unusually long, in a line each; the longest first."""
        if self.outage:
            # Then that is true of everything.
            return []
        now = time.monotonic()
        with self._lock:
            flying = sorted(self._flying.values(), key=lambda watch: watch.began)
        return [text for text in (one.slow(now) for one in flying) if text]

    def facts(self) -> list[Message]:
        """Return how long it still takes, what was spent of what, and how fast it goes."""
        now, stages = time.monotonic(), self._stages()
        unsent = stages[TURN] + stages[CONNECTING] + stages[RETRYING]
        with self._lock:
            since = [one.painting_since or 0.0 for one in self._flying.values()]
            painted_for = now - max(since) if any(since) else None
            left = self._forecast.left(unsent, painted_for)
            measured, rate = self._forecast.measured, self._forecast.rate
        # What takes longer than usual may take any time.
        facts = [Message("about {span} left", span=span(max(1.0, left)))] if left else []
        if self._cost is not None:
            spent = money(Price(self.tally.spent, self._cost.currency))
            # The currency is said once.
            whole = money(self._cost).facts["amount"]
            facts.append(Message("{spent} of {whole}", spent=spent, whole=whole))
        return facts + ([Message("{rate:.2f}/s", rate=rate)] if measured else [])

    def doing(self) -> list[Message]:
        """Return how many pictures are in flight, by what they are doing, and how many wait."""
        stages = self._stages()
        known = (*_IN_FLIGHT, TURN)
        return [doing_words(one, stages[one]) for one in known if stages[one]]

    def still(self) -> Words:
        """Return what a run that stops still waits for: what was sent, and what has its turn."""
        with self._lock:
            flying = [*self._flying.values()]
        stages = Counter(DOWNLOADING if one.answer_came else one.doing for one in flying)
        return stopping_words(stages[PAINTING], stages[DOWNLOADING], stages[CONNECTING])

    def line(self) -> Listing:
        """Return how far it has come, as a line of its own."""
        counts = self.tally.counts
        ended = [Message("{count:,} saved", count=self.saved)]
        ended += [not_saved(one, counts[one]) for one in NOT_SAVED if counts[one]]
        doing = [self.still()] if self.stopping else [*self.facts(), *self.doing()]
        return Listing(", ", filter(None, [self.share_in_words, *ended, *doing, self.outage]))

    def _stages(self) -> Counter[str]:
        """Return what all that have not ended are doing; in flight is only what was sent."""
        with self._lock:
            stages: Counter[str] = Counter(watch.doing for watch in self._flying.values())
            left = self.total - self.done
        if self.outage:
            # One of them tries now and then; no other has a connection.
            del stages[CONNECTING]
        stages[TURN] = max(0, left - sum(stages[stage] for stage in _IN_FLIGHT))
        return stages
