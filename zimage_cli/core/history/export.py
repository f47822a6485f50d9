"""The history as a file for other programs: JSON Lines, or CSV for spreadsheets."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import without_query
from zimage_cli.core.drafts import make_temporary, publish, remove_abandoned
from zimage_cli.core.files import reason, sync_folder
from zimage_cli.errors import UsageError
from zimage_cli.text import json_text

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry

FORMATS = ("jsonl", "csv")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What begins a formula in a spreadsheet: a prompt that begins so must not be run there."""


def record(entry: Entry) -> dict[str, Any]:
    """Return what is exported of an entry: no signed address, and nothing of the processes."""
    facts = {name: getattr(entry, name) for name in _names()}
    facts["image_url"] = None if entry.image_url is None else without_query(entry.image_url)
    return facts


@cache
def _names() -> tuple[str, ...]:
    from zimage_cli.core.history.entry import Entry

    names = (one.name for one in fields(Entry))
    return tuple(name for name in names if name not in {"owner", "claim", "pid"})


def lines(entries: Iterable[Entry], form: str) -> Iterator[str]:
    """Yield the lines of a file, with their ends."""
    return _csv(entries) if form == "csv" else (f"{json_text(record(one))}\n" for one in entries)


def _csv(entries: Iterable[Entry]) -> Iterator[str]:
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(values: Iterable[object]) -> str:
        writer.writerow(values)
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    yield line(_names())
    for one in entries:
        yield line(map(_field, record(one).values()))


def _field(value: object) -> object:
    """Return a value as a spreadsheet takes it; text that it would run gets an apostrophe."""
    if isinstance(value, dict | list):
        return json_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A spreadsheet cannot hold NUL, and csv does not write it.
        value = value.replace("\0", "")
        # A picture on the standard output has the path `-`.
        return f"'{value}" if value.startswith(_FORMULA) and value != "-" else value
    return value


def write(path: Path, text: Iterable[str], *, overwrite: bool) -> None:
    """Write a file whole or not at all. Raises UsageError, also for one that is there."""
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    # Of an export that was killed.
    remove_abandoned(path.parent)
    try:
        handle, temporary = make_temporary(path.parent, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                # A path may be no valid text.
                file.writelines(line.encode("utf-8", "backslashreplace") for line in text)
                file.flush()
                os.fsync(file.fileno())
            publish(temporary, path, overwrite=overwrite, numbered=lambda _: _taken(path))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise UsageError(
            "{path} cannot be written: {why}.", field="output", path=path, why=reason(error)
        ) from None


def _taken(path: Path) -> Path:
    # Another process has made it meanwhile.
    raise _exists(path)


def _exists(path: Path) -> UsageError:
    return UsageError(
        "{path} exists.", hint="To replace it: --overwrite", field="output", path=path
    )
