"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.history.recover import recover
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.core.request.prices import format_price
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.text import visible

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
_MARKS = {
    "saved": ("✓", "green"),
    "made": ("!", "yellow"),
    "refused": ("✗", "red"),
    "failed": ("✗", "red"),
    "lost": ("✗", "red"),
}
_MEANINGS = {
    "sending": "asked for, not answered yet",
    "made": "made and billed, not saved: zimage history recover",
    "saved": "made and saved",
    "refused": "by content moderation, not billed",
    "failed": "not made, not billed",
    "lost": "may have been made and billed, and there is no picture",
}


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
        out.document("ok", entries=[_document(entry) for entry in entries])
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
    mark, style = _MARKS.get(entry.status, (" ", "dim"))
    status, size, seed = entry.status, entry.size, entry.seed
    path = entry.path or ""
    return [
        cell(str(entry.id)),
        cell(_local(entry.created_at, now), piped=entry.created_at),
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


@app.command(
    epilog="Examples:\n\nzimage history show 42\n\n"
    "zimage history show 42 --json | zimage generate --file - --seed 8",
    document={"entry": None},
)
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="From zimage history list.")],
    json: options.Json = False,
) -> None:
    """Show everything about one picture."""
    out = Output()
    with Client.history() as book:
        entry = book.entry(number) if book else None
    if entry is None:
        raise UsageError(
            "there is no {value} in the history",
            hint="See what is there: zimage history list",
            field="ID",
            value=number,
        )
    if json:
        out.document("ok", entry=_document(entry))
        return
    table = Table(("name", "value"), last="fold", header=False)
    piped = {"asked": entry.created_at, "size": entry.size, "bytes": str(entry.bytes)}
    for name, value in _facts(entry):
        style = _MARKS.get(entry.status, ("", ""))[1] if name == "status" else ""
        text, whole = visible(value, newlines=True), name not in _PROSE
        table.add_row(cell(name, "dim"), Cell(text, style, piped.get(name, value), whole))
    out.result_table(table)


_PROSE = {"status", "prompt", "rewritten prompt", "reasoning", "error", "service said"}


app.command(
    epilog="Examples:\n\nzimage history recover\n\n"
    "zimage history recover 42 --output-dir elsewhere",
    document={"pictures": []},
    statuses=(0, 2, 8, 130),
)(recover)


def _document(entry: Entry) -> dict[str, Any]:
    facts = asdict(entry)
    # Which process works on it matters to other zimage processes only.
    del facts["owner"], facts["claim"]
    return facts


def _local(stamp: str, now: datetime | None = None) -> str:
    """Return a time in local time; a text that is no time, unchanged.

    With `now`, in as few letters as tell it: without today's date, without this year.
    """
    from zimage_cli.core.history.entry import moment

    try:
        when = moment(stamp)
        local = when and when.astimezone()
    except (ValueError, OverflowError, OSError):
        local = None
    if local is None:
        return stamp
    if now is not None and local.year != now.year:
        return local.strftime("%Y-%m-%d")
    today = now is not None and local.date() == now.date()
    return local.strftime("%H:%M" if today else "%m-%d %H:%M" if now else "%Y-%m-%d %H:%M")


def _facts(entry: Entry) -> list[tuple[str, str]]:
    """Return what a person reads about an entry, only what is known."""
    error = entry.error or {}
    said = error.get("service_message")
    price = format_price(entry.price) if entry.price else None
    if entry.region == SANDBOX:
        price = "free: sandbox"
    until = entry.expires_at
    in_time = until is not None and datetime.now(UTC) < until
    again = entry.status == "lost" and entry.image_url and in_time
    elapsed = f"{entry.elapsed_seconds:g} s" if entry.elapsed_seconds else None
    rows: list[tuple[str, object]] = [
        ("id", entry.id),
        ("status", f"{entry.status}: {_MEANINGS.get(entry.status, '')}"),
        ("asked", _local(entry.created_at)),
        ("prompt", entry.prompt),
        ("size", entry.size.replace("*", "×")),
        ("seed", "left to the service" if entry.seed is None else entry.seed),
        ("prompt_extend", "on" if entry.prompt_extend else "off"),
        ("region", entry.region),
        ("endpoint", entry.endpoint),
        ("workspace", entry.workspace),
        ("list price", price),
        ("tries", entry.attempts),
        ("request id", entry.request_id),
        ("rewritten prompt", entry.rewritten_prompt),
        ("reasoning", entry.reasoning),
        ("picture", f"{entry.width}×{entry.height}" if entry.width else None),
        ("bytes", None if entry.bytes is None else f"{entry.bytes:,}"),
        ("sha256", entry.sha256),
        ("path", entry.path),
        ("was to go to", entry.wanted_path if entry.path is None else None),
        ("fetch until", _local(until.isoformat()) if until and entry.status == "made" else None),
        ("to try again", f"zimage history recover {entry.id}" if again else None),
        ("evidence", entry.evidence_path),
        ("took", elapsed),
        ("error", error.get("message")),
        ("service said", f"{said} ({error.get('code')})" if said else None),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]
