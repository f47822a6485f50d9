"""Arguments of tools that make no request: their schemas, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zimage_cli.errors import UsageError
from zimage_cli.text import shown


def schema(properties: Mapping[str, object], *required: str) -> dict[str, Any]:
    """Return the schema of a tool's arguments."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [*required],
        "additionalProperties": False,
    }


def whole(description: str, bounds: tuple[int, int, int]) -> dict[str, Any]:
    """Return the schema of a whole number: its least, usual and largest value."""
    least, usual, most = bounds
    return {
        "type": "integer",
        "minimum": least,
        "maximum": most,
        "default": usual,
        "description": description,
    }


def refuse_unknown(given: Mapping[str, Any], *allowed: str) -> None:
    """Raise UsageError for an argument that a tool does not have."""
    for name in given:
        if name not in allowed:
            raise UsageError(
                "{name} is no argument of this tool; allowed: {allowed}",
                field=shown(name).plain,
                name=shown(name),
                allowed=", ".join(allowed),
            )


def integer(given: Mapping[str, Any], name: str, bounds: tuple[int, int, int]) -> int:
    """Return a whole number among the arguments. Raises UsageError."""
    least, usual, most = bounds
    value = given.get(name)
    if value is None:
        # Some hosts fill in all arguments.
        return usual
    if isinstance(value, float) and value.is_integer():
        # JSON knows no difference between them.
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise wrong(name, value, f"{least} … {most}")
    return value


def wrong(name: str, value: object, allowed: str) -> UsageError:
    """Return the error for an argument that is not allowed."""
    return UsageError(
        "{name}: {value} is not allowed; allowed: {allowed}",
        field=name,
        name=name,
        value=shown(value),
        allowed=allowed,
    )
