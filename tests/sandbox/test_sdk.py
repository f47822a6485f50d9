"""The official Python package works against the sandbox unchanged."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

if importlib.util.find_spec("dashscope") is None:
    pytest.skip("dashscope is not installed", allow_module_level=True)

# In a process of its own: it keeps sessions open and its settings are global.
SCRIPT = """
import json, sys
import dashscope
from dashscope import Models, MultiModalConversation
from dashscope.aigc.image_generation import ImageGeneration
from dashscope.api_entities.dashscope_response import Message

dashscope.base_http_api_url = sys.argv[1]
dashscope.api_key = sys.argv[2]
messages = [{"role": "user", "content": [{"text": "山水画 a fox"}]}]
found = {}

def keep(name, reply):
    found[name] = {"status": reply.status_code, "code": reply.code, "output": reply.output,
                   "usage": reply.usage, "request_id": reply.request_id}

keep("conversation", MultiModalConversation.call(
    "z-image-turbo", messages=messages, size="512*512", seed=7, prompt_extend=True))
keep("image", ImageGeneration.call(
    "z-image-turbo", messages=messages, size="512*640", prompt_extend=False))
keep("typed", ImageGeneration.call(
    "z-image-turbo", messages=[Message(role="user", content=[{"text": "x"}])], workspace="ws-1"))
keep("models", Models.get("z-image-turbo"))
keep("unknown", Models.get("qwen-image"))
keep("refused", MultiModalConversation.call("z-image-turbo", messages=messages, size="1*1"))
keep("throttled", MultiModalConversation.call("z-image-turbo", messages=messages))
keep("key", ImageGeneration.call("z-image-turbo", messages=messages, api_key="sk-sp-1"))
print(json.dumps(found))
"""


def test_official_package(sandbox, client):
    server = sandbox()
    server.script("ok", "ok", "ok", "ok", "Throttling.RateQuota")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, server.api_root, client.key],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    statuses = {name: (one["status"], one["code"]) for name, one in found.items()}
    assert {name: status for name, (status, _) in statuses.items()} == {
        "conversation": 200,
        "image": 200,
        "typed": 200,
        "models": 200,
        "unknown": 404,
        "refused": 400,
        "throttled": 429,
        "key": 401,
    }
    assert statuses["refused"][1] == "InvalidParameter"
    assert statuses["throttled"][1] == "Throttling.RateQuota"
    assert statuses["key"][1] == "InvalidApiKey"
    message = found["conversation"]["output"]["choices"][0]["message"]
    assert message["content"][1]["text"].startswith("山水画 a fox")
    assert message["reasoning_content"]
    assert found["conversation"]["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert found["models"]["output"]["model"] == "z-image-turbo"
    image = found["image"]["output"]["choices"][0]["message"]["content"]
    assert image[1]["text"] == "山水画 a fox"
    assert client.get(image[0]["image"]).body.startswith(b"\x89PNG")
    assert [(one.size, one.prompt_extend) for one in server.books.billed] == [
        ("512*512", True),
        ("512*640", False),
        ("1024*1536", False),
    ]
    assert server.books.billed[0].seed == 7
