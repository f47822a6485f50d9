"""The service's error codes: which cause each is, and whether the same call may be sent again.

By code first, then by HTTP status: several codes share a status and mean different things (403
`AllocationQuota.FreeTierOnly` is a quota, 403 `AccessDenied` a permission). Source: the error code
page of Alibaba Cloud Model Studio, October 2026. Failed calls are not billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from zimage_cli import errors
from zimage_cli.api.answer import plain_text
from zimage_cli.api.body import read_json
from zimage_cli.messages import Message


class Meaning(NamedTuple):
    """What a code stands for. `pace` says how to wait before another try; None: never again."""

    error: type[errors.ZimageError]
    summary: Message
    pace: errors.Pace | None = None
    hint: Message | None = None


_INVALID = Meaning(
    errors.UsageError,
    Message("The service found the request wrong."),
    hint=Message("See exactly what is sent: the same command with --dry-run"),
)
_MODERATION = Meaning(
    errors.RefusedError,
    Message("Content moderation refused the prompt or the picture. It was not billed."),
    hint=Message(
        "Word the prompt differently. Another --seed helps only where the picture was refused."
    ),
)
# The code is the same for both; the service's words say what was inspected.
_MODERATED = {
    "input": Meaning(
        errors.RefusedError,
        Message("Content moderation refused the prompt. It was not billed."),
        hint=Message("Word the prompt differently: another seed does not help."),
    ),
    "output": Meaning(
        errors.RefusedError,
        Message("Content moderation refused the picture. It was not billed."),
        hint=Message("Try another --seed, or word the prompt differently."),
    ),
}
_INFRINGEMENT = Meaning(
    errors.RefusedError,
    Message("The service suspects an infringement of intellectual property. It was not billed."),
    hint=Message("Word the prompt differently, without names of works, brands or people."),
)
_BAD_KEY = Meaning(errors.AuthenticationError, Message("The service refused the key."))
_DENIED = Meaning(
    errors.AuthenticationError,
    Message("The key has no right to this model or workspace."),
    hint=Message(
        "Activate Model Studio, or give the workspace the right to z-image-turbo, in the console."
    ),
)
_NOT_FOUND = Meaning(
    errors.AuthenticationError,
    Message("The service does not know this model or workspace, or the key may not see it."),
    hint=Message("Check region and workspace: zimage config show"),
)
_FREE_TIER = Meaning(
    errors.QuotaError,
    Message("The free quota is used up, and the account stops there."),
    hint=Message("Turn off 'stop when free quota is used up' in the Model Studio console."),
)
_RATE = Meaning(
    errors.ThrottledError, Message("Too many requests a second for the account."), "normal"
)
_BURST = Meaning(errors.ThrottledError, Message("The request rate rose too quickly."), "burst")
_QUOTA = Meaning(errors.QuotaError, Message("A token or call quota is used up."), "quota")
_BILLING = Meaning(
    errors.BillingError, Message("The account has no valid purchase or an overdue bill.")
)
_ARREARS = Meaning(errors.BillingError, Message("The account is in arrears."))
_INTERNAL = Meaning(errors.ServiceError, Message("The service failed."), "normal")
_CAPACITY = Meaning(
    errors.ServiceError, Message("The service has no capacity at the moment."), "normal"
)

CODES: dict[str, Meaning] = {
    code: meaning
    for meaning, codes in (
        (_INVALID, "invalidparameter badrequest"),
        (_MODERATION, "datainspectionfailed data_inspection_failed"),
        (_INFRINGEMENT, "ipinfringementsuspect"),
        (_ARREARS, "arrearage"),
        (_BAD_KEY, "invalidapikey invalid_api_key"),
        (_DENIED, "accessdenied model.accessdenied workspace.accessdenied"),
        (_FREE_TIER, "allocationquota.freetieronly"),
        (_NOT_FOUND, "modelnotfound model_not_found workspacenotfound"),
        (_RATE, "throttling throttling.ratequota limitrequests limit_requests"),
        (_BURST, "throttling.burstrate limit_burst_rate"),
        (_QUOTA, "throttling.allocationquota insufficient_quota"),
        (_BILLING, "commoditynotpurchased prepaidbilloverdue postpaidbilloverdue"),
        (_INTERNAL, "internalerror internal_error systemerror modelservicefailed requesttimeout"),
        (_CAPACITY, "modelservingerror modelunavailable"),
    )
    for code in codes.split()
}
"""Keyed by the code in lower case: the service spells some codes in two ways."""

_CODE_LENGTH = 200


def _by_code(code: str) -> Meaning | None:
    """Return the meaning of a code or of its longest dotted beginning (`InternalError.Algo`)."""
    # No code is that long; cutting dots off one of a megabyte would take minutes.
    key = code[:_CODE_LENGTH].strip().lower()
    while key:
        if key in CODES:
            return CODES[key]
        key = key.rpartition(".")[0]
    return None


_BY_STATUS = {
    401: _BAD_KEY,
    403: _DENIED,
    404: Meaning(
        errors.ServiceError,
        Message("The service knows no such address."),
        hint=Message("Check the base URL and workspace: zimage config show"),
    ),
    429: _RATE,
}
_REDIRECT = Meaning(
    errors.ServiceError,
    Message(
        "The service answered with a redirect; it is not followed, as it would take the key along."
    ),
    hint=Message("Check the base URL: zimage config show"),
)
_GATEWAY = Meaning(errors.ServiceError, Message("The service's gateway failed."), "normal")
_GATEWAY_STATUSES = frozenset({502, 503, 504})


def _by_status(status: int, *, error_body: bool) -> Meaning:
    """Return the meaning of an answer whose code is missing or unknown."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in _GATEWAY_STATUSES:
        return _GATEWAY
    if status >= 500:
        return _INTERNAL if error_body else _INTERNAL._replace(pace=None)
    if status >= 400:
        return _INVALID
    if status >= 300:
        return _REDIRECT
    return Meaning(
        errors.ServiceError, Message("The service answered what its reference does not describe.")
    )


def error_fields(body: bytes) -> dict[str, Any]:
    """Return `code`, `message` and `request_id` of an error body; an empty dict for anything else.

    Reads DashScope's own shape and the OpenAI-compatible one (`{"error": {…}}`) that its gateways
    sometimes answer with.
    """
    try:
        parsed = read_json(body)
    except ValueError:
        return {}
    if not isinstance(parsed, dict):
        return {}
    inner = parsed.get("error")
    source = {**parsed, **inner} if isinstance(inner, dict) else parsed
    fields = {
        "code": plain_text(source.get("code")),
        "message": plain_text(source.get("message")),
        "request_id": plain_text(source.get("request_id")) or plain_text(source.get("requestId")),
    }
    return fields if fields["code"] or fields["message"] else {}


def error_for(status: int, body: bytes, headers: Mapping[str, str]) -> errors.ZimageError:
    """Return the error that an answer other than a success means, with how to pace another try.

    `headers` has lower-case names. An HTTP 200 whose body is an error comes here too. A 5xx is
    sent again only with an error body, or as a gateway's 502, 503 or 504: then no picture was made.
    """
    fields = error_fields(body)
    code = fields.get("code")
    meaning = _by_code(code) if code else None
    if meaning is None:
        meaning = _by_status(status, error_body=bool(fields))
        if status == 200 and code:
            meaning = Meaning(errors.ServiceError, Message("The service answered with an error."))
    if meaning is _MODERATION:
        named = [what for what in _MODERATED if what in (fields.get("message") or "").lower()]
        meaning = _MODERATED[named[0]] if len(named) == 1 else meaning
    # Neither refused in words nor by a gateway in front of the service, or even a success.
    unclear = not fields and (status < 300 or (status >= 500 and status not in _GATEWAY_STATUSES))
    maybe_billed = unclear and issubclass(meaning.error, errors.ServiceError)
    said = meaning.summary
    if maybe_billed:
        said = Message(
            "{what} It sent HTTP {status} without an error body. "
            "The picture may have been made and billed.",
            what=said,
            status=status,
        )
    elif not fields and status not in {401, 403, 429}:
        said = Message(
            "{what} It sent HTTP {status} without an error body.", what=said, status=status
        )
    retry_after = _retry_after(headers.get("retry-after"))
    return meaning.error(
        "{said}",
        said=said,
        hint=meaning.hint or _asked_to_wait(meaning.pace, retry_after),
        code=code,
        request_id=fields.get("request_id") or headers.get("x-request-id"),
        http_status=status,
        service_message=fields.get("message"),
        pace=meaning.pace,
        billed=errors.Billed.MAYBE if maybe_billed else None,
        retry_after=retry_after,
    )


def _asked_to_wait(pace: errors.Pace | None, seconds: float | None) -> Message | None:
    """Return the hint for a wait that the service asks for and that is longer than a minute."""
    if pace is None or seconds is None or not 60 < seconds < 1e6:
        return None
    return Message(
        "Try again in {minutes:,.0f} minutes: so long the service asks to wait.",
        minutes=-(-seconds // 60),
    )


def _retry_after(value: str | None) -> float | None:
    """Return a Retry-After in seconds, from seconds or an HTTP date; None for anything else."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return None
