from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.request.wish import FORMATS, Wish, format_of, suffix_of


@pytest.mark.parametrize(
    ("path", "format"),
    [
        ("a.png", "png"),
        ("a/b.JPG", "jpeg"),
        ("a.jpeg", "jpeg"),
        ("a.b.webp", "webp"),
        ("a", None),
        ("-", None),
        ("a.gif", None),
        (".png", None),
        ("a.png/b", None),
        ("a\0.webp", "webp"),
    ],
)
def test_a_name_says_a_format_or_none(path: str, format: str | None) -> None:  # noqa: A002
    assert format_of(path) == format


def test_what_names_of_a_format_end_in() -> None:
    assert [suffix_of(name) for name in FORMATS] == [".png", ".jpg", ".webp"]


def test_a_name_decides_where_it_says_a_format() -> None:
    wish = Wish("webp", 80)
    assert wish.to("a.jpg") == Wish("jpeg", 80)
    assert wish.to("a") == wish.to("-") == wish
    # A PNG has no quality.
    assert wish.to("a.png") == Wish()
    assert not Wish("png", None, metadata=False).changes
    assert Wish("jpeg", None, metadata=False).changes


@given(
    st.builds(
        Wish,
        st.sampled_from([*FORMATS]),
        st.none() | st.integers(1, 100),
        st.booleans(),
    )
)
def test_a_wish_is_read_as_it_was_spelled(wish: Wish) -> None:
    assert Wish.read(wish.to("").spelled) == wish.to("")


@pytest.mark.parametrize("text", [None, "", "gif", "webp 0", "webp 101", "webp x", "png bare 3"])
def test_what_is_no_wish_is_the_default_one(text: str | None) -> None:
    assert Wish.read(text) == Wish("png", None, metadata=True)


@given(st.text())
def test_any_text_is_some_wish(text: str) -> None:
    assert Wish.read(text).format in FORMATS
