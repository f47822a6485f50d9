"""config.toml, changed without losing a comment.

It is made 0600 in a folder of 0700, and replaced as a whole by one process at a time. tomlkit loads
when something is written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zimage_cli.api.endpoint import find_region
from zimage_cli.core.drafts import remove_abandoned, write_whole
from zimage_cli.core.files import open_locked
from zimage_cli.core.settings.config_file import MAX_BYTES, TABLES, parse, read_text
from zimage_cli.core.settings.reason import reason
from zimage_cli.errors import ConfigurationError, ZimageError

LOCK_SECONDS = 10.0
"""How long to wait for another zimage that writes: it takes milliseconds."""


def change(path: Path, edit: Callable[[MutableMapping[str, Any]], None]) -> None:
    """Apply `edit` to the file's document and replace the file, comments and order kept.

    Two processes at once wait for each other. `edit` uses `put` and `drop` on the mapping it gets,
    and may be called twice: on the plain values, then on the document with its comments.
    Raises ConfigurationError where the file cannot be parsed, locked or written.
    """
    with locked(path):
        replace(path, _edited(read_text(path), path, edit))


def put(document: MutableMapping[str, Any], table: str | None, name: str, value: object) -> None:
    """Set a value in a document; in a table of regions, the region's id gives way to its name."""
    if table is None:
        document[name] = value
        return
    if table not in document:
        document[table] = {}
    drop(document, table, name, keep=name)
    document[table][name] = value


def drop(
    document: MutableMapping[str, Any], table: str | None, name: str, *, keep: str | None = None
) -> bool:
    """Remove a value; in a table of regions, however the region is written. Tell if it was."""
    if table is None:
        return document.pop(name, None) is not None
    if table not in document:
        return False
    inner: MutableMapping[str, Any] = document[table]
    region = find_region(name)
    gone = [key for key in inner if key != keep and (key == name or find_region(key) == region)]
    for key in gone:
        del inner[key]
    if not inner and keep is None:
        del document[table]
    return bool(gone)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, its folder made: for read, change and replace as one step.

    Raises ConfigurationError. Nothing of the lock is left afterwards.
    """
    make_folder(path.parent)
    lock = path.with_name(f".{path.name}.lock")
    try:
        handle = open_locked(lock, os.O_RDWR | os.O_CREAT, patience=LOCK_SECONDS)
    except BlockingIOError:
        raise ConfigurationError(
            "{path} is being written by another zimage, for more than {seconds:.0f} s",
            hint="Try again when it has ended.",
            path=path,
            seconds=LOCK_SECONDS,
        ) from None
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        yield
    finally:
        # While it is held: nobody but its holder removes it. Windows removes no open file, so there
        # it is closed first, and stays for the next one where that has it open already.
        if sys.platform == "win32":
            os.close(handle)
        with suppress(OSError):
            lock.unlink()
        if sys.platform != "win32":
            os.close(handle)


def replace(path: Path, text: str) -> None:
    """Write a config file whole and 0600: at no time can others read the key in it.

    A symlink stays one: its target is replaced. A text without a setting or a comment removes the
    file. Raises ConfigurationError.
    """
    try:
        target = path.resolve(strict=False)
        # Of a zimage that was killed: it holds keys.
        remove_abandoned(target.parent)
        if not text.strip() and not path.is_symlink():
            target.unlink(missing_ok=True)
            return
        make_folder(target.parent)
        write_whole(target, text.encode("utf-8"), mode=0o600)
    except (OSError, RuntimeError) as error:
        raise _cannot_write(path, error) from None


def make_folder(folder: Path) -> None:
    """Make a folder for one's own files, 0700 where it is new. Raises ConfigurationError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None


def _edited(text: str, path: Path, edit: Callable[[MutableMapping[str, Any]], None]) -> str:
    import copy

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    expected = parse(text, path)
    before = copy.deepcopy(expected)
    _guard_tables(expected, path)
    edit(expected)
    if expected == before:
        return text
    try:
        document = tomlkit.parse(text)
        edit(document)
        written = tomlkit.dumps(document)
        same = parse(written, path) == _plain(expected)
    except (TOMLKitError, RecursionError, ValueError, KeyError, TypeError, ZimageError):
        same = False
    if same and len(written.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigurationError(
            "{path} would be larger than any config file may be: {most:,} bytes",
            hint="Keep fewer presets in it: zimage config preset list",
            path=path,
            most=MAX_BYTES,
        )
    if not same:
        # Two parsers disagree about the file: better untouched than wrong.
        raise ConfigurationError(
            "{path} is laid out in a way that cannot be changed safely from here",
            hint="Change it by hand: zimage config edit",
            path=path,
        )
    return written


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return value


def _guard_tables(document: Mapping[str, Any], path: Path) -> None:
    for table in TABLES:
        if not isinstance(document.get(table, {}), dict):
            raise ConfigurationError(
                "{path}: {table}: not a table",
                hint="Correct it: zimage config edit",
                path=path,
                table=table,
            )


def _cannot_write(path: Path, error: BaseException) -> ConfigurationError:
    return ConfigurationError(
        "{path} cannot be written: {why}",
        hint="Check the folder's permissions, or set ZIMAGE_HOME to one that you can write to.",
        path=path,
        why=reason(error),
    )
