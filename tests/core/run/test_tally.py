"""The counts of a run: what they add up to, and how JSON has them."""

from __future__ import annotations

from decimal import Decimal

from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.request import Request
from zimage_cli.core.run.tally import Tally
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, NotSavedError, RefusedError, ZimageError

REQUEST = Request("kite", size="512*512", seed=1, prompt_extend=False)


def outcome(line: int, status: Status, error: ZimageError | None = None) -> Outcome:
    job = Job(line, line, REQUEST, NameTemplate.parse())
    return Outcome(job, status, REQUEST, "beijing", "https://host", error=error)


def test_every_outcome_is_counted_once_and_its_cause_with_its_line() -> None:
    tally = Tally()
    refused = RefusedError("No.", code="DataInspectionFailed")
    for one in (
        outcome(1, Status.SAVED),
        outcome(2, Status.REFUSED, refused),
        outcome(3, Status.MADE, NotSavedError("No room.")),
        outcome(4, Status.REFUSED, refused),
        outcome(5, Status.SKIPPED),
    ):
        tally.note(one)
    assert (tally.saved, tally.not_saved, tally.ended) == (1, 3, 5)
    # A code says more than a type.
    assert tally.causes == {
        (Status.REFUSED, "DataInspectionFailed"): [2, 4],
        (Status.MADE, "not-saved"): [3],
    }


def test_the_document_says_every_count_and_what_is_left() -> None:
    tally = Tally(spent=Decimal("0.30"))
    tally.note(outcome(1, Status.SAVED))
    tally.note(outcome(2, Status.LOST, ZimageError("Gone.")))
    tally.billed[Billed.YES] += 1
    tally.billed[Billed.MAYBE] += 2
    assert tally.document(10, "CNY") == {
        "pictures": 10,
        "saved": 1,
        "refused": 0,
        "failed": 0,
        "made": 0,
        "lost": 1,
        "skipped": 0,
        "left": 8,
        "billed": {"yes": 1, "maybe": 2},
        "cost": {"amount": "0.30", "currency": "CNY"},
    }
    # Where no price is known there is no amount either.
    assert tally.document(10, None)["cost"] == {"amount": None, "currency": None}
