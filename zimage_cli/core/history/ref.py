"""REF: how a person names pictures of the history, and which entries those are.

An id (`42`), a range (`42-45`), `last` and `last:4` (the newest that were saved), or a picture's
file. A text that is both an id and a file is the id: `./42` is the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.core.files import reason
from zimage_cli.core.history.entry import columns
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History

ALLOWED = Message("an id (42), a range (42-45), last, last:4, a picture's file")

_MOST = 2**63 - 1
_LARGEST_FILE = 256 * 1024 * 1024
"""Bytes. No picture that zimage saves is larger: another file is not read to its end."""


class UnknownFile(UsageError):
    """The history does not know a file; it may say itself how it was made."""


def entries(book: History | None, refs: Iterable[str]) -> list[Entry]:
    """Return the entries that texts name, in their order, each once.

    Raises UsageError for a text that names nothing, and for one that is no REF.
    """
    found = ids(book, refs)
    return book.entries(found) if book is not None else []


def entry(book: History | None, ref: str) -> Entry:
    """Return the one entry that a text names. Raises UsageError, also where it names several."""
    found = entries(book, [ref])
    if len(found) > 1:
        raise UsageError(
            "{value} names {count:,} pictures, and one is wanted.",
            hint="Name one of them: {nearest}",
            field="REF",
            value=shown(ref),
            count=len(found),
            nearest=found[0].id,
        )
    return found[0]


def ids(book: History | None, refs: Iterable[str]) -> list[int]:
    """Return the ids that texts name, in their order, each once. Raises UsageError."""
    return [*dict.fromkeys(number for ref in refs for number in _ids(book, ref))]


def several(ref: str) -> bool:
    """Tell whether a text is of a form that can name more than one: `42-45`, `last:4`."""
    return bool(re.fullmatch(r"[0-9]+-[0-9]+|last:.*", ref, re.DOTALL))


def is_file(ref: str) -> bool:
    """Tell whether a text is of the form of a file's path, and of no other that names pictures."""
    return not re.fullmatch(r"[0-9]+(-[0-9]+)?|last(:.*)?", ref, re.DOTALL)


def _ids(book: History | None, ref: str) -> Sequence[int]:
    if re.fullmatch(r"[0-9]+", ref):
        return _number(book, ref)
    if re.fullmatch(r"[0-9]+-[0-9]+", ref):
        return _range(book, ref)
    if ref == "last" or ref.startswith("last:"):
        return _last(book, ref)
    return _file(book, ref)


def _select(book: History | None, query: str, *values: object) -> list[int]:
    if book is None:
        return []
    return [row[0] for row in book.read(lambda db: db.execute(query, values).fetchall())]


def _number(book: History | None, ref: str) -> Sequence[int]:
    # What has more digits is no id of SQLite's, and is not even made a number.
    number = int(ref[:20])
    found = _select(book, "SELECT id FROM generation WHERE id = ?", min(number, _MOST))
    if found and len(ref) <= 20:
        return found
    newest = _select(book, "SELECT id FROM generation ORDER BY id DESC LIMIT 1")
    raise UsageError(
        "there is no {value} in the history",
        hint="The newest is {nearest}: zimage history list"
        if newest
        else "See what is there: zimage history list",
        field="REF",
        value=number if len(ref) <= 20 else shown(ref),
        nearest=newest[0] if newest else None,
    )


def _range(book: History | None, ref: str) -> Sequence[int]:
    first, last = (min(int(end[:20]), _MOST) for end in ref.split("-"))
    if first > last:
        raise UsageError(
            "{value} begins behind its end. Did you mean {nearest}?",
            field="REF",
            value=shown(ref),
            allowed=ALLOWED,
            nearest=f"{last}-{first}",
        )
    found = _select(
        book, "SELECT id FROM generation WHERE id BETWEEN ? AND ? ORDER BY id", first, last
    )
    if not found:
        raise _nothing(ref)
    return found


def _last(book: History | None, ref: str) -> Sequence[int]:
    _, colon, count = ref.partition(":")
    if colon and not re.fullmatch(r"0*[1-9][0-9]*", count):
        raise UsageError(
            "{value} is not allowed; allowed: last, or last:N with N of 1 or more",
            field="REF",
            value=shown(ref),
            allowed="last, last:N",
            nearest="last",
        )
    newest = "SELECT id FROM generation WHERE status = ? ORDER BY id DESC LIMIT ?"
    found = _select(book, newest, Status.SAVED, min(int(count[:20] or 1), _MOST))
    if not found:
        raise _nothing(ref)
    return found[::-1]


def _nothing(ref: str) -> UsageError:
    return UsageError(
        "{value}: the history has no such picture.",
        hint="See what is there: zimage history list",
        field="REF",
        value=shown(ref),
    )


# -- a picture's file -----------------------------------------------------------------------------


def _file(book: History | None, ref: str) -> Sequence[int]:
    """Find a file by the request id that it holds, then by its bytes, then by where it was saved.

    Of several entries the newest: where a file was overwritten, that made what stands there now.
    """
    path = Path(ref)
    try:
        there = path.is_file()
        request_id, sha256 = _told(path) if there else (None, None)
        facts = {
            "request_id": request_id,
            "sha256": sha256,
            "path": os.path.abspath(path),  # noqa: PTH100 - as the rows have it: links are kept
        }
    except (OSError, ValueError) as error:
        raise UsageError(
            "{value}: {why}", field="REF", value=shown(ref), why=reason(error)
        ) from None
    found = None if book is None else book.read(lambda db: _by_facts(db, facts))
    if found is not None:
        return [found]
    if there:
        raise UnknownFile(
            "The history does not know the file {path}.",
            hint="What it says of its own making: zimage inspect FILE",
            field="REF",
            path=path,
            value=str(path),
        )
    raise UsageError(
        "{value} is no picture of the history; allowed: {allowed}",
        hint="To search for words: zimage history list WORDS",
        field="REF",
        value=shown(ref),
        allowed=ALLOWED,
    )


def _by_facts(db: sqlite3.Connection, facts: dict[str, str | None]) -> int | None:
    from zimage_cli.core.history.database import storable

    served = columns(db, ["served_sha256"])[0]
    request, digest, path = (storable(facts[name]) for name in ("request_id", "sha256", "path"))
    # One way through the rows: none of these columns has an index.
    best = (
        "SELECT id FROM generation "  # noqa: S608 - our own names
        f"WHERE request_id = :request OR :digest IN (sha256, {served}) OR path = :path "
        "ORDER BY request_id IS NOT :request OR :request IS NULL, "
        f"(:digest IN (sha256, {served})) IS NOT 1, id DESC LIMIT 1"
    )
    row = db.execute(best, {"request": request, "digest": digest, "path": path}).fetchone()
    return None if row is None else int(row[0])


def _told(path: Path) -> tuple[str | None, str | None]:
    """Return the request id in a picture, and the hash of its bytes; None for what is not known."""
    from hashlib import file_digest

    from zimage_cli.core.recipe.inspect import inspect

    if path.stat().st_size > _LARGEST_FILE:
        return None, None
    try:
        # Whole: `-` would be the standard input.
        found = inspect(os.path.abspath(path))  # noqa: PTH100
    except UsageError:
        with path.open("rb") as file:
            return None, file_digest(file, "sha256").hexdigest()
    # Empty text names no request.
    return (found.recipe and found.recipe.request_id) or None, found.sha256
