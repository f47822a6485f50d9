"""How an error reaches a model: an ordinary answer that says what happened and what comes next."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zimage_cli.core.advice import error_document, error_documents, hint_for
from zimage_cli.errors import (
    AnswerLost,
    AuthenticationError,
    Billed,
    BillingError,
    BoundReached,
    ConfigurationError,
    NotSavedError,
    QuotaError,
    RefusedError,
    RequestInvalid,
    ServiceError,
    UsageError,
    ZimageError,
)
from zimage_cli.mcp.results import result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp_types import CallToolResult

_KEPT = ("field", "nearest", "code", "message", "request_id")
"""Of an error object: the message has what else there is, in words."""


def failed(error: ZimageError, more: Mapping[str, Any] | None = None) -> CallToolResult:
    """Return a tool's answer to an error; `more` is what else there is to say."""
    document = {"status": "error", **said(error)}
    if isinstance(error, RequestInvalid):
        document["errors"] = problems(error)
    return result({**document, **(more or {})}, is_error=True)


def said(error: ZimageError, *, partly: bool = False) -> dict[str, Any]:
    """Return what an answer says of an error as a whole; `partly` where it has pictures too."""
    found = short(error_document(error))
    if isinstance(error, RequestInvalid) and len(error.problems) > 1:
        # The problems follow one by one.
        found["message"] = f"The arguments have {len(error.problems)} problems."
    return {
        **found,
        "hint": hint(error),
        "billed": error.billed.value,
        "repeat": _REST if partly and error.billed is Billed.NO else repeat(error),
    }


def problems(error: ZimageError) -> list[dict[str, Any]]:
    """Return the problems of arguments, one by one."""
    return [short(one) for one in error_documents(error)]


def bug(error: Exception, billed: Billed, more: Mapping[str, Any] | None = None) -> CallToolResult:
    """Return a tool's answer to a bug of ours: nothing of it is shown, it may hold a key."""
    import logging

    logging.getLogger(__name__).error(
        "a bug in zimage: %s",
        type(error).__name__,
        exc_info=error if os.environ.get("ZIMAGE_DEBUG") == "1" else None,
    )
    return result(
        {
            "status": "error",
            "message": f"This is a bug in zimage ({type(error).__name__}).",
            "hint": "Tell the person. ZIMAGE_DEBUG=1 shows on the server's stderr where it is.",
            "billed": billed.value,
            "repeat": _NEVER if billed is not Billed.NO else _PERSON,
            **(more or {}),
        },
        is_error=True,
    )


def short(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model needs of an error object: what is null is left out."""
    return {name: document[name] for name in _KEPT if document.get(name) is not None}


_NEVER = "Do not repeat this call: it may be billed already. Ask the person before paying again."
_PAID = "Do not repeat this call: the picture is made and billed, and would be paid twice."
_REST = (
    "Do not repeat this call: the pictures it made would be paid twice. What is missing can be "
    "asked for by itself: count 1, and the seed that stands in errors."
)
_PERSON = "Do not repeat this call before the person has changed something."
_CHANGED = "Do not repeat the same arguments: change them first."
_LATER = "Nothing was billed. It may be called again in a minute, once."


_FOR_THE_PERSON = (
    AuthenticationError,
    BillingError,
    BoundReached,
    ConfigurationError,
    QuotaError,
)


def repeat(error: ZimageError) -> str:
    """Return whether the same call may be made again, in words."""
    if error.billed is Billed.MAYBE:
        return _NEVER
    if error.billed is Billed.YES:
        return _PAID
    if isinstance(error, RefusedError):
        return "Do not repeat this prompt: word it differently."
    if isinstance(error, _FOR_THE_PERSON) or _is_place(error):
        return _PERSON
    if isinstance(error, UsageError):
        return _CHANGED
    return _LATER


def hint(error: ZimageError) -> str | None:
    """Return the next step for a model, which has tools and no command line."""
    if isinstance(error, RequestInvalid) or error.facts.get("field") == "preset":
        return (
            "Correct the arguments. Of those of generate_image check_request tells, free of "
            "charge, whether they are right."
        )
    if isinstance(error, AnswerLost) or (isinstance(error, ServiceError) and error.maybe_billed):
        return (
            "Ask the person before you pay for another try; search_history shows it as lost where "
            "a history is kept."
        )
    if isinstance(error, UsageError) and error.http_status is not None:
        return "The service says in the message what is wrong: change the arguments by that."
    if _is_place(error):
        return "Tell the person: the output folder is set where this server is set up."
    if isinstance(error, NotSavedError) and error.hint is None:
        return "Tell the person: within 24 hours, zimage history recover fetches it."
    return hint_for(error)


def _is_place(error: ZimageError) -> bool:
    """Tell whether it is about a place of pictures, which no argument changes."""
    return isinstance(error, UsageError) and "path" in error.facts and "field" not in error.facts
