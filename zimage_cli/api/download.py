"""Fetch a picture once: streamed, checked on the way, bounded."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from zimage_cli.api import limits
from zimage_cli.api.body import UnreadableEncoding, content, words_of
from zimage_cli.api.endpoint import is_loopback_host, without_query
from zimage_cli.api.lines import Line
from zimage_cli.api.png import PngCheck, PngError, PngInfo
from zimage_cli.api.wire import Wire, transport_errors
from zimage_cli.errors import AddressRefused, NotSavedError, Pace, Stopped

if TYPE_CHECKING:
    import httpx

_BLOCK = 512 * 1024
"""Bytes that are gathered before they are checked and written."""

_ERROR_BYTES = 4096
"""What storage says of an error has some hundred."""

_FINAL = frozenset({400, 401, 403, 410})
"""Statuses that another try does not change: a signed URL that is refused stays refused."""


_OVER = "It cannot be fetched any more: to make it again is to pay again."


class AddressOver(NotSavedError):
    """Storage itself says that the address has expired, or is not as it was signed."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole, sound picture: dimensions in pixels, length in bytes, SHA-256 in hex.

    `served_sha256` is that of the bytes as they were served, where these are another file's.
    """

    info: PngInfo
    bytes: int
    sha256: str
    served_sha256: str | None = None

    @property
    def as_served(self) -> str:
        """The SHA-256 of the bytes as they were served."""
        return self.served_sha256 or self.sha256


def check_picture_url(url: str, *, loopback: bool, given: bool = True) -> None:
    """Refuse a picture address that is not https, or http to loopback from a loopback endpoint.

    Raises AddressRefused for one that the service has given, NotSavedError for a redirect.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    allowed = parts.scheme == "https" or (
        parts.scheme == "http" and loopback and is_loopback_host(host)
    )
    bad = any(ord(char) <= 0x20 or ord(char) == 0x7F for char in url) or "\\" in url
    if not allowed or not host or "@" in parts.netloc or bad:
        if given:
            raise AddressRefused(
                "The picture's address is none that zimage fetches (https only): {url}",
                url=without_query(url),
            )
        raise NotSavedError(
            "The picture's host redirected to an address that is none that zimage fetches "
            "(https only): {url}",
            url=without_query(url),
        )


def fetch(
    client: Wire,
    url: str,
    file: IO[bytes],
    *,
    loopback: bool,
    on_progress: Callable[[int, int | None], None] = lambda _received, _total: None,
) -> Fetched:
    """Stream the picture at `url` into `file`, which is emptied first.

    Redirects are followed at most five times, each address checked. `on_progress` gets bytes
    received and expected (None where the host does not say). Raises NotSavedError, its `pace` set
    where another try may succeed; Stopped when the client is cancelled; OSError where `file` cannot
    be written.
    """
    file.seek(0)
    file.truncate()
    give_up = time.monotonic() + limits.PICTURE_TOTAL_TIMEOUT
    for hop in range(limits.MAX_REDIRECTS + 1):
        check_picture_url(url, loopback=loopback, given=hop == 0)
        with _answer(client, url, give_up) as (line, response):
            if response.has_redirect_location:
                url = _next_hop(url, response.headers["location"])
                continue
            if response.status_code != 200:
                raise _refused(response)
            return _receive(response, file, on_progress, partial(_put_off, line, client, give_up))
    raise NotSavedError(
        "The picture's host redirected more than {most} times.", most=limits.MAX_REDIRECTS
    )


def _next_hop(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise NotSavedError("The picture's host redirected to what is no URL.") from None


@contextmanager
def _answer(client: Wire, url: str, give_up: float) -> Iterator[tuple[Line, httpx.Response]]:
    """Ask for a picture, for the length of a `with`; what breaks in it becomes a typed error."""
    import httpx

    quiet, connect = _quiet(client), min(limits.CONNECT_TIMEOUT, client.timeout)
    failures: tuple[type[Exception], ...] = (PngError, *transport_errors())
    with client.line(url, quiet + connect, pictures=True) as line:
        try:
            request = line.http.build_request(
                "GET",
                _exactly(url),
                headers={"Accept": "image/png"},
                timeout=httpx.Timeout(quiet, connect=connect),
                extensions={"trace": line.trace},
            )
            request.url = _exactly(url)
            with closing(line.http.send(request, stream=True)) as response:
                yield line, response
        except (httpx.InvalidURL, UnicodeError):
            # It may be a redirect's, too.
            raise NotSavedError(
                "The picture's address is no URL: {url}", url=without_query(url)
            ) from None
        except UnreadableEncoding:
            raise NotSavedError(
                "The picture is packed in a way that zimage does not read."
            ) from None
        except failures as error:
            if client.cancelled:
                raise Stopped from None
            if time.monotonic() >= give_up:
                raise _again(
                    "The download took longer than {seconds:g} s.",
                    seconds=limits.PICTURE_TOTAL_TIMEOUT,
                ) from None
            if line.expired or isinstance(error, httpx.TimeoutException):
                raise _again(
                    "The download broke off: nothing of the picture came for {seconds:g} s.",
                    seconds=quiet,
                ) from None
            if isinstance(error, PngError):
                raise _again(
                    "What the picture's host sent is no sound PNG: {why}.", why=error.said
                ) from None
            raise _again("The download broke off: {why}.", why=words_of(error)) from None


def _quiet(client: Wire) -> float:
    """Return for how many seconds a picture's host may send nothing of it."""
    return min(limits.PICTURE_READ_TIMEOUT, client.timeout)


def _put_off(line: Line, client: Wire, give_up: float) -> None:
    line.deadline = min(time.monotonic() + _quiet(client), give_up)


def _exactly(url: str) -> httpx.URL:
    """Return a URL whose path and query go over the wire as they stand.

    The signature covers them as they were given, and httpx would escape some of them again. Its own
    way to say so, the `target` extension, would also replace the host in a proxy's CONNECT.
    """
    import httpx

    parts = urlsplit(url)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
        "?" + quote(parts.query, safe="%/?:@!$&'()*+,;=~-._[]|^`{}\"<>") if parts.query else ""
    )

    class Exact(httpx.URL):
        @property
        def raw_path(self) -> bytes:
            return target.encode("ascii")

    return Exact(f"{parts.scheme}://{parts.netloc}/")


def _receive(
    response: httpx.Response,
    file: IO[bytes],
    on_progress: Callable[[int, int | None], None],
    put_off: Callable[[], None],
) -> Fetched:
    packed = "content-encoding" in response.headers
    declared = "" if packed else response.headers.get("content-length", "")
    total = int(declared) if declared.isdecimal() and len(declared) < 20 else None
    if total is not None and total > limits.PICTURE_MAX_BYTES:
        raise _too_large()
    check, digest, received = PngCheck(), hashlib.sha256(), 0
    block = bytearray()
    on_progress(0, total)
    put_off()
    for chunk in content(response):
        received += len(chunk)
        if received > limits.PICTURE_MAX_BYTES:
            raise _too_large()
        on_progress(received, total)
        put_off()
        # Each of the three gives up the interpreter's lock: with many pictures arriving at once,
        # doing it for every packet costs more than the work itself.
        block += chunk
        if len(block) >= _BLOCK:
            _take(block, check, digest, file)
    _take(block, check, digest, file)
    return Fetched(check.finish(), received, digest.hexdigest())


def _take(block: bytearray, check: PngCheck, digest: hashlib._Hash, file: IO[bytes]) -> None:
    """Check, sum up and write a block, and empty it."""
    check.feed(block)
    digest.update(block)
    file.write(block)
    block.clear()


def _refused(response: httpx.Response) -> NotSavedError:
    status = response.status_code
    if status == 403:
        if _is_over(response):
            return AddressOver(
                "The picture's host answered HTTP {status}. "
                "The address has expired or its signature was refused.",
                hint=_OVER,
                status=status,
                http_status=status,
            )
        return NotSavedError(
            "The picture's host, or a proxy before it, answered HTTP {status}.",
            status=status,
            http_status=status,
        )
    pace: Pace | None = None if status in _FINAL else "normal"
    return NotSavedError(
        "The picture's host answered HTTP {status}.", status=status, http_status=status, pace=pace
    )


def _is_over(response: httpx.Response) -> bool:
    """Tell whether storage itself says that an address has expired, or is not as it was signed."""
    body = b""
    with suppress(UnreadableEncoding):
        for piece in content(response):
            body += piece
            if len(body) >= _ERROR_BYTES:
                break
    said = b"<Code>SignatureDoesNotMatch</Code>" in body or b"Request has expired" in body
    return b"<Error>" in body and said


def _too_large() -> NotSavedError:
    return NotSavedError(
        "The picture is larger than {mebibytes} MiB.",
        mebibytes=limits.PICTURE_MAX_BYTES // (1024 * 1024),
    )


def _again(template: str, **facts: Any) -> NotSavedError:
    return NotSavedError(template, **facts, pace="normal")
