"""The Redis that keeps a shared pace: its address, and a class that shows it without its password.

What is wrong with one is never quoted: a password may stand anywhere in it.
"""

from __future__ import annotations

from typing import Any

from zimage_cli.core.settings.key import Secret
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing
from zimage_cli.text import redact

SCHEMES = ("redis://", "rediss://", "unix://")

_QUERY = {"rediss": ("db", "ssl_ca_certs"), "redis": ("db",), "unix": ("db",)}
"""What may stand behind `?`: timeouts and retries are not for who shares a pace."""

_MAX_URL = 1000
_MAX_ACCOUNT = 100


class PaceUrl(Secret):
    """An address, which shows itself without its password."""

    __slots__ = ("_password",)
    _password: str

    def __init__(self, text: str, masked: str, password: str) -> None:
        super().__init__(text, masked)
        object.__setattr__(self, "_password", password)

    @property
    def has_password(self) -> bool:
        """Whether there is something to hide."""
        return bool(self._password)

    @property
    def is_secure(self) -> bool:
        """Whether the connection is TLS."""
        return self._text.lower().startswith("rediss://")

    def without_password(self, text: str) -> str:
        """Return a text with the password masked, as it stands in the address and as it is sent."""
        from urllib.parse import unquote

        for secret in filter(None, {self._password, unquote(self._password)}):
            text = text.replace(secret, "…")
        return text


def check_pace_url(field: str, value: object) -> PaceUrl | None:
    """Return the address of a Redis; None for False: this machine keeps its own pace."""
    if value is False or isinstance(value, PaceUrl):
        return value or None
    text = value.strip() if isinstance(value, str) else ""
    if not text.lower().startswith(SCHEMES):
        raise _refused(
            "{field}: what was given begins with none of {allowed}",
            field,
            allowed=Listing(", ", SCHEMES),
        )
    if len(text) > _MAX_URL or not text.isprintable() or " " in text:
        raise _refused("{field}: what was given is too long, or holds what no address has", field)
    return _parsed(field, text)


def check_pace_account(field: str, value: object) -> str:
    """Return the name under which an account's zimages take turns."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > _MAX_ACCOUNT or not text.isprintable():
        allowed = f"1 … {_MAX_ACCOUNT}"
        raise _refused(
            "{field}: a name is needed, of {allowed} printable characters", field, allowed=allowed
        )
    if redact(text) != text:
        raise _refused("{field}: what was given holds a key", field)
    return text


def _parsed(field: str, text: str) -> PaceUrl:
    from urllib.parse import parse_qsl, urlsplit

    try:
        url = urlsplit(text)
        _, host, password = url.port, url.hostname, url.password or ""
        query = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    except ValueError:
        raise _unreadable(field) from None
    names = [name for name, _ in query]
    if "password" in names or "username" in names:
        raise _refused(
            "{field}: user and password stand before the host: USER:PASSWORD@HOST:PORT", field
        )
    if not {*names} <= {*_QUERY[url.scheme]}:
        allowed = Listing(", ", _QUERY[url.scheme])
        raise _refused(
            "{field}: behind ? may stand {allowed}, and nothing else", field, allowed=allowed
        )
    unix = url.scheme == "unix"
    numbers = [number for name, number in query if name == "db"]
    if not unix and url.path.strip("/"):
        numbers.append(url.path.removeprefix("/"))
    fits = not host and len(url.path) > 1 if unix else host
    if not fits or url.fragment or not all(one.isascii() and one.isdecimal() for one in numbers):
        raise _unreadable(field)
    user, at, place = url.netloc.rpartition("@")
    if password:
        user = f"{url.username or ''}:…"
    elif user:
        # Alone, what stands there is as often the password.
        user, password = "…", url.username or ""
    shown = url._replace(netloc=f"{user}{at}{place}").geturl()
    if unix and not shown.startswith("unix://"):
        shown = "unix://" + shown.removeprefix("unix:")
    return PaceUrl(text, shown, password)


def _unreadable(field: str) -> UsageError:
    return _refused(
        "{field}: what was given is no address of a Redis; allowed: redis://HOST:PORT/DB, "
        "rediss://HOST:PORT/DB, unix:///PATH",
        field,
        hint="In user and password, write other characters than letters and digits as %XX: / is "
        "%2F.",
    )


def _refused(template: str, field: str, hint: str | None = None, **facts: Any) -> UsageError:
    return UsageError(template, hint=hint, field=field, **facts)
