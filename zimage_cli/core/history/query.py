"""Which entries a person looks for: words, times and other facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.endpoint import CUSTOM, REGION_NAMES, SANDBOX, region_name
from zimage_cli.core.history.entry import batch_name, columns
from zimage_cli.core.history.file import FOLDED, HistoryError, fold
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import shown

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.history.history import History

STATUSES = ("saved", "made", "lost", "failed", "refused", "sending")
TIMES = Message("7d, 12h, 30min, 2w, today, yesterday, 2026-11-01, 2026-11 or 2026-11-01T12:30")

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "min": "minutes"}
_LONGEST = 8_000
"""Characters of a word. The service reads 800 of a prompt, and SQLite bounds a pattern."""

_FRESH_STARTS = 1_000
_UNFOLDED = "SELECT 1 FROM generation INDEXED BY generation_unfolded WHERE folded IS NULL LIMIT 1"
_AT_A_TIME = 10_000
"""Rows: so long is the history locked for others while they are folded."""


class Query(NamedTuple):
    """What entries must be like; the words are folded, the times SQL's text in UTC."""

    words: Sequence[str] = ()
    without: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    statuses: Sequence[str] = ()
    region: str | None = None
    size: str | None = None
    seed: int | None = None
    batches: Sequence[str] | None = None
    with_file: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return self != Query()

    def where(self, db: sqlite3.Connection) -> tuple[str, list[object]]:
        """Return the condition as SQL, and its values.

        All that it looks at stands in indexes. They are read, and no rows: those are several times
        as much.
        """
        tests: list[str] = []
        values: list[object] = []
        for sql, value in (
            ("created_at >= ?", self.since),
            ("created_at < ?", self.until),
            ("region = ?", self.region),
            ("size = ?", self.size),
            ("seed = ?", self.seed),
        ):
            if value is not None:
                tests.append(sql)
                values.append(value)
        # The sign keeps SQLite from the index of statuses: nearly all rows are saved ones.
        for column, allowed in (("+status", self.statuses or None), ("batch", self.batches)):
            if allowed is not None:
                tests.append(f"{column} IN ({', '.join('?' * len(allowed))})")
                values += allowed
        if self.words or self.without:
            text = _folded(db)
            tests += [f"{text} GLOB ?"] * len(self.words)
            tests += [f"{text} NOT GLOB ?"] * len(self.without)
            values += [_pattern(word) for word in (*self.words, *self.without)]
        if self.with_file:
            # These have an index of their own, which holds few.
            without = "SELECT id FROM generation WHERE coalesce(path, '-') = '-'"
            tests.append(f"id NOT IN ({without})")
        return f"WHERE {' AND '.join(tests)}" if tests else "", values


def _folded(db: sqlite3.Connection) -> str:
    """Return the text that is searched, as SQL: worked out where it is not in every row."""
    there = columns(db, ["folded"])[0]
    if there != "NULL" and not db.execute(_UNFOLDED).fetchone():
        return there
    return f"coalesce({there}, {FOLDED}(prompt, rewritten_prompt, path))"


def _pattern(word: str) -> str:
    escaped = re.sub(r"([*?[])", r"[\1]", word)
    return f"*{escaped}*"


class Found(NamedTuple):
    """Entries, newest first; how many match, and how many there are."""

    entries: list[Entry]
    matching: int
    all: int


def find(book: History, query: Query, limit: int) -> Found:
    """Return the newest entries that match."""
    count = book.count()
    if not query.is_narrow:
        return Found(book.newest(limit), count, count)
    found = matching(book, query)
    return Found(book.entries(found[:limit]), len(found), count)


def matching(book: History, query: Query) -> list[int]:
    """Return the ids of all entries that match, newest first."""
    if query.words or query.without:
        fold_others(book)

    def read(db: sqlite3.Connection) -> list[int]:
        where, values = query.where(db)
        select = f"SELECT id FROM generation {where} ORDER BY id DESC"  # noqa: S608 - our own names
        return [row[0] for row in db.execute(select, values)]

    return book.read(read)


def located(book: History, query: Query) -> list[tuple[int, str]]:
    """Return the ids of all entries that match, newest first, each with its picture's path.

    That is where it is, or else where it was meant to go, and empty text where neither is known.
    """
    if query.words or query.without:
        fold_others(book)

    def read(db: sqlite3.Connection) -> list[tuple[int, str]]:
        where, values = query.where(db)
        place = "coalesce(nullif(path, '-'), wanted_path, '')"
        select = f"SELECT id, {place} FROM generation {where} ORDER BY id DESC"  # noqa: S608 - our own names
        return [(row[0], _path(row[1])) for row in db.execute(select, values)]

    return book.read(read)


def _path(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    # One that is no valid text.
    with suppress(UnicodeDecodeError):
        return value.decode("utf-8", "surrogatepass")
    return ""


def each(book: History, found: Sequence[int]) -> Iterator[Entry]:
    """Yield the entries with these ids, a few at a time in memory."""
    for begin in range(0, len(found), 500):
        yield from book.entries(found[begin : begin + 500])


def fold_others(book: History) -> None:
    """Fold the rows that an older zimage wrote, if the history can be written now."""
    update = (
        f"UPDATE generation SET folded = {FOLDED}(prompt, rewritten_prompt, path) WHERE id IN "  # noqa: S608
        "(SELECT id FROM generation WHERE folded IS NULL LIMIT ?)"
    )
    with suppress(HistoryError):
        while book.read(lambda db: db.execute(_UNFOLDED).fetchone()):
            book.write(lambda db: db.execute(update, (_AT_A_TIME,)), patience=0)


# -- what is typed --------------------------------------------------------------------------------


def words_of(typed: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words that must occur, and those that must not, folded.

    `-x` is one that must not. Quotes around a word are taken off: what is in them is looked for as
    it is, a hyphen and white space too. Raises UsageError.
    """
    found: tuple[list[str], list[str]] = [], []
    for text in typed:
        negative = text.startswith("-") and text != "-"
        word = text[1:] if negative else text
        if len(word) > 1 and word[0] == word[-1] == '"':
            word = word[1:-1]
        if not fold(word) or len(word) > _LONGEST:
            raise UsageError(
                "A word to look for has 1 to {most:,} characters; {value} has not.",
                field="words",
                value=shown(text),
                most=_LONGEST,
            )
        found[negative].append(fold(word))
    return tuple(found[0]), tuple(found[1])


def time_of(option: str, text: str, *, end: bool = False) -> str:
    """Return a point of time as the rows have it; a day or a month is its begin, or its `end`.

    Takes `7d` and the like, counted from now, and dates in local time. Raises UsageError.
    """
    typed = fold(text)
    try:
        when = _time(typed, end=end).astimezone(UTC)
        return when.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    except (ValueError, OverflowError, OSError):
        pass
    nearest = _near(typed, ["today", "yesterday"])
    if number := re.fullmatch(r"([0-9]{1,4}) ?([a-z]+)", typed):
        units = {name: letters for letters, name in _UNITS.items()}
        meant = "minutes" if number[2] == "m" else _near(number[2], [*units])
        nearest = f"{number[1]}{units[meant]}" if meant else None
    raise UsageError(
        "{option}: {value} is no time; allowed: {allowed}. Did you mean {nearest}?"
        if nearest
        else "{option}: {value} is no time; allowed: {allowed}",
        option=option,
        field=option.lstrip("-"),
        value=shown(text),
        allowed=TIMES,
        nearest=nearest,
    )


def _time(typed: str, *, end: bool) -> datetime:
    now = datetime.now().astimezone()
    if ago := re.fullmatch(r"([0-9]+) ?(w|d|h|min)(?:eeks?|ays?|ours?|utes?)?", typed):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    today = datetime(now.year, now.month, now.day)  # noqa: DTZ001 - local, as typed
    if typed in {"today", "yesterday"}:
        begin = today - timedelta(days=typed == "yesterday")
        return (begin + timedelta(days=end)).astimezone()
    if month := re.fullmatch(r"([0-9]{4})-([0-9]{2})", typed):
        begin = datetime(int(month[1]), int(month[2]), 1)  # noqa: DTZ001
        following = (begin + timedelta(days=31)).replace(day=1)
        return (following if end else begin).astimezone()
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", typed):
        return (datetime.fromisoformat(typed) + timedelta(days=end)).astimezone()
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[t ]", typed):
        raise ValueError(typed)
    return datetime.fromisoformat(typed.upper()).astimezone()


def status_of(text: str) -> str:
    """Return a status. Raises UsageError."""
    return one_of("--status", text, STATUSES)


def region_of(text: str) -> str:
    """Return a region's name as the rows have it. Raises UsageError."""
    if fold(text) == CUSTOM:
        return CUSTOM
    try:
        return region_name(text)
    except UsageError:
        return one_of("--region", text, (*REGION_NAMES, SANDBOX, CUSTOM))


def one_of(option: str, text: str, allowed: Sequence[str]) -> str:
    """Return the word that is meant. Raises UsageError that names the allowed and the nearest."""
    if fold(text) in allowed:
        return fold(text)
    near = _near(fold(text), allowed)
    raise UsageError(
        "{option}: {value} is not allowed; allowed: {allowed}. Did you mean {nearest}?"
        if near
        else "{option}: {value} is not allowed; allowed: {allowed}",
        option=option,
        field=option.lstrip("-"),
        value=shown(text),
        allowed=Listing(", ", allowed),
        nearest=near,
    )


def _near(text: str, known: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(text, known, n=1)), None)


def batches_of(book: History | None, text: str) -> list[str]:
    """Return the batches that a folder, or the name of a batch in `--json`, stands for.

    A folder that was begun anew holds several. Raises UsageError.
    """
    select = "SELECT DISTINCT batch FROM generation WHERE batch IS NOT NULL"
    known = (
        {row[0] for row in book.read(lambda db: db.execute(select).fetchall())} if book else set()
    )
    if text in known:
        return [text]
    with suppress(OSError, ValueError):
        names = (batch_name(Path(text), fresh) for fresh in range(_FRESH_STARTS))
        found = [name for name in names if name in known]
        if found:
            return found
    raise UsageError(
        "--batch: the history has no batch in the folder {value}.",
        hint="Give the folder that the pictures of a batch are in.",
        field="batch",
        value=shown(text),
    )
