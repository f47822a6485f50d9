from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.text import clip, escape, is_safe, json_text, shown, visible

ANY_TEXT = st.text(st.characters(codec=None))
UNSAFE = ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("[bold]湖 é[/]", "[bold]湖 é[/]"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x07\x7f\x9b", "\\x07\\x7f\\x9b"),
        ("\u202eabc\u200b", "\\u202eabc\\u200b"),
        ("\u2028\ufeff", "\\u2028\\ufeff"),
        ("❤\ufe0f", "❤\\ufe0f"),
        ("\U000e0041\U000e0101", "\\U000e0041\\U000e0101"),
        ("\udcff", "\\udcff"),
        ("\u3164\u2800", "\\u3164\\u2800"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_a_block_keeps_its_lines() -> None:
    assert visible("a\n\tb\r\nc\x1b", newlines=True) == "a\n    b\\r\nc\\x1b"


def test_every_character_of_unicode_is_either_safe_or_escaped() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        out = visible(char)
        assert out == (char if is_safe(char) else escape(char))
        if unicodedata.category(char) in UNSAFE:
            assert out.isascii(), hex(code)
            assert out.isprintable(), hex(code)


@given(ANY_TEXT)
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert all(is_safe(char) for char in visible(text))
    assert all(is_safe(char) or char == "\n" for char in visible(text, newlines=True))


@given(ANY_TEXT, st.integers(-1, 40))
def test_clip_never_gives_more_than_was_asked_for(text: str, length: int) -> None:
    clipped = clip(text, length)
    assert len(clipped) <= max(length, 0)
    assert clipped == text or clipped == "" or clipped.endswith("…")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12", '"12"'),
        (12, "12"),
        (True, "true"),
        (None, "null"),
        (1.0, "1.0"),
        ('say "a\\b"', r'"say \"a\\b\""'),
        ("\x1b\u202e", r'"\u001b\u202e"'),
        ([1, 2], "an array"),
        ({"a": 1}, "an object"),
        pytest.param(10**5000, "an integer of too many digits", id="huge"),
        (b"x", "a bytes"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_shown_is_short() -> None:
    assert shown("x" * 10_000) == '"' + "x" * 59 + '…"'


@given(st.recursive(st.none() | st.booleans() | st.integers() | ANY_TEXT, st.lists))
def test_json_text_is_the_same_value_and_safe_to_show(value: object) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert visible(text) == text


def test_json_text_escapes_what_json_leaves() -> None:
    assert (
        json_text(["\x7f", "湖\u200b", "\U000e0101"]) == r'["\u007f", "湖\u200b", "\udb40\udd01"]'
    )


@pytest.mark.parametrize("value", ["12", 12, True, None, 1.5, 'say "a\\b"', "\x1b\u202e"])
def test_what_is_shown_keeps_the_value(value: object) -> None:
    assert shown(value).plain == value
    assert type(shown(value).plain) is type(value)


@pytest.mark.parametrize("value", [[1], {}, float("nan"), float("-inf"), 10**5000], ids=type)
def test_what_json_cannot_hold_is_kept_in_words(value: object) -> None:
    assert shown(value).plain == str(shown(value))


def test_what_is_kept_is_as_short_as_what_is_shown() -> None:
    assert shown("x" * 10_000).plain == "x" * 59 + "…"
