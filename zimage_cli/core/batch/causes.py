"""What a failure means for its line, and for those after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zimage_cli.api.errors import (
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

if TYPE_CHECKING:
    from zimage_cli.core.batch.plan import Item

_POINTLESS = (AuthenticationError, BillingError, QuotaError, ConfigurationError, DiskError)


def ends_all(error: ZimageError, item: Item) -> bool:
    """Tell whether the next line would fail the same way, so that nothing more is sent."""
    if isinstance(error, ConnectionFailed):
        # A certificate that is not trusted; anything else is waited for.
        return error.pace is None and item.request.base_url is None
    return isinstance(error, _POINTLESS)


def unsent(error: ZimageError) -> bool:
    """Tell whether an error that ends a run says that its line was never sent: it is new then."""
    return isinstance(error, ConnectionFailed | ConfigurationError)


def to_fetch(error: ZimageError) -> bool:
    """Tell whether the picture was made and can still be fetched, unpaid."""
    return isinstance(error, NotSavedError) and not isinstance(error, AddressRefused)
