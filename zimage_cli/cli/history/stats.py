"""`zimage history stats`: what was made, lost and paid, added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import options
from zimage_cli.cli.history import filters
from zimage_cli.cli.history.common import STATUSES
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from decimal import Decimal

    from zimage_cli.core.history.stats import Cost, Group

_BAR = 12
"""Columns: with all else it fits into 80."""


def stats(
    by: Annotated[
        str | None,
        typer.Option("--by", help="By day, month, region, size or status.", metavar="WHAT"),
    ] = None,
    since: filters.Since = None,
    until: filters.Until = None,
    json: options.Json = False,
) -> None:
    """Add up what was made, failed and lost, what it cost, how long it took, how large it is."""
    from zimage_cli.core.history.query import Query, one_of
    from zimage_cli.core.history.stats import GROUPS, stats

    by = None if by is None else one_of("--by", by, GROUPS)
    begin, end = filters.times(since, until)
    out = Output()
    with Client.history() as book:
        count = book.count() if book else 0
        found = stats(book, Query(since=begin, until=end), by)
    if json:
        groups = [_document(group) for group in found.groups]
        out.document("ok", by=by, groups=groups, total=_document(found.total))
    elif not found.total.statuses:
        none = Message("None of the {count:,} in the history matches.", count=count)
        out.note(none if count else Message("Nothing has been made yet."))
    elif by is None:
        _print_facts(out, found.total)
    else:
        _print_groups(out, by, found.groups, found.total)
    if not json and any(cost.up_to != cost.amount for cost in found.total.cost):
        out.note(Message("Up to: pictures that were lost may have been billed."))


def _document(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "made": group.made,
        "failed": group.failed,
        "lost": group.lost,
        "statuses": dict(sorted(group.statuses.items())),
        "cost": [
            {"currency": one.currency, "amount": str(one.amount), "up_to": str(one.up_to)}
            for one in group.cost
        ],
        "seconds": {"median": group.seconds(0.5), "p95": group.seconds(0.95)},
        "bytes": group.bytes,
    }


def _print_facts(out: Output, total: Group) -> None:
    """Print the sums of all, a line each."""
    table = Table(("name", "value"), header=False)
    for name, one in zip(_HEADERS, _cells(total), strict=True):
        if out.stdout.isatty() and name == "cost up to":
            continue
        table.add_row(Cell(name, "dim"), one)
    out.result_table(table)


_HEADERS = (
    Message("made"),
    Message("failed"),
    Message("lost"),
    Message("cost"),
    Message("cost up to"),
    Message("median"),
    Message("p95"),
    Message("bytes"),
)
_BY = {
    "day": Message("day"),
    "month": Message("month"),
    "region": Message("region"),
    "size": Message("size"),
    "status": Message("status"),
}


def _print_groups(out: Output, by: str, groups: list[Group], total: Group) -> None:
    """Print a line a group and one of all; on a terminal with a bar for what was made."""
    bars, most = out.stdout.isatty(), max(group.made for group in groups)
    headers = (_BY[by], *_HEADERS, *(("",) if bars else ()))
    # The last column is the bar; on a narrow terminal these give way to it.
    table = Table(
        headers, right=_HEADERS, last="cut", drop=("bytes", "p95", "median"), piped=("cost up to",)
    )
    for group in groups:
        drawn = [_bar(out, group.made, most)] if bars else []
        table.add_row(_name(by, group.name or "-"), *_cells(group), *drawn)
    if bars:
        table.add_row(Cell(Message("all"), "bold"), *_cells(total), cell(""))
    out.result_table(table)


def _name(by: str, name: str) -> Cell:
    if by == "status" and name in STATUSES:
        return Cell(STATUSES[name], piped=name)
    return cell(name.replace("*", "×") if by == "size" else name, piped=name)


def _bar(out: Output, made: int, most: int) -> Cell:
    from zimage_cli.cli.bar import bar

    ascii_only = not (out.stdout.encoding or "").lower().startswith("utf")
    drawn = bar(made / most if most else 0, _BAR, ascii_only=ascii_only)
    # Without the part that is not filled: it stands for nothing here.
    filled = drawn.plain.rstrip("─-")
    return Cell(filled or ("╸" if made and not ascii_only else ""), "cyan")


def _cells(group: Group) -> list[Cell]:
    """Return the values of `_HEADERS`."""
    cost = group.cost
    sure = ", ".join(_money(one.currency, one.amount) for one in cost)
    up_to = ", ".join(_money(one.currency, one.up_to) for one in cost)
    return [
        cell(f"{group.made:,}", piped=str(group.made)),
        _count(group.failed),
        _count(group.lost),
        Cell(Listing(", ", map(_shown, cost)) if cost else "-", piped=sure),
        cell(up_to),
        _seconds(group.seconds(0.5)),
        _seconds(group.seconds(0.95)),
        cell(_size(group.bytes), piped=str(group.bytes)),
    ]


def _count(number: int) -> Cell:
    return cell(f"{number:,}", "red" if number else "dim", piped=str(number))


def _seconds(value: float | None) -> Cell:
    if value is None:
        return cell("-")
    return Cell(Message("{seconds:.1f} s", seconds=value), piped=f"{value:g}")


def _shown(cost: Cost) -> Message:
    if cost.up_to == cost.amount:
        return _money(cost.currency, cost.amount)
    return Message("up to {amount}", amount=_money(cost.currency, cost.up_to))


def _money(currency: str, amount: Decimal) -> Message:
    from zimage_cli.core.request.prices import Price
    from zimage_cli.core.run.money import money

    return money(Price(amount, currency))


def _size(count: int) -> str:
    from zimage_cli.cli.generate.facts import human_bytes

    return f"{count / 1e9:,.1f} GB" if count >= 1_000_000_000 else human_bytes(count)
