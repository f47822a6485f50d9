"""Messages with half a character in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.mcp.lines import mended

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans())
def test_any_message_can_be_read_then(value: Any, ascii_only: bool) -> None:
    line = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace") + b"\n"
    found = mended(line)
    assert found.endswith(b"\n")
    assert found.count(b"\n") == 1
    whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    assert json.loads(found.decode("utf-8")) == json.loads(whole)


@given(st.binary())
def test_what_is_no_message_stays_as_it_is(line: bytes) -> None:
    try:
        json.loads(line)
    except ValueError:
        assert mended(line) == line


@pytest.mark.parametrize("text", [r"\ud83d", r"\uDE00", r"\ud83d x", r"\\ud83d", r"\ud83d\ude00"])
def test_half_a_character(text: str) -> None:
    found = mended(f'{{"prompt":"{text}"}}\n'.encode())
    given = json.loads(f'"{text}"')
    halves = any("\ud800" <= char <= "\udfff" for char in given)
    expected = given.encode("utf-8", "replace").decode() if halves else given
    assert json.loads(found)["prompt"] == expected


def test_nesting_without_end_is_left_to_others() -> None:
    line = b"[" * 200_000 + rb'"\ud83d"' + b"\n"
    assert mended(line) == line
