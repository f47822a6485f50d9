"""Picture sizes: what the service takes, what it recommends, and what people type for it.

Limits and recommended sizes: Alibaba Cloud Model Studio's API reference, October 2026. No limit on
a side is documented, only on the product of both.
"""

from __future__ import annotations

import re
from itertools import product
from math import floor, prod, sqrt
from os.path import lexists
from typing import Any, NamedTuple

from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import shown

MIN_PIXELS = 512 * 512
MAX_PIXELS = 2048 * 2048
DEFAULT_SIZE = "1024*1024"
TIERS = (1024, 1280, 1536)
"""A tier is the side of the square with about as many pixels."""

NAMED_RATIOS = {"square": "1:1", "portrait": "2:3", "landscape": "3:2"}
HAN_RATIOS = {"方图": "1:1", "竖图": "2:3", "横图": "3:2"}

ALLOWED = Message(
    "W*H such as 1024*1024 or 1280x720, a ratio such as 16:9 or 16:9@1536, "
    "square, portrait or landscape"
)

_TABLE = {
    "1:1": ((1024, 1024), (1280, 1280), (1536, 1536)),
    "2:3": ((832, 1248), (1024, 1536), (1248, 1872)),
    "3:2": ((1248, 832), (1536, 1024), (1872, 1248)),
    "3:4": ((864, 1152), (1104, 1472), (1296, 1728)),
    "4:3": ((1152, 864), (1472, 1104), (1728, 1296)),
    "7:9": ((896, 1152), (1120, 1440), (1344, 1728)),
    "9:7": ((1152, 896), (1440, 1120), (1728, 1344)),
    "9:16": ((720, 1280), (864, 1536), (1152, 2048)),
    "9:21": ((576, 1344), (720, 1680), (864, 2016)),
    "16:9": ((1280, 720), (1536, 864), (2048, 1152)),
    "21:9": ((1344, 576), (1680, 720), (2016, 864)),
}
RATIOS = tuple(_TABLE)

# Texts and not compiled patterns: each of those takes a start-up 0.2 ms, and most starts need one.
_WIDTH_HEIGHT = r"([0-9]+)\s*[*x×]\s*([0-9]+)"
_RATIO_TIER = r"([0-9]+\s*:\s*[0-9]+|[^\W\d_]+)\s*(?:@\s*([0-9]+))?"
_LINES = r"([0-9]{1,4})p"
_NUMBER = r"[0-9]+"
_FILE_SUFFIX = r"\.[0-9]*[A-Za-z][0-9A-Za-z]*$"

_GRID = 16
"""Pixels. Suggested sides are multiples of it, as all recommended sides are."""

_LONGEST = 4
"""Of one side to the other. Beyond it the nearest recommended shape is suggested, not this one."""


class Size(NamedTuple):
    """A recommended size, in pixels."""

    ratio: str
    tier: int
    width: int
    height: int

    @property
    def text(self) -> str:
        """The form the service takes: `W*H`."""
        return f"{self.width}*{self.height}"

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


RECOMMENDED = tuple(
    Size(ratio, tier, *sides)
    for ratio, row in _TABLE.items()
    for tier, sides in zip(TIERS, row, strict=True)
)


class SizeError(UsageError):
    """A text that is no size this model takes; `nearest` is the `W*H` that comes closest."""

    def __init__(self, template: str, /, **facts: Any) -> None:
        hint = "See the recommended sizes: zimage sizes"
        super().__init__(template, hint=hint, field="size", **facts)

    @property
    def nearest(self) -> str:
        """The `W*H` that comes closest."""
        found: str = self.facts["nearest"]
        return found


def dimensions(size: str) -> tuple[int, int]:
    """Return (width, height) in pixels of a size that `parse_size` returned."""
    width, _, height = size.partition("*")
    return int(width), int(height)


def pixels(size: str) -> int:
    """Return the pixel count of a size that `parse_size` returned."""
    return prod(dimensions(size))


def parse_size(text: str) -> str:
    """Return the service's `W*H` for any form of a size, white space around it ignored.

    Takes `1024*1024` (also with `x`, `X`, `×`), a ratio (`16:9`, of tier 1024), a ratio with tier
    (`16:9@1536`), `square`, `portrait`, `landscape` (`方图`, `竖图`, `横图`), with or without tier,
    and `1080p`, the lines of a 16:9 screen. Full-width characters count as the plain ones. Raises
    SizeError.
    """
    bare = _plain(text.strip()).lower()
    sides = re.fullmatch(_WIDTH_HEIGHT, bare)
    if sides:
        return _check_pixels(text, sides[1], sides[2])
    ratio = re.fullmatch(_RATIO_TIER, bare)
    if ratio:
        found = {**NAMED_RATIOS, **HAN_RATIOS}.get(ratio[1], ratio[1])
        if ":" in found:
            return _recommended(text, "".join(found.split()), ratio[2])
    lines = re.fullmatch(_LINES, bare)
    if lines:
        return _check_pixels(text, str(width_of(int(lines[1]))), lines[1])
    raise _no_size(text)


def width_of(lines: int) -> int:
    """Return the width of a 16:9 screen of so many lines, an even number: 854 for 480."""
    return round(lines * 8 / 9) * 2


def _plain(text: str) -> str:
    """Return a text with the full-width forms of ASCII characters as those: `16：9` as `16:9`."""
    if text.isascii():
        return text
    return "".join(chr(ord(char) - 0xFEE0) if "！" <= char <= "～" else char for char in text)


def _check_pixels(text: str, width: str, height: str) -> str:
    width, height = width.lstrip("0") or "0", height.lstrip("0") or "0"
    # Seven digits hold the upper limit; what is longer need not become a number to be too large.
    if max(len(width), len(height)) <= 7 and MIN_PIXELS <= int(width) * int(height) <= MAX_PIXELS:
        return f"{width}*{height}"
    allowed = Message("{least:,} to {most:,} pixels", least=MIN_PIXELS, most=MAX_PIXELS)
    nearest = _within_limits(*_sides(width, height))
    if len(width + height) > 18:
        raise SizeError(
            "size: {value} is too many pixels; allowed: {allowed}; nearest valid size: {nearest}",
            value=shown(text),
            allowed=allowed,
            nearest=nearest,
        )
    raise SizeError(
        "size: {value} is {pixels:,} pixels; allowed: {allowed}; nearest valid size: {nearest}",
        value=shown(text),
        pixels=int(width) * int(height),
        allowed=allowed,
        nearest=nearest,
    )


def _recommended(text: str, ratio: str, tier: str | None) -> str:
    wanted = tier or str(TIERS[0])
    named = (one.text for one in RECOMMENDED if (one.ratio, str(one.tier)) == (ratio, wanted))
    if found := next(named, None):
        return found
    best = _nearest(_aspect(ratio), _number(wanted) ** 2)
    name = best.ratio if best.tier == TIERS[0] else f"{best.ratio}@{best.tier}"
    if ratio not in _TABLE:
        raise SizeError(
            "size: {value} is not a recommended ratio; allowed: {allowed}; "
            "nearest valid size: {name} ({nearest})",
            value=shown(text),
            allowed=Message("{ratios}, or W*H", ratios=Listing(", ", RATIOS)),
            name=name,
            nearest=best.text,
        )
    raise SizeError(
        "size: {value} has an unknown tier {tier}; allowed: {allowed}; "
        "nearest valid size: {name} ({nearest})",
        value=shown(text),
        tier=shown(wanted)[1:-1],
        allowed=Listing(", ", map(str, TIERS)),
        name=name,
        nearest=best.text,
    )


def _no_size(text: str) -> SizeError:
    """Return the error for a text of no known form, with the best guess at what was meant."""
    import unicodedata
    from difflib import get_close_matches

    start = unicodedata.normalize("NFKC", text.strip()[:200]).lower()
    numbers = re.findall(_NUMBER, start)
    if start in {"2k", "4k", "8k"}:
        # Several things are called so, the smallest of them 2048 wide.
        nearest = "2048*1152"
    elif len(numbers) >= 2 and ":" in start:
        nearest = _nearest(_aspect(f"{numbers[0]}:{numbers[1]}"), TIERS[0] ** 2).text
    elif len(numbers) >= 2:
        nearest = _as_it_is_or_near(numbers[0], numbers[1])
    elif numbers:
        nearest = _nearest(1, _number(numbers[0]) ** 2).text
    else:
        names = get_close_matches(start, NAMED_RATIOS, n=1) or ["square"]
        nearest = parse_size(names[0])
    if _looks_like_a_file(text):
        return SizeError(
            "size: {value} is not a size; allowed: {allowed}; nearest valid size: {nearest}. "
            "It looks like a file name: the shell puts file names in the place of an unquoted *; "
            "quote it ('{nearest}') or write {unquoted}",
            value=shown(text),
            allowed=ALLOWED,
            nearest=nearest,
            unquoted=nearest.replace("*", "x"),
        )
    return SizeError(
        "size: {value} is not a size; allowed: {allowed}; nearest valid size: {nearest}",
        value=shown(text),
        allowed=ALLOWED,
        nearest=nearest,
    )


def _as_it_is_or_near(width: str, height: str) -> str:
    try:
        return _check_pixels("", width, height)
    except SizeError as error:
        return error.nearest


def _looks_like_a_file(text: str) -> bool:
    name = text.strip()
    suffix = re.search(_FILE_SUFFIX, name[-20:])
    return bool(name) and (suffix is not None or "/" in name or lexists(name))


def _number(digits: str) -> float:
    """Return a number of any length as a float: 0 as 1, and no more than 10^150."""
    return min(float(digits) or 1.0, 1e150)


def _sides(width: str, height: str) -> tuple[float, float]:
    """Return two numbers of any length as floats; beyond 10^150 only their proportion is kept."""
    width, height = width.lstrip("0"), height.lstrip("0")
    over = max(len(width), len(height), 150) - 150
    across, down = (_number(side[: max(len(side) - over, 0)] or "0") for side in (width, height))
    return across, down


def _aspect(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    across, down = _sides(width, height)
    return across / down


def _apart(one: float, other: float) -> float:
    """Return how many times as large the larger number is."""
    return max(one / other, other / one)


def _nearest(aspect: float, area: float) -> Size:
    """Return the recommended size nearest to width / height, then to an area in pixels."""
    return min(
        RECOMMENDED,
        key=lambda size: (_apart(_aspect(size.ratio), aspect), _apart(size.pixels, area)),
    )


def _within_limits(width: float, height: float) -> str:
    """Return the size of about the same shape just within the limits."""
    aspect, area = width / height, width * height
    if _apart(aspect, 1) > _LONGEST:
        return _nearest(aspect, area).text
    target = min(max(area, MIN_PIXELS), MAX_PIXELS)
    across, down = sqrt(target * aspect), sqrt(target / aspect)
    # A step beyond the next one too: with both sides rounded up, a narrow one may lose its shape.
    steps = [[(floor(side / _GRID) + step) * _GRID for step in range(3)] for side in (across, down)]
    valid = [(w, h) for w, h in product(*steps) if MIN_PIXELS <= w * h <= MAX_PIXELS]
    # The shape counts for more than the area.
    best = min(
        valid,
        key=lambda size: _apart(size[0] / size[1], aspect) ** 2 * _apart(size[0] * size[1], target),
    )
    return f"{best[0]}*{best[1]}"
