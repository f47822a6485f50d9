"""`zimage open`: pictures in the desktop's viewer."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.cli import options, viewer
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.history.common import REF_HELP
from zimage_cli.cli.output import Output
from zimage_cli.client import Client
from zimage_cli.core.advice import USAGE_STATUS, error_documents
from zimage_cli.core.history import ref
from zimage_cli.core.request.wish import SUFFIXES, format_of
from zimage_cli.core.status import Status
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History

app = App()

_AGAIN = "To pay for another: zimage generate --like {number}"
_AGAIN_FREE = "To make it again: zimage generate --like {number} --sandbox"
_NO_PICTURE: dict[str, Message] = {
    Status.SENDING: Message("it was asked for, and is not answered yet"),
    Status.MADE: Message("it was made, and is not saved"),
    Status.REFUSED: Message("content moderation refused it"),
    Status.FAILED: Message("it was not made"),
    Status.LOST: Message("the answer was lost"),
}


class _Named(NamedTuple):
    """What a REF names: a file, the history's entry of it, or both."""

    ref: str
    entry: Entry | None
    file: Path | None


@app.command(
    "open",
    epilog="Examples:\n\nzimage open\n\nzimage open 42 last:2\n\nzimage open fox.png",
    document={"pictures": []},
)
def open_(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REF]...", help=f"{REF_HELP} Default: last."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show pictures in the desktop's viewer, and print their paths."""
    out = Output()
    errors: list[ZimageError] = []
    found: dict[Path, int | None] = {}
    refs = pictures or ["last"]
    try:
        with Client.history() as book:
            named = _named(book, refs, errors)
    except ConfigurationError as error:
        # Files can be shown without it.
        if not all(map(ref.is_file, refs)):
            raise
        out.warn(error.message)
        errors.clear()
        named = _named(None, refs, errors)
    for one in named:
        try:
            found.setdefault(_file_of(one), None if one.entry is None else one.entry.id)
        except UsageError as error:
            errors.append(error)
    for failure in errors:
        print_error(out, failure)
    if not json:
        for path in found:
            out.path(path)
    failed = _shown(out, [*found], errors)
    if json:
        documents = [
            {"path": str(path), "history_id": number, "opened": path not in failed}
            for path, number in found.items()
        ]
        opened = len(failed) < len(found)
        out.document(
            "ok" if not errors else "partial" if opened else "error",
            pictures=documents,
            errors=[document for error in errors for document in error_documents(error)],
        )
    if errors:
        raise typer.Exit(USAGE_STATUS)


def _shown(out: Output, paths: list[Path], errors: list[ZimageError]) -> set[Path]:
    """Open files; return those that were not opened, and add to the errors what says why."""
    try:
        failures = viewer.launch(paths)
    except ConfigurationError as error:
        failures = dict.fromkeys(paths, error)
    for failure in dict.fromkeys(failures.values()):
        print_error(out, failure)
        errors.append(failure)
    return {*failures}


def _named(book: History | None, refs: list[str], errors: list[ZimageError]) -> list[_Named]:
    """Return what texts name; what names nothing is added to the errors.

    Raises UsageError for more than are opened at once.
    """
    found: dict[int | Path, tuple[str, int | None, Path | None]] = {}
    for text in refs:
        path = Path(os.path.abspath(text)) if ref.is_file(text) else None  # noqa: PTH100
        try:
            for number in ref.ids(book, [text]):
                # The file that was named, and not the one that it may be a copy of.
                file = path if path and path.is_file() else None
                found.setdefault(file or number, (text, number, file))
        except ref.UnknownFile:
            assert path is not None
            found.setdefault(path, (text, None, path))
        except UsageError as error:
            errors.append(error)
    viewer.refuse_many(len(found))
    rows = {}
    if book is not None:
        numbers = [number for _, number, _ in found.values() if number is not None]
        rows = {row.id: row for row in book.entries(numbers)}
    return [
        _Named(text, None if number is None else rows.get(number), file)
        for text, number, file in found.values()
        if file is not None or number in rows
    ]


def _file_of(one: _Named) -> Path:
    """Return the picture's file. Raises UsageError where there is none that may be opened."""
    from zimage_cli.core.recipe.inspect import inspect

    path, text = one.file, one.ref
    if path is None:
        assert one.entry is not None
        path = _saved_at(one.entry, text)
    # A desktop picks the program by the name, and some by the one that a link leads to: what ends
    # in .html or .desktop is run, whatever it holds.
    for name in (path, Path(os.path.realpath(path))):
        if format_of(str(name)) is None:
            raise UsageError(
                "{path} is not opened: by its name it is no picture.",
                hint="A name that is opened ends in {allowed}.",
                field="REF",
                value=text,
                path=name,
                allowed=Listing(", ", SUFFIXES),
            )
    inspect(str(path), hashed=False)
    return path


def _saved_at(entry: Entry, text: str) -> Path:
    """Return where an entry's picture was saved, and is. Raises UsageError."""
    if entry.status != Status.SAVED:
        can_be_had = entry.status == Status.MADE and entry.region != SANDBOX
        raise UsageError(
            "history {number} has no picture: {why}.",
            hint="Within 24 hours of making it: zimage history recover {number}"
            if can_be_had
            else "What is known of it: zimage history show {number}",
            field="REF",
            value=text,
            number=entry.id,
            why=_NO_PICTURE.get(entry.status, entry.status),
        )
    if entry.path is None or entry.path == "-":
        raise UsageError(
            "history {number} has no file: its picture went to the standard output.",
            hint=_AGAIN_FREE if entry.region == SANDBOX else _AGAIN,
            field="REF",
            value=text,
            number=entry.id,
        )
    path = Path(entry.path)
    try:
        there = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        there = False
    except (OSError, ValueError):
        # What reads it says why that fails.
        there = True
    if there:
        return path
    raise UsageError(
        "history {number} was saved as {path}, and no picture is there any more.",
        hint=_AGAIN_FREE if entry.region == SANDBOX else _AGAIN,
        field="REF",
        value=text,
        number=entry.id,
        path=path,
    )
