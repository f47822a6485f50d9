"""Sentences with named facts: English wherever they go, translated where a person reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Self

Translate = Callable[[str], str]
"""Returns a template in another language, as it is where that has none for it."""


class _Words(str):
    """Text that is known by its parts, so that it can be said in another language. Immutable."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed: {name}")

    def _note(self, **parts: object) -> None:
        for name, value in parts.items():
            object.__setattr__(self, name, value)


class Message(_Words):
    """A whole sentence with named placeholders, and the facts that go into them.

    As a text it is in English. A fact may be a Message itself. Without facts the template is plain
    text, braces and all.
    """

    __slots__ = ("facts", "template")
    template: str
    facts: Mapping[str, Any]

    def __new__(cls, template: str, /, **facts: Any) -> Self:
        """Take the template, and its facts by name."""
        made = super().__new__(cls, template.format_map(facts) if facts else template)
        made._note(template=str(template), facts=MappingProxyType(facts))
        return made

    def __repr__(self) -> str:
        return f"Message({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _message, (self.template, dict(self.facts))


def _message(template: str, facts: dict[str, Any]) -> Message:
    return Message(template, **facts)


class Unfit(Exception):
    """What cannot be used, or made; `said` is why."""

    def __init__(self, template: str, /, **facts: Any) -> None:
        self.said = Message(template, **facts)
        super().__init__(str(self.said))


class Listing(_Words):
    """Any number of texts as one; `between` stands between them."""

    __slots__ = ("between", "parts")
    between: str
    parts: tuple[Any, ...]

    def __new__(cls, between: str, parts: Iterable[Any]) -> Self:
        """Take the text between two parts, and the parts."""
        kept = tuple(parts)
        made = super().__new__(cls, between.join(map(str, kept)))
        made._note(between=between, parts=kept)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Listing, (self.between, self.parts)


class Shown(str):
    """A value as a sentence shows it; `plain` is what `--json` says for it.

    `words` is the text as it was given: a message, where it does not show the value itself.
    """

    plain: Any
    words: str
    __slots__ = ("plain", "words")

    def __new__(cls, text: str, plain: Any) -> Self:
        """Take the text, and the value that it shows."""
        made = super().__new__(cls, text)
        made.plain, made.words = plain, text
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.words, self.plain


Words = Message | Listing
"""What may be printed for a person: nothing of it is lost to the translation."""


def counted(count: int, one: str, many: str, /, **facts: Any) -> Message:
    """Return a message for one thing, or for any other number of them; `count` is a fact."""
    return Message(one if count == 1 else many, count=count, **facts)


def foreign(text: str) -> Message:
    """Return what the system, Python or a library says: it is its own id, where it has one.

    Their common texts stand in `tests/translations.py`; others stay what they are.
    """
    return text if isinstance(text, Message) else Message(text)


def translated(words: object, translate: Translate) -> Any:
    """Return text with all that is ours in another language; anything else as it is."""
    if isinstance(words, Message):
        template = translate(words.template)
        if not words.facts:
            return template
        facts = {name: translated(fact, translate) for name, fact in words.facts.items()}
        try:
            return template.format_map(facts)
        except (LookupError, ValueError, AttributeError, TypeError):
            # A damaged translation, or one of another version: the sentence itself is not lost.
            return str(words)
    if isinstance(words, Listing):
        parts = (str(translated(part, translate)) for part in words.parts)
        return translate(words.between).join(parts)
    if isinstance(words, Shown):
        return translated(words.words, translate)
    return words


def said(text: str, translate: Translate) -> str:
    """Return text in another language: a plain one is an id itself."""
    return str(translated(foreign(text), translate))
