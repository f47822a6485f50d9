"""One request, one picture: the whole path, in the order that loses nothing.

Row in the history (when the connection stands), POST, answer in the history, picture into a draft,
picture under its name, history and evidence. Everything that makes pictures goes through `Maker`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zimage_cli.api import limits, retry
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.history.database import now
from zimage_cli.core.making.account import Account
from zimage_cli.core.making.fetching import Finish, fetch_and_keep, once
from zimage_cli.core.making.generation import Generation
from zimage_cli.core.making.loader import Loader
from zimage_cli.core.making.notes import Notes
from zimage_cli.core.making.pace import LEAD
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status
from zimage_cli.errors import AnswerLost, AuthenticationError, ConnectionFailed, ZimageError

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.safe import SafeHistory
    from zimage_cli.core.making.evidence import Evidence
    from zimage_cli.core.making.pace import Pace, Turn
    from zimage_cli.core.making.reach import Reach
    from zimage_cli.core.making.save import Place
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.request import Request
    from zimage_cli.messages import Message


@dataclass(slots=True, eq=False, repr=False)
class Maker:
    """Makes pictures of requests; safe to share between threads.

    `evidence` is that of the run, None for none. `pace` keeps the account's limit, None for none.
    `reach`, where given, is where a request waits that cannot be sent, and uses up no try. `sleep`
    waits; `sleep_unpaid`, where given, does so before a request. Both may raise to give up. A run
    that is stopped raises only in the second, so that what is paid is still fetched. `wish` is how
    pictures are finished whose names do not say otherwise.
    """

    wire: Wire
    account: Account
    history: SafeHistory
    place: Place
    policy: retry.Policy = field(default_factory=retry.Policy)
    template: NameTemplate = field(default_factory=NameTemplate.parse)
    evidence: Evidence | None = None
    pace: Pace | None = None
    reach: Reach | None = None
    sleep: Callable[[float], None] = time.sleep
    sleep_unpaid: Callable[[float], None] | None = None
    wish: Wish = field(default_factory=Wish)
    _told: dict[str, Message] = field(default_factory=dict)
    _warned: threading.Event = field(default_factory=threading.Event)
    leaving: set[Generation] = field(default_factory=set)
    """Generations that may have sent something and have not come to their end."""
    loader: Loader = field(init=False)

    def __post_init__(self) -> None:
        self.loader = Loader(self.wire, self.account.api_root, self.place, self.wish)

    @property
    def notes(self) -> Notes:
        """What writes down how far each picture is."""
        return Notes(self.history, self.evidence, self._warned, self.wish)

    @property
    def unsettled(self) -> int:
        """How many were sent that did not come to their end: they have rows to write."""
        return len(self.leaving)

    def wanted(
        self, request: Request, number: int = 1, template: NameTemplate | None = None
    ) -> str:
        """Return where a picture would go now; `number` counts within a run, for its name.

        `template` is one of its own.
        """
        template = template or self.template
        name = template.render(request, region=self.account.region, number=number)
        return self.place.wanted(name)

    def ask(
        self, generation: Generation, on_lost: Callable[[ZimageError], None] = lambda _: None
    ) -> None:
        """Do the first half: ask, and note the answer. `save` does the other half.

        `on_lost` hears of every try that may be billed and is made again, or stopped. Raises the
        typed error of whatever failed, with history and evidence already written.
        """
        try:
            answer = _Asking(self, generation, on_lost).answer()
            generation.answered_at = now()
            self.notes.answered(generation, answer)
            generation.observer.answered(answer, generation.request)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._cut_short(generation, error) from error.__cause__

    def save(self, generation: Generation) -> Picture:
        """Do the second half: fetch the picture of the answer and give it its name."""
        try:
            picture = self._save(generation)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._cut_short(generation, error) from error.__cause__
        self.leaving.discard(generation)
        generation.observer.saved(picture)
        return picture

    def leave(self, generation: Generation, error: ZimageError) -> ZimageError:
        """End a generation whose picture is not fetched now; return the error, with what to do."""
        advised = self._cut_short(generation, error)
        assert isinstance(advised, ZimageError)
        return advised

    def cancel(self) -> None:
        """End what is in flight, from any thread: connections are shut down, and nothing waits.

        What was sent is noted as it stands; what cannot be noted is told with its address.
        """
        self.wire.cancel()
        self.history.hurry()

    def _save(self, generation: Generation) -> Picture:
        answer, observer, notes = generation.answer, generation.observer, self.notes
        assert answer is not None
        generation.fetched, path = fetch_and_keep(
            self.wire,
            answer.image_url,
            self.place,
            generation.wanted,
            Finish(self.wish.to(generation.wanted), generation.recipe, self.once(observer.warning)),
            loopback=self.account.loopback,
            lasting=self.account.region != SANDBOX,
            note=lambda fetched: notes.fetched(generation, fetched),
            retries=self.policy.retries,
            on_progress=observer.receiving,
            on_wait=observer.waiting,
            sleep=self.sleep,
        )
        generation.picture = picture = generation.picture_at(path)
        for text in generation.mismatches():
            observer.warning(text)
        evidence = notes.evidence_of(generation, Status.SAVED)
        if evidence is not None:
            generation.picture = picture = replace(picture, evidence_path=evidence)
        notes.saved(generation)
        return picture

    def once(self, warn: Callable[[Message], None]) -> Callable[[Message], None]:
        """Return what warns of a kind of thing once in a run, whichever picture has it first."""
        return once(self._told, warn)

    def _cut_short(self, generation: Generation, error: BaseException) -> BaseException:
        try:
            return self.notes.cut_short(generation, error)
        finally:
            self.leaving.discard(generation)


class _Idle(Exception):
    """A connection has been idle for so long that the other side may have closed it."""


class _Asking:
    """One request on its way to its answer: turns of the pace, and tries.

    The maker's `sleep` waits for what is as good as sent, its `sleep_unpaid` for what is not.
    """

    def __init__(
        self, maker: Maker, generation: Generation, on_lost: Callable[[ZimageError], None]
    ) -> None:
        self.maker = maker
        self.generation = generation
        self.on_lost = on_lost
        self.sleep_unpaid = maker.sleep_unpaid or maker.sleep
        self.turn: Turn | None = None

    def answer(self) -> Answer:
        """Return the answer. Raises the error of the last try, and what the sleeps raise."""
        return retry.run(
            self._try_where_reached,
            self.maker.policy,
            on_wait=self._waiting,
            sleep=self.sleep_unpaid,
        )

    def _try_where_reached(self) -> Answer:
        reach = self.maker.reach
        return reach.run(self._try, self._never_sent) if reach else self._try()

    def _try(self) -> Answer:
        while True:
            try:
                return self._try_once()
            except _Idle:
                self._never_sent(ConnectionFailed("The connection waited for the history."))

    def _try_once(self) -> Answer:
        generation, maker = self.generation, self.maker
        if maker.pace is not None:
            # Before it: a turn keeps its place for PENDING, and a slow machine loads for longer.
            maker.wire.prepare(generation.wire.url)
            self.turn = maker.pace.take(
                sleep=self.sleep_unpaid, on_wait=generation.observer.pacing, lead=LEAD
            )
        generation.attempts += 1
        generation.in_flight = False
        generation.observer.sending(generation.attempts)
        try:
            generation.answer = maker.wire.generate(
                generation.wire, maker.account.key, on_ready=self._ready, on_sent=self._sent
            )
        except AuthenticationError as error:
            self._failed(error)
            if error.http_status == 401 and maker.account.key_hint is not None:
                raise error.but(hint=maker.account.key_hint) from None
            raise
        except BaseException as error:
            self._failed(error)
            raise
        if self.turn is not None:
            self.turn.pace.succeeded()
        return generation.answer

    def _ready(self) -> None:
        # In this order: who cancels and then looks at `leaving` misses nothing that leaves.
        self.maker.leaving.add(self.generation)
        self.maker.sleep(0.0)
        self.maker.loader.begin()
        began = time.monotonic()
        self.maker.notes.sending(self.generation, sleep=self.sleep_unpaid)
        if time.monotonic() - began > limits.IDLE_BEFORE_REQUEST:
            raise _Idle
        if self.turn is not None:
            self.maker.sleep(self.turn.left())

    def _sent(self) -> None:
        self.generation.in_flight = True
        if self.turn is not None:
            self.turn.sent()
        self.maker.loader.sent.set()
        if self.maker.reach is not None:
            self.maker.reach.passed()
        self.generation.observer.sent()

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
        self.maker.notes.paused(self.generation, error)

    def _waiting(self, wait: retry.Wait) -> None:
        if wait.error.maybe_billed:
            self.on_lost(wait.error)
        self.maker.notes.paused(self.generation, wait.error)
        self.generation.observer.waiting(wait)
