"""The server as a program sees it, in both versions of the protocol."""

from __future__ import annotations

from typing import Any

import pytest

from zimage_cli.version import __version__

VERSIONS = ("2025-11-25", "2026-07-28")

CALLS: dict[str, dict[str, Any]] = {
    "generate_image": {"prompt": "a fox", "size": "512*512", "seed": 7},
    "check_request": {"prompt": "a fox", "size": "16:9", "count": 4},
    "view_picture": {"ref": "1", "max_side": 64},
    "search_history": {"query": "fox"},
    "inspect_picture": {"ref": "1"},
    "start_batch": {"prompts": ["a kite", {"prompt": "a lake", "size": "512*512"}]},
}
"""Tools with arguments that work, in an order in which they do."""


async def say_all(client: Any) -> tuple[Any, list[Any], dict[str, Any]]:
    """List the tools and call each of them."""
    info = client.server_info
    tools = (await client.list_tools()).tools
    answers = {name: await client.call_tool(name, given) for name, given in CALLS.items()}
    batch = {"id": answers["start_batch"].structured_content["id"]}
    answers["batch_status"] = await client.call_tool("batch_status", batch)
    return (info.name, info.title, info.version, client.instructions), tools, answers


@pytest.mark.usefixtures("unpaced")
@pytest.mark.parametrize("asked", [True, False], ids=["elicitation", "none"])
def test_every_tool_says_what_it_is_and_works_in_both_versions(
    service: Any, talk: Any, person: Any, asked: bool
) -> None:
    someone = person("decline") if asked else None
    args = ("--region", "sandbox")
    env = {"DASHSCOPE_BASE_URL": None}
    told = []
    for version in VERSIONS:
        who, tools, answers = talk(
            service, say_all, *args, version=version, person=someone, env=env
        )
        check(tools, answers)
        told.append((who, [tool.model_dump() for tool in tools]))
    assert told[0] == told[1]
    assert told[0][0][:3] == ("zimage", "zimage", __version__)
    assert "spent" in told[0][0][3]
    assert not asked or someone.asked == []
    assert talk.stderr == ""


def check(tools: list[Any], answers: dict[str, Any]) -> None:
    """Check what the tools say of themselves, and that their answers are as they say."""
    from jsonschema import Draft202012Validator

    assert {tool.name for tool in tools} == {*answers}
    for tool in tools:
        assert tool.title, tool.name
        assert len(tool.description) > 20, tool.name
        assert tool.annotations.read_only_hint is not None, tool.name
        assert tool.annotations.open_world_hint is not None, tool.name
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False, tool.name
        if tool.name == "batch_status":
            # A picture that is made and not saved is paid: nobody is to start it again.
            assert tool.output_schema["properties"]["made"]["description"].startswith("Billed")
        result = answers[tool.name]
        assert not result.is_error, (tool.name, result.content)
        if tool.name == "view_picture":
            assert tool.output_schema is None
            assert result.structured_content is None
            assert [one.type for one in result.content] == ["image"]
        else:
            Draft202012Validator.check_schema(tool.output_schema)
            Draft202012Validator(tool.output_schema).validate(result.structured_content)
