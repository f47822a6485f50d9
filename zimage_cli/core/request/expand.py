r"""One text that stands for many prompts; lists of sizes and seeds.

`a {red|blue|} fox` stands for three prompts. Alternatives nest, and may be empty. A brace pair
without `|` is text, so that `{"mood": "{calm|wild}"}` keeps its outer braces. `\{ \} \| \\`
are the characters themselves; a backslash before anything else, and `|` outside braces, are text.
White space is kept as it is, and nothing is dropped: `{a|a}` stands for two equal prompts.
A pair that begins with `@` and has no `|` names a file: `{@colours.txt}` stands for its lines,
which are text, whatever braces they hold. Who reads it is the caller's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.sizes import parse_size
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

MAX_DEPTH = 100
"""Levels of braces within braces; more is taken for a mistake."""
MAX_SEEDS = 100_000
MAX_LENGTH = 10_000
"""Characters of a prompt with lines of files in it: a short text can name them many times."""

_TOKEN = re.compile(r"\\[{}|\\]|[{}|]|[^\\{}|]+|\\", re.DOTALL)
_SEEDS = re.compile(r"([0-9]+)(?:\s*-\s*([0-9]+))?")
_SEEDS_ALLOWED = Message("numbers and ranges, 0 to {most}, such as 1-4,9", most=MAX_SEED)


class _File(NamedTuple):
    """The lines of a file, and how many characters the longest has."""

    lines: Sequence[str]
    longest: int


_Part = str | list["_Parts"] | _File
"""Text, the alternatives of a brace pair, or the lines of a file."""
_Parts = list[_Part]

Lines = Callable[[str], Sequence[str]]
"""Returns the lines of a file by its name, at least one; raises UsageError."""


def expand(prompt: str, lines: Lines | None = None) -> Iterator[str]:
    """Return, one by one, the prompts that a text stands for; the leftmost choice varies slowest.

    The same text gives the same prompts in the same order. Raises UsageError, before the first of
    them, for a brace that has no partner, for braces nested over 100 levels deep, what `lines`
    raises, and for a file where there is no `lines`.
    """
    return _texts(_parse(prompt, lines))


def count(prompt: str, lines: Lines | None = None) -> int:
    """Return how many prompts `expand` would give, without making them; the same errors.

    The number can have more digits than Python prints: show it with `count_text`.
    """
    return _count(_parse(prompt, lines))


def count_text(number: int) -> Message:
    """Return a count as it is shown: `1,024`, or `about 10^57` where the digits say nothing."""
    if number < 10**15:
        return Message("{number:,}", number=number)
    from math import log10

    return Message("about 10^{digits:.0f}", digits=log10(number))


def parse_sizes(text: str) -> tuple[str, ...]:
    """Return the `W*H` sizes of a list such as `1:1,16:9`, each once, in the order given.

    Raises UsageError (SizeError for an item) that says what was given and what is allowed.
    """
    if not text.strip():
        raise UsageError(
            "sizes: is empty; allowed: {allowed}",
            hint="See the recommended sizes: zimage sizes",
            field="sizes",
            value="",
            allowed=Message("sizes with commas between them, such as 1:1,16:9"),
        )
    return tuple(dict.fromkeys(parse_size(item) for item in re.split("[,，、]", text)))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a list such as `1-4,9`, each once, in the order given.

    A range includes both ends. At most 100,000 seeds, counted before those that stand there twice
    are dropped. Raises UsageError that says what was given and what is allowed.
    """
    found: dict[int, None] = {}
    named = 0
    for item in text.split(","):
        span = _SEEDS.fullmatch(item.strip())
        if span is None:
            if item.strip():
                raise _no_seeds("seeds: {value} is no seed; allowed: {allowed}", item)
            raise _no_seeds("seeds: {value} is empty; allowed: {allowed}", item)
        first, last = _seed(item, span[1]), _seed(item, span[2] or span[1])
        if last < first:
            raise _no_seeds(
                "seeds: {value} runs downwards; allowed: {allowed}; nearest: {nearest}",
                item,
                nearest=f"{last}-{first}",
            )
        named += last - first + 1
        if named > MAX_SEEDS:
            raise UsageError(
                "seeds: {value} has more than {most:,} seeds; allowed: {allowed}",
                field="seeds",
                value=shown(text),
                most=MAX_SEEDS,
                allowed=Message("at most {most:,}", most=MAX_SEEDS),
            )
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def _seed(item: str, digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    # Python refuses to read some thousand digits; ten hold the largest seed.
    if len(digits) > 10 or int(digits) > MAX_SEED:
        raise _no_seeds("seeds: {value} is out of range; allowed: {allowed}", item)
    return int(digits)


def _no_seeds(template: str, item: str, nearest: str | None = None) -> UsageError:
    return UsageError(
        template, field="seeds", value=shown(item), allowed=_SEEDS_ALLOWED, nearest=nearest
    )


def _parse(prompt: str, lines: Lines | None) -> _Parts:
    """Return a text as its parts. Raises UsageError for braces that do not pair up."""
    text: _Parts = []
    files: dict[str, _File] = {}
    # The open braces: the place of each, and its alternatives so far; before them the text itself.
    opened: list[tuple[int, list[_Parts]]] = [(0, [text])]
    for token in _TOKEN.finditer(prompt):
        alternatives = opened[-1][1]
        match token[0]:
            case "{":
                if len(opened) > MAX_DEPTH:
                    raise _unpaired(
                        "prompt: the {{ at character {place} is nested over {most} deep; "
                        "allowed: {allowed}",
                        token.start(),
                    )
                opened.append((token.start(), [[]]))
            case "|" if len(opened) > 1:
                alternatives.append([])
            case "}":
                if len(opened) == 1:
                    raise _unpaired(
                        "prompt: the }} at character {place} closes nothing; allowed: {allowed}",
                        token.start(),
                    )
                place, _ = opened.pop()
                outside = opened[-1][1][-1]
                if len(alternatives) > 1:
                    outside.append(alternatives)
                elif _names_file(alternatives[0]):
                    outside.append(_file(alternatives[0], place, lines, files))
                else:
                    outside += ["{", *alternatives[0], "}"]
            case plain:
                escaped = len(plain) == 2 and plain[0] == "\\"
                alternatives[-1].append(plain[1:] if escaped else plain)
    if len(opened) > 1:
        raise _unpaired(
            "prompt: the {{ at character {place} is not closed; allowed: {allowed}", opened[-1][0]
        )
    if files and (length := _longest(text)) > MAX_LENGTH:
        raise UsageError(
            "prompt: with the lines of its files it comes to {length:,} characters; "
            "allowed: at most {most:,}",
            field="prompt",
            length=length,
            most=MAX_LENGTH,
        )
    return text


def _names_file(parts: _Parts) -> bool:
    return bool(parts) and isinstance(parts[0], str) and parts[0].startswith("@")


def _file(parts: _Parts, place: int, lines: Lines | None, files: dict[str, _File]) -> _File:
    """Return the lines of a file that parts name, and note it. Raises UsageError."""
    name = "".join(part for part in parts if isinstance(part, str))[1:].strip()
    if not all(isinstance(part, str) for part in parts):
        raise _unpaired(
            "prompt: the name of a file in the {{@ at character {place} holds alternatives; "
            "allowed: one name, such as {example}",
            place,
        )
    if not name:
        raise _unpaired(
            "prompt: the {{@ at character {place} names no file; allowed: such as {example}", place
        )
    if lines is None:
        raise _unpaired(
            "prompt: the {{@ at character {place} names a file, and none is read here", place
        )
    if name not in files:
        found = lines(name)
        files[name] = _File(found, max(map(len, found)))
    return files[name]


def _unpaired(template: str, place: int) -> UsageError:
    return UsageError(
        template,
        hint="Write \\{{ and \\}} for braces that are part of the prompt.",
        field="prompt",
        place=place + 1,
        most=MAX_DEPTH,
        allowed=Message("alternatives such as {red|blue}"),
        example=Message("{@colours.txt}"),
    )


def _count(parts: _Parts) -> int:
    # Numbers of like length are multiplied, and small ones added first: a number of a million
    # digits is then not gone through once for each brace.
    factors = [
        len(part.lines) if isinstance(part, _File) else sum(sorted(map(_count, part)))
        for part in parts
        if not isinstance(part, str)
    ]
    while len(factors) > 1:
        odd = factors[-1:] if len(factors) % 2 else []
        factors = [a * b for a, b in zip(factors[::2], factors[1::2], strict=False)] + odd
    return factors[0] if factors else 1


def _longest(parts: _Parts) -> int:
    """Return how many characters the longest text has that parts stand for."""
    return sum(
        len(part)
        if isinstance(part, str)
        else part.longest
        if isinstance(part, _File)
        else max(map(_longest, part))
        for part in parts
    )


def _texts(parts: _Parts) -> Iterator[str]:
    """Yield every text that parts stand for, like an odometer: the last choice turns fastest."""
    choices = {at: part for at, part in enumerate(parts) if not isinstance(part, str)}
    turning = {at: _each(choice) for at, choice in choices.items()}
    shown = [part if isinstance(part, str) else next(turning[at]) for at, part in enumerate(parts)]
    while True:
        yield "".join(shown)
        for at in reversed(choices):
            following = next(turning[at], None)
            if following is not None:
                shown[at] = following
                break
            turning[at] = _each(choices[at])
            shown[at] = next(turning[at])
        else:
            return


def _each(alternatives: list[_Parts] | _File) -> Iterator[str]:
    if isinstance(alternatives, _File):
        return iter(alternatives.lines)
    return chain.from_iterable(map(_texts, alternatives))
