"""What a batch will do, and what it came to: for a person, and as `--json`."""

from __future__ import annotations

import os
from collections import Counter
from functools import reduce
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.batch.again import Again
from zimage_cli.cli.batch.progress import cause_of, not_saved, span
from zimage_cli.cli.folding import columns_of
from zimage_cli.cli.output import CARD_WIDTH, Prose, card
from zimage_cli.core.advice import error_documents
from zimage_cli.core.request.prices import Price, format_price
from zimage_cli.core.run.money import money
from zimage_cli.core.run.tally import Tally
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, ZimageError
from zimage_cli.messages import Listing, Message, Words, counted
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.batch.plan import FilePlan, Preflight

_LINES_SHOWN = 12
_SIZES_SHOWN = 3

_LEFT = {
    Status.SAVED: Message("already saved"),
    Status.MADE: Message("to fetch, paid before"),
    Status.REFUSED: Message("refused before, left"),
    Status.FAILED: Message("failed before, left"),
    Status.LOST: Message("lost before, left"),
}
_LEFT_AGAIN = {
    Status.REFUSED: "{count:,} refused before, left ({lines})",
    Status.FAILED: "{count:,} failed before, left ({lines})",
    Status.LOST: "{count:,} lost before, left ({lines})",
}
_FOLDER = Message("folder")
_LABEL = 22
"""Columns of what stands before a row's value where there is no card."""
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
    rows = [(out.text(name), visible(out.text(value))) for name, value in _rows(plan)]
    folder = visible(shown_folder(plan))
    if not out.stderr.isatty():
        for name, value in (*rows, (out.text(_FOLDER), folder)):
            blanks = " " * (_LABEL - columns_of(name))
            out.note(Message("{name}{blanks} {value}", name=name, blanks=blanks, value=value))
        return
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Prose(value))
    # A path is never broken: one that is too long stands below the card.
    console, beside = out.stderr_console, max(columns_of(name) for name, _ in rows) + 2
    inside = columns_of(folder) <= min(console.width, CARD_WIDTH) - 4 - beside
    if inside:
        grid.add_row(out.text(_FOLDER), Prose(folder))
    out.show(card(out.text(Message("batch")), grid))
    if not inside:
        out.note(Message("{folder}", folder=folder))


def shown_folder(plan: FilePlan) -> str:
    """Return the folder of the pictures as it is shown: `pics/`."""
    return os.path.join(plan.folder, "")  # noqa: PTH118 - a Path drops the last separator


def _rows(plan: FilePlan) -> list[tuple[Message, Words]]:
    """Return what there is to say of a plan but its folder; what is 0 or a default is left out."""
    found, target = plan.preflight, plan.settings.target
    left = [(name, found.kinds[kind]) for kind, name in _LEFT.items()]
    left.append((Message("invalid, left"), found.invalid))
    rows: list[tuple[Message, Words]] = [(Message("pictures"), _pictures(found))]
    rows += [(name, _number(count)) for name, count in left if count]
    if found.to_make != found.pictures:
        rows.append((Message("to make"), _number(found.to_make)))
    if found.to_make:
        rows.append((Message("size"), _sizes(found.sizes)))
        if found.extended:
            some = found.extended < found.to_make
            extended = Message("on for {count:,}", count=found.extended) if some else Message("on")
            rows.append((Message("{field}", field="prompt_extend"), extended))
        price = Message("free") if target.is_sandbox else _price(found)
        rows += [(Message("price"), price), (Message("takes about"), span(plan.seconds))]
    return [*rows, (Message("region"), Message("{region}", region=target.region_name))]


def _number(count: int) -> Message:
    return Message("{count:,}", count=count)


def _pictures(found: Preflight) -> Message:
    """Return how many pictures a file stands for, and of how many lines where those are not it."""
    if found.lines == found.pictures:
        return _number(found.pictures)
    return counted(
        found.lines,
        "{pictures:,} from {count:,} line",
        "{pictures:,} from {count:,} lines",
        pictures=found.pictures,
    )


def _sizes(sizes: Counter[str]) -> Words:
    most = sizes.most_common(_SIZES_SHOWN)
    named = [(size.replace("*", "×"), count) for size, count in most]
    if len(named) == 1:
        return Message("{size}", size=named[0][0])
    words = Listing(", ", (Message("{size} ({count:,})", size=size, count=n) for size, n in named))
    if len(sizes) == len(most):
        return words
    return Message("{sizes} and {more:,} more", sizes=words, more=len(sizes) - len(most))


def _price(found: Preflight) -> Message:
    """Return what a picture costs, and all of them."""
    if found.cost is None or not found.prices:
        return money(None)
    prices = map(format_price, sorted(found.prices))
    each = reduce(lambda some, one: Message("{some} or {one}", some=some, one=one), prices)
    if found.to_make == 1:
        return each
    template = "{cost}, {each} a picture"
    if found.unpriced:
        template = "{cost}, {each} a picture, and {unpriced:,} at a price that is not known"
    return Message(template, cost=money(found.cost), each=each, unpriced=found.unpriced)


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
        self._left = plan.preflight.pictures - tally.ended
        self._again = Again(
            words,
            rest=self._left > 0 or tally.counts[Status.MADE] > 0,
            # In this run, or in an earlier one that it leaves alone.
            ends={kind for kind in Status if tally.counts[kind] or kind in tally.left},
            free=plan.settings.target.is_sandbox,
            begun=plan.has_begun(),
        )

    def show(self, out: Output) -> None:
        """Print what a run came to, what failed and where, and the commands that go on."""
        tally, free = self._tally, self._plan.settings.target.is_sandbox
        self._show_counts(out)
        if tally.over_budget:
            bound = self._plan.options.max_cost
            out.note(
                Message("Stopped at --max-cost {bound}; with a higher one, to go on:", bound=bound)
            )
            self._again.show(out)
        unfetched = tally.counts[Status.MADE] - tally.printed
        if unfetched or (self._left > 0 and not tally.over_budget):
            words = [Message("{count:,} left", count=self._left)] if self._left > 0 else []
            if unfetched:
                words.append(_fetching(unfetched, tally.over, free=free))
            out.note(Message("{words}; to go on:", words=Listing(", ", words)))
            self._again.show(out)
        if tally.printed and not free:
            template = "{count:,} paid, and the address is printed above: no file could take it"
            out.say(Message(template, count=tally.printed))
        self._again.show_retries(out)

    def document(self, status: int, error: ZimageError | None) -> dict[str, Any]:
        """Return the last object of `--json`: the counts, what was billed, and how to go on."""
        found, tally = self._plan.preflight, self._tally
        return {
            "type": "summary",
            "schema": 1,
            "status": "ok" if not status else "partial" if tally.saved else "error",
            "lines": found.lines,
            "invalid": found.invalid,
            **tally.document(found.pictures, found.cost.currency if found.cost else None),
            "commands": self._again.document(),
            "errors": [] if error is None else error_documents(error),
        }

    def _show_counts(self, out: Output) -> None:
        """Print the counts, and under `quiet` too what failed and where."""
        tally, found = self._tally, self._plan.preflight
        good, bad = out.style("✓", "32"), out.style("✗", "31")
        tell = out.say if tally.not_saved else out.note
        tell(_marked(good if tally.saved else bad if tally.not_saved else "", self._head()))
        by_count = sorted(tally.causes.items(), key=lambda one: -len(one[1]))
        for (status, cause), lines in by_count:
            template = "{mark} {what} ({lines})"
            if cause not in _SAID:
                template = "{mark} {what}: {cause} ({lines})"
            what = not_saved(status, len(lines))
            why, where = cause_of(cause), lines_of(lines)
            tell(Message(template, mark=bad, what=what, cause=why, lines=where))
        if found.invalid:
            out.note(_marked(bad, Message("{count:,} invalid, left out", count=found.invalid)))
        for status in (Status.REFUSED, Status.FAILED, Status.LOST):
            if numbers := tally.left.get(status):
                where = lines_of(numbers)
                said = Message(_LEFT_AGAIN[status], count=len(numbers), lines=where)
                out.note(_marked(bad, said))

    def _head(self) -> Words:
        """Return how many are saved where, how long that took and what it cost."""
        tally, found, folder = self._tally, self._plan.preflight, visible(shown_folder(self._plan))
        before = len(tally.left.get(Status.SAVED, ()))
        if before and tally.ended == tally.counts[Status.SKIPPED] == found.pictures:
            if before == found.pictures:
                return counted(
                    before,
                    "nothing to do: the picture is in {folder}",
                    "nothing to do: all {count:,} are in {folder}",
                    folder=folder,
                )
            return Message(
                "nothing new to make: {before:,} of {pictures:,} are in {folder}",
                before=before,
                pictures=found.pictures,
                folder=folder,
            )
        words = [Message("{count:,} saved in {folder}", count=tally.saved, folder=folder)]
        words += [Message("{count:,} saved before", count=before)] if before else []
        words.append(span(self._seconds))
        if found.cost and tally.spent:
            spent = money(Price(tally.spent, found.cost.currency))
            # Whether what was lost is on the bill, nobody knows.
            maybe = tally.billed[Billed.MAYBE]
            words.append(Message("up to {spent}", spent=spent) if maybe else spent)
        return Listing(" · ", words)


def _marked(mark: str, words: Words) -> Message:
    return Message("{mark} {words}" if mark else "{words}", mark=mark, words=words)


def _fetching(unfetched: int, over: int, *, free: bool) -> Message:
    """Return what it costs to fetch what is paid, and for how many there is little hope."""
    template = "{count:,} paid and not fetched: for 24 hours that costs nothing"
    if free:
        template = "{count:,} not fetched: made again"
    elif over >= unfetched:
        template = (
            "{count:,} paid and not fetched: storage refuses the address, and one more try is free"
        )
    elif over:
        template = (
            "{count:,} paid and not fetched: storage refuses the address of {over:,}, and one more "
            "try is free"
        )
    return Message(template, count=unfetched, over=over)


def lines_of(numbers: list[int]) -> Message:
    """Return line numbers for a person, the first of many: `lines 3, 4 and 7 more`."""
    found = sorted(set(numbers))
    shown, more = Listing(", ", found[:_LINES_SHOWN]), len(found) - _LINES_SHOWN
    if more > 0:
        return Message("lines {lines} and {more:,} more", lines=shown, more=more)
    return counted(len(found), "line {lines}", "lines {lines}", lines=shown)
