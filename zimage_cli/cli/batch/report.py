"""What a batch will do, and what it came to: for a person, and as `--json`."""

from __future__ import annotations

import os
from collections import Counter
from shlex import join
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.batch.progress import WORDS, span
from zimage_cli.cli.output import CARD_WIDTH, card
from zimage_cli.core.advice import error_documents
from zimage_cli.core.request.prices import Price, format_price
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import Tally
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, ZimageError
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import FilePlan, Preflight

_LINES_SHOWN = 12
_SIZES_SHOWN = 3

_LEFT = {
    Status.SAVED: "already saved",
    Status.MADE: "to fetch, paid before",
    Status.REFUSED: "refused before, left",
    Status.FAILED: "failed before, left",
    Status.LOST: "lost before, left",
}
_LOST = "What was lost may have been billed; to make it again and pay it:"
_SAID = frozenset({"lost", "not-saved"})
"""Types of errors that say no more than what became of the picture."""


def is_done(plan: FilePlan) -> bool:
    """Tell whether every picture of a file is in its folder already."""
    found = plan.preflight
    return found.kinds[Status.SAVED] == found.pictures and not found.invalid


def show(out: Output, plan: FilePlan) -> None:
    """Show what a run will do, and what it will cost: a card on a terminal, else rows."""
    if out.quiet:
        return
    rows = _rows(plan)
    folder = visible(shown_folder(plan))
    if not out.stderr.isatty():
        for name, value in (*rows, ("folder", folder)):
            out.note(f"{name:<22} {visible(value)}")
        return
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(visible(value)))
    # A path is never broken: one that is too long stands below the card.
    console, beside = out.stderr_console, max(len(name) for name, _ in rows) + 2
    inside = cell_len(folder) <= min(console.width, CARD_WIDTH) - 4 - beside
    if inside:
        grid.add_row("folder", Text(folder))
    out.show(card("batch", grid))
    if not inside:
        out.note(folder)


def shown_folder(plan: FilePlan) -> str:
    """Return the folder of the pictures as it is shown: `pics/`."""
    return os.path.join(plan.folder, "")  # noqa: PTH118 - a Path drops the last separator


def _rows(plan: FilePlan) -> list[tuple[str, str]]:
    """Return what there is to say of a plan but its folder; what is 0 or a default is left out."""
    found, target = plan.preflight, plan.settings.target
    lines = f"{found.lines:,} line{'' if found.lines == 1 else 's'}"
    from_lines = f" from {lines}" if found.lines != found.pictures else ""
    rows = [("pictures", f"{found.pictures:,}{from_lines}")]
    rows += [(name, f"{found.kinds[kind]:,}") for kind, name in _LEFT.items() if found.kinds[kind]]
    rows += [("invalid, left", f"{found.invalid:,}")] if found.invalid else []
    rows += [("to make", f"{found.to_make:,}")] if found.to_make != found.pictures else []
    if found.to_make:
        rows.append(("size", _sizes(found.sizes)))
        if found.extended:
            some = found.extended < found.to_make
            rows.append(("prompt_extend", f"on for {found.extended:,}" if some else "on"))
        rows.append(("price", "free" if target.is_sandbox else _price(found)))
        rows.append(("takes about", span(plan.seconds)))
    return [*rows, ("region", target.region_name)]


def _sizes(sizes: Counter[str]) -> str:
    most = sizes.most_common(_SIZES_SHOWN)
    several = len(sizes) > 1
    words = [size.replace("*", "×") + (f" ({count:,})" if several else "") for size, count in most]
    more = f" and {len(sizes) - len(most):,} more" if len(sizes) > len(most) else ""
    return ", ".join(words) + more


def _price(found: Preflight) -> str:
    """Return what a picture costs, and all of them."""
    if found.cost is None or not found.prices:
        return money(None)
    each = " or ".join(format_price(price) for price in sorted(found.prices))
    unknown = f", and {found.unpriced:,} at a price that is not known" if found.unpriced else ""
    if found.to_make == 1:
        return each
    return f"{money(found.cost)}, {each} a picture{unknown}"


class Report:
    """What a run came to in so many seconds.

    `words` are the command line's, for the commands that go on.
    """

    def __init__(
        self, plan: FilePlan, tally: Tally, seconds: float, words: tuple[str, ...]
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._seconds = seconds
        own = {"--fresh", "--retry-failed", "--retry-lost"}
        self._words = [word for word in words if word not in own]
        self._left = plan.preflight.pictures - tally.ended

    def show(self, out: Output) -> None:
        """Print what a run came to, what failed and where, and the commands that go on."""
        tally, free = self._tally, self._plan.settings.target.is_sandbox
        self._show_counts(out)
        if tally.over_budget:
            bound = self._plan.options.max_cost
            out.note(f"Stopped at --max-cost {bound}; with a higher one, to go on:")
            out.note(f"  {self._again()}")
        unfetched = tally.counts[Status.MADE] - tally.printed
        if unfetched or (self._left > 0 and not tally.over_budget):
            words = [f"{self._left:,} left"] if self._left > 0 else []
            if unfetched and free:
                words.append(f"{unfetched:,} not fetched: made again")
            elif unfetched:
                words.append(
                    f"{unfetched:,} paid and not fetched: {_fetching(unfetched, tally.over)}"
                )
            out.note(f"{', '.join(words)}; to go on:")
            out.note(f"  {self._again()}")
        if tally.printed and not free:
            told = "the address is printed above: no file could take it"
            out.say(f"{tally.printed:,} paid, and {told}")
        if self._has(Status.REFUSED):
            out.note("What was refused needs other words: a changed line is made like a new one.")
        if self._has(Status.FAILED):
            out.note("To try again what failed:")
            out.note(f"  {self._again('--retry-failed')}")
        if self._has(Status.LOST):
            paid = "To make again what was lost:" if free else _LOST
            out.note(paid)
            out.note(f"  {self._again('--retry-lost')}")

    def document(self, status: int, error: ZimageError | None) -> dict[str, Any]:
        """Return the last object of `--json`: the counts, what was billed, and how to go on."""
        found, tally = self._plan.preflight, self._tally
        go_on = self._left > 0 or tally.counts[Status.MADE]
        failed, lost = self._has(Status.REFUSED, Status.FAILED), self._has(Status.LOST)
        return {
            "type": "summary",
            "schema": 1,
            "status": "ok" if not status else "partial" if tally.saved else "error",
            "lines": found.lines,
            "invalid": found.invalid,
            **tally.document(found.pictures, found.cost.currency if found.cost else None),
            "commands": {
                "go_on": self._again() if go_on else None,
                "retry_failed": self._again("--retry-failed") if failed else None,
                "retry_lost": self._again("--retry-lost") if lost else None,
            },
            "errors": [] if error is None else error_documents(error),
        }

    def _has(self, *kinds: Status) -> bool:
        """Tell whether anything ended so, in this run or in an earlier one that it leaves alone."""
        return any(self._tally.counts[kind] or kind in self._tally.left for kind in kinds)

    def _again(self, *options: str) -> str:
        """Return the command that goes on."""
        return visible(join(["zimage", *self._words, *options]))

    def _show_counts(self, out: Output) -> None:
        """Print the counts, and under `quiet` too what failed and where."""
        tally, found = self._tally, self._plan.preflight
        good, bad = out.style("✓", "32"), out.style("✗", "31")
        tell = out.say if tally.not_saved else out.note
        tell(self._head(good if tally.saved else bad if tally.not_saved else ""))
        by_count = sorted(tally.causes.items(), key=lambda one: -len(one[1]))
        for (status, cause), lines in by_count:
            why = "" if cause in _SAID else f": {visible(cause)}"
            tell(f"{bad} {len(lines):,} {WORDS[status]}{why} ({lines_of(lines)})")
        if found.invalid:
            out.note(f"{bad} {found.invalid:,} invalid, left out")
        for status in (Status.REFUSED, Status.FAILED, Status.LOST):
            if numbers := tally.left.get(status):
                out.note(
                    f"{bad} {len(numbers):,} {WORDS[status]} before, left ({lines_of(numbers)})"
                )

    def _head(self, mark: str) -> str:
        """Return how many are saved where, how long that took and what it cost."""
        tally, found, folder = self._tally, self._plan.preflight, visible(shown_folder(self._plan))
        before = len(tally.left.get(Status.SAVED, ()))
        if before and tally.ended == tally.counts[Status.SKIPPED] == found.pictures:
            if before < found.pictures:
                return f"nothing new to make: {before:,} of {found.pictures:,} are in {folder}"
            every = f"all {before:,} are" if before > 1 else "the picture is"
            return f"nothing to do: {every} in {folder}"
        words = [f"{tally.saved:,} saved in {folder}"]
        words += [f"{before:,} saved before"] if before else []
        words.append(span(self._seconds))
        if found.cost and tally.spent:
            # Whether what was lost is on the bill, nobody knows.
            most = "up to " if tally.billed[Billed.MAYBE] else ""
            words.append(f"{most}{money(Price(tally.spent, found.cost.currency))}")
        return f"{mark} {' · '.join(words)}".lstrip()


def _fetching(unfetched: int, over: int) -> str:
    """Return what it costs to fetch what is paid, and for how many there is little hope."""
    if not over:
        return "for 24 hours that costs nothing"
    many = "" if over >= unfetched else f" of {over:,}"
    return f"storage refuses the address{many}, and one more try is free"


def lines_of(numbers: list[int]) -> str:
    """Return line numbers for a person, the first of many: `lines 3, 4 and 7 more`."""
    found = sorted(set(numbers))
    shown = ", ".join(map(str, found[:_LINES_SHOWN]))
    more = f" and {len(found) - _LINES_SHOWN:,} more" if len(found) > _LINES_SHOWN else ""
    return f"line{'s' if len(found) > 1 else ''} {shown}{more}"
