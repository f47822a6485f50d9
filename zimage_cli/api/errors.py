"""Everything that can go wrong, typed by cause.

The classes carry facts only. What a person is told to do next and which exit status a cause
has stand in one table, `zimage_cli.cli.errors`.
"""

from __future__ import annotations

from typing import Literal

Pace = Literal["normal", "burst", "quota"]
"""How to wait before the same call is sent again."""


class ZimageError(Exception):
    """Say what happened, and carry what a script or a person needs to act on it.

    `message` is ours; `service_message` is the service's own words, never reworded. `hint` is the
    next step where the place that raised knows a better one than the table does.
    """

    kind = "error"
    pace: Pace | None = None
    """How another try may be paced; None: the same call is not sent again."""
    maybe_billed: bool = False
    """Whether the picture may have been made, and be on the bill."""
    retry_after: float | None = None
    """Seconds that the service asked to wait."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        service_message: str | None = None,
        maybe_billed: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.request_id = request_id
        self.http_status = http_status
        self.service_message = service_message
        if maybe_billed is not None:
            self.maybe_billed = maybe_billed

    def __str__(self) -> str:
        # What is learned later is added to `message`.
        return self.message


class Stopped(Exception):
    """The caller asked to stop.

    Nothing went wrong, so this is no ZimageError, and no try is made again after it.
    """


class UsageError(ZimageError):
    """A bad option, an invalid request, or a place that cannot be written to."""

    kind = "usage"


class ConfigurationError(ZimageError):
    """A setting, file or environment variable that cannot be used as it is."""

    kind = "configuration"


class AuthenticationError(ZimageError):
    """No key, a refused key, or a key without the right to the model or workspace."""

    kind = "authentication"


class RefusedError(ZimageError):
    """Content moderation refused the prompt or the picture."""

    kind = "refused"


class ThrottledError(ZimageError):
    """Too many requests for the account's limit."""

    kind = "throttled"


class QuotaError(ThrottledError):
    """A quota is used up; waiting a second does not help."""

    kind = "quota"


class BillingError(ThrottledError):
    """The account is in arrears or has bought nothing that covers the call."""

    kind = "billing"


class ConnectionFailed(ZimageError):
    """The service was not reached: the request cannot have been accepted."""

    kind = "connection"


class AnswerLost(ZimageError):
    """The request was sent and the answer did not arrive: it may have been made and billed."""

    kind = "lost"
    maybe_billed = True


class ServiceError(ZimageError):
    """The service failed, or answered what its reference does not describe.

    `maybe_billed` is true where the answer said success but held no picture that can be fetched.
    """

    kind = "service"


class NotSavedError(ZimageError):
    """The picture was made (and billed) and is not on disk."""

    kind = "not-saved"
    maybe_billed = True


class AddressRefused(NotSavedError):
    """The picture was made, and zimage will never fetch its address: it is no https URL."""


class DiskError(NotSavedError):
    """The disk did not take the picture, and will hardly take the next one."""
