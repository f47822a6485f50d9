"""config.toml: read strictly, changed without losing a comment.

The file holds keys: it is made 0600 in a folder of 0700, replaced as a whole, and never quoted in
an error. Reading needs the standard library alone; tomlkit and the lock load when something is
written.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zimage_cli.api.endpoint import SANDBOX, find_region
from zimage_cli.api.errors import ConfigurationError, UsageError, ZimageError
from zimage_cli.core.checks import CHECKS, shown
from zimage_cli.core.files import write_whole
from zimage_cli.core.keys import Key, check_key, redact

TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "region": ((str,), "text in quotes"),
    "endpoint": ((str,), "text in quotes"),
    "base_url": ((str,), "text in quotes"),
    "size": ((str,), "text in quotes"),
    "prompt_extend": ((bool,), "true or false, without quotes"),
    "output_dir": ((str,), "text in quotes"),
    "timeout": ((int, float), "a number of seconds, without quotes"),
    "retries": ((int,), "a whole number, without quotes"),
    "rps": ((int, float), "a number, without quotes"),
}
"""Settings of the file's top level, the TOML types each may have, and those types in words."""

KEYS = "keys"
WORKSPACES = "workspaces"
TABLES = (KEYS, WORKSPACES)
"""Tables of region → key and region → workspace."""

LOCK_SECONDS = 10.0
"""How long to wait for another zimage that writes: it takes milliseconds."""

_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Config:
    """What config.toml says, checked; empty where there is no file.

    `values` holds settings by name, `keys` and `workspaces` are by region name.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)
    workspaces: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read(path: Path | None) -> Config:
    """Read and check a config file; a missing one is empty.

    Raises ConfigurationError that names the file and, for each problem, line, name, what was given
    and what is allowed.
    """
    text = _read_text(path) if path else None
    if path is None or text is None:
        return Config(path)
    config = check(text, path)
    warning = _permission_warning(path) if config.keys else None
    return Config(
        path, config.values, config.keys, config.workspaces, (warning,) if warning else ()
    )


def check(text: str, path: Path) -> Config:
    """Check the text of a config file, to be known as `path` in errors. Raises as `read` does."""
    document = _parse(text, path)
    problems: list[str] = []
    values: dict[str, Any] = {}
    keys: dict[str, Key] = {}
    workspaces: dict[str, str] = {}

    def note(table: str | None, name: str, why: str) -> None:
        line = _line_of(text, table, name)
        problems.append(f"{path}{f', line {line}' if line else ''}: {redact(why)}")

    for name, value in document.items():
        try:
            if name in TYPES:
                values[name] = _typed(name, value)
            elif name == KEYS:
                keys = _by_region(KEYS, value, _stored_key, note)
            elif name == WORKSPACES:
                workspaces = _by_region(WORKSPACES, value, _workspace, note)
            else:
                note(None, name, _unknown(name))
        except ZimageError as error:
            note(None, name, error.message)
    if problems:
        raise ConfigurationError("\n".join(problems), hint="Correct it: zimage config edit")
    return Config(path, values, keys, workspaces)


def change(path: Path, edit: Callable[[MutableMapping[str, Any]], None]) -> None:
    """Apply `edit` to the file's document and replace the file, comments and order kept.

    Two processes at once wait for each other. `edit` uses `put` and `drop` on the mapping it gets,
    and may be called twice: on the plain values, then on the document with its comments.
    Raises ConfigurationError where the file cannot be parsed, locked or written.
    """
    with locked(path):
        replace(path, _edited(_read_text(path) or "", path, edit))


def put(document: MutableMapping[str, Any], table: str | None, name: str, value: object) -> None:
    """Set a value in a document; in a table of regions, the region's id gives way to its name."""
    if table is None:
        document[name] = value
        return
    if table not in document:
        document[table] = {}
    drop(document, table, name, keep=name)
    _inner(document, table)[name] = value


def drop(
    document: MutableMapping[str, Any], table: str | None, name: str, *, keep: str | None = None
) -> bool:
    """Remove a value; in a table of regions, however the region is written. Tell if it was."""
    if table is None:
        return document.pop(name, None) is not None
    if table not in document:
        return False
    inner = _inner(document, table)
    region = find_region(name)
    gone = [key for key in inner if key != keep and (key == name or find_region(key) == region)]
    for key in gone:
        del inner[key]
    if not inner and keep is None:
        del document[table]
    return bool(gone)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, its folder made: for read, change and replace as one step."""
    make_folder(path.parent)
    from filelock import FileLock, Timeout

    lock = path.with_name(f".{path.name}.lock")
    holder = FileLock(lock, timeout=LOCK_SECONDS, mode=0o600)
    try:
        holder.acquire()
    except Timeout:
        raise ConfigurationError(
            f"{path} is being written by another zimage, for more than {LOCK_SECONDS:.0f} s",
            hint="Try again when it has ended.",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise _cannot_write(path, error) from None
    try:
        yield
    finally:
        holder.release()


def replace(path: Path, text: str) -> None:
    """Write a config file whole and 0600: at no time can others read the key in it.

    A symlink stays one: its target is replaced. Raises ConfigurationError.
    """
    try:
        target = path.resolve(strict=False)
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


def read_text(path: Path) -> str:
    """Return the file's text, empty where there is none. Raises ConfigurationError."""
    return _read_text(path) or ""


def names(path: Path) -> list[str]:
    """Return the names at the file's top level, checked or not. Raises ConfigurationError."""
    return list(_parse(_read_text(path) or "", path))


# -- reading ------------------------------------------------------------------------------------


def _read_text(path: Path) -> str | None:
    try:
        # Asked before it is opened: opening a named pipe would wait for a writer.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file"
            raise ConfigurationError(f"{path} cannot be read: {what}", hint=_HINT_PATH)
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a valid path"
        raise ConfigurationError(f"{path} cannot be read: {why}", hint=_HINT_PATH) from None
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(
            f"{path} cannot be read: larger than any config file", hint=_HINT_PATH
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}, line {line}: it is not UTF-8 text", hint="Save it as UTF-8."
        ) from None


_HINT_PATH = "Correct or remove it; see where it is looked for: zimage config path"


def _parse(text: str, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except RecursionError:
        why = "nested too deeply"
    except ValueError as error:
        why = str(error)
    where = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", why)
    line, reason = "", why
    if where:
        line = f", line {where[1] or text.rstrip().count(chr(10)) + 1}"
        reason = why[: where.start()]
    raise ConfigurationError(
        f"{path}{line}: not valid TOML: {reason}", hint="Correct it: zimage config edit"
    )


def _typed(name: str, value: object) -> object:
    allowed, words = TYPES[name]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UsageError(f"{name}: {shown(value)} is of the wrong type; allowed: {words}")
    return CHECKS[name](value)


def _by_region(
    table: str,
    value: object,
    read_one: Callable[[object], Any],
    note: Callable[[str | None, str, str], None],
) -> dict[str, Any]:
    if not isinstance(value, dict):
        note(None, table, f"{table}: not a table; allowed: [{table}] with a line a region")
        return {}
    found: dict[str, Any] = {}
    for name, one in value.items():
        region = find_region(name)
        if region is None:
            known = "it needs none" if name == SANDBOX else "not a region"
            note(table, name, f"[{table}] {shown(name)}: {known}; allowed: beijing, singapore")
        elif region.name in found:
            note(table, name, f"[{table}] {name}: {region.name} is given twice, by name and by id")
        else:
            try:
                found[region.name] = read_one(one)
            except ZimageError as error:
                note(table, name, f"[{table}] {name}: {error.message}")
    return found


def _stored_key(value: object) -> Key:
    if not isinstance(value, str):
        raise UsageError("the key is not text in quotes")
    return Key(check_key(value))


def _workspace(value: object) -> str:
    return str(CHECKS["workspace"](value))


def _unknown(name: str) -> str:
    import difflib

    allowed = (*TYPES, *(f"[{table}]" for table in TABLES))
    near = difflib.get_close_matches(name, (*TYPES, *TABLES), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    if name == "workspace":
        meant = "; a workspace belongs to a region: zimage config set-workspace"
    elif name in {"key", "api_key"}:
        meant = "; a key belongs to a region: zimage config set-key"
    return f"{shown(name)} is not a setting{meant}; allowed: {', '.join(allowed)}"


def _line_of(text: str, table: str | None, name: str) -> int | None:
    """Return the line where a name is given, for errors: right for all but the oddest layouts."""
    spelled = rf"(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')"
    dotted = rf"{re.escape(table)}\s*\.\s*{spelled}" if table else spelled
    inside = ""
    fallback = None
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
        if header:
            inside = header[1].strip("\"'")
            if (table or name) == inside or inside.startswith(f"{name}."):
                fallback = fallback or number
            continue
        wanted = spelled if inside == (table or "") else dotted
        if (not inside or inside == table) and re.match(rf"\s*{wanted}\s*[=.]", line):
            return number
        if table and not inside and re.match(rf"\s*{re.escape(table)}\s*=", line):
            fallback = fallback or number
    return fallback


def _permission_warning(path: Path) -> str | None:
    if sys.platform == "win32":
        return None
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & 0o077:
        return None
    return f"{path} holds keys and can be read by others (mode {mode:03o}): chmod 600 '{path}'"


# -- writing ------------------------------------------------------------------------------------


def _edited(text: str, path: Path, edit: Callable[[MutableMapping[str, Any]], None]) -> str:
    import copy

    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    expected = _parse(text, path)
    before = copy.deepcopy(expected)
    _guard_tables(expected, path)
    edit(expected)
    if expected == before:
        return text
    try:
        document = tomlkit.parse(text)
        edit(document)
        written = tomlkit.dumps(document)
        same = _parse(written, path) == _plain(expected)
    except (TOMLKitError, RecursionError, ValueError, KeyError, TypeError, ZimageError):
        same = False
    if not same:
        # Two parsers disagree about the file: better untouched than wrong.
        raise ConfigurationError(
            f"{path} is laid out in a way that cannot be changed safely from here",
            hint="Change it by hand: zimage config edit",
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
                f"{path}: {table}: not a table", hint="Correct it: zimage config edit"
            )


def _inner(document: MutableMapping[str, Any], table: str) -> MutableMapping[str, Any]:
    inner: MutableMapping[str, Any] = document[table]
    return inner


def _cannot_write(path: Path, error: BaseException) -> ConfigurationError:
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return ConfigurationError(
        f"{path} cannot be written: {why}",
        hint="Check the folder's permissions, or set ZIMAGE_HOME to one that you can write to.",
    )


__all__ = [
    "KEYS",
    "TABLES",
    "TYPES",
    "WORKSPACES",
    "Config",
    "change",
    "check",
    "drop",
    "locked",
    "make_folder",
    "names",
    "put",
    "read",
    "read_text",
    "replace",
]
