"""A request as the tool of an agent: the forms that OpenAI, Anthropic and MCP take."""

from __future__ import annotations

from typing import Any

from zimage_cli.core.schema.request import tool_properties

NAME = "generate_image"
TITLE = "Generate an image"
DESCRIPTION = (
    "Make a picture from a text prompt with Z-Image Turbo, through zimage. Every picture costs "
    "money. A prompt that content moderation refused has to be worded differently: the same one "
    "is refused again."
)


def tool(target: str) -> dict[str, Any]:
    """Return a request as the input of a tool, for `openai`, `anthropic` or `mcp`."""
    if target == "openai":
        return {
            "type": "function",
            "name": NAME,
            "description": DESCRIPTION,
            "strict": True,
            "parameters": _strict(),
        }
    described = {"description": DESCRIPTION}
    if target == "anthropic":
        return {"name": NAME, **described, "input_schema": _plain()}
    return {"name": NAME, "title": TITLE, **described, "inputSchema": _plain()}


def _plain() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": tool_properties(),
        "required": ["prompt"],
        "additionalProperties": False,
    }


def _strict() -> dict[str, Any]:
    """Return the strict form: every field is there, and null where it is left out."""
    properties = tool_properties()
    for name, one in properties.items():
        default = one.pop("default", None)
        if name != "prompt":
            one["type"] = [one["type"], "null"]
            instead = "out" if default is None else f"at {str(default).lower()}"
            one["description"] += f" null leaves it {instead}."
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
