"""Before a batch is paid: every line checked, the price shown, the question asked."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.errors import UsageError
from zimage_cli.cli.batch_view import money, span
from zimage_cli.cli.errors import INTERRUPTED_STATUS
from zimage_cli.cli.signals import raising
from zimage_cli.core.batch import state as states
from zimage_cli.core.batch.plan import Defaults, Invalid, Planner
from zimage_cli.core.batch.state import States
from zimage_cli.core.batch.tally import Options, decide
from zimage_cli.core.prices import Price
from zimage_cli.core.settings import Flags, Settings
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.batch_routes import Routes
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.source import Source

_SHOWN_PROBLEMS = 50
_SECONDS_A_PICTURE = 6.0
"""What the service takes for one, for the estimate of a run without a limit."""

ASK_ABOVE = {"CNY": Decimal(1), "USD": Decimal("0.15")}
"""A run that costs more is asked about first."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked of a run."""

    options: Options
    yes: bool
    skip_invalid: bool
    fresh: bool
    keep_evidence: bool
    json: bool
    dry_run: bool
    trust_base_url: bool
    folder: Path
    flags: Flags
    command: tuple[str, ...]
    """The command line's arguments, for the command that goes on."""

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


def refuse_invalid(out: Output, preflight: Preflight, wishes: Wishes) -> None:
    """List what is wrong with the lines; raises UsageError unless those may be left out."""
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


def refuse_cost(preflight: Preflight, settings: Settings, wishes: Wishes) -> None:
    """Raise UsageError where the estimate is over `--max-cost`, or cannot be made."""
    bound = wishes.options.max_cost
    if bound is None or settings.target.region_name == SANDBOX:
        return
    if preflight.cost is None or preflight.unpriced:
        where = settings.target.host if preflight.cost is None else "a base_url of the file"
        raise UsageError(f"--max-cost: no list price is known at {where}. Nothing was sent.")
    if preflight.cost.amount > bound:
        raise UsageError(
            f"the estimate, {money(preflight.cost)}, is over --max-cost {bound}. Nothing was sent."
        )


def ask(out: Output, preflight: Preflight, wishes: Wishes) -> None:
    """Ask whether to go on where it costs much; raises what `confirm` does."""
    cost = preflight.cost
    if wishes.yes or cost is None or cost.amount <= ASK_ABOVE[cost.currency]:
        return
    confirm(out, f"This costs up to {money(cost)}.")


def confirm(out: Output, text: str) -> None:
    """Ask whether to go on. Raises UsageError without a terminal, typer.Exit for a no."""
    import typer

    if not (sys.stdin and sys.stdin.isatty() and out.stderr.isatty()):
        raise UsageError(f"{text} Nothing was sent.", hint="Add --yes to agree beforehand.")
    with raising():
        agreed = typer.confirm(f"{text} Go on?", err=True)
    if not agreed:
        out.say("Nothing was sent.")
        raise typer.Exit(INTERRUPTED_STATUS)


def show(
    out: Output, preflight: Preflight, settings: Settings, folder: Path, wishes: Wishes
) -> None:
    """Show what the run will do, and what it will cost."""
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
    return max(by_limit, pictures * _SECONDS_A_PICTURE / wishes.options.concurrency)
