"""`zimage regions ping`: whether a region answers, and key and model are good there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.cli.app import Json
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.client import Client
from zimage_cli.core.advice import error_document, exit_status
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.validate.ping import Ping


def ping(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A region's name or id; default: the active one."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ask every region that has a key of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a region once, read-only and free, whether key and model are good there."""
    if every and name is not None:
        raise UsageError("a region's name and --all contradict each other")
    output = Output()
    with Client(region=name) as client:
        for warning in client.settings.warnings:
            output.warn(warning)
        answers = client.ping(every=every)
    failed = [one.error for one in answers if one.error]
    if as_json:
        output.document(
            "ok" if not failed else "error" if len(failed) == len(answers) else "partial",
            regions=[one.document for one in answers],
            errors=[error_document(error) for error in failed],
        )
    else:
        _print_answers(output, answers)
    for error in failed:
        print_error(output, error)
    if failed:
        raise typer.Exit(exit_status(failed[0]))


def _print_answers(output: Output, answers: list[Ping]) -> None:
    headers = (
        *(Message("region"), Message("reachable"), Message("key"), Message("model")),
        *(Message("connect"), Message("answer"), Message("host")),
    )
    table = Table(headers, right=("connect", "answer"), last="under")
    for one in answers:
        times = (one.connect_ms, one.answer_ms)
        table.add_row(
            cell(one.region),
            _answered(one.reachable, Message("yes"), Message("no")),
            _answered(one.key_accepted, Message("accepted"), Message("refused")),
            _answered(one.model_visible, Message("visible"), Message("not visible")),
            *(cell("-" if time is None else f"{time:.0f} ms") for time in times),
            Cell(one.host or "-", "dim", whole=True),
        )
    output.result_table(table)


def _answered(good: bool | None, yes: Message, no: Message) -> Cell:
    if good is None:
        return cell("-")
    words = yes if good else no
    shown = Message("{mark} {words}", mark="✓" if good else "✗", words=words)
    return Cell(shown, "green" if good else "red", piped=words)
