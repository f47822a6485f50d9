"""The history's file: how it is opened, what may stand in its way, and its reserve of disk."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from zimage_cli.core.files import free_bytes, open_own, reason
from zimage_cli.errors import ConfigurationError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS = (
    """
    CREATE TABLE generation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        pid INTEGER,
        prompt TEXT NOT NULL,
        size TEXT NOT NULL,
        seed INTEGER,
        prompt_extend INTEGER NOT NULL,
        region TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        workspace TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        answered_at TEXT,
        request_id TEXT,
        image_url TEXT,
        rewritten_prompt TEXT,
        reasoning TEXT,
        width INTEGER,
        height INTEGER,
        usage TEXT,
        wanted_path TEXT,
        path TEXT,
        bytes INTEGER,
        sha256 TEXT,
        evidence_path TEXT,
        cost_amount TEXT,
        cost_currency TEXT,
        elapsed_seconds REAL,
        error TEXT
    );
    CREATE INDEX generation_status ON generation (status);
    """,
    """
    ALTER TABLE generation ADD COLUMN batch TEXT;
    ALTER TABLE generation ADD COLUMN job TEXT;
    CREATE INDEX generation_batch ON generation (batch) WHERE batch IS NOT NULL;
    """,
    """
    ALTER TABLE generation ADD COLUMN owner TEXT;
    ALTER TABLE generation ADD COLUMN claim TEXT;
    """,
    """
    ALTER TABLE generation ADD COLUMN served_sha256 TEXT;
    ALTER TABLE generation ADD COLUMN finish TEXT;
    ALTER TABLE generation ADD COLUMN parent INTEGER;
    ALTER TABLE generation ADD COLUMN preset TEXT;
    ALTER TABLE generation ADD COLUMN typed_prompt TEXT;
    ALTER TABLE generation ADD COLUMN folded TEXT;
    CREATE INDEX generation_search ON generation
        (id, created_at, status, region, size, seed, batch, folded);
    CREATE INDEX generation_unfolded ON generation (id) WHERE folded IS NULL;
    CREATE INDEX generation_unfiled ON generation (id) WHERE coalesce(path, '-') = '-';
    """,
)
"""Append only: entry n changes a history of schema n into one of schema n + 1."""

FOLDED = "zimage_folded"
"""The name of `folded` in SQL: of prompt, rewritten prompt and path."""

BUSY_SECONDS = 0.5
"""How long one try waits for another program's lock: between tries a stop is noticed."""

_LOCKED = frozenset({5, 6, 15})
"""SQLITE_BUSY, SQLITE_LOCKED and SQLITE_PROTOCOL, without what extends them."""

_SQLITE_FULL = 13
_FULL = frozenset({_SQLITE_FULL, 778, 4874})
"""Also SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, which a quota or a limit on files
gives."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})

_STEP = 256 * 1024
_RESERVE = 8 * _STEP
_PLENTY = 16 * 1024 * 1024


class HistoryError(ConfigurationError):
    """A row of the history cannot be written or read."""


class HistoryBroken(HistoryError):
    """The history's file cannot be used."""


class HistoryLocked(HistoryError):
    """Another program holds the history's lock: it passes."""


class HistoryFull(HistoryError):
    """The disk has no room for a row."""


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite says as a HistoryError of the kind that it is."""
    import sqlite3

    try:
        yield
    except (sqlite3.Error, OSError, ValueError, OverflowError, RecursionError) as error:
        raise _typed(path, error) from None


def _typed(path: Path, error: Exception) -> HistoryError:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _LOCKED:
        return HistoryLocked(
            "The history {path} is locked by another program.",
            hint="End what holds it (a backup, an open sqlite3 shell), then run it again.",
            path=path,
        )
    if code in _FULL or getattr(error, "errno", None) in _NO_ROOM:
        why = Message("no space left on device") if code == _SQLITE_FULL else str(error)
        return full(path, reason(error) if isinstance(error, OSError) else why)
    of_the_row = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
    of_the_file = isinstance(error, (sqlite3.DatabaseError, OSError))
    kind = HistoryBroken if of_the_file and not isinstance(error, of_the_row) else HistoryError
    return kind(
        "The history {path} cannot be used: {why}",
        hint="Pictures are still made and saved. Move the file away to begin a new history.",
        path=path,
        # Ours, or the words of others.
        why=next((said for said in error.args if isinstance(said, Message)), str(error)),
    )


def full(path: Path, why: str) -> HistoryFull:
    """Return the error of a disk that takes no row."""
    return HistoryFull(
        "The history {path} cannot be written: {why}.",
        hint="Free some space, or raise the limit (quota, ulimit -f); then run the command again.",
        path=path,
        why=why,
    )


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open the history, made or brought up to date where needed. Raises what SQLite raises."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Private: it holds prompts and the addresses of pictures.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    db = _connect(str(path))
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a history that may not be written, whatever its schema. Raises what SQLite raises."""
    import sqlite3

    place = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro"
    try:
        db = _connect(place)
        try:
            version(db, path)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED:
            raise
        # SQLite cannot make the file beside it that its readers share: so it reads without one.
        db = _connect(f"{place}&immutable=1")
    return db


def _connect(place: str) -> sqlite3.Connection:
    import sqlite3

    uri = place.startswith("file:")
    db = sqlite3.connect(place, timeout=BUSY_SECONDS, check_same_thread=False, uri=uri)
    db.create_function(FOLDED, 3, folded, deterministic=True)
    return db


def folded(*texts: object) -> str:
    """Return texts of a row as they are searched, a line each; None counts as none."""
    return "\n".join(fold(str(text)) for text in map(_as_text, texts) if text is not None)


def fold(text: str) -> str:
    """Return text in the one form of all that look or read alike.

    Wide and narrow letters, large and small ones, composed and decomposed ones are one, and so is
    every white space.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.lower().split())


def _as_text(value: object) -> object:
    """Return text with a stand-in for what is none: a file's name may hold any bytes."""
    if isinstance(value, str) and not value.isascii():
        value = value.encode("utf-8", "replace")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if version(db, path) == len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    with db:
        for number in range(version(db, path), len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";"):
                if statement.strip():
                    db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def version(db: sqlite3.Connection, path: Path) -> int:
    """Return a history's schema. Raises HistoryBroken for one that a newer zimage wrote."""
    number = int(db.execute("PRAGMA user_version").fetchone()[0])
    if number > len(MIGRATIONS):
        raise HistoryBroken(
            "The history {path} was written by a newer zimage (schema {schema}).",
            hint="Install a newer one: pip install -U zimage-cli",
            path=path,
            schema=number,
        )
    return number


class Reserve:
    """A file that keeps room on the disk for rows of paid pictures, and is shortened in steps.

    With it the address of a picture that was made can be written although the disk is full.
    """

    def __init__(self, history: Path) -> None:
        self._path = history.with_suffix(".reserve")

    def ready(self) -> bool:
        """Make it before a request; False where some of it was used and the disk is full."""
        try:
            about = self._path.lstat()
            if about.st_size >= _RESERVE or not stat.S_ISREG(about.st_mode):
                return True
            drawn = True
        except FileNotFoundError:
            drawn = False
        except OSError:
            return True
        free = free_bytes(self._path.parent)
        if free is None or free >= _PLENTY:
            self._make()
            return True
        return not drawn or free >= _RESERVE

    def give_back(self) -> bool:
        """Free one step of it; False where nothing is left."""
        with suppress(OSError), os.fdopen(open_own(self._path, os.O_WRONLY), "wb") as file:
            size = os.fstat(file.fileno()).st_size
            file.truncate(max(0, size - _STEP))
            return size > 0
        return False

    def _make(self) -> None:
        try:
            with os.fdopen(open_own(self._path, os.O_WRONLY | os.O_CREAT), "wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, _RESERVE)
                else:
                    # Random: a file system may keep zeros without any room.
                    file.write(os.urandom(_RESERVE))
        except OSError:
            # A limit or a quota forbids it: there is no reserve then.
            with suppress(OSError):
                self._path.unlink()
