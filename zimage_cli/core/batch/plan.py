"""What the lines of a file will make, decided before anything is paid: every line is checked."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zimage_cli.core.batch import shard
from zimage_cli.core.batch.reader import Invalid, JobReader, LineDefaults
from zimage_cli.core.batch.seeds import SharedSeeds
from zimage_cli.core.drafts import remove_abandoned, write_whole
from zimage_cli.core.files import open_own, reason
from zimage_cli.core.making.save import FolderPlace
from zimage_cli.core.request.prices import Price, cost
from zimage_cli.core.request.wish import Wish, format_of
from zimage_cli.core.run.forecast import Forecast
from zimage_cli.core.run.journal import FRESH, Journal, alone_in, made_for
from zimage_cli.core.run.money import Estimate
from zimage_cli.core.run.plan import check_format
from zimage_cli.core.run.state import States
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, DiskError, UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from pathlib import Path

    from zimage_cli.core.batch.source import Source
    from zimage_cli.core.history.history import History
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.engine import Engine
    from zimage_cli.core.run.routes import Routes
    from zimage_cli.core.run.tally import RunOptions
    from zimage_cli.core.settings.settings import Settings

SALT_NAME = ".zimage-batch.salt"
_SALT_BYTES = 16
_SHOWN_PROBLEMS = 50
_UNSAVED = (Status.REFUSED, Status.FAILED, Status.LOST)
_SECONDS_A_PICTURE = 6.0
"""What the service takes for one, before this run has shown it."""
_SANDBOX_RATE = 10.0
"""Pictures a second that the sandbox draws, however many at a time."""


@dataclass(slots=True)
class Preflight:
    """What a run will do, before anything is paid."""

    lines: int = 0
    pictures: int = 0
    invalid: int = 0
    problems: list[tuple[int, Message]] = field(default_factory=list)
    """The first of them, each with its line."""
    wrong: dict[Message, list[int]] = field(default_factory=dict)
    """The first different ones, each with all its lines."""
    kinds: Counter[Status] = field(default_factory=Counter)
    cost: Price | None = None
    unpriced: int = 0
    """Pictures to make at hosts whose price nobody knows."""
    sizes: Counter[str] = field(default_factory=Counter)
    """How many pictures will be paid, by their size."""
    extended: int = 0
    """How many of them have prompt_extend."""
    prices: set[Price] = field(default_factory=set)
    """What one of them costs, where that is known."""
    formats: set[str | None] = field(default_factory=set)
    """Of all pictures of the file."""
    folders: set[str] = field(default_factory=set)
    """Folders below the output folder that lines name."""

    @property
    def to_make(self) -> int:
        """How many pictures will be paid."""
        return self.kinds[Status.NEW]

    @property
    def unsaved(self) -> int:
        """How many earlier failures are left alone."""
        return sum(self.kinds[status] for status in _UNSAVED)


class FilePlan:
    """A batch file, its folder and what is known of both; it holds the folder until `close`.

    `book` is the history. `dry`: nothing is made, not even the folder. `fresh`: what was made
    before belongs to an earlier batch. Raises UsageError where the folder cannot be used, or
    another batch is using it.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        defaults: LineDefaults,
        options: RunOptions,
        routes: Routes,
        folder: Path,
        book: History | None,
        *,
        fresh: bool,
        dry: bool,
    ) -> None:
        self.settings = settings
        self.source = source
        self.options = options
        self.routes = routes
        self.folder = folder
        self.template = defaults.template
        self.place = FolderPlace(folder)
        self.journal = Journal(folder)
        self._fresh = fresh
        self._begun = False
        with ExitStack() as held:
            if not dry:
                held.enter_context(made_for(folder, self.has_begun))
                held.enter_context(alone_in(folder, self.has_begun))
            held.callback(self.journal.close)
            if book is not None and not dry:
                book.settle_abandoned()
            self.known = States.load(folder, self.journal, book, fresh=fresh)
            if book is not None and not dry:
                self._find_saved(book)
            self._defaults = replace(defaults, salt=self._salt())
            self._about = source.fingerprint()
            self._seeds = SharedSeeds()
            self.preflight = self._check()
            check_format(settings, self.template.said, self.preflight.formats)
            if not fresh:
                shard.refuse_other(folder, defaults.shard, self.preflight.kinds)
            self._stack = held.pop_all()

    def close(self) -> None:
        """Free the folder; before `begin`, what was made of it is removed again."""
        self._stack.close()

    def has_begun(self) -> bool:
        """Tell whether `begin` was called."""
        return self._begun

    def _salt(self) -> bytes:
        """Return what the seeds of this batch are drawn with: the same in every run.

        It stands in a file of its own, so that variants of a line share their seed even where the
        first run is killed at once.
        """
        path, salt = self.folder / SALT_NAME, b""
        if not self._fresh:
            with suppress(OSError), os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
                salt = file.read(_SALT_BYTES + 1)
        return salt if len(salt) == _SALT_BYTES else os.urandom(_SALT_BYTES)

    def _find_saved(self, book: History) -> None:
        """Find pictures that got their names just before their process died.

        Before anything else is made here, and one by one: two equal pictures could be confused.
        """
        from zimage_cli.core.making import recover

        for key, state in self.known.to_fetch():
            entry = book.entry(state.entry or 0)
            if entry is not None and recover.find_saved(book, entry, self.folder) is not None:
                self.known.found(key)

    def _check(self) -> Preflight:
        found, routes = Preflight(), self.routes
        base = routes.price(None, prompt_extend=False)
        total = Decimal(0)
        last, begun = None, len(self.known) > 0
        for entry in JobReader(self._defaults).plan(self.source):
            if entry.line != last:
                found.lines += 1
                last = entry.line
            if isinstance(entry, Invalid):
                found.invalid += 1
                room = _SHOWN_PROBLEMS - len(found.problems)
                found.problems += [(entry.line, text) for text in entry.problems][: max(room, 0)]
                for text in entry.problems:
                    if text in found.wrong or len(found.wrong) < _SHOWN_PROBLEMS:
                        found.wrong.setdefault(text, []).append(entry.line)
                continue
            found.pictures += 1
            found.formats.add(format_of(entry.output or "x" + entry.template.suffix))
            state = self.known.of(entry.key)
            status = state.decide(self.options)
            if begun and entry.shared and state.seed != entry.request.seed:
                self._seeds.note(entry, state.seed)
            found.kinds[status] += 1
            if entry.output is not None and "/" in entry.output:
                found.folders.add(entry.output.rpartition("/")[0])
            if status is Status.NEW:
                request = entry.request
                price = routes.price(request.base_url, prompt_extend=request.prompt_extend)
                found.sizes[request.size] += 1
                found.extended += request.prompt_extend
                found.unpriced += price is None
                if price is not None:
                    found.prices.add(price)
                    total += price.amount
        self._seeds.end_line()
        found.cost = Price(total, base.currency) if base else None
        return found

    @property
    def estimate(self) -> Estimate:
        """How many pictures are to be paid, and their list price together."""
        found = self.preflight
        free = self.settings.target.is_sandbox
        return Estimate(found.to_make, found.cost, found.unpriced, free)

    def forecast(self) -> Forecast:
        """Return what tells how fast the run goes, beginning now."""
        lines = self.options.concurrency
        if self.settings.target.is_sandbox:
            return Forecast(lines / _SANDBOX_RATE, lines, 0.0)
        return Forecast(_SECONDS_A_PICTURE, lines, self.settings.rps.value)

    @property
    def seconds(self) -> float:
        """How long the run will take, about."""
        return self.forecast().left(self.preflight.to_make)

    @property
    def document(self) -> dict[str, Any]:
        """What the run will do, as JSON has it."""
        found = self.preflight
        return {
            "lines": found.lines,
            "pictures": found.pictures,
            "to_make": found.to_make,
            "to_fetch": found.kinds[Status.MADE],
            **{status.value: found.kinds[status] for status in (Status.SAVED, *_UNSAVED)},
            "invalid": found.invalid,
            "problems": [{"line": line, "message": text} for line, text in found.problems],
            "cost": cost(found.cost),
            "seconds": round(self.seconds, 1),
            "region": self.settings.target.region_name,
            "folder": str(self.folder.absolute()),
        }

    @property
    def wish(self) -> Wish:
        """How they are finished, where their names do not say otherwise."""
        return self.settings.wish

    @property
    def lines(self) -> int:
        """How many pictures are in flight at most."""
        return self.options.concurrency

    def engine(self, maker: Maker, options: RunOptions, watcher: Watcher) -> Engine:
        """Return what makes these pictures, and note in the folder that it begins."""
        from zimage_cli.core.run.folder import FolderEngine

        self.begin()
        return FolderEngine(self.routes.makers(maker), options, watcher, self.journal, self.known)

    def begin(self) -> None:
        """Write down that a batch begins anew, before its first picture. Raises DiskError."""
        from zimage_cli.core.history.database import now

        self._begun = True
        for name in ("", *self.preflight.folders):
            remove_abandoned(self.folder / name)
        with suppress(OSError):
            write_whole(self.folder / SALT_NAME, self._defaults.salt, mode=0o600)
        shard.mark(self.folder, self._defaults.shard, fresh=self._fresh)
        if not self._fresh:
            return
        try:
            self.journal.append({"status": FRESH, "time": now()})
        except OSError as error:
            raise DiskError(
                "{path} cannot be written: {why}. Nothing was sent.",
                hint="Make room, or give the batch another folder with --output.",
                billed=Billed.NO,
                path=self.journal.path,
                why=reason(error),
            ) from None

    def jobs(self) -> Iterator[Job]:
        """Yield the pictures of the file, as long as it is the one that was checked.

        Those that are paid and not fetched come first: their addresses are good for a day.
        """
        to_fetch = self.preflight.kinds[Status.MADE] > 0
        if to_fetch:
            yield from self._jobs(lambda status: status is Status.MADE)
        yield from self._jobs(lambda status: not to_fetch or status is not Status.MADE)

    def _jobs(self, wanted: Callable[[Status], bool]) -> Iterator[Job]:
        for entry in JobReader(self._defaults).plan(self.source):
            if self.source.fingerprint() != self._about:
                raise UsageError(
                    "{file} was changed after it was checked: nothing more is sent.",
                    hint="Run the same command again: what is saved is not made again.",
                    file=self.source.name,
                )
            if not isinstance(entry, Invalid) and wanted(
                self.known.of(entry.key).decide(self.options)
            ):
                yield self._seeds.given(entry)
