"""JSON Schemas of what zimage reads and prints, and a request as the tool of an agent."""

from __future__ import annotations

from typing import Any

from zimage_cli.messages import Message

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAMES = {
    "request": Message("what generate is asked with: --request, --file, a line of a batch"),
    "response": Message("what generate --print-response prints for each picture"),
    "result": Message("the document of generate --json"),
    "batch-line": Message("a line of batch --json and of results.jsonl"),
    "error": Message("an error, as it stands in every document"),
}
"""Every schema, and what it describes."""
TARGETS = ("openai", "anthropic", "mcp")
"""Whose tools a request can be."""


def tool(target: str) -> dict[str, Any]:
    """Return the definition of a tool whose input is a request, as one of TARGETS takes it."""
    from zimage_cli.core.schema import tools

    return tools.tool(target)


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one of NAMES."""
    from zimage_cli.core.schema import request, results

    makers = {
        "request": request.request_schema,
        "response": results.response_schema,
        "result": results.result_schema,
        "batch-line": results.batch_line_schema,
        "error": results.error_schema,
    }
    return {"$schema": DIALECT, "$id": f"urn:zimage:schema:{name}:1", **makers[name]()}
