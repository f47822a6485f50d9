"""A batch from its file to its summary: check, price, ask, run, add up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.errors import UsageError
from zimage_cli.cli.batch_view import BatchView, money, print_summary, span
from zimage_cli.cli.errors import INTERRUPTED_STATUS, as_json, exit_status, print_error
from zimage_cli.cli.session import open_ledger, open_maker, pictures_folder
from zimage_cli.core.batch import runner as running
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.journal import FRESH, Journal, alone_in
from zimage_cli.core.batch.plan import Defaults, Invalid, Item, Planner
from zimage_cli.core.batch.runner import Options, Runner, decide
from zimage_cli.core.batch.state import States
from zimage_cli.core.files import make_writable_folder
from zimage_cli.core.ledger import now
from zimage_cli.core.prices import Price, list_price
from zimage_cli.core.save import FolderPlace
from zimage_cli.core.settings import Settings
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.source import Source
    from zimage_cli.core.ledger import SafeLedger

NOT_ALL_STATUS = 9
_SHOWN_PROBLEMS = 50
_TICK = 0.1
_SECONDS_A_PICTURE = 6.0
"""What the service takes for one, for the estimate of a run without a limit."""

ASK_ABOVE = {"CNY": Decimal(1), "USD": Decimal("0.15")}
"""A run that costs more is asked about first."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked of a run."""

    concurrency: int
    max_cost: Decimal | None
    yes: bool
    skip_invalid: bool
    retry_failed: bool
    retry_lost: bool
    no_seed: bool
    fresh: bool
    keep_evidence: bool
    json: bool
    dry_run: bool
    folder: Path | None

    @property
    def options(self) -> Options:
        """What the runner needs of it."""
        return Options(
            concurrency=self.concurrency,
            retry_failed=self.retry_failed,
            retry_lost=self.retry_lost,
            no_seed=self.no_seed,
            max_cost=self.max_cost,
        )


@dataclass(slots=True)
class Preflight:
    """What a run will do, before anything is paid."""

    lines: int = 0
    pictures: int = 0
    invalid: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    cost: Price | None = None

    @property
    def to_make(self) -> int:
        """How many pictures will be paid."""
        return self.kinds.get(states.NEW, 0)

    @property
    def unsaved(self) -> int:
        """How many earlier failures are left alone."""
        return self.kinds.get(states.FAILED, 0) + self.kinds.get(states.LOST, 0)


def run(out: Output, settings: Settings, defaults: Defaults, source: Source, wishes: Wishes) -> int:
    """Run a batch and return its exit status.

    Raises UsageError where nothing can be started, and what `destination` raises without a key.
    """
    folder = wishes.folder or pictures_folder(settings.output_dir.value)
    with ExitStack() as stack:
        if not wishes.dry_run:
            make_writable_folder(folder)
            stack.enter_context(alone_in(folder))
        journal = Journal(folder)
        stack.callback(journal.close)
        known = _known(out, settings, folder, journal, wishes)
        preflight = check(source, defaults, settings, known, wishes.options)
        _refuse_invalid(out, preflight, wishes)
        _show(out, preflight, settings, folder, wishes)
        _refuse_cost(preflight, settings, wishes)
        if wishes.dry_run:
            out.note("nothing was sent")
            return 0
        _ask(out, preflight, wishes)
        if wishes.fresh:
            journal.append({"status": FRESH, "time": now()})
        maker = stack.enter_context(
            open_maker(
                settings,
                out,
                FolderPlace(folder),
                template=defaults.template,
                keep_evidence=wishes.keep_evidence,
                retry_lost=wishes.retry_lost,
                connections=wishes.concurrency,
            )
        )
        _repair(journal, known, maker.ledger, folder)
        view = stack.enter_context(BatchView(out, preflight.pictures, json=wishes.json))
        runner = Runner(
            maker,
            journal,
            known,
            folder,
            wishes.options,
            view,
            error_document=lambda error, prompt: as_json(error, prompt=prompt),
        )
        view.watch(runner.tally, maker.destination.price(prompt_extend=False))
        items = (entry for entry in Planner(defaults).plan(source) if isinstance(entry, Item))
        interrupted = _drive(out, runner, items, view)
    print_summary(out, runner.tally, preflight.invalid, preflight.cost)
    return _status(out, runner.tally, preflight, interrupted=interrupted)


def check(
    source: Source, defaults: Defaults, settings: Settings, known: States, options: Options
) -> Preflight:
    """Check every line and add up what a run would do."""
    found = Preflight()
    region = settings.target.region_name
    prices = {extend: list_price(region, extend) for extend in (False, True)}
    total = Decimal(0)
    last = None
    for entry in Planner(defaults).plan(source):
        if entry.line != last:
            found.lines += 1
            last = entry.line
        if isinstance(entry, Invalid):
            found.invalid += 1
            room = _SHOWN_PROBLEMS - len(found.problems)
            found.problems += [(entry.line, text) for text in entry.problems][: max(room, 0)]
            continue
        found.pictures += 1
        kind = decide(known.of(entry.key), options)
        found.kinds[kind] = found.kinds.get(kind, 0) + 1
        price = prices[entry.request.prompt_extend]
        if kind == states.NEW and price is not None:
            total += price.amount
    base = prices[False]
    found.cost = Price(total, base.currency) if base else None
    return found


def _known(
    out: Output, settings: Settings, folder: Path, journal: Journal, wishes: Wishes
) -> States:
    path = settings.environment.ledger_file()
    if wishes.dry_run and (path is None or not path.exists()):
        return States.load(folder, journal, None, fresh=wishes.fresh)
    ledger = open_ledger(settings, out)
    try:
        book = ledger.book
        if book is not None and not wishes.dry_run:
            book.settle_abandoned()
        return States.load(folder, journal, book, fresh=wishes.fresh)
    finally:
        ledger.close()


def _refuse_invalid(out: Output, preflight: Preflight, wishes: Wishes) -> None:
    if not preflight.invalid:
        return
    for line, text in preflight.problems:
        out.say(f"line {line}: {visible(text)}")
    more = preflight.invalid - len({line for line, _ in preflight.problems})
    if more > 0:
        out.say(f"and {more} more lines")
    if not wishes.skip_invalid:
        raise UsageError(
            f"{preflight.invalid} of {preflight.lines} lines cannot be used. Nothing was sent.",
            hint="Mend them, or make the others: --skip-invalid",
        )


def _refuse_cost(preflight: Preflight, settings: Settings, wishes: Wishes) -> None:
    bound = wishes.max_cost
    if bound is None or settings.target.region_name == SANDBOX:
        return
    if preflight.cost is None:
        raise UsageError(
            f"--max-cost: no list price is known at {settings.target.host}. Nothing was sent."
        )
    if preflight.cost.amount > bound:
        raise UsageError(
            f"the estimate, {money(preflight.cost)}, is over --max-cost {bound}. Nothing was sent."
        )


def _ask(out: Output, preflight: Preflight, wishes: Wishes) -> None:
    cost = preflight.cost
    if wishes.yes or cost is None or cost.amount <= ASK_ABOVE[cost.currency]:
        return
    confirm(out, f"This costs up to {money(cost)}.")


def confirm(out: Output, text: str) -> None:
    """Ask whether to go on. Raises UsageError without a terminal, typer.Abort for a no."""
    import sys

    import typer

    if not (sys.stdin and sys.stdin.isatty() and out.stderr.isatty()):
        raise UsageError(f"{text} Nothing was sent.", hint="Add --yes to agree beforehand.")
    typer.confirm(f"{text} Go on?", abort=True, err=True)


def _show(
    out: Output, preflight: Preflight, settings: Settings, folder: Path, wishes: Wishes
) -> None:
    kinds = preflight.kinds
    sandbox = settings.target.region_name == SANDBOX
    rows = [
        ("lines", f"{preflight.lines:,}"),
        ("pictures", f"{preflight.pictures:,}"),
        ("already saved", f"{kinds.get(states.DONE, 0):,}"),
        ("to fetch, paid before", f"{kinds.get(states.FETCH, 0):,}"),
        ("failed before, left", f"{kinds.get(states.FAILED, 0):,}"),
        ("lost before, left", f"{kinds.get(states.LOST, 0):,}"),
        ("invalid, left", f"{preflight.invalid:,}"),
        ("to make", f"{preflight.to_make:,}"),
        ("list price", "free, sandbox" if sandbox else money(preflight.cost)),
        ("takes about", span(_seconds(preflight.to_make, settings, wishes))),
        ("region", settings.target.region_name),
        ("folder", str(folder)),
    ]
    always = {"lines", "pictures", "to make", "list price", "takes about", "region", "folder"}
    for name, value in rows:
        if name in always or value != "0":
            out.note(f"{name:<22} {visible(value)}")


def _seconds(pictures: int, settings: Settings, wishes: Wishes) -> float:
    if settings.target.is_sandbox:
        return pictures * 0.1
    rps = settings.rps.value
    by_limit = pictures / rps if rps else 0.0
    return max(by_limit, pictures * _SECONDS_A_PICTURE / wishes.concurrency)


def _repair(journal: Journal, known: States, ledger: SafeLedger, folder: Path) -> None:
    """Add to the journal what the ledger knows to be saved and the journal does not."""
    book = ledger.book
    for number in known.unrecorded if book else ():
        entry = book.entry(number) if book else None
        if entry is None or entry.path is None:
            continue
        path, base = Path(entry.path), folder.absolute()
        file = path.relative_to(base) if path.is_relative_to(base) else path
        journal.append(
            {
                **entry.document,
                "line": None,
                "status": running.SAVED,
                "job": entry.job,
                "file": file.as_posix(),
            }
        )


def _drive(out: Output, runner: Runner, items: Iterator[Item], view: BatchView) -> bool:
    """Run until the end; tell whether it was interrupted."""
    interrupted = False
    runner.start(items)
    while True:
        try:
            if runner.wait(_TICK):
                return interrupted
            view.refresh()
        except KeyboardInterrupt:
            if interrupted:
                out.say("left at once: what was in flight may have been made and billed")
                return True
            interrupted = True
            runner.stop()
            view.say("stopping: what is in flight is waited for; Ctrl-C again leaves at once")


def _status(out: Output, tally: running.Tally, preflight: Preflight, *, interrupted: bool) -> int:
    if tally.fatal is not None:
        print_error(out, tally.fatal)
        return exit_status(tally.fatal)
    if interrupted:
        return INTERRUPTED_STATUS
    not_saved = tally.failed + tally.lost + preflight.invalid + preflight.unsaved
    return NOT_ALL_STATUS if not_saved or tally.over_budget else 0
