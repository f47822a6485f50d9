"""The API origin: the generation call, the list of models, and the books."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zimage_cli.sandbox import checks, words
from zimage_cli.sandbox.books import Billed, Books, Call
from zimage_cli.sandbox.checks import Order, Refusal
from zimage_cli.sandbox.faults import Fault, Faults, documented_error
from zimage_cli.sandbox.limit import SlidingLimit
from zimage_cli.sandbox.pictures import PictureStore, new_id
from zimage_cli.sandbox.wire import Answer, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zimage_cli.sandbox.wire import Connection, Request

BOOKS_PATH = "/sandbox/books"
# What a terminal must never get raw: CSI, OSC 8 and title sequences, C1, bidi, zero width, BEL.
HOSTILE = (
    "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://example.invalid\x1b\\link\x9b1m"
    "\u202egnp.exe\u202c\u2066\u200b\ufeff\r\x00\x7f[bold]markup[/bold]"
)
_GATEWAY = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_GATEWAY_TITLES = {
    200: "Welcome",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
_FOREIGN_URL = "http://example.invalid/picture.png?Expires=1&Signature=x"


@dataclass(frozen=True)
class Behaviour:
    """How the stand-in answers.

    `keys`: the keys it accepts, so that a key of another region gets 401; None accepts any of the
    right shape. `denied_keys`: accepted, but without right to the model (403; invisible in the list
    of models). `accounts`: key → account, for the rate limit; all keys are one account unless it
    says otherwise. `rps`: generation calls in any sliding second before 429, with `retry_after` as
    that answer's header. `latency`: seconds a picture takes, or (least, most). `extend_latency`:
    seconds more with prompt_extend; None: as long again. `faults`: kind or Fault → rate from 0 to
    1, drawn from `fault_seed`.
    """

    keys: frozenset[str] | None = None
    denied_keys: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    rps: float | None = None
    retry_after: str | None = None
    latency: float | tuple[float, float] = 0.0
    extend_latency: float | None = None
    faults: Mapping[str | Fault, float] = field(default_factory=dict)
    fault_seed: int = 0


class Service:
    """Answer the requests at the API origin."""

    def __init__(
        self, config: Behaviour, books: Books, pictures: PictureStore, stopping: threading.Event
    ) -> None:
        self._config = config
        self._books = books
        self._pictures = pictures
        self._stopping = stopping
        self.faults = Faults(config.faults, config.fault_seed)
        self.models_faults = Faults()
        self._limit = None if config.rps is None else SlidingLimit(config.rps)
        self._dice = _dice(config.latency, config.fault_seed)

    def answer(self, request: Request, connection: Connection) -> tuple[Answer, Call | None]:
        """Answer a request and enter it in the books, before a byte of the answer is sent."""
        if request.path == BOOKS_PATH and request.method == "GET":
            connection.read_body(request)
            summary = self._books.summary(billed="billed" in request.target.partition("?")[2])
            return _json(200, summary), None
        call = Call(request, checks.bearer_key(request.headers))
        ordered = request.method == "POST" and request.path == checks.GENERATION_PATH
        listed = request.method == "GET" and request.path == checks.MODELS_PATH
        coming = self.faults if ordered else self.models_faults
        faults = coming.next() if ordered or listed else ()
        call.faults = tuple(fault.kind for fault in faults)
        if "reset-early" in call.faults:
            self._books.arrived(call)
            self._books.answered(call, status=0)
            return Answer(0, silent=True, reset=True), call
        connection.read_body(request)
        self._books.arrived(call)
        call.request_id = new_id()
        billed: Billed | None = None
        answer = Answer(0, silent=True, cut=0)
        try:
            if ordered:
                answer, billed = self._generate(request, call, faults)
            elif listed:
                answer = self._models(request, call, faults)
            else:
                answer = self._nowhere(request, call)
        except Refusal as refusal:
            answer = _refusal(refusal, call)
        finally:
            self._books.answered(call, status=answer.status, billed=billed)
        return answer, call

    def _key(self, call: Call) -> str:
        key = checks.check_key(call.key)
        if self._config.keys is not None and key not in self._config.keys:
            raise Refusal("InvalidApiKey")
        return key

    def _nowhere(self, request: Request, call: Call) -> Answer:
        known = {checks.GENERATION_PATH: "POST", checks.MODELS_PATH: "GET"}.get(request.path)
        if known is None:
            return _refusal(Refusal("NotFound", "The requested path does not exist.", 404), call)
        answer = _refusal(Refusal("MethodNotAllowed", "The method is not allowed.", 405), call)
        answer.headers = (*answer.headers, ("Allow", known))
        return answer

    # The list of models.

    def _models(self, request: Request, call: Call, faults: tuple[Fault, ...]) -> Answer:
        key = self._key(call)
        for fault in faults:
            if (answer := _instead(fault, call, self._pictures.origin)) is not None:
                return answer
        from urllib.parse import parse_qs

        query = parse_qs(request.target.partition("?")[2])
        try:
            page, size = (int(query.get(name, ["1"])[0]) for name in ("page_no", "page_size"))
        except ValueError:
            raise Refusal("InvalidParameter", "page_no and page_size must be numbers.") from None
        wanted = query.get("model", [checks.MODEL])[0]
        seen = wanted == checks.MODEL and key not in self._config.denied_keys
        model = {
            "model": checks.MODEL,
            "name": "Z-Image-Turbo",
            "provider": "sandbox",
            "description": "A stand-in that draws; nothing is generated.",
            "capabilities": ["T2I"],
        }
        output = {
            "models": [model] if seen and page == 1 and size >= 1 else [],
            "total": int(seen),
            "page_no": page,
            "page_size": size,
        }
        answer = _json(200, {"output": output, "request_id": call.request_id})
        for fault in faults:
            _deliver(fault, answer)
        return answer

    # The generation call.

    def _generate(
        self, request: Request, call: Call, faults: tuple[Fault, ...]
    ) -> tuple[Answer, Billed | None]:
        key = self._key(call)
        if self._limit is not None:
            account = self._config.accounts.get(key, "")
            if not self._limit.admit(account, request.clock):
                fault = Fault("Throttling.RateQuota", retry_after=self._config.retry_after)
                return _error(fault, call), None
        order = checks.check_call(request.headers, request.body)
        if key in self._config.denied_keys:
            raise Refusal("AccessDenied")
        of_picture = next((fault for fault in faults if fault.of_picture), None)
        of_answer = next((fault for fault in faults if not fault.of_picture), None)
        url, billed = "", None
        if of_answer is None or of_answer.makes_picture:
            self._paint(order)
            size = (order.width, order.height)
            if of_answer is not None and of_answer.kind == "wrong-size":
                size = (max(1, order.width // 2), order.height + 16)
            seed = order.seed
            if seed is None:
                seed = int.from_bytes(os.urandom(4)) & checks.MAX_SEED
            given = order.seed is not None
            url = self._pictures.add(order.prompt, seed, size, seed_given=given, fault=of_picture)
            billed = self._billed(order, seed, key, url, call)
        if of_answer is None:
            return _json(200, _success(order, url, call, None)), billed
        answer = _instead(of_answer, call, self._pictures.origin)
        if answer is None:
            answer = _json(200, _success(order, url, call, of_answer))
            _deliver(of_answer, answer)
        return answer, billed

    def _billed(self, order: Order, seed: int, key: str, url: str, call: Call) -> Billed:
        return Billed(
            request_id=call.request_id or "",
            prompt=order.prompt,
            seed=seed,
            seed_given=order.seed is not None,
            size=f"{order.width}*{order.height}",
            prompt_extend=order.prompt_extend,
            key=key,
            at=call.request.at,
            url=url,
        )

    def _paint(self, order: Order) -> None:
        """Take as long as painting takes; a server that stops meanwhile has made nothing."""
        seconds = self._dice()
        if order.prompt_extend:
            extra = self._config.extend_latency
            seconds += seconds if extra is None else extra
        if seconds > 0 and self._stopping.wait(seconds):
            raise WireError


def _dice(latency: float | tuple[float, float], seed: int) -> Callable[[], float]:
    if not isinstance(latency, tuple):
        return lambda: latency
    from random import Random

    low, high = latency
    dice = Random(seed)  # noqa: S311 - how long a picture takes is no secret
    return lambda: dice.uniform(low, high)


def _success(order: Order, url: str, call: Call, fault: Fault | None) -> dict[str, Any]:
    """Return the body of an answer with a picture, changed where the fault changes the body."""
    kind = "" if fault is None else fault.kind
    text, reasoning = words.rewrite(order.prompt) if order.prompt_extend else (order.prompt, "")
    usage: dict[str, Any] = {
        "width": order.width,
        "height": order.height,
        "image_count": 1,
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
    }
    if order.prompt_extend:
        asked, thought = 180 + words.tokens(order.prompt), words.tokens(reasoning)
        said = thought + words.tokens(text)
        usage |= {
            "input_tokens": asked,
            "output_tokens": said,
            "total_tokens": asked + said,
            "output_tokens_details": {"reasoning_tokens": thought},
        }
    request_id = call.request_id or ""
    if kind == "hostile-text":
        text, reasoning = f"{text} {HOSTILE}", f"{reasoning} {HOSTILE}"
        request_id += HOSTILE
    if kind == "wrong-usage":
        usage |= {"width": order.width + 64, "height": order.height + 32}
    if kind == "foreign-url" and fault is not None:
        url = fault.url or _FOREIGN_URL
    content: list[dict[str, str]] = [{"image": url}, {"text": text}]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "reasoning_content": reasoning,
    }
    if kind == "reasoning-in-content":
        content.append({"reasoning_content": message.pop("reasoning_content")})
    if kind == "no-image":
        content.pop(0)
    choices = [{"finish_reason": "stop", "message": message}]
    body: dict[str, Any] = {
        "output": {"choices": [] if kind == "no-choices" else choices},
        "usage": usage,
        "request_id": request_id,
    }
    for gone in ("output", "usage", "request_id"):
        if kind == f"no-{gone.replace('_', '-')}":
            del body[gone]
    return body


def _instead(fault: Fault, call: Call, other_origin: str) -> Answer | None:
    """Return the answer that takes the ordinary one's place, None where that is only changed."""
    kind = fault.kind
    if documented_error(kind) is not None:
        return _error(fault, call)
    form, _, number = kind.partition("-")
    if form in {"html", "empty"} and number.isdigit():
        return _gateway(fault, int(number), html=form == "html")
    match kind:
        case "reset" | "close" | "no-answer":
            answer = Answer(0, silent=True, reset=kind == "reset", hang=kind == "no-answer")
        case "not-json":
            answer = Answer(200, b'{"output": {"choices": [{"finish_rea')
        case "json-list":
            answer = Answer(200, b'["output", null, 1]')
        case "error-in-200":
            inner = Fault("DataInspectionFailed", message=fault.message, status=200)
            answer = _error(inner, call)
        case "hostile-error":
            call.request_id = f"{call.request_id}{HOSTILE}"
            message = f"bad {HOSTILE}" if fault.message is None else fault.message
            refusal = Refusal(f"InvalidParameter.{HOSTILE}", message, fault.status or 400)
            answer = _refusal(refusal, call)
        case "redirect":
            location = fault.url or f"{other_origin}{call.request.target}"
            answer = Answer(fault.status or 307, b"", None, headers=(("Location", location),))
        case _:
            return None
    return answer


def _gateway(fault: Fault, status: int, *, html: bool) -> Answer:
    page = _GATEWAY.format(_GATEWAY_TITLES[status]) if html else ""
    answer = Answer(status, page.encode(), "text/html" if html else None)
    if fault.retry_after is not None:
        answer.headers = (("Retry-After", fault.retry_after),)
    return answer


def _deliver(fault: Fault, answer: Answer) -> None:
    """Change how an ordinary answer is sent."""
    if fault.kind == "cut-answer":
        answer.cut = len(answer.body) // 2
    elif fault.kind == "slow-answer":
        answer.delay = fault.seconds
    elif fault.kind == "drip-answer":
        answer.spread = fault.seconds


def _error(fault: Fault, call: Call) -> Answer:
    status, message = documented_error(fault.kind) or (500, "")
    refusal = Refusal(
        fault.kind,
        message if fault.message is None else fault.message,
        status if fault.status is None else fault.status,
    )
    answer = _refusal(refusal, call)
    if fault.retry_after is not None:
        answer.headers = (*answer.headers, ("Retry-After", fault.retry_after))
    return answer


def _refusal(refusal: Refusal, call: Call) -> Answer:
    call.code = refusal.code
    body = {"code": refusal.code, "message": refusal.message, "request_id": call.request_id}
    return _json(refusal.status, body)


def _json(status: int, body: object) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
