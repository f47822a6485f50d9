from __future__ import annotations

from decimal import Decimal

import pytest

from zimage_cli.api.endpoint import CUSTOM, REGION_NAMES, SANDBOX
from zimage_cli.core.request.prices import Price, format_price, list_price


@pytest.mark.parametrize(
    ("region", "prompt_extend", "text"),
    [
        ("beijing", False, "CNY 0.10"),
        ("beijing", True, "CNY 0.20"),
        ("singapore", False, "USD 0.015"),
        ("singapore", True, "USD 0.03"),
    ],
)
def test_the_list_prices(region: str, prompt_extend: bool, text: str) -> None:
    assert format_price(list_price(region, prompt_extend)) == text


@pytest.mark.parametrize("prompt_extend", [False, True])
def test_every_region_has_a_price_and_the_others_have_none(prompt_extend: bool) -> None:
    assert all(list_price(name, prompt_extend) for name in REGION_NAMES)
    assert list_price(SANDBOX, prompt_extend) is None
    assert list_price(CUSTOM, prompt_extend) is None
    assert format_price(None) == "no list price"


def test_prices_add_up_exactly() -> None:
    price = list_price("singapore", False)
    assert price is not None
    assert price * 10_000 == Price(Decimal(150), "USD")
    assert str((price * 3).amount) == "0.045"
