"""What is advised after a failure, followed to its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

AGAIN = (
    "It may be billed. The same command leaves it alone; with --retry-lost it is made again, and "
    "paid once more."
)


@pytest.mark.parametrize("fault", ["empty-200", "html-200", "empty-500", "no-image"])
def test_an_answer_that_may_be_billed_is_paid_again_by_whoever_asks_again(
    unpaced: None, service: Any, fault: str
) -> None:
    service.script(fault)
    run = service.generate("kite", "--retry-lost", status=7)
    assert run.stderr.endswith(
        "  next: It is in zimage history as lost. Run the command again to pay for another try.\n"
    )
    # No option tries that again by itself, so none is named.
    assert service.books.post_count == 1
    assert [row["status"] for row in service.history()] == ["lost"]


@pytest.mark.parametrize("fault", ["empty-200", "close"])
def test_a_batch_pays_for_a_lost_line_only_where_it_is_told_to(
    unpaced: None, service: Any, prompts: Any, fault: str
) -> None:
    batch = ("batch", prompts(1), "-o", "kites", "--size", "512*512")
    service.script(fault)
    run = service(*batch, "--json", status=9)
    line = json.loads(run.lines[0])
    assert (line["billed"], line["hint"]) == ("maybe", AGAIN)
    service(*batch, status=9)
    assert service.books.post_count == 1
    service(*batch, "--retry-lost")
    assert service.books.post_count == 2


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        (
            "DataInspectionFailed",
            "Content moderation refused the prompt. It was not billed.",
            "Word the prompt differently: another seed does not help.",
        ),
        (
            "data_inspection_failed",
            "Content moderation refused the picture. It was not billed.",
            "Try another --seed, or word the prompt differently.",
        ),
    ],
)
def test_another_seed_is_advised_for_a_refused_picture_alone(
    service: Any, code: str, said: str, hint: str
) -> None:
    service.script(code)
    run = service.generate("kite", status=4)
    assert f"error: {said}\n" in run.stderr
    assert run.stderr.endswith(f"  next: {hint}\n")


def test_the_service_is_to_be_asked_for_a_picture_that_zimage_never_fetches(service: Any) -> None:
    service.script(Fault("foreign-url", url="ftp://example.invalid/a.png"))
    run = service.generate("kite", status=8)
    asked = service.books.posts[-1].request_id
    assert run.stderr.endswith(f"  next: Ask the service what became of request {asked}.\n")
