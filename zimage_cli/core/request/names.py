"""File names for pictures, made of text from outside; each is one path component."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from zimage_cli.core.request.sizes import dimensions
from zimage_cli.core.request.wish import OTHER_SUFFIXES, format_of
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import INVISIBLE, is_safe, shown, without_keys

if TYPE_CHECKING:
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.request.sweep import Sweep

DEFAULT_TEMPLATE = "{date}-{time}-{slug}-{seed}.png"
SUFFIX = ".png"
FALLBACK_SLUG = "picture"
SLUG_BYTES = 32
"""Enough to know a picture by."""
_SHORT_SLUG = {True: 13, False: 18}
"""Bytes in the default name: with the default folders a path fits into 80 columns. Of letters that
are not ASCII, which take two or three bytes each, there are fewer all the same."""
NAME_BYTES = 200
"""File systems end at 255; the rest is for a number and for a temporary file's suffix."""

_LITERAL_BYTES = 100

# Names that Windows keeps for devices, with any extension and in any case.
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")
"""What the names of letters begin with whose scripts put no blanks between words."""

_ZERO_PADDED = r"0(?:[1-9]|1[0-9]|20)d?"


def slug(prompt: str, most: int = SLUG_BYTES) -> str:
    """Return a prompt as part of a file name: letters and digits of any script, `-` for the rest.

    At most so many UTF-8 bytes, lower case, NFC, cut between words where there are any; never a
    separator, a leading dot, a name that Windows keeps for itself, or an API key. `picture` where
    nothing is left.
    """
    kept: list[str] = []
    # Enough characters for the slug, whatever the rest of a long prompt holds. A file is handed on.
    for char in unicodedata.normalize("NFC", without_keys(prompt[:2000])).lower():
        category = unicodedata.category(char)
        if char in INVISIBLE or category == "Cf" or (category == "Cc" and not char.isspace()):
            continue
        if category[0] in "LN":
            kept.append(char)
        elif category[0] == "M":
            # A mark stands on a letter; without one it would stand on the hyphen or the path.
            if kept and kept[-1] != "-":
                kept.append(char)
        elif kept and kept[-1] != "-":
            kept.append("-")
    text = _cut_at_word(unicodedata.normalize("NFC", "".join(kept)).strip("-"), most)
    return _unreserved(text) or FALLBACK_SLUG


def _cut_at_word(text: str, length: int) -> str:
    """Return the beginning of a slug in so many bytes, without a piece of its last word.

    A word that alone fills the second half of it is cut, and so is a script without blanks.
    """
    cut = _cut(text, length)
    rest = text[len(cut) :]
    if rest and rest[0] != "-" and not unicodedata.name(rest[0], "").startswith(_UNSPACED):
        whole = cut.rpartition("-")[0]
        if len(whole.encode()) >= length // 2:
            cut = whole
    return cut.strip("-")


class _Picture(NamedTuple):
    """What a name can say of a picture."""

    request: Request
    region: str
    when: datetime
    number: int
    short: bool

    @property
    def slug(self) -> str:
        """The prompt's words."""
        prompt = self.request.prompt
        return slug(prompt, _SHORT_SLUG[prompt.isascii()] if self.short else SLUG_BYTES)


_FIELDS: dict[str, Callable[[_Picture], str | int]] = {
    "date": lambda of: f"{of.when.year:04}{of.when.month:02}{of.when.day:02}",
    "time": lambda of: f"{of.when.hour:02}{of.when.minute:02}{of.when.second:02}",
    "slug": lambda of: of.slug,
    "seed": lambda of: "random" if of.request.seed is None else of.request.seed,
    "n": lambda of: of.number,
    "size": lambda of: of.request.size.replace("*", "x"),
    "region": lambda of: of.region,
    "width": lambda of: dimensions(of.request.size)[0],
    "height": lambda of: dimensions(of.request.size)[1],
}
FIELDS = tuple(_FIELDS)
_NUMBERS = frozenset({"seed", "n", "width", "height"})


class NameTemplate(NamedTuple):
    """A checked `--name`: text and fields in braces; make one with `NameTemplate.parse`."""

    text: str
    parts: tuple[tuple[str, str | None, str], ...]
    """(literal text, field that follows it, that field's zero padding)."""
    suffix: str = SUFFIX
    """What the names end in."""

    @property
    def said(self) -> str | None:
        """The format that its own text says, None where it leaves that to the settings."""
        return None if self.text == DEFAULT_TEMPLATE else format_of(self.text)

    @classmethod
    def parse(cls, text: str = DEFAULT_TEMPLATE, suffix: str = SUFFIX) -> NameTemplate:
        """Return the template for a text such as `{slug}-{n:03}.png`.

        `suffix` is for a text without an extension of its own, and for the default one. Numbers may
        be zero-padded; nothing else of Python's format language is known. Raises UsageError that
        lists the fields, or says what of the text cannot stand in a file name.
        """
        try:
            parsed = list(Formatter().parse(text))
        except ValueError:
            raise _refuse(
                "name: {value} has braces that do not pair up as {{field}}; allowed: {allowed}",
                text,
            ) from None
        parts = []
        for literal, name, spec, conversion in parsed:
            if name is not None and name not in _FIELDS:
                raise _refuse(
                    "name: {value} has the unknown field {unknown}; allowed: {allowed}",
                    text,
                    unknown=shown("{" + name + "}"),
                )
            if conversion is not None:
                raise _refuse(
                    "name: {value} converts {name} with !{conversion}; allowed: {allowed}",
                    text,
                    name=name,
                    conversion=shown(conversion)[1:-1],
                )
            if spec and not (name in _NUMBERS and re.fullmatch(_ZERO_PADDED, spec)):
                raise _refuse(
                    "name: {value} formats {name} as {spec}; numbers take e.g. :03; "
                    "allowed: {allowed}",
                    text,
                    name=name,
                    spec=shown(spec),
                )
            parts.append((literal, name, spec or ""))
        _check_literals(text, "".join(literal for literal, _, _ in parts))
        _check_ends(text, parts)
        template = cls(text, tuple(parts), suffix)
        if template.said is None:
            return template
        return template._replace(suffix=os.path.splitext(text)[1].lower())  # noqa: PTH122

    def varied(self, sweep: Sweep) -> NameTemplate:
        """Return the template for pictures of a sweep: the default one also says what varies."""
        if self.text != DEFAULT_TEMPLATE or not (sweep.expand or len(sweep.sizes) > 1):
            return self
        parts = "{date}-{time}-{slug}-{seed}"
        if len(sweep.sizes) > 1:
            parts += "-{size}"
        # A slug is cut: it may not show which words vary.
        return NameTemplate.parse(parts + ("-{n}" if sweep.expand else "") + self.suffix)

    def render(
        self, request: Request, *, region: str, number: int = 1, when: datetime | None = None
    ) -> str:
        """Return a file name: one path component of at most 200 bytes, with its extension.

        `number` is the picture's in its run, from 1. `when` is the local time of the run, now where
        it is not given.
        """
        short = self.text.startswith(DEFAULT_TEMPLATE.removesuffix(SUFFIX))
        of = _Picture(request, region, when or datetime.now(UTC).astimezone(), number, short)
        made = []
        for literal, name, spec in self.parts:
            made.append(literal)
            if name is not None:
                value = _FIELDS[name](of)
                width = int(spec.rstrip("d")) if spec and isinstance(value, int) else 0
                made.append(str(value).zfill(width))
        stem = "".join(made)
        if format_of(self.text):
            stem = stem.rpartition(".")[0]
        stem = _cut(stem, NAME_BYTES - len(self.suffix) - len("-") - len(FALLBACK_SLUG))
        return _unreserved(stem.rstrip(". ") or FALLBACK_SLUG) + self.suffix


def numbered(path: Path, k: int) -> Path:
    """Return the path with a number before its suffix: `name.png` and 2 give `name-2.png`.

    1 and less give the path itself. A name that grew over 255 bytes is shortened.
    """
    if k <= 1:
        return path
    stem, end = path.stem, f"-{k}{path.suffix}"
    while len(os.fsencode(stem + end)) > 255 and stem:
        stem = stem[:-1]
    return path.with_name(stem + end)


def _refuse(template: str, text: str, **facts: Any) -> UsageError:
    fields = Listing(", ", (f"{{{name}}}" for name in FIELDS))
    return UsageError(
        template,
        hint="The default is {default}",
        field="name",
        value=shown(text),
        allowed=Message("text and the fields {fields}", fields=fields),
        default=DEFAULT_TEMPLATE,
        **facts,
    )


def _check_literals(text: str, literal: str) -> None:
    for char in literal:
        if char in "/\\":
            raise _refuse(
                "name: {value} holds the separator {char}; use --output-dir for the folder; "
                "allowed: {allowed}",
                text,
                char=char,
            )
        if char in '<>:"|?*' or not is_safe(char):
            raise _refuse(
                "name: {value} holds {char}, which not every system allows in a name; "
                "allowed: {allowed}",
                text,
                char=shown(char),
            )
    if len(literal.encode()) > _LITERAL_BYTES:
        raise _refuse(
            "name: {value} has more than {most} bytes beside its fields; allowed: {allowed}",
            text,
            most=_LITERAL_BYTES,
        )


def _check_ends(text: str, parts: list[tuple[str, str | None, str]]) -> None:
    if not text.strip():
        raise _refuse("name: {value} is blank; allowed: {allowed}", text)
    if parts[0][0][:1] in {".", " "}:
        raise _refuse("name: {value} begins with a dot or a space; allowed: {allowed}", text)
    field = parts[-1][1]
    stem, suffix = os.path.splitext(text)  # noqa: PTH122
    if field is None and suffix.lower() in OTHER_SUFFIXES:
        raise _refuse(
            "name: {value} ends like another format; pictures are PNG, JPEG or WebP; "
            "allowed: {allowed}",
            text,
        )
    whole = len(parts) == 1 and field is None
    if whole and (stem if format_of(text) else text).rstrip(". ") == "":
        raise _refuse("name: {value} names no file; allowed: {allowed}", text)


def _cut(text: str, length: int) -> str:
    """Return the beginning of a text that fits in so many UTF-8 bytes, at a character boundary."""
    return text.encode("utf-8")[:length].decode("utf-8", "ignore")


def is_reserved(name: str) -> bool:
    """Tell whether Windows keeps a name for a device."""
    return _RESERVED.fullmatch(name) is not None


def _unreserved(name: str) -> str:
    """Return a name that is no device on Windows: `con.x` becomes `con-picture.x`."""
    if not is_reserved(name):
        return name
    first, dot, rest = name.partition(".")
    return f"{first.rstrip()}-{FALLBACK_SLUG}{dot}{rest}"
