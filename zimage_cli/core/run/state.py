"""How far each picture of a batch has come, from the history and the journal together.

The history has every attempt; the journal serves where there is no history, as on another machine.
Neither is trusted to hold what zimage wrote: what makes no sense is passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api import limits
from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.history.entry import batch_name, moment
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.run.journal import FRESH
from zimage_cli.core.status import Status

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History
    from zimage_cli.core.run.journal import Journal
    from zimage_cli.core.run.tally import RunOptions

_UNSENT = ("connection", "configuration")
"""Types of errors that say that nothing was sent: such a line has not failed."""


@dataclass(frozen=True, slots=True)
class State:
    """How far one picture is: NEW, SAVED, REFUSED, FAILED, LOST, or MADE where it can be fetched.

    `seed` is what it was asked for with, `entry` its row in the history, `at` the place of its
    record in the journal: of a NEW one that was saved once, and is not there any more. `record` is
    that record where only it has the address of the picture.
    """

    status: Status
    seed: int | None = None
    entry: int | None = None
    at: int | None = None
    record: dict[str, Any] | None = None

    def decide(self, options: RunOptions) -> Status:
        """Return what a run does: NEW is made, MADE is fetched, all others are left alone."""
        if self.status in {Status.FAILED, Status.REFUSED} and options.retry_failed:
            return Status.NEW
        if self.status is Status.LOST and options.retry_lost:
            return Status.NEW
        return self.status


_NEW = State(Status.NEW)


@dataclass
class States:
    """The state of every picture that was ever tried in a folder, by key.

    Keys are the 16 bytes of `Job.key`.
    """

    folder: Path
    fresh_starts: int = 0
    """How many times `--fresh` began the folder anew."""
    unrecorded: dict[bytes, int] = field(default_factory=dict)
    """The ids, by key, of rows of the history whose end the journal does not have, because the
    process died between both writes."""
    _states: dict[bytes, State | int] = field(default_factory=dict)
    """A saved picture that has a record is only a number, which takes less memory: the place of
    that, before the bits of its seed; or, without a seed, -1 - the place."""

    @property
    def batch(self) -> str:
        """The name of this folder's batch in the history, whichever path leads to the folder."""
        return batch_name(self.folder, self.fresh_starts)

    def of(self, key: bytes) -> State:
        """Return the state of a picture."""
        found = self._states.get(key, _NEW)
        if isinstance(found, int):
            if found < 0:
                return State(Status.SAVED, at=~found)
            return State(Status.SAVED, found & MAX_SEED, at=found >> MAX_SEED.bit_length())
        return found

    def items(self) -> Iterator[tuple[bytes, State]]:
        """Yield every picture that was ever tried, by key."""
        return ((key, self.of(key)) for key in self._states)

    def to_fetch(self) -> list[tuple[bytes, State]]:
        """Return the pictures that are paid and not on disk, with their keys."""
        states = self._states.items()
        return [
            (k, one) for k, one in states if isinstance(one, State) and one.status is Status.MADE
        ]

    def found(self, key: bytes) -> None:
        """Note that a picture that was to be fetched is on disk and in the history."""
        state = self.of(key)
        self.unrecorded[key] = state.entry or 0
        self._states[key] = State(Status.SAVED, state.seed, state.entry)

    @classmethod
    def load(cls, folder: Path, journal: Journal, book: History | None, *, fresh: bool) -> States:
        """Read journal and history; with `fresh`, all they have belongs to an earlier batch."""
        states = cls(folder)
        for place, record in journal.records():
            if record.get("status") == FRESH:
                states._begin_anew()
            else:
                states.take_record(record, place)
        if fresh:
            states._begin_anew()
        elif book is not None:
            states._take_history(book)
        return states

    def _begin_anew(self) -> None:
        self.fresh_starts += 1
        self._states.clear()

    def take_record(self, record: dict[str, Any], place: int) -> None:
        """Take what a record of the journal, which stands at a place in it, says of a picture."""
        key = _key(record.get("job"))
        if key is None:
            return
        seed = _seed(record.get("seed"))
        match record.get("status"):
            case "saved":
                file = record.get("file")
                stands = isinstance(file, str) and _is_file(os.path.join(self.folder, file))  # noqa: PTH118 - 10,000 of them
                packed = ~place if seed is None else place << MAX_SEED.bit_length() | seed
                self._states[key] = packed if stands else State(Status.NEW, seed, at=place)
            # "failed" is what it was called before it was told apart.
            case "made" | "failed" if isinstance(record.get("image_url"), str):
                self._states[key] = _made(record, seed, place)
            case "made" if not _has_address(self._states.get(key)):
                # Its address was in the history alone.
                self._states[key] = _made({**record, "answered_at": None}, seed, place)
            case "failed" if record.get("type") in _UNSENT:
                self._states[key] = State(Status.NEW, seed)
            case "failed" | "refused" | "lost" as status:
                self._states[key] = State(Status(status), seed, at=place)

    def _take_history(self, book: History) -> None:
        recorded = dict(self._states)
        latest: dict[bytes, int] = {}
        for job, entry, status, drawn, path, error, answered_at, region in book.batch(self.batch):
            key = _key(job)
            if key is None or isinstance(recorded.get(key), int):
                continue
            latest[key] = entry
            seed, state = _seed(drawn), self._states.get(key)
            match status:
                case Status.SAVED:
                    saved = State(Status.SAVED, seed, entry)
                    state = saved if _is_file(path) else State(Status.NEW, seed)
                case Status.MADE if region == SANDBOX:
                    # It ended with its process, and the next picture is as free.
                    state = State(Status.NEW, seed)
                case Status.MADE if _in_time(answered_at):
                    state = State(Status.MADE, seed, entry)
                case Status.LOST | Status.SENDING | Status.MADE if _has_address(state):
                    # The history did not take the answer; the journal did.
                    pass
                case Status.LOST | Status.SENDING | Status.MADE:
                    state = State(Status.LOST, seed, entry, _place(recorded.get(key)))
                case Status.FAILED if _kind(error) in ("interrupted", *_UNSENT):
                    state = State(Status.NEW, seed)
                case Status.FAILED | Status.REFUSED as ended:
                    state = State(Status(ended), seed, entry, _place(recorded.get(key)))
            if state is not None:
                self._states[key] = state
        for key, entry in latest.items():
            status, before = self.of(key).status, recorded.get(key)
            known = before is not None and self._same(before, status)
            if status in {Status.SAVED, Status.REFUSED, Status.FAILED, Status.LOST} and not known:
                self.unrecorded[key] = entry

    @staticmethod
    def _same(before: State | int, status: Status) -> bool:
        if isinstance(before, int):
            return status is Status.SAVED
        # What older versions called failed may be refused.
        either = {Status.FAILED, Status.REFUSED}
        return before.status is status or {before.status, status} <= either

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[State]:
        return map(self.of, self._states)


def _place(state: State | int | None) -> int | None:
    return state.at if isinstance(state, State) and state.status is not Status.NEW else None


def _has_address(state: State | int | None) -> bool:
    return isinstance(state, State) and state.record is not None


def _key(job: object) -> bytes | None:
    try:
        key = bytes.fromhex(job) if isinstance(job, str) else b""
    except ValueError:
        return None
    return key if len(key) == 16 else None


def _made(record: dict[str, Any], seed: int | None, place: int) -> State:
    """Return the state of a picture that was made and not fetched, as the journal has it."""
    if record.get("region") == SANDBOX:
        return State(Status.NEW, seed)
    if _in_time(record.get("answered_at")):
        return State(Status.MADE, seed, record=record)
    return State(Status.LOST, seed, at=place)


def _in_time(answered_at: object) -> bool:
    """Tell whether the service still has a picture that was made then."""
    when, day = moment(str(answered_at)), timedelta(hours=limits.URL_LIFETIME_HOURS)
    return when is not None and datetime.now(UTC) - when < day


def _seed(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED
    return value if good and isinstance(value, int) else None


def _is_file(path: object) -> bool:
    if isinstance(path, bytes):
        # The history keeps a path that is no valid text as bytes.
        path = path.decode("utf-8", "surrogatepass")
    try:
        return isinstance(path, str) and bool(path) and os.path.isfile(path)  # noqa: PTH113
    except ValueError:
        return False


def _kind(error: object) -> object:
    try:
        found = json.loads(error) if isinstance(error, str) else None
    except (ValueError, RecursionError):
        return None
    return found.get("type") if isinstance(found, dict) else None
