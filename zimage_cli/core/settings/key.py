"""An API key: its shape, and classes that show it, and other secrets, masked."""

from __future__ import annotations

from typing import NoReturn

from zimage_cli.api.endpoint import find_region
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import KEY_PREFIXES, mask

KEY_VARIABLE = "DASHSCOPE_API_KEY"
KEY_FILE_VARIABLE = "DASHSCOPE_API_KEY_FILE_PATH"

MIN_LENGTH = 8
MAX_LENGTH = 1024

CODING_PLAN = "sk-sp-"

CODING_PLAN_REASON = Message(
    "is a Coding Plan key (sk-sp-…): those work at the Coding Plan's own endpoint only, "
    "not at the ones that make pictures"
)


class Secret:
    """A text that shows itself masked wherever it is printed, and whole only by `reveal()`."""

    __slots__ = ("_text", "masked")
    _text: str
    masked: str
    """The text as it may be shown."""

    def __init__(self, text: str, masked: str) -> None:
        object.__setattr__(self, "_text", text)
        object.__setattr__(self, "masked", masked)

    def reveal(self) -> str:
        """Return the text itself: for the connection and the 0600 file alone."""
        return self._text

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked!r})"

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other._text == self._text

    def __hash__(self) -> int:
        return hash((type(self), self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: {name}")

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not to be pickled")


class Key(Secret):
    """An API key, which shows itself as `sk-…cdef`."""

    __slots__ = ()

    def __init__(self, text: str) -> None:
        super().__init__(text, mask(text))


def check_key(text: str) -> str:
    """Return a key to store: stripped, without surrounding quotes, of a key's shape.

    Raises UsageError that says what is wrong and never shows the text.
    """
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1].strip()
    why = shape_problem(text)
    if why is None and not text.startswith(KEY_PREFIXES):
        why = Message("does not begin with sk- (or st-, for a temporary key)")
    if why is None and text.startswith(CODING_PLAN):
        why = CODING_PLAN_REASON
    if why is None and ("*" in text or ".." in text):
        why = Message("is the masked form that the console shows; copy the key itself")
    if why is None and len(text) < MIN_LENGTH:
        why = Message("is too short: {count} characters", count=len(text))
    if why is not None:
        raise UsageError("key: what was given {why}", hint=pages_hint(), why=why)
    return text


def pages_hint(region: str | None = None) -> Message:
    """Return where to copy a key from, and what to do with it then."""
    known = find_region(region) if region else None
    if known:
        return Message(
            "Copy a key from {page}, then: zimage config set-key --region {region}",
            page=known.key_page,
            region=known.name,
        )
    return Message(
        "Copy a key from https://bailian.console.aliyun.com (beijing) or "
        "https://modelstudio.console.aliyun.com/ap-southeast-1 (singapore)."
    )


def shape_problem(text: str) -> Message | None:
    """Return why a text can be no value of the Authorization header; None where it can.

    That follows "the key from …" in a sentence.
    """
    if not text:
        return Message("is empty")
    if len(text) > MAX_LENGTH:
        return Message("is too long for a key: {count} characters", count=len(text))
    for place, char in enumerate(text, 1):
        if char == " ":
            return Message("holds a space, at place {place}", place=place)
        if not "!" <= char <= "~":
            return Message("holds a character that no key has, at place {place}", place=place)
    return None
