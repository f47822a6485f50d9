"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.errors import ConfigurationError, NotSavedError, UsageError, ZimageError
from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import error_documents, exit_status, print_error
from zimage_cli.cli.output import Output, cell, make_table
from zimage_cli.core.environment import Environment
from zimage_cli.core.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.core.entry import Entry
    from zimage_cli.core.ledger import Ledger
    from zimage_cli.core.recover import Candidate

app = App(
    no_args_is_help=True,
    epilog="Examples:\n\nzimage history list --limit 5\n\nzimage history show 42\n\n"
    "zimage history recover",
    help="Everything ever made: list it, look at it, recover what was paid and not saved.",
)

_STYLES = {"saved": "green", "made": "yellow", "failed": "red", "lost": "red"}
_MEANINGS = {
    "sending": "asked for, not answered yet",
    "made": "made and billed, not saved: zimage history recover",
    "saved": "made and saved",
    "failed": "not made, not billed",
    "lost": "no usable answer arrived: may have been made and billed",
}


@app.command(
    "list", epilog="Examples:\n\nzimage history list\n\nzimage history list --limit 100 --json"
)
def list_(
    limit: Annotated[
        int, typer.Option("--limit", "-l", help="How many.", metavar="N", min=1, max=1_000_000)
    ] = 20,
    json: options.Json = False,
) -> None:
    """List what was made, newest first."""
    out = Output()
    with _ledger() as book:
        entries = book.newest(limit) if book else []
    if json:
        out.json({"schema": 1, "entries": [_document(entry) for entry in entries]})
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
            _one_line(clip(" ".join(entry.prompt.split()), 200)),
        )
    # The prompt alone gives way where the terminal is narrow.
    for column in table.columns[:4]:
        column.no_wrap = True
    out.result_table(table)


@app.command(epilog="Examples:\n\nzimage history show 42\n\nzimage history show 42 --json")
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="From zimage history list.", min=1)],
    json: options.Json = False,
) -> None:
    """Show everything about one picture."""
    out = Output()
    with _ledger() as book:
        entry = book.entry(number) if book else None
    if entry is None:
        raise UsageError(
            f"there is no {number} in the history", hint="See what is there: zimage history list"
        )
    if json:
        out.json({"schema": 1, "entry": _document(entry)})
        return
    for name, value in _facts(entry):
        lines = visible(value, newlines=True).split("\n")
        out.result(f"{name:<16}  {lines[0]}".rstrip())
        for line in lines[1:]:
            out.result(f"{'':<16}  {line}".rstrip())


@app.command(
    epilog="Examples:\n\nzimage history recover\n\nzimage history recover 42 --output-dir elsewhere"
)
def recover(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Only these; all without.")
    ] = None,
    output_dir: options.OutputDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is recoverable.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch pictures that were made and not saved; nothing is paid again."""
    from zimage_cli.core import recover as recovery

    out = Output(quiet=quiet)
    with _ledger() as book:
        found = recovery.pick(recovery.candidates(book) if book else [], ids or [])
        for candidate in found:
            out.note(_candidate_line(candidate))
        if not found:
            out.note("Nothing to recover: every picture that was made is saved.")
        documents, failure = [], None
        if book is not None:
            for candidate in found:
                document, error = _recover_one(out, book, candidate, output_dir, dry_run, json)
                if ids and not dry_run and candidate.state != recovery.READY:
                    # Skipped among others, but a failure where it was asked for by name.
                    error = _not_recoverable(candidate)
                    print_error(out, error)
                    document["errors"] = error_documents(error, prompt=candidate.entry.prompt)
                documents.append(document)
                failure = failure or error
    if json:
        status = "ok" if failure is None else "error"
        out.json({"schema": 1, "status": status, "pictures": documents})
    if failure is not None:
        raise typer.Exit(exit_status(failure))


def _not_recoverable(candidate: Candidate) -> ZimageError:
    number = candidate.entry.id
    return NotSavedError(
        f"{number} cannot be recovered: {candidate.words}.",
        hint=f"Its prompt and seed, to make it again: zimage history show {number}",
    )


def _recover_one(
    out: Output,
    book: Ledger,
    candidate: Candidate,
    output_dir: Path | None,
    dry_run: bool,
    json: bool,
) -> tuple[dict[str, Any], ZimageError | None]:
    from zimage_cli.api.client import Client
    from zimage_cli.cli.session import pictures_folder
    from zimage_cli.core import recover as recovery
    from zimage_cli.core.settings import Flags, resolve

    document: dict[str, Any] = {
        "id": candidate.entry.id,
        "state": candidate.state,
        "path": None,
        "errors": [],
    }
    if dry_run or candidate.state != recovery.READY:
        return document, None
    settings = resolve(Environment.current(), Flags(output_dir=output_dir))
    default = pictures_folder(settings.output_dir.value)
    try:
        with Client() as client:
            path = recovery.recover(
                book,
                client,
                candidate.entry,
                default if output_dir is not None else None,
                default_folder=default,
            )
    except ZimageError as error:
        print_error(out, error)
        return {**document, "errors": error_documents(error, prompt=candidate.entry.prompt)}, error
    if not json:
        out.result(str(path))
    return {**document, "state": "recovered", "path": str(path)}, None


@contextmanager
def _ledger() -> Iterator[Ledger | None]:
    """Open the history for reading; None where there is none yet."""
    from zimage_cli.core.ledger import Ledger

    path = Environment.current().ledger_file()
    if path is None:
        raise ConfigurationError(
            "no home folder is known, so there is no history", hint="Set HOME or ZIMAGE_HOME."
        )
    if not path.exists():
        yield None
        return
    book = Ledger(path)
    try:
        book.settle_abandoned()
        yield book
    finally:
        book.close()


def _one_line(text: str) -> Any:
    line = cell(text)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _document(entry: Entry) -> dict[str, Any]:
    return asdict(entry)


def _local(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")


def _candidate_line(candidate: Candidate) -> str:
    entry = candidate.entry
    prompt = visible(clip(" ".join(entry.prompt.split()), 40))
    return f"{entry.id}  {prompt}: {candidate.words}"


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
        ("evidence", entry.evidence_path),
        ("took", elapsed),
        ("error", error.get("message")),
        ("service said", f"{said} ({error.get('code')})" if said else None),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]


def _fetch_until(entry: Entry) -> str | None:
    if entry.status != "made" or entry.expires_at is None:
        return None
    return _local(entry.expires_at.isoformat())
