"""What a notebook shows of pictures and outcomes."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zimage_cli import Outcome, errors
from zimage_cli.core.card import LONGEST
from zimage_cli.core.picture import Picture
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.prices import list_price
from zimage_cli.core.request.request import Request
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed

KEY = "sk-0123456789abcdef0123456789abcdef"
HOSTILE = (
    ("</td><script>alert(1)</script>", None),
    ('"><img src=x onerror=alert(1)>', None),
    ("{{ 7 * 7 }} {% raw %} ${x}", None),
    ("a \u202eright to left\u202c \u200b\ufeff", r"a \u202eright to left\u202c \u200b\ufeff"),
    ("half \ud83d and \udc80", r"half \ud83d and \udc80"),
    ("\x1b[31mred\x07\0", r"\x1b[31mred\x07\x00"),
    ("&lt;b&gt; &amp; 'quotes'", None),
    ("one\ntwo", None),
    ("狐狸 🦊 שלום", None),
)
"""What is shown of a text, where that is not the text itself."""


class Page(HTMLParser):
    """What an HTML reader finds: tags, and facts by name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        self.facts = dict(zip(self.texts[::2], self.texts[1::2], strict=True))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(shown: Picture | Outcome) -> Page:
    html = shown._repr_html_()
    html.encode()
    found = Page(html)
    assert {tag for tag, _ in found.tags} <= {"div", "table", "tr", "th", "td", "img"}
    assert {name for _, attributes in found.tags for name in attributes} <= {
        *("style", "class", "dir", "alt", "width", "height", "src")
    }
    # Neither colours, which a dark notebook would not show, nor anything from elsewhere.
    assert not re.search(r"color:(?!inherit)|background|url\(|https?:|file:|[{\u202a-\u202e]", html)
    return found


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    path = tmp_path / "fox.png"
    Image.new("RGB", (1024, 640), "orange").save(path)
    blank = dict.fromkeys(Picture.__slots__)
    known = {"prompt": "a fox", "seed": 7, "size": "1024*640", "width": 1024, "height": 640}
    return Picture(**{**blank, **known, "path": path, "region": "sandbox"})


def like(picture: Picture, **changes: Any) -> Picture:
    return Picture(**{**{name: getattr(picture, name) for name in Picture.__slots__}, **changes})


def outcome(prompt: str = "a fox", **facts: Any) -> Outcome:
    request = Request(prompt, "512*512", 7, prompt_extend=False)
    job = Job(1, 1, request, NameTemplate.parse())
    defaults: Mapping[str, Any] = {"status": Status.FAILED, "region": "beijing", "endpoint": "x"}
    return Outcome(job=job, request=request, **{**defaults, **facts})


def test_a_picture_is_shown_small_with_what_is_known_of_it(picture: Picture) -> None:
    found = page(picture)
    assert found.facts == {
        "prompt": "a fox",
        "seed": "7",
        "size": "1024×640",
        "cost": "SANDBOX: no cost",
        "file": str(picture.path),
    }
    [image] = [attributes for tag, attributes in found.tags if tag == "img"]
    assert (image["width"], image["height"]) == (str(LONGEST), "320")
    kind, _, data = str(image["src"]).partition(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as drawn:
        assert drawn.size == (LONGEST, 320)
    assert len(picture._repr_html_()) < 100_000
    paid = like(picture, region="beijing", cost=list_price("beijing", True), rewritten_prompt="red")
    assert page(paid).facts["cost"] == "CNY 0.20"
    assert page(paid).facts["rewritten prompt"] == "red"


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_every_text_is_data(picture: Picture, text: str, shown: str | None) -> None:
    shown = shown or text
    hostile = like(picture, prompt=text, rewritten_prompt=text, path=Path(text), width=None)
    facts = page(hostile).facts
    assert facts["prompt"] == facts["rewritten prompt"] == facts["file"] == shown
    error = errors.ServiceError("{said}", said=text, hint="{said}")
    facts = page(outcome(text, error=error, reason=text)).facts
    assert facts["prompt"] == facts["error"] == facts["next step"] == facts["reason"] == shown


def test_keys_are_masked_and_what_is_long_is_cut(picture: Picture) -> None:
    shown = page(like(picture, prompt=f"a fox {KEY}", rewritten_prompt="x" * 1_000_000)).facts
    assert shown["prompt"] == "a fox sk-…cdef"
    assert len(shown["rewritten prompt"]) == 2000
    assert KEY not in outcome(KEY, error=errors.UsageError("{a}", a=KEY))._repr_html_()
    # It begins like a key and is none.
    assert page(like(picture, prompt="the st-gotthard-pass")).facts["prompt"] == (
        "the st-gotthard-pass"
    )


def test_a_file_that_is_gone_or_is_no_picture_leaves_the_facts(picture: Picture) -> None:
    assert picture.path is not None
    for spoil in (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\nno"), Path.unlink, Path.mkdir):
        spoil(picture.path)
        found = page(picture)
        assert found.facts["prompt"] == "a fox"
        assert "img" not in {tag for tag, _ in found.tags}
    assert picture._repr_png_() is None
    if hasattr(os, "mkfifo"):
        # Nobody writes into it: whoever opens it waits.
        picture.path.rmdir()
        os.mkfifo(picture.path)
        assert page(picture).facts["prompt"] == "a fox"
        assert picture._repr_png_() is None
    assert "file" not in page(like(picture, path=None)).facts
    assert like(picture, path=None)._repr_png_() is None


def test_a_picture_of_too_many_pixels_is_not_drawn(picture: Picture, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("1", (10_000, 10_000)).save(large)
    assert "img" not in {tag for tag, _ in page(like(picture, path=large)).tags}


def test_an_outcome_says_what_became_of_it(picture: Picture) -> None:
    assert outcome(picture=picture, status=Status.SAVED)._repr_html_() == picture._repr_html_()
    refused = errors.RefusedError("It was refused.", service_message="No.")
    assert page(outcome(error=refused, status=Status.REFUSED)).facts == {
        "status": "refused",
        "error": "It was refused. The service said: No.",
        "next step": "Word the prompt differently.",
        "prompt": "a fox",
        "seed": "7",
        "size": "512×512",
        "cost": "not billed",
    }
    price = list_price("beijing", False)
    lost = errors.AnswerLost("The answer was lost.")
    maybe = outcome(error=lost, status=Status.LOST, billed=Billed.MAYBE, price=price)
    assert page(maybe).facts["cost"] == "may be billed: CNY 0.10"
    assert page(outcome(status=Status.SKIPPED, reason="not asked for")).facts["reason"] == (
        "not asked for"
    )
