"""How far a picture has come: one set of words for history, batch, runs and JSON."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How far a picture has come: in the history, in a batch, in the outcome of a run."""

    NEW = "new"
    """Not asked for yet, or to be asked for again: only a batch knows such pictures."""
    SENDING = "sending"
    """Asked for, not answered yet."""
    MADE = "made"
    """Made and billed, and not on disk: it can be fetched for 24 hours."""
    SAVED = "saved"
    """Made and on disk."""
    REFUSED = "refused"
    """Content moderation refused the prompt or the picture: not billed."""
    FAILED = "failed"
    """Not made, not billed."""
    LOST = "lost"
    """May have been made and billed, and there is no picture."""
    SKIPPED = "skipped"
    """Left alone by this run: only an outcome is that."""
