"""What the page says of one picture."""

from __future__ import annotations

from typing import NamedTuple


class Card(NamedTuple):
    """One picture of a gallery; None: not known.

    All texts are as they came from outside: the page shows them as text only. `picture` and
    `thumbnail` are addresses relative to the page, percent-encoded, or `data:`.
    """

    name: str
    """Its file's name."""
    picture: str | None
    """The picture's address; None where the page holds all that it shows (`--embed`)."""
    thumbnail: str
    """The thumbnail's address; the picture's own where no thumbnail could be made."""
    width: int
    height: int
    """Pixels of the picture."""
    prompt: str | None = None
    rewritten_prompt: str | None = None
    seed: int | None = None
    made: str | None = None
    """When, in UTC: `2026-11-23T09:30:00Z`."""
    cost: str | None = None
    """Its list price: `USD 0.015`; None for the sandbox too."""
    sandbox: bool = False
    history_id: int | None = None
    command: str | None = None
    """The command line for sh that asks for it again."""
