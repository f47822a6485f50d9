"""One table for every cause: exit status and next step; and how `--json` shows an error."""

from __future__ import annotations

from typing import Any, NamedTuple

from zimage_cli import errors
from zimage_cli.messages import Message, Shown
from zimage_cli.text import redact

USAGE_STATUS = 2


class Row(NamedTuple):
    """What one cause means to a shell and to a person."""

    exit_status: int
    hint: Message | None


TABLE: dict[type[errors.ZimageError], Row] = {
    errors.UsageError: Row(USAGE_STATUS, None),
    errors.ConfigurationError: Row(
        USAGE_STATUS, Message("See what is set where: zimage config show")
    ),
    errors.AuthenticationError: Row(
        3, Message("Set a key (zimage config set-key), or try without one: --sandbox")
    ),
    errors.RefusedError: Row(4, Message("Word the prompt differently.")),
    errors.QuotaError: Row(5, Message("See quota and billing in the Model Studio console.")),
    errors.BillingError: Row(5, Message("Settle the account in the Alibaba Cloud console.")),
    errors.ThrottledError: Row(
        5,
        Message(
            "Wait a minute and try again; the limit counts the whole account, 2 requests a second."
        ),
    ),
    errors.BoundReached: Row(
        9,
        Message(
            "With a higher --max-cost a batch goes on; zimage generate would pay for all of it "
            "again."
        ),
    ),
    errors.ConnectionFailed: Row(
        6, Message("Check the network and proxy settings, then: zimage validate --online")
    ),
    errors.AnswerLost: Row(
        6,
        Message(
            "It is in zimage history as lost. Run the command again to pay for another try, "
            "or use --retry-lost to have that automatic."
        ),
    ),
    errors.ServiceError: Row(7, Message("Try again in a minute.")),
    errors.NotSavedError: Row(8, Message("Within 24 hours of making it: zimage history recover")),
    errors.AddressRefused: Row(
        8,
        Message(
            "zimage never fetches such an address. Ask the service what became of the picture."
        ),
    ),
}
_MAYBE_MADE = Message(
    "It is in zimage history as lost. Run the command again to pay for another try."
)
"""What to do after an answer that is no picture and may be billed: no option tries that again."""

EXIT_STATUSES = {
    0: Message("done"),
    1: Message("a bug in zimage"),
    2: Message("usage: bad option, invalid request, corrupt config"),
    3: Message("no key, or key or permission refused"),
    4: Message("prompt or picture refused by content moderation"),
    5: Message("throttled, quota or billing"),
    6: Message("the service could not be reached, or the answer was lost"),
    7: Message("the service failed or answered nonsense"),
    8: Message("made but not saved: zimage history recover gets it within 24 h"),
    9: Message("a batch ended with some failures, or a run at its --max-cost"),
    130: Message("interrupted"),
}
"""What the exit statuses mean, as every help shows them."""


def row_for(error: errors.ZimageError) -> Row:
    """Return the table's row for an error, by its nearest class."""
    for cls in type(error).__mro__:
        if cls in TABLE:
            return TABLE[cls]
    raise LookupError(type(error).__name__)


def exit_status(error: errors.ZimageError) -> int:
    """Return the exit status of PRODUCT's section 6 for an error."""
    return row_for(error).exit_status


def hint_for(error: errors.ZimageError) -> Message | None:
    """Return what to do next: the raiser's own hint, else the table's."""
    if error.hint is not None:
        return error.hint
    if isinstance(error, errors.ServiceError) and error.maybe_billed:
        # Another try may be another picture to pay for.
        return _MAYBE_MADE
    return row_for(error).hint


def error_document(error: errors.ZimageError, *, prompt: str | None = None) -> dict[str, Any]:
    """Return the error object of `--json`."""
    message = str(error.message)
    if error.service_message:
        message = f"{message} The service said: {error.service_message}"
    facts = error.facts
    return {
        "type": error.kind,
        "code": error.code,
        "message": redact(message),
        "hint": hint_for(error),
        **{name: _plain(facts.get(name)) for name in ("field", "value", "allowed", "nearest")},
        "retryable": error.pace is not None,
        "billed": error.billed.value,
        "http_status": error.http_status,
        "request_id": error.request_id,
        "prompt": prompt,
    }


def _plain(fact: object) -> object:
    """Return a fact as JSON holds it, with nothing in it that looks like a key."""
    value = fact.plain if isinstance(fact, Shown) else fact
    return value if value is None or isinstance(value, int | float) else redact(str(value))


def error_documents(
    error: errors.ZimageError, *, prompt: str | None = None
) -> list[dict[str, Any]]:
    """Return the error objects of `--json`: one for each problem of an invalid request."""
    problems: tuple[errors.ZimageError, ...] = getattr(error, "problems", (error,))
    return [error_document(problem, prompt=prompt) for problem in problems]
