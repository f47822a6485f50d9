"""Run a batch: workers that make, fetch and write down, until the file or the reasons end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api.endpoint import without_query
from zimage_cli.api.errors import (
    AnswerLost,
    AuthenticationError,
    BillingError,
    ConfigurationError,
    DiskError,
    NotSavedError,
    QuotaError,
    ServiceError,
    Stopped,
    ZimageError,
)
from zimage_cli.core import recover
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.plan import Item, within
from zimage_cli.core.files import reason
from zimage_cli.core.history_file import HistoryFull, HistoryLocked
from zimage_cli.core.job import Observer
from zimage_cli.core.request import draw_seed

if TYPE_CHECKING:
    from zimage_cli.core.batch.journal import Journal
    from zimage_cli.core.batch.state import State, States
    from zimage_cli.core.entry import Entry
    from zimage_cli.core.job import Maker, Run
    from zimage_cli.core.request import Request

SAVED, FAILED, LOST, SKIPPED = "saved", "failed", "lost", "skipped"

_POINTLESS = (AuthenticationError, BillingError, QuotaError, ConfigurationError, DiskError)
"""Causes that the next line would meet too: nothing more is sent."""


_SAVERS = 8
"""Pictures that are fetched and checked at a time: enough for any line, few enough for one core."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a batch is run. `max_cost` is in the region's currency; None is no bound."""

    concurrency: int = 16
    retry_failed: bool = False
    retry_lost: bool = False
    no_seed: bool = False
    max_cost: Decimal | None = None


@dataclass(slots=True)
class Tally:
    """What a run has come to. `spent` is list price: what was made, and what may have been."""

    saved: int = 0
    failed: int = 0
    lost: int = 0
    skipped: int = 0
    sent: int = 0
    spent: Decimal = Decimal(0)
    causes: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    fatal: ZimageError | None = None
    over_budget: bool = False
    skipped_failed: list[int] = field(default_factory=list)
    """Lines that failed in an earlier run and are left; so `skipped_lost`."""
    unfetched: int = 0
    """Failures that are paid: the next run fetches them."""
    skipped_lost: list[int] = field(default_factory=list)


class View:
    """Sees a batch run. Every method may be left as it is; they are called from many threads."""

    def started(self, item: Item) -> Observer:  # noqa: ARG002
        """Note that a line is being made; return who watches it."""
        return Observer()

    def ended(self, item: Item, record: dict[str, Any]) -> None:
        """Note that a line has ended."""


def decide(state: State, options: Options) -> str:
    """Return what a run does with a picture: `new`, `fetch`, or a kind of state it leaves alone."""
    if state.kind == states.FAILED and options.retry_failed:
        return states.NEW
    if state.kind == states.LOST and options.retry_lost:
        return states.NEW
    return state.kind


class _Answered(NamedTuple):
    """A line whose picture was made and is to be fetched."""

    item: Item
    maker: Maker
    run: Run
    watch: Observer


class Runner:
    """One run of a batch over its items.

    `wait` tells when every line has ended or nothing more may be sent. `stop` ends it early: what
    is in flight is waited for and saved. `maker_for` gives the maker for a line's `base_url`; all
    of them share one ledger and one pace.
    """

    def __init__(
        self,
        maker_for: Callable[[str | None], Maker],
        journal: Journal,
        known: States,
        folder: Path,
        options: Options,
        view: View,
        *,
        error_document: Callable[[ZimageError, str], dict[str, Any]],
    ) -> None:
        self._maker_for = maker_for
        self._journal = journal
        self._known = known
        self._folder = folder
        self._options = options
        self._view = view
        self._error_document = error_document
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._next = threading.Lock()
        self._book = threading.Lock()
        self._reserved = Decimal(0)
        self._working = 0
        self._saving = 0
        self._savers = min(_SAVERS, options.concurrency) if options.concurrency > 1 else 0
        self._answered: Queue[_Answered | None] = Queue(options.concurrency)
        self._bug: BaseException | None = None
        self.tally = Tally()
        maker_for(None).sleep_unpaid = self._sleep

    # -- from outside --------------------------------------------------------------------------

    def start(self, items: Iterator[Item]) -> None:
        """Start the workers.

        Those that ask wait on the service most of the time; those that fetch and save are few, so
        that the pictures of one moment do not fight for the processor, and the next ones are
        painted meanwhile. Where saving falls behind, asking waits. One at a time means just that:
        no line is sent before the one before it is saved.
        """
        self._working = self._options.concurrency
        self._saving = self._savers
        jobs = [(self._work, (items,))] * self._working + [(self._save_all, ())] * self._saving
        for number, (job, args) in enumerate(jobs):
            threading.Thread(target=job, args=args, name=f"worker-{number}", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; tell whether it has come. Raises a worker's bug."""
        done = self._finished.wait(seconds)
        if done and self._bug is not None:
            raise self._bug
        return done

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()

    # -- workers -------------------------------------------------------------------------------

    def _work(self, items: Iterator[Item]) -> None:
        try:
            while (item := self._take(items)) is not None:
                self._one(item)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - a bug in one thread must end the whole run
            self._bug = error
            self._stop.set()
        finally:
            with self._book:
                self._working -= 1
                last = not self._working
            if last and not self._savers:
                self._finished.set()
            elif last:
                for _ in range(self._savers):
                    self._answered.put(None)

    def _save_all(self) -> None:
        """Save what is answered, until the last one that asks has ended."""
        while (one := self._answered.get()) is not None:
            try:
                self._save(one)
            except BaseException as error:  # noqa: BLE001 - as above; those that ask must not hang
                self._bug = error
                self._stop.set()
        with self._book:
            self._saving -= 1
            if not self._saving:
                self._finished.set()

    def _save(self, one: _Answered) -> None:
        try:
            picture = one.maker.save(one.run, one.watch)
        except ZimageError as error:
            self._failed(one.item, one.run.request.seed, error)
        else:
            self._saved(one.item, picture.document, picture.path)

    def _take(self, items: Iterator[Item]) -> Item | None:
        with self._next:
            if self._stop.is_set():
                return None
            try:
                return next(items, None)
            except ZimageError as error:
                # The file cannot be read any more, or is another one by now.
                self._end_all(error)
                return None

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _one(self, item: Item) -> None:
        state = self._known.of(item.key)
        match decide(state, self._options):
            case states.NEW:
                self._make(item, state)
            case states.FETCH:
                self._fetch(item, state)
            case kind:
                self._skip(item, kind)

    def _make(self, item: Item, state: State) -> None:
        maker, request = self._maker_for(item.request.base_url), item.request
        if request.seed is None and not self._options.no_seed:
            # A seed that was drawn for this line stays its seed.
            request = replace(request, seed=draw_seed() if state.seed is None else state.seed)
        try:
            wanted = self._wanted(item, request, maker)
        except ZimageError as error:
            self._failed(item, request.seed, error)
            return
        price = maker.destination.price(prompt_extend=request.prompt_extend)
        amount = price.amount if price else Decimal(0)
        if not self._reserve(amount):
            return
        lost: list[ZimageError] = []
        watch = self._view.started(item)
        try:
            run = maker.ask(
                request,
                number=item.number,
                observer=watch,
                wanted=wanted,
                tags={"batch": self._known.batch, "job": item.job},
                on_lost=partial(self._lost_a_try, amount, lost),
            )
        except (HistoryFull, HistoryLocked) as error:
            # It was not sent, so the next run makes it.
            self._settle(amount, billed=False)
            self._end_all(error)
            if lost:
                self._failed(item, request.seed, lost[-1])
        except ZimageError as error:
            self._settle(amount, billed=_maybe_billed(error))
            self._failed(
                item, request.seed, lost[-1] if lost and not _maybe_billed(error) else error
            )
        except BaseException:
            self._settle(amount, billed=False)
            if lost:
                self._failed(item, request.seed, lost[-1])
            raise
        else:
            self._settle(amount, billed=True)
            answered = _Answered(item, maker, run, watch)
            if self._savers:
                self._answered.put(answered)
            else:
                self._save(answered)

    def _fetch(self, item: Item, state: State) -> None:
        maker = self._maker_for(None)
        book = maker.ledger.book
        entry = book.entry(state.entry) if book and state.entry else None
        if book is None or entry is None:
            self._skip(item, states.LOST)
            return
        watch = self._view.started(item)
        try:
            path = recover.fetch_again(
                book,
                maker.client,
                entry,
                default_folder=self._folder,
                on_progress=watch.receiving,
            )
        except ZimageError as error:
            self._failed(item, entry.seed, error)
            return
        saved = book.entry(entry.id) or entry
        self._saved(item, saved.document, str(path))

    # -- what came of it -----------------------------------------------------------------------

    def _saved(self, item: Item, document: dict[str, Any], path: str) -> None:
        file = Path(path).absolute()
        folder = self._folder.absolute()
        inside = file.relative_to(folder) if file.is_relative_to(folder) else file
        record = {**document, "line": item.line, "status": SAVED}
        with self._book:
            self.tally.saved += 1
        self._end(item, record, file=inside.as_posix())

    def _failed(self, item: Item, seed: int | None, error: ZimageError) -> None:
        # A picture that was made and not fetched is neither: the next run fetches it, unpaid.
        status = LOST if _maybe_billed(error) and not isinstance(error, NotSavedError) else FAILED
        document = self._error_document(error, item.request.prompt)
        if isinstance(error, _POINTLESS):
            self._end_all(error)
        if isinstance(error, NotSavedError):
            with self._book:
                self.tally.unfetched += 1
        self._not_saved(item, status, seed, document)

    def _not_saved(
        self, item: Item, status: str, seed: int | None, document: dict[str, Any]
    ) -> None:
        cause = str(document.get("code") or document.get("type") or status)
        with self._book:
            if status == LOST:
                self.tally.lost += 1
            else:
                self.tally.failed += 1
            self.tally.causes[cause] += 1
            self.tally.lines.setdefault(cause, []).append(item.line)
        self._end(item, {**document, "line": item.line, "status": status, "seed": seed})

    def _skip(self, item: Item, kind: str) -> None:
        entry = self._unrecorded(item)
        if entry is not None and kind == states.DONE:
            self._saved(item, entry.document, entry.path or "")
            return
        if entry is not None:
            status = LOST if kind == states.LOST else FAILED
            self._not_saved(item, status, entry.seed, _error_of(entry))
            return
        with self._book:
            self.tally.skipped += 1
            if kind == states.FAILED:
                self.tally.skipped_failed.append(item.line)
            elif kind == states.LOST:
                self.tally.skipped_lost.append(item.line)
        reasons = {
            states.DONE: "saved before",
            states.FAILED: "failed before: --retry-failed",
            states.LOST: "lost before, may be billed: --retry-lost",
        }
        record = {"line": item.line, "status": SKIPPED, "reason": reasons[kind]}
        self._view.ended(item, record)

    def _unrecorded(self, item: Item) -> Entry | None:
        """Return how a picture ended where its process died before the journal had it."""
        number = self._known.unrecorded.get(item.key)
        book = self._maker_for(None).ledger.book
        return book.entry(number) if number is not None and book is not None else None

    def _end(self, item: Item, record: dict[str, Any], *, file: str | None = None) -> None:
        kept = {**record, "job": item.job, "file": file}
        if isinstance(kept.get("image_url"), str):
            # What is printed may serve for an hour; a file that stays keeps no signature.
            kept["image_url"] = without_query(kept["image_url"])
        try:
            self._journal.append(kept)
        except OSError as error:
            # The ledger has it; but a folder that takes no line takes no picture either.
            problem = DiskError(f"{self._journal.path} cannot be written: {reason(error)}.")
            self._end_all(problem)
        self._view.ended(item, record)

    # -- money ---------------------------------------------------------------------------------

    def _reserve(self, amount: Decimal) -> bool:
        """Set the price of a picture aside; False, and the end, where it is too much."""
        with self._book:
            bound = self._options.max_cost
            if bound is not None and self.tally.spent + self._reserved + amount > bound:
                self.tally.over_budget = True
                self._stop.set()
                return False
            self._reserved += amount
            self.tally.sent += 1
            return True

    def _settle(self, amount: Decimal, *, billed: bool) -> None:
        with self._book:
            self._reserved -= amount
            if billed:
                self.tally.spent += amount

    def _lost_a_try(self, amount: Decimal, lost: list[ZimageError], error: ZimageError) -> None:
        """Note a try that may be billed and is made again; the end, where that is too much."""
        lost.append(error)
        with self._book:
            self.tally.spent += amount
            bound = self._options.max_cost
            if bound is not None and self.tally.spent + self._reserved > bound:
                self.tally.over_budget = True
                self._stop.set()

    def _end_all(self, error: ZimageError) -> None:
        with self._book:
            self.tally.fatal = self.tally.fatal or error
        self._stop.set()

    def _wanted(self, item: Item, request: Request, maker: Maker) -> str:
        """Return where a picture goes. Raises UsageError where it cannot, before it is paid."""
        if item.output is not None:
            return str(within(self._folder, item.output, make=True))
        name = item.template.render(
            prompt=request.prompt,
            seed=request.seed,
            size=request.size,
            region=maker.destination.region,
            n=item.number,
            when=datetime.now(UTC).astimezone(),
        )
        return str(self._folder / name)


def _error_of(entry: Entry) -> dict[str, Any]:
    """Return the error object of `--json` for how an entry ended."""
    error = entry.error or {}
    names = ("type", "code", "message", "hint", "http_status", "request_id")
    document = {name: error.get(name) for name in names}
    return {**document, "prompt": entry.prompt}


def _maybe_billed(error: ZimageError) -> bool:
    if isinstance(error, AnswerLost | NotSavedError):
        return True
    return isinstance(error, ServiceError) and error.maybe_billed
