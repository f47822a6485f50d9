"""`zimage history`: every picture that was ever asked for, and those not saved yet."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import Interrupted, print_error
from zimage_cli.cli.output import Output, cell, document, make_table, one_line
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.advice import exit_status
from zimage_cli.core.settings.settings import Flags
from zimage_cli.errors import Stopped, UsageError
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.recover import Candidate, Recovered, Recovery

app = App(
    no_args_is_help=True,
    epilog="Examples:\n\nzimage history list --limit 5\n\nzimage history show 42\n\n"
    "zimage history recover",
    help="Everything ever made: list it, look at it, recover what was paid and not saved.",
)

_STILL_THERE = "What was not saved can still be fetched: zimage history recover"
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


@app.command(
    epilog="Examples:\n\nzimage history recover\n\n"
    "zimage history recover 42 --output-dir elsewhere",
    document={"pictures": []},
    statuses=(0, 2, 8, 130),
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
    out = Output(quiet=quiet)
    with (
        Client(flags=Flags(output_dir=output_dir), on_warning=out.warn) as client,
        client.recovery(ids or (), here=output_dir is not None, dry=dry_run) as recovery,
    ):
        for candidate in recovery.found:
            out.note(_candidate_line(candidate))
        if not recovery.found:
            out.note("Nothing to recover: no picture is known to be made and not saved.")
        if dry_run or not recovery.found:
            results = recovery.untouched()
        else:
            results = _recover(out, recovery, json=json)
    failures = [result.error for result in results if result.error and result.failed]
    if json:
        out.json(_recovered("dry-run" if dry_run else _status(results), results))
    if failures:
        raise typer.Exit(exit_status(failures[0]))


def _recover(out: Output, recovery: Recovery, *, json: bool) -> list[Recovered]:
    """Recover in a thread, which Ctrl-C cancels. Raises Interrupted with what was recovered."""
    results: list[Recovered] = []

    def work() -> None:
        for result in recovery.fetch():
            results.append(result)
            _tell(out, result, json=json)

    with Signals() as signals:
        try:
            signals.wait_for(work, recovery.cancel, lambda: True)
        except Stopped:
            end = Interrupted(signals.numbers[0], note=_STILL_THERE)
            if json:
                status = "partial" if any(result.path for result in results) else "error"
                end.document = _recovered(status, results, end.error_document())
            raise end from None
    return results


def _tell(out: Output, result: Recovered, *, json: bool) -> None:
    if result.error is not None and result.failed:
        print_error(out, result.error)
    elif result.error is not None:
        out.note(result.error.message)
    elif result.path is not None and not json:
        out.result(str(result.path))


def _status(results: list[Recovered]) -> str:
    if not any(result.failed for result in results):
        return "ok"
    return "partial" if any(result.path for result in results) else "error"


def _recovered(status: str, results: list[Recovered], *more: dict[str, Any]) -> dict[str, Any]:
    errors = [document for result in results for document in result.errors]
    pictures = [result.document for result in results]
    return document(status, errors=[*errors, *more], pictures=pictures)


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
