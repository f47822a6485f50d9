"""What is written down of a picture while it is made: its row in the history, and its evidence."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.files import reason
from zimage_cli.core.history import ledger as ledgers
from zimage_cli.core.request.prices import cost
from zimage_cli.core.status import Status
from zimage_cli.errors import Stopped, ZimageError

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.history.ledger import SafeLedger
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.evidence import Evidence
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.observer import Observer


class Notes(NamedTuple):
    """Writes down how far a run is; `evidence` is None where none is kept."""

    ledger: SafeLedger
    account: Account
    evidence: Evidence | None
    warned: threading.Event
    """Set once it was said that evidence cannot be written."""

    def sending(self, generation: Generation, *, sleep: Callable[[float], None]) -> None:
        """Note that a request leaves now: the connection stands, the first byte is next.

        What only waits cannot be lost, so it has no row `sending`. Waits for a locked history with
        `sleep`; raises its error where the row cannot be written.
        """
        if generation.begun:
            self.ledger.sending(generation.entry, sleep=sleep)
            return
        try:
            self._begin(generation, sleep=sleep)
        except Stopped:
            # It waited for the history, and nothing was sent.
            generation.begun = False
            raise

    def answered(self, generation: Generation, answer: Answer) -> None:
        """Note the answer, before its picture is fetched."""
        rewritten = answer.rewritten_prompt(prompt_extend=generation.request.prompt_extend)
        generation.noted = self.ledger.made(
            generation.entry, answer, rewritten=rewritten, attempts=generation.attempts
        )

    def fetched(self, generation: Generation, fetched: Fetched) -> None:
        """Note what was fetched, before it gets its name."""
        generation.fetched = fetched
        self.ledger.note(generation.entry, lambda book, row: book.fetched(row, fetched))

    def saved(self, generation: Generation, fetched: Fetched | None) -> None:
        """Note the picture on disk."""
        picture, answer = generation.picture, generation.answer
        assert picture is not None
        assert answer is not None
        assert fetched is not None
        if not generation.noted:
            # The history was locked, or its disk full: it may have passed.
            self.answered(generation, answer)
        path = "-" if picture.path is None else str(picture.path.absolute())
        evidence = None if picture.evidence_path is None else str(picture.evidence_path)
        elapsed = picture.elapsed_seconds or 0.0
        self.ledger.note(
            generation.entry,
            lambda book, row: book.saved(row, path, fetched, answer.image_url, elapsed, evidence),
        )

    def paused(self, generation: Generation, error: ZimageError) -> None:
        """Note what a process that dies before the next try leaves behind."""
        if generation.begun:
            status = Status.LOST if generation.maybe_billed else Status.FAILED
            why = Stopped(f"zimage ended before another try; the one before: {error.message}")
            self.ledger.note(
                generation.entry,
                lambda book, row: book.ended(row, status, why, attempts=generation.attempts),
            )

    def ended(
        self, generation: Generation, status: str, error: BaseException, observer: Observer
    ) -> None:
        """Note how a run ended without a picture."""
        if not generation.begun:
            if not isinstance(error, ZimageError):
                return
            # It never left, and nobody stopped it: a row with its end, in one write.
            self._begin(
                generation,
                status=status,
                attempts=generation.attempts,
                error=json.dumps(ledgers.error_facts(error)),
            )
        path = self.write_evidence(generation, status, observer, error=error)
        evidence = None if path is None else str(path)
        self.ledger.note(
            generation.entry,
            lambda book, row: book.ended(
                row, status, error, attempts=generation.attempts, evidence_path=evidence
            ),
        )

    def write_evidence(
        self,
        generation: Generation,
        status: str,
        observer: Observer,
        *,
        fetched: Fetched | None = None,
        error: BaseException | None = None,
    ) -> Path | None:
        """Write the evidence and return its path; None where there is none."""
        if self.evidence is None:
            return None
        try:
            from zimage_cli.core.making import evidence

            facts = evidence.facts(generation, self.account, status, fetched, error)
            path = self.evidence.add(facts)
        except (OSError, ImportError, MemoryError) as problem:
            # The row comes after it, and matters more.
            if not self.warned.is_set():
                self.warned.set()
                why = reason(problem) if isinstance(problem, OSError) else str(problem)
                observer.warning(f"evidence could not be written: {why}")
            return None
        return path.absolute()

    def _begin(self, generation: Generation, **columns: Any) -> None:
        generation.begun = True
        request = generation.request
        price = cost(self.account.price(prompt_extend=request.prompt_extend))
        generation.entry = self.ledger.begin(
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            region=self.account.region,
            endpoint=self.account.origin,
            workspace=self.account.workspace,
            wanted_path=generation.wanted
            if generation.wanted == "-"
            else str(Path(generation.wanted).absolute()),
            cost_amount=price["amount"],
            cost_currency=price["currency"],
            **dict[str, Any](generation.tags),
            **columns,
        )
