"""One check for each setting, used by flag, environment, file and `config set` alike.

Each takes what was given (text, or the typed value of a flag or of TOML) and returns the value that
the program uses. Each raises UsageError with the field, what was given and what is allowed;
`checked` adds where it came from.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from zimage_cli.api import endpoint, limits
from zimage_cli.api.errors import ConfigurationError, UsageError
from zimage_cli.core import text as texts
from zimage_cli.core.keys import redact

DEFAULT_RPS = 2.0
"""Requests a second. What the service grants an account; more is answered with 429."""

MAX_RPS = 1000.0

_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0"})


def checked(name: str, value: object, source: str) -> Any:
    """Return the checked value of a setting.

    Raises UsageError where `source` is a flag or the request, else ConfigurationError; both name
    the source, and never quote what looks like a key.
    """
    try:
        return CHECKS[name](value)
    except UsageError as error:
        message = f"{redact(error.message)} (from {source})"
        if source.startswith("--") or source == REQUEST:
            raise UsageError(message, hint=error.hint) from None
        hint = error.hint or f"Correct it in the {source}."
        raise ConfigurationError(message, hint=hint) from None


REQUEST = "the request"
"""The source of a `base_url` that a request carries."""


_MAX_TEXT = 4096


def shown(value: object) -> str:
    """Return a given value as an error may quote it: short, visible, and a key masked."""
    return redact(texts.shown(value, 80))


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name}: {shown(value)} is not text")
    if len(value) > _MAX_TEXT:
        raise UsageError(f"{name}: {shown(value)} is too long: {len(value)} characters")
    for char in value:
        if unicodedata.category(char) == "Cc":
            raise UsageError(f"{name}: {shown(value)} holds control characters")
    if not value.strip():
        raise UsageError(f"{name}: the value is empty")
    return value.strip()


def check_region(value: object) -> str:
    """Return a region's name: `beijing`, `singapore` or `sandbox`."""
    return endpoint.region_name(_text("region", value))


def check_endpoint(value: object) -> str:
    """Return `shared`, `workspace` or `trial`."""
    text = _text("endpoint", value).lower()
    if text not in endpoint.ENDPOINTS:
        raise UsageError(
            f"endpoint: {shown(value)} is not an endpoint; allowed: {', '.join(endpoint.ENDPOINTS)}"
        )
    return text


def check_workspace(value: object) -> str:
    """Return a workspace id."""
    text = endpoint.check_workspace(_text("workspace", value))
    if text.startswith(("sk-", "st-")):
        raise UsageError("workspace: what was given is a key, not a workspace id")
    return text


def check_base_url(value: object) -> str:
    """Return an API root: `https://HOST/api/v1`."""
    return endpoint.normalize_base_url(_text("base URL", value))


def check_size(value: object) -> str:
    """Return a size as `W*H` in pixels."""
    from zimage_cli.core.sizes import parse_size

    return parse_size(_text("size", value))


def check_prompt_extend(value: object) -> bool:
    """Return a switch: `true false on off yes no 1 0` as text."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise UsageError(f"prompt_extend: {shown(value)} is not a switch; allowed: true, false")


def check_output_dir(value: object) -> str:
    """Return a folder's path as it was given."""
    text = _text("output_dir", value)
    if redact(text) != text:
        raise UsageError("output_dir: what was given holds a key")
    return text


def check_timeout(value: object) -> float:
    """Return seconds, over 0 and at most `limits.MAX_TIMEOUT`."""
    number = _number("timeout", value)
    if not 0 < number <= limits.MAX_TIMEOUT:
        raise UsageError(
            f"timeout: {shown(value)} is out of range; allowed: seconds, more than 0 and at most "
            f"{limits.MAX_TIMEOUT:.0f}"
        )
    return number


def check_retries(value: object) -> int:
    """Return how often a call is tried again: 0 … `limits.MAX_RETRIES`."""
    number = _number("retries", value)
    if number != int(number) or not 0 <= number <= limits.MAX_RETRIES:
        raise UsageError(
            f"retries: {shown(value)} is not a count; allowed: 0 to {limits.MAX_RETRIES}, whole"
        )
    return int(number)


def check_rps(value: object) -> float:
    """Return requests a second, at most 1000; 0 is no limit."""
    number = _number("rps", value)
    if not 0 <= number <= MAX_RPS:
        raise UsageError(
            f"rps: {shown(value)} is out of range; allowed: requests a second, 0 (no limit) to "
            f"{MAX_RPS:.0f}"
        )
    return number


def _number(name: str, value: object) -> float:
    refused = UsageError(f"{name}: {shown(value)} is not a number")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise refused
    if isinstance(value, int) and abs(value) > 10**9:
        raise refused
    try:
        # Plain ASCII digits only: float() would take `1_0` and `٣` too.
        text = str(value).strip()
        number = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        raise refused from None
    if not math.isfinite(number):
        raise refused
    return number


CHECKS: Mapping[str, Callable[[object], object]] = {
    "region": check_region,
    "endpoint": check_endpoint,
    "workspace": check_workspace,
    "base_url": check_base_url,
    "size": check_size,
    "prompt_extend": check_prompt_extend,
    "output_dir": check_output_dir,
    "timeout": check_timeout,
    "retries": check_retries,
    "rps": check_rps,
}
