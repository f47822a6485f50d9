"""How far each picture of a batch has come, from the ledger and the journal together.

The ledger knows every attempt; the journal stands in where there is no ledger, as on another
machine. What a run still needs to know of a saved picture is that it is saved. Neither is trusted
to hold what zimage wrote: what makes no sense is passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core import ledger
from zimage_cli.core.batch import made
from zimage_cli.core.batch.journal import FRESH, Journal
from zimage_cli.core.request import MAX_SEED

if TYPE_CHECKING:
    from zimage_cli.core.ledger import Ledger

NEW, DONE, FETCH, FAILED, LOST = "new", "done", "fetch", "failed", "lost"

_UNSENT = ("connection", "configuration")
"""Types of errors that say that nothing was sent: such a line has not failed."""


@dataclass(frozen=True, slots=True)
class State:
    """Where one picture stands; `seed` was drawn for it, `entry` is its row in the ledger.

    `record` is the journal's, where that alone knows the address of a picture to be fetched.
    """

    kind: str
    seed: int | None = None
    entry: int | None = None
    record: dict[str, Any] | None = None


_NEW = State(NEW)
_DONE = State(DONE)


@dataclass
class States:
    """The state of every picture that was ever tried in a folder, by key.

    Keys are the 16 bytes of `Item.key`.
    """

    folder: Path
    generation: int = 0
    """How often the folder was begun anew."""
    unrecorded: dict[bytes, int] = field(default_factory=dict)
    """Entries of the ledger that ended as the journal does not have it, because the process died
    between both; by key."""
    _states: dict[bytes, State] = field(default_factory=dict)

    @property
    def batch(self) -> str:
        """How the ledger knows this folder's batch, whichever path leads to it."""
        text = f"{self.generation}\0{self.folder.resolve()}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def of(self, key: bytes) -> State:
        """Return the state of a picture."""
        return self._states.get(key, _NEW)

    def to_fetch(self) -> list[tuple[bytes, State]]:
        """Return the pictures that are paid and not on disk, with their keys."""
        return [(key, state) for key, state in self._states.items() if state.kind == FETCH]

    def found(self, key: bytes) -> None:
        """Note that a picture that was to be fetched is on disk and in the ledger."""
        self.unrecorded[key] = self._states[key].entry or 0
        self._states[key] = _DONE

    @classmethod
    def load(cls, folder: Path, journal: Journal, book: Ledger | None, *, fresh: bool) -> States:
        """Read journal and ledger; with `fresh`, everything so far belongs to an earlier batch."""
        states = cls(folder)
        for record in journal.records():
            if record.get("status") == FRESH:
                states._begin_anew()
            else:
                states._take_record(record)
        if fresh:
            states._begin_anew()
        elif book is not None:
            states._take_ledger(book)
        return states

    def _begin_anew(self) -> None:
        self.generation += 1
        self._states.clear()

    def _take_record(self, record: dict[str, Any]) -> None:
        key = _key(record.get("job"))
        if key is None:
            return
        seed = _seed(record.get("seed"))
        match record.get("status"):
            case "saved":
                file = record.get("file")
                stands = isinstance(file, str) and _is_file(os.path.join(self.folder, file))  # noqa: PTH118 - 10,000 of them
                self._states[key] = _DONE if stands else State(NEW, seed)
            case "failed" if isinstance(record.get("image_url"), str):
                self._states[key] = _made(record, seed)
            case "failed" if record.get("type") in _UNSENT:
                self._states[key] = State(NEW, seed)
            case "failed":
                self._states[key] = State(FAILED, seed)
            case "lost":
                self._states[key] = State(LOST, seed)

    def _take_ledger(self, book: Ledger) -> None:
        recorded = dict(self._states)
        latest: dict[bytes, int] = {}
        for job, entry, status, drawn, path, error, answered_at, region in book.batch(self.batch):
            key = _key(job)
            if key is None or recorded.get(key) is _DONE:
                continue
            latest[key] = entry
            seed, state = _seed(drawn), self._states.get(key)
            match status:
                case ledger.SAVED:
                    state = _DONE if _is_file(path) else State(NEW, seed)
                case ledger.MADE if region == SANDBOX:
                    # It ended with its process, and the next picture is as free.
                    state = State(NEW, seed)
                case ledger.MADE if made.in_time(answered_at):
                    state = State(FETCH, seed, entry)
                case ledger.LOST | ledger.SENDING | ledger.MADE if state and state.record:
                    # The history did not take the answer; the journal did.
                    pass
                case ledger.LOST | ledger.SENDING | ledger.MADE:
                    state = State(LOST, seed, entry)
                case ledger.FAILED if _kind(error) in ("interrupted", *_UNSENT):
                    state = State(NEW, seed)
                case ledger.FAILED:
                    state = State(FAILED, seed, entry)
            if state is not None:
                self._states[key] = state
        for key, entry in latest.items():
            kind, before = self.of(key).kind, recorded.get(key)
            if kind in {DONE, FAILED, LOST} and (before is None or before.kind != kind):
                self.unrecorded[key] = entry

    def __iter__(self) -> Iterator[State]:
        return iter(self._states.values())


def _key(job: object) -> bytes | None:
    try:
        key = bytes.fromhex(job) if isinstance(job, str) else b""
    except ValueError:
        return None
    return key if len(key) == 16 else None


def _made(record: dict[str, Any], seed: int | None) -> State:
    """Return the state of a picture that was made and not fetched, as the journal has it."""
    if record.get("region") == SANDBOX:
        return State(NEW, seed)
    if made.in_time(record.get("answered_at")):
        return State(FETCH, seed, record=record)
    return State(LOST, seed)


def _seed(value: object) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEED
    return value if good and isinstance(value, int) else None


def _is_file(path: object) -> bool:
    if isinstance(path, bytes):
        # How the ledger keeps a path that is no valid text.
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
