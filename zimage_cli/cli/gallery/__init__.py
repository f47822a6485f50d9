"""`zimage gallery`: one HTML page of pictures, from the history or from a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from unicodedata import category

import typer

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.gallery import report
from zimage_cli.cli.history import filters
from zimage_cli.cli.output import Output
from zimage_cli.client import Client
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

if TYPE_CHECKING:
    from zimage_cli.core.gallery.collect import Collection
    from zimage_cli.core.history.history import History
    from zimage_cli.core.history.query import Query

TITLE = Message("Gallery")

app = App()


@app.command(
    base=filters.Searching,
    epilog="Examples:\n\nzimage gallery\n\nzimage gallery fox --since 7d --title Foxes --open\n\n"
    "zimage gallery output/ -o foxes.html\n\nzimage gallery --limit 100 --embed -o mail.html",
    document={"path": None, "pictures": 0, "sandbox": 0, "skipped": []},
    everyday=("--output", "--title", "--embed", "--open", "--limit", "--since"),
    statuses=(0, 2, 130),
)
def gallery(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR|WORD]...",
            help="A folder, also of pictures by others; or words, as history list takes them; "
            "default: all of the history.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        options.option(
            options.SAVING,
            "--output -o",
            "The page, .html; - for stdout, with --embed; default: gallery.html in DIR or here.",
            "FILE",
        ),
    ] = None,
    title: Annotated[
        str | None, options.option(options.SAVING, "--title", "What stands above it.", "TEXT")
    ] = None,
    embed: Annotated[
        bool,
        options.option(
            options.SAVING, "--embed", "Put thumbnails into the page: one file, up to 500 pictures."
        ),
    ] = False,
    open_: Annotated[
        bool, options.option(options.SAVING, "--open", "Show the page in the desktop's browser.")
    ] = False,
    overwrite: Annotated[
        bool,
        options.option(
            options.SAVING, "--overwrite", "Replace a file that is no page of zimage's too."
        ),
    ] = False,
    limit: Annotated[
        int | None,
        options.option(
            filters.FILTER, "--limit -l", "Only so many, the newest; default: all.", "N"
        ),
    ] = None,
    since: filters.Since = None,
    until: filters.Until = None,
    status: filters.StatusOption = None,
    region: filters.Region = None,
    size: filters.Size = None,
    seed: filters.Seed = None,
    batch: filters.Batch = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write one HTML page of pictures, to look at and to hand on."""
    from zimage_cli.core.gallery.gallery import Making
    from zimage_cli.core.gallery.write import STDOUT, target

    out = Output(quiet=quiet)
    _refuse_without_jinja()
    if limit is not None:
        options.refuse_outside("--limit", limit, 1)
    chosen = {
        "since": since,
        "until": until,
        "statuses": status,
        "region": region,
        "size": size,
        "seed": seed,
        "batch": batch,
    }
    folder = _folder(
        out, words or [], [name for name, value in chosen.items() if value not in (None, [])]
    )
    to_stdout = output == STDOUT
    if title is not None and not _is_title(title):
        raise UsageError(
            "--title: {value} is not a line of text in UTF-8.", field="title", value=shown(title)
        )
    if to_stdout:
        _refuse_beside_stdout(embed=embed, json=json, open_=open_)
        if out.stdout.isatty():
            raise UsageError("-o - would write the page's HTML onto the terminal: redirect it.")
    page = None if to_stdout else target(output, folder or Path(), overwrite=overwrite)
    making = Making(out.translate)
    with _history(out, needed=folder is None) as book:
        if folder is None:
            query = filters.query(book, words, **chosen)  # type: ignore[arg-type]
            source: _OfHistory | _OfFolder = _OfHistory(book, query, limit)
            default = " ".join(words or ()) or out.text(TITLE)
        else:
            source = _OfFolder(book, folder, limit)
            default = folder.resolve().name or out.text(TITLE)
        made = report.made(
            out,
            making,
            lambda: making.make(
                source.collect, page, title or default, embed=embed, nothing=source.nothing
            ),
        )
    if json:
        skipped = [{"path": one.path, "reason": str(one.why)} for one in made.skipped]
        count = sum(card.sandbox for card in made.cards)
        out.document("ok", path=str(page), pictures=len(made.cards), sandbox=count, skipped=skipped)
    elif page is not None:
        out.path(page)
    else:
        out.result_data(made.html)
    report.tell(out, made)
    if open_ and page is not None:
        from zimage_cli.cli.viewer import open_files

        open_files(out, [page])


def _refuse_without_jinja() -> None:
    """Say what is missing before the thumbnails are made: no other command needs it."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "A gallery needs Jinja2, which cannot be loaded: {why}.",
            hint="Install it: pip install jinja2",
            why=str(error),
        ) from None


def _is_title(text: str) -> bool:
    """Tell whether a text can stand above a page: it is one line, and no undecodable bytes."""
    return bool(text.strip()) and not any(category(char) in {"Cc", "Cs"} for char in text)


def _refuse_beside_stdout(*, embed: bool, json: bool, open_: bool) -> None:
    if not embed:
        raise UsageError(
            "-o - needs --embed: a page on the standard output can point to no file.",
            hint="zimage gallery --embed -o -",
            field="output",
        )
    if json:
        raise UsageError("--json and -o - both write to the standard output: give only one")
    if open_:
        raise UsageError("--open needs a file, and -o - writes none.", field="open")


# -- what is shown --------------------------------------------------------------------------------


def _folder(out: Output, words: Sequence[str], given: Sequence[str]) -> Path | None:
    """Return the folder that is meant, None where it is words. Raises UsageError.

    One argument that is a folder, or written as a path, is one; `given` are filters.
    """
    single = len(words) == 1
    for word in words:
        written = _is_path(word)
        if not (single or written):
            continue
        if not _is_folder(word):
            if single and written:
                raise UsageError(
                    "There is no folder {value}.",
                    hint="To search the history for it: zimage gallery '\"{value}\"'",
                    field="words",
                    value=word,
                )
            continue
        if not single:
            raise UsageError(
                "{value} is a folder, and the other words are looked for in the history: "
                "give either.",
                field="words",
                value=word,
            )
        if given:
            raise UsageError(
                "{value} is a folder, and --{filter} chooses from the history: give either.",
                hint="To search the history for the word: '\"{value}\"'",
                field=given[0],
                value=word,
                filter={"statuses": "status"}.get(given[0], given[0]),
            )
        if not written:
            said = "the folder {name}; for the word in the history: '\"{name}\"'"
            out.note_data(Message(said, name=word))
        return Path(word)
    return None


def _is_path(word: str) -> bool:
    separators = {"/", os.sep}
    return word in {".", ".."} or (
        not word.startswith(("-", '"')) and any(one in word for one in separators)
    )


def _is_folder(word: str) -> bool:
    try:
        # Of an empty text Path makes the current folder.
        return bool(word) and Path(word).is_dir()
    except (OSError, ValueError):
        return False


def _history(out: Output, *, needed: bool) -> AbstractContextManager[History | None]:
    """Open the history; where a folder is shown, it may as well not be usable."""
    if needed:
        return Client.history()
    try:
        with Client.history() as book:
            if book is not None:
                book.count()
    except ConfigurationError as error:
        out.warn(
            Message(
                "{cause} What pictures say of themselves is shown."
                if error.message.endswith(".")
                else "{cause}. What pictures say of themselves is shown.",
                cause=error.message,
            )
        )
        return nullcontext()
    return Client.history()


class _OfFolder:
    """The pictures in a folder, and what is said where there is none."""

    def __init__(self, book: History | None, folder: Path, limit: int | None) -> None:
        self._book, self._path, self._limit = book, folder, limit

    def collect(self, collection: Collection) -> None:
        collection.of_folder(self._path, self._book, self._limit)

    def nothing(self, collection: Collection) -> UsageError:
        skipped = collection.skipped
        return UsageError(
            "The folder {path} holds no picture; {skipped}."
            if skipped
            else "The folder {path} holds no picture in PNG, JPEG or WebP.",
            field="words",
            path=self._path,
            skipped=report.skipped(skipped),
        )


class _OfHistory:
    """The pictures of the history that match, and what is said where there is none."""

    def __init__(self, book: History | None, query: Query, limit: int | None) -> None:
        self._book, self._query, self._limit = book, query, limit
        self._matching = 0

    def collect(self, collection: Collection) -> None:
        from zimage_cli.core.history.query import each, matching

        if self._book is not None:
            found = matching(self._book, self._query._replace(with_file=True))
            self._matching = len(found)
            collection.of_history(each(self._book, found), self._limit)

    def nothing(self, collection: Collection) -> UsageError:
        count = 0 if self._book is None else self._book.count()
        if not count:
            return UsageError(
                "Nothing has been made yet.",
                hint="For pictures in a folder: zimage gallery DIR",
                field="words",
            )
        if not self._matching:
            return UsageError(
                "None of the {count:,} in the history is a saved picture that matches.",
                hint="See what is there: zimage history list",
                field="words",
                count=count,
            )
        return UsageError(
            "None of the pictures that match is where it was saved; {skipped}.",
            hint="For pictures in a folder: zimage gallery DIR",
            field="words",
            skipped=report.skipped(collection.skipped),
        )
