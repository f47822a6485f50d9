"""The purse: nothing is spent twice, nothing is held for ever, and nobody gets more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_inside import inside, make

from zimage_cli.core.request.prices import Price
from zimage_cli.core.run.money import Estimate
from zimage_cli.core.settings.resolver import Target
from zimage_cli.errors import BoundReached
from zimage_cli.mcp.money import Purse

BEIJING = Target("beijing", "https://dashscope.aliyuncs.com/api/v1", "shared", None, "beijing")
CUSTOM = Target("custom", "https://pictures.example/api/v1", "custom", None, "beijing")
SANDBOX = Target("sandbox", None, "sandbox", None, None)
__all__ = ["inside"]

ASK = (
    "Do not try again: ask the person. They allow more with --max-cost where this server is set up."
)


def pictures(count: int, each: str = "0.10") -> Estimate:
    return Estimate(count, Price(Decimal(each) * count, "CNY"))


def test_what_is_set_aside_cannot_be_spent_twice() -> None:
    purse = Purse(Decimal("0.30"), BEIJING)
    hold = purse.hold(pictures(2))
    assert purse.document == {
        "spent": {"amount": "0.00", "currency": "CNY"},
        "left": {"amount": "0.10", "currency": "CNY"},
    }
    with pytest.raises(BoundReached) as caught:
        purse.hold(pictures(2))
    assert caught.value.message == (
        "2 pictures at CNY 0.20 would go over what is left: CNY 0.10 of --max-cost 0.30. "
        "Nothing was sent."
    )
    assert caught.value.hint == ASK
    hold.settle(Decimal("0.10"))
    hold.settle(Decimal("0.20"))
    assert (purse.spent, purse.left) == (
        Price(Decimal("0.10"), "CNY"),
        Price(Decimal("0.20"), "CNY"),
    )
    purse.check(pictures(2))


def test_without_a_price_nothing_is_promised() -> None:
    with pytest.raises(BoundReached) as caught:
        Purse(Decimal(1), CUSTOM).hold(Estimate(1, None))
    assert caught.value.message == (
        "No list price is known at pictures.example, so that --max-cost 1 cannot be kept. "
        "Nothing was sent."
    )
    with pytest.raises(BoundReached):
        Purse(Decimal(1), BEIJING).hold(pictures(1)._replace(unpriced=1))


def test_the_sandbox_is_free_whatever_the_bound() -> None:
    purse = Purse(Decimal(0), SANDBOX)
    purse.hold(Estimate(10_000, None, free=True)).settle(Decimal(0))
    nothing = {"amount": None, "currency": None}
    assert purse.document == {"spent": nothing, "left": nothing}


def test_a_hundred_threads_get_no_more_than_there_is() -> None:
    purse = Purse(Decimal("1.00"), BEIJING)

    def take(_: int) -> bool:
        try:
            purse.hold(pictures(1))
        except BoundReached:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(take, range(100))) == 10
    assert purse.left == Price(Decimal("0.00"), "CNY")


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.booleans()), max_size=30),
)
def test_spent_and_held_are_never_over_the_bound(calls: list[tuple[int, int, bool]]) -> None:
    bound = Decimal("2.00")
    purse, open_, spent = Purse(bound, BEIJING), [], Decimal(0)
    for count, billed, at_once in calls:
        try:
            hold = purse.hold(pictures(count))
        except BoundReached:
            assert purse.left is not None
            assert purse.left.amount < pictures(count).cost.amount  # type: ignore[union-attr]
            continue
        paid = Decimal("0.10") * min(billed, count)
        spent += paid
        if at_once:
            hold.settle(paid)
        else:
            open_.append((hold, paid))
    for hold, paid in open_:
        hold.settle(paid)
    assert (purse.spent, purse.left) == (Price(spent, "CNY"), Price(bound - spent, "CNY"))
    assert spent <= bound


def test_five_calls_over_the_cap_are_not_in_the_books(inside: Any) -> None:
    server = inside()

    async def talk(host: Any) -> Any:
        return [await make(host, 4) for _ in range(5)]

    answers = server(talk, max_cost="0.39", confirm_above="9")
    assert all(answer.is_error for answer in answers)
    said = answers[4].structured_content
    assert said["message"] == (
        "4 pictures at CNY 0.40 would go over what is left: CNY 0.39 of --max-cost 0.39. "
        "Nothing was sent."
    )
    assert (said["billed"], said["hint"]) == ("no", ASK)
    assert said["left"] == {"amount": "0.39", "currency": "CNY"}
    assert server.service.books.calls == []


def test_what_is_not_billed_does_not_count_and_what_is_lost_does(inside: Any) -> None:
    server = inside()
    server.service.script("DataInspectionFailed", "reset", "ok")

    async def talk(host: Any) -> Any:
        return [await make(host) for _ in range(4)]

    refused, lost, made, over = server(talk, max_cost="0.20")
    assert (refused.is_error, lost.is_error, made.is_error, over.is_error) == (1, 1, 0, 1)
    assert [one.structured_content["spent"]["amount"] for one in (refused, lost, made, over)] == [
        "0.00",
        "0.10",
        "0.20",
        "0.20",
    ]
    assert refused.structured_content["repeat"] == (
        "Do not repeat this prompt: word it differently."
    )
    assert lost.structured_content["billed"] == "maybe"
    assert lost.structured_content["repeat"] == (
        "Do not repeat this call: it may be billed already. Ask the person before paying again."
    )
    assert lost.structured_content["errors"][0]["history_id"] == 2
    assert len(server.service.books.calls) == 3


def test_calls_side_by_side_share_one_purse(inside: Any) -> None:
    import anyio

    server = inside()

    async def talk(host: Any) -> list[Any]:
        answers: list[Any] = []

        async def one() -> None:
            answers.append(await make(host))

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(one)
        return answers

    answers = server(talk, max_cost="0.30")
    assert sorted(answer.is_error for answer in answers) == [False, False, False, True]
    assert len(server.service.books.calls) == 3
