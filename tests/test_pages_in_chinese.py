"""README.zh-CN.md and docs/zh-CN: the same pages, code, commands and tables, in Chinese."""

from __future__ import annotations

import io
import re
import tokenize
from itertools import chain, groupby
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent
ENGLISH = (SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`]+`")
HAN = "[\u4e00-\u9fff]"
WIDE = "[，。、；：！？（）“”]"

pages = pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)


def in_chinese(page: Path) -> Path:
    """Return where the Chinese page stands."""
    if page.parent == SOURCE:
        return page.with_suffix(".zh-CN.md")
    return page.parent / "zh-CN" / page.name


def both(page: Path) -> tuple[str, str]:
    return page.read_text(encoding="utf-8"), in_chinese(page).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Return language and code of the blocks, without comments and blanks before them."""
    return [(language, code_of(language, block)) for language, block in FENCED.findall(text)]


def code_of(language: str, block: str) -> list[str]:
    if language != "python":
        return [re.split(r"(?:^|\s+)# ", line)[0] for line in block.splitlines()]
    no_code = {tokenize.COMMENT, tokenize.NL}
    tokens = tokenize.generate_tokens(io.StringIO(block).readline)
    return [token.string for token in tokens if token.type not in no_code]


def commented(text: str) -> list[list[str]]:
    """Return the comments of each line of the `sh` blocks."""
    lines = [
        line for kind, block in FENCED.findall(text) if kind == "sh" for line in block.splitlines()
    ]
    return [re.split(r"(?:^|\s+)# ", line)[1:] for line in lines]


def prose(text: str) -> str:
    return FENCED.sub("", text)


def spans(text: str) -> set[str]:
    """Return the commands and options that stand in sentences and tables."""
    found = {" ".join(span.strip("`").split()) for span in CODE.findall(prose(text))}
    return {span for span in found if re.match(r"zimage |--?\w", span)}


def headings(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^(#+) (.+)$", prose(text), re.MULTILINE)


def tables(text: str) -> list[list[int]]:
    """Return the number of cells in each row of each table."""
    lines = prose(text).splitlines()
    runs = groupby(lines, key=lambda line: line.startswith("|"))
    return [
        [len(re.findall(r"(?<!\\)\|", row)) - 1 for row in rows] for table, rows in runs if table
    ]


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = (title.lower() for _, title in headings(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def links(text: str) -> list[str]:
    found = re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', prose(text))
    return ["".join(pair) for pair in found]


def leading(page: Path, addresses: list[str]) -> list[tuple[Path, str]]:
    """Return file and anchor of each link."""
    parts = (address.partition("#") for address in addresses)
    return [((page.parent / name).resolve() if name else page, anchor) for name, _, anchor in parts]


def test_every_page_has_its_twin() -> None:
    there = {SOURCE / "README.zh-CN.md", *(SOURCE / "docs" / "zh-CN").glob("*.md")}
    assert {in_chinese(page) for page in ENGLISH} == there


@pages
def test_the_first_lines_link_each_other(page: Path) -> None:
    there, back = f"zh-CN/{page.name}", f"../{page.name}"
    if page.parent == SOURCE:
        there, back = "README.zh-CN.md", "README.md"
    english, chinese = both(page)
    assert english.startswith(f"English | [简体中文]({there})\n\n# ")
    assert chinese.startswith(f"[English]({back}) | 简体中文\n\n# ")


@pages
def test_the_code_is_the_same(page: Path) -> None:
    english, chinese = map(blocks, both(page))
    assert chinese == english


@pages
def test_comments_are_in_chinese(page: Path) -> None:
    english, chinese = map(commented, both(page))
    assert [len(line) for line in chinese] == [len(line) for line in english]
    for comment in chain.from_iterable(chinese):
        assert re.search(HAN, comment), comment


@pages
def test_the_same_commands_and_options_stand_in_sentences(page: Path) -> None:
    english, chinese = map(spans, both(page))
    assert chinese == english


@pages
def test_headings_and_tables_have_the_same_form(page: Path) -> None:
    english, chinese = both(page)
    assert [level for level, _ in headings(chinese)] == [level for level, _ in headings(english)]
    assert tables(chinese) == tables(english)


@pages
def test_links_lead_to_the_same_pages_in_chinese_where_there_are_some(page: Path) -> None:
    english, chinese = (links(text)[1:] for text in both(page))
    expected = [in_chinese(file) if file in ENGLISH else file for file, _ in leading(page, english)]
    found = leading(in_chinese(page), chinese)
    assert sorted(file for file, _ in found if file.suffix == ".md") == sorted(
        file for file in expected if file.suffix == ".md"
    )
    # A page may show Chinese screens.
    assert len(found) == len(expected)
    for file, anchor in found:
        assert file.is_file(), file
        assert not anchor or anchor in slugs(file), f"{file}#{anchor}"


@pages
def test_punctuation_is_that_of_chinese(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)|[\[\]]|<[^>]*>", "", prose(both(page)[1]))
    text = CODE.sub("x", text)
    wrong = (
        rf"{HAN}[,.;:!?()]|[()]{HAN}|{WIDE} [^|]|[^|] {WIDE}|{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}"
        # A browser shows a line break in a paragraph as a blank.
        rf"|(?:{HAN}|{WIDE})\n *(?:{HAN}|{WIDE})"
    )
    found = [text[max(0, hit.start() - 10) : hit.end() + 10] for hit in re.finditer(wrong, text)]
    assert not found
