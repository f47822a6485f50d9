"""Tables: what lines up on a terminal, and what a pipe gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from zimage_cli.cli.folding import folded
from zimage_cli.cli.streams import spelled
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.text import is_safe

TEXTS = st.text(max_size=40)


def plain(text: str, _sgr: str) -> str:
    return text


def lines(table: Table, width: int = 80) -> list[str]:
    return list(table.lines(width, plain))


# -- in a pipe -----------------------------------------------------------------------------------


@given(st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=5))
def test_whatever_a_value_holds_a_row_is_a_line_of_values(rows: list[list[str]]) -> None:
    table = Table(("one", "two", "three"))
    for row in rows:
        table.add_row(*map(cell, row))
    header, *found = table.values()
    assert header == "one\ttwo\tthree"
    assert len(found) == len(rows)
    for line in found:
        values = line.split("\t")
        assert len(values) == 3
        assert all(values)
        assert all(is_safe(char) for value in values for char in value)
        assert not line.endswith((" ", "\t"))


def test_what_is_a_tab_or_a_line_break_is_shown_as_text() -> None:
    table = Table(("name", "value"))
    table.add_section("only for people")
    table.add_row("prompt", Cell("a\tb\nc"))
    table.add_row(cell("✓ saved", piped="saved"), "")
    assert [*table.values()] == ["name\tvalue", "prompt\ta\\tb\\nc", "saved\t-"]


# -- on a terminal -------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5),
    st.integers(1, 120),
    st.sampled_from(["whole", "cut", "fold", "under"]),
)
def test_no_line_ends_in_blanks_and_no_value_is_lost(
    rows: list[tuple[str, str]], width: int, last: str
) -> None:
    table = Table(("one", "two"), last=last)
    for row in rows:
        table.add_row(*map(cell, row))
    found = lines(table, width)
    assert all(line == line.rstrip() for line in found)
    if last != "cut":
        told = "".join("".join(found).split())
        assert all("".join(text.split()) in told for row in rows for text in map(_text, row))


def _text(text: str) -> str:
    return cell(text).text


def test_numbers_end_and_texts_begin_at_one_place() -> None:
    table = Table(("id", "name"), right=("id",))
    table.add_row("7", "狐狸")
    table.add_row("1,234", "fox")
    assert lines(table) == [
        "   id  name",
        "───────────",
        "    7  狐狸",
        "1,234  fox",
    ]


def test_a_cut_column_has_the_rest_and_others_give_way_to_it() -> None:
    table = Table(("id", "file", "prompt"), last="cut", drop=("file",))
    table.add_row(
        "7", "20261122-calm-lake-1189429956.png", "A calm lake at dawn, mist over the water"
    )
    assert lines(table, 80)[2].endswith("A calm lake at dawn, mist over the water")
    assert lines(table, 60)[2] == "7   20261122-calm-lake-1189429956.png  A calm lake at dawn,…"
    assert lines(table, 50)[2] == "7   A calm lake at dawn, mist over the water"
    assert lines(table, 30)[2] == "7   A calm lake at dawn, mist…"
    table.add_row("8", "x", "一只红色的风筝在空中飞翔")
    assert lines(table, 24)[3] == "8   一只红色的风筝在空…"


def test_a_path_is_never_folded_and_a_sentence_is() -> None:
    table = Table(("name", "value"), last="fold", header=False)
    path = "/home/me/my pictures/" + "x" * 40
    table.add_row("path", cell(path, whole=True))
    table.add_row(
        "prompt", "A calm lake at dawn, mist over the water\nand 一只红色的风筝在空中飞翔"
    )
    table.add_row("found", f"/home/我的图片/{'图' * 20} is writable")
    assert lines(table, 30) == [
        f"path    {path}",
        "prompt  A calm lake at dawn,",
        "        mist over the water",
        "        and 一只红色的风筝在空",
        "        中飞翔",
        f"found   /home/我的图片/{'图' * 20}",
        "        is writable",
    ]


@given(st.text(max_size=200), st.integers(2, 60))
def test_folding_loses_nothing(text: str, width: int) -> None:
    found = [*folded(text, width)]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(cell_len(line) <= width or " " not in line.strip() for line in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("一二三四五", ["一二三四", "五"]),
        ("一二三（四五）", ["一二三", "（四五）"]),
        ("一二三四。五", ["一二三", "四。五"]),
        ("一二 /三四五六/七 八", ["一二", "/三四五六/七", "八"]),
    ],
)
def test_a_mark_stays_with_the_letter_that_it_belongs_to(text: str, found: list[str]) -> None:
    assert [*folded(text, 8)] == found


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_console_without_our_signs_gets_others(encoding: str) -> None:
    table = Table(("size", "prompt"), last="cut")
    table.add_row("✓ 512×512", cell("é 狐" + "x" * 50, "green"))
    told = "\n".join(
        table.lines(40, lambda text, sgr: f"<{sgr}>{text}", lambda text: spelled(text, encoding))
    )
    found = told.encode(encoding, "zimage").decode(encoding).split("\n")
    e = "é" if encoding == "latin-1" else "\\xe9"
    size = "512×512" if encoding == "latin-1" else "512x512"
    row = f"+ {size}  <32>{e} \\u72d0"
    assert found[1] == "<2>" + "-" * 40
    assert found[2].startswith(row)
    assert found[2].endswith("x~")
    assert len(found[2]) == 40 + len("<32>")


# -- every table of the program ------------------------------------------------------------------

SCREENS = ["sizes", "regions", "regions show beijing", "config", "history", "history show 1"]
SCREENS += ["validate", "sandbox serve --fault list"]


@pytest.mark.parametrize("line", SCREENS)
def test_a_screen_has_no_colour_that_a_light_or_dark_terminal_hides(
    zimage: Any, terminal: Any, line: str
) -> None:
    zimage("generate", "a fox", "--sandbox", "--size", "512x512")
    screen = terminal(*line.split())
    assert screen.end() == 0
    styles = set(re.findall(r"\x1b\[([0-9;]*)m", screen.raw))
    # Bold, dim, and three colours of the terminal's own; nothing else that a terminal obeys.
    assert styles <= {"0", "1", "2", "31", "32", "33", "1;31", "1;32"}
    assert "0" in styles
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", screen.raw)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        screen = terminal(*line.split(), env=env)
        assert screen.end() == 0
        assert "\x1b" not in screen.raw


@pytest.mark.parametrize("line", SCREENS)
def test_in_a_pipe_every_table_is_values_between_tabs(zimage: Any, line: str) -> None:
    zimage("generate", "a fox", "--sandbox", "--size", "512x512")
    # Colour is asked for, and the width of a terminal: a table in a pipe has neither.
    run = zimage(*line.split(), env={"FORCE_COLOR": "1", "COLUMNS": "40"})
    found = run.stderr if line == "validate" else run.stdout
    header, *rows = [one for one in found.splitlines() if "\t" in one]
    assert rows
    assert {row.count("\t") for row in rows} == {header.count("\t")}
    for row in (header, *rows):
        assert not re.search(r"\x1b|─|  |[ \t]$|\t\t|^\t", row), row
