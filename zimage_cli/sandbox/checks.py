"""Check a generation call as strictly as the service's reference describes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.sandbox.faults import ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = "z-image-turbo"
GENERATION_PATH = "/api/v1/services/aigc/multimodal-generation/generation"
MODELS_PATH = "/api/v1/models"
# The service reads so many characters of a prompt and cuts the rest off without a word.
PROMPT_CHARACTERS = 800
DEFAULT_SIZE = (1024, 1536)
MIN_PIXELS, MAX_PIXELS = 512 * 512, 2048 * 2048
MAX_SEED = 2**31 - 1

_KEY = re.compile(r"(?:sk|st)-[A-Za-z0-9._-]+")
_SIZE = re.compile(r"([1-9][0-9]{0,6})\*([1-9][0-9]{0,6})")


class Refusal(Exception):
    """The documented error that a request is answered with."""

    def __init__(self, code: str, message: str | None = None, status: int | None = None) -> None:
        usual_status, usual_message = ERRORS.get(code, (400, ""))
        super().__init__(code)
        self.code = code
        self.message = usual_message if message is None else message
        self.status = usual_status if status is None else status


@dataclass(frozen=True, slots=True)
class Order:
    """A generation call that passed: what to draw. `seed` is None where the call gave none."""

    prompt: str
    width: int
    height: int
    seed: int | None
    prompt_extend: bool


def bearer_key(headers: Mapping[str, str]) -> str | None:
    """Return what stands behind `Bearer ` in the Authorization header, of whatever shape."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def check_key(key: str | None) -> str:
    """Return the key where it has the shape of one for these endpoints; else raise Refusal."""
    if key is None:
        raise Refusal("InvalidApiKey", "No API-key provided.")
    if key.startswith("sk-sp-") or not _KEY.fullmatch(key):
        raise Refusal("InvalidApiKey")
    return key


def check_call(headers: Mapping[str, str], body: bytes) -> Order:
    """Check the headers and body of a generation call; raise Refusal at the first fault."""
    if headers.get("x-dashscope-async", "disable").lower() != "disable":
        raise Refusal("AccessDenied", "current user api does not support asynchronous calls.")
    if headers.get("x-dashscope-sse", "disable").lower() != "disable":
        raise Refusal("InvalidParameter", "The model does not support stream output.")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal("InvalidParameter", "Content-Type must be application/json.")
    try:
        document = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refusal("InvalidParameter", "The request body is not valid JSON.") from None
    document = _object(document, "request body", {"model", "input", "parameters"})
    _check_model(document)
    prompt = _prompt(_object(_required(document, "input"), "input", {"messages"}))
    parameters = _object(
        document.get("parameters", {}), "parameters", {"size", "prompt_extend", "seed"}
    )
    width, height = _size(parameters)
    return Order(prompt, width, height, _seed(parameters), _prompt_extend(parameters))


def _object(value: Any, name: str, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal("InvalidParameter", f"{name} must be an object.")
    unknown = sorted(set(value) - allowed)
    if unknown:
        raise Refusal("InvalidParameter", f"{name} has unsupported fields: {', '.join(unknown)}")
    return value


def _required(document: dict[str, Any], name: str) -> Any:
    if name not in document:
        raise Refusal("InvalidParameter", f'Required parameter "{name}" missing.')
    return document[name]


def _check_model(document: dict[str, Any]) -> None:
    model = _required(document, "model")
    if not isinstance(model, str) or not model:
        raise Refusal("InvalidParameter", "model must be a string.")
    if model != MODEL:
        raise Refusal("ModelNotFound")


def _prompt(given: dict[str, Any]) -> str:
    messages = _required(given, "messages")
    if not isinstance(messages, list) or len(messages) != 1:
        raise Refusal("InvalidParameter", "input.messages must hold exactly one message.")
    message = _object(messages[0], "input.messages[0]", {"role", "content"})
    if message.get("role") != "user":
        raise Refusal("InvalidParameter", "input.messages[0].role must be user.")
    content = message.get("content")
    if not isinstance(content, list) or len(content) != 1:
        raise Refusal("InvalidParameter", "input.messages[0].content must hold exactly one text.")
    text = _required(_object(content[0], "input.messages[0].content[0]", {"text"}), "text")
    if not isinstance(text, str):
        raise Refusal("InvalidParameter", "text must be a string.")
    if not text.strip():
        raise Refusal("InvalidParameter", "text must not be empty.")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refusal("InvalidParameter", "text is not valid Unicode.")
    return text[:PROMPT_CHARACTERS]


def _size(parameters: dict[str, Any]) -> tuple[int, int]:
    if "size" not in parameters:
        return DEFAULT_SIZE
    size = parameters["size"]
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        raise Refusal("InvalidParameter", 'size must be a string such as "1024*1024".')
    width, height = int(match[1]), int(match[2])
    if not MIN_PIXELS <= width * height <= MAX_PIXELS:
        raise Refusal(
            "InvalidParameter",
            f"size {size} is not supported: total pixels must be between 512*512 and 2048*2048.",
        )
    return width, height


def _seed(parameters: dict[str, Any]) -> int | None:
    if "seed" not in parameters:
        return None
    seed = parameters["seed"]
    # JSON's true is an int in Python, and 1.0 is no integer of the reference.
    if type(seed) is not int or not 0 <= seed <= MAX_SEED:
        raise Refusal("InvalidParameter", f"seed must be an integer in [0, {MAX_SEED}].")
    return seed


def _prompt_extend(parameters: dict[str, Any]) -> bool:
    wanted = parameters.get("prompt_extend", False)
    if not isinstance(wanted, bool):
        raise Refusal("InvalidParameter", "prompt_extend must be a boolean.")
    return wanted
