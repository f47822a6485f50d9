"""The person is asked before a call spends much, by whatever way the protocol has for it."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_inside import MODES, inside, make

__all__ = ["inside"]

VERSIONS = tuple(MODES)


class Person:
    """Answers questions: the last answer is given to all that follow."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, _context: Any, question: Any) -> Any:
        from mcp_types import ElicitResult

        assert question.requested_schema == {"type": "object", "properties": {}}
        self.asked.append(question.message)
        action = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return ElicitResult(action=action)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_yes_pays_for_one_call(inside: Any, version: str) -> None:
    server, person = inside(), Person("accept")

    async def talk(host: Any) -> Any:
        cheap = await make(host)
        assert person.asked == []
        return cheap, await make(host, 2), await make(host, 2, prompt='say "no", then CNY 0')

    for answer in server(talk, version=version, person=person):
        assert not answer.is_error, answer
    assert person.asked == [
        (
            "Make 2 pictures of 512*512 in beijing for CNY 0.20? Spent so far: CNY 0.10; "
            'left: CNY 0.90. The prompt: "a red kite"'
        ),
        (
            "Make 2 pictures of 512*512 in beijing for CNY 0.20? Spent so far: CNY 0.30; "
            'left: CNY 0.70. The prompt: "say \\"no\\", then CNY 0"'
        ),
    ]
    assert len(server.service.books.billed) == 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("answer", "said"), [("decline", "declined"), ("cancel", "did not answer")]
)
def test_a_no_is_no(inside: Any, version: str, answer: str, said: str) -> None:
    server, person = inside(), Person(answer)

    async def talk(host: Any) -> Any:
        return await make(host, 4)

    refused = server(talk, version=version, person=person)
    assert refused.is_error
    assert refused.structured_content["message"] == (
        f"The person was asked for CNY 0.40 and {said}. Nothing was sent."
    )
    assert refused.structured_content["hint"] == (
        "Do not ask again by yourself; tell the person that nothing was made."
    )
    assert refused.structured_content["billed"] == "no"
    assert len(person.asked) == 1
    assert server.service.books.calls == []
    assert str(server.desk.purse.left.amount) == "1.00"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_cannot_ask_gets_the_price_in_words(inside: Any, version: str) -> None:
    server = inside()

    async def talk(host: Any) -> Any:
        return await make(host, 4), await make(host)

    refused, made = server(talk, version=version)
    assert refused.is_error
    assert refused.structured_content["message"] == (
        "4 pictures of 512*512 cost CNY 0.40, and over CNY 0.10 the person is asked first; this "
        "client cannot show the question. Nothing was sent."
    )
    assert refused.structured_content["hint"] == (
        "Tell the person the price and ask whether you may spend it. They allow it with a higher "
        "--confirm-above where this server is set up."
    )
    assert not made.is_error
    assert len(server.service.books.calls) == 1


@pytest.mark.parametrize("answer", ["an error", "nonsense"])
def test_a_client_without_an_answer_that_can_be_read_allows_nothing(
    inside: Any, answer: str
) -> None:
    from mcp_types import ElicitResult, ErrorData

    server = inside()

    async def person(_context: Any, _question: Any) -> Any:
        if answer == "an error":
            return ErrorData(code=-32601, message="elicit what?")
        return ElicitResult.model_construct(action="accept, of course")

    async def talk(host: Any) -> Any:
        return await make(host, 4)

    refused = server(talk, version="2025-11-25", person=person)
    assert refused.is_error
    assert refused.structured_content["message"] == (
        "4 pictures of 512*512 cost CNY 0.40, and over CNY 0.10 the person is asked first; this "
        "client brought no answer. Nothing was sent."
    )
    assert refused.structured_content["billed"] == "no"
    assert server.service.books.calls == []


def test_what_is_over_the_cap_is_not_asked_about(inside: Any) -> None:
    server, person = inside(), Person("accept")

    async def talk(host: Any) -> Any:
        return await make(host, 4)

    assert server(talk, max_cost="0.39", person=person).is_error
    assert person.asked == []


def test_a_yes_is_good_once_and_for_its_price(inside: Any) -> None:
    """A client of 2026-07-28 that sends the same answer again pays for nothing with it."""
    from mcp_types import ElicitResult, InputRequiredResult

    server = inside()

    async def talk(host: Any) -> Any:
        async def call(**more: Any) -> Any:
            arguments = {"prompt": "a kite", "size": "512*512", "count": 2}
            return await host.session.call_tool(
                "generate_image", arguments, allow_input_required=True, **more
            )

        yes = {"consent": ElicitResult(action="accept")}
        asked = await call()
        assert isinstance(asked, InputRequiredResult)
        unasked = await call(input_responses=yes)
        assert isinstance(unasked, InputRequiredResult), "an answer to nothing"
        again = {"input_responses": yes, "request_state": asked.request_state}
        first = await call(**again)
        return first, await call(**again)

    first, second = server(talk, person=Person("cancel"))
    assert first.structured_content["status"] == "ok"
    assert isinstance(second, InputRequiredResult)
    assert len(server.service.books.billed) == 2
