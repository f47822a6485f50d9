"""A batch from its file to its summary: check, price, ask, run, add up."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import CUSTOM, SANDBOX
from zimage_cli.api.errors import AuthenticationError, UsageError
from zimage_cli.cli.batch_view import BatchView, money, print_summary, span
from zimage_cli.cli.errors import INTERRUPTED_STATUS, Interrupted, as_json, exit_status, print_error
from zimage_cli.cli.session import open_ledger, open_maker
from zimage_cli.core import recover
from zimage_cli.core.batch import runner as running
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.journal import FRESH, Journal, alone_in
from zimage_cli.core.batch.plan import Defaults, Invalid, Item, Planner
from zimage_cli.core.batch.runner import Options, Runner, decide
from zimage_cli.core.batch.state import States
from zimage_cli.core.files import make_writable_folder, remove_abandoned
from zimage_cli.core.job import Destination, Maker
from zimage_cli.core.ledger import now
from zimage_cli.core.prices import Price, list_price
from zimage_cli.core.save import FolderPlace
from zimage_cli.core.settings import Flags, Settings, refused_key_hint, resolve
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from types import FrameType

    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.source import Source

NOT_ALL_STATUS = 9
_SHOWN_PROBLEMS = 50
_M_ARENA_MAX = -8
"""From glibc's malloc.h."""

_MOST_ENDPOINTS = 100
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
    trust_base_url: bool
    folder: Path
    flags: Flags
    command: tuple[str, ...]
    """The command line's arguments, for the command that goes on."""

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

    def again(self, *options: str) -> str:
        """Return the command that goes on."""
        from shlex import join

        own = {"--fresh", "--retry-failed", "--retry-lost"}
        kept = [word for word in self.command if word not in own]
        return visible(join(["zimage", *kept, *options]))


@dataclass(slots=True)
class Preflight:
    """What a run will do, before anything is paid."""

    lines: int = 0
    pictures: int = 0
    invalid: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    cost: Price | None = None
    unpriced: int = 0
    """Pictures to make at hosts whose price nobody knows."""
    folders: set[str] = field(default_factory=set)
    """Folders below the output folder that lines name."""

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
    folder = wishes.folder
    routes = Routes(settings, wishes.flags)
    if wishes.trust_base_url:
        defaults = replace(defaults, check_base_url=routes.check)
    with ExitStack() as stack:
        if not wishes.dry_run:
            make_writable_folder(folder)
            stack.enter_context(alone_in(folder))
        journal = Journal(folder)
        stack.callback(journal.close)
        known = _known(out, settings, folder, journal, wishes)
        about = source.fingerprint()
        preflight = check(source, defaults, routes, known, wishes.options)
        _refuse_invalid(out, preflight, wishes)
        _show(out, preflight, settings, folder, wishes)
        _refuse_cost(preflight, settings, wishes)
        if wishes.dry_run:
            out.note("nothing was sent")
            return 0
        _ask(out, preflight, wishes)
        for name in ("", *preflight.folders):
            remove_abandoned(folder / name)
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
        if wishes.fresh:
            journal.append({"status": FRESH, "time": now()})
        with BatchView(out, preflight.pictures, json=wishes.json) as view:
            runner = Runner(
                routes.makers(maker),
                journal,
                known,
                folder,
                wishes.options,
                view,
                error_document=lambda error, prompt: as_json(error, prompt=prompt),
            )
            view.watch(runner.tally, preflight.cost)
            items = _items(source, about, defaults)
            asked = _drive(runner, items, view)
        if len(asked) > 1:
            # What is in flight is not waited for, nor for what it holds open.
            stack.pop_all()
            out.say("left at once: what was in flight may have been made and billed")
    _report(out, runner.tally, preflight, wishes)
    return _status(out, runner.tally, preflight, settings, asked)


class Routes:
    """Where lines go that name a base URL: a line that does not is asked where the run is.

    A key belongs to one region and a price to one currency, so a line stays in the run's region; a
    host that is none of the service's own has no price that is known.
    """

    def __init__(self, settings: Settings, flags: Flags) -> None:
        self._settings = settings
        self._flags = flags
        self._resolved: dict[str, Settings] = {}

    def settings(self, base_url: str | None) -> Settings:
        """Return the settings for a line's base URL. Raises UsageError."""
        if base_url is None:
            return self._settings
        if base_url not in self._resolved:
            if len(self._resolved) >= _MOST_ENDPOINTS:
                raise UsageError(f"base_url: the file names over {_MOST_ENDPOINTS} different ones")
            own = self._settings
            self._resolved[base_url] = resolve(
                own.environment, self._flags, request_base_url=base_url, config=own.config
            )
        return self._resolved[base_url]

    def check(self, base_url: str) -> None:
        """Raise UsageError for a base URL that this run cannot ask."""
        region, own = self.settings(base_url).target.region_name, self._settings.target.region_name
        if region not in {own, CUSTOM}:
            raise UsageError(
                f"base_url: it is of the region {region}, and this run is of {own}; "
                f"a key belongs to one region: run such lines on their own, with --region {region}"
            )

    def price(self, base_url: str | None, *, prompt_extend: bool) -> Price | None:
        """Return the list price of a picture."""
        return list_price(self.settings(base_url).target.region_name, prompt_extend)

    def makers(self, maker: Maker) -> Callable[[str | None], Maker]:
        """Return what gives the maker for a base URL; all of them share all but the address."""
        made: dict[str, Maker] = {}

        def maker_for(base_url: str | None) -> Maker:
            target = self.settings(base_url).target
            if base_url is None or target.api_root is None:
                return maker
            if base_url not in made:
                whom = Destination(
                    target.api_root, target.region_name, target.workspace, maker.destination.key
                )
                made[base_url] = replace(maker, destination=whom)
            return made[base_url]

        return maker_for


def _items(source: Source, about: object, defaults: Defaults) -> Iterator[Item]:
    """Yield the pictures of a file, as long as it is the one that was checked."""
    for entry in Planner(defaults).plan(source):
        if source.fingerprint() != about:
            raise UsageError(
                f"{source.name} was changed after it was checked: nothing more is sent.",
                hint="Run the same command again: what is saved is not made again.",
            )
        if isinstance(entry, Item):
            yield entry


def check(
    source: Source, defaults: Defaults, routes: Routes, known: States, options: Options
) -> Preflight:
    """Check every line and add up what a run would do."""
    found = Preflight()
    base = routes.price(None, prompt_extend=False)
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
        if entry.output is not None and "/" in entry.output:
            found.folders.add(entry.output.rpartition("/")[0])
        if kind == states.NEW:
            request = entry.request
            price = routes.price(request.base_url, prompt_extend=request.prompt_extend)
            found.unpriced += price is None
            total += price.amount if price is not None else 0
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
        known = States.load(folder, journal, book, fresh=wishes.fresh)
        if book is not None and not wishes.dry_run:
            # Before anything else is made here, and one by one: equal pictures are told apart so.
            for key, state in known.to_fetch():
                entry = book.entry(state.entry or 0)
                if entry is not None and recover.claim(book, entry, folder) is not None:
                    known.found(key)
        return known
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
    if preflight.cost is None or preflight.unpriced:
        where = settings.target.host if preflight.cost is None else "a base_url of the file"
        raise UsageError(f"--max-cost: no list price is known at {where}. Nothing was sent.")
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
    """Ask whether to go on. Raises UsageError without a terminal, typer.Exit for a no."""
    import typer

    if not (sys.stdin and sys.stdin.isatty() and out.stderr.isatty()):
        raise UsageError(f"{text} Nothing was sent.", hint="Add --yes to agree beforehand.")
    if not typer.confirm(f"{text} Go on?", err=True):
        out.say("Nothing was sent.")
        raise typer.Exit(INTERRUPTED_STATUS)


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


class _Signals:
    """Counts Ctrl-C and its like while it is open.

    An exception at any point of the main thread would leave things half done; only the third is
    one.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> list[int]:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self.numbers

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.numbers.append(number)
        if len(self.numbers) > 2:
            raise Interrupted(number)


def _keep_memory_together() -> None:
    """Have threads share their heaps where the C library gives each of them one.

    Each heap keeps what its thread once needed: 16 workers hold 16 MiB more after 10,000 lines.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _drive(runner: Runner, items: Iterator[Item], view: BatchView) -> list[int]:
    """Run until the end; return the signals that asked for an earlier one, two at most."""
    told = False
    _keep_memory_together()
    # A start looks for garbage rarely; a night may not.
    gc.freeze()
    gc.set_threshold(700, 10, 10)
    with _Signals() as asked:
        runner.start(items)
        while not runner.wait(_TICK):
            if len(asked) > 1:
                break
            if asked and not told:
                told = True
                runner.stop()
                view.say("stopping: what is in flight is waited for; Ctrl-C again leaves at once")
            view.refresh()
        return asked


def _report(
    out: Output,
    tally: running.Tally,
    preflight: Preflight,
    wishes: Wishes,
) -> None:
    print_summary(out, tally, preflight.invalid, preflight.cost)
    left = preflight.pictures - tally.saved - tally.failed - tally.lost - tally.skipped
    if tally.over_budget:
        out.note(f"Stopped at --max-cost {wishes.max_cost}; with a higher one, to go on:")
        out.note(f"  {wishes.again()}")
    elif left > 0 or tally.unfetched:
        words = [f"{left:,} left"] if left > 0 else []
        if tally.unfetched:
            words.append(
                f"{tally.unfetched:,} paid and not fetched: for 24 hours that costs nothing"
            )
        out.note(f"{', '.join(words)}; to go on:")
        out.note(f"  {wishes.again()}")
    if tally.failed > tally.unfetched or tally.skipped_failed:
        out.note("To try again what failed:")
        out.note(f"  {wishes.again('--retry-failed')}")
    if tally.lost or tally.skipped_lost:
        out.note("What was lost may have been billed; to make it again and pay it:")
        out.note(f"  {wishes.again('--retry-lost')}")


def _status(
    out: Output,
    tally: running.Tally,
    preflight: Preflight,
    settings: Settings,
    asked: list[int],
) -> int:
    error = tally.fatal
    if error is not None:
        if isinstance(error, AuthenticationError) and error.http_status == 401:
            error.hint = refused_key_hint(settings)
        print_error(out, error)
        return exit_status(error)
    if asked:
        return 128 + asked[0]
    not_saved = tally.failed + tally.lost + preflight.invalid + preflight.unsaved
    return NOT_ALL_STATUS if not_saved or tally.over_budget else 0
