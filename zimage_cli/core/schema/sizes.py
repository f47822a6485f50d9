"""The schema of a size, from what `parse_size` goes by."""

from __future__ import annotations

from typing import Any

from zimage_cli.core.request.sizes import (
    HAN_RATIOS,
    MAX_PIXELS,
    MIN_PIXELS,
    NAMED_RATIOS,
    RATIOS,
    TIERS,
    width_of,
)
from zimage_cli.core.schema.patterns import SPACE, either, one_of, points, product_up_to

_FULL_WIDTH = 0xFEE0
"""From a character of ASCII to its full-width form."""
_SIDE = "0*[1-9][0-9]{0,6}"
_BLANK = f"{one_of(points(SPACE))}*"


def size_schema() -> dict[str, Any]:
    """Return the schema of every form of a size."""
    ratios = (_BLANK.join(map(_spelled, (*ratio.partition(":"),))) for ratio in RATIOS)
    names = map(_spelled, (*NAMED_RATIOS, *HAN_RATIOS))
    tier = f"{_BLANK}{_spelled('@')}{_BLANK}{either(map(_spelled, map(str, TIERS)))}"
    words = f"{either((*ratios, *names))}(?:{tier})?"
    between = f"{_BLANK}{one_of({ord(char) for char in '*＊xXｘＸ×'})}{_BLANK}"
    return {
        "anyOf": [
            {
                "description": "A ratio or a name, with or without a tier, or lines such as 1080p.",
                "pattern": f"^{_BLANK}{either((words, _lines()))}{_BLANK}$",
            },
            {
                "description": f"W*H of {MIN_PIXELS:,} to {MAX_PIXELS:,} pixels. A pattern cannot "
                "multiply: the long ones list where the product passes these bounds.",
                "allOf": [
                    {"pattern": f"^{_BLANK}{_SIDE}{between}{_SIDE}{_BLANK}$"},
                    {"not": {"pattern": product_up_to(MIN_PIXELS - 1)}},
                    {"pattern": product_up_to(MAX_PIXELS)},
                ],
            },
        ]
    }


def _lines() -> str:
    """Return the pattern of the lines of a screen, such as 1080p."""
    good = {n for n in range(1, 10_000) if MIN_PIXELS <= n * width_of(n) <= MAX_PIXELS}
    spelled = {f"{number:0{length}}" for number in good for length in range(1, 5)}
    return _any_of(spelled) + _spelled("p")


def _any_of(texts: set[str]) -> str:
    """Return the pattern of several texts, none of which begins another."""
    tails: dict[str, set[str]] = {}
    for text in texts - {""}:
        tails.setdefault(text[0], set()).add(text[1:])
    firsts: dict[str, list[str]] = {}
    for first, rest in sorted(tails.items()):
        firsts.setdefault(_any_of(rest), []).append(first)
    return either(_char(*several) + rest for rest, several in firsts.items()) if tails else ""


def _spelled(text: str) -> str:
    """Return the pattern of a text in small, capital and full-width letters."""
    return "".join(map(_char, text))


def _char(*chars: str) -> str:
    """Return the pattern of one of these characters, however it is written."""
    plain = {ord(one) for char in chars for one in (char.lower(), char.upper())}
    return one_of(plain | {one + _FULL_WIDTH for one in plain if one < 0x80})
