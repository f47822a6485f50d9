"""`zimage history forget`: delete rows of the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.cli import options
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.history.common import REF_HELP
from zimage_cli.cli.output import Output
from zimage_cli.client import Client
from zimage_cli.core.advice import USAGE_STATUS, error_documents
from zimage_cli.core.history import ref
from zimage_cli.core.run.money import count_of
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from zimage_cli.core.history.forget import Forgetting

_NAMED = 5
"""Ids that a sentence names."""


def forget(
    pictures: Annotated[list[str], typer.Argument(metavar="REF...", help=REF_HELP)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Delete pictures from the history; their files stay."""
    from zimage_cli.cli.question import confirm
    from zimage_cli.core.history.forget import forget, forgetting

    out = Output()
    with Client.history() as book:
        ids = ref.ids(book, pictures)
        # A REF without a history names nothing, and was refused.
        assert book is not None
        what = forgetting(book, ids)
        _warn(out, what)
        if not yes:
            text = Message(
                "{pictures} will be deleted from the history; files stay.",
                pictures=count_of(len(ids)),
            )
            confirm(out, text, otherwise=Message("Nothing was forgotten."))
        count = forget(book, what)
    if count < len(ids):
        error = UsageError(
            "{left:,} of {all:,} were changed or deleted by another zimage meanwhile and were not "
            "forgotten.",
            hint="See what is there: zimage history list",
            left=len(ids) - count,
            all=len(ids),
        )
        print_error(out, error)
        if json:
            status = "partial" if count else "error"
            out.document(status, forgotten=count, errors=error_documents(error))
        raise typer.Exit(USAGE_STATUS)
    out.note(
        Message(
            "{pictures} forgotten. The files stay: pictures, evidence, and what a batch wrote.",
            pictures=count_of(count),
        )
    )
    if json:
        out.document("ok", forgotten=count)


def _warn(out: Output, what: Forgetting) -> None:
    """Say what goes with the rows."""
    if what.unsaved:
        out.warn(
            Message(
                "{rows}: made, billed and not saved; without the history it cannot be recovered.",
                rows=_named(what.unsaved),
            )
        )
    if what.unfinished:
        out.warn(
            Message(
                "{rows}: of a batch; the same batch run again may make and pay it once more.",
                rows=_named(what.unfinished),
            )
        )


def _named(ids: tuple[int, ...]) -> Message:
    return Message(
        "history {ids} and {more:,} more" if len(ids) > _NAMED else "history {ids}",
        ids=Listing(", ", map(str, ids[:_NAMED])),
        more=len(ids) - _NAMED,
    )
