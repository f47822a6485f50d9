"""The request `image.generate`: parsed and checked in one place, whatever it came from."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from zimage_cli.api.characters import INVISIBLE
from zimage_cli.api.endpoint import normalize_base_url
from zimage_cli.api.errors import UsageError
from zimage_cli.api.payload import MODEL
from zimage_cli.core.json_object import NotAnObject, decode_object
from zimage_cli.core.keys import redact
from zimage_cli.core.sizes import ALLOWED as ALLOWED_SIZES
from zimage_cli.core.sizes import DEFAULT_SIZE, SizeError, parse_size
from zimage_cli.core.text import clip, shown, visible

FIELDS = ("prompt", "size", "seed", "prompt_extend", "base_url")
MAX_SEED = 2**31 - 1
PROMPT_LIMIT = 800
"""Characters that the service reads of a prompt; it cuts the rest off without a word."""

_LISTED = 50
"""Problems that a message names; a broken machine-made file can hold any number."""

_ALLOWED = {
    "prompt": "a text that is not blank",
    "size": f"a text: {ALLOWED_SIZES}",
    "seed": f"a whole number, 0 to {MAX_SEED}",
    "prompt_extend": "true or false",
    "base_url": "a text: an https URL such as https://dashscope.aliyuncs.com",
    "model": f'"{MODEL}"',
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

# Control characters (Unicode's category Cc) but line feed and tab, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request. `size` is `W*H`; `seed` None leaves the draw to the caller."""

    prompt: str
    size: str
    seed: int | None
    prompt_extend: bool
    base_url: str | None = None

    def fields(self) -> dict[str, object]:
        """Return what `parse_request` takes to make this request again: only what is set."""
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in values.items() if value is not None}


class Problem(NamedTuple):
    """One thing that is wrong with a request.

    `given` is the value in JSON's form, short and safe to show; `message` is a whole line that
    names field, value and what is allowed; `suggestion` is a valid value or field name near it.
    """

    field: str
    given: str
    allowed: str
    message: str
    suggestion: str | None = None


class RequestInvalid(UsageError):
    """A request with one or more problems, all of them in `problems`."""

    def __init__(self, problems: tuple[Problem, ...], *, hint: str | None = None) -> None:
        lines = [problem.message for problem in problems[:_LISTED]]
        if len(problems) > 1:
            lines = [f"the request has {len(problems)} problems:", *(f"- {line}" for line in lines)]
        if len(problems) > _LISTED:
            lines.append(f"- and {len(problems) - _LISTED} more")
        super().__init__("{text}", hint=hint, text="\n".join(lines), problems=problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong."""
        found: tuple[Problem, ...] = self.facts["problems"]
        return found


def parse_request(
    source: Mapping[str, object] | str | bytes = _NOTHING,
    *,
    overrides: Mapping[str, object] = _NOTHING,
    defaults: Mapping[str, object] = _NOTHING,
) -> Request:
    """Return the request that a JSON object (or its text) describes.

    `overrides` are the options that were given: they win, and the source's value of the same field
    is not looked at; a seed of None there drops the source's. `defaults` are settings: they fill in
    what neither says. null in the source is a wrong type: a field that is not wanted is left out.
    Raises RequestInvalid with every problem, or UsageError for a text that is no JSON object.
    """
    if isinstance(source, str | bytes):
        source = parse_json_object(source, "the request")
    problems: list[Problem] = []
    values: dict[str, object] = {**defaults, **source, **overrides}
    if "seed" in overrides and overrides["seed"] is None:
        del values["seed"]

    prompt: str | None = None
    size: str | None = None
    seed: int | None = None
    prompt_extend = False
    base_url: str | None = None
    for name in _in_order(values):
        value = values[name]
        if name == "prompt" and isinstance(value, str):
            prompt = _parse_prompt(value, problems)
        elif name == "size" and isinstance(value, str):
            size = _parse_size(value, problems)
        elif name == "seed" and isinstance(value, int) and not isinstance(value, bool):
            seed = _parse_seed(value, problems)
        elif name == "prompt_extend" and isinstance(value, bool):
            prompt_extend = value
        elif name == "base_url" and isinstance(value, str):
            base_url = _parse_base_url(value, problems)
        elif name != "model" or value != MODEL:
            problems.append(_wrong_field(name, value))
    if "prompt" not in values:
        problems.insert(0, _problem("prompt", "nothing", "is missing"))
    if problems or prompt is None:
        raise RequestInvalid(tuple(problems), hint=_hint(problems))
    return Request(prompt, size or DEFAULT_SIZE, seed, prompt_extend, base_url)


def parse_json_object(text: str | bytes, where: str) -> dict[str, object]:
    """Return the one JSON object in a text; bytes are UTF-8, with or without a BOM.

    `where` names the source in errors (`--request`, a file's name). Raises UsageError for anything
    else, for a key that stands twice in an object, and for NaN and Infinity.
    """
    where = visible(clip(where, 200))
    if isinstance(text, bytes):
        text = _decode(text, where)

    try:
        return decode_object(text.removeprefix("\ufeff"))
    except NotAnObject as error:
        at = f"not valid JSON at line {error.line}, column {error.column}: " if error.line else ""
        raise UsageError(f"{where}: {at}{error.why}", hint=error.hint) from None


def prompt_warning(prompt: str) -> str | None:
    """Return a line that shows what the service will cut off a prompt, or None if nothing.

    It reads 800 characters and does not say that it dropped the rest.
    """
    over = len(prompt) - PROMPT_LIMIT
    if over <= 0:
        return None
    return (
        f"the prompt has {len(prompt):,} characters; the service reads the first {PROMPT_LIMIT} "
        f"and cuts off the last {over:,}: {shown(prompt[PROMPT_LIMIT:])}"
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


def seeds(seed: int, count: int) -> tuple[int, ...]:
    """Return `count` different seeds: the given one, +1, +2 …; after 2147483647 comes 0."""
    return tuple((seed + step) % (MAX_SEED + 1) for step in range(count))


def _in_order(values: Mapping[str, object]) -> list[str]:
    """Return the names of a request's values: known ones as we list them, then the others."""
    return [name for name in _ALLOWED if name in values] + [n for n in values if n not in _ALLOWED]


def _parse_prompt(text: str, problems: list[Problem]) -> str | None:
    why, allowed = _unsendable(text), _ALLOWED["prompt"]
    prompt = text.strip().replace("\r\n", "\n")
    if why:
        allowed = "text in UTF-8 without control characters other than line feed and tab"
    elif all(map(_shows_nothing, prompt)):
        why = "is blank"
    if why is None:
        return prompt
    problems.append(_problem("prompt", shown(text), why, allowed))
    return None


def _shows_nothing(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cf" or char in INVISIBLE


def _unsendable(text: str) -> str | None:
    """Return which characters cannot be sent, and where, counted from 1; the first few of them.

    Carriage returns are fine before a line feed and in the white space around the text.
    """
    if not _CONTROL.search(text):
        return None
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    found: list[str] = []
    for control in _CONTROL.finditer(text):
        place, char = control.start(), control[0]
        if char == "\r" and (text[place + 1 : place + 2] == "\n" or not start <= place < end):
            continue
        if len(found) == 3:
            found.append("and more")
            break
        if char >= "\ud800":
            found.append(f"is not valid UTF-8 at character {place + 1}")
        else:
            kind = "NUL" if char == "\0" else f"the control character U+{ord(char):04X}"
            found.append(f"holds {kind} at character {place + 1}")
    return ", ".join(found) or None


# A batch's lines have few different sizes. Text longer than any sensible size is not kept.
_remembered_size = lru_cache(maxsize=64)(parse_size)


def _parse_size(text: str, problems: list[Problem]) -> str | None:
    try:
        return _remembered_size(text) if len(text) <= 32 else parse_size(text)
    except SizeError as error:
        said = error.facts
        problems.append(
            Problem("size", said["value"], said["allowed"], error.message, error.nearest)
        )
        return None


def _parse_seed(value: int, problems: list[Problem]) -> int | None:
    if 0 <= value <= MAX_SEED:
        return value
    nearest = "0" if value < 0 else str(MAX_SEED)
    problems.append(_problem("seed", shown(value), "is out of range", suggestion=nearest))
    return None


def _parse_base_url(text: str, problems: list[Problem]) -> str | None:
    try:
        return normalize_base_url(text)
    except UsageError as error:
        why = visible(clip(redact(error.message.removeprefix("base URL: ")), 300))
        allowed = _ALLOWED["base_url"]
        message = f"base_url: {why}; allowed: {allowed}"
        problems.append(Problem("base_url", shown(text), allowed, message))
        return None


def _wrong_field(name: object, value: object) -> Problem:
    """Return the problem of a field that is unknown, or whose value is of a wrong type."""
    if name not in _ALLOWED:
        return _unknown_field(str(name), value)
    why, suggestion = "has the wrong type", None
    match name, value:
        case "model", _:
            why, suggestion = "is not the model of this tool", MODEL
        case "size", int() | float():
            suggestion = _nearest_size(shown(value))
        case "size", _:
            suggestion = DEFAULT_SIZE
        case "prompt_extend", str(text) if text.lower() in {"true", "false"}:
            suggestion = text.lower()
        case "seed", str() | float():
            suggestion = _whole_number(value)
    return _problem(name, shown(value), why, suggestion=suggestion)


def _nearest_size(text: str) -> str:
    try:
        return parse_size(text)
    except SizeError as error:
        return error.nearest


def _whole_number(value: str | float) -> str | None:
    """Return the seed that was probably meant by a text or a decimal number."""
    text = value if isinstance(value, str) else f"{value:.0f}"
    fits = text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_SEED
    return text if fits else None


def _unknown_field(name: str, value: object) -> Problem:
    text = clip(redact(name[:2000]), 60)
    suggestion = nearest_field(text)
    return Problem(
        visible(text),
        shown(value),
        ", ".join(FIELDS),
        f"{visible(text)}: is not a field of a request; allowed: {', '.join(FIELDS)}"
        + (f"; did you mean {suggestion}?" if suggestion else ""),
        suggestion,
    )


def _problem(
    field: str, given: str, why: str, allowed: str | None = None, suggestion: str | None = None
) -> Problem:
    allowed = allowed or _ALLOWED[field]
    message = f"{field}: {given} {why}" if given != "nothing" else f"{field}: {why}"
    message += f"; allowed: {allowed}"
    if suggestion is not None:
        message += f"; nearest: {suggestion}"
    return Problem(field, given, allowed, message, suggestion)


def _hint(problems: list[Problem]) -> str | None:
    """Return the next step for the first problem that has one."""
    fields = {problem.field for problem in problems}
    if "size" in fields:
        return "See the recommended sizes: zimage sizes"
    if "prompt" in fields:
        return "Give a prompt: zimage generate 'A calm lake at dawn'"
    return None


def _decode(data: bytes, where: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{where}: is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: is not valid UTF-8 at byte {error.start + 1}") from None
