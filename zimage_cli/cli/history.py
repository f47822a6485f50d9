"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.errors import (
    ConfigurationError,
    NotSavedError,
    Stopped,
    UsageError,
    ZimageError,
)
from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import Interrupted, print_error
from zimage_cli.cli.output import Output, cell, make_table
from zimage_cli.cli.signals import Signals
from zimage_cli.core.advice import error_documents, exit_status
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

_STILL_THERE = "What was not saved can still be fetched: zimage history recover"
_STYLES = {"saved": "green", "made": "yellow", "failed": "red", "lost": "red"}
_MEANINGS = {
    "sending": "asked for, not answered yet",
    "made": "made and billed, not saved: zimage history recover",
    "saved": "made and saved",
    "failed": "not made, not billed",
    "lost": "may have been made and billed, and there is no picture",
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
    with _history() as book:
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
    with _history() as book:
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
        list[int] | None,
        typer.Argument(
            metavar="[ID]...",
            help="Only these, and whatever their state; all that can be had without.",
        ),
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
    with _history(None if dry_run else out) as book:
        found = recovery.pick(recovery.candidates(book, ids or ()) if book else [], ids or [])
        for candidate in found:
            out.note(_candidate_line(candidate))
        if not found:
            out.note("Nothing to recover: no picture is known to be made and not saved.")
        documents, failure = [], None
        if book is not None and not dry_run and found:
            places = _places(output_dir)
            recovery.clear(found, *places)
            with Signals() as signals:
                for candidate in found:
                    if signals.numbers:
                        raise Interrupted(signals.numbers[0], note=_STILL_THERE)
                    document, error = _recover_one(
                        out, book, candidate, places, signals, json=json, by_name=bool(ids)
                    )
                    documents.append(document)
                    failure = failure or error
        else:
            documents = [_untouched(candidate) for candidate in found]
    if json:
        status = "ok" if failure is None else "error"
        out.json({"schema": 1, "status": status, "pictures": documents})
    if failure is not None:
        raise typer.Exit(exit_status(failure))


def _not_recoverable(candidate: Candidate) -> ZimageError:
    number = candidate.entry.id
    if candidate.entry.region == SANDBOX:
        return NotSavedError(
            f"{number} cannot be recovered: {candidate.words}.",
            hint=f"Its prompt and seed, to make it again: zimage history show {number}",
        )
    return NotSavedError(
        f"{number} was not fetched: {candidate.words}.",
        hint=f"Where it went, when that has ended: zimage history show {number}",
    )


def _places(output_dir: Path | None) -> tuple[Path | None, Path]:
    """Return the folder that was asked for, None for none, and the one for what has none."""
    from zimage_cli.core.save import FOLDER
    from zimage_cli.core.settings import Flags, resolve

    settings = resolve(Environment.current(), Flags(output_dir=output_dir))
    default = settings.output_dir.value / FOLDER
    return (default if output_dir is not None else None), default


def _untouched(candidate: Candidate) -> dict[str, Any]:
    return {"id": candidate.entry.id, "state": candidate.state, "path": None, "errors": []}


def _recover_one(
    out: Output,
    book: Ledger,
    candidate: Candidate,
    places: tuple[Path | None, Path],
    signals: Signals,
    *,
    json: bool,
    by_name: bool,
) -> tuple[dict[str, Any], ZimageError | None]:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core import recover as recovery

    document, entry = _untouched(candidate), candidate.entry
    if candidate.state != recovery.READY and not by_name:
        # A GET is free, so what was asked for by name is tried whatever its state.
        return document, None
    try:
        if candidate.hopeless:
            raise _not_recoverable(candidate)
        with Wire() as client:
            folder, default = places
            saved: list[Path] = []
            # In a thread: Ctrl-C closes the connection, and leaves no claim and no half picture.
            signals.wait_for(
                lambda: saved.append(
                    recovery.recover(
                        book, client, entry, folder, default_folder=default, sleep=client.sleep
                    )
                ),
                client.cancel,
                lambda: True,
            )
            path = saved[0]
    except Stopped:
        raise Interrupted(signals.numbers[0], note=_STILL_THERE) from None
    except recovery.TakenError as error:
        # Skipped among others, but a failure where it was asked for by name.
        if not by_name:
            out.note(error.message)
            return {**document, "state": recovery.CLAIMED}, None
        failure: ZimageError = error
    except ZimageError as error:
        failure = error
    else:
        if not json:
            out.result(str(path))
        return {**document, "state": "recovered", "path": str(path)}, None
    print_error(out, failure)
    return {**document, "errors": error_documents(failure, prompt=entry.prompt)}, failure


@contextmanager
def _history(out: Output | None = None) -> Iterator[Ledger | None]:
    """Open the history, with `out` to change it; None where there is none yet."""
    from zimage_cli.core.ledger import Ledger

    path = Environment.current().ledger_file()
    if path is None:
        raise ConfigurationError(
            "no home folder is known, so there is no history", hint="Set HOME or ZIMAGE_HOME."
        )
    if not path.exists():
        yield None
        return
    book = Ledger.to_read(path) if out is None else Ledger(path, on_locked=out.warn)
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
    document = asdict(entry)
    # Which process works on it is for other zimages.
    del document["owner"], document["claim"]
    return document


def _local(stamp: str) -> str:
    """Return a time as the clock on the wall has it; what is no time, as it stands."""
    from zimage_cli.core.entry import moment

    try:
        when = moment(stamp)
        return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else stamp
    except (ValueError, OverflowError, OSError):
        return stamp


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
