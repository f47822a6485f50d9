"""What the commands of `zimage history` have in common: marks, times, an entry as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.table import Cell
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry

REF_HELP = "An id, 42-45, last, last:4, or a picture's file."

STYLES = {"saved": "green", "made": "yellow", "refused": "red", "failed": "red", "lost": "red"}
STATUSES = {
    "saved": Message("saved"),
    "made": Message("made"),
    "refused": Message("refused"),
    "failed": Message("failed"),
    "lost": Message("lost"),
    "sending": Message("sending"),
}
_MARKS = {"saved": "✓", "made": "!", "refused": "✗", "failed": "✗", "lost": "✗"}


def marked(status: str) -> Cell:
    """Return a status with its mark."""
    words = STATUSES.get(status) or visible(status)
    text = Message("{mark} {words}", mark=_MARKS.get(status, " "), words=words)
    return Cell(text, STYLES.get(status, "dim"), piped=status)


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return an entry as `--json` has it."""
    facts = asdict(entry)
    # Which process works on it matters to other zimage processes only.
    del facts["owner"], facts["claim"]
    return facts


def local(stamp: str, now: datetime | None = None) -> str:
    """Return a time in local time; a text that is no time, unchanged.

    With `now`, in as few letters as tell it: without today's date, without this year.
    """
    from zimage_cli.core.history.entry import moment

    try:
        when = moment(stamp)
        found = when and when.astimezone()
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None:
        return stamp
    if now is not None and found.year != now.year:
        return found.strftime("%Y-%m-%d")
    today = now is not None and found.date() == now.date()
    return found.strftime("%H:%M" if today else "%m-%d %H:%M" if now else "%Y-%m-%d %H:%M")
