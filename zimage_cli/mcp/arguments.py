"""The arguments of the tools that make pictures: their schema, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zimage_cli.core.request.names import slug
from zimage_cli.core.request.wish import format_of
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.messages import Message, Shown
from zimage_cli.text import clip, is_safe, redact, shown, visible

if TYPE_CHECKING:
    from zimage_cli.client import Client
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.settings.settings import Settings

MOST = 4
"""Pictures of one call: more are a batch, which returns at once."""
_LISTED = 20
"""Unknown arguments that are told one by one: there may be any number, and each takes a while."""
NAME_BYTES = 80
"""Of a file's name, before its number and suffix."""

REQUEST = ("prompt", "size", "seed", "prompt_extend")
"""Fields of a request that a model may fill in."""
ARGUMENTS = (*REQUEST, "count", "preset", "name")

_OWN: dict[str, dict[str, Any]] = {
    "count": {
        "type": "integer",
        "description": "So many pictures, each with a seed of its own.",
        "minimum": 1,
        "maximum": MOST,
        "default": 1,
    },
    "preset": {
        "type": "string",
        "description": "A preset of the person's, put around the prompt; commas part several.",
    },
    "name": {
        "type": "string",
        "description": "A name for the file, no path. Nothing is overwritten: a number is added.",
    },
}
"""The arguments that are no fields of a request."""
_NAME = "a file name and no path, such as red-kite or red-kite.jpg"


def input_schema(settings: Settings) -> dict[str, Any]:
    """Return the schema of the arguments; their defaults are the person's own."""
    from zimage_cli.core.schema.request import tool_properties

    properties = {**tool_properties(), **_OWN}
    for name, value in settings.request_defaults.items():
        properties[name]["default"] = value
    return {
        "type": "object",
        "properties": properties,
        "required": ["prompt"],
        "additionalProperties": False,
    }


def plan(client: Client, given: Mapping[str, Any]) -> RequestPlan:
    """Return what a call would make.

    An optional argument that is null was not given: some hosts fill all of them in. Raises
    UsageError: RequestInvalid with all problems of all arguments.
    """
    from zimage_cli.core.request.sweep import Sweep

    given = {name: value for name, value in given.items() if value is not None or name == "prompt"}
    unknown = [name for name in given if name not in ARGUMENTS]
    problems = [_unknown(name, given[name]) for name in unknown[:_LISTED]]
    if (more := len(unknown) - _LISTED) > 0:
        problems.append(
            UsageError("{count} more are no arguments of this tool", field="others", count=more)
        )
    count, preset, name = given.get("count", 1), given.get("preset", ""), given.get("name")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST:
        problems.append(_wrong_count(count))
        count = 1
    if not isinstance(preset, str):
        problems.append(_wrong_text("preset", preset, "the name of a preset"))
        preset = ""
    try:
        name = None if name is None else file_name(name)
    except UsageError as error:
        problems.append(error.with_traceback(None))
        name = None
    try:
        made = client.plan(
            {name: given[name] for name in REQUEST if name in given},
            preset=preset,
            sweep=Sweep(count=count),
            name=name,
            options=RunOptions(patience=None),
        )
    except UsageError as error:
        found = getattr(error, "problems", (error,))
        if not problems or any("field" not in one.facts for one in found):
            raise
        raise RequestInvalid((*found, *problems)) from None
    if problems:
        raise RequestInvalid(tuple(problems))
    return made


def file_name(text: object) -> str:
    """Return the file name that a text stands for: letters, digits and hyphens, and its suffix.

    Raises UsageError for a path, and for a text that names nothing.
    """
    if not isinstance(text, str):
        raise _wrong_text("name", text, _NAME)
    stem, suffix = os.path.splitext(text) if format_of(text) else (text, "")  # noqa: PTH122
    name = slug(stem, NAME_BYTES) + suffix.lower()
    if any(char in "/\\:" or not is_safe(char) for char in text) or text.strip().startswith("."):
        raise UsageError(
            "{field}: {value} is no file name; allowed: {allowed}; nearest: {nearest}",
            field="name",
            value=shown(text),
            allowed=_NAME,
            nearest=name,
        )
    if not any(char.isalnum() for char in stem):
        raise UsageError(
            "{field}: {value} names no file; allowed: {allowed}",
            field="name",
            value=shown(text),
            allowed=_NAME,
        )
    return name


def _wrong_count(count: Any) -> UsageError:
    try:
        nearest = min(max(int(count), 1), MOST)
    except (TypeError, ValueError, OverflowError):
        nearest = 1
    return UsageError(
        "{field}: {value} is not allowed; allowed: {allowed}; nearest: {nearest}",
        field="count",
        value=shown(count),
        allowed=Message("a whole number, 1 to {most}; for more: start_batch", most=MOST),
        nearest=Shown(str(nearest), nearest),
    )


def _wrong_text(field: str, value: object, allowed: str) -> UsageError:
    return UsageError(
        "{field}: {value} has the wrong type; allowed: {allowed}",
        field=field,
        value=shown(value),
        allowed=Message("a text: {what}", what=allowed),
    )


def _unknown(name: str, value: object) -> UsageError:
    from zimage_cli.core.request.lacking import lacking
    from zimage_cli.core.request.request import nearest_field

    text = visible(clip(redact(name[:2000]), 60))
    why, nearest = lacking(text), nearest_field(text, ARGUMENTS)
    template = "{field}: is no argument of this tool; allowed: {allowed}"
    if why is not None:
        template = "{field}: is no argument of this tool; allowed: {allowed}. {why}"
    elif nearest in ARGUMENTS:
        template = (
            "{field}: is no argument of this tool; allowed: {allowed}; did you mean {nearest}?"
        )
    return UsageError(
        template,
        field=text,
        value=shown(value),
        allowed=", ".join(ARGUMENTS),
        why=why,
        nearest=nearest,
    )
