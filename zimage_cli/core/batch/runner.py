"""Run a batch: workers that make, fetch and write down, until the file or the reasons end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    ZimageError,
)
from zimage_cli.core import ledger, recover
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.plan import Item
from zimage_cli.core.job import Observer
from zimage_cli.core.request import draw_seed

if TYPE_CHECKING:
    from zimage_cli.core.batch.journal import Journal
    from zimage_cli.core.batch.state import State, States
    from zimage_cli.core.job import Maker
    from zimage_cli.core.ledger import Ledger

SAVED, FAILED, LOST, SKIPPED = "saved", "failed", "lost", "skipped"

_POINTLESS = (AuthenticationError, BillingError, QuotaError, ConfigurationError, DiskError)
"""Causes that the next line would meet too: nothing more is sent."""


class Stopped(KeyboardInterrupt):
    """Raised in a worker that waits when nothing more is to be sent: its line was not made."""


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
    skipped_failed: int = 0
    skipped_lost: int = 0


Report = Callable[[Item, dict[str, Any]], None]
"""Hears of every line that has ended, with its record."""


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


class Runner:
    """One run of a batch over its items.

    `run` returns when every line has ended or nothing more may be sent. `stop` ends it early: what
    is in flight is waited for and saved.
    """

    def __init__(
        self,
        maker: Maker,
        journal: Journal,
        known: States,
        folder: Path,
        options: Options,
        view: View,
        *,
        error_document: Callable[[ZimageError, str], dict[str, Any]],
    ) -> None:
        self._maker = maker
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
        self._bug: BaseException | None = None
        self.tally = Tally()
        maker.sleep = self._sleep

    # -- from outside --------------------------------------------------------------------------

    def start(self, items: Iterator[Item]) -> None:
        """Start the workers."""
        self._working = self._options.concurrency
        for number in range(self._options.concurrency):
            threading.Thread(
                target=self._work, args=(items,), name=f"worker-{number}", daemon=True
            ).start()

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
            while not self._stop.is_set():
                with self._next:
                    item = next(items, None)
                if item is None:
                    break
                self._one(item)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - a bug in one thread must end the whole run
            self._bug = error
            self._stop.set()
        finally:
            with self._book:
                self._working -= 1
                if not self._working:
                    self._finished.set()

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
        request = item.request
        if request.seed is None and not self._options.no_seed:
            # A seed that was drawn for this line stays its seed.
            request = replace(request, seed=draw_seed() if state.seed is None else state.seed)
        price = self._maker.destination.price(prompt_extend=request.prompt_extend)
        amount = price.amount if price else Decimal(0)
        if not self._reserve(amount):
            return
        wanted = self._wanted(item, request)
        watch = self._view.started(item)
        try:
            picture = self._maker.make(
                request,
                number=item.number,
                observer=watch,
                wanted=wanted,
                tags={"batch": self._known.batch, "job": item.job},
            )
        except ZimageError as error:
            self._settle(amount, billed=_maybe_billed(error))
            self._failed(item, request.seed, error)
        except BaseException:
            self._settle(amount, billed=False)
            raise
        else:
            self._settle(amount, billed=True)
            self._saved(item, picture.document, picture.path)

    def _fetch(self, item: Item, state: State) -> None:
        book = self._maker.ledger.book
        entry = book.entry(state.entry) if book and state.entry else None
        if book is None or entry is None:
            self._skip(item, states.LOST)
            return
        watch = self._view.started(item)
        try:
            self._still_there(book, entry)
            path = recover.recover(
                book,
                self._maker.client,
                entry,
                None,
                default_folder=self._folder,
                on_progress=watch.receiving,
                sleep=self._sleep,
            )
        except ZimageError as error:
            self._failed(item, entry.seed, error)
            return
        saved = book.entry(entry.id) or entry
        self._saved(item, saved.document, str(path))

    def _still_there(self, book: Ledger, entry: Any) -> None:
        until = entry.expires_at
        if until is not None and datetime.now(UTC) < until:
            return
        error = AnswerLost(
            "It was made over 24 hours ago and never fetched: the service has dropped it.",
            hint="--retry-lost makes and pays it again.",
        )
        book.ended(entry.id, ledger.LOST, error)
        raise error

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
        record = {**document, "line": item.line, "status": status, "seed": seed}
        cause = error.code or error.kind
        with self._book:
            if status == LOST:
                self.tally.lost += 1
            else:
                self.tally.failed += 1
            self.tally.causes[cause] += 1
            self.tally.lines.setdefault(cause, []).append(item.line)
            if isinstance(error, _POINTLESS):
                self.tally.fatal = self.tally.fatal or error
                self._stop.set()
        self._end(item, record)

    def _skip(self, item: Item, kind: str) -> None:
        with self._book:
            self.tally.skipped += 1
            self.tally.skipped_failed += kind == states.FAILED
            self.tally.skipped_lost += kind == states.LOST
        reasons = {
            states.DONE: "saved before",
            states.FAILED: "failed before: --retry-failed",
            states.LOST: "lost before, may be billed: --retry-lost",
        }
        record = {"line": item.line, "status": SKIPPED, "reason": reasons[kind]}
        self._view.ended(item, record)

    def _end(self, item: Item, record: dict[str, Any], *, file: str | None = None) -> None:
        kept = {**record, "job": item.job, "file": file}
        if isinstance(kept.get("image_url"), str):
            # What is printed may serve for an hour; a file that stays keeps no signature.
            kept["image_url"] = without_query(kept["image_url"])
        try:
            self._journal.append(kept)
        except OSError as error:
            # The ledger has it; but a folder that takes no line takes no picture either.
            problem = DiskError(f"{self._journal.path} cannot be written: {error.strerror}.")
            with self._book:
                self.tally.fatal = self.tally.fatal or problem
            self._stop.set()
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

    def _wanted(self, item: Item, request: Any) -> str:
        if item.output is not None:
            return str(self._folder / item.output)
        name = item.template.render(
            prompt=request.prompt,
            seed=request.seed,
            size=request.size,
            region=self._maker.destination.region,
            n=item.number,
            when=datetime.now(UTC).astimezone(),
        )
        return str(self._folder / name)


def _maybe_billed(error: ZimageError) -> bool:
    if isinstance(error, AnswerLost | NotSavedError):
        return True
    return isinstance(error, ServiceError) and error.maybe_billed
