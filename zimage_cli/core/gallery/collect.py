"""The pictures of a page, and what is known of each: from the history, else from its file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.files import reason
from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.thumbnails import is_ours
from zimage_cli.core.history.entry import entry, moment, select
from zimage_cli.core.recipe.again import command, command_of
from zimage_cli.core.request.prices import format_price
from zimage_cli.core.request.recorded import FIELDS
from zimage_cli.core.request.wish import format_of
from zimage_cli.core.status import Status
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.messages import Message
from zimage_cli.text import without_keys

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History
    from zimage_cli.core.recipe.inspect import Inspected

GONE = Message("no longer there")
CHANGED = Message("another file now")
NO_PICTURE = Message("no picture in PNG, JPEG or WebP")
NO_NAME = Message("not named as a picture")
NO_FILE = Message("no regular file")


class Found(NamedTuple):
    """A picture: its file, with size and time as the disk has them, and what is known of it.

    The addresses of its card are empty.
    """

    path: str
    size: int
    mtime_ns: int
    card: Card


class Skipped(NamedTuple):
    """A file that is not shown, and why."""

    path: str
    why: Message


class Collection:
    """What was found, newest first; what was skipped; and whether a key was masked in a text.

    `step` is called for every file, and may raise.
    """

    def __init__(self, step: Callable[[], None] = lambda: None) -> None:
        self.found: list[Found] = []
        self.skipped: list[Skipped] = []
        self.masked = False
        self._step = step

    def of_history(self, entries: Iterable[Entry], limit: int | None = None) -> None:
        """Take the pictures of entries, newest first, whose files are there, up to so many."""
        seen = set()
        for one in entries:
            self._step()
            path = one.path
            if path in {None, "-"} or one.status != Status.SAVED:
                continue
            assert path is not None
            # The page leads to it, and a browser would run a prompt in what is named .html.
            if format_of(path) is None:
                self.skipped.append(Skipped(path, NO_NAME))
                continue
            # An older picture was overwritten by the one that has its path now.
            if path in seen:
                self.skipped.append(Skipped(path, CHANGED))
                continue
            seen.add(path)
            try:
                about = os.stat(path)  # noqa: PTH116 - there may be 100,000
            except (FileNotFoundError, NotADirectoryError):
                self.skipped.append(Skipped(path, GONE))
                continue
            except (OSError, ValueError) as error:
                self._unreadable(path, error)
                continue
            if not _fits(one, about):
                self.skipped.append(Skipped(path, CHANGED))
            else:
                self._add(path, about, one)
            if limit is not None and len(self.found) >= limit:
                break
        self._sort()

    def of_folder(self, folder: Path, book: History | None, limit: int | None = None) -> None:
        """Take the pictures in a folder and below it; with a limit, the newest.

        Raises UsageError where the folder cannot be read.
        """
        root = os.path.realpath(folder)
        roots = {root, os.path.abspath(folder)}  # noqa: PTH100 - as the rows have it: links are kept
        rows = {} if book is None else _rows(book, roots)
        for path, about in self._files(root):
            self._step()
            self._add(path, about, rows.get((path[len(_inside(root)) :], about.st_size)))
        self._sort()
        self.found = self.found[:limit]

    def _files(self, root: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files that are named as pictures are, and what the disk says of each.

        A folder that links lead to comes last, and none twice: nor one that holds `root`.
        """
        seen: set[tuple[int, int]] = set()
        folders, links = [root], list[str]()
        while folders or links:
            folder = folders.pop() if folders else links.pop(0)
            try:
                if not seen:
                    seen = {_identity(str(above)) for above in Path(root).parents}
                if (identity := _identity(folder)) in seen:
                    continue
                seen.add(identity)
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda one: one.name)
            except OSError as error:
                if folder == root:
                    raise UsageError(
                        "The folder {path} cannot be read: {why}.",
                        field="DIR",
                        path=folder,
                        why=reason(error),
                    ) from None
                self._unreadable(folder, error)
                continue
            for one in entries:
                if one.name.startswith("."):
                    continue
                try:
                    if one.is_dir():
                        (links if one.is_symlink() else folders).append(one.path)
                        continue
                    if format_of(one.name) is None or is_ours(one.name):
                        continue
                    about = one.stat()
                except OSError as error:
                    self._unreadable(one.path, error)
                    continue
                if stat.S_ISREG(about.st_mode):
                    yield one.path, about
                else:
                    self.skipped.append(Skipped(one.path, NO_FILE))

    def _add(self, path: str, about: os.stat_result, row: Entry | None) -> None:
        width, height = (row.width, row.height) if row is not None else (None, None)
        if row is not None and width and height:
            card = self._of_row(row, Card(os.path.basename(path), "", "", width, height))  # noqa: PTH119
        else:
            from zimage_cli.core.recipe.inspect import inspect

            try:
                found = inspect(path, hashed=False)
            except UsageError as error:
                why = error.facts.get("why")
                self.skipped.append(Skipped(path, why or NO_PICTURE))
                return
            card = self._of_file(found, about)
            card = card if row is None else self._of_row(row, card)
        self.found.append(Found(path, about.st_size, about.st_mtime_ns, card))

    def _of_row(self, row: Entry, card: Card) -> Card:
        """Return a card with what the history knows."""
        sandbox = row.region == SANDBOX
        fields: dict[str, object] = {name: getattr(row, name) for name in FIELDS}
        fields["prompt"] = prompt = self._without_keys(row.prompt)
        again = None
        if row.seed is not None:
            try:
                again = command_of(fields, sandbox=sandbox)
            except RequestInvalid:
                again = None
        return card._replace(
            prompt=prompt,
            rewritten_prompt=self._without_keys(row.rewritten_prompt or "") or None,
            seed=row.seed,
            made=_utc(moment(row.answered_at) or moment(row.created_at)),
            cost=format_price(row.price) if row.price and not sandbox else None,
            sandbox=sandbox,
            history_id=row.id,
            command=again,
        )

    def _of_file(self, found: Inspected, about: os.stat_result) -> Card:
        """Return a card with what the file says of itself."""
        name, recipe, foreign = os.path.basename(found.path), found.recipe, found.parameters  # noqa: PTH119
        sides = (found.width, found.height)
        card = Card(name, "", "", *(sides[::-1] if found.on_its_side else sides))
        card = card._replace(made=_utc(_changed(about)))
        if recipe is not None:
            masked = recipe.without_keys()
            self.masked |= masked != recipe
            try:
                again = command(replace(found, recipe=masked))
            except UsageError:
                again = None
            return card._replace(
                prompt=masked.prompt or None,
                rewritten_prompt=masked.rewritten_prompt or None,
                seed=masked.seed,
                made=_utc(moment(masked.time)) or card.made,
                sandbox=masked.region == SANDBOX,
                command=again,
            )
        if foreign is not None:
            seed = foreign.settings.get("Seed", "")
            return card._replace(
                prompt=self._without_keys(foreign.prompt) or None,
                seed=int(seed) if re.fullmatch("[0-9]{1,19}", seed) else None,
            )
        return card

    def _without_keys(self, text: str) -> str:
        masked = without_keys(text)
        self.masked |= masked != text
        return masked

    def _unreadable(self, path: str, error: OSError | ValueError) -> None:
        self.skipped.append(Skipped(path, reason(error)))

    def _sort(self) -> None:
        self.found.sort(key=lambda one: (one.card.name, one.path))
        # Several are made in a second: the history knows their order.
        self.found.sort(
            key=lambda one: (one.card.made or "", one.card.history_id or 0), reverse=True
        )


def _rows(book: History, roots: Iterable[str]) -> dict[tuple[str, int], Entry]:
    """Return the saved pictures in a folder by their place in it and size; the newest of several.

    `roots` are paths of the folder. All rows are looked at once: paths have no index.
    """
    tests, values = list[str](), list[object]()
    for root in roots:
        first = _inside(root)
        last = first[:-1] + chr(ord(first[-1]) + 1)
        # A path that is no valid text is stored as bytes, and they compare with bytes only.
        for begin, end in ((first, last), (_stored(first), _stored(last))):
            if isinstance(begin, bytes) or _is_text(begin):
                tests.append("(path > ? AND path < ?)")
                values += [begin, end]

    def read(db: sqlite3.Connection) -> dict[tuple[str, int], Entry]:
        # The sign keeps SQLite from the index of statuses: nearly all rows are saved ones.
        where = f"WHERE +status = ? AND ({' OR '.join(tests)}) ORDER BY id"
        rows: dict[tuple[str, int], Entry] = {}
        # One by one: of 100,000 rows most may be of pictures that were overwritten.
        for row in db.execute(f"{select(db)} {where}", [Status.SAVED, *values]):
            one = entry(row, book.path)
            for root in roots:
                if one.path and one.path.startswith(_inside(root)) and one.bytes is not None:
                    rows[one.path[len(_inside(root)) :], one.bytes] = one
        return rows

    return book.read(read)


def _inside(folder: str) -> str:
    """Return what the paths of all that is in a folder begin with."""
    return folder if folder.endswith(os.sep) else folder + os.sep


def _stored(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _is_text(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def _fits(row: Entry, about: os.stat_result) -> bool:
    """Tell whether a file can be the picture of a row."""
    return stat.S_ISREG(about.st_mode) and row.bytes in {None, about.st_size}


def _identity(folder: str) -> tuple[int, int]:
    about = os.stat(folder)  # noqa: PTH116
    return about.st_dev, about.st_ino


def _changed(about: os.stat_result) -> datetime | None:
    try:
        return datetime.fromtimestamp(about.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _utc(when: datetime | None) -> str | None:
    try:
        return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None
