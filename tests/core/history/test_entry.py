"""What an entry of the history is again: a picture, a price, an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from zimage_cli import errors
from zimage_cli.core.advice import exit_status
from zimage_cli.core.history.entry import Entry
from zimage_cli.core.history.history import History
from zimage_cli.core.request.prices import Price
from zimage_cli.errors import ServiceError, ZimageError


@pytest.fixture
def book(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.db")
    yield history
    history.close()


def entry(book: History, **columns: Any) -> Entry:
    number = book.begin(
        **{
            "status": "failed",
            "prompt": "a kite",
            "size": "512*512",
            "seed": 5,
            "prompt_extend": False,
            "region": "beijing",
            "endpoint": "https://host",
            **columns,
        }
    )
    found = book.entry(number)
    assert found is not None
    return found


def test_the_picture_of_an_entry_is_the_one_that_was_made(studio: Any) -> None:
    one = studio(region="beijing")
    made = one.make(prompt_extend=True)
    again = one.entry.picture
    assert again.path == made.path
    assert again.cost == made.cost == Price(Decimal("0.20"), "CNY")
    # The history keeps no signature.
    unsigned = made.image_url.partition("?")[0]
    assert again.document == {**made.document, "image_url": unsigned}


@pytest.mark.parametrize("path", [None, "-"])
def test_a_picture_that_has_no_file_has_no_path(path: str | None, book: History) -> None:
    assert entry(book, path=path).picture.path is None


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        ("0.10", "CNY", Price(Decimal("0.10"), "CNY")),
        (None, None, None),
        ("0.10", None, None),
        ("0.10", "", None),
        ("ten", "CNY", None),
        ("NaN", "CNY", None),
        ("1e999999999", "CNY", None),
        ("", "CNY", None),
    ],
)
def test_a_price_is_one_or_none(
    amount: str | None, currency: str | None, price: Price | None, book: History
) -> None:
    assert entry(book, cost_amount=amount, cost_currency=currency).price == price


KINDS = {
    cls.kind: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, ZimageError) and "kind" in vars(cls)
}
KINDS.pop(ZimageError.kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_error_is_of_the_type_that_it_was(kind: str, book: History) -> None:
    said = {
        "type": kind,
        "code": "SomeCode",
        # A brace of the service's is no placeholder.
        "message": "It said {so}.",
        "http_status": 400,
        "request_id": "r-1",
    }
    failure = entry(book, error=json.dumps(said)).failure
    assert type(failure) is KINDS[kind]
    assert failure.message == "It said {so}."
    assert (failure.code, failure.http_status, failure.request_id) == ("SomeCode", 400, "r-1")
    assert exit_status(failure) == exit_status(KINDS[kind]("Other."))


@pytest.mark.parametrize(
    "error",
    [
        None,
        "",
        "[]",
        "{",
        '{"type": ["x"], "http_status": "400", "message": 7}',
        '{"type": "error"}',
    ],
)
def test_what_the_history_does_not_say_is_still_an_error(error: str | None, book: History) -> None:
    failure = entry(book, error=error).failure
    assert type(failure) is ServiceError
    assert failure.message
    assert failure.http_status is None
    assert exit_status(failure) == exit_status(ServiceError("Other."))
