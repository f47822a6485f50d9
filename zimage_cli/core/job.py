"""One request, one picture: the whole path, in the order that loses nothing.

Row in the ledger, POST, answer in the ledger, picture into a draft, picture under its name, ledger
and evidence. Everything that makes pictures goes through `Maker.make`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zimage_cli import __version__
from zimage_cli.api import limits, retry
from zimage_cli.api.endpoint import SANDBOX, host_of, is_loopback_host, origin_of, without_query
from zimage_cli.api.errors import (
    AddressRefused,
    AnswerLost,
    DiskError,
    NotSavedError,
    ServiceError,
    Stopped,
    ZimageError,
)
from zimage_cli.api.payload import MODEL, WireRequest, generation_request
from zimage_cli.core import ledger as ledgers
from zimage_cli.core.files import memory_is_limited, reason
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.pace import LEAD
from zimage_cli.core.prices import Price, cost, list_price

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.client import Client
    from zimage_cli.core.batch.outage import Reach
    from zimage_cli.core.ledger import SafeLedger
    from zimage_cli.core.pace import Pace, Turn
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request import Request
    from zimage_cli.core.save import Place


_MAY_BE_BILLED = (
    "The request was sent: the picture may have been made and billed. "
    "It is in zimage history as lost."
)
_RECOVERABLE = "The picture was made: zimage history recover fetches it within 24 hours."
_SANDBOX_ENDS = "The sandbox has ended with its pictures; nothing was billed. Make it again."

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom pictures are asked of. `region` is `sandbox` or `custom` where it is none of the two."""

    api_root: str
    region: str
    workspace: str | None
    key: str = field(repr=False)

    @property
    def origin(self) -> str:
        """The API root without path."""
        return origin_of(self.api_root)

    @property
    def loopback(self) -> bool:
        """Tell whether the service runs on this machine."""
        return is_loopback_host(host_of(self.api_root))

    def price(self, *, prompt_extend: bool) -> Price | None:
        """Return the list price of a picture."""
        return list_price(self.region, prompt_extend)

    def wire(self, request: Request) -> WireRequest:
        """Return the call for a request: what is sent, and what a dry run shows."""
        return generation_request(
            self.api_root,
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
        )


class Observer:
    """Hears what happens while a picture is made. Every method may be left as it is."""

    def pacing(self, seconds: float) -> None:
        """Note that the account's limit makes this request wait its turn."""

    def sending(self, attempt: int) -> None:
        """Note that a request is about to be sent."""

    def sent(self) -> None:
        """Note that the request has left: the service paints."""

    def waiting(self, wait: retry.Wait) -> None:
        """Note that a try failed and another follows after a pause."""

    def answered(self, answer: Answer, request: Request) -> None:
        """Note that the answer is here: the picture is fetched next."""

    def receiving(self, received: int, total: int | None) -> None:
        """Note that bytes of the picture have arrived."""

    def saved(self, picture: Picture) -> None:
        """Note that the picture is in its place."""

    def stopped(self, note: str | None) -> None:
        """Note that the picture was given up on request; `note` says what became of it."""

    def warning(self, text: str) -> None:
        """Say what is worth knowing and stops nothing."""


@dataclass(slots=True)
class Run:
    """What is known so far about one generation: asked for, perhaps answered, perhaps saved."""

    request: Request
    wire: WireRequest
    wanted: str
    tags: Mapping[str, str]
    started: datetime
    began: float
    begun: bool = False
    """Whether a row was written for it, where a ledger is kept."""
    entry: int | None = None
    attempts: int = 0
    in_flight: bool = False
    maybe_billed: bool = False
    """Whether a try before this one may have been made."""
    answer: Answer | None = None
    noted: bool = False
    """Whether the answer is in the ledger."""
    picture: Picture | None = None
    """The picture, once it is in its place."""


@dataclass(slots=True)
class Maker:
    """Makes pictures of requests, one call each; safe to share between threads.

    `evidence` is the folder for evidence files, None for none. `pace` keeps the account's limit,
    None for none. `reach`, where given, is where a request waits that cannot be sent, and uses up
    no try. `sleep` is how waits are slept; `sleep_unpaid`, where given, is how those before a
    request are, and may raise to give up: a picture that is paid is fetched all the same.
    """

    client: Client
    destination: Destination
    ledger: SafeLedger
    place: Place
    policy: retry.Policy = field(default_factory=retry.Policy)
    template: NameTemplate = field(default_factory=NameTemplate.parse)
    evidence: Path | None = None
    pace: Pace | None = None
    reach: Reach | None = None
    sleep: Callable[[float], None] = time.sleep
    sleep_unpaid: Callable[[float], None] | None = None
    _warned: threading.Event = field(default_factory=threading.Event)
    _prepared: threading.Event = field(default_factory=threading.Event)
    _sent: threading.Event = field(default_factory=threading.Event)
    _leaving: set[int] = field(default_factory=set)
    """Runs that may have sent something and have not come to their end."""

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
            answer = self._ask(run, observer, on_lost)
            self._note_answer(run, answer)
            observer.answered(answer, request)
        except BaseException as error:
            self._ended(run, error, observer)
            raise
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
        except BaseException as error:
            self._ended(run, error, observer)
            raise
        self._leaving.discard(id(run))
        observer.saved(picture)
        return picture

    def leave(self, run: Run, error: ZimageError, observer: Observer) -> None:
        """End a run whose picture is not fetched now, as `save` does where that fails."""
        self._ended(run, error, observer)

    def load(self) -> None:
        """Load what comes after a request before the first one is sent: for many of them."""
        self._prepared.set()
        self._load_what_comes_next()

    # -- the steps -----------------------------------------------------------------------------

    def wanted(self, request: Request, number: int = 1) -> str:
        """Return where a picture of a request would go now."""
        name = self.template.render(
            prompt=request.prompt,
            seed=request.seed,
            size=request.size,
            region=self.destination.region,
            n=number,
            when=datetime.now(UTC).astimezone(),
        )
        return self.place.wanted(name)

    def _begin(self, run: Run, **ending: Any) -> None:
        """Write the row of a request; `ending` are the columns of one that was never sent."""
        run.begun = True
        request = run.request
        price = cost(self.destination.price(prompt_extend=request.prompt_extend))
        run.entry = self.ledger.begin(
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            region=self.destination.region,
            endpoint=self.destination.origin,
            workspace=self.destination.workspace,
            wanted_path=run.wanted if run.wanted == "-" else str(Path(run.wanted).absolute()),
            cost_amount=price["amount"],
            cost_currency=price["currency"],
            sleep=self.sleep_unpaid or self.sleep,
            **dict[str, Any](run.tags),
            **ending,
        )

    def _ready(self, run: Run) -> None:
        """Write down that a request leaves now: the connection stands, the first byte is next.

        What only waits cannot be lost, so it has no row `sending`.
        """
        if run.begun:
            self.ledger.sending(run.entry, sleep=self.sleep_unpaid or self.sleep)
        else:
            self._begin(run)

    def _ask(self, run: Run, observer: Observer, on_lost: Callable[[ZimageError], None]) -> Answer:
        turn: Turn | None = None
        sleep = self.sleep_unpaid or self.sleep

        def ready() -> None:
            # In this order: who cancels and then looks at `unsettled` misses nothing that leaves.
            self._leaving.add(id(run))
            self.sleep(0.0)
            self._prepare()
            self._ready(run)
            if turn is not None:
                self.sleep(turn.left())

        def sent() -> None:
            run.in_flight = True
            if turn is not None:
                turn.sent()
            self._sent.set()
            if self.reach is not None:
                self.reach.passed()
            observer.sent()

        def attempt() -> Answer:
            nonlocal turn
            if self.pace is not None:
                turn = self.pace.take(sleep=sleep, on_wait=observer.pacing, lead=LEAD)
            run.attempts += 1
            run.in_flight = False
            observer.sending(run.attempts)
            try:
                run.answer = self.client.generate(
                    run.wire, self.destination.key, on_ready=ready, on_sent=sent
                )
            except BaseException as error:
                if turn is not None and not run.in_flight:
                    turn.dropped()
                if isinstance(error, ZimageError):
                    if turn is not None:
                        turn.pace.failed(error)
                    run.in_flight = False
                    run.maybe_billed |= _maybe_billed(error)
                elif run.in_flight:
                    on_lost(AnswerLost("zimage was stopped while the service painted."))
                raise
            if turn is not None:
                turn.pace.succeeded()
            return run.answer

        def never_sent(error: ZimageError) -> None:
            run.attempts -= 1
            self._note_pause(run, error)

        def reaching() -> Answer:
            return self.reach.run(attempt, never_sent) if self.reach else attempt()

        def waiting(wait: retry.Wait) -> None:
            if _maybe_billed(wait.error):
                on_lost(wait.error)
            self._note_pause(run, wait.error)
            observer.waiting(wait)

        return retry.run(reaching, self.policy, on_wait=waiting, sleep=sleep)

    def _prepare(self) -> None:
        """Have what comes after the answer loaded while the service paints, for seconds.

        Before anything is sent where the system might refuse it later: a module that cannot be
        loaded would then cost a picture that is paid.
        """
        if self._prepared.is_set():
            return
        self._prepared.set()

        def load() -> None:
            self._sent.wait(1.0)
            # What fails here fails again, and is reported, when it is needed.
            with suppress(Exception):
                self._load_what_comes_next()
                self.place.clear()

        if not memory_is_limited():
            with suppress(RuntimeError):
                threading.Thread(target=load, name="loader", daemon=True).start()
                return
        self._load_what_comes_next()

    def _load_what_comes_next(self) -> None:
        import zimage_cli.api.answer
        import zimage_cli.api.codes
        import zimage_cli.api.download
        import zimage_cli.core.evidence
        import zimage_cli.core.picture  # noqa: F401

        self.client.prepare_for_pictures(self.destination.api_root)

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
            self._note(run, lambda book, row: book.fetched(row, fetched))
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
        evidence = self._write_evidence(run, ledgers.SAVED, observer, picture=picture)
        self._note_picture(run, picture, evidence)
        return picture

    def _ended(self, run: Run, error: BaseException, observer: Observer) -> None:
        """Note how a run ended that was cut short."""
        try:
            self._note_cut(run, error, observer)
        finally:
            self._leaving.discard(id(run))

    def _note_cut(self, run: Run, error: BaseException, observer: Observer) -> None:
        if run.picture is not None:
            # Interrupted after the picture got its name: it is saved, whatever else is missing.
            self._note_picture(run, run.picture, None)
        elif run.answer is not None:
            if not run.noted:
                # Interrupted in the instant between the answer and its note.
                self._note_answer(run, run.answer)
            self._ended_without_picture(run, run.answer, error, observer)
        else:
            lost = run.in_flight or run.maybe_billed
            self._note_end(run, ledgers.LOST if lost else ledgers.FAILED, error, observer)
            self._tell_stopped(error, observer, _MAY_BE_BILLED if lost else None)

    def _ended_without_picture(
        self, run: Run, answer: Answer, error: BaseException, observer: Observer
    ) -> None:
        refused = isinstance(error, AddressRefused)
        self._note_end(run, ledgers.LOST if refused else ledgers.MADE, error, observer)
        hint = None if run.noted else _by_hand(answer)
        if isinstance(error, AddressRefused):
            error.hint = f"Ask the service what became of request {answer.request_id}."
        elif isinstance(error, NotSavedError):
            error.hint = _SANDBOX_ENDS if self._in_sandbox else hint or error.hint
        self._tell_stopped(error, observer, hint or _RECOVERABLE)

    def _tell_stopped(self, error: BaseException, observer: Observer, note: str | None) -> None:
        if not isinstance(error, ZimageError):
            observer.stopped(_SANDBOX_ENDS if note and self._in_sandbox else note)

    @property
    def _in_sandbox(self) -> bool:
        return self.destination.region == SANDBOX

    # -- notes ---------------------------------------------------------------------------------

    def _note(self, run: Run, write: Callable[[ledgers.Ledger, int], None]) -> bool:
        return self.ledger.note(run.entry, write)

    def _note_answer(self, run: Run, answer: Answer) -> None:
        rewritten = answer.rewritten_prompt(prompt_extend=run.request.prompt_extend)
        run.noted = self.ledger.made(run.entry, answer, rewritten=rewritten, attempts=run.attempts)

    def _note_picture(self, run: Run, picture: Picture, evidence: str | None) -> None:
        kept = picture.path if picture.path == "-" else str(Path(picture.path).absolute())
        url = picture.answer.image_url
        if not run.noted:
            # The history was locked, or its disk full: it may have passed.
            self._note_answer(run, picture.answer)
        self._note(
            run,
            lambda book, row: book.saved(
                row, kept, picture.fetched, url, picture.elapsed, evidence
            ),
        )

    def _note_pause(self, run: Run, error: ZimageError) -> None:
        """Note what a process that dies before the next try leaves behind."""
        if run.begun:
            status = ledgers.LOST if run.maybe_billed else ledgers.FAILED
            why = Stopped(f"zimage ended before another try; the one before: {error.message}")
            self._note(run, lambda book, row: book.ended(row, status, why, attempts=run.attempts))

    def _note_end(self, run: Run, status: str, error: BaseException, observer: Observer) -> None:
        if not run.begun:
            if not isinstance(error, ZimageError):
                return
            # It never left, and nobody stopped it: a row with its end, in one write.
            self._begin(
                run,
                status=status,
                attempts=run.attempts,
                error=json.dumps(ledgers.error_facts(error)),
            )
        evidence = self._write_evidence(run, status, observer, error=error)
        self._note(
            run,
            lambda book, row: book.ended(
                row, status, error, attempts=run.attempts, evidence_path=evidence
            ),
        )

    def _write_evidence(
        self,
        run: Run,
        status: str,
        observer: Observer,
        *,
        picture: Picture | None = None,
        error: BaseException | None = None,
    ) -> str | None:
        """Write the evidence and return its path; None where there is none."""
        if self.evidence is None:
            return None
        from zimage_cli.core import evidence

        facts = self._facts(run, status, picture, error)
        try:
            path = evidence.write(self.evidence, facts, started=run.started, number=run.entry)
        except OSError as problem:
            if not self._warned.is_set():
                self._warned.set()
                observer.warning(f"evidence could not be written: {reason(problem)}")
            return None
        return str(path.absolute())

    def _facts(
        self, run: Run, status: str, picture: Picture | None, error: BaseException | None
    ) -> dict[str, Any]:
        from zimage_cli.core.picture import saved_facts

        answer = run.answer
        price = self.destination.price(prompt_extend=run.request.prompt_extend)
        return {
            "schema": 1,
            "zimage": __version__,
            "status": status,
            "started": run.started.isoformat(timespec="milliseconds"),
            "finished": ledgers.now(),
            "region": self.destination.region,
            "endpoint": self.destination.origin,
            "workspace": self.destination.workspace,
            "model": MODEL,
            "request": json.loads(run.wire.body),
            "answer": None
            if answer is None
            else {
                "request_id": answer.request_id,
                "image_url": without_query(answer.image_url),
                "width": answer.width,
                "height": answer.height,
                "rewritten_prompt": answer.rewritten_prompt(
                    prompt_extend=run.request.prompt_extend
                ),
                "reasoning": answer.reasoning,
                "usage": answer.usage,
            },
            "request_id": answer.request_id if answer else getattr(error, "request_id", None),
            "picture": None if picture is None else saved_facts(picture.path, picture.fetched),
            "price": cost(price),
            "attempts": run.attempts,
            "history_id": run.entry,
            "error": None if error is None else ledgers.error_facts(error),
        }


def _maybe_billed(error: ZimageError) -> bool:
    return isinstance(error, AnswerLost) or (isinstance(error, ServiceError) and error.maybe_billed)


def _by_hand(answer: Answer) -> str:
    """Return how to fetch a picture that no file knows of: without its address it is gone."""
    from shlex import quote

    return (
        "Its address could not be written to the history, so fetch it yourself within 24 hours: "
        f"curl -o picture.png {quote(answer.image_url)}"
    )


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
            error.message = f"The picture was made and is not saved. {error.message}"
