"""`styles.csv` of AUTOMATIC1111's web UI, as it and its users write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zimage_cli.core.batch.styles import MAX_BYTES, Styles, read_styles
from zimage_cli.errors import UsageError

A1111 = """\ufeffname,prompt,negative_prompt
None,,
Film Noir,"film noir, {prompt}, rain
at night",colour
水墨,水墨画,
quoted,"a ""big"" {prompt}", blurry
Film Noir,"again",
"(x:1.2)/y",z,
,nameless,
bad,a\x07b,
"""


def read(path: Path, data: str | bytes, encoding: str | None = None) -> Styles:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_styles(str(path), encoding)


def refused(path: Path, data: str | bytes, encoding: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, data, encoding)
    return caught.value.message.replace(str(path), "FILE")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "styles.csv"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_as_the_web_ui_writes_it(path: Path, ends: str) -> None:
    found = read(path, A1111.replace("\n", ends))
    assert {name: preset.prompt for name, preset in found.presets.items()} == {
        "Film-Noir": "again",
        "水墨": "水墨画",
        "quoted": 'a "big" {prompt}',
        "x-1-2-y": "z",
    }
    assert found.renamed == {"Film Noir": "Film-Noir", "(x:1.2)/y": "x-1-2-y"}
    assert found.twice == ["Film-Noir"]
    assert found.negative == 2
    assert [(line, str(why).partition(";")[0]) for line, why in found.skipped] == [
        (2, '"None" has no prompt'),
        (9, "has no name"),
        (10, '"bad": prompt: "a\\u0007b" holds the control character U+0007 at character 2'),
    ]


def test_line_breaks_and_columns_of_other_versions(path: Path) -> None:
    found = read(path, 'name,text,category\nrain,"film noir,\n{prompt}",film\nshort\n')
    assert found.presets["rain"].prompt == "film noir,\n{prompt}"
    assert [line for line, _ in found.skipped] == [4]
    assert read(path, "Name, Prompt\nx, y\n").presets["x"].prompt == "y"


def test_a_file_of_a_chinese_windows(path: Path) -> None:
    text = "name,prompt\n水墨,水墨画留白，山水之间\n"
    assert read(path, b"\xef\xbb\xbf" + text.encode()).presets.keys() == {"水墨"}
    assert read(path, text.encode("gbk"), "gbk").presets.keys() == {"水墨"}
    assert read(path, text.encode("utf-16")).presets.keys() == {"水墨"}
    with pytest.raises(UsageError, match="is not text in UTF-8: line 2") as caught:
        read(path, text.encode("gbk"))
    assert "--encoding gb18030" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "FILE is no table of styles: line 1 does not name the columns name and prompt"),
        ("\n\nname;prompt\n", "FILE is no table of styles: line 3 does not name the columns"),
        ("prompt,negative_prompt\nx,y\n", "FILE is no table of styles: line 1 does not"),
        (f"name,prompt\nx,{'y' * 200_000}\n", "FILE: line 2 is no row of a table: field larger"),
        ("name,prompt\n" + "x" * MAX_BYTES, "FILE: is larger than 4 MiB"),
    ],
)
def test_what_is_no_table_of_styles(path: Path, data: str, said: str) -> None:
    assert refused(path, data).startswith(said)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "is a directory"), (tmp_path / "x", "no such file or directory")):
        with pytest.raises(UsageError, match=why):
            read_styles(str(path))


CELL = st.text(st.sampled_from('ab,"\n\r {}|é墨\x00\x1b'), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(CELL, max_size=12).map(lambda cells: "name,prompt,negative_prompt\n" + ",".join(cells))
)
def test_any_table_is_styles_or_an_error(path: Path, text: str) -> None:
    try:
        found = read(path, text)
    except UsageError:
        return
    assert {name: preset.name for name, preset in found.presets.items()} == {
        name: name for name in found.presets
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_any_bytes_are_styles_or_an_error(path: Path, data: bytes) -> None:
    with pytest.raises(UsageError):
        # Nothing short names its columns.
        read(path, data)
