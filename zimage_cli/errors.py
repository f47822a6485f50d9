"""The typed errors that people may catch; each carries code, request id and HTTP status."""

from __future__ import annotations

from zimage_cli.api.errors import (
    AnswerLost,
    AuthenticationError,
    BillingError,
    BoundReached,
    ConfigurationError,
    ConnectionFailed,
    DiskError,
    NotSavedError,
    QuotaError,
    RefusedError,
    ServiceError,
    ThrottledError,
    UsageError,
    ZimageError,
)
from zimage_cli.core.request import RequestInvalid

__all__ = [
    "AnswerLost",
    "AuthenticationError",
    "BillingError",
    "BoundReached",
    "ConfigurationError",
    "ConnectionFailed",
    "DiskError",
    "NotSavedError",
    "QuotaError",
    "RefusedError",
    "RequestInvalid",
    "ServiceError",
    "ThrottledError",
    "UsageError",
    "ZimageError",
]
