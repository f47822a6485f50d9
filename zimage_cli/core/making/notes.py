"""What is written down of a picture while it is made: its row in the history, and its evidence."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.core.files import reason
from zimage_cli.core.history.history import error_facts
from zimage_cli.core.request.prices import cost
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    AddressRefused,
    AnswerLost,
    NotSavedError,
    RefusedError,
    Stopped,
    ZimageError,
)
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.history.safe import SafeHistory
    from zimage_cli.core.making.evidence import Evidence
    from zimage_cli.core.making.generation import Generation

_MAY_BE_BILLED = Message("The request was sent: the picture may have been made and billed.")
_LOST = Message(
    "The request was sent: the picture may have been made and billed. "
    "It is in zimage history as lost."
)
_RECOVERABLE = Message("The picture was made: zimage history recover fetches it within 24 hours.")
_SANDBOX_ENDS = Message(
    "The sandbox has ended with its pictures; nothing was billed. Make it again."
)


class Notes(NamedTuple):
    """Writes down how far a generation is; `evidence` is None where none is kept."""

    history: SafeHistory
    evidence: Evidence | None
    warned: threading.Event
    """Set once it was said that evidence cannot be written."""
    wish: Wish = Wish()

    def sending(self, generation: Generation, *, sleep: Callable[[float], None]) -> None:
        """Note that a request leaves now: the connection stands, the first byte is next.

        What only waits cannot be lost, so it has no row `sending`. Waits for a locked history with
        `sleep`; raises its error where the row cannot be written.
        """
        if generation.begun:
            self.history.sending(generation.entry, sleep=sleep)
            return
        try:
            self._begin(generation, sleep=sleep)
        except Stopped:
            # It waited for the history, and nothing was sent.
            generation.begun = False
            raise

    def answered(self, generation: Generation, answer: Answer) -> None:
        """Note the answer, before its picture is fetched."""
        generation.noted = self.history.made(
            generation.entry, answer, rewritten=generation.rewritten, attempts=generation.attempts
        )

    def fetched(self, generation: Generation, fetched: Fetched) -> None:
        """Note what was fetched, before it gets its name."""
        generation.fetched = fetched
        self.history.note(generation.entry, lambda book, row: book.fetched(row, fetched))

    def saved(self, generation: Generation) -> None:
        """Note the picture on disk."""
        picture, answer, fetched = generation.picture, generation.answer, generation.fetched
        assert picture is not None
        assert answer is not None
        assert fetched is not None
        if not generation.noted:
            # The history was locked, or its disk full: it may have passed.
            self.answered(generation, answer)
        path, url = generation.saved_path, answer.image_url
        evidence = None if picture.evidence_path is None else str(picture.evidence_path)
        elapsed = picture.elapsed_seconds or 0.0
        self.history.note(
            generation.entry,
            lambda book, row: book.saved(row, path, fetched, url, elapsed, evidence),
        )

    def paused(self, generation: Generation, error: ZimageError) -> None:
        """Note what a process that dies before the next try leaves behind."""
        if generation.begun:
            status = Status.LOST if generation.maybe_billed else Status.FAILED
            why = Stopped(f"zimage ended before another try; the one before: {error.message}")
            self.history.note(
                generation.entry,
                lambda book, row: book.ended(row, status, why, attempts=generation.attempts),
            )

    def cut_short(self, generation: Generation, error: BaseException) -> BaseException:
        """Note how a generation ended before its time; return the error with what to do next."""
        if generation.picture is not None:
            # Interrupted after the picture got its name: it is saved, whatever else is missing.
            self.saved(generation)
        elif generation.answer is None:
            error = self._unanswered(generation, error)
        else:
            if not generation.noted:
                # Interrupted between the answer and its note.
                self.answered(generation, generation.answer)
            error = self._unsaved(generation, generation.answer, error)
        return error

    def evidence_of(
        self, generation: Generation, status: str, error: BaseException | None = None
    ) -> Path | None:
        """Write the evidence and return its path; None where there is none."""
        if self.evidence is None:
            return None
        try:
            from zimage_cli.core.making import evidence

            path = self.evidence.add(evidence.facts(generation, status, error))
        except (OSError, ImportError, MemoryError) as problem:
            # The row comes after it, and matters more.
            if not self.warned.is_set():
                self.warned.set()
                why = reason(problem) if isinstance(problem, OSError) else str(problem)
                generation.observer.warning(
                    Message("evidence could not be written: {why}", why=why)
                )
            return None
        return path.absolute()

    # -- inside --------------------------------------------------------------------------------

    def _unanswered(self, generation: Generation, error: BaseException) -> BaseException:
        lost = generation.in_flight or generation.maybe_billed
        status = Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
        noted = error
        if isinstance(error, ZimageError):
            if error.maybe_billed and generation.entry is None:
                noted = error = error.but(hint="Run the command again to pay for another try.")
            elif generation.maybe_billed and not error.maybe_billed:
                # The row of a picture that may be billed must not say that it is not.
                noted = AnswerLost(
                    "The answer to a try was lost: its picture may have been made and billed. "
                    "The last try ended so: {why}",
                    why=error.message,
                )
        self._ended(generation, Status.LOST if lost else status, noted)
        told = _MAY_BE_BILLED if generation.entry is None else _LOST
        _tell_stopped(generation, error, told if lost else None)
        return error

    def _unsaved(
        self, generation: Generation, answer: Answer, error: BaseException
    ) -> BaseException:
        refused = isinstance(error, AddressRefused)
        self._ended(generation, Status.LOST if refused else Status.MADE, error)
        hint = None
        if not generation.noted:
            hint = Message(
                "Its address could not be written to the history, so fetch it yourself within "
                "24 hours: {typed}",
                typed=generation.curl(),
            )
        if isinstance(error, AddressRefused):
            if answer.request_id is not None:
                asked = answer.request_id
                error = error.but(hint="Ask the service what became of request {id}.", id=asked)
        elif isinstance(error, NotSavedError):
            error = error.but(hint=_SANDBOX_ENDS if _in_sandbox(generation) else hint or error.hint)
        _tell_stopped(generation, error, hint or _RECOVERABLE)
        return error

    def _ended(self, generation: Generation, status: str, error: BaseException) -> None:
        """Note how a generation ended without a picture."""
        if not generation.begun:
            if not isinstance(error, ZimageError):
                return
            # It never left, and nobody stopped it: a row with its end, in one write.
            self._begin(
                generation,
                status=status,
                attempts=generation.attempts,
                error=json.dumps(error_facts(error)),
            )
        path = self.evidence_of(generation, status, error)
        evidence, attempts = None if path is None else str(path), generation.attempts
        self.history.note(
            generation.entry,
            lambda book, row: book.ended(
                row, status, error, attempts=attempts, evidence_path=evidence
            ),
        )

    def _begin(self, generation: Generation, **columns: Any) -> None:
        request, account, wanted = generation.request, generation.account, generation.wanted
        # Raises where the current folder is gone: then nothing is sent.
        path = wanted if wanted == "-" else str(Path(wanted).absolute())
        price = cost(generation.price)
        generation.begun = True
        generation.entry = self.history.begin(
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            region=account.region,
            endpoint=account.origin,
            workspace=account.workspace,
            finish=self.wish.to(wanted).spelled,
            wanted_path=path,
            cost_amount=price["amount"],
            cost_currency=price["currency"],
            **request.origin._asdict(),
            **dict[str, Any](generation.tags),
            **columns,
        )


def _tell_stopped(generation: Generation, error: BaseException, note: Message | None) -> None:
    """Tell what became of a picture that somebody gave up; an error speaks for itself."""
    if not isinstance(error, ZimageError):
        generation.observer.stopped(_SANDBOX_ENDS if note and _in_sandbox(generation) else note)


def _in_sandbox(generation: Generation) -> bool:
    return generation.account.region == SANDBOX
