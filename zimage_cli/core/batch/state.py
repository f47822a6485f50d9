"""How far each picture of a batch has come, from the ledger and the journal together.

The ledger knows every attempt; the journal stands in where there is no ledger, as on another
machine. What a run still needs to know of a saved picture is that it is saved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.core import ledger
from zimage_cli.core.batch.journal import FRESH, Journal

if TYPE_CHECKING:
    from zimage_cli.core.ledger import Ledger

NEW, DONE, FETCH, FAILED, LOST = "new", "done", "fetch", "failed", "lost"


@dataclass(frozen=True, slots=True)
class State:
    """Where one picture stands; `seed` was drawn for it, `entry` is its row in the ledger."""

    kind: str
    seed: int | None = None
    entry: int | None = None


_NEW = State(NEW)
_DONE = State(DONE)


@dataclass
class States:
    """The state of every picture that was ever tried in a folder, by key."""

    folder: Path
    generation: int = 0
    """How often the folder was begun anew."""
    _states: dict[bytes, State] = field(default_factory=dict)
    unrecorded: list[int] = field(default_factory=list)
    """Entries saved in the ledger that the journal does not have: the process died between both."""

    @property
    def batch(self) -> str:
        """How the ledger knows this folder's batch."""
        text = f"{self.generation}\0{self.folder.absolute()}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def of(self, key: bytes) -> State:
        """Return the state of a picture."""
        return self._states.get(key, _NEW)

    @classmethod
    def load(cls, folder: Path, journal: Journal, book: Ledger | None, *, fresh: bool) -> States:
        """Read journal and ledger; with `fresh`, everything so far belongs to an earlier batch."""
        states = cls(folder)
        for record in journal.records():
            if record.get("status") == FRESH:
                states.generation += 1
                states._states.clear()
            else:
                states._take_record(record)
        if fresh:
            states.generation += 1
            states._states.clear()
        elif book is not None:
            states._take_ledger(book)
        return states

    def _take_record(self, record: dict[str, Any]) -> None:
        try:
            key = bytes.fromhex(record["job"])
        except (KeyError, ValueError, TypeError):
            return
        seed = record.get("seed")
        seed = seed if isinstance(seed, int) else None
        match record.get("status"):
            case "saved":
                file = record.get("file")
                stands = isinstance(file, str) and (self.folder / file).is_file()
                self._states[key] = _DONE if stands else State(NEW, seed)
            case "failed":
                self._states[key] = State(FAILED, seed)
            case "lost":
                self._states[key] = State(LOST, seed)

    def _take_ledger(self, book: Ledger) -> None:
        for job, entry, status, seed, path, error in book.batch(self.batch):
            key = bytes.fromhex(job)
            match status:
                case ledger.SAVED:
                    if self._states.get(key) is _DONE:
                        continue
                    if path and Path(path).is_file():
                        self._states[key] = _DONE
                        self.unrecorded.append(entry)
                    else:
                        self._states[key] = State(NEW, seed)
                case ledger.MADE:
                    self._states[key] = State(FETCH, seed, entry)
                case ledger.LOST | ledger.SENDING:
                    self._states[key] = State(LOST, seed, entry)
                case ledger.FAILED:
                    interrupted = error and json.loads(error).get("type") == "interrupted"
                    self._states[key] = State(NEW if interrupted else FAILED, seed, entry)

    def __iter__(self) -> Iterator[State]:
        return iter(self._states.values())
