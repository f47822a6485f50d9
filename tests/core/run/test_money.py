"""What a run may cost: the estimate, the bound, and the account of what was spent."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.money import Budget, Estimate, count_of, money, parse_bound
from zimage_cli.core.run.tally import Tally
from zimage_cli.errors import UsageError

PRICE = Decimal("0.10")


def cny(amount: str) -> Price:
    return Price(Decimal(amount), "CNY")


def usd(amount: str) -> Price:
    return Price(Decimal(amount), "USD")


@pytest.mark.parametrize(
    ("cost", "much"),
    [
        (cny("1"), False),
        (cny("1.10"), True),
        (usd("0.15"), False),
        (usd("0.165"), True),
        (None, False),
    ],
)
def test_a_person_is_asked_before_much_is_spent(cost: Price | None, much: bool) -> None:
    assert Estimate(10, cost).is_much is much


def test_a_bound_refuses_what_is_over_it_and_what_nobody_knows() -> None:
    Estimate(5, cny("0.50")).refuse_over(Decimal("0.50"), "host")
    Estimate(5, None).refuse_over(None, "host")
    Estimate(5, None, free=True).refuse_over(Decimal(0), "host")
    with pytest.raises(UsageError) as caught:
        Estimate(1, cny("0.10")).refuse_over(Decimal("0.05"), "host")
    said = "1 picture at CNY 0.10 would go over --max-cost 0.05. Nothing was sent."
    assert caught.value.message == said
    assert caught.value.facts["field"] == "max_cost"
    with pytest.raises(UsageError, match=r"no list price is known at example\.org"):
        Estimate(6, None).refuse_over(Decimal(9), "example.org")
    with pytest.raises(UsageError, match="a base_url of the file"):
        Estimate(6, cny("0.60"), unpriced=1).refuse_over(Decimal(9), "host")


@pytest.mark.parametrize(("text", "amount"), [("50", "50"), (" 0.5 ", "0.5"), ("0", "0")])
def test_a_bound_is_an_amount(text: str, amount: str) -> None:
    assert parse_bound(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e400", "5 CNY", "1,5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_bound(text)
    assert (caught.value.facts["field"], caught.value.facts["value"]) == ("max_cost", text)


def test_no_bound_is_none() -> None:
    assert parse_bound(None) is None


def test_amounts_are_told_to_a_cent_and_further_where_that_is_not_all() -> None:
    told = [money(price) for price in (cny("12.3"), cny("0.10"), usd("0.165"), usd("0.150"), None)]
    assert told == ["CNY 12.30", "CNY 0.10", "USD 0.165", "USD 0.15", "unknown at this host"]
    assert [count_of(number) for number in (0, 1, 1234)] == [
        "0 pictures",
        "1 picture",
        "1,234 pictures",
    ]


def test_what_is_in_flight_counts_as_spent_until_it_is_settled() -> None:
    tally = Tally()
    budget = Budget(tally, Decimal("0.25"))
    assert budget.reserve(PRICE)
    assert budget.reserve(PRICE)
    assert not tally.over_budget
    assert not budget.reserve(PRICE)
    assert (tally.sent, tally.spent, tally.over_budget) == (2, 0, True)
    budget.settle(PRICE, billed=True)
    budget.settle(PRICE, billed=False)
    assert tally.spent == PRICE
    # What was not billed may be spent on another.
    assert budget.reserve(PRICE)


def test_a_try_that_may_be_billed_is_spent_at_once() -> None:
    tally = Tally()
    budget = Budget(tally, Decimal("0.30"))
    assert budget.reserve(PRICE)
    assert budget.spend(PRICE)
    assert budget.spend(PRICE)
    assert not budget.spend(PRICE)
    assert tally.spent == Decimal("0.30")
    assert tally.over_budget


def test_without_a_bound_nothing_is_too_much() -> None:
    tally = Tally()
    budget = Budget(tally, None)
    assert all(budget.reserve(PRICE) for _ in range(1000))
    assert budget.spend(Decimal(10**9))
    assert not tally.over_budget


def test_threads_never_pass_the_bound_together() -> None:
    tally = Tally()
    budget, start = Budget(tally, PRICE * 50), threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(200):
            if budget.reserve(PRICE):
                budget.settle(PRICE, billed=True)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.sent, tally.spent) == (50, PRICE * 50)
