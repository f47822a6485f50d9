"""The history as it is kept while pictures are made: what fails there costs no picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zimage_cli.core.history.file import HistoryBroken, HistoryFull, HistoryLocked
from zimage_cli.core.history.history import History
from zimage_cli.errors import ConfigurationError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer

T = TypeVar("T")


class SafeHistory:
    """A history whose failure never costs a picture: what cannot be written is warned of once.

    `warn` is called with a sentence, at most once for each cause. Raises HistoryLocked or
    HistoryFull where the history cannot be opened for a reason that passes. `patience` and
    `paid_patience` are those of `Database`.
    """

    def __init__(
        self,
        path: Path | None,
        warn: Callable[[Message], None],
        *,
        sleep: Callable[[float], None] = time.sleep,
        **patience: float,
    ) -> None:
        self._warn = warn
        self._said: set[str] = set()
        self._saying = threading.Lock()
        self._unwritten: set[str] = set()
        self._history: History | None = None
        if path is None:
            self._say("given up", Message("history is not being kept: no home folder is known"))
            return
        try:
            self._history = History(path, on_locked=warn, sleep=sleep, **patience)
        except (HistoryLocked, HistoryFull) as error:
            raise error.but("{cause} Nothing was sent.") from None
        except ConfigurationError as error:
            self._say("given up", _not_kept(error))

    @property
    def book(self) -> History | None:
        """The history itself, for reading; None where none is kept."""
        return self._history

    @property
    def without_row(self) -> int:
        """How many pictures were made whose address is not on disk."""
        return len(self._unwritten)

    def hurry(self) -> None:
        """Wait no longer for a locked history: what cannot be written at once is not written."""
        if self._history is not None:
            self._history.hurry()

    def wait_again(self) -> None:
        """Wait for a locked history as before `hurry`."""
        if self._history is not None:
            self._history.wait_again()

    def close(self) -> None:
        """Close the file; a thread that still works afterwards writes nothing more."""
        history, self._history = self._history, None
        if history is not None:
            history.close()

    def begin(self, *, sleep: Callable[[float], None] = time.sleep, **columns: Any) -> int | None:
        """Write the row of a request that is about to be sent; None where no history is kept.

        Waits for a locked history, with `sleep`. Raises HistoryLocked or HistoryFull where the row
        could not be written, so that nothing may be sent; never for a row that has its end.
        """
        over = "status" in columns
        return self._ask(lambda history: history.begin(sleep=sleep, **columns), sent=over)

    def sending(self, row: int | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Note that a request is sent again; waits and raises as `begin` does."""
        if row is not None:
            self._ask(lambda history: history.sending(row, sleep=sleep), sent=False)

    def made(
        self, row: int | None, answer: Answer, *, rewritten: str | None, attempts: int
    ) -> bool:
        """Note an answer; tell whether its address is on disk."""
        noted = self.note(
            row,
            lambda history, number: history.made(
                number, answer, rewritten=rewritten, attempts=attempts
            ),
        )
        (self._unwritten.discard if noted else self._unwritten.add)(answer.image_url)
        return noted

    def note(self, row: int | None, write: Callable[[History, int], None]) -> bool:
        """Do one write on a row, where there is one; tell whether it is on disk."""
        if row is None:
            return False

        def written(history: History) -> bool:
            write(history, row)
            return True

        return self._ask(written, sent=True) or False

    def _ask(self, write: Callable[[History], T], *, sent: bool) -> T | None:
        """Do a write, None where it fails; where nothing is `sent` yet, raise what passes."""
        # Another thread may set it to None at any moment.
        history = self._history
        if history is None:
            return None
        try:
            return write(history)
        except ConfigurationError as error:
            if not sent and isinstance(error, HistoryLocked | HistoryFull):
                # Others may have been: this one was not.
                raise error.but("{cause} The request was not sent.") from None
            self._failed(history, error)
        return None

    def _failed(self, history: History, error: ConfigurationError) -> None:
        if not isinstance(error, HistoryBroken):
            if self._history is not None:
                text = Message("the history is not complete: {cause}", cause=error.message)
                self._say(type(error).__name__, text)
            return
        with self._saying:
            first, self._history = self._history is not None, None
        if first:
            history.close()
            self._say("given up", _not_kept(error))

    def _say(self, cause: str, text: Message) -> None:
        with self._saying:
            first = cause not in self._said
            self._said.add(cause)
        if first:
            self._warn(text)


def _not_kept(error: ConfigurationError) -> Message:
    return Message("history is not being kept: {cause}", cause=error.message)
