"""Ask the service for one picture: turns of the pace, tries, and what is noted on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from zimage_cli.api import limits, retry
from zimage_cli.core.making.pace import LEAD
from zimage_cli.errors import AnswerLost, AuthenticationError, ConnectionFailed, ZimageError

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.making.loader import Loader
    from zimage_cli.core.making.notes import Notes
    from zimage_cli.core.making.pace import Pace, Turn
    from zimage_cli.core.making.reach import Reach
    from zimage_cli.core.observer import Observer
    from zimage_cli.messages import Message


class _Idle(Exception):
    """A connection has been idle for so long that the other side may have closed it."""


class Asking:
    """One request on its way to its answer.

    `sleep` waits for what is as good as sent, `sleep_unpaid` for what is not; both may raise to
    give up. `leaving` holds the runs that may have sent something.
    """

    def __init__(
        self,
        generation: Generation,
        wire: Wire,
        key: str,
        key_hint: str | Message | None,
        notes: Notes,
        *,
        loader: Loader,
        policy: retry.Policy,
        pace: Pace | None,
        reach: Reach | None,
        observer: Observer,
        on_lost: Callable[[ZimageError], None],
        sleep: Callable[[float], None],
        sleep_unpaid: Callable[[float], None],
        leaving: set[int],
    ) -> None:
        self.generation = generation
        self.wire = wire
        self.key = key
        self.key_hint = key_hint
        self.notes = notes
        self.loader = loader
        self.policy = policy
        self.pace = pace
        self.reach = reach
        self.observer = observer
        self.on_lost = on_lost
        self.sleep = sleep
        self.sleep_unpaid = sleep_unpaid
        self.leaving = leaving
        self.turn: Turn | None = None

    def answer(self) -> Answer:
        """Return the answer. Raises the error of the last try, and what the sleeps raise."""
        return retry.run(
            self._try_where_reached, self.policy, on_wait=self._waiting, sleep=self.sleep_unpaid
        )

    def _try_where_reached(self) -> Answer:
        return self.reach.run(self._try, self._never_sent) if self.reach else self._try()

    def _try(self) -> Answer:
        while True:
            try:
                return self._try_once()
            except _Idle:
                self._never_sent(ConnectionFailed("The connection waited for the history."))

    def _try_once(self) -> Answer:
        generation = self.generation
        if self.pace is not None:
            self.turn = self.pace.take(
                sleep=self.sleep_unpaid, on_wait=self.observer.pacing, lead=LEAD
            )
        generation.attempts += 1
        generation.in_flight = False
        self.observer.sending(generation.attempts)
        try:
            generation.answer = self.wire.generate(
                generation.wire, self.key, on_ready=self._ready, on_sent=self._sent
            )
        except AuthenticationError as error:
            self._failed(error)
            if error.http_status == 401 and self.key_hint is not None:
                raise error.but(hint=self.key_hint) from None
            raise
        except BaseException as error:
            self._failed(error)
            raise
        if self.turn is not None:
            self.turn.pace.succeeded()
        return generation.answer

    def _ready(self) -> None:
        # In this order: who cancels and then looks at `leaving` misses nothing that leaves.
        self.leaving.add(id(self.generation))
        self.sleep(0.0)
        self.loader.begin()
        began = time.monotonic()
        self.notes.sending(self.generation, sleep=self.sleep_unpaid)
        if time.monotonic() - began > limits.IDLE_BEFORE_REQUEST:
            raise _Idle
        if self.turn is not None:
            self.sleep(self.turn.left())

    def _sent(self) -> None:
        self.generation.in_flight = True
        if self.turn is not None:
            self.turn.sent()
        self.loader.sent.set()
        if self.reach is not None:
            self.reach.passed()
        self.observer.sent()

    def _failed(self, error: BaseException) -> None:
        generation, turn = self.generation, self.turn
        if turn is not None and not generation.in_flight:
            turn.dropped()
        if isinstance(error, ZimageError):
            if turn is not None:
                turn.pace.failed(error)
            generation.in_flight = False
            generation.maybe_billed |= error.maybe_billed
        elif generation.in_flight:
            self.on_lost(AnswerLost("zimage was stopped while the service painted."))

    def _never_sent(self, error: ZimageError) -> None:
        """Give back a try that has cost nothing."""
        self.generation.attempts -= 1
        self.notes.paused(self.generation, error)

    def _waiting(self, wait: retry.Wait) -> None:
        if wait.error.maybe_billed:
            self.on_lost(wait.error)
        self.notes.paused(self.generation, wait.error)
        self.observer.waiting(wait)
