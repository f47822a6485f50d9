from __future__ import annotations

import json
from typing import Any

import pytest

from zimage_cli import errors
from zimage_cli.api.codes import error_for
from zimage_cli.api.endpoint import normalize_base_url, region_name
from zimage_cli.core.advice import TABLE, error_document, error_documents, exit_status, hint_for
from zimage_cli.core.request.request import parse_request
from zimage_cli.errors import RequestInvalid
from zimage_cli.messages import Message

KEY = "sk-0123456789abcdef0123456789abcdef"
SIZES = "See the recommended sizes: zimage sizes"


def documents(source: dict[str, object]) -> list[dict[str, Any]]:
    with pytest.raises(RequestInvalid) as caught:
        parse_request(source)
    found = error_documents(caught.value, prompt="x")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_each_problem_of_a_request_has_its_own_document() -> None:
    found = documents({"size": "5:4", "seed": "12", "prompt_extend": 1, "sedd": 7})
    names = ("field", "value", "allowed", "nearest", "hint")
    assert [tuple(one[name] for name in names) for one in found] == [
        (
            "prompt",
            None,
            "a text that is not blank",
            None,
            "Give a prompt: zimage generate 'A calm lake at dawn'",
        ),
        (
            "size",
            "5:4",
            "1:1, 2:3, 3:2, 3:4, 4:3, 7:9, 9:7, 9:16, 9:21, 16:9, 21:9, or W*H",
            "1152*896",
            SIZES,
        ),
        ("seed", "12", "a whole number, 0 to 2147483647", 12, None),
        ("prompt_extend", 1, "true or false", None, None),
        ("sedd", 7, "prompt, size, seed, prompt_extend, base_url", "seed", None),
    ]
    for one in found:
        missing = one["field"] == "prompt"
        assert one["message"].startswith("No prompt." if missing else f"{one['field']}: ")
        assert (one["type"], one["billed"], one["prompt"]) == ("usage", "no", "x")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("seed", -1, -1),
        ("seed", 1.5, 1.5),
        ("seed", float("inf"), "Infinity"),
        ("seed", 10**100, "an integer of too many digits"),
        ("seed", None, None),
        ("seed", [1], "an array"),
        ("size", "a\x1b[1m", "a\x1b[1m"),
        ("size", KEY, "sk-…cdef"),
        ("base_url", f"https://u:{KEY}@h.example", "https://u:…@h.example"),
    ],
)
def test_a_value_is_told_as_json_holds_it_and_without_a_key(
    field: str, value: object, told: object
) -> None:
    (found,) = documents({"prompt": "x", field: value})
    assert (found["field"], found["value"]) == (field, told)
    assert KEY not in json.dumps(found)


def test_a_request_with_one_problem_has_its_facts() -> None:
    with pytest.raises(RequestInvalid) as caught:
        parse_request({"prompt": "x", "seed": -1})
    assert caught.value.facts["nearest"] == "0"
    assert error_document(caught.value)["nearest"] == 0


def test_an_error_that_is_no_request_has_one_document() -> None:
    with pytest.raises(errors.UsageError) as caught:
        region_name(f"x {KEY}")
    (found,) = error_documents(caught.value)
    assert found["field"] == "region"
    assert found["value"] == "x sk-…cdef"
    assert found["allowed"] == "beijing (cn-beijing), singapore (ap-southeast-1), sandbox"
    assert KEY not in json.dumps(found)
    with pytest.raises(errors.UsageError) as caught:
        normalize_base_url("ftp://h")
    assert error_document(caught.value)["field"] == "base_url"


@pytest.mark.parametrize(
    ("code", "words", "message", "hint"),
    [
        (
            "DataInspectionFailed",
            "Input data may contain inappropriate content.",
            "Content moderation refused the prompt.",
            "Word the prompt differently: another seed does not help.",
        ),
        (
            "data_inspection_failed",
            "Output data may contain inappropriate content.",
            "Content moderation refused the picture.",
            "Try another --seed, or word the prompt differently.",
        ),
        (
            "DataInspectionFailed",
            "Input or output data may contain inappropriate content.",
            "Content moderation refused the prompt or the picture.",
            "Word the prompt differently. Another --seed helps only where the picture was refused.",
        ),
        (
            "IPInfringementSuspect",
            "Input data is suspected of being involved in IP infringement.",
            "The service suspects an infringement of intellectual property.",
            "Word the prompt differently, without names of works, brands or people.",
        ),
    ],
)
def test_a_refused_picture_costs_nothing_and_a_seed_is_advised_where_it_can_help(
    code: str, words: str, message: str, hint: str
) -> None:
    body = json.dumps({"code": code, "message": words, "request_id": "r"}).encode()
    found = error_document(error_for(400, body, {}))
    assert found["message"] == f"{message} It was not billed. The service said: {words}"
    assert (found["billed"], found["hint"]) == ("no", hint)


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [
        ("60", TABLE[errors.ThrottledError].hint),
        ("61", "Try again in 2 minutes: so long the service asks to wait."),
        ("3600", "Try again in 60 minutes: so long the service asks to wait."),
        ("9" * 400, TABLE[errors.ThrottledError].hint),
    ],
)
def test_a_wait_that_the_service_asks_for_is_told(seconds: str, hint: str) -> None:
    body = b'{"code": "Throttling", "message": "Slow down."}'
    assert hint_for(error_for(429, body, {"retry-after": seconds})) == hint


def test_the_table_has_a_row_for_every_cause() -> None:
    causes = [one for one in vars(errors).values() if isinstance(one, type)]
    kinds = [one for one in causes if issubclass(one, errors.ZimageError)]
    for kind in kinds:
        # A RequestInvalid is a UsageError that is made of others.
        if kind not in {errors.ZimageError, errors.RequestInvalid}:
            assert 2 <= exit_status(kind("x")) <= 9
    assert hint_for(errors.ServiceError("x")) == TABLE[errors.ServiceError].hint
    maybe = errors.ServiceError("x", billed=errors.Billed.MAYBE)
    assert hint_for(maybe) == (
        "It is in zimage history as lost. Run the command again to pay for another try."
    )
    assert hint_for(maybe.but(hint=Message("Look at {id}.", id=1))) == "Look at 1."
