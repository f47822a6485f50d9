"""Bars: done and not done can be told apart by their glyphs alone."""

from __future__ import annotations

import pytest

from zimage_cli.cli.bar import bar


@pytest.mark.parametrize(
    ("done", "unicode", "plain"),
    [
        (0.0, "────────", "--------"),
        (0.1, "╸───────", "--------"),
        (0.5, "━━━━────", "====----"),
        (0.6, "━━━━╸───", "====----"),
        (0.999, "━━━━━━━╸", "=======-"),
        (1.0, "━━━━━━━━", "========"),
        (7.0, "━━━━━━━━", "========"),
        (-1.0, "────────", "--------"),
    ],
)
def test_a_bar_is_as_wide_as_asked_for(done: float, unicode: str, plain: str) -> None:
    assert bar(done, 8).plain == unicode
    assert bar(done, 8, ascii_only=True).plain == plain


def test_a_piece_moves_through_where_the_end_is_not_known() -> None:
    moments = [bar(None, 8, clock=tenth / 10).plain for tenth in range(9)]
    assert moments == [
        "────────",
        "━───────",
        "━━──────",
        "─━━─────",
        "──━━────",
        "────━━──",
        "─────━━─",
        "──────━━",
        "───────━",
    ]


def test_only_a_whole_bar_is_green() -> None:
    assert {str(span.style) for span in bar(0.5, 8).spans} == {"cyan", "dim"}
    assert {str(span.style) for span in bar(1.0, 8).spans} == {"green"}
