from __future__ import annotations

from typing import Any

import pytest

from zimage_cli.core.request.recorded import request_fields
from zimage_cli.errors import UsageError

RECORD = {
    "image_url": None,
    "request_id": "r",
    "prompt": "a fox",
    "size": "512*512",
    "seed": 7,
    "prompt_extend": True,
    "base_url": "https://gateway.example",
    "endpoint": "https://gateway.example",
}
WANTED = {"prompt": "a fox", "size": "512*512", "seed": 7, "prompt_extend": True}


@pytest.mark.parametrize(
    "document",
    [
        RECORD,
        {"schema": 1, "status": "ok", "entry": RECORD, "errors": []},
        {"schema": 1, "status": "ok", "images": [RECORD], "errors": []},
    ],
)
def test_a_recorded_picture_is_a_request(document: dict[str, Any]) -> None:
    assert request_fields(document) == WANTED


def test_a_seed_that_nobody_knows_is_left_out() -> None:
    fields = request_fields({**RECORD, "seed": None})
    assert fields == {name: value for name, value in WANTED.items() if name != "seed"}


@pytest.mark.parametrize(
    "request_", [{}, {"prompt": "a fox", "base_url": "https://h"}, {"entry": 1}, {"schema": 1}]
)
def test_a_request_stays_as_it_is(request_: dict[str, Any]) -> None:
    assert request_fields(request_) == request_


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"schema": 1, "status": "error", "entry": None, "errors": []}, 0),
        ({"schema": 1, "status": "error", "images": [], "errors": []}, 0),
        ({"schema": 1, "status": "ok", "images": [RECORD, RECORD], "errors": []}, 2),
        ({"schema": 1, "images": "two"}, 0),
    ],
)
def test_a_document_of_no_one_picture_is_refused(document: dict[str, Any], count: int) -> None:
    with pytest.raises(UsageError, match=f"speaks of {count} pictures"):
        request_fields(document)


@pytest.mark.parametrize("entry", ["text", 7, [], {"prompt": "a fox"}])
def test_an_entry_that_is_none_is_left_to_the_check_of_requests(entry: Any) -> None:
    document = {"schema": 1, "entry": entry or 0.5}
    assert request_fields(document) == document
