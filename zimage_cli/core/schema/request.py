"""The schema of a request, from the table that also checks requests."""

from __future__ import annotations

from typing import Any

from zimage_cli.core.request.fields import FIELDS, TABLE, Field

_TYPES: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}
TOOL_FIELDS = tuple(name for name in FIELDS if name != "base_url")
"""Those that a model may fill in: it never says where the key is sent."""


def tool_properties() -> dict[str, dict[str, Any]]:
    """Return the fields that a model may fill in, each as the property of a tool's input schema.

    Types, bounds, defaults and words: what they leave open zimage itself refuses, in words.
    """
    return {name: plain(TABLE[name]) for name in TOOL_FIELDS}


def plain(field: Field) -> dict[str, Any]:
    """Return a field's property without the patterns of its texts."""
    found: dict[str, Any] = {"type": _TYPES[field.type], "description": field.about}
    if field.bounds is not None:
        found["minimum"], found["maximum"] = field.bounds
    if field.only is not None:
        found["const"] = field.only
    if field.default is not None:
        found["default"] = field.default
    return found
