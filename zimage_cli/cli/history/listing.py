"""`zimage history list`: what was made, newest first, or what of it matches."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.cli import options
from zimage_cli.cli.history import filters
from zimage_cli.cli.history.common import entry_document, local, marked
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.core.request.prices import format_price
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.query import Found

_MAX_LIMIT = 1_000_000
_COMMANDS = ("show", "stats", "recover", "export", "forget", "path")


def list_(
    words: filters.Words = None,
    limit: Annotated[
        int, typer.Option("--limit", "-l", help="How many; default: 20.", metavar="N")
    ] = 20,
    since: filters.Since = None,
    until: filters.Until = None,
    status: filters.StatusOption = None,
    region: filters.Region = None,
    size: filters.Size = None,
    seed: filters.Seed = None,
    batch: filters.Batch = None,
    paths: Annotated[
        bool, typer.Option("--paths", help="Only the paths of saved pictures, one a line.")
    ] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="With --paths: end each with NUL, for xargs -0.")
    ] = False,
    json: options.Json = False,
) -> None:
    """List what was made, newest first, or what of it has all the words."""
    from zimage_cli.core.history.query import Found, Query, find

    options.refuse_outside("--limit", limit, 1, _MAX_LIMIT)
    if null and not paths:
        raise UsageError("-0 belongs to --paths.", field="null")
    if paths and json:
        raise UsageError("--paths and --json contradict each other: give only one")
    out = Output()
    with Client.history() as book:
        query = filters.query(
            book,
            words,
            since=since,
            until=until,
            statuses=status,
            region=region,
            size=size,
            seed=seed,
            batch=batch,
        )
        narrow = query != Query()
        query = query._replace(with_file=paths)
        found = find(book, query, limit) if book else Found([], 0, 0)
    if json:
        out.document("ok", entries=[entry_document(entry) for entry in found.entries])
    elif paths:
        for entry in found.entries:
            if null:
                out.result(entry.path or "", end="\0")
            else:
                out.path(Path(entry.path or ""))
    elif found.entries:
        _print_table(out, found.entries)
    if not json:
        out.note(_count(found, narrow=narrow or paths))
        if words and not found.matching:
            _guess(out, words[0])


def _count(found: Found, *, narrow: bool) -> Message:
    """Return how many there are, and how many of them are shown."""
    shown, matching, count = len(found.entries), found.matching, found.all
    if not count:
        return Message("Nothing has been made yet.")
    if not narrow:
        template = "{shown:,} of {count:,}, newest first; --limit N for more"
        return Message(
            template if count > shown else "all {count:,}, newest first", shown=shown, count=count
        )
    if not matching:
        return Message("None of the {count:,} in the history matches.", count=count)
    return Message(
        "{matching:,} of {count:,} match, newest first; {shown:,} of them shown, --limit N for more"
        if matching > shown
        else "{matching:,} of {count:,} match, newest first",
        matching=matching,
        count=count,
        shown=shown,
    )


def _guess(out: Output, word: str) -> None:
    """Say so where a word that was not found is nearly the name of a command."""
    from difflib import get_close_matches

    near = get_close_matches(word, _COMMANDS, n=1, cutoff=0.7)
    if near:
        out.note(Message("Did you mean the command zimage history {command}?", command=near[0]))


def _print_table(out: Output, entries: list[Entry]) -> None:
    headers = (
        Message("id"),
        Message("when"),
        Message("status"),
        Message("size"),
        Message("seed"),
        Message("cost"),
        Message("file"),
        Message("prompt"),
    )
    right = ("id", "when", "seed", "cost")
    # On a narrow terminal these give way, so that something of the prompt can be read.
    table = Table(headers, right=right, last="cut", drop=("file", "size"))
    now = datetime.now().astimezone()
    for entry in entries:
        table.add_row(*_cells(entry, now))
    out.result_table(table)


def _cells(entry: Entry, now: datetime) -> list[Cell]:
    status, size, seed = entry.status, entry.size, entry.seed
    path = entry.path or ""
    return [
        cell(str(entry.id)),
        cell(local(entry.created_at, now), piped=entry.created_at),
        marked(status),
        cell(size.replace("*", "×"), piped=size),
        cell("-" if seed is None else str(seed)),
        _cost(entry),
        cell(Path(path).name or "-", piped=path),
        cell(" ".join(entry.prompt.split()), piped=entry.prompt),
    ]


def _cost(entry: Entry) -> Cell:
    """Return what a picture has cost, with a question mark where it may not have been billed."""
    if entry.region == SANDBOX:
        return Cell(Message("sandbox"), "dim")
    price = format_price(entry.price) if entry.price else "-"
    if entry.status in {Status.SAVED, Status.MADE}:
        return Cell(price)
    unsure = entry.status == Status.LOST and entry.price
    return Cell(Message("{price}?", price=price) if unsure else "-")
