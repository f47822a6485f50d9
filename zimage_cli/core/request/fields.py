"""The one table of a request's fields: what checks a request and what its schema says stand on it.

What reads a value, and what it says of a wrong one, is in `request.py`; sizes are `sizes.py`.
"""

from __future__ import annotations

from zimage_cli.api.payload import MODEL
from zimage_cli.core.request.sizes import ALLOWED as ALLOWED_SIZES
from zimage_cli.core.request.sizes import DEFAULT_SIZE
from zimage_cli.messages import Message
from zimage_cli.text import INVISIBLE

MAX_SEED = 2**31 - 1
SEEDS = (0, MAX_SEED)
PROMPT_LIMIT = 800
"""Characters that the service reads of a prompt; it cuts the rest off without a word."""

CONTROL = ((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xD800, 0xDFFF))
"""First and last of the characters that no prompt may hold: Unicode's category Cc but line feed and
tab, and lone surrogates. Before a line feed, and around the text, a carriage return is fine."""

_FORMAT = (
    *((0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F)),
    *((0x890, 0x891), (0x8E2, 0x8E2), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E)),
    *((0x2060, 0x2064), (0x2066, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
    *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3)),
    *((0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
)
"""Unicode's category Cf, as of 15.1: the same for every Python, whichever Unicode it knows."""

SHOWS_NOTHING = INVISIBLE.union(*(map(chr, range(one, last + 1)) for one, last in _FORMAT))
"""What a prompt of nothing else, and of white space, is blank with."""


class Field:
    """One field of a request: the type of its value, what is `allowed` in words, and its bounds.

    `about` says what it is for. `default` is what holds where it is left out, None where that is no
    value. `bounds` are the least and most of a number; `only` is the one value that it may have.
    """

    __slots__ = ("about", "allowed", "bounds", "default", "only", "type")

    def __init__(
        self,
        type_: type,
        allowed: Message,
        about: str,
        *,
        default: object = None,
        bounds: tuple[int, int] | None = None,
        only: str | None = None,
    ) -> None:
        self.type = type_
        self.allowed = allowed
        self.about = about
        self.default = default
        self.bounds = bounds
        self.only = only

    def holds(self, value: object) -> bool:
        """Tell whether a value has the field's type: `true` is no number, and `1.0` no seed."""
        return type(value) is self.type or (
            isinstance(value, self.type) and not isinstance(value, bool)
        )


TABLE = {
    "prompt": Field(
        str,
        Message("a text that is not blank"),
        "What the picture shows, in any language. White space around it is dropped, and the "
        f"service reads the first {PROMPT_LIMIT} characters. A carriage return stands only before "
        "a line feed, other control characters nowhere but line feed and tab.",
    ),
    "size": Field(
        str,
        Message("a text: {sizes}", sizes=ALLOWED_SIZES),
        "Width and height of the picture: W*H in pixels such as 1280*720 (also 1280x720), a ratio "
        "such as 16:9, a ratio with a tier such as 16:9@1536, or square, portrait, landscape.",
        default=DEFAULT_SIZE,
    ),
    "seed": Field(
        int,
        Message("a whole number, 0 to {most}", most=MAX_SEED),
        "The same seed with the same prompt and size makes the same picture again. Left out: one "
        "is drawn, and reported with the picture.",
        bounds=SEEDS,
    ),
    "prompt_extend": Field(
        bool,
        Message("true or false"),
        "Whether the service rewrites the prompt before it paints; such a picture costs twice as "
        "much.",
        default=False,
    ),
    "base_url": Field(
        str,
        Message("a text: an https URL such as https://dashscope.aliyuncs.com"),
        "Where the request is sent, and the key with it, in place of the address of the settings: "
        "an origin, its /api/v1 root, or the full generation URL; https, or http to this machine "
        "alone.",
    ),
    "model": Field(
        str,
        Message('"{model}"', model=MODEL),
        "The model: there is one, and it need not be named.",
        only=MODEL,
    ),
}
"""Every field that a request may have, in the order in which its problems are told."""

FIELDS = tuple(name for name, field in TABLE.items() if field.only is None)
"""Those that a request keeps."""
