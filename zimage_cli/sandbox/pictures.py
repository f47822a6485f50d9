"""The picture origin: signed URLs that live a while, storage's own errors, and broken pictures."""

from __future__ import annotations

import binascii
import os
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zimage_cli.sandbox.books import Books, Call
from zimage_cli.sandbox.wire import Answer

if TYPE_CHECKING:
    from zimage_cli.sandbox.faults import Fault
    from zimage_cli.sandbox.wire import Request

_CACHE_BYTES = 32 * 1024 * 1024
_TOO_LARGE = 65 * 1024 * 1024
_STALE_AFTER = 3600.0
_HTML = b"<html><head><title>Sign in</title></head><body><h1>Network login</h1></body></html>\n"


def new_id() -> str:
    """Return a random UUID (version 4) without importing uuid."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _signature() -> str:
    """Return a percent-escaped Base64 signature that a client spoils by escaping it again.

    Real ones hold `+`, `/` and `=` by chance; these always do, and write their escapes in both
    cases, so that a client that decodes, re-encodes or upper-cases the query is found out.
    """
    while True:
        text = binascii.b2a_base64(os.urandom(20), newline=False).decode()
        if "+" in text and "/" in text:
            return text.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")


@dataclass(slots=True)
class Picture:
    """A picture that was made: how to draw it again, and what goes wrong with it."""

    prompt: str
    seed: int
    seed_given: bool
    width: int
    height: int
    expires: float
    url: str
    fault: Fault | None = None
    failures_left: int | None = None

    @property
    def target(self) -> str:
        """Return the request target that the URL asks for, byte for byte."""
        return self.url[self.url.index("/", len("http://")) :]

    def next_fault(self) -> Fault | None:
        """Take the fault of this request; None once it has happened often enough."""
        if self.fault is None or self.failures_left == 0:
            return None
        if self.failures_left is not None:
            self.failures_left -= 1
        return self.fault


@dataclass(frozen=True)
class Storage:
    """How pictures are served.

    `picture_latency` (seconds), `bandwidth` (bytes a second): of the picture origin. `expires`:
    seconds a picture's URL lives. `picture_bytes`: served instead of every drawing. `labels`: what
    the pictures carry, of `sandbox.labels.LABELS`.
    """

    picture_latency: float = 0.0
    bandwidth: float | None = None
    expires: float = 24 * 3600.0
    picture_bytes: bytes | None = field(default=None, repr=False)
    labels: tuple[str, ...] = ()


class PictureStore:
    """Hold what is needed to draw each picture again, and the bytes of the latest only."""

    def __init__(self, config: Storage, books: Books) -> None:
        self.origin = ""
        self._config = config
        self._books = books
        self._made: dict[str, Picture] = {}
        self._order: deque[tuple[float, str]] = deque()
        self._cache: OrderedDict[tuple[str, int, int, int, bool], bytes] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()
        self._drawing = threading.Lock()

    def add(
        self,
        prompt: str,
        seed: int,
        size: tuple[int, int],
        *,
        seed_given: bool,
        fault: Fault | None,
    ) -> str:
        """Make a picture known and return its signed URL."""
        now = time.time()
        ident = new_id()
        day = time.strftime("%Y%m%d", time.gmtime(now))
        path = f"/dashscope-sandbox-result/7d/{ident[:2]}/{day}/{ident[9:13]}/{ident}.png"
        # Storage signs with whole seconds; rounding up keeps every promise of `expires`.
        expires = now + self._config.expires
        query = (
            f"Expires={int(expires) + 1}&OSSAccessKeyId=LTAI5tSandboxZimage"
            f"&Signature={_signature()}"
        )
        url = f"{self.origin}{path}?{query}"
        picture = Picture(prompt, seed, seed_given, *size, expires, url, fault)
        if fault is not None:
            picture.failures_left = fault.count
        with self._lock:
            self._made[path] = picture
            self._order.append((picture.expires, path))
            while self._order and self._order[0][0] + _STALE_AFTER < now:
                self._made.pop(self._order.popleft()[1], None)
        return url

    def answer(self, request: Request) -> Answer:
        """Answer a request at the picture origin and enter it in the books."""
        call = Call(request)
        answer = self._answer(request, call)
        call.status = answer.status
        self._books.picture(call)
        return answer

    def bytes_of(self, picture: Picture) -> bytes:
        """Return the picture's bytes, from the cache or drawn again."""
        if self._config.picture_bytes is not None:
            return self._labelled(self._config.picture_bytes)
        shown = picture.seed_given
        key = (picture.prompt, picture.seed, picture.width, picture.height, shown)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        from zimage_cli.sandbox.drawing import draw

        # Drawing keeps a core busy: several at once would make each of them slower.
        with self._drawing:
            data = self._cache.get(key) or self._labelled(draw(*key[:4], show_seed=shown))
        with self._lock:
            if key not in self._cache:
                self._cache[key] = data
                self._cached += len(data)
            while self._cached > _CACHE_BYTES and len(self._cache) > 1:
                self._cached -= len(self._cache.popitem(last=False)[1])
        return data

    def _labelled(self, data: bytes) -> bytes:
        if not self._config.labels:
            return data
        from zimage_cli.sandbox.labels import labelled

        return labelled(data, self._config.labels)

    def _answer(self, request: Request, call: Call) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return _storage_error(405, "MethodNotAllowed", "The method is not allowed.")
        if request.path.startswith("/hop/"):
            return self._hop(request)
        picture = self._made.get(request.path)
        if picture is None:
            return _missing()
        refusal = _check_access(request, picture)
        if refusal is not None:
            return refusal
        # A HEAD uses up no fault: faults are for GET.
        fault = None
        if request.method == "GET":
            with self._lock:
                fault = picture.next_fault()
        if fault is None:
            return self._plain(self.bytes_of(picture))
        call.faults = (fault.kind,)
        return self._faulty(fault, picture)

    def _plain(self, data: bytes) -> Answer:
        return Answer(
            200,
            data,
            "image/png",
            headers=(("x-oss-request-id", new_id()[:24].upper()), ("Accept-Ranges", "bytes")),
            delay=self._config.picture_latency,
            bandwidth=self._config.bandwidth,
        )

    def _faulty(self, fault: Fault, picture: Picture) -> Answer:
        if fault.kind == "picture-redirect":
            if fault.hops <= 0 or fault.url is not None:
                return _redirect(fault.url or picture.url)
            return _redirect(f"{self.origin}/hop/{fault.hops - 1}{picture.target}")
        if fault.kind == "picture-redirect-loop":
            return _redirect(picture.url)
        answer = _instead(fault)
        if answer is None:
            return self._spoiled(fault, self.bytes_of(picture))
        if fault.retry_after is not None:
            answer.headers = (*answer.headers, ("Retry-After", fault.retry_after))
        return answer

    def _spoiled(self, fault: Fault, data: bytes) -> Answer:
        from zimage_cli.sandbox import spoil

        answer = self._plain(data)
        kind = fault.kind
        if kind in {"picture-cut", "picture-cut-chunked", "picture-reset", "picture-stall"}:
            answer.cut = len(data) // 2
            answer.chunked = kind == "picture-cut-chunked"
            answer.reset = kind == "picture-reset"
            answer.hang = kind == "picture-stall"
        elif kind == "picture-slow":
            answer.spread = fault.seconds
        elif kind in {"picture-too-large", "picture-too-large-chunked"}:
            answer.padding = _TOO_LARGE
            answer.chunked = kind == "picture-too-large-chunked"
        else:
            answer.body = spoil.spoil(kind, data)
        return answer

    def _hop(self, request: Request) -> Answer:
        _, _, rest = request.target.partition("/hop/")
        hops, _, target = rest.partition("/")
        picture = self._made.get("/" + target.partition("?")[0])
        if picture is None or "/" + target != picture.target or not hops.isdigit():
            return _missing()
        if int(hops) > 0:
            return _redirect(f"{self.origin}/hop/{int(hops) - 1}{picture.target}")
        # The last hop serves the picture itself: its URL would meet the fault again.
        return self._plain(self.bytes_of(picture))


def _check_access(request: Request, picture: Picture) -> Answer | None:
    """Return the refusal of storage, None where the URL is good and used as it was given."""
    if "authorization" in request.headers:
        return _storage_error(
            400, "InvalidArgument", "Only one auth mechanism allowed; it is in the query."
        )
    if request.target != picture.target:
        return _storage_error(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )
    return _expired() if time.time() >= picture.expires else None


def _instead(fault: Fault) -> Answer | None:
    """Return the answer that takes the place of the picture, None where it is only spoiled."""
    match fault.kind:
        case "picture-expired":
            answer = _expired()
        case "picture-404":
            answer = _missing()
        case "picture-500":
            answer = _storage_error(500, "InternalError", "We encountered an internal error.")
        case "picture-503":
            answer = _storage_error(503, "SlowDown", "Please reduce your request rate.")
        case "picture-html":
            answer = Answer(200, _HTML, "text/html; charset=utf-8")
        case "picture-empty":
            answer = Answer(200, b"", "image/png")
        case _:
            return None
    return answer


def _missing() -> Answer:
    return _storage_error(404, "NoSuchKey", "The specified key does not exist.")


def _redirect(url: str) -> Answer:
    return Answer(302, b"", None, headers=(("Location", url),))


def _expired() -> Answer:
    return _storage_error(403, "AccessDenied", "Request has expired.")


def _storage_error(status: int, code: str, message: str) -> Answer:
    ident = new_id()[:24].upper()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{code}</Code>\n  <Message>{message}</Message>\n"
        f"  <RequestId>{ident}</RequestId>\n  <HostId>127.0.0.1</HostId>\n</Error>\n"
    )
    return Answer(status, body.encode(), "application/xml", headers=(("x-oss-request-id", ident),))
