"""The service's answer, read without trusting it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from zimage_cli.api.body import read_json
from zimage_cli.errors import Billed, ServiceError

_LARGEST = 2**53
"""What every reader of JSON, and SQLite, can hold."""
_USAGE_FIELDS = 50
_USAGE_TEXT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a successful generation says. Sizes in pixels, from `usage`, None where it is silent."""

    image_url: str
    text: str | None
    """The prompt as sent, or the rewritten one when prompt_extend was on."""
    reasoning: str | None
    width: int | None
    height: int | None
    request_id: str | None
    usage: dict[str, Any]

    def rewritten_prompt(self, *, prompt_extend: bool) -> str | None:
        """Return the rewritten prompt: `text` is one only when prompt_extend was on."""
        return self.text if prompt_extend else None


def parse_answer(body: bytes) -> Answer:
    """Read the body of an HTTP 200.

    Raises ServiceError (`billed` maybe) where it holds no picture: success was said, so the picture
    may exist and may be on the bill.
    """
    if not body.strip():
        raise _unusable("The service answered nothing. The picture may have been made and billed.")
    try:
        parsed = read_json(body)
    except ValueError:
        raise _unusable(
            "The service answered something that is not JSON. "
            "The picture may have been made and billed."
        ) from None
    top = _dict(parsed)
    request_id = plain_text(top.get("request_id"))
    choices = _list(_dict(top.get("output")).get("choices"))
    if not choices:
        raise _unusable(
            "The service's answer has no choices. The picture may have been made and billed.",
            request_id,
        )
    message = _dict(_dict(choices[0]).get("message"))
    content = [_dict(item) for item in _list(message.get("content"))]
    image_url = _first(content, "image")
    if image_url is None:
        raise _unusable(
            "The service's answer has no picture. The picture may have been made and billed.",
            request_id,
        )
    usage = _kept(_dict(top.get("usage")))
    return Answer(
        image_url=image_url,
        text=_first(content, "text"),
        # Beside `content` today; inside one of its items in older notes.
        reasoning=plain_text(message.get("reasoning_content"))
        or _first(content, "reasoning_content"),
        width=_pixels(usage.get("width")),
        height=_pixels(usage.get("height")),
        request_id=request_id,
        usage=usage,
    )


def models_visible(body: bytes) -> bool:
    """Tell whether a models answer lists z-image-turbo. Raises ServiceError for anything else."""
    try:
        parsed = read_json(body)
    except ValueError:
        raise ServiceError("The service's list of models is not JSON.") from None
    models = _dict(_dict(parsed).get("output")).get("models")
    if not isinstance(models, list):
        raise ServiceError("The service's answer has no list of models.")
    return any(_dict(model).get("model") == "z-image-turbo" for model in models)


def whole_text(text: str) -> str:
    """Return text that any file can hold: JSON may smuggle in half a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def plain_text(value: object) -> str | None:
    """Return a text that any file can hold, None for what is no text or empty."""
    return whole_text(value) if isinstance(value, str) and value else None


def _unusable(template: str, request_id: str | None = None) -> ServiceError:
    return ServiceError(template, request_id=request_id, http_status=200, billed=Billed.MAYBE)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(items: list[dict[str, Any]], key: str) -> str | None:
    return next((text for item in items if (text := plain_text(item.get(key)))), None)


def _pixels(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= _LARGEST else None


def _kept(usage: dict[str, Any], depth: int = 1) -> dict[str, Any]:
    """Return what of `usage` can be written down anywhere: numbers, short texts, one level more.

    Endless nesting, numbers without end or NaN must not cost a picture that is paid.
    """
    found: dict[str, Any] = {}
    for name, value in list(usage.items())[:_USAGE_FIELDS]:
        name = whole_text(name[:_USAGE_TEXT])  # noqa: PLW2901
        if isinstance(value, dict) and depth:
            found[name] = _kept(value, depth - 1)
        elif _is_plain(value):
            found[name] = whole_text(value) if isinstance(value, str) else value
    return found


def _is_plain(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case int():
            return abs(value) <= _LARGEST
        case float():
            return isfinite(value)
        case str():
            return len(value) <= _USAGE_TEXT
    return False
