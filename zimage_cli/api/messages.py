"""Sentences with named facts: English here, translated where they are printed."""

from __future__ import annotations

from typing import Any, NoReturn


class Message:
    """A whole sentence with named placeholders, and the facts that go into them.

    `str` gives it in English. A fact may be a Message itself. Without facts the template is plain
    text, braces and all. Immutable.
    """

    __slots__ = ("facts", "template")
    template: str
    facts: dict[str, Any]

    def __init__(self, template: str, /, **facts: Any) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "facts", facts)

    def __str__(self) -> str:
        return self.template.format_map(self.facts) if self.facts else self.template

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __repr__(self) -> str:
        return f"Message({str(self)!r})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Message cannot be changed: {name}")
