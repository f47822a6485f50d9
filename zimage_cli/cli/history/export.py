"""`zimage history export`: the history, or what of it matches, as a file for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from zimage_cli.cli import options
from zimage_cli.cli.errors import Interrupted
from zimage_cli.cli.history import filters
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message, counted


def export(
    words: filters.Words = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="The file, .jsonl or .csv; - for stdout.", metavar="FILE"
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="jsonl or csv; default: by the file's name.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    since: filters.Since = None,
    until: filters.Until = None,
    status: filters.StatusOption = None,
    region: filters.Region = None,
    size: filters.Size = None,
    seed: filters.Seed = None,
    batch: filters.Batch = None,
    json: options.Json = False,
) -> None:
    """Write the history to a file, oldest first; filters are those of list. No signed address."""
    from zimage_cli.core.history.export import lines, write
    from zimage_cli.core.history.query import each, matching

    out = Output()
    form = _format(output, form)
    if json and output == "-":
        raise UsageError("--json and -o - both write to the standard output: give only one")
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
        found = matching(book, query)[::-1] if book else []
        text = lines(each(book, found) if book else (), form)
        if output == "-":
            for line in text:
                out.result(line, end="")
            return
        path = Path(output or "").absolute()
        with Signals() as signals:
            write(path, _interruptible(text, signals), overwrite=overwrite)
    if json:
        out.document("ok", path=str(path), entries=len(found))
    else:
        out.path(path)
        out.note(counted(len(found), "{count:,} entry written", "{count:,} entries written"))


def _interruptible(lines: Iterable[str], signals: Signals) -> Iterator[str]:
    """Yield lines. Raises Interrupted between them: nothing of the file is left behind."""
    for line in lines:
        if signals.numbers:
            raise Interrupted(signals.numbers[0])
        yield line


def _format(output: str | None, form: str | None) -> str:
    """Return the format of the file. Raises UsageError where nothing tells it."""
    from zimage_cli.core.history.export import FORMATS
    from zimage_cli.core.history.query import one_of

    if not output:
        raise UsageError(
            "zimage history export: --output is missing.",
            hint="zimage history export -o history.jsonl",
            field="output",
        )
    if form is not None:
        return one_of("--format", form, FORMATS)
    ending = Path(output).suffix.lower().removeprefix(".")
    if ending == "ndjson":
        return "jsonl"
    if ending not in FORMATS:
        raise UsageError(
            "--output: {value} does not tell the format; allowed: {allowed}",
            hint="Or name it: --format jsonl, --format csv",
            field="output",
            value=output,
            allowed=Message("a name that ends in .jsonl or .csv"),
        )
    return ending
