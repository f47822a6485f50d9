"""The request `image.generate`: parsed and checked in one place, whatever it came from."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from zimage_cli.api.endpoint import normalize_base_url
from zimage_cli.api.payload import MODEL
from zimage_cli.core.request.fields import (
    CONTROL,
    FIELDS,
    MAX_SEED,
    PROMPT_LIMIT,
    SEEDS,
    SHOWS_NOTHING,
    TABLE,
)
from zimage_cli.core.request.json_object import NotAnObject, decode_object
from zimage_cli.core.request.sizes import DEFAULT_SIZE, SizeError, parse_size
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.messages import Listing, Message, Shown
from zimage_cli.text import clip, redact, shown, visible

_SENDABLE = Message("text in UTF-8 without control characters other than line feed and tab")
_HINTS = {
    "prompt": "Give a prompt: zimage generate 'A calm lake at dawn'",
    "size": "See the recommended sizes: zimage sizes",
}

# What other tools call a field.
_ALIASES = {
    "text": "prompt",
    "input": "prompt",
    "width": "size",
    "height": "size",
    "ratio": "size",
    "aspect_ratio": "size",
    "resolution": "size",
    "url": "base_url",
    "endpoint": "base_url",
}

_CONTROL = "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in CONTROL) + "]"

_EXTEND = TABLE["prompt_extend"].default
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Origin(NamedTuple):
    """Where a request came from, as its row in the history has it: nothing of it is sent.

    `parent` is the entry that it repeats, `preset` names what was put around the prompt, with
    commas between several, and `typed_prompt` is the prompt before that.
    """

    parent: int | None = None
    preset: str | None = None
    typed_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request. `size` is `W*H`; `seed` None leaves the draw to the caller."""

    prompt: str
    size: str
    seed: int | None
    prompt_extend: bool
    base_url: str | None = None
    origin: Origin = field(default=Origin(), compare=False)

    def fields(self) -> dict[str, object]:
        """Return what `parse_request` takes to make this request again: only what is set."""
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in values.items() if value is not None}


def parse_request(
    source: Mapping[str, object] = _NOTHING,
    *,
    overrides: Mapping[str, object] = _NOTHING,
    defaults: Mapping[str, object] = _NOTHING,
) -> Request:
    """Return the request that a JSON object describes.

    `overrides` are the options that were given: they win, and the source's value of the same field
    is not looked at; a seed of None there drops the source's. `defaults` are settings: they fill in
    what neither says. null in the source is a wrong type: a field that is not wanted is left out.
    Raises RequestInvalid with every problem.
    """
    problems: list[UsageError] = []
    values: dict[str, object] = {**defaults, **source, **overrides}
    if "seed" in overrides and overrides["seed"] is None:
        del values["seed"]

    found: dict[str, Any] = {}
    for name in _in_order(values):
        try:
            found[name] = _checked(name, values[name])
        except UsageError as error:
            # Its traceback would keep this list.
            problems.append(error.with_traceback(None))
    if "prompt" not in values:
        problems.insert(0, _problem("No prompt.", "prompt", None))
    if problems:
        raise RequestInvalid(tuple(problems))
    return Request(
        found["prompt"],
        found.get("size", DEFAULT_SIZE),
        found.get("seed"),
        found.get("prompt_extend", _EXTEND),
        found.get("base_url"),
    )


def parse_json_object(text: str, where: str) -> dict[str, object]:
    """Return the one JSON object in a text, with or without a BOM.

    `where` names the source in errors (`--request`, a file's name). Raises UsageError for anything
    else, for a key that stands twice in an object, and for NaN and Infinity.
    """
    where = visible(clip(where, 200))
    try:
        return decode_object(text.removeprefix("\ufeff"))
    except NotAnObject as error:
        if not error.line:
            raise UsageError(
                "{where}: {why}", hint=error.hint, where=where, why=error.why
            ) from None
        raise UsageError(
            "{where}: not valid JSON at line {line}, column {column}: {why}",
            hint=error.hint,
            where=where,
            line=error.line,
            column=error.column,
            why=error.why,
        ) from None


def prompt_warning(prompt: str) -> Message | None:
    """Return a line that shows what the service will cut off a prompt, or None if nothing.

    It reads 800 characters and does not say that it dropped the rest.
    """
    over = len(prompt) - PROMPT_LIMIT
    if over <= 0:
        return None
    return Message(
        "the prompt has {length:,} characters; the service reads the first {most} and cuts off the "
        "last {over:,}: {rest}",
        length=len(prompt),
        most=PROMPT_LIMIT,
        over=over,
        rest=shown(prompt[PROMPT_LIMIT:]),
    )


def nearest_field(name: str, fields: Sequence[str] = FIELDS) -> str | None:
    """Return the field that was probably meant by another name, or None."""
    from difflib import get_close_matches

    text = name[:100].lower()
    close = get_close_matches(text, fields, n=1)
    return _ALIASES.get(text) or (close[0] if close else None)


def draw_seed() -> int:
    """Return a random seed, 0 to 2147483647."""
    return int.from_bytes(os.urandom(4), "big") & MAX_SEED


def seed_after(seed: int, step: int) -> int:
    """Return the seed that comes so many after a given one; after 2147483647 comes 0."""
    return (seed + step) % (MAX_SEED + 1)


def _in_order(values: Mapping[str, object]) -> list[str]:
    """Return the names of a request's values: known ones as we list them, then the others."""
    known = [name for name in TABLE if name in values]
    return known if len(known) == len(values) else known + [n for n in values if n not in TABLE]


def _checked(name: str, value: object) -> Any:
    """Return the value of a field as a request holds it. Raises UsageError."""
    field = TABLE.get(name)
    if field is None or not (type(value) is field.type or field.holds(value)):
        raise _wrong_field(name, value)
    return _READ[name](value) if name in _READ else value


def _prompt(text: str) -> str:
    prompt = text.strip().replace("\r\n", "\n")
    if found := _unsendable(text):
        raise _problem(
            "{field}: {value} {why}; allowed: {allowed}",
            "prompt",
            shown(text),
            why=Listing(", ", found),
            allowed=_SENDABLE,
        )
    if all(map(_shows_nothing, prompt)):
        raise _problem("{field}: {value} is blank.", "prompt", shown(text))
    return prompt


def _shows_nothing(char: str) -> bool:
    return char.isspace() or char in SHOWS_NOTHING


def _unsendable(text: str) -> list[Message]:
    """Return which characters cannot be sent, and where, counted from 1; the first few of them.

    Carriage returns are fine before a line feed and in the white space around the text.
    """
    # Compiling the pattern takes half a millisecond, and hardly a prompt needs it.
    if text.isprintable() or not re.search(_CONTROL, text):
        return []
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    found: list[Message] = []
    for control in re.finditer(_CONTROL, text):
        place, char = control.start(), control[0]
        if char == "\r" and (text[place + 1 : place + 2] == "\n" or not start <= place < end):
            continue
        if len(found) == 3:
            found.append(Message("and more"))
            break
        if char >= "\ud800":
            found.append(Message("is not valid UTF-8 at character {place}", place=place + 1))
        elif char == "\0":
            found.append(Message("holds NUL at character {place}", place=place + 1))
        else:
            found.append(
                Message(
                    "holds the control character U+{number:04X} at character {place}",
                    number=ord(char),
                    place=place + 1,
                )
            )
    return found


# A batch's lines have few different sizes. Text longer than any sensible size is not kept.
_remembered_size = lru_cache(maxsize=64)(parse_size)


def _size(text: str) -> str:
    return _remembered_size(text) if len(text) <= 32 else parse_size(text)


def _model(text: str) -> str:
    if text != TABLE["model"].only:
        raise _wrong_field("model", text)
    return text


def _seed(value: int) -> int:
    least, most = SEEDS
    if least <= value <= most:
        return value
    raise _problem(
        "{field}: {value} is out of range; allowed: {allowed}; nearest: {nearest}",
        "seed",
        shown(value),
        nearest=shown(least if value < least else most),
    )


def _base_url(text: str) -> str:
    try:
        return normalize_base_url(text)
    except UsageError as error:
        named = error.but(field="base_url", value=shown(text))
        allowed = TABLE["base_url"].allowed
        raise named.but("{cause}; allowed: {allowed}", allowed=allowed) from None


_READ: Mapping[str, Callable[[Any], Any]] = {
    "prompt": _prompt,
    "size": _size,
    "seed": _seed,
    "base_url": _base_url,
    "model": _model,
}
"""What makes of a value of the right type the one that a request holds, where that is another or
more is to be checked. Raises UsageError."""


def _wrong_field(name: str, value: object) -> UsageError:
    """Return the problem of a field that is unknown, or whose value is of a wrong type."""
    if name not in TABLE:
        return _unknown_field(name, value)
    if name == "model":
        return _problem(
            "{field}: {value} is not the model of this tool; allowed: {allowed}; "
            "nearest: {nearest}",
            name,
            shown(value),
            nearest=MODEL,
        )
    nearest = _nearest(name, value)
    if nearest is None:
        return _problem(
            "{field}: {value} has the wrong type; allowed: {allowed}", name, shown(value)
        )
    return _problem(
        "{field}: {value} has the wrong type; allowed: {allowed}; nearest: {nearest}",
        name,
        shown(value),
        nearest=nearest,
    )


def _nearest(name: str, value: object) -> str | None:
    """Return the valid value that was probably meant by one of a wrong type, or None."""
    match name, value:
        case "size", int() | float():
            return _nearest_size(shown(value))
        case "size", _:
            return DEFAULT_SIZE
        case "prompt_extend", str(text) if text.lower() in {"true", "false"}:
            return shown(text.lower() == "true")
        case "seed", str() | float():
            return _whole_number(value)
    return None


def _nearest_size(text: str) -> str:
    try:
        return parse_size(text)
    except SizeError as error:
        return error.nearest


def _whole_number(value: str | float) -> str | None:
    """Return the seed that was probably meant by a text or a decimal number."""
    text = value if isinstance(value, str) else f"{value:.0f}"
    fits = text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_SEED
    return Shown(text, int(text)) if fits else None


def _unknown_field(name: str, value: object) -> UsageError:
    text = clip(redact(name[:2000]), 60)
    field, given, allowed = visible(text), shown(value), Listing(", ", FIELDS)
    from zimage_cli.core.request.lacking import lacking

    why = lacking(text)
    if why is not None:
        return _problem(
            "{field}: is not a field of a request; allowed: {allowed}. {why}",
            field,
            given,
            allowed=allowed,
            why=why,
        )
    nearest = nearest_field(text)
    if nearest is None:
        return _problem(
            "{field}: is not a field of a request; allowed: {allowed}",
            field,
            given,
            allowed=allowed,
        )
    return _problem(
        "{field}: is not a field of a request; allowed: {allowed}; did you mean {nearest}?",
        field,
        given,
        allowed=allowed,
        nearest=nearest,
    )


def _problem(
    template: str,
    field: str,
    given: Shown | None,
    *,
    allowed: Message | str | None = None,
    nearest: str | None = None,
    **facts: Any,
) -> UsageError:
    return UsageError(
        template,
        hint=_HINTS.get(field),
        field=field,
        value=given,
        allowed=allowed or TABLE[field].allowed,
        nearest=nearest,
        **facts,
    )
