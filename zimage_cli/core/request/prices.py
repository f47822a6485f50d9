"""What a picture costs.

List prices a picture: Alibaba Cloud Model Studio's price list, October 2026. A region bills in its
own currency; `prompt_extend` doubles the price; failed calls are free.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from zimage_cli.messages import Message


class Price(NamedTuple):
    """An amount of money in an ISO 4217 currency."""

    amount: Decimal
    currency: str

    def __mul__(self, count: int) -> Price:  # type: ignore[override]
        """Return the price of `count` such pictures."""
        return Price(self.amount * count, self.currency)


_LIST = {
    ("beijing", False): Price(Decimal("0.10"), "CNY"),
    ("beijing", True): Price(Decimal("0.20"), "CNY"),
    ("singapore", False): Price(Decimal("0.015"), "USD"),
    ("singapore", True): Price(Decimal("0.03"), "USD"),
}


def list_price(region_name: str, prompt_extend: bool) -> Price | None:
    """Return the list price of one picture, or None for the sandbox and for unknown hosts.

    Beijing: CNY 0.10, with `prompt_extend` 0.20. Singapore: USD 0.015 and 0.03. Source: the
    module's. Free quotas and discounts of an account are not known here.
    """
    return _LIST.get((region_name, prompt_extend))


def format_price(price: Price | None) -> Message:
    """Return a price as `CNY 0.10`, or what stands where none is known."""
    return amount_of(price, f"{price.amount}") if price else Message("no list price")


def amount_of(price: Price, amount: str) -> Message:
    """Return an amount in the currency of a price, in words."""
    if price.currency == "CNY":
        return Message("CNY {amount}", amount=amount)
    if price.currency == "USD":
        return Message("USD {amount}", amount=amount)
    return Message("{currency} {amount}", currency=price.currency, amount=amount)


def cost(price: Price | None) -> dict[str, str | None]:
    """Return a price as JSON has it: the amount a decimal string, both null where none is known."""
    return {
        "amount": str(price.amount) if price else None,
        "currency": price.currency if price else None,
    }
