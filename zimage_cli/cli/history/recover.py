"""`zimage history recover`: fetch what was made and not saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import options
from zimage_cli.cli.errors import Interrupted, print_error
from zimage_cli.cli.output import Output, document
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.advice import exit_status
from zimage_cli.core.settings.settings import Flags
from zimage_cli.errors import Stopped
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.core.making.recover import Candidate, Recovered, Recovery

_STILL_THERE = "What was not saved can still be fetched: zimage history recover"


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


def _candidate_line(candidate: Candidate) -> str:
    entry = candidate.entry
    prompt = visible(clip(" ".join(entry.prompt.split()), 40))
    return f"{entry.id}  {prompt}: {candidate.words}"
