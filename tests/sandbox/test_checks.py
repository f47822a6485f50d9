"""A request that the reference does not describe is refused as the service refuses it."""

from __future__ import annotations

import json

import pytest

MESSAGE = {"role": "user", "content": [{"text": "a red fox"}]}
SK = "sk-0123456789abcdef"


def call(**changes):
    whole = {"model": "z-image-turbo", "input": {"messages": [MESSAGE]}, "parameters": {}}
    whole |= changes
    return {name: value for name, value in whole.items() if value is not ...}


def messages(*found):
    return call(input={"messages": list(found)})


def content(*found):
    return messages({"role": "user", "content": list(found)})


def parameters(**found):
    return call(parameters=found)


BAD_BODIES = {
    "no JSON": b"{",
    "empty": b"",
    "not UTF-8": b'{"model": "\xff"}',
    "deep": b"[" * 100_000,
    "a list": [],
    "no model": call(model=...),
    "model of another type": call(model=1),
    "no input": call(input=...),
    "unknown field": call(extra=1),
    "input is a list": call(input=[]),
    "unknown field of input": call(input={"messages": [MESSAGE], "prompt": "x"}),
    "prompt beside messages": call(input={"prompt": "x"}),
    "no message": messages(),
    "two messages": messages(MESSAGE, MESSAGE),
    "messages no list": call(input={"messages": MESSAGE}),
    "system role": messages({"role": "system", "content": [{"text": "x"}]}),
    "no role": messages({"content": [{"text": "x"}]}),
    "unknown field of message": messages({**MESSAGE, "name": "x"}),
    "content is a string": messages({"role": "user", "content": "x"}),
    "no content": content(),
    "two texts": content({"text": "x"}, {"text": "y"}),
    "an image": content({"image": "https://example.invalid/x.png"}),
    "an image beside": content({"text": "x", "image": "y"}),
    "text is a number": content({"text": 1}),
    "blank text": content({"text": " \n\t"}),
    "lone surrogate": content({"text": "a\ud800b"}),
    "parameters is a list": call(parameters=[]),
    "parameters is null": call(parameters=None),
    "n": parameters(n=1),
    "negative prompt": parameters(negative_prompt=""),
    "watermark": parameters(watermark=False),
    "size with x": parameters(size="1024x1024"),
    "size with blanks": parameters(size="1024 * 1024"),
    "size is a ratio": parameters(size="16:9"),
    "size is a number": parameters(size=1024),
    "size is null": parameters(size=None),
    "size with a leading zero": parameters(size="01024*1024"),
    "size with other digits": parameters(size="１０２４*1024"),
    "size with a newline": parameters(size="1024*1024\n"),
    "size is a bit small": parameters(size="511*512"),
    "size is a bit large": parameters(size="2048*2049"),
    "size is negative": parameters(size="-1024*-1024"),
    "seed is negative": parameters(seed=-1),
    "seed is too large": parameters(seed=2**31),
    "seed is a string": parameters(seed="12"),
    "seed is true": parameters(seed=True),
    "seed is a float": parameters(seed=1.0),
    "seed is not a number": b'{"model": "z-image-turbo", "input": {"messages": [{"role": "user", '
    b'"content": [{"text": "x"}]}]}, "parameters": {"seed": NaN}}',
    "seed is null": parameters(seed=None),
    "prompt_extend is a number": parameters(prompt_extend=1),
    "prompt_extend is a string": parameters(prompt_extend="true"),
    "prompt_extend is null": parameters(prompt_extend=None),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_body(sandbox, client, name):
    server = sandbox()
    reply = client.post(server, body=BAD_BODIES[name])
    assert (reply.status, reply.code) == (400, "InvalidParameter")
    assert set(reply.json) == {"code", "message", "request_id"}
    assert reply.json["message"]
    assert server.books.billed == []
    assert server.books.posts[0].code == "InvalidParameter"


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"size": "512*512"},
        {"size": "2048*2048"},
        {"size": "16*16384"},
        {"seed": 0},
        {"seed": 2**31 - 1},
        {"prompt_extend": False},
        {"size": "1280*720", "seed": 5, "prompt_extend": True},
    ],
)
def test_good_parameters(sandbox, client, found):
    server = sandbox()
    reply = client.post(server, **found)
    assert reply.status == 200
    width, height = map(int, found.get("size", "1024*1536").split("*"))
    assert (reply.json["usage"]["width"], reply.json["usage"]["height"]) == (width, height)
    (billed,) = server.books.billed
    assert billed.size == f"{width}*{height}"
    assert billed.seed_given is ("seed" in found)
    assert billed.seed == found.get("seed", billed.seed)
    assert 0 <= billed.seed < 2**31


def test_parameters_may_be_missing(sandbox, client):
    assert client.post(sandbox(), body=call(parameters=...)).status == 200


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (SK, 200),
        ("st-0123456789abcdef", 200),
        ("sk-sp-0123456789abcdef", 401),
        ("0123456789abcdef", 401),
        ("sk-", 401),
        ("sk-a b", 401),
        ("SK-0123456789", 401),
        ("$DASHSCOPE_API_KEY", 401),
        (None, 401),
    ],
)
def test_keys(sandbox, client, key, status):
    server = sandbox()
    reply = client.post(server, key=key)
    assert reply.status == status
    assert (
        client.get(
            f"{server.api_root}/models", {"Authorization": f"Bearer {key}"} if key else {}
        ).status
        == status
    )
    if status == 401:
        assert reply.code == "InvalidApiKey"
        assert server.books.billed_count == 0
    assert server.books.posts[0].key == key


@pytest.mark.parametrize("value", [SK, f"Basic {SK}", f"Token {SK}", "Bearer", "Bearer "])
def test_authorization_must_be_a_bearer(sandbox, client, value):
    reply = client.post(sandbox(), key=None, headers={"Authorization": value})
    assert (reply.status, reply.code) == (401, "InvalidApiKey")


def test_a_key_belongs_to_one_region(sandbox, client):
    beijing = sandbox(region="beijing", keys=frozenset({"sk-beijing"}))
    singapore = sandbox(region="singapore", keys=frozenset({"sk-singapore"}))
    assert client.post(beijing, key="sk-beijing").status == 200
    assert client.post(singapore, key="sk-singapore").status == 200
    reply = client.post(singapore, key="sk-beijing")
    assert (reply.status, reply.code) == (401, "InvalidApiKey")


def test_a_key_without_right_to_the_model(sandbox, client):
    server = sandbox(denied_keys=frozenset({SK}))
    reply = client.post(server, key=SK)
    assert (reply.status, reply.code) == (403, "AccessDenied")
    reply = client.get(f"{server.api_root}/models", {"Authorization": f"Bearer {SK}"})
    assert reply.json["output"]["models"] == []
    assert reply.json["output"]["total"] == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-DashScope-Async": "enable"}, 403, "AccessDenied"),
        ({"X-DashScope-Async": "disable"}, 200, None),
        ({"X-DashScope-SSE": "enable"}, 400, "InvalidParameter"),
        ({"X-DashScope-WorkSpace": "ws-1"}, 200, None),
        ({"Content-Type": "application/json; charset=utf-8"}, 200, None),
        ({"Content-Type": "APPLICATION/JSON"}, 200, None),
        ({"Content-Type": "text/plain"}, 400, "InvalidParameter"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 400, "InvalidParameter"),
        ({"Content-Type": ""}, 400, "InvalidParameter"),
    ],
)
def test_headers(sandbox, client, headers, status, code):
    reply = client.post(sandbox(), headers=headers)
    assert reply.status == status
    assert reply.json.get("code") == code


@pytest.mark.parametrize("model", ["z-image", "Z-Image-Turbo", "qwen-image", "z-image-turbo "])
def test_other_models_are_not_found(sandbox, client, model):
    reply = client.post(sandbox(), body=call(model=model))
    assert (reply.status, reply.code) == (404, "ModelNotFound")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/services/aigc/multimodal-generation/generation", 405),
        ("POST", "/api/v1/models", 405),
        ("POST", "/api/v1/services/aigc/text2image/image-synthesis", 404),
        ("POST", "/services/aigc/multimodal-generation/generation", 404),
        ("POST", "/api/v1/services/aigc/multimodal-generation/generation/", 404),
        ("GET", "/", 404),
    ],
)
def test_paths_and_methods(sandbox, client, method, path, status):
    server = sandbox()
    body = json.dumps(call()).encode() if method == "POST" else None
    headers = {"Authorization": f"Bearer {SK}", "Content-Type": "application/json"}
    reply = client.request(method, server.origin + path, body, headers)
    assert reply.status == status
    assert ("allow" in reply.headers) is (status == 405)
    assert server.books.billed == []


def test_text_over_800_characters_is_cut_without_a_word(sandbox, client):
    server = sandbox()
    prompt = "龙" * 700 + "x" * 300
    reply = client.post(server, prompt)
    assert reply.message["content"][1] == {"text": prompt[:800]}
    assert server.books.billed[0].prompt == prompt[:800]


def test_the_documented_answer(sandbox, client):
    server = sandbox()
    reply = client.post(server, "山水画", size="1024*1024")
    assert reply.headers["content-type"] == "application/json"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.json == {
        "output": {
            "choices": [
                {
                    "finish_reason": "stop",
                    "message": {
                        "role": "assistant",
                        "content": [{"image": reply.url}, {"text": "山水画"}],
                        "reasoning_content": "",
                    },
                }
            ]
        },
        "usage": {
            "width": 1024,
            "height": 1024,
            "image_count": 1,
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
        },
        "request_id": server.books.billed[0].request_id,
    }


@pytest.mark.parametrize("prompt", ["a red fox", "山水画"])
def test_prompt_extend_rewrites_and_reasons(sandbox, client, prompt):
    server = sandbox()
    reply = client.post(server, prompt, prompt_extend=True)
    text = reply.message["content"][1]["text"]
    assert prompt in text
    assert text != prompt
    assert prompt in reply.message["reasoning_content"]
    usage = reply.json["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert 0 < usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]
    again = client.post(server, prompt, prompt_extend=True)
    assert again.message["content"][1]["text"] == text
    assert server.books.billed[0].prompt == prompt
    assert server.books.billed[0].prompt_extend is True


@pytest.mark.parametrize(
    ("query", "seen", "total"),
    [
        ("?model=z-image-turbo&page_no=1&page_size=1", 1, 1),
        ("?page_no=1&page_size=10", 1, 1),
        ("?model=z-image-turbo&page_no=2&page_size=1", 0, 1),
        ("?model=qwen-image&page_no=1&page_size=1", 0, 0),
        ("", 1, 1),
    ],
)
def test_list_of_models(sandbox, client, query, seen, total):
    server = sandbox()
    reply = client.get(f"{server.api_root}/models{query}", {"Authorization": f"Bearer {SK}"})
    assert reply.status == 200
    assert [model["model"] for model in reply.json["output"]["models"]] == ["z-image-turbo"] * seen
    assert reply.json["output"]["total"] == total
    assert reply.json["request_id"]
    assert (server.books.post_count, len(server.books.gets)) == (0, 1)
