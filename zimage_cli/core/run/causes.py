"""What a failure means for its picture, and for those after it."""

from __future__ import annotations

from zimage_cli.errors import (
    AddressRefused,
    AuthenticationError,
    BillingError,
    ConfigurationError,
    ConnectionFailed,
    DiskError,
    NotSavedError,
    QuotaError,
    ZimageError,
)

_POINTLESS = (AuthenticationError, BillingError, QuotaError, ConfigurationError, DiskError)


def ends_all(error: ZimageError, *, foreign: bool, waits: bool) -> bool:
    """Tell whether the next picture would fail the same way, so that nothing more is sent.

    `foreign`: it was asked for at an address of its own. `waits`: the run waits for a service that
    cannot be reached, and has done so.
    """
    if isinstance(error, ConnectionFailed):
        # `pace` is None for a certificate that is not trusted: waiting does not help.
        return not foreign and (error.pace is None or not waits)
    return isinstance(error, _POINTLESS)


def unsent(error: ZimageError) -> bool:
    """Tell whether an error that ends a run says that its picture was never asked for."""
    return isinstance(error, ConnectionFailed | ConfigurationError)


def to_fetch(error: ZimageError) -> bool:
    """Tell whether the picture was made and can still be fetched, unpaid."""
    return isinstance(error, NotSavedError) and not isinstance(error, AddressRefused)
