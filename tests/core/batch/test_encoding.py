"""Files in the encodings that people have them in: read where it is named, refused where not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import threading
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.batch.source import INPUT_FORMATS, open_source
from zimage_cli.errors import UsageError

MIB = 1024 * 1024
HAN = "# 我的提示\n渔舟唱晚，夕阳西下\n\n一只红色的风筝飞在海面上\n"
TRADITIONAL = "漁舟唱晚，夕陽西下\n一隻紅色的風箏飛在海面上\n"
JAPANESE = "夕焼けの海を飛ぶ赤い凧\n静かな湖の夜明け\n"
FRENCH = "Un château au bord de la mer\nUne fenêtre « bleue »\n"
ENGLISH = "A calm lake\nA red kite\n"


def prompts(data: bytes, encoding: str | None = None) -> list[tuple[int, Any]]:
    with open_source("-", "txt", encoding=encoding, stdin=io.BytesIO(data)) as source:
        records = list(source)
        assert list(source) == records
    return [(record.line, (record.fields or {})["prompt"]) for record in records]


def refused(data: bytes, encoding: str | None = None, input_format: str = "txt") -> UsageError:
    with pytest.raises(UsageError) as caught:
        open_source("-", input_format, encoding=encoding, stdin=io.BytesIO(data)).close()
    return caught.value


def lines(text: str) -> list[tuple[int, str]]:
    found = enumerate(text.split("\n"), 1)
    return [(number, line) for number, line in found if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((HAN, name) for name in ("gbk", "GB18030", "gb2312", "hz", "utf-16", "utf-7", "utf8")),
        *((HAN, name) for name in ("utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig")),
        *((TRADITIONAL, name) for name in ("big5", "cp950", "big5hkscs", "gbk", "utf-16-be")),
        *((JAPANESE, name) for name in ("shift_jis", "cp932", "euc_jp", "iso2022_jp")),
        *((FRENCH, name) for name in ("latin-1", "cp1252", "mac_roman", "cp850")),
        ("바다 위를 나는 연\n", "euc_kr"),
        ("Красный змей над морем\n", "cp1251"),
    ],
)
def test_a_named_encoding_is_read_and_keeps_its_lines(text: str, encoding: str) -> None:
    assert prompts(text.encode(encoding), encoding) == lines(text)
    assert prompts(text.replace("\n", "\r\n").encode(encoding), encoding) == lines(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_mark_names_it_by_itself(encoding: str) -> None:
    data = f"\ufeff{HAN}".encode(encoding)
    names = [None, encoding, encoding.removesuffix("-le").removesuffix("-be")]
    for name in names:
        assert prompts(data, name) == lines(HAN)
    error = refused(data, "latin-1")
    assert error.message == (
        f'standard input is text in {encoding}, and --encoding says "latin-1". Nothing was sent.'
    )
    assert error.hint == f"Leave --encoding out, or say: --encoding {encoding}"


def test_the_mark_of_gb18030() -> None:
    assert prompts(f"\ufeff{HAN}".encode("gb18030")) == lines(HAN)


@pytest.mark.parametrize("input_format", INPUT_FORMATS)
def test_every_format_is_read_in_it(input_format: str) -> None:
    text = {
        "jsonl": '{"prompt": "渔舟"}\n\n{"prompt": "风筝", "seed": 7}\n',
        "csv": '提示词,seed\n渔舟,\n"风\n筝",7\n',
        "tsv": "prompt\tseed\n渔舟\t\n风筝\t7\n",
        "txt": "渔舟\n风筝\n",
    }[input_format]
    found = []
    for encoding in ("utf-8", "gb18030", "utf-16-be"):
        data = io.BytesIO(text.encode(encoding))
        with open_source("-", input_format, encoding=encoding, stdin=data) as source:
            found.append(list(source))
    assert found[0] == found[1] == found[2]
    assert found[0][0].fields == {"prompt": "渔舟"}
    assert len(found[0]) == 2


def test_utf_16_without_a_mark_is_read_the_way_that_makes_sense() -> None:
    for text in (HAN, ENGLISH, TRADITIONAL):
        for encoding in ("utf-16-le", "utf-16-be"):
            assert prompts(text.encode(encoding), "utf-16") == lines(text)


@pytest.mark.parametrize(
    ("text", "encoding", "place", "fits"),
    [
        (HAN, "gbk", "line 1, character 3", 'gb18030 that line is "# 我的提示"'),
        (f"A fox\n{HAN}", "gb18030", "line 2, character 3", 'gb18030 that line is "# 我的提示"'),
        (TRADITIONAL, "gbk", "line 1, character 1", 'gb18030 that line is "漁舟唱晚，夕陽西下"'),
        (TRADITIONAL, "big5", "line 1, character 1", 'big5 that line is "漁舟唱晚，夕陽西下"'),
        (JAPANESE, "cp932", "line 1, character 1", f'shift_jis that line is "{JAPANESE[:11]}"'),
        (FRENCH, "cp1252", "line 1, character 6", f'cp1252 that line is "{FRENCH[:28]}"'),
        (FRENCH, "latin-1", "line 1, character 6", f'cp1252 that line is "{FRENCH[:28]}"'),
        (HAN, "utf-16-le", "line 1, character 1", 'utf-16-le that line is "# 我的提示"'),
        (ENGLISH, "utf-16-le", "line 1, character 1", 'utf-16-le that line is "A calm lake"'),
        (ENGLISH, "utf-16-be", "line 1, character 1", 'utf-16-be that line is "A calm lake"'),
        (ENGLISH, "utf-32-le", "line 1, character 1", 'utf-32-le that line is "A calm lake"'),
    ],
)
def test_what_is_not_utf_8_is_refused_whole_and_told_what_it_fits(
    text: str, encoding: str, place: str, fits: str
) -> None:
    error = refused(text.encode(encoding))
    assert error.message == (f"standard input is not text in UTF-8: {place}. Nothing was sent.")
    name = fits.partition(" ")[0]
    assert error.hint == f"In {fits}. If that is right: --encoding {name}"
    assert prompts(text.encode(encoding), name) == lines(text)


@pytest.mark.parametrize("data", ["Красный змей над морем".encode("cp1251"), b"\x81\xff\xff\xff"])
def test_what_fits_nothing_is_told_as_that(data: bytes) -> None:
    error = refused(data)
    assert error.message == (
        "standard input is not text in UTF-8: line 1, character 1. Nothing was sent."
    )
    assert error.hint == "Save it as UTF-8, or name its encoding, such as: --encoding gb18030"


def test_a_wrong_byte_in_a_named_encoding_names_its_line() -> None:
    data = HAN.encode("gbk") + b"a kite\n\xff\xffkite\n" + HAN.encode("gbk")
    error = refused(data, "gbk")
    assert error.message == (
        "standard input is not text in gbk: line 6, character 1. Nothing was sent."
    )
    assert error.hint == "Mend that line, or name another encoding."
    # One that ends within a character.
    error = refused(HAN.encode("gbk")[:-2], "gbk")
    assert "line 4, character 12." in error.message
    error = refused("渔舟".encode("utf-16-le")[:-1], "utf-16-le")
    assert "line 1, character 2." in error.message
    error = refused(f"{ENGLISH}渔舟".encode()[:-1], "utf-8")
    assert error.message.startswith("standard input is not text in UTF-8: line 3, character 2.")


def test_utf_8_is_not_read_as_what_was_named() -> None:
    for text, encoding in ((HAN, "gbk"), (HAN, "latin-1"), (ENGLISH, "utf-16"), ("渔舟", "gbk")):
        error = refused(text.encode(), encoding)
        assert error.message == (
            f'standard input is text in utf-8, and --encoding says "{encoding}". Nothing was sent.'
        )
        assert (error.facts["field"], error.facts["value"]) == ("encoding", f'"{encoding}"')
    # What is the same in both is read.
    assert prompts(ENGLISH.encode(), "gbk") == lines(ENGLISH)


@pytest.mark.parametrize("name", ["klingon", "hex", "rot13", "undefined", "", "a\0b", "utf-9"])
def test_a_name_of_no_encoding(name: str) -> None:
    error = refused(b"x", name)
    assert error.message == (
        f"--encoding: {error.facts['value']} is no encoding that Python knows; allowed: "
        "utf-8, gb18030, gbk, big5, utf-16, shift_jis, cp1252 and many more"
    )
    assert error.facts["field"] == "encoding"


@pytest.mark.parametrize("name", sorted({*aliases.values()} - {"mbcs", "oem", "punycode", "idna"}))
def test_every_encoding_of_text_that_python_knows_is_taken(name: str) -> None:
    try:
        data = "a kite\nb\n".encode(name)
    except LookupError:
        assert "is no encoding" in refused(b"x", name).message
        return
    assert prompts(data, name) == [(1, "a kite"), (2, "b")]


def test_a_character_across_two_blocks(tmp_path: Path) -> None:
    # A block has 256 KiB: the character begins in one and ends in the next, wherever that is.
    for shift in range(4):
        text = "x" * (256 * 1024 - shift) + "渔舟\n" + "y" * 300_000 + "\n风筝\n"
        for encoding in ("utf-8", "gb18030", "utf-16-le"):
            data = text.encode(encoding)
            assert [prompt for _, prompt in prompts(data, encoding)] == text.split()
        # What is wrong beyond the first block is told by its line, and what it fits is shown.
        error = refused(text.encode("gb18030"))
        assert "UTF-8: line 1, character " in error.message
        assert "In gb18030 that line is" in str(error.hint)


def test_a_late_line_in_another_encoding() -> None:
    data = b"a red kite over the sea\n" * 50_000 + "渔舟唱晚\n".encode("gbk")
    error = refused(data)
    assert error.message.startswith("standard input is not text in UTF-8: line 50001, character 1.")
    assert error.hint == 'In gb18030 that line is "渔舟唱晚". If that is right: --encoding gb18030'


def test_a_file_and_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes("提示词,种子\n渔舟,1\n".encode("gbk"))
    with open_source(str(path), None, encoding="gbk") as source:
        # It is a copy of ours: what happens to the file now changes nothing.
        before = source.fingerprint()
        path.write_text("other")
        assert [record.fields for record in source] == [{"prompt": "渔舟", "seed": 1}]
        assert source.fingerprint() == before
    if not hasattr(os, "mkfifo"):
        return
    fifo = tmp_path / "fifo.txt"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(HAN.encode("utf-16"),))
    writer.start()
    with open_source(str(fifo), None) as source:
        writer.join()
        assert [record.line for record in source] == [2, 4]


def test_memory_does_not_grow_with_a_file_in_another_encoding(tmp_path: Path) -> None:
    code = """
        import sys, tracemalloc
        from zimage_cli.core.batch.source import open_source
        for path in sys.argv[1:]:
            tracemalloc.start()
            with open_source(path, None, encoding="gb18030") as source:
                count = sum(1 for record in source if record.fields)
            print(count, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    """
    paths = []
    for count in (10_000, 100_000):
        path = tmp_path / f"{count}.txt"
        path.write_bytes(f"{'一只红色的风筝飞在海面上' * 4}\n".encode("gb18030") * count)
        paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *paths],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["10000", "100000"]
    peaks = [int(row[1]) for row in rows]
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 8 * MIB


@given(
    st.lists(
        st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"])), max_size=9
    ),
    st.sampled_from(["gb18030", "utf-16", "utf-16-le", "utf-32-be", "utf-8"]),
)
def test_any_text_comes_back_where_it_is_told_apart(found: list[str], encoding: str) -> None:
    text = "".join(f"{line}\n" for line in ["kite", *found] if line.strip() and line[0] != "#")
    text = text.replace("\ufeff", "")
    expected = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        assert prompts(text.encode(encoding), encoding) == expected
    except UsageError as error:
        # Text in another encoding that is good UTF-8 as well.
        assert "is text in utf-8" in error.message


@given(st.binary(max_size=200), st.sampled_from([None, "gbk", "utf-16", "utf-7", "hz", "latin-1"]))
def test_any_bytes_are_read_or_refused(data: bytes, encoding: str | None) -> None:
    try:
        prompts(data, encoding)
    except UsageError as error:
        assert error.message.isprintable()
        assert str(error.hint).isprintable()
