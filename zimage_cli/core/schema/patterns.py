r"""Regular expressions that Python and JavaScript (with the flag `u`) read alike.

Characters outside ASCII stand for themselves: what Python writes as `\U0001f600` is an error to
JavaScript. `$` is only used where a line feed at the end changes nothing: Python matches before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import pairwise

SPACE = (
    *((0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
r"""First and last of what Python counts as white space: JavaScript's `\s` is another set."""

_LAST = 0x10FFFF
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def points(*spans: Iterable[tuple[int, int]]) -> set[int]:
    """Return the characters, by number, of lists of first and last ones."""
    return {point for span in spans for first, last in span for point in range(first, last + 1)}


def one_of(wanted: Collection[int]) -> str:
    """Return the class of these characters."""
    marks = sorted(wanted)
    starts = [marks[0], *(after for before, after in pairwise(marks) if after > before + 1)]
    ends = [*(before for before, after in pairwise(marks) if after > before + 1), marks[-1]]
    return _class(zip(starts, ends, strict=True))


def none_of(unwanted: Collection[int]) -> str:
    """Return the class of all characters but these; lone surrogates have to be among them.

    It names what is in it: engines whose texts cannot hold surrogates do not read their escapes.
    """
    marks = [-1, *sorted(unwanted), _LAST + 1]
    gaps = ((one + 1, other - 1) for one, other in pairwise(marks) if other > one + 1)
    return _class(gaps)


def _class(spans: Iterable[tuple[int, int]]) -> str:
    parts = (
        _written(first) + (f"-{_written(last)}" if last > first else "") for first, last in spans
    )
    return f"[{''.join(parts)}]"


def _written(point: int) -> str:
    char = chr(point)
    if point < 0x20 or point == 0x7F:
        return _ESCAPES.get(char, f"\\x{point:02x}")
    return f"\\{char}" if char in "\\[]^-" else char


def either(alternatives: Iterable[str]) -> str:
    """Return the pattern of what one of several matches."""
    several = list(alternatives)
    return several[0] if len(several) == 1 else f"(?:{'|'.join(several)})"


def digits(first: int, last: int) -> str:
    """Return the pattern of one digit, `first` to `last`."""
    if last <= first + 1:
        return str(first) if last == first else f"[{first}{last}]"
    return f"[{first}-{last}]"


def any_digits(count: int) -> str:
    """Return the pattern of so many digits."""
    return f"[0-9]{{{count}}}" if count > 1 else "[0-9]" * count


def up_to(most: str) -> str:
    """Return what the numbers up to one, written with as many digits, begin with."""
    if not most.strip("9"):
        return ""
    first, rest = int(most[0]), up_to(most[1:])
    if not rest:
        return digits(0, first)
    return either([*([digits(0, first - 1)] if first else []), f"{first}{rest}"])


def beyond(least: str, most: str) -> str:
    """Return what the numbers over one and up to another, as many digits, begin with.

    Shorter than exact: it may match numbers up to the lesser one too.
    """
    same = next(place for place in range(len(most)) if least[place] != most[place])
    first = int(least[same]) + (not least[same + 1 :].strip("9"))
    last, rest = int(most[same]), up_to(most[same + 1 :])
    if not rest:
        return most[:same] + digits(first, last)
    before = [digits(first, last - 1)] if first < last else []
    return most[:same] + either([*before, f"{last}{rest}"])


_BETWEEN = r"\D+0*"


def product_up_to(limit: int) -> str:
    """Return the pattern of two whole numbers, of 1 to 7 digits each, whose product is at most so.

    Something that is no digit stands between them, and both may have zeros before them. A pattern
    cannot multiply: this one lists the steps of the curve between what is allowed and what is not,
    and has about 27 characters for each.
    """
    lengths = [(one, other) for one in range(1, 8) for other in range(1, 8)]
    groups = (_of_lengths(limit, *both) for both in lengths if 10 ** (sum(both) - 2) <= limit)
    return rf"^[^1-9]*{either(groups)}"


def _of_lengths(limit: int, one: int, other: int) -> str:
    """Return the pattern for numbers of so many digits."""
    most = 10**other - 1

    def below(start: int, count: int, covered: int, first: int = 0) -> list[str]:
        """Return the alternatives for the numbers from `start` that differ in `count` digits.

        Second numbers up to `covered` are matched already. The larger the first number, the fewer
        second ones: what is good with a digit is so with all smaller ones.
        """
        found, step = [], 10 ** (count - 1)
        for digit in range(9, first - 1, -1):
            least = start + digit * step
            good = min(limit // (least + step - 1), most)
            if good > covered:
                row = digits(first, digit) + any_digits(count - 1) + _BETWEEN
                found.append(row + beyond(str(covered).zfill(other), str(good)))
                covered = good
            if count > 1 and min(limit // max(least, 1), most) > covered:
                found.append(f"{digit}{either(below(least, count - 1, covered))}")
        return found

    ahead = f"(?={any_digits(one)}{_BETWEEN}[1-9]{any_digits(other - 1)}(?![0-9]))"
    return ahead + either(below(0, one, 10 ** (other - 1) - 1, 1))
