"""Run a batch: workers that make, fetch and write down, until the file or the reasons end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api.endpoint import without_query
from zimage_cli.api.errors import (
    ConfigurationError,
    DiskError,
    NotSavedError,
    Stopped,
    ZimageError,
)
from zimage_cli.core import recover
from zimage_cli.core.batch import crew, made
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.causes import ends_all, to_fetch, unsent
from zimage_cli.core.batch.outage import Reach
from zimage_cli.core.batch.plan import Item, within
from zimage_cli.core.batch.tally import (
    FAILED,
    LOST,
    SAVED,
    SKIPPED,
    Budget,
    Options,
    Tally,
    View,
    decide,
)
from zimage_cli.core.files import reason
from zimage_cli.core.ledger import now
from zimage_cli.core.request import draw_seed

if TYPE_CHECKING:
    from zimage_cli.core.batch.journal import Journal
    from zimage_cli.core.batch.state import State, States
    from zimage_cli.core.entry import Entry
    from zimage_cli.core.job import Maker
    from zimage_cli.core.observer import Observer
    from zimage_cli.core.request import Request
    from zimage_cli.core.run import Run


class _Answered(NamedTuple):
    """A line whose picture was made and is to be fetched."""

    item: Item
    maker: Maker
    run: Run
    watch: Observer
    at: str
    """When it was answered."""


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
        self._on_end: Callable[[], None] = lambda: None
        self._next = threading.Lock()
        self._book = threading.Lock()
        self._working = 0
        self._saving = 0
        self._savers = min(crew.SAVERS, options.concurrency) if options.concurrency > 1 else 0
        self._answered: Queue[_Answered | None] = Queue(options.concurrency)
        self._full: DiskError | None = None
        self._bug: BaseException | None = None
        self.tally = Tally()
        self._budget = Budget(self.tally, options.max_cost)
        self._reach = Reach(
            options.patience,
            on_out=view.unreachable,
            on_back=view.reachable,
            on_end=self._end_all,
        )
        maker = maker_for(None)
        maker.sleep_unpaid = self._sleep
        maker.reach = self._reach

    # -- from outside --------------------------------------------------------------------------

    def start(self, items: Iterator[Item], on_end: Callable[[], None] = lambda: None) -> None:
        """Start the workers; `on_end` is called by the last of them.

        Those that ask wait on the service most of the time; those that fetch and save are few, so
        that the pictures of one moment do not fight for the processor, and the next ones are
        painted meanwhile. Where saving falls behind, asking waits. One at a time means just that:
        no line is sent before the one before it is saved. Raises ConfigurationError where no
        worker can be started.
        """
        self._on_end = on_end
        crew.load(self._maker_for(None))
        wanted = self._options.concurrency
        workers = crew.Crew(partial(self._work, items), self._save_all, wanted, self._savers)
        self._working = workers.askers
        self._saving = self._savers = workers.savers
        if workers.askers < wanted:
            few = f"{workers.askers:,} at a time instead of {wanted:,}"
            self._view.warn(f"lines are made {few}: no more threads can be started (ulimit -a)")
        workers.go()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long; tell whether it has come. Raises a worker's bug."""
        done = self._finished.wait(seconds)
        if done and self._bug is not None:
            raise self._bug
        return done

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        self._reach.stop()

    def cancel(self) -> None:
        """End what is in flight too: each line is noted as it stands."""
        self.stop()
        self._maker_for(None).cancel()

    @property
    def unsettled(self) -> bool:
        """Tell whether anything was sent that has not come to its end."""
        return self._maker_for(None).unsettled

    # -- workers -------------------------------------------------------------------------------

    def _work(self, items: Iterator[Item]) -> None:
        try:
            while (item := self._take(items)) is not None:
                self._one(item)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - a bug in one thread must end the whole run
            self._broken(error)
        finally:
            with self._book:
                self._working -= 1
                last = not self._working
            if last and not self._savers:
                self._finish()
            elif last:
                for _ in range(self._savers):
                    self._answered.put(None)

    def _save_all(self) -> None:
        """Save pictures from the queue until every thread that asks has ended."""
        while (one := self._answered.get()) is not None:
            try:
                self._save(one)
            except BaseException as error:  # noqa: BLE001 - as above; those that ask must not hang
                self._broken(error)
        with self._book:
            self._saving -= 1
            last = not self._saving
        if last:
            self._finish()

    def _broken(self, error: BaseException) -> None:
        if isinstance(error, MemoryError):
            scarce = "There is no memory left for zimage: nothing more was sent."
            self._end_all(ConfigurationError(scarce, hint=crew.SCARCE_HINT))
        else:
            self._bug = error
            self.stop()

    def _finish(self) -> None:
        self._finished.set()
        self._on_end()

    def _save(self, one: _Answered) -> None:
        """Fetch and save what was answered; into a disk that is full, nothing is fetched."""
        try:
            if self._full is not None:
                error = DiskError(f"The picture was made and not fetched. {self._full.message}")
                one.maker.leave(one.run, error, one.watch)
                self._failed(one.item, one.run.request.seed, error, one)
                return
            picture = one.maker.save(one.run, one.watch)
        except ZimageError as error:
            self._failed(one.item, one.run.request.seed, error, one)
        except Stopped:
            stopped = NotSavedError("The picture was made and is not saved: zimage was stopped.")
            self._failed(one.item, one.run.request.seed, stopped, one)
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
        if not self._budget.reserve(amount):
            self.stop()
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
        except ZimageError as error:
            self._budget.settle(amount, billed=error.maybe_billed)
            self._failed(item, request.seed, lost[-1] if lost and not error.maybe_billed else error)
        except BaseException:
            self._budget.settle(amount, billed=False)
            if lost:
                self._failed(item, request.seed, lost[-1])
            raise
        else:
            self._budget.settle(amount, billed=True)
            answered = _Answered(item, maker, run, watch, now())
            if self._savers:
                self._answered.put(answered)
            else:
                self._save(answered)

    def _fetch(self, item: Item, state: State) -> None:
        if state.record is not None:
            self._fetch_recorded(item, state, state.record)
            return
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

    def _fetch_recorded(self, item: Item, state: State, record: dict[str, Any]) -> None:
        """Fetch a picture that the journal alone knows."""
        maker = self._maker_for(item.request.base_url)
        request = replace(item.request, seed=state.seed)
        run = made.run_of(record, maker, request)
        one = _Answered(item, maker, run, self._view.started(item), record["answered_at"])
        try:
            run.wanted = self._wanted(item, request, maker)
        except ZimageError as error:
            unsaved = NotSavedError(
                f"The picture was made and not fetched. {error.message}",
                hint="Make room for it, then run the same command again: it is not paid twice.",
            )
            self._failed(item, state.seed, unsaved, one)
        else:
            self._save(one)

    # -- what came of it -----------------------------------------------------------------------

    def _saved(self, item: Item, document: dict[str, Any], path: str) -> None:
        file = Path(path).absolute()
        folder = self._folder.absolute()
        inside = file.relative_to(folder) if file.is_relative_to(folder) else file
        record = {**document, "line": item.line, "status": SAVED}
        with self._book:
            self.tally.saved += 1
        self._end(item, record, file=inside.as_posix())

    def _failed(
        self, item: Item, seed: int | None, error: ZimageError, one: _Answered | None = None
    ) -> None:
        """Note a line that failed; `one` is its answer, where its picture is not saved."""
        if isinstance(error, DiskError):
            self._full = self._full or error
        if ends_all(error, item):
            self._end_all(error)
            if unsent(error):
                return
        # A picture that was made and not fetched is not lost: the next run fetches it, unpaid.
        paid = to_fetch(error)
        status = LOST if error.maybe_billed and not paid else FAILED
        document = self._error_document(error, item.request.prompt)
        if not paid:
            self._not_saved(item, status, seed, document)
            return
        if one is not None:
            document |= made.facts(one.run, one.at, one.maker.destination.region)
        kept = self._not_saved(item, status, seed, document) or one is None or one.run.noted
        if one is not None and not kept:
            self._view.address(item.line, one.run.curl(Path(one.run.wanted).name))
        with self._book:
            self.tally.unfetched += kept
            self.tally.printed += not kept

    def _not_saved(
        self, item: Item, status: str, seed: int | None, document: dict[str, Any]
    ) -> bool:
        cause = str(document.get("code") or document.get("type") or status)
        with self._book:
            if status == LOST:
                self.tally.lost += 1
            else:
                self.tally.failed += 1
            self.tally.causes[cause] += 1
            self.tally.lines.setdefault(cause, []).append(item.line)
        return self._end(item, {**document, "line": item.line, "status": status, "seed": seed})

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

    def _end(self, item: Item, record: dict[str, Any], *, file: str | None = None) -> bool:
        """Tell how a line ended; return whether the journal has it."""
        kept, written = {**record, "job": item.job, "file": file}, True
        if record["status"] == SAVED and isinstance(kept.get("image_url"), str):
            # What is printed may serve for an hour; a file that stays keeps no signature, unless
            # the picture is still to be fetched.
            kept["image_url"] = without_query(kept["image_url"])
        try:
            self._journal.append(kept)
        except OSError as error:
            written = False
            # The ledger has it; but a folder that takes no line takes no picture either.
            problem = DiskError(f"{self._journal.path} cannot be written: {reason(error)}.")
            self._end_all(problem)
        self._view.ended(item, record)
        return written

    def _lost_a_try(self, amount: Decimal, lost: list[ZimageError], error: ZimageError) -> None:
        """Note a try that may be billed and is made again; the end, where that is too much."""
        lost.append(error)
        if not self._budget.spend(amount):
            self.stop()

    def _end_all(self, error: ZimageError) -> None:
        with self._book:
            self.tally.fatal = self.tally.fatal or error
        self.stop()

    def _wanted(self, item: Item, request: Request, maker: Maker) -> str:
        """Return where a picture goes. Raises UsageError where it cannot, before it is paid."""
        if item.output is not None:
            return str(within(self._folder, item.output, make=True))
        return maker.wanted(request, item.number, item.template)


def _error_of(entry: Entry) -> dict[str, Any]:
    """Return the error object of `--json` for how an entry ended."""
    error = entry.error or {}
    names = ("type", "code", "message", "hint", "http_status", "request_id")
    document = {name: error.get(name) for name in names}
    return {**document, "prompt": entry.prompt}
