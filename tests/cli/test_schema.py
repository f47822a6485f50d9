"""`zimage schema`, and that what zimage prints is what its schemas say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from zimage_cli.core.advice import error_document
from zimage_cli.core.picture import Picture
from zimage_cli.core.request.request import parse_request
from zimage_cli.core.schema import NAMES, TARGETS, schema, tool
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, UsageError
from zimage_cli.text import visible

FAST = ("--size", "512*512", "--retries", "0")
ALL = "request, response, result, batch-line, error"
NOTE = """\
zimage schema NAME prints one. That of a request is 150 kB, for validators; \
for a model: zimage schema request --for mcp
"""
NOT_A_TOOL = """\
error: --for makes a tool of a request, and of nothing else.
  next: zimage schema request --for mcp
"""
LIST = """\
schema\tof
request\twhat generate is asked with: --request, --file, a line of a batch
response\twhat generate --print-response prints for each picture
result\tthe document of generate --json
batch-line\ta line of batch --json and of results.jsonl
error\tan error, as it stands in every document
"""


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# -- the schemas ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_its_examples_are_valid(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert list(found)[:4] == ["$schema", "$id", "title", "description"]
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == f"urn:zimage:schema:{name}:1"
    assert found["examples"]
    for example in found["examples"]:
        Draft202012Validator(found).validate(example)


def test_the_keys_are_those_of_the_code() -> None:
    assert tuple(schema("response")["required"]) == Picture.__slots__[:7]
    assert tuple(schema("result")["$defs"]["picture"]["required"]) == Picture.__slots__
    assert schema("error")["required"] == [*error_document(UsageError("None."))]


@pytest.mark.parametrize("target", TARGETS)
def test_a_tool_takes_what_a_request_takes(target: str) -> None:
    made = tool(target)
    taken = made.get("parameters") or made.get("input_schema") or made["inputSchema"]
    Draft202012Validator.check_schema(taken)
    check = Draft202012Validator(taken)
    # Where a key goes is nothing that a model says.
    assert [*taken["properties"]] == ["prompt", "size", "seed", "prompt_extend"]
    arguments = {"prompt": "kite", "size": "16:9", "seed": 7, "prompt_extend": True}
    check.validate(arguments)
    parse_request(arguments)
    assert not check.is_valid({**arguments, "seed": -1})
    assert not check.is_valid({**arguments, "base_url": "https://h.example"})
    without = {"prompt": "kite", "size": None, "seed": None, "prompt_extend": None}
    assert check.is_valid(without) is (target == "openai")
    assert check.is_valid({"prompt": "kite"}) is (target != "openai")


def test_the_strict_form_is_what_openai_takes() -> None:
    made = tool("openai")
    assert (made["type"], made["name"], made["strict"]) == ("function", "generate_image", True)
    parameters = made["parameters"]
    assert parameters["required"] == [*parameters["properties"]]
    assert parameters["additionalProperties"] is False
    known = {"type", "description", "minimum", "maximum"}
    assert all(one.keys() <= known for one in parameters["properties"].values())


# -- what is printed is what they say -------------------------------------------------------------


def batch_lines(service: Any, work: Path) -> Iterator[dict[str, Any]]:
    """Yield lines of a batch of every kind: printed, in the journal, left alone, at last summed."""
    (work / "kites.txt").write_text("".join(f"kite {number}\n" for number in range(5)))
    options = ("--json", "-j", "1", *FAST)
    service.script("ok", "DataInspectionFailed", "close", "picture-404", "InvalidParameter")
    yield from records(service("batch", "kites.txt", "-o", "out", *options, status=9).stdout)
    journal = work / "out" / "results.jsonl"
    yield from records(journal.read_text("utf-8"))
    # A machine that has the folder and not the history, and what was to be fetched is too old.
    shutil.copytree(work / "out", work / "old")
    lines = records(journal.read_text("utf-8"))
    for line in lines:
        if "answered_at" in line:
            line["answered_at"] = "2020-01-01T00:00:00Z"
    (work / "old" / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    elsewhere = {"ZIMAGE_HOME": str(work / "elsewhere")}
    again = service("batch", "kites.txt", "-o", "old", *options, status=9, env=elsewhere)
    yield from records(again.stdout)
    service.script("picture-404")
    fresh = ("batch", "kites.txt", "-o", "out", "--shard", "2/5", "--fresh", "-n", "2", *options)
    yield from records(service(*fresh, status=(0, 9)).stdout)
    yield from records(journal.read_text("utf-8"))
    yield from records(service("batch", "none.txt", *options, status=2).stdout)


def results(service: Any) -> Iterator[dict[str, Any]]:
    """Yield documents of `generate --json`: good, half, refused, lost, unsaved, wrong, sandbox."""
    generate = ("generate", "kite", "--json", *FAST)
    yield service(*generate, "--prompt-extend").json
    service.script("ok", "DataInspectionFailed")
    yield service(*generate, "-n", "2", status=4).json
    for fault, status in (("close", 6), ("picture-404", 8), ("InvalidApiKey", 3)):
        service.script(fault)
        yield service(*generate, status=status).json
    yield service("generate", " ", "--json", "--size", "1:7", status=2).json
    yield service(*generate, "--sandbox", env={"DASHSCOPE_BASE_URL": None}).json


def refused_when_less(check: Draft202012Validator, document: dict[str, Any]) -> None:
    """Check that a document with a key less, or with another type of value, is refused."""
    for name in document:
        less = {key: value for key, value in document.items() if key != name}
        assert not check.is_valid(less), name
        assert not check.is_valid({**document, name: [["wrong"]]}), name
    assert not check.is_valid({**document, "other": None})


@pytest.mark.usefixtures("unpaced")
def test_every_line_of_a_batch_is_valid(service: Any, work: Path) -> None:
    check = validator("batch-line")
    lines = [*batch_lines(service, work)]
    for line in lines:
        check.validate(line)
    told = [line for line in lines if "line" in line]
    assert {line["status"] for line in told} == {*Status} - {Status.NEW, Status.SENDING}
    assert {line["billed"] for line in told} == {*Billed}
    described = check.schema["$defs"]
    shapes = [one for one in check.schema["oneOf"] if "properties" in one]
    shapes += [described["summary"], described["not_begun"]]
    keys = {frozenset(one["required"]): one for one in shapes}
    met = {frozenset(line) - {"file"}: line for line in lines}
    # Of what is left alone something is known, unless its record vanishes meanwhile.
    assert keys.keys() - met.keys() == {key for key in keys if keys[key]["title"] == "Left alone"}
    known = described["known"]["properties"]
    assert {name for line in lines for name in line} >= known.keys()
    assert not any(Draft202012Validator(one).is_valid([["wrong"]]) for one in known.values())
    for names, line in met.items():
        assert keys[names]["additionalProperties"] is False
        # A key less is another shape's keys, or nobody's: to try one of those is enough.
        others = [name for name in names if names - {name} in keys] or [min(names)]
        for other in others:
            assert not check.is_valid({name: line[name] for name in names - {other}}), other
        assert not check.is_valid({**line, "other": None})


@pytest.mark.usefixtures("unpaced")
def test_every_result_is_valid(service: Any) -> None:
    check, error, response = map(validator, ("result", "error", "response"))
    found = [*results(service)]
    for document in found:
        check.validate(document)
        refused_when_less(check, document)
    assert {document["status"] for document in found} == {"ok", "partial", "error"}
    images = [image for document in found for image in document["images"]]
    picture = check.schema["$defs"]["picture"]
    refused_when_less(Draft202012Validator(picture), images[0])
    errors = [one for document in found for one in document["errors"]]
    assert {one["billed"] for one in errors} == {*Billed}
    for one in errors:
        error.validate(one)
        refused_when_less(error, one)
    printed = service("generate", "kite", "--print-response", *FAST).json
    response.validate(printed)
    refused_when_less(response, printed)


# -- the command ----------------------------------------------------------------------------------


def test_without_a_name_it_lists_them(zimage: Any) -> None:
    result = zimage("schema")
    assert result.stdout == LIST
    assert result.stderr == NOTE


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_the_schema(zimage: Any, name: str) -> None:
    result = zimage("schema", name, env={"FORCE_COLOR": "1"})
    assert result.json == schema(name)
    assert result.stderr == ""
    assert result.stdout.startswith('{\n  "$schema": ')
    assert result.stdout == visible(result.stdout, newlines=True)


def test_it_prints_the_tool(zimage: Any) -> None:
    for target in TARGETS:
        result = zimage("schema", "request", "--for", target)
        assert result.json == tool(target)
        # It is read by a model with every call.
        assert len(result.stdout) < 2_500


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ["requst"],
            f'error: NAME: "requst" is not known; allowed: {ALL}. Did you mean request?\n',
        ),
        (
            ["x"],
            f'error: NAME: "x" is not known; allowed: {ALL}\n',
        ),
        (
            ["request", "--for", "gpt"],
            'error: --for: "gpt" is not known; allowed: openai, anthropic, mcp\n',
        ),
        (
            ["result", "--for", "mcp"],
            NOT_A_TOOL,
        ),
        (
            ["--for", "mcp"],
            NOT_A_TOOL,
        ),
    ],
)
def test_what_is_not_known_is_told(zimage: Any, args: list[str], told: str) -> None:
    result = zimage("schema", *args, status=2)
    assert (result.stdout, result.stderr) == ("", told)
