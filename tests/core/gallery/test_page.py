"""Cards to HTML: any text is read back as it was, and only what is the page's own can run."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.page import page

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></figure></dialog>",
    "{{7*7}}{% raw %}{# #}",
    "&lt;b&gt;&#60;&amp;",
    "a\r\nb\rc\n\td \u2028\u202e\x1b[31m\x07",
    "' onload='alert(1)",
)


def card(**facts: Any) -> Card:
    return Card(**{"name": "a.png", "picture": "a.png", "thumbnail": "t.webp", **SIZE, **facts})


SIZE = {"width": 640, "height": 480}


class Read(HTMLParser):
    """What a browser reads: elements with their attributes, and the text in each of them."""

    VOID = frozenset({"meta", "link", "img", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[list[str]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append([])
        if tag not in self.VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for number in self._open[-1:]:
            self.texts[number].append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        """Return attributes and text of the elements of a name that have these attributes."""
        return [
            (found, "".join(text))
            for (name, found), text in zip(self.elements, self.texts, strict=True)
            if name == tag and attributes.items() <= found.items()
        ]


def read(title: str, cards: Sequence[Card]) -> Read:
    return Read("".join(page(title, cards)))


def shown(text: str) -> str:
    """A text as HTML can hold it: neither NUL nor half a character."""
    return re.sub("[\0\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text).replace(
        "\\u0000", "\\x00"
    )


ANY = st.text(st.characters(codec=None) | st.sampled_from("<>&'\"{}%\r\n\0\ud800\x85\ufeff"))


@example("\r", HOSTILE[0], HOSTILE[1], "\0\ud800")
@given(ANY, ANY, ANY, ANY)
def test_any_text_is_read_back_as_it_was(title: str, prompt: str, name: str, more: str) -> None:
    found = read(title, [card(prompt=prompt, name=name, rewritten_prompt=more, command=more)])
    [(figure, _)] = found.all("figure")
    assert figure["data-name"] == shown(name)
    assert figure["data-rewritten"] == figure["data-command"] == shown(more)
    assert found.all("p", id="p1")[0][1] == shown(prompt)
    assert found.all("h1")[0][1] == found.all("title")[0][1] == shown(title)


def test_hostile_texts_are_no_elements() -> None:
    texts = " ".join(HOSTILE)
    calm = read("a", [card(prompt="a", rewritten_prompt="a", command="a", name="a")])
    found = read(texts, [card(prompt=texts, rewritten_prompt=texts, command=texts, name=texts)])
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in calm.elements]
    assert [sorted(has) for _, has in found.elements] == [sorted(has) for _, has in calm.elements]
    assert not [name for _, has in found.elements for name in has if re.match("on|style$", name)]


def test_only_its_own_script_and_style_can_run() -> None:
    found = read("a", [card(prompt=HOSTILE[0])])
    [(policy, _)] = found.all("meta", **{"http-equiv": "Content-Security-Policy"})
    hashes = [
        "sha256-" + b64encode(sha256(found.all(tag)[0][1].encode()).digest()).decode()
        for tag in ("style", "script")
    ]
    assert policy["content"] == (
        f"default-src 'none'; img-src 'self' data:; style-src '{hashes[0]}'; "
        f"script-src '{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )
    assert len(found.all("script")) == len(found.all("style")) == 1
    # Before anything that it is about.
    assert [tag for tag, _ in found.elements[:3]] == ["html", "head", "meta"]


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "https://a.example/a.png", "//a.example/a.png", "/etc/a.png"),
        *("file:///a.png", "data:text/html,a", "data:image/svg+xml;base64,AAAA", "a b.png", ""),
    ],
)
@pytest.mark.parametrize("name", ["picture", "thumbnail"])
def test_an_address_leads_only_to_pictures_near_the_page(name: str, address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        "".join(page("a", [card(**{name: address})]))


def test_a_card_says_what_is_known_and_nothing_else() -> None:
    facts = {
        "prompt": "狐狸",
        "seed": 7,
        "made": "2026-11-23T09:30:05Z",
        "cost": "USD 0.015",
        "sandbox": True,
        "history_id": 42,
        "command": "zimage generate -- 狐狸",
    }
    found = read("a", [card(**facts), card(prompt=None, picture=None)])
    whole, bare = found.all("figure")
    assert whole[0] == {
        "data-name": "a.png",
        "data-command": "zimage generate -- 狐狸",
        "data-history": "42",
    }
    assert bare[0] == {"data-name": "a.png"}
    [time] = found.all("time")
    assert time == ({"datetime": "2026-11-23T09:30:05Z"}, "2026-11-23 09:30 UTC")
    assert [text for _, text in found.all("i")] == ["USD 0.015"]
    assert [text for _, text in found.all("b")] == ["SANDBOX"]
    assert [text for _, text in found.all("data")] == ["Seed 7"]
    assert found.all("p", id="p2")[0][1] == "a.png"
    # A picture that the page holds itself has no address to go to.
    assert [link["href"] for link, _ in found.all("a", **{"class": "look"})] == ["a.png"]
    image = found.all("img", src="t.webp")[0][0]
    assert (image["width"], image["height"], image["loading"]) == ("640", "480", "lazy")


def test_the_same_cards_make_the_same_bytes_and_little_of_them() -> None:
    cards = [card(prompt=f"a fox of {number}", seed=number) for number in range(1_000)]
    one, two = ("".join(page("Foxes", cards)) for _ in range(2))
    assert one == two
    assert len("".join(page("Foxes", cards[:1]))) < 40_000
    assert len(one) < 1_000_000
    # In pieces: ten thousand cards are never one text in memory.
    assert len([*page("Foxes", cards)]) > 10
