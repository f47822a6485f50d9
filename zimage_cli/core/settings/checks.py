"""One check for each setting, used by flag, environment, file and `config set` alike.

Each takes the setting's name and what was given (text, or the typed value of a flag or of TOML),
and returns the value that the program uses. Each raises UsageError with the field, what was given
and what is allowed.
"""

from __future__ import annotations

import math
from typing import Any

from zimage_cli import text as texts
from zimage_cli.api import endpoint, limits
from zimage_cli.core.request.wish import FORMATS, SUFFIXES
from zimage_cli.errors import UsageError
from zimage_cli.locale import LANGUAGES, known_language
from zimage_cli.messages import Listing, Message, Shown
from zimage_cli.text import redact

MAX_RPS = 1000.0
PREVIEWS = ("auto", "on", "off")

_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0"})
_MAX_TEXT = 4096


def shown(value: object) -> Shown:
    """Return a given value as an error may quote it: short, visible, and a key masked."""
    return texts.shown(value, 80)


def _refused(template: str, field: str, value: object, **facts: Any) -> UsageError:
    return UsageError(template, field=field, value=shown(value), **facts)


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise _refused("{field}: {value} is not text", field, value)
    if len(value) > _MAX_TEXT:
        raise _refused(
            "{field}: {value} is too long: {length} characters", field, value, length=len(value)
        )
    if any(char < " " or "\x7f" <= char <= "\x9f" for char in value):
        raise _refused("{field}: {value} holds control characters", field, value)
    if not value.strip():
        raise _refused("{field}: the value is empty", field, value)
    return value.strip()


def check_region(field: str, value: object) -> str:
    """Return a region's name: `beijing`, `singapore` or `sandbox`."""
    return endpoint.region_name(_text(field, value))


def check_endpoint(field: str, value: object) -> str:
    """Return `shared`, `workspace` or `trial`."""
    text = _text(field, value).lower()
    if text not in endpoint.ENDPOINTS:
        raise _refused(
            "{field}: {value} is not an endpoint; allowed: {allowed}",
            field,
            value,
            allowed=Listing(", ", endpoint.ENDPOINTS),
        )
    return text


def check_workspace(field: str, value: object) -> str:
    """Return a workspace id."""
    text = endpoint.check_workspace(_text(field, value))
    if text.startswith(("sk-", "st-")):
        raise UsageError("{field}: what was given is a key, not a workspace id", field=field)
    return text


def check_base_url(field: str, value: object) -> str:
    """Return an API root: `https://HOST/api/v1`."""
    return endpoint.normalize_base_url(_text(field, value))


def check_size(field: str, value: object) -> str:
    """Return a size as `W*H` in pixels."""
    from zimage_cli.core.request.sizes import parse_size

    return parse_size(_text(field, value))


def check_switch(field: str, value: object) -> bool:
    """Return a switch: `true false on off yes no 1 0` as text."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise _refused(
            "{field}: {value} is not a switch; allowed: {allowed}",
            field,
            value,
            allowed="true, false",
        )
    return text in _TRUE


def check_preview(field: str, value: object) -> str:
    """Return `auto`, `on` or `off`; the flag's True and False are on and off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = _text(field, value).lower()
    if text not in PREVIEWS:
        raise _refused(
            "{field}: {value} is not a kind of preview; allowed: {allowed}",
            field,
            value,
            allowed=Listing(", ", PREVIEWS),
        )
    return text


def check_language(field: str, value: object) -> str:
    """Return `en` or `zh`, also for a name such as `zh_CN.UTF-8`."""
    found = known_language(_text(field, value))
    if found is None:
        raise _refused(
            "{field}: {value} is not a language of zimage; allowed: {allowed}",
            field,
            value,
            allowed=Listing(", ", LANGUAGES),
        )
    return found


def check_output_dir(field: str, value: object) -> str:
    """Return a folder's path as it was given."""
    text = _text(field, value)
    if redact(text) != text:
        raise UsageError("{field}: what was given holds a key", field=field)
    return text


def check_timeout(field: str, value: object) -> float:
    """Return seconds, over 0 and at most `limits.MAX_TIMEOUT`."""
    allowed = Message("seconds, more than 0 and at most {most:.0f}", most=limits.MAX_TIMEOUT)
    number = _number(field, value, allowed)
    if not 0 < number <= limits.MAX_TIMEOUT:
        raise _out_of_range(field, value, allowed)
    return number


def check_retries(field: str, value: object) -> int:
    """Return how often a call is tried again: 0 … `limits.MAX_RETRIES`."""
    allowed = Message("a whole number, 0 to {most}", most=limits.MAX_RETRIES)
    number = _number(field, value, allowed)
    if number != int(number):
        raise _refused(
            "{field}: {value} is not a whole number; allowed: {allowed}",
            field,
            value,
            allowed=allowed,
        )
    if not 0 <= number <= limits.MAX_RETRIES:
        raise _out_of_range(field, value, allowed)
    return int(number)


def check_format(field: str, value: object) -> str:
    """Return a format of pictures: `png`, `jpeg` or `webp`; `jpg` is jpeg."""
    text = _text(field, value).lower()
    found = SUFFIXES.get("." + text.removeprefix("."))
    if found is None:
        raise _refused(
            "{field}: {value} is not a format; allowed: {allowed}",
            field,
            value,
            allowed=Listing(", ", FORMATS),
        )
    return found


def check_quality(field: str, value: object) -> int:
    """Return the quality of a JPEG or WebP: 1 … 100."""
    allowed = Message("a whole number, 1 to 100")
    number = _number(field, value, allowed)
    if number != int(number) or not 1 <= number <= 100:
        raise _out_of_range(field, value, allowed)
    return int(number)


def check_rps(field: str, value: object) -> float:
    """Return requests a second, at most 1000; 0 is no limit."""
    allowed = Message("requests a second, 0 (no limit) to {most:.0f}", most=MAX_RPS)
    number = _number(field, value, allowed)
    if not 0 <= number <= MAX_RPS:
        raise _out_of_range(field, value, allowed)
    return number


def _out_of_range(field: str, value: object, allowed: Message) -> UsageError:
    return _refused(
        "{field}: {value} is out of range; allowed: {allowed}", field, value, allowed=allowed
    )


def _number(field: str, value: object, allowed: Message) -> float:
    refused = _refused(
        "{field}: {value} is not a number; allowed: {allowed}", field, value, allowed=allowed
    )
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
