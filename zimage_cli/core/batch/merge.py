"""The folders of several shards become one: pictures linked or copied, journals joined.

What is in a shard's folder stays there. A picture has its name in the new folder before the journal
there says so: a merge that was killed is gone on with by the next.
"""

from __future__ import annotations

import errno
import filecmp
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zimage_cli.core.batch import shard
from zimage_cli.core.batch.plan import SALT_NAME
from zimage_cli.core.drafts import NO_LINKS, make_temporary, publish, remove_abandoned
from zimage_cli.core.files import open_own, reason, sync_folder
from zimage_cli.core.making.save import within
from zimage_cli.core.request.names import numbered
from zimage_cli.core.request.wish import format_of
from zimage_cli.core.run.journal import NAME, Journal, alone_in, made_for
from zimage_cli.core.run.state import State, States
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, DiskError, Stopped, UsageError

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History

_RANK = {Status.REFUSED: 1, Status.FAILED: 1, Status.LOST: 2, Status.MADE: 3, Status.SAVED: 4}
"""Of two folders that know the same picture, the one that came further with it is believed."""


@dataclass(slots=True)
class Taken:
    """What a merge found in one folder.

    `linked` and `copied` are pictures; `before` those that an earlier merge took; `others` are
    pictures of lines that another folder had one of, and `gone` those whose file is not there:
    neither is taken. `ends` are pictures that were not saved, and how that ended.
    """

    folder: Path
    linked: int = 0
    copied: int = 0
    before: int = 0
    others: int = 0
    gone: int = 0
    ends: int = 0

    @property
    def taken(self) -> int:
        """How many pictures came from here."""
        return self.linked + self.copied

    @property
    def document(self) -> dict[str, Any]:
        """The folder's object in `--json`."""
        return {**asdict(self), "folder": str(self.folder.absolute())}


@dataclass
class Merge:
    """Brings folders of shards together in `into`; `book` is this machine's history.

    Raises UsageError where a folder cannot be used, has no batch or one that still runs, or was
    itself merged and that did not end.
    """

    folders: Sequence[Path]
    into: Path
    book: History | None = None
    taken: list[Taken] = field(default_factory=list)
    done: int = 0
    total: int = 0
    """Pictures that were looked at, and all; 0 where nobody knows it yet."""
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _cleared: set[Path] = field(default_factory=set)
    """Folders that took pictures, without what a killed merge left of its copies."""
    _names: set[str] | None = None
    """The files that the journal of `into` has, once one of them was in the way."""

    def cancel(self) -> None:
        """End it at the next picture. What was taken stays taken."""
        self._cancelled.set()

    def run(self) -> None:
        """Take all that the folders have. Raises UsageError, DiskError, Stopped."""
        self._refuse_same()
        with ExitStack() as held:
            for folder in self.folders:
                held.enter_context(_ended(folder))
            if self.book is not None:
                self.book.settle_abandoned()
            sources = [self._known(folder) for folder in self.folders]
            self.total = sum(map(len, sources))
            held.enter_context(made_for(self.into, lambda: True))
            held.enter_context(alone_in(self.into))
            journal = Journal(self.into)
            held.callback(journal.close)
            known = States.load(self.into, journal, self.book, fresh=False)
            try:
                shard.mark_merging(self.into)
                for source in sources:
                    self._take_all(source, journal, known)
                for folder in self._cleared:
                    sync_folder(folder)
                journal.sync()
                shard.unmark(self.into)
            except OSError as error:
                raise DiskError(
                    "{path} cannot take all pictures: {why}. What is there stays, and so do the "
                    "folders that they come from.",
                    hint="Make room, then run the same command again: it goes on.",
                    billed=Billed.NO,
                    path=self.into,
                    why=reason(error),
                ) from None

    def _refuse_same(self) -> None:
        seen = {self.into.resolve()}
        for folder in self.folders:
            if folder.resolve() in seen:
                raise UsageError("{folder} is given twice.", field="merge", folder=folder)
            if folder.resolve() in self.into.resolve().parents:
                raise UsageError(
                    "{path} lies in {folder}: whoever removes the shard removes it too.",
                    hint="Give a folder beside the shards with --output.",
                    field="merge",
                    path=self.into,
                    folder=folder,
                )
            seen.add(folder.resolve())

    def _known(self, folder: Path) -> States:
        """Return what a folder's journal knows. Raises UsageError where the history knows more."""
        alone = States.load(folder, Journal(folder), None, fresh=False)
        if self.book is None:
            return alone
        more = States.load(folder, Journal(folder), self.book, fresh=False)
        unwritten = set(more.unrecorded) | {
            key for key, _ in more.to_fetch() if alone.of(key).status is not Status.MADE
        }
        if unwritten:
            raise UsageError(
                "{folder} was left in mid-run: what became of {count:,} of its pictures, only the "
                "history knows.",
                hint="Run the command that fills it once more, then merge.",
                field="merge",
                folder=folder,
                count=len(unwritten),
            )
        return alone

    def _take_all(self, source: States, journal: Journal, known: States) -> None:
        found = Taken(source.folder)
        self.taken.append(found)
        own = Journal(source.folder)
        for key, state in source.items():
            if self._cancelled.is_set():
                raise Stopped
            self.done += 1
            record = state.record or (None if state.at is None else own.record_at(state.at))
            if record is None or state.status is Status.NEW:
                found.gone += record is not None
                continue
            there, file = known.of(key), None
            if _RANK[state.status] <= _RANK.get(there.status, 0):
                if state.status is Status.SAVED:
                    same = _is_same(record, there, journal)
                    found.before += same
                    found.others += not same
                continue
            if state.status is Status.SAVED:
                file = self._take(source.folder, str(record.get("file")), journal, found)
                if file is None:
                    found.gone += 1
                    continue
            else:
                found.ends += 1
            record = {**record, **self._own(record, file), "file": file}
            known.take_record(record, journal.append(record))

    def _own(self, record: dict[str, Any], file: str | None) -> dict[str, Any]:
        """Return what a record says of this machine: another's history and files are none here."""
        number, evidence = record.get("history_id"), record.get("evidence_path")
        entry = None
        if self.book is not None and isinstance(number, int) and 0 < number < 1 << 63:
            entry = self.book.entry(number)
        ours = entry is not None and entry.request_id == record.get("request_id")
        own: dict[str, Any] = {
            "path": None if file is None else str((self.into / file).absolute()),
            "history_id": number if ours else None,
        }
        if "evidence_path" in record:
            there = isinstance(evidence, str) and os.path.isfile(evidence)  # noqa: PTH113
            own["evidence_path"] = evidence if there else None
        return own

    def _take(self, folder: Path, file: str, journal: Journal, found: Taken) -> str | None:
        """Give a picture of a folder a name here, and return that; None for what is none."""
        if not _is_plain(file):
            return None
        try:
            source = within(folder, file)
            if not stat.S_ISREG(source.lstat().st_mode):
                return None
        except (OSError, UsageError):
            return None
        wanted, number = within(self.into, file, make=True), 0
        if wanted.parent not in self._cleared:
            remove_abandoned(wanted.parent)
            self._cleared.add(wanted.parent)
        while True:
            number += 1
            path = numbered(wanted, number)
            name = path.relative_to(self.into).as_posix()
            try:
                linked = _give(source, path)
            except FileExistsError:
                if not self._is_ours(source, path, name, journal):
                    continue
                # A merge was killed between its name and its record.
                linked = path.samefile(source)
            found.linked += linked
            found.copied += not linked
            if self._names is not None:
                self._names.add(name)
            return name

    def _is_ours(self, source: Path, path: Path, name: str, journal: Journal) -> bool:
        """Tell whether a file that is there is this picture, and no other record's."""
        if not stat.S_ISREG(path.lstat().st_mode) or not filecmp.cmp(source, path, shallow=False):
            return False
        if self._names is None:
            self._names = {str(record.get("file")) for _, record in journal.records()}
        return name not in self._names


@contextmanager
def _ended(folder: Path) -> Iterator[None]:
    """Hold a shard's folder, whose batch must have ended. Raises UsageError."""
    if shard.marked(folder) == shard.MERGING:
        raise UsageError(
            "A merge into {folder} did not end: what it did not take would be made, and paid, "
            "again.",
            hint="Run the command with --merge that fills it again: it goes on.",
            field="merge",
            folder=folder,
        )
    if not any((folder / name).is_file() for name in (NAME, SALT_NAME)):
        raise UsageError(
            "{folder} has no pictures of a batch: there is no {name}.",
            hint="Give the folders that zimage batch --shard … --output filled.",
            field="merge",
            folder=folder,
            name=NAME,
        )
    with ExitStack() as held:
        try:
            held.enter_context(alone_in(folder))
        except UsageError as error:
            if not isinstance(error.__context__, BlockingIOError):
                raise
            raise error.but(hint="Wait for it to end, then merge.") from None
        yield


def _is_plain(file: str) -> bool:
    """Tell whether a journal names a picture of its own folder: anybody may have written it."""
    parts = PurePosixPath(file).parts
    inside = bool(parts) and not file.startswith("/") and "\0" not in file and "\\" not in file
    plain = all(part != ".." and not part.startswith(".") for part in parts)
    return inside and plain and format_of(file) is not None


def _is_same(record: dict[str, Any], there: State, journal: Journal) -> bool:
    """Tell whether a picture is the one that is there of its line already."""
    known = None if there.at is None else journal.record_at(there.at)
    return known is not None and known.get("sha256") == record.get("sha256")


def _give(source: Path, path: Path) -> bool:
    """Give a picture a further name, or a copy of it where that cannot be; tell whether it is one.

    Raises FileExistsError where the name is taken, OSError where the disk fails.
    """
    try:
        os.link(source, path)
    except OSError as error:
        if error.errno not in NO_LINKS | {errno.EXDEV}:
            raise
    else:
        return True
    import shutil

    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    handle, temporary = make_temporary(path.parent)
    try:
        with os.fdopen(handle, "wb") as file, os.fdopen(open_own(source, os.O_RDONLY), "rb") as old:
            shutil.copyfileobj(old, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(source, temporary)
        # Nobody else writes here: it is locked.
        publish(temporary, path, overwrite=False, numbered=lambda k: numbered(path, k))
    finally:
        temporary.unlink(missing_ok=True)
    return False
