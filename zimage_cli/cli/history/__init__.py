"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.history.common import MARKS, entry_document, local
from zimage_cli.cli.history.recover import recover
from zimage_cli.cli.history.show import show
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.core.request.prices import format_price
from zimage_cli.core.status import Status

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry

app = App(
    default="list",
    epilog="Examples:\n\nzimage history --limit 5\n\nzimage history show 42\n\n"
    "zimage history recover",
    help="Look at everything ever made, and recover what was not saved. "
    "Without a command it lists.",
)

_MAX_LIMIT = 1_000_000


@app.command(
    "list",
    epilog="Examples:\n\nzimage history list\n\nzimage history list --limit 100 --json",
    document={"entries": []},
)
def list_(
    limit: Annotated[
        int, typer.Option("--limit", "-l", help="How many; default: 20.", metavar="N")
    ] = 20,
    json: options.Json = False,
) -> None:
    """List what was made, newest first."""
    options.refuse_outside("--limit", limit, 1, _MAX_LIMIT)
    out = Output()
    with Client.history() as book:
        entries = book.newest(limit) if book else []
        count = book.count() if book else 0
    if json:
        out.document("ok", entries=[entry_document(entry) for entry in entries])
        return
    if not entries:
        out.note("Nothing has been made yet.")
        return
    headers = ("id", "when", "status", "size", "seed", "cost", "file", "prompt")
    right = ("id", "when", "seed", "cost")
    # On a narrow terminal these give way, so that something of the prompt can be read.
    table = Table(headers, right=right, last="cut", drop=("file", "size"))
    now = datetime.now().astimezone()
    for entry in entries:
        table.add_row(*_cells(entry, now))
    out.result_table(table)
    if count > len(entries):
        out.note(f"{len(entries):,} of {count:,}, newest first; --limit N for more")
    else:
        out.note(f"all {count:,}, newest first")


def _cells(entry: Entry, now: datetime) -> list[Cell]:
    mark, style = MARKS.get(entry.status, (" ", "dim"))
    status, size, seed = entry.status, entry.size, entry.seed
    path = entry.path or ""
    return [
        cell(str(entry.id)),
        cell(local(entry.created_at, now), piped=entry.created_at),
        cell(f"{mark} {status}", style, piped=status),
        cell(size.replace("*", "×"), piped=size),
        cell("-" if seed is None else str(seed)),
        _cost(entry),
        cell(Path(path).name or "-", piped=path),
        cell(" ".join(entry.prompt.split()), piped=entry.prompt),
    ]


def _cost(entry: Entry) -> Cell:
    """Return what a picture has cost, with a question mark where it may not have been billed."""
    if entry.region == SANDBOX:
        return cell("sandbox", "dim")
    price = format_price(entry.price) if entry.price else ""
    if entry.status in {Status.SAVED, Status.MADE}:
        return cell(price or "-")
    return cell(f"{price}?" if entry.status == Status.LOST and price else "-")


app.command(
    epilog="Examples:\n\nzimage history show 42\n\nzimage history show last:2\n\n"
    "zimage history show 42 --json | zimage generate --file - --seed 8",
    document={"entry": None},
)(show)
app.command(
    epilog="Examples:\n\nzimage history recover\n\n"
    "zimage history recover 42 --output-dir elsewhere",
    document={"pictures": []},
    statuses=(0, 2, 8, 130),
)(recover)
