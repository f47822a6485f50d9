"""One request, one picture: the whole path, in the order that loses nothing.

Row in the history (when the connection stands), POST, answer in the history, picture into a draft,
picture under its name, history and evidence. Everything that makes pictures goes through `Maker`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zimage_cli.api import retry
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.history.ledger import now
from zimage_cli.core.making.account import Account
from zimage_cli.core.making.asking import Asking
from zimage_cli.core.making.fetching import fetch_and_keep
from zimage_cli.core.making.generation import Generation, mismatches, picture_of
from zimage_cli.core.making.loader import Loader
from zimage_cli.core.making.notes import Notes
from zimage_cli.core.observer import Observer
from zimage_cli.core.request.names import NameTemplate, name_of
from zimage_cli.core.status import Status
from zimage_cli.errors import AddressRefused, AnswerLost, NotSavedError, RefusedError, ZimageError

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.history.ledger import SafeLedger
    from zimage_cli.core.making.evidence import Evidence
    from zimage_cli.core.making.pace import Pace
    from zimage_cli.core.making.reach import Reach
    from zimage_cli.core.making.save import Place
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.request import Request


_MAY_BE_BILLED = "The request was sent: the picture may have been made and billed."
_IN_HISTORY = " It is in zimage history as lost."
_BY_HAND = "Its address could not be written to the history, so fetch it yourself within 24 hours: "
_RECOVERABLE = "The picture was made: zimage history recover fetches it within 24 hours."
_SANDBOX_ENDS = "The sandbox has ended with its pictures; nothing was billed. Make it again."


@dataclass(slots=True, eq=False, repr=False)
class Maker:
    """Makes pictures of requests, one call each; safe to share between threads.

    `evidence` is that of the run, None for none. `pace` keeps the account's limit,
    None for none. `reach`, where given, is where a request waits that cannot be sent, and uses up
    no try. `sleep` is how waits are slept; `sleep_unpaid`, where given, is how those before a
    request are, and may raise to give up: a picture that is paid is fetched all the same.
    """

    wire: Wire
    account: Account
    ledger: SafeLedger
    place: Place
    policy: retry.Policy = field(default_factory=retry.Policy)
    template: NameTemplate = field(default_factory=NameTemplate.parse)
    evidence: Evidence | None = None
    pace: Pace | None = None
    reach: Reach | None = None
    sleep: Callable[[float], None] = time.sleep
    sleep_unpaid: Callable[[float], None] | None = None
    _warned: threading.Event = field(default_factory=threading.Event)
    _leaving: set[int] = field(default_factory=set)
    """Runs that may have sent something and have not come to their end."""
    loader: Loader = field(init=False)

    def __post_init__(self) -> None:
        self.loader = Loader(self.wire, self.account.api_root, self.place)

    def make(
        self, request: Request, *, number: int = 1, observer: Observer | None = None
    ) -> Picture:
        """Make one picture; `number` counts within a run, for its name.

        Raises the typed error of whatever failed, with history and evidence already written.
        """
        observer = observer or Observer()
        generation = self.new_generation(request, self.wanted(request, number))
        self.ask(generation, observer)
        return self.save(generation, observer)

    def new_generation(
        self, request: Request, wanted: str, tags: Mapping[str, str | None] | None = None
    ) -> Generation:
        """Return a generation that has not begun; `tags` are further columns of its row."""
        wire = self.account.wire(request)
        return Generation(request, wire, wanted, tags or {}, datetime.now(UTC), time.monotonic())

    def ask(
        self,
        generation: Generation,
        observer: Observer,
        on_lost: Callable[[ZimageError], None] = lambda _: None,
    ) -> None:
        """Do the first half: ask, and note the answer. `save` does the other half.

        `on_lost` hears of every try that may be billed and is made again, or stopped.
        """
        try:
            answer = self._asking(generation, observer, on_lost).answer()
            generation.answered_at = now()
            self._notes.answered(generation, answer)
            observer.answered(answer, generation.request)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._ended(generation, error, observer) from error.__cause__

    @property
    def unsettled(self) -> bool:
        """Tell whether anything was sent that did not come to its end: it has rows to write."""
        return bool(self._leaving)

    def save(self, generation: Generation, observer: Observer) -> Picture:
        """Do the second half of `make`: fetch the picture of an answer and give it its name."""
        assert generation.answer is not None
        try:
            picture = self._save(generation, generation.answer, observer)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._ended(generation, error, observer) from error.__cause__
        self._leaving.discard(id(generation))
        observer.saved(picture)
        return picture

    def cancel(self) -> None:
        """End what is in flight, from any thread: connections are shut down, and nothing waits.

        What was sent is noted as it stands; what cannot be noted is told with its address.
        """
        self.wire.cancel()
        self.ledger.hurry()

    def leave(self, generation: Generation, error: ZimageError, observer: Observer) -> ZimageError:
        """End a run whose picture is not fetched now, and return the error with what to do next."""
        advised = self._ended(generation, error, observer)
        assert isinstance(advised, ZimageError)
        return advised

    # -- the steps -----------------------------------------------------------------------------

    def wanted(
        self, request: Request, number: int = 1, template: NameTemplate | None = None
    ) -> str:
        """Return where a picture of a request would go now; `template` is one of its own."""
        template = template or self.template
        name = name_of(request, template, region=self.account.region, number=number)
        return self.place.wanted(name)

    @property
    def _notes(self) -> Notes:
        return Notes(self.ledger, self.account, self.evidence, self._warned)

    def _asking(
        self, generation: Generation, observer: Observer, on_lost: Callable[[ZimageError], None]
    ) -> Asking:
        return Asking(
            generation,
            self.wire,
            self.account.key,
            self.account.key_hint,
            self._notes,
            loader=self.loader,
            policy=self.policy,
            pace=self.pace,
            reach=self.reach,
            observer=observer,
            on_lost=on_lost,
            sleep=self.sleep,
            sleep_unpaid=self.sleep_unpaid or self.sleep,
            leaving=self._leaving,
        )

    def _save(self, generation: Generation, answer: Answer, observer: Observer) -> Picture:
        fetched, path = fetch_and_keep(
            self.wire,
            answer.image_url,
            self.place,
            generation.wanted,
            loopback=self.account.loopback,
            note=lambda fetched: self._notes.fetched(generation, fetched),
            retries=self.policy.retries,
            on_progress=observer.receiving,
            on_wait=observer.waiting,
            sleep=self.sleep,
        )
        elapsed = time.monotonic() - generation.began
        generation.picture = picture = picture_of(
            generation, answer, fetched, self.account, path, elapsed
        )
        for text in mismatches(generation.request.size, answer, fetched):
            observer.warning(text)
        evidence = self._notes.write_evidence(generation, Status.SAVED, observer, fetched=fetched)
        if evidence is not None:
            generation.picture = picture = replace(picture, evidence_path=evidence)
        self._notes.saved(generation, fetched)
        return picture

    def _ended(
        self, generation: Generation, error: BaseException, observer: Observer
    ) -> BaseException:
        """Note how a run ended that was cut short, and return the error with what to do next."""
        try:
            return self._note_cut(generation, error, observer)
        finally:
            self._leaving.discard(id(generation))

    def _note_cut(
        self, generation: Generation, error: BaseException, observer: Observer
    ) -> BaseException:
        if generation.picture is not None:
            # Interrupted after the picture got its name: it is saved, whatever else is missing.
            self._notes.saved(generation, generation.fetched)
        elif generation.answer is not None:
            if not generation.noted:
                # Interrupted in the instant between the answer and its note.
                self._notes.answered(generation, generation.answer)
            return self._ended_without_picture(generation, generation.answer, error, observer)
        else:
            lost = generation.in_flight or generation.maybe_billed
            if isinstance(error, ZimageError) and error.maybe_billed and generation.entry is None:
                error = error.but(hint="Run the command again to pay for another try.")
            status = Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
            noted = error
            if (
                generation.maybe_billed
                and isinstance(error, ZimageError)
                and not error.maybe_billed
            ):
                # The row of a picture that may be billed must not say that it is not.
                noted = AnswerLost(
                    "The answer to a try was lost: its picture may have been made and billed. "
                    "The last try ended so: {why}",
                    why=error.said,
                )
            self._notes.ended(generation, Status.LOST if lost else status, noted, observer)
            told = _MAY_BE_BILLED + (_IN_HISTORY if generation.entry is not None else "")
            self._tell_stopped(error, observer, told if lost else None)
        return error

    def _ended_without_picture(
        self, generation: Generation, answer: Answer, error: BaseException, observer: Observer
    ) -> BaseException:
        refused = isinstance(error, AddressRefused)
        self._notes.ended(generation, Status.LOST if refused else Status.MADE, error, observer)
        hint = None if generation.noted else _BY_HAND + generation.curl()
        if isinstance(error, AddressRefused):
            asked = answer.request_id
            error = error.but(hint="Ask the service what became of request {id}.", id=asked)
        elif isinstance(error, NotSavedError):
            found = _SANDBOX_ENDS if self._in_sandbox else hint or error.hint
            error = error.but(hint=found)
        self._tell_stopped(error, observer, hint or _RECOVERABLE)
        return error

    def _tell_stopped(self, error: BaseException, observer: Observer, note: str | None) -> None:
        if not isinstance(error, ZimageError):
            observer.stopped(_SANDBOX_ENDS if note and self._in_sandbox else note)

    @property
    def _in_sandbox(self) -> bool:
        return self.account.region == SANDBOX
