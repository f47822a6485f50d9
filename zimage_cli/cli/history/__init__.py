"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.history.recover import recover
from zimage_cli.cli.output import Output, cell, make_table, one_line
from zimage_cli.client import Client
from zimage_cli.errors import UsageError
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry

app = App(
    no_args_is_help=True,
    epilog="Examples:\n\nzimage history list --limit 5\n\nzimage history show 42\n\n"
    "zimage history recover",
    help="Everything ever made: list it, look at it, recover what was paid and not saved.",
)

_STYLES = {"saved": "green", "made": "yellow", "refused": "red", "failed": "red", "lost": "red"}
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
        int, typer.Option("--limit", "-l", help="How many.", metavar="N", min=1, max=1_000_000)
    ] = 20,
    json: options.Json = False,
) -> None:
    """List what was made, newest first."""
    out = Output()
    with Client.history() as book:
        entries = book.newest(limit) if book else []
    if json:
        out.document("ok", entries=[_document(entry) for entry in entries])
        return
    if not entries:
        out.note("Nothing has been made yet.")
        return
    table = make_table(("id", "when", "status", "size", "prompt"), right=("id",))
    for entry in entries:
        table.add_row(
            cell(str(entry.id)),
            cell(_local(entry.created_at)),
            cell(entry.status, _STYLES.get(entry.status, "")),
            cell(entry.size),
            one_line(visible(clip(" ".join(entry.prompt.split()), 200))),
        )
    # On a narrow terminal only the prompt is cut off.
    for column in table.columns[:4]:
        column.no_wrap = True
    out.result_table(table)


@app.command(
    epilog="Examples:\n\nzimage history show 42\n\n"
    "zimage history show 42 --json | zimage generate --file - --seed 8",
    document={"entry": None},
)
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="From zimage history list.", min=1)],
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
    for name, value in _facts(entry):
        lines = visible(value, newlines=True).split("\n")
        out.result(f"{name:<16}  {lines[0]}".rstrip())
        for line in lines[1:]:
            out.result(f"{'':<16}  {line}".rstrip())


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


def _local(stamp: str) -> str:
    """Return a time in local time; a text that is no time, unchanged."""
    from zimage_cli.core.history.entry import moment

    try:
        when = moment(stamp)
        return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else stamp
    except (ValueError, OverflowError, OSError):
        return stamp


def _facts(entry: Entry) -> list[tuple[str, str]]:
    """Return what a person reads about an entry, only what is known."""
    error = entry.error or {}
    said = error.get("service_message")
    price = f"{entry.cost_currency} {entry.cost_amount}" if entry.cost_amount else None
    elapsed = f"{entry.elapsed_seconds:g} s" if entry.elapsed_seconds else None
    rows: list[tuple[str, object]] = [
        ("id", entry.id),
        ("status", f"{entry.status}: {_MEANINGS.get(entry.status, '')}"),
        ("asked", _local(entry.created_at)),
        ("prompt", entry.prompt),
        ("size", entry.size),
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
        ("bytes", entry.bytes),
        ("sha256", entry.sha256),
        ("path", entry.path),
        ("was to go to", entry.wanted_path if entry.path is None else None),
        ("fetch until", _fetch_until(entry)),
        ("to try again", _try_again(entry)),
        ("evidence", entry.evidence_path),
        ("took", elapsed),
        ("error", error.get("message")),
        ("service said", f"{said} ({error.get('code')})" if said else None),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]


def _try_again(entry: Entry) -> str | None:
    lost = entry.status == "lost" and entry.image_url
    return f"zimage history recover {entry.id}" if lost else None


def _fetch_until(entry: Entry) -> str | None:
    if entry.status != "made" or entry.expires_at is None:
        return None
    return _local(entry.expires_at.isoformat())
