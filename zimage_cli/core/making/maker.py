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
from zimage_cli.core.making.account import Destination
from zimage_cli.core.making.asking import Asking
from zimage_cli.core.making.fetching import fetch_and_keep
from zimage_cli.core.making.generation import Run
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
    destination: Destination
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
        self.loader = Loader(self.wire, self.destination.api_root, self.place)

    def make(
        self, request: Request, *, number: int = 1, observer: Observer | None = None
    ) -> Picture:
        """Make one picture; `number` counts within a run, for its name.

        Raises the typed error of whatever failed, with history and evidence already written.
        """
        observer = observer or Observer()
        run = self.new_run(request, self.wanted(request, number))
        self.ask(run, observer)
        return self.save(run, observer)

    def new_run(
        self, request: Request, wanted: str, tags: Mapping[str, str | None] | None = None
    ) -> Run:
        """Return a generation that has not begun; `tags` are further columns of its row."""
        wire = self.destination.wire(request)
        return Run(request, wire, wanted, tags or {}, datetime.now(UTC), time.monotonic())

    def ask(
        self,
        run: Run,
        observer: Observer,
        on_lost: Callable[[ZimageError], None] = lambda _: None,
    ) -> None:
        """Do the first half: ask, and note the answer. `save` does the other half.

        `on_lost` hears of every try that may be billed and is made again, or stopped.
        """
        try:
            answer = self._asking(run, observer, on_lost).answer()
            run.answered_at = now()
            self._notes.answered(run, answer)
            observer.answered(answer, run.request)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._ended(run, error, observer) from error.__cause__

    @property
    def unsettled(self) -> bool:
        """Tell whether anything was sent that did not come to its end: it has rows to write."""
        return bool(self._leaving)

    def save(self, run: Run, observer: Observer) -> Picture:
        """Do the second half of `make`: fetch the picture of an answer and give it its name."""
        assert run.answer is not None
        try:
            picture = self._save(run, run.answer, observer)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._ended(run, error, observer) from error.__cause__
        self._leaving.discard(id(run))
        observer.saved(picture)
        return picture

    def cancel(self) -> None:
        """End what is in flight, from any thread: connections are shut down, and nothing waits.

        What was sent is noted as it stands; what cannot be noted is told with its address.
        """
        self.wire.cancel()
        self.ledger.hurry()

    def leave(self, run: Run, error: ZimageError, observer: Observer) -> ZimageError:
        """End a run whose picture is not fetched now, and return the error with what to do next."""
        advised = self._ended(run, error, observer)
        assert isinstance(advised, ZimageError)
        return advised

    # -- the steps -----------------------------------------------------------------------------

    def wanted(
        self, request: Request, number: int = 1, template: NameTemplate | None = None
    ) -> str:
        """Return where a picture of a request would go now; `template` is one of its own."""
        template = template or self.template
        name = name_of(request, template, region=self.destination.region, number=number)
        return self.place.wanted(name)

    @property
    def _notes(self) -> Notes:
        return Notes(self.ledger, self.destination, self.evidence, self._warned)

    def _asking(
        self, run: Run, observer: Observer, on_lost: Callable[[ZimageError], None]
    ) -> Asking:
        return Asking(
            run,
            self.wire,
            self.destination.key,
            self.destination.key_hint,
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

    def _save(self, run: Run, answer: Answer, observer: Observer) -> Picture:
        from zimage_cli.core.picture import mismatches, of_run

        fetched, path = fetch_and_keep(
            self.wire,
            answer.image_url,
            self.place,
            run.wanted,
            loopback=self.destination.loopback,
            note=lambda fetched: self._notes.fetched(run, fetched),
            retries=self.policy.retries,
            on_progress=observer.receiving,
            on_wait=observer.waiting,
            sleep=self.sleep,
        )
        elapsed = time.monotonic() - run.began
        run.picture = picture = of_run(run, answer, fetched, self.destination, path, elapsed)
        for text in mismatches(run.request.size, answer, fetched):
            observer.warning(text)
        evidence = self._notes.write_evidence(run, Status.SAVED, observer, fetched=fetched)
        if evidence is not None:
            run.picture = picture = replace(picture, evidence_path=evidence)
        self._notes.saved(run, fetched)
        return picture

    def _ended(self, run: Run, error: BaseException, observer: Observer) -> BaseException:
        """Note how a run ended that was cut short, and return the error with what to do next."""
        try:
            return self._note_cut(run, error, observer)
        finally:
            self._leaving.discard(id(run))

    def _note_cut(self, run: Run, error: BaseException, observer: Observer) -> BaseException:
        if run.picture is not None:
            # Interrupted after the picture got its name: it is saved, whatever else is missing.
            self._notes.saved(run, run.fetched)
        elif run.answer is not None:
            if not run.noted:
                # Interrupted in the instant between the answer and its note.
                self._notes.answered(run, run.answer)
            return self._ended_without_picture(run, run.answer, error, observer)
        else:
            lost = run.in_flight or run.maybe_billed
            if isinstance(error, ZimageError) and error.maybe_billed and run.entry is None:
                error = error.but(hint="Run the command again to pay for another try.")
            status = Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
            noted = error
            if run.maybe_billed and isinstance(error, ZimageError) and not error.maybe_billed:
                # The row of a picture that may be billed must not say that it is not.
                noted = AnswerLost(
                    "The answer to a try was lost: its picture may have been made and billed. "
                    "The last try ended so: {why}",
                    why=error.said,
                )
            self._notes.ended(run, Status.LOST if lost else status, noted, observer)
            told = _MAY_BE_BILLED + (_IN_HISTORY if run.entry is not None else "")
            self._tell_stopped(error, observer, told if lost else None)
        return error

    def _ended_without_picture(
        self, run: Run, answer: Answer, error: BaseException, observer: Observer
    ) -> BaseException:
        refused = isinstance(error, AddressRefused)
        self._notes.ended(run, Status.LOST if refused else Status.MADE, error, observer)
        hint = None if run.noted else _BY_HAND + run.curl()
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
        return self.destination.region == SANDBOX
