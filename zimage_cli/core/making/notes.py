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
    from zimage_cli.core.making.account import Destination
    from zimage_cli.core.making.evidence import Evidence
    from zimage_cli.core.making.generation import Run
    from zimage_cli.core.observer import Observer


class Notes(NamedTuple):
    """Writes down how far a run is; `evidence` is None where none is kept."""

    ledger: SafeLedger
    destination: Destination
    evidence: Evidence | None
    warned: threading.Event
    """Set once it was said that evidence cannot be written."""

    def sending(self, run: Run, *, sleep: Callable[[float], None]) -> None:
        """Note that a request leaves now: the connection stands, the first byte is next.

        What only waits cannot be lost, so it has no row `sending`. Waits for a locked history with
        `sleep`; raises its error where the row cannot be written.
        """
        if run.begun:
            self.ledger.sending(run.entry, sleep=sleep)
            return
        try:
            self._begin(run, sleep=sleep)
        except Stopped:
            # It waited for the history, and nothing was sent.
            run.begun = False
            raise

    def answered(self, run: Run, answer: Answer) -> None:
        """Note the answer, before its picture is fetched."""
        rewritten = answer.rewritten_prompt(prompt_extend=run.request.prompt_extend)
        run.noted = self.ledger.made(run.entry, answer, rewritten=rewritten, attempts=run.attempts)

    def fetched(self, run: Run, fetched: Fetched) -> None:
        """Note what was fetched, before it gets its name."""
        run.fetched = fetched
        self.ledger.note(run.entry, lambda book, row: book.fetched(row, fetched))

    def saved(self, run: Run, fetched: Fetched | None) -> None:
        """Note the picture on disk."""
        picture, answer = run.picture, run.answer
        assert picture is not None
        assert answer is not None
        assert fetched is not None
        if not run.noted:
            # The history was locked, or its disk full: it may have passed.
            self.answered(run, answer)
        path = "-" if picture.path is None else str(picture.path.absolute())
        evidence = None if picture.evidence_path is None else str(picture.evidence_path)
        elapsed = picture.elapsed_seconds or 0.0
        self.ledger.note(
            run.entry,
            lambda book, row: book.saved(row, path, fetched, answer.image_url, elapsed, evidence),
        )

    def paused(self, run: Run, error: ZimageError) -> None:
        """Note what a process that dies before the next try leaves behind."""
        if run.begun:
            status = Status.LOST if run.maybe_billed else Status.FAILED
            why = Stopped(f"zimage ended before another try; the one before: {error.message}")
            self.ledger.note(
                run.entry,
                lambda book, row: book.ended(row, status, why, attempts=run.attempts),
            )

    def ended(self, run: Run, status: str, error: BaseException, observer: Observer) -> None:
        """Note how a run ended without a picture."""
        if not run.begun:
            if not isinstance(error, ZimageError):
                return
            # It never left, and nobody stopped it: a row with its end, in one write.
            self._begin(
                run,
                status=status,
                attempts=run.attempts,
                error=json.dumps(ledgers.error_facts(error)),
            )
        path = self.write_evidence(run, status, observer, error=error)
        evidence = None if path is None else str(path)
        self.ledger.note(
            run.entry,
            lambda book, row: book.ended(
                row, status, error, attempts=run.attempts, evidence_path=evidence
            ),
        )

    def write_evidence(
        self,
        run: Run,
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

            facts = evidence.facts(run, self.destination, status, fetched, error)
            path = self.evidence.add(facts)
        except (OSError, ImportError, MemoryError) as problem:
            # The row comes after it, and matters more.
            if not self.warned.is_set():
                self.warned.set()
                why = reason(problem) if isinstance(problem, OSError) else str(problem)
                observer.warning(f"evidence could not be written: {why}")
            return None
        return path.absolute()

    def _begin(self, run: Run, **columns: Any) -> None:
        run.begun = True
        request = run.request
        price = cost(self.destination.price(prompt_extend=request.prompt_extend))
        run.entry = self.ledger.begin(
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            region=self.destination.region,
            endpoint=self.destination.origin,
            workspace=self.destination.workspace,
            wanted_path=run.wanted if run.wanted == "-" else str(Path(run.wanted).absolute()),
            cost_amount=price["amount"],
            cost_currency=price["currency"],
            **dict[str, Any](run.tags),
            **columns,
        )
