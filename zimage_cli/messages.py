"""Sentences with named facts: English here, translated where they are printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Self


class Message:
    """A whole sentence with named placeholders, and the facts that go into them.

    `str` gives it in English. A fact may be a Message itself. Without facts the template is plain
    text, braces and all. Immutable.
    """

    __slots__ = ("facts", "template")
    template: str
    facts: Mapping[str, Any]

    def __init__(self, template: str, /, **facts: Any) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "facts", MappingProxyType(facts))

    def __str__(self) -> str:
        return self.template.format_map(self.facts) if self.facts else self.template

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"Message({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.template, self.facts) == (other.template, other.facts)

    def __hash__(self) -> int:
        return hash(self.template)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Message cannot be changed: {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _message, (self.template, dict(self.facts))


def _message(template: str, facts: dict[str, Any]) -> Message:
    return Message(template, **facts)


class Listing(tuple[Any, ...]):
    """Any number of Messages as one fact of another; `between` stands between them."""

    between: str

    def __new__(cls, between: str, messages: Iterable[Any]) -> Self:
        """Take the text between two messages, and the messages."""
        made = super().__new__(cls, messages)
        made.between = between
        return made

    def __str__(self) -> str:
        return self.between.join(map(str, self))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.between, tuple(self)


class Shown(str):
    """A value as a sentence shows it; `plain` is what `--json` says for it."""

    plain: Any
    __slots__ = ("plain",)

    def __new__(cls, text: str, plain: Any) -> Self:
        """Take the text, and the value that it shows."""
        made = super().__new__(cls, text)
        made.plain = plain
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.plain
