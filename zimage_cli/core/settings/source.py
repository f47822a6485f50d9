"""Where a setting came from: a kind, which decides, and words, which are shown."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from zimage_cli.messages import Message


class Kind(IntEnum):
    """The kinds of places that a setting comes from; a lower one wins.

    A flag and an argument of a command or of Python are never asked for the same thing.
    """

    FLAG = 0
    ARGUMENT = 1
    REQUEST = 2
    ENVIRONMENT = 3
    CONFIG = 4
    FILE = 5
    """A file of Alibaba Cloud's own tools: for keys only."""
    DEFAULT = 6


_WORDS = {
    Kind.ARGUMENT: "the argument {name}",
    Kind.REQUEST: "the request",
    Kind.ENVIRONMENT: "environment {name}",
    Kind.CONFIG: "config file",
    Kind.DEFAULT: "default",
}


class Source(NamedTuple):
    """Where a value came from; `str` gives it in words.

    `name` is that of the flag, argument, variable or file. `words` stand in place of the kind's
    own.
    """

    kind: Kind
    name: str = ""
    words: Message | None = None

    @property
    def said(self) -> Message:
        """Where it came from, to be said in any language; so as a fact of a sentence."""
        return self.words or Message(_WORDS.get(self.kind, "{name}"), name=self.name)

    def __str__(self) -> str:
        return str(self.said)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @property
    def is_given(self) -> bool:
        """Whether a flag or an argument gave it."""
        return self.kind <= Kind.ARGUMENT

    @property
    def is_callers(self) -> bool:
        """Whether it stands in the command or the request itself, and not in what is around it."""
        return self.kind <= Kind.REQUEST


REQUEST = Source(Kind.REQUEST)
CONFIG = Source(Kind.CONFIG)
DEFAULT = Source(Kind.DEFAULT)
