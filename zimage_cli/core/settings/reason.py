"""Why a file of the settings cannot be used, in the system's own words."""

from __future__ import annotations

from zimage_cli.messages import Message, foreign


def reason(error: BaseException) -> Message:
    """Return what the system said, or the name of an error without words."""
    if isinstance(error, UnicodeDecodeError):
        return Message("it is not UTF-8 text")
    if isinstance(error, ValueError):
        return Message("not a valid path")
    return foreign(getattr(error, "strerror", None) or type(error).__name__)
