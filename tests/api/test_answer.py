from __future__ import annotations

import json
import math
from typing import Any

import pytest

from zimage_cli.api.answer import models_visible, parse_answer, whole_text
from zimage_cli.errors import ServiceError

URL = "https://bucket.oss.example/a.png?Expires=1&Signature=x%2Fy"


def answer_body(
    *,
    content: Any = None,
    reasoning: Any = "",
    usage: Any = None,
    **top: Any,
) -> bytes:
    message = {
        "role": "assistant",
        "content": [{"image": URL}, {"text": "a fox"}] if content is None else content,
        "reasoning_content": reasoning,
    }
    body = {
        "output": {"choices": [{"finish_reason": "stop", "message": message}]},
        "usage": {"width": 1024, "height": 768, "image_count": 1} if usage is None else usage,
        "request_id": "r-1",
        **top,
    }
    return json.dumps(body).encode()


def test_the_documented_answer() -> None:
    answer = parse_answer(answer_body())
    assert answer.image_url == URL
    assert (answer.width, answer.height, answer.request_id) == (1024, 768, "r-1")
    assert (answer.text, answer.reasoning) == ("a fox", None)
    assert answer.usage == {"width": 1024, "height": 768, "image_count": 1}
    assert answer.rewritten_prompt(prompt_extend=True) == "a fox"
    assert answer.rewritten_prompt(prompt_extend=False) is None


def test_the_reasoning_is_read_in_both_places() -> None:
    assert parse_answer(answer_body(reasoning="why")).reasoning == "why"
    older = [{"image": URL}, {"text": "t"}, {"reasoning_content": "why so"}]
    assert parse_answer(answer_body(content=older)).reasoning == "why so"
    assert parse_answer(answer_body(content=older, reasoning="why")).reasoning == "why"


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_items_of_content_come_in_any_order(order: list[int]) -> None:
    items = [{"image": URL}, {"text": "t"}]
    answer = parse_answer(answer_body(content=[items[i] for i in order]))
    assert (answer.image_url, answer.text) == (URL, "t")


def test_odd_items_beside_the_picture_do_no_harm() -> None:
    content = [None, 7, "x", [], {"image": None}, {"image": ""}, {"image": 5}, {"image": URL}]
    assert parse_answer(answer_body(content=content)).image_url == URL


@pytest.mark.parametrize(
    ("usage", "size"),
    [
        ({}, (None, None)),
        ({"width": 512}, (512, None)),
        ({"width": "512", "height": 5.0}, (None, None)),
        ({"width": True, "height": False}, (None, None)),
        ({"width": 0, "height": -5}, (None, None)),
        ({"width": 10**300, "height": 2**63}, (None, None)),
        ([], (None, None)),
        ("x", (None, None)),
        (7, (None, None)),
    ],
)
def test_usage_may_say_anything(usage: Any, size: tuple[int | None, int | None]) -> None:
    answer = parse_answer(answer_body(usage=usage))
    assert (answer.width, answer.height) == size
    assert answer.image_url == URL


@pytest.mark.parametrize(
    "odd",
    [
        "1e999",
        "NaN",
        "-Infinity",
        "9" * 4000,
        "[" * 800 + "]" * 800,
        '{"a":' * 800 + "1" + "}" * 800,
        '"' + "x" * 1_000_000 + '"',
    ],
    ids=["inf", "nan", "minus-inf", "huge", "deep-list", "deep-object", "long"],
)
def test_what_is_kept_of_usage_can_always_be_written_down(odd: str) -> None:
    body = answer_body(usage={"width": 512, "odd": "@"}).replace(b'"@"', odd.encode())
    answer = parse_answer(body)
    assert (answer.image_url, answer.width) == (URL, 512)
    assert answer.usage["width"] == 512
    text = json.dumps(answer.usage, indent=2, allow_nan=False)
    assert json.loads(text) == answer.usage
    assert len(text) < 20_000


def test_the_details_of_usage_are_kept() -> None:
    usage = {"width": 5, "output_tokens_details": {"reasoning_tokens": 41}, "ratio": 0.5, "x": None}
    assert parse_answer(answer_body(usage=usage)).usage == usage
    assert math.isfinite(parse_answer(answer_body(usage=usage)).usage["ratio"])


def test_half_a_surrogate_pair_becomes_text_that_files_can_hold() -> None:
    body = answer_body(reasoning="@", request_id="@").replace(b"@", b"a\\ud800b")
    answer = parse_answer(body)
    assert answer.reasoning == "a?b"
    assert answer.request_id == "a?b"
    assert whole_text("\ud83c\udfa8 狐") == "?? 狐"
    assert whole_text("🎨 狐") == "🎨 狐"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "nothing"),
        (b" \r\n", "nothing"),
        (b"<html>", "not JSON"),
        (b'{"output": ', "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"null", "no choices"),
        (b'["output"]', "no choices"),
        (b"{}", "no choices"),
        (b'{"output": null}', "no choices"),
        (b'{"output": {"choices": {}}}', "no choices"),
        (b'{"output": {"choices": []}}', "no choices"),
        (b'{"output": {"choices": [null]}}', "no picture"),
        (b'{"output": {"choices": [{"message": {"content": "x"}}]}}', "no picture"),
        (b'{"output": {"choices": [{"message": {"content": [{"text": "x"}]}}]}}', "no picture"),
    ],
)
def test_success_without_a_picture_may_have_been_billed(body: bytes, says: str) -> None:
    with pytest.raises(ServiceError, match=says) as caught:
        parse_answer(body)
    assert caught.value.maybe_billed
    assert caught.value.http_status == 200
    assert "may have been made and billed" in caught.value.message


def test_the_request_id_of_an_answer_without_a_picture_is_kept() -> None:
    with pytest.raises(ServiceError) as caught:
        parse_answer(b'{"request_id": "r-9", "output": {}}')
    assert caught.value.request_id == "r-9"


@pytest.mark.parametrize(
    ("models", "visible"),
    [
        ([{"model": "z-image-turbo"}], True),
        ([{"model": "other"}, {"model": "z-image-turbo", "name": "x"}], True),
        ([], False),
        ([{"model": "z-image"}, None, 7], False),
    ],
)
def test_models_visible(models: list[Any], visible: bool) -> None:
    body = json.dumps({"output": {"models": models, "total": len(models)}}).encode()
    assert models_visible(body) is visible


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"output": {"models": {}}}', b"[" * 9999]
)
def test_models_that_are_no_list(body: bytes) -> None:
    with pytest.raises(ServiceError):
        models_visible(body)
