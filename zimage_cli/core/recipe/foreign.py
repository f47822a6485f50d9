"""What other programs write into pictures: the text of AUTOMATIC1111, JSON of ComfyUI, AI labels.

It is read as data, whatever it says, and the JSON in it is bounded.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import NamedTuple

_DEEPEST = 64
"""Levels of JSON: a workflow has about ten."""
_LONGEST_LINE = 64 * 1024
_NEGATIVE = "Negative prompt:"
# A name and its value; one in quotes may hold commas.
_SETTING = re.compile(r'(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_OF_LABELS = frozenset({"Label", "ContentProducer", "ProduceID", "ServiceProvider"})
"""Fields of AIGC labels, one of which every service writes."""
_FEWEST = 3
"""Settings that a last line must hold to be one of settings."""


class NoData(ValueError):
    """A text that holds no JSON object or array, or one nested too deeply."""


class Parameters(NamedTuple):
    """What a program that writes AUTOMATIC1111's form says, as it stands there."""

    prompt: str
    negative_prompt: str | None
    settings: dict[str, str]


def parameters(text: str) -> Parameters:
    """Return the parts of AUTOMATIC1111's form; a text without settings is a prompt.

    The settings are the last line that begins with `Steps:` and what follows it, or else a last
    line that holds at least three.
    """
    text = text.replace("\r\n", "\n").strip("\n\0")
    start = text.rfind("\nSteps:") + 1
    if not start and not text.startswith("Steps:"):
        start = text.rfind("\n") + 1
    line = text[start : start + _LONGEST_LINE].replace("\n", ", ")
    settings = {name.strip(): _unquoted(value) for name, value in _SETTING.findall(line)}
    if len(settings) < _FEWEST:
        settings, start = {}, len(text) + 1
    words = text[: max(start - 1, 0)]
    prompt, negative, opposite = words.partition(f"\n{_NEGATIVE}")
    if words.startswith(_NEGATIVE):
        prompt, negative, opposite = "", _NEGATIVE, words[len(_NEGATIVE) :]
    return Parameters(prompt, opposite.strip() if negative else None, settings)


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            pass
    return value.strip()


def data_of(text: str) -> dict[str, object] | list[object]:
    """Return the JSON object or array in a text, with null for what JSON has no number for.

    Raises NoData.
    """
    if text.lstrip()[:1] not in {"{", "["}:
        raise NoData
    try:
        found = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NoData from None
    if not isinstance(found, dict | list):
        raise NoData
    level: list[object] = [found]
    for _ in range(_DEEPEST):
        level = [
            below
            for one in level
            if isinstance(one, dict | list)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return found
    raise NoData


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def label_of(text: str) -> object:
    """Return what an AIGC label says: its JSON as data, or the text where it is none.

    Some services put it into an object of the name AIGC, as GB 45438-2025 prints it.
    """
    try:
        found = data_of(text)
    except NoData:
        return text
    inner = found.get("AIGC") if isinstance(found, dict) else None
    return inner if isinstance(inner, dict) else found


def is_label(data: object) -> bool:
    """Tell whether data that stand under no name of their own are an AIGC label."""
    return isinstance(data, dict) and not _OF_LABELS.isdisjoint(data)
