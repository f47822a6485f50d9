"""The header of a table: what it may say, and how a wrong one is told."""

from __future__ import annotations

import io

import pytest

from zimage_cli.core.batch.records import COLUMNS
from zimage_cli.core.batch.source import open_source
from zimage_cli.errors import UsageError

ALLOWED = f"; allowed: {', '.join(COLUMNS)}"


def refused(data: bytes | str, input_format: str = "csv") -> UsageError:
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(UsageError) as caught:
        open_source("-", input_format, stdin=io.BytesIO(raw)).close()
    return caught.value


@pytest.mark.parametrize(
    ("header", "problem", "hint"),
    [
        (
            "promt,seed",
            'has the unknown column "promt" (nearest: prompt), has no column prompt',
            "Write it so: prompt,seed",
        ),
        (
            "prompt,Filename",
            'has the unknown column "filename" (nearest: output)',
            "Write it so: prompt,output",
        ),
        (
            "prompt,width",
            'has the unknown column "width" (nearest: size)',
            "Write it so: prompt,size",
        ),
        (
            "描述,尺寸",
            'has the unknown column "描述", has no column prompt',
            "Write it so: prompt,尺寸",
        ),
        (
            "prompt,qqqq,",
            'has the unknown column "qqqq", has the unknown column ""',
            "Take the other columns out of the table, so that the header is: prompt",
        ),
        (
            " Seed,size",
            "has no column prompt",
            "Add a column with the prompts, so that the header is: prompt,Seed,size",
        ),
        (
            "prompt,seed,提示词,seed",
            "has the column prompt twice, has the column seed twice",
            "Take the other columns out of the table, so that the header is: prompt,seed",
        ),
        (
            "prompt," + ",".join(f"{k}{k}{k}" for k in range(12)),
            ", ".join(f'has the unknown column "{k}{k}{k}"' for k in range(10))
            + ", has 2 more unknown columns",
            "Take the other columns out of the table, so that the header is: prompt",
        ),
    ],
)
def test_a_wrong_header_is_one_problem_and_mended(header: str, problem: str, hint: str) -> None:
    error = refused(f"\n{header}\nx,1\ny,2\n")
    assert error.message == f"standard input: the header in line 2 {problem}{ALLOWED}"
    assert error.hint == hint


def test_a_table_without_a_header() -> None:
    error = refused("a red kite,1024*1024\na fox,1:1\n")
    assert error.message == (f"standard input: line 1 is no header: it names no column{ALLOWED}")
    assert error.hint == "Put a line above it that names the columns, such as: prompt,size"


@pytest.mark.parametrize(
    ("data", "input_format", "found", "hint"),
    [
        (
            "prompt;seed\nx;1\n",
            "csv",
            '"prompt;seed": it has semicolons, and cells are separated by commas here',
            "Save the table again with commas between the cells.",
        ),
        (
            "提示词，尺寸\nx，1:1\n",
            "csv",
            '"提示词，尺寸": it has full-width commas, and cells are separated by commas here',
            "Save the table again with commas between the cells.",
        ),
        (
            "prompt\tseed\nx\t1\n",
            "csv",
            '"prompt\\tseed": it has tabs, and cells are separated by commas here',
            "Say what it is: --input-format tsv",
        ),
        (
            "prompt,seed\nx,1\n",
            "tsv",
            '"prompt,seed": it has commas, and cells are separated by tabs here',
            "Say what it is: --input-format csv",
        ),
    ],
)
def test_another_mark_between_the_cells(
    data: str, input_format: str, found: str, hint: str
) -> None:
    error = refused(data, input_format)
    assert error.message == f"standard input: the header in line 1 is one cell, {found}"
    assert error.hint == hint


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("prompt,se\0ed\nx,1\n", "holds NUL at character 10"),
        ('"prompt\nx\n', "has a quoted cell that is not closed (line 2)"),
    ],
)
def test_a_header_that_cannot_be_read(data: str, why: str) -> None:
    expected = f"standard input: the header in line 1 cannot be read: it {why}"
    assert refused(data).message == expected


def test_a_header_in_chinese() -> None:
    text = (
        "提示词,尺寸,种子,智能改写,数量,文件名\n渔舟唱晚,16:9,7,是,2,a.png\n风筝,,,关,,\n"
        "ｋｉｔｅ,,,开,,\nfox,,,否,,\n"
    )
    with open_source("-", "csv", stdin=io.BytesIO(text.encode())) as source:
        assert [record.fields for record in source] == [
            {
                "prompt": "渔舟唱晚",
                "size": "16:9",
                "seed": 7,
                "prompt_extend": True,
                "count": 2,
                "output": "a.png",
            },
            {"prompt": "风筝", "prompt_extend": False},
            {"prompt": "ｋｉｔｅ", "prompt_extend": True},
            {"prompt": "fox", "prompt_extend": False},
        ]
    for header in ("提示词,随机种子,扩写", "ＰＲＯＭＰＴ,种子 ,prompt_extend"):
        data = io.BytesIO(f"{header}\nx,1,yes\n".encode())
        with open_source("-", "csv", stdin=data) as source:
            [record] = source
            assert record.fields == {"prompt": "x", "seed": 1, "prompt_extend": True}
