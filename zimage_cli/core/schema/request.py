"""The schema of a request, from the table that also checks requests."""

from __future__ import annotations

from typing import Any

from zimage_cli.api.endpoint import API_PATH, GENERATION_PATH, HOST, LOOPBACK
from zimage_cli.core.request.fields import CONTROL, FIELDS, SHOWS_NOTHING, TABLE, Field
from zimage_cli.core.schema.patterns import SPACE, beyond, none_of, one_of, points
from zimage_cli.core.schema.sizes import size_schema

_TYPES: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}
_BLANK = f"{one_of(points(SPACE))}*"

TOOL_FIELDS = tuple(name for name in FIELDS if name != "base_url")
"""Those that a model may fill in: it never says where the key is sent."""

DESCRIPTION = (
    "What `zimage generate` is asked with `--request` or `--file`; a line of a batch file may hold "
    "name, output, count and preset as well. It is valid exactly when `zimage validate` accepts "
    "it, but for two cases: JSON Schema cannot tell 1.0 from 1, and zimage refuses 1.0 as a seed; "
    "and W*H in full-width digits, which zimage takes, is left out here. null is no value: a field "
    "that is not wanted is left out."
)


def request_schema() -> dict[str, Any]:
    """Return the schema of a request, but for what every schema has."""
    properties = {name: plain(field) for name, field in TABLE.items()}
    properties["prompt"]["pattern"] = _prompt()
    properties["base_url"]["pattern"] = _base_url()
    properties["size"]["$ref"] = "#/$defs/size"
    return {
        "title": "Request",
        "description": DESCRIPTION,
        "examples": [
            {"prompt": "A calm lake at dawn"},
            {"prompt": "一只红色的风筝", "size": "16:9@1536", "seed": 7, "prompt_extend": True},
        ],
        "type": "object",
        "properties": properties,
        "required": ["prompt"],
        "additionalProperties": False,
        # Last, and the size's long patterns at its end: whoever reads has read all else.
        "$defs": {"size": size_schema()},
    }


def tool_properties() -> dict[str, dict[str, Any]]:
    """Return the fields that a model may fill in, each as the property of a tool's input schema.

    Types, bounds, defaults and words: what they leave open zimage itself refuses, in words.
    """
    return {name: plain(TABLE[name]) for name in TOOL_FIELDS}


def plain(field: Field) -> dict[str, Any]:
    """Return a field's property without the pattern of its text."""
    found: dict[str, Any] = {"type": _TYPES[field.type], "description": field.about}
    if field.bounds is not None:
        found["minimum"], found["maximum"] = field.bounds
    if field.only is not None:
        found["const"] = field.only
    if field.default is not None:
        found["default"] = field.default
    return found


def _prompt() -> str:
    """Return the pattern of a prompt: what can be sent, and shows something.

    White space around it, what shows nothing, the first character that shows, and the rest. Each
    part ends where the next one must begin, so that a long prompt is read once.
    """
    control, hidden = points(CONTROL), {*map(ord, SHOWS_NOTHING)}
    space = points(SPACE) - control
    around, nothing = one_of(space | {0x0D}), one_of(space | hidden)
    shows, text = none_of(control | space | hidden), none_of(control)
    more = one_of(space - {0x0A} | {0x0D})
    return (
        rf"^{around}*(?:{one_of(hidden)}{nothing}*(?:\r\n{nothing}*)*)?{shows}{text}*"
        rf"(?:\r\n{text}*)*(?:\r(?:{more}{around}*)?)?$"
    )


def _base_url() -> str:
    """Return the pattern of a base URL, as `normalize_base_url` reads it."""
    https, http, local = map(_any_case, ("https", "http", "localhost"))
    here = r"\[::1\]"
    address = f"(?:{https}://(?:{HOST}|{here})|{http}://(?:{local}|{LOOPBACK}|{here}))"
    five = f"(?=[0-9]{{5}}(?![0-9])){beyond('09999', '65535')}[0-9]*"
    port = f":0*(?:[1-9][0-9]{{0,3}}|{five})"
    path = f"(?:{API_PATH}(?:{GENERATION_PATH})?)?/*"
    return rf"^{_BLANK}(?!.*\.\.){address}(?:{port})?{path}{_BLANK}$"


def _any_case(text: str) -> str:
    return "".join(one_of({ord(char), ord(char.upper())}) for char in text)
