"""The wire: one place that opens connections.

httpx is loaded when it is first needed. The key is a header of the calls to the API origin and
of nothing else: it is no default of the client, redirects are not followed, and pictures are
fetched by requests that never had it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from zimage_cli.api import limits
from zimage_cli.api.endpoint import host_of, is_loopback_host, models_url, origin_of
from zimage_cli.api.lines import KEPT, Kind, Line, Lines, Pool
from zimage_cli.api.payload import USER_AGENT, WireRequest
from zimage_cli.errors import (
    AnswerLost,
    AuthenticationError,
    Billed,
    ConfigurationError,
    ConnectionFailed,
    ServiceError,
    Stopped,
    ZimageError,
)
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    import ssl

    import httpx

    from zimage_cli.api.answer import Answer

_CERTIFICATE_HINT = (
    "The system does not trust its certificate. Behind a proxy that opens TLS, add its certificate "
    "to the system's store, or name it in SSL_CERT_FILE."
)
_LENGTHS = frozenset({"content-length", "transfer-encoding"})
"""Headers that tell where an answer ends."""
_PROXIES = frozenset({"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"})
_PROXY_HINT = "See HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in the environment."


def tls_context() -> ssl.SSLContext:
    """Return a TLS context that trusts what the system trusts."""
    import ssl

    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ModelsAnswer(NamedTuple):
    """What the read-only call proved. Times in milliseconds; connecting includes TLS."""

    visible: bool
    connect_ms: float
    answer_ms: float
    request_id: str | None


def open_pool() -> Pool:
    """Open a place for idle connections, to be shared by the wires of many runs."""
    return Pool(_open)


class Wire(Lines):
    """Calls of one run to the service and its picture host; safe to share between threads.

    `timeout` is how long, in seconds, an answer may take once the request is sent. `connections`
    is how many of a kind stay open while nothing uses them. With a `pool` they outlive this wire,
    and runs that share it do not end each other's exchanges; without one they are its own.
    """

    def __init__(
        self,
        *,
        timeout: float = limits.READ_TIMEOUT,
        connections: int = KEPT,
        pool: Pool | None = None,
    ) -> None:
        self.timeout = timeout
        super().__init__(pool or open_pool(), keep=connections)
        self._owned = pool is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def prepare(self, url: str, *, pictures: bool = False) -> None:
        """Build the client for a URL such as this, or for `pictures`, before there is a hurry.

        What fails here fails again, and is reported, when the client is needed.
        """
        with suppress(Exception):
            self._pool.prepare(_kind(url, pictures=pictures))

    def close(self) -> None:
        """Close all connections but those that a pool keeps for the next run."""
        super().close()
        if self._owned:
            self._pool.close()

    def generate(
        self,
        request: WireRequest,
        key: str,
        *,
        on_ready: Callable[[], None] = lambda: None,
        on_sent: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Send one generation once.

        `on_ready` is called when the connection stands and the first byte of the request is about
        to leave; what it raises is raised here, and nothing was sent. `on_sent` is called when the
        last byte has left. Raises ConnectionFailed when the service cannot have the request,
        AnswerLost when it may, and the typed error of every answer that is no picture.
        """
        clock = _Clock(self.check, on_ready, on_sent)
        try:
            status, headers, body = self._exchange(request, key, clock, self.timeout)
            # What reads an answer is loaded while the service paints.
            from zimage_cli.api.answer import parse_answer
            from zimage_cli.api.codes import error_fields, error_for
        except (ImportError, OSError, MemoryError) as error:
            if clock.sent:
                raise AnswerLost(
                    "The answer could not be read: {why}. "
                    "The picture may have been made and billed.",
                    why=error,
                ) from None
            raise

        if status == 200:
            try:
                # A picture beside a code is a picture, and paid.
                return parse_answer(body)
            except ServiceError:
                if not error_fields(body).get("code"):
                    raise
        raise error_for(status, body, headers)

    def models(self, api_root: str, key: str) -> ModelsAnswer:
        """Ask the service, read-only and free, whether the key sees the model.

        Raises as `generate` does; a lost answer is a ConnectionFailed here, as nothing was bought.
        """
        from zimage_cli.api.answer import models_visible
        from zimage_cli.api.codes import error_fields, error_for

        url = models_url(api_root)
        headers = {"Accept": "application/json", "User-Agent": USER_AGENT, "Connection": "close"}
        request = WireRequest("GET", url, headers, b"")
        clock = _Clock(self.check)
        timeout = min(limits.MODELS_TIMEOUT, self.timeout)
        try:
            status, answer_headers, body = self._exchange(request, key, clock, timeout)
        except AnswerLost as error:
            raise ConnectionFailed("{host} did not answer the check.", host=host_of(url)) from error
        done = time.monotonic()
        if status != 200 or error_fields(body).get("code"):
            raise error_for(status, body, answer_headers)
        connected = clock.connected or clock.started
        return ModelsAnswer(
            visible=models_visible(body),
            connect_ms=(connected - clock.started) * 1000,
            answer_ms=(done - connected) * 1000,
            request_id=answer_headers.get("x-request-id"),
        )

    def line(
        self, url: str, seconds: float, *, pictures: bool = False
    ) -> AbstractContextManager[Line]:
        """Lend the line to a URL for one exchange of so many seconds at most.

        It has no key and no cookies, and no two exchanges share it.
        """
        return self.lend(_kind(url, pictures=pictures), seconds)

    def _exchange(
        self, request: WireRequest, key: str, clock: _Clock, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        import httpx

        connect = min(limits.CONNECT_TIMEOUT, timeout)
        clock.started = time.monotonic()
        with (
            self.line(request.url, timeout + connect) as line,
            self._typed_errors(request.url, key, line, clock, timeout),
            line.http.stream(
                request.method,
                request.url,
                content=request.body,
                headers={**request.headers, "Authorization": _bearer(key)},
                timeout=httpx.Timeout(timeout, connect=connect, write=limits.WRITE_TIMEOUT),
                extensions={"trace": partial(clock.trace, line)},
            ) as response,
        ):
            read = _read(response, key, paid=request.method == "POST")
            if line.ended and not response.headers.keys() & _LENGTHS:
                # Its length is not known: the server may have ended it, or `shut`.
                raise httpx.ReadError("the connection was closed")
            return read

    @contextmanager
    def _typed_errors(
        self, url: str, key: str, line: Line, clock: _Clock, timeout: float
    ) -> Iterator[None]:
        """Turn httpx's errors into ours: what decides is whether the whole request had left."""
        import httpx

        host = origin_of(url)
        try:
            yield
        except (ZimageError, Stopped):
            raise
        except _failures() as error:
            if self.cancelled:
                raise Stopped from None
            from zimage_cli.api.body import hide, words_of

            # They may quote what the other side sent, and that may hold the key.
            why = _reason(error, line, timeout) or hide(words_of(error), key)
            if clock.sent:
                raise AnswerLost(
                    "The request was sent to {host} and the answer was lost: {why}. "
                    "The picture may have been made and billed.",
                    host=host,
                    why=why,
                ) from None
            if isinstance(error, httpx.ProxyError):
                raise ConnectionFailed(
                    "The proxy on the way to {host} refused: {why}.",
                    hint=_PROXY_HINT,
                    pace="normal",
                    host=host,
                    why=why,
                ) from None
            untrusted = "CERTIFICATE_VERIFY_FAILED" in why
            raise ConnectionFailed(
                "{host} could not be reached: {why}.",
                hint=_CERTIFICATE_HINT if untrusted else _proxy_hint(url),
                # Another try would meet the same certificate.
                pace=None if untrusted else "normal",
                host=host,
                why=why,
            ) from None


def _kind(url: str, *, pictures: bool) -> Kind:
    """Return the kind of line to a URL: loopback is asked directly, all else by the proxy settings.

    A proxy between us and this machine would see the key in plain http.
    """
    return url.startswith("https:"), is_loopback_host(host_of(url)), pictures


def _open(kind: Kind) -> httpx.Client:
    """Build an httpx client; its TLS context is its own, as a handshake locks it."""
    tls, direct, _ = kind
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    try:
        return httpx.Client(
            # A client for plain http never speaks TLS; reading certificates takes 20 ms.
            verify=tls_context() if tls else False,
            trust_env=not direct,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        )
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            "The proxy settings cannot be used: {why}", hint=_PROXY_HINT, why=error
        ) from None


def _read(
    response: httpx.Response, key: str, *, paid: bool
) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body of an answer.

    The key is taken out of it, so that no message, file or history repeats it. One that is larger
    than any answer is refused before it takes memory.
    """
    # Loaded while the service paints.
    from zimage_cli.api.body import UnreadableEncoding, content, hide, without_key

    status, body, wrong = response.status_code, bytearray(), None
    try:
        for piece in content(response):
            body += piece
            if len(body) > limits.ANSWER_MAX_BYTES:
                wrong = Message("larger than any answer can be")
                break
    except UnreadableEncoding:
        wrong = Message("packed in a way that zimage does not read")
    if wrong:
        text = "The service's answer is {wrong}."
        maybe = "The service's answer is {wrong}. The picture may have been made and billed."
        raise ServiceError(
            maybe if paid else text,
            wrong=wrong,
            http_status=status,
            billed=Billed.MAYBE if paid else Billed.NO,
        )
    headers = {name: hide(text, key) for name, text in response.headers.items()}
    return status, headers, without_key(bytes(body), key)


class _Clock:
    """Learns from httpcore's trace when the connection stood and when the request had left."""

    def __init__(
        self,
        check: Callable[[], None],
        on_ready: Callable[[], None] = lambda: None,
        on_sent: Callable[[], None] = lambda: None,
    ) -> None:
        self.started = time.monotonic()
        self.connected: float | None = None
        self.sent = False
        self._check = check
        self._on_ready = on_ready
        self._on_sent = on_sent
        self._to_proxy = False

    def trace(self, line: Line, event: str, info: Mapping[str, Any]) -> None:
        line.trace(event, info)
        if event == "http11.send_request_headers.started":
            # The same events tell of the CONNECT that a proxy gets before us.
            self._to_proxy = info["request"].method == b"CONNECT"
            self.connected = time.monotonic()
            if not self._to_proxy:
                self._ready(line)
        elif event == "http11.send_request_body.complete" and not self._to_proxy:
            self.sent = True
            self._on_sent()

    def _ready(self, line: Line) -> None:
        """Call `on_ready`; the time that this takes does not count against the deadline."""
        self._check()
        left, line.deadline = line.deadline - time.monotonic(), inf
        self._on_ready()
        self._check()
        line.deadline = time.monotonic() + left


def _bearer(key: str) -> str:
    """Return the header's value; what the libraries below say of a wrong one would show the key."""
    if not (key.isascii() and key.isprintable()):
        raise AuthenticationError("The key holds characters that no key has; nothing was sent.")
    return f"Bearer {key}"


def transport_errors() -> tuple[type[Exception], ...]:
    """Return what httpx and what it stands on raise where a connection fails.

    A SOCKS proxy that talks nonsense, and a host name that no resolver takes, come through as the
    errors of the libraries below.
    """
    import httpx

    found: tuple[type[Exception], ...]
    found = (httpx.TransportError, httpx.StreamError, httpx.DecodingError, UnicodeError)
    try:
        import socksio
    except ImportError:
        # Not installed, or kept out by the command line, where no SOCKS proxy is set.
        return found
    # httpcore asserts that a SOCKS proxy answers in turn.
    return (*found, socksio.SOCKSError, AssertionError)


def _failures() -> tuple[type[Exception], ...]:
    return (*transport_errors(), OSError)


def _proxy_hint(url: str) -> Message | None:
    """Return what to look at where a proxy of the environment may stand in the way."""
    names = [name for name in os.environ if name.upper() in _PROXIES and os.environ[name]]
    if not names or is_loopback_host(host_of(url)):
        return None
    return Message(
        "A proxy is set by {names}: does it run, and does it let you through?",
        names=Listing(", ", names),
    )


def _reason(error: Exception, line: Line, timeout: float) -> Message | None:
    """Return why an exchange failed, where it took too long."""
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        seconds = min(timeout, limits.CONNECT_TIMEOUT)
        return Message("no connection within {seconds:g} s", seconds=seconds)
    if isinstance(error, httpx.TimeoutException) or line.expired:
        return Message("no answer within {seconds:g} s", seconds=timeout)
    return None
