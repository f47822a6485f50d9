"""One request, one picture: the whole path, in the order that loses nothing.

Row in the history (when the connection stands), POST, answer in the history, picture into a draft,
picture under its name, history and evidence. Everything that makes pictures goes through `Maker`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from zimage_cli.api import limits, retry
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.errors import (
    AddressRefused,
    DiskError,
    NotSavedError,
    ZimageError,
)
from zimage_cli.core import ledger as ledgers
from zimage_cli.core.asking import Asking
from zimage_cli.core.destination import Destination
from zimage_cli.core.files import reason
from zimage_cli.core.loader import Loader
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.notes import Notes
from zimage_cli.core.observer import Observer
from zimage_cli.core.run import Run

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.batch.outage import Reach
    from zimage_cli.core.evidence import Evidence
    from zimage_cli.core.ledger import SafeLedger
    from zimage_cli.core.pace import Pace
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request import Request
    from zimage_cli.core.save import Place


_MAY_BE_BILLED = "The request was sent: the picture may have been made and billed."
_IN_HISTORY = " It is in zimage history as lost."
_BY_HAND = "Its address could not be written to the history, so fetch it yourself within 24 hours: "
_RECOVERABLE = "The picture was made: zimage history recover fetches it within 24 hours."
_SANDBOX_ENDS = "The sandbox has ended with its pictures; nothing was billed. Make it again."

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Maker:
    """Makes pictures of requests, one call each; safe to share between threads.

    `evidence` is that of the run, None for none. `pace` keeps the account's limit,
    None for none. `reach`, where given, is where a request waits that cannot be sent, and uses up
    no try. `sleep` is how waits are slept; `sleep_unpaid`, where given, is how those before a
    request are, and may raise to give up: a picture that is paid is fetched all the same.
    """

    client: Wire
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
        self.loader = Loader(self.client, self.destination.api_root, self.place)

    def make(
        self,
        request: Request,
        *,
        number: int = 1,
        observer: Observer | None = None,
        wanted: str | None = None,
        tags: Mapping[str, str] = _NO_TAGS,
        on_lost: Callable[[ZimageError], None] = lambda _: None,
    ) -> Picture:
        """Make one picture; `number` counts within a run, for its name.

        `wanted` is its place where the template does not name it; `tags` are further columns of its
        row in the ledger. `on_lost` hears of every try that may be billed and is made again, or
        stopped.

        Raises the typed error of whatever failed, with the ledger and the evidence already written.
        """
        observer = observer or Observer()
        run = self.ask(
            request, number=number, observer=observer, wanted=wanted, tags=tags, on_lost=on_lost
        )
        return self.save(run, observer)

    def ask(
        self,
        request: Request,
        *,
        number: int,
        observer: Observer,
        wanted: str | None,
        tags: Mapping[str, str],
        on_lost: Callable[[ZimageError], None],
    ) -> Run:
        """Do the first half of `make`: ask, and note the answer. `save` does the other half."""
        place = wanted or self.wanted(request, number)
        wire = self.destination.wire(request)
        run = Run(request, wire, place, tags, datetime.now(UTC), time.monotonic())
        try:
            answer = self._asking(run, observer, on_lost).answer()
            self._notes.answered(run, answer)
            observer.answered(answer, request)
        except BaseException as error:  # noqa: BLE001 - raised again, with what to do next
            raise self._ended(run, error, observer) from error.__cause__
        return run

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
        self.client.cancel()
        self.ledger.hurry()

    def leave(self, run: Run, error: ZimageError, observer: Observer) -> None:
        """End a run whose picture is not fetched now, as `save` does where that fails."""
        self._ended(run, error, observer)

    # -- the steps -----------------------------------------------------------------------------

    def wanted(
        self, request: Request, number: int = 1, template: NameTemplate | None = None
    ) -> str:
        """Return where a picture of a request would go now; `template` is one of its own."""
        name = (template or self.template).render(
            prompt=request.prompt,
            seed=request.seed,
            size=request.size,
            region=self.destination.region,
            n=number,
            when=datetime.now(UTC).astimezone(),
        )
        return self.place.wanted(name)

    @property
    def _notes(self) -> Notes:
        return Notes(self.ledger, self.destination, self.evidence, self._warned)

    def _asking(
        self, run: Run, observer: Observer, on_lost: Callable[[ZimageError], None]
    ) -> Asking:
        return Asking(
            run,
            self.client,
            self.destination.key,
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
        from zimage_cli.api.download import fetch
        from zimage_cli.core.picture import Picture, mismatches

        with _not_saved(run.wanted), self.place.draft(run.wanted) as draft:
            fetched = retry.run(
                lambda: fetch(
                    self.client,
                    answer.image_url,
                    draft.file,
                    loopback=self.destination.loopback,
                    on_progress=observer.receiving,
                ),
                retry.Policy(
                    min(self.policy.retries, limits.PICTURE_RETRIES),
                    wait_base=limits.PICTURE_WAIT_BASE,
                ),
                on_wait=observer.waiting,
                sleep=self.sleep,
            )
            self._notes.fetched(run, fetched)
            path = draft.keep()
        picture = Picture(
            run.request,
            self.destination,
            answer,
            fetched,
            path,
            run.attempts,
            time.monotonic() - run.began,
            run.entry,
        )
        run.picture = picture
        for text in mismatches(picture):
            observer.warning(text)
        evidence = self._notes.write_evidence(run, ledgers.SAVED, observer, picture=picture)
        self._notes.saved(run, picture, evidence)
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
            self._notes.saved(run, run.picture)
        elif run.answer is not None:
            if not run.noted:
                # Interrupted in the instant between the answer and its note.
                self._notes.answered(run, run.answer)
            return self._ended_without_picture(run, run.answer, error, observer)
        else:
            lost = run.in_flight or run.maybe_billed
            if isinstance(error, ZimageError) and error.maybe_billed and run.entry is None:
                error = error.but(hint="Run the command again to pay for another try.")
            self._notes.ended(run, ledgers.LOST if lost else ledgers.FAILED, error, observer)
            told = _MAY_BE_BILLED + (_IN_HISTORY if run.entry is not None else "")
            self._tell_stopped(error, observer, told if lost else None)
        return error

    def _ended_without_picture(
        self, run: Run, answer: Answer, error: BaseException, observer: Observer
    ) -> BaseException:
        refused = isinstance(error, AddressRefused)
        self._notes.ended(run, ledgers.LOST if refused else ledgers.MADE, error, observer)
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


class _not_saved:  # noqa: N801 - reads as the statement it is
    """Turn a disk's refusal into NotSavedError: the picture is paid and can be recovered."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            where = "the standard output" if self._wanted == "-" else self._wanted
            raise DiskError(
                f"The picture was made and could not be saved to {where}: {reason(error)}."
            ) from None
        if isinstance(error, NotSavedError):
            raise error.but("The picture was made and is not saved. {cause}") from error.__cause__
