"""Cards to HTML: one page that holds its style and its script and asks for nothing but pictures."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.core.gallery.card import Card
from zimage_cli.locale import catalogue
from zimage_cli.messages import Translate, counted, translated
from zimage_cli.text import escape
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_HERE = Path(__file__).parent

# UTF-8 has no surrogates (an undecodable byte of a file's name is one), HTML has no NUL.
_NOT_IN_HTML = re.compile("[\0\ud800-\udfff]")
# A relative address without a scheme or a host, or a thumbnail within the page.
_ADDRESS = re.compile(
    r"(?!/|[^/]*:)[!$%&-;=@A-Z_a-z~]+"
    r"|data:image/webp;base64,[A-Za-z0-9+/]+={0,2}"
)
# In page.html and in page.js: say("Copy prompt").
_SAID = re.compile(r'\bsay\(\s*"([^"]+)"')
_SAYING = ("page.html", "page.js")


def page(title: str, cards: Sequence[Card], *, translate: Translate | None = None) -> Iterator[str]:
    """Return the page's HTML in pieces; the same cards make the same page.

    It is in Chinese where `translate` is that. In English it holds the Chinese words too, for who
    reads it in a Chinese browser. Raises ValueError for a card whose address is neither relative
    nor a WebP picture as `data:`.
    """
    from markupsafe import Markup

    style, script = (_HERE.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    stream = (
        _environment(translate)
        .get_template("page.html")
        .stream(
            title=title,
            cards=cards,
            shape=_shape(cards),
            language="en" if translate is None else "zh-CN",
            count=counted(len(cards), "{count:,} picture", "{count:,} pictures"),
            chinese=_words(translate or catalogue("zh")),
            version=__version__,
            # Our own files, and no text of a card: nothing in them is escaped.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )
    # Not a write for each of a card's thirty pieces, and never the whole page in memory.
    stream.enable_buffering(1000)
    return stream


def sentences() -> Iterator[tuple[str, str]]:
    """Yield each of the page's own words, and which file says it."""
    for name in _SAYING:
        for text in _SAID.findall(_HERE.joinpath(name).read_text("utf-8")):
            yield name, text


def _words(translate: Translate | None) -> dict[str, str]:
    """Return the page's own words in another language by the English ones."""
    return {} if translate is None else {text: translate(text) for _, text in sentences()}


def _environment(translate: Translate | None) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def held(value: object) -> object:
        """Return a value in a form that a browser reads as the same text again."""
        if translate is not None:
            value = translated(value, translate)
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        # A carriage return of the file is a line feed to a browser; a reference to it is not.
        return escape(_stand_in(value)).replace("\r", Markup("&#13;"))

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=held,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(address=_address, utc=_utc)
    environment.globals["say"] = _saying(translate)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment


def _saying(translate: Translate | None) -> Callable[..., Markup]:
    """Return what says the page's own words in its language, as HTML: no text of a card."""
    from markupsafe import Markup, escape

    @cache
    def template(text: str) -> str:
        said = text if translate is None else translate(text)
        # Attributes stand in double quotes.
        return str(escape(said)).replace("&#39;", "'")

    return lambda text, **facts: Markup(template(text).format_map(facts))  # noqa: S704


def _stand_in(text: str) -> str:
    return _NOT_IN_HTML.sub(lambda found: escape(found[0]), text)


def _hash(text: str) -> str:
    """Return what the Content-Security-Policy calls a script or a style by."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _shape(cards: Sequence[Card]) -> str:
    """Return the shape of the frames: that of the picture in the middle, from tall to wide."""
    shapes = sorted(card.width / max(card.height, 1) for card in cards)
    middle = shapes[len(shapes) // 2] if shapes else 1
    return "tall" if middle < 0.85 else "wide" if middle > 1.18 else "square"


def _address(address: str) -> str:
    """Return an address that can only be of a picture beside or below the page, or within it."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"not an address for a picture of the page: {address[:60]!r}")
    return address


def _utc(made: str) -> str:
    """Return `2026-11-23 09:30 UTC` of `2026-11-23T09:30:00Z`."""
    return f"{made[:10]} {made[11:16]} UTC"
