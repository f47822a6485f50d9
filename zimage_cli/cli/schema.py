"""`zimage schema`: JSON Schemas of what zimage reads and prints."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zimage_cli.cli.app import App
from zimage_cli.cli.output import Output
from zimage_cli.core.schema import NAMES, TARGETS, schema, tool
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import json_text, shown

_REQUEST = "request"

app = App()


@app.command(
    epilog="Examples:\n\nzimage schema\n\nzimage schema result\n\n"
    "zimage schema request --for anthropic"
)
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help=f"{', '.join(NAMES)}; without it: the list of them."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="WHOM",
            help="A request as the definition of a tool, for openai (strict), anthropic or mcp: "
            "short, and what it leaves open zimage checks.",
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of what zimage reads or prints."""
    output = Output()
    if name is not None:
        _known("NAME", name, [*NAMES])
    if target is not None:
        _known("--for", target, TARGETS)
        if name != _REQUEST:
            raise UsageError(
                "--for makes a tool of a request, and of nothing else.",
                hint="zimage schema request --for {target}",
                target=target,
            )
    if name is None:
        _list(output)
        return
    found = schema(name) if target is None else tool(target)
    for line in json_text(found, indent=2).split("\n"):
        output.result(line)


def _list(output: Output) -> None:
    from zimage_cli.cli.table import Table

    table = Table(("schema", "of"), header=False)
    for name, about in NAMES.items():
        table.add_row(name, about)
    output.result_table(table)
    output.note(
        Message(
            "zimage schema NAME prints one. That of a request is 150 kB, for validators; "
            "for a model: zimage schema request --for mcp"
        )
    )


def _known(field: str, value: str, names: list[str] | tuple[str, ...]) -> None:
    """Raise UsageError for a name that is none of these."""
    if value in names:
        return
    from difflib import get_close_matches

    nearest = next(iter(get_close_matches(value.lower()[:100], names, n=1)), None)
    facts: dict[str, Any] = {"field": field, "value": shown(value), "allowed": Listing(", ", names)}
    if nearest is None:
        raise UsageError("{field}: {value} is not known; allowed: {allowed}", **facts)
    raise UsageError(
        "{field}: {value} is not known; allowed: {allowed}. Did you mean {nearest}?",
        nearest=nearest,
        **facts,
    )
