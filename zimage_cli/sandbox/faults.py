"""What can go wrong, by name, and when it does.

A fault is attached to one generation call: either the answer to the call is not what it should be,
or the picture that the call made cannot be fetched as it should. The codes, their HTTP status and
what they mean come from the service's reference; the messages are the service's usual words.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message, Shown

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

_RATE = "Requests rate limit exceeded, please try again later."
_BURST = "Request rate increased too quickly. Please increase the rate slowly."
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_FREE_TIER = (
    "The free tier of the model has been exhausted. If you wish to continue access the model on a "
    'paid basis, please disable the "use free tier only" mode in the management console.'
)
_INSPECTION = "Input data may contain inappropriate content."
_KEY = "Invalid API-key provided."
_NO_MODEL = "Model not exist."
_INTERNAL = "Internal server error, please try again later."
_BUSY = "Too many requests. Your requests are being throttled due to system capacity limits."

ERRORS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "InvalidParameter": (400, "The request parameter is invalid."),
        "InvalidParameter.DataInspection": (400, "Unable to inspect the input data."),
        "BadRequest.TooLarge": (400, "Payload Too Large"),
        "DataInspectionFailed": (400, _INSPECTION),
        "data_inspection_failed": (400, "Output data may contain inappropriate content."),
        "IPInfringementSuspect": (
            400,
            "Input data is suspected of being involved in IP infringement.",
        ),
        "Arrearage": (400, "Access denied, please make sure your account is in good standing."),
        "InvalidApiKey": (401, _KEY),
        "invalid_api_key": (401, "Incorrect API key provided."),
        "AccessDenied": (403, "Access denied."),
        "AccessDenied.Unpurchased": (
            403,
            "Access to model denied. Please make sure you are eligible for using the model.",
        ),
        "Model.AccessDenied": (403, "Model access denied."),
        "Workspace.AccessDenied": (403, "Workspace access denied."),
        "AllocationQuota.FreeTierOnly": (403, _FREE_TIER),
        "ModelNotFound": (404, _NO_MODEL),
        "model_not_found": (404, "The model `z-image-turbo` does not exist."),
        "WorkSpaceNotFound": (404, "Workspace not found."),
        "Throttling": (429, _RATE),
        "Throttling.RateQuota": (429, _RATE),
        "LimitRequests": (429, _RATE),
        "limit_requests": (429, _RATE),
        "Throttling.BurstRate": (429, _BURST),
        "limit_burst_rate": (429, _BURST),
        "Throttling.AllocationQuota": (
            429,
            "Allocated quota exceeded, please increase your quota.",
        ),
        "insufficient_quota": (429, _QUOTA),
        "CommodityNotPurchased": (429, "Commodity has not purchased yet."),
        "PrepaidBillOverdue": (429, "The prepaid bill is overdue."),
        "PostpaidBillOverdue": (429, "The postpaid bill is overdue."),
        "InternalError": (500, _INTERNAL),
        "internal_error": (500, _INTERNAL),
        "InternalError.Algo": (500, "inference internal error."),
        "InternalError.Timeout": (500, "An internal timeout error has occured during execution."),
        "SystemError": (500, "A system error has occurred, please try again later."),
        "ModelServiceFailed": (500, "Failed to request model service."),
        "RequestTimeOut": (500, "Request timed out, please try again later."),
        "ModelServingError": (500, _BUSY),
        "ModelUnavailable": (503, "Model is unavailable, please try again later."),
    }
)
"""Each documented error code → (HTTP status, the service's message)."""

ANSWERS: Mapping[str, Message] = MappingProxyType(
    {
        **{
            f"html-{status}": Message("{status} with a gateway's HTML page", status=status)
            for status in (502, 503, 504)
        },
        **{
            f"empty-{status}": Message("{status} and no body", status=status)
            for status in (500, 502, 503, 504)
        },
        "empty-200": Message("200 and no body; billed"),
        "html-200": Message("200 with an HTML page; billed"),
        "not-json": Message("200 with half a JSON document; billed"),
        "json-list": Message("200 with JSON that is no object; billed"),
        "no-choices": Message("200 with an empty list of choices; billed"),
        "no-image": Message("200 whose content holds no image; billed"),
        "no-output": Message("200 without output and without code; billed"),
        "error-in-200": Message("200 whose body is an error: code and message, no output"),
        "reasoning-in-content": Message("the reasoning stands inside content, as in older notes"),
        "no-usage": Message("an answer without usage"),
        "no-request-id": Message("an answer without request_id"),
        "wrong-usage": Message("usage says other dimensions than the picture has"),
        "wrong-size": Message("the picture has other dimensions than were asked for"),
        "hostile-text": Message("escape sequences and control characters in its texts"),
        "hostile-error": Message("400 with escape sequences in code and message"),
        "foreign-url": Message("the image URL is none that may be fetched"),
        "reset": Message("a reset after the request was read; billed"),
        "reset-early": Message("a reset before the body is read"),
        "close": Message("the connection is closed without an answer; billed"),
        "cut-answer": Message("the answer stops before its Content-Length; billed"),
        "slow-answer": Message("the answer comes late, by 1 s or `seconds`"),
        "drip-answer": Message("the answer comes in small pieces, over 1 s or `seconds`"),
        "no-answer": Message("the connection stays open and no answer comes; billed"),
        "redirect": Message("307 to another origin"),
    }
)
"""What an answer to the call can be instead of a documented one."""

PICTURES: Mapping[str, Message] = MappingProxyType(
    {
        "picture-cut": Message("it ends before its Content-Length"),
        "picture-cut-chunked": Message("the connection ends in the middle of a chunked body"),
        "picture-reset": Message("the connection is reset half-way"),
        "picture-stall": Message("half of the picture comes and then nothing"),
        "picture-slow": Message("it comes in small pieces, over 1 s or `seconds`"),
        "picture-corrupt": Message("one bit of the image data is flipped"),
        "picture-undecodable": Message("every checksum is right and the image data is not"),
        "picture-truncated": Message("a whole body that holds a PNG without its end"),
        "picture-trailing": Message("a good PNG with other bytes behind its end"),
        "picture-html": Message("200 with an HTML page"),
        "picture-jpeg": Message("a JPEG under a PNG's name and type"),
        "picture-empty": Message("200 and no body"),
        "picture-expired": Message("403, as storage answers when the URL has expired"),
        "picture-404": Message("404, as storage answers for what it does not hold"),
        "picture-500": Message("500, as storage answers when it fails"),
        "picture-503": Message("503, as storage answers when it is busy"),
        "picture-too-large": Message("Content-Length over 64 MiB, and as many bytes"),
        "picture-too-large-chunked": Message("over 64 MiB that are not announced"),
        "picture-redirect": Message("2 or `hops` redirects before it, or one to `url`"),
        "picture-redirect-loop": Message("a redirect to itself"),
    }
)
"""What can happen to the picture that a call made."""

OK = "ok"
_NOT_BILLED = frozenset(
    {
        *("html-502", "html-503", "html-504", "empty-500", "empty-502", "empty-503", "empty-504"),
        *("error-in-200", "hostile-error", "reset-early", "redirect"),
    }
)
_ERROR_FAMILIES = {
    "InvalidParameter": ERRORS["InvalidParameter"],
    "BadRequest": (400, "Bad request."),
    "InternalError": ERRORS["InternalError"],
}


def kinds() -> tuple[str, ...]:
    """Return every name of a fault, error codes first."""
    return (*ERRORS, *ANSWERS, *PICTURES)


def groups() -> tuple[tuple[Message, Mapping[str, str]], ...]:
    """Return every fault in groups: the group's title, and what each of its kinds does."""

    def errors(*statuses: int) -> dict[str, str]:
        return {
            kind: f"{status}: {text}"
            for kind, (status, text) in ERRORS.items()
            if status in statuses
        }

    return (
        (Message("The request is refused; nothing is billed"), errors(400)),
        (Message("The key, its rights or the model; nothing is billed"), errors(401, 403, 404)),
        (Message("Limits, quotas and overdue bills; nothing is billed"), errors(429)),
        (Message("The service fails; nothing is billed"), errors(500, 503)),
        (Message("The answer is not what it should be"), ANSWERS),
        (Message("The picture was made and billed, and cannot be fetched as it should"), PICTURES),
    )


def documented_error(kind: str) -> tuple[int, str] | None:
    """Return (HTTP status, message) where `kind` is an error code, or of a documented family."""
    if kind in ERRORS:
        return ERRORS[kind]
    family, _, member = kind.partition(".")
    return _ERROR_FAMILIES.get(family) if member else None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, with what can be said about it.

    `times`: in a script, for so many calls in a row. `count`: for a picture's fault, so many
    requests of that picture fail and the next succeeds; None is for ever. `seconds`: how late or
    how slow. `status`, `message`, `retry_after` (the header's value): of the answer, where it is an
    error. `billed`: overrides whether the picture counts as made. `url`: for `foreign-url`,
    `redirect` and `picture-redirect`. `hops`: for `picture-redirect`. Raises UsageError for an
    unknown kind.
    """

    kind: str
    times: int = 1
    count: int | None = None
    seconds: float = 1.0
    status: int | None = None
    message: str | None = None
    retry_after: str | None = None
    billed: bool | None = None
    url: str | None = None
    hops: int = 2

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist: such a fault would never happen."""
        known = self.kind == OK or self.kind in ANSWERS or self.kind in PICTURES
        if not known and documented_error(self.kind) is None:
            raise UsageError(
                "There is no fault {value}.",
                hint="Kinds: {allowed}",
                field="fault",
                value=Shown(repr(self.kind), self.kind),
                allowed=Listing(", ", kinds()),
            )

    @property
    def of_picture(self) -> bool:
        """Say whether the fault concerns the picture and not the answer."""
        return self.kind in PICTURES

    @property
    def makes_picture(self) -> bool:
        """Say whether the picture is made, and so billed, though something is wrong."""
        if self.billed is not None:
            return self.billed
        return documented_error(self.kind) is None and self.kind not in _NOT_BILLED


def parse_fault(text: str) -> tuple[str, float]:
    """Read `KIND:RATE` (rate from 0 to 1, or `10%`; a bare KIND always happens) → (kind, rate).

    Raises UsageError that names what is wrong and lists the kinds.
    """
    kind, colon, rate_text = text.strip().rpartition(":")
    if not colon:
        kind, rate_text = rate_text, "1"
    kind = Fault(kind.strip()).kind
    rate_text = rate_text.strip()
    percent = rate_text.endswith("%")
    try:
        rate = float(rate_text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise UsageError(
            "The rate of fault {kind} is {value}.",
            hint="Give {allowed}, such as {kind}:0.1 or {kind}:10%.",
            field="fault",
            kind=kind,
            value=Shown(repr(rate_text), rate_text),
            allowed=Message("a number from 0 to 1 or a percentage"),
        )
    return kind, rate


class Faults:
    """Decide by rates what happens to each call. Safe among threads.

    Each kind has random numbers of its own, drawn from `seed`, so that adding a kind does not move
    the others.
    """

    def __init__(self, rates: Mapping[str | Fault, float] | None = None, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._dice: list[tuple[Fault, float, random.Random]] = []
        if rates:
            from random import Random

            for given, rate in rates.items():
                fault = Fault(given) if isinstance(given, str) else given
                self._dice.append((fault, rate, Random(f"{seed}/{fault.kind}")))  # noqa: S311

    def next(self) -> tuple[Fault, ...]:
        """Take what happens to this call: at most one fault of the answer, one of the picture."""
        with self._lock:
            hit = [fault for fault, rate, dice in self._dice if dice.random() < rate]
        answer = [fault for fault in hit if not fault.of_picture][:1]
        return (*answer, *[fault for fault in hit if fault.of_picture][:1])
