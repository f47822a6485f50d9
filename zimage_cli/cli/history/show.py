"""`zimage history show`: everything about a picture."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.cli import options
from zimage_cli.cli.generate.facts import history
from zimage_cli.cli.history.common import REF_HELP, STYLES, entry_document, local
from zimage_cli.cli.output import Output
from zimage_cli.cli.preview import MOST, beside
from zimage_cli.cli.table import Cell, Table
from zimage_cli.client import Client
from zimage_cli.core.history import ref
from zimage_cli.core.request.prices import format_price
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.preview import Preview
    from zimage_cli.core.history.entry import Entry

_MEANINGS = {
    "sending": Message("sending: asked for, not answered yet"),
    "made": Message("made: made and billed, not saved: zimage history recover"),
    "saved": Message("saved: made and saved"),
    "refused": Message("refused: by content moderation, not billed"),
    "failed": Message("failed: not made, not billed"),
    "lost": Message("lost: may have been made and billed, and there is no picture"),
}
_PROSE = {
    *("status", "prompt", "typed prompt", "rewritten prompt", "reasoning"),
    *("error", "service said"),
}


def show(
    picture: Annotated[str, typer.Argument(metavar="REF", help=REF_HELP)],
    preview: options.Preview = None,
    json: options.Json = False,
) -> None:
    """Show everything about a picture, or about several."""
    out = Output()
    with Client.history() as book:
        entries = ref.entries(book, [picture])
    if json and ref.several(picture):
        out.document("ok", entries=[entry_document(entry) for entry in entries])
    elif json:
        out.document("ok", entry=entry_document(entries[0]))
    else:
        above = beside(out, preview)
        for at, entry in enumerate(entries):
            if at:
                out.result("")
            if above is not None and at < MOST:
                _show_picture(above, entry)
            _show(out, entry)


def _show_picture(preview: Preview, entry: Entry) -> None:
    if entry.path is None:
        preview.refuse(Message("history {number} has no picture", number=entry.id))
    else:
        preview.show([Path(entry.path)])


def _show(out: Output, entry: Entry) -> None:
    table = Table(("name", "value"), last="fold", header=False)
    piped = {"asked": entry.created_at, "size": entry.size, "bytes": str(entry.bytes)}
    for name, value in _facts(entry):
        style = STYLES.get(entry.status, "") if name == "status" else ""
        text = value if isinstance(value, Message) else visible(value, newlines=True)
        whole = name not in _PROSE
        table.add_row(Cell(name, "dim"), Cell(text, style, piped.get(name, value), whole))
    out.result_table(table)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    """Return what a person reads about an entry, only what is known."""
    error = entry.error or {}
    said = error.get("service_message")
    price = format_price(entry.price) if entry.price else None
    if entry.region == SANDBOX:
        price = Message("free: sandbox")
    until = entry.expires_at
    in_time = until is not None and datetime.now(UTC) < until
    again = entry.status == "lost" and entry.image_url and in_time
    seconds = entry.elapsed_seconds
    served = None if entry.served_sha256 == entry.sha256 else entry.served_sha256
    rows: list[tuple[str, object]] = [
        (Message("id"), entry.id),
        (Message("status"), _MEANINGS.get(entry.status, f"{entry.status}: ")),
        (Message("asked"), local(entry.created_at)),
        (Message("prompt"), entry.prompt),
        (Message("typed prompt"), entry.typed_prompt),
        (Message("preset"), entry.preset),
        (Message("parent"), None if entry.parent is None else history(entry.parent)),
        (Message("size"), entry.size.replace("*", "×")),
        (Message("seed"), Message("left to the service") if entry.seed is None else entry.seed),
        ("prompt_extend", Message("on") if entry.prompt_extend else Message("off")),
        (Message("region"), entry.region),
        (Message("endpoint"), entry.endpoint),
        (Message("workspace"), entry.workspace),
        (Message("list price"), price),
        (Message("tries"), entry.attempts),
        (Message("request id"), entry.request_id),
        (Message("rewritten prompt"), entry.rewritten_prompt),
        (Message("reasoning"), entry.reasoning),
        (Message("picture"), f"{entry.width}×{entry.height}" if entry.width else None),
        (Message("bytes"), None if entry.bytes is None else f"{entry.bytes:,}"),
        ("sha256", entry.sha256),
        (Message("served sha256"), served),
        (Message("path"), entry.path),
        (Message("was to go to"), entry.wanted_path if entry.path is None else None),
        (
            Message("fetch until"),
            local(until.isoformat()) if until and entry.status == "made" else None,
        ),
        (Message("to try again"), f"zimage history recover {entry.id}" if again else None),
        (Message("evidence"), entry.evidence_path),
        (Message("took"), Message("{seconds:g} s", seconds=seconds) if seconds else None),
        (Message("error"), error.get("message")),
        (Message("service said"), f"{said} ({error.get('code')})" if said else None),
    ]
    return [
        (name, value if isinstance(value, Message) else str(value))
        for name, value in rows
        if value is not None
    ]
