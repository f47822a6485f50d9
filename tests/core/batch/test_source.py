from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zimage_cli.core.batch.records import LINE_LIMIT, Record
from zimage_cli.core.batch.source import INPUT_FORMATS, open_source
from zimage_cli.core.request.request import parse_request
from zimage_cli.errors import RequestInvalid, UsageError

MIB = 1024 * 1024


@pytest.fixture
def put(tmp_path: Path) -> Any:
    """Write a file, and return its path as the command gets it."""

    def write(name: str, data: bytes | str) -> str:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    return write


def read(data: bytes | str, input_format: str) -> list[Any]:
    """Return the records, their problems as text."""
    raw = data.encode() if isinstance(data, str) else data
    with open_source("-", input_format, stdin=io.BytesIO(raw)) as source:
        records = list(source)
        assert list(source) == records
    for record in records:
        assert (record.fields is None) != (record.problem is None)
    return [
        record if record.problem is None else record._replace(problem=str(record.problem))
        for record in records
    ]


def problems(data: bytes | str, input_format: str) -> list[tuple[int, str]]:
    return [(r.line, str(r.problem)) for r in read(data, input_format) if r.problem is not None]


def good(data: bytes | str, input_format: str) -> list[tuple[int, dict[str, object]]]:
    return [(r.line, r.fields) for r in read(data, input_format) if r.fields is not None]


def refused(path: str, input_format: str | None = None, **more: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        open_source(path, input_format, **more).close()
    assert type(caught.value) is UsageError
    return caught.value


# -- JSON lines -----------------------------------------------------------------------------------


def test_a_line_is_a_request() -> None:
    data = '\ufeff{"prompt": "渔舟", "seed": 7, "count": 2}\r\n\n  \t\n {"name": "a", "x": [1]} '
    assert read(data, "jsonl") == [
        Record(1, {"prompt": "渔舟", "seed": 7, "count": 2}, None),
        Record(4, {"name": "a", "x": [1]}, None),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"prompt": "x"', "is not valid JSON at column 15: Expecting ',' delimiter"),
        (b'{"prompt" "x"}', "is not valid JSON at column 11: Expecting ':' delimiter"),
        (b'{"prompt": "x', "is not valid JSON at column 12: Unterminated string"),
        (b'{"prompt": "\0"}', "is not valid JSON at column 13: Invalid control character"),
        (b'{"prompt": "x"} {}', "is not valid JSON at column 17: Extra data"),
        (b"a fox", "is not valid JSON at column 1: Expecting value"),
        (b'["x"]', "is an array, not a JSON object"),
        (b'"x"', 'is "x", not a JSON object'),
        (b"null", "is null, not a JSON object"),
        (b'{"seed": 1, "seed": 2}', 'the field "seed" stands there twice'),
        (b'{"x": {"a": 1, "a": 2}}', 'the field "a" stands there twice'),
        (b'{"seed": NaN}', "NaN is not a JSON value"),
        (b'{"seed": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "holds a number of too many digits"),
        (b"[" * 200_000, "is nested too deeply for a request"),
        (b'{"prompt": "' + b"x" * MIB + b'"}', "is longer than 1 MiB"),
        (b'{"prompt": "' + b"x" * 3 * MIB + b'"}', "is longer than 1 MiB"),
    ],
)
def test_a_line_that_is_none_and_reading_goes_on(line: bytes, problem: str) -> None:
    data = b'{"prompt": "a"}\n' + line + b'\n{"prompt": "b"}\n' + line
    assert read(data, "jsonl") == [
        Record(1, {"prompt": "a"}, None),
        Record(2, None, problem),
        Record(3, {"prompt": "b"}, None),
        Record(4, None, problem),
    ]


def test_a_line_of_just_the_limit_is_read() -> None:
    line = b'{"prompt": "%s"}'
    fits = line % (b"x" * (LINE_LIMIT - len(line) + 2))
    assert len(fits) == LINE_LIMIT
    for end in (b"", b"\n"):
        assert [number for number, _ in good(fits + end, "jsonl")] == [1]
    assert problems(b" " + fits + b"\n", "jsonl") == [(1, "is longer than 1 MiB")]


# -- text -----------------------------------------------------------------------------------------


def test_a_prompt_a_line() -> None:
    data = "\ufeff# a note\r\na lake\r\n\r\n   \n  two  words \n #3 is a prompt\n#\nlast"
    assert good(data, "txt") == [
        (2, {"prompt": "a lake"}),
        (5, {"prompt": "  two  words "}),
        (6, {"prompt": " #3 is a prompt"}),
        (8, {"prompt": "last"}),
    ]


def test_a_line_of_text_that_is_none() -> None:
    data = b"a\n" + b"x" * (2 * MIB) + b"\nb\n"
    assert read(data, "txt") == [
        Record(1, {"prompt": "a"}, None),
        Record(2, None, "is longer than 1 MiB"),
        Record(3, {"prompt": "b"}, None),
    ]


# -- tables ---------------------------------------------------------------------------------------


def test_cells_get_the_types_of_their_fields() -> None:
    data = (
        "\ufeffPrompt, size ,seed,prompt_extend,count,name,output,base_url,model\r\n"
        "a lake,16:9, 7 ,TRUE,2,{slug}.png,a/b.png,https://h.example,z-image-turbo\r\n"
        "12,,,,,,,,\r\n"
        "x,,-1,off,07,,,,\r\n"
        ",,1,,,,,,\r\n"
    )
    assert good(data, "csv") == [
        (
            2,
            {
                "prompt": "a lake",
                "size": "16:9",
                "seed": 7,
                "prompt_extend": True,
                "count": 2,
                "name": "{slug}.png",
                "output": "a/b.png",
                "base_url": "https://h.example",
                "model": "z-image-turbo",
            },
        ),
        (3, {"prompt": "12"}),
        (4, {"prompt": "x", "seed": -1, "prompt_extend": False, "count": 7}),
        (5, {"seed": 1}),
    ]


@pytest.mark.parametrize(
    ("cell", "value"),
    [(cell, True) for cell in ("true", "1", "yes", "on", "Yes", " ON ")]
    + [(cell, False) for cell in ("false", "0", "no", "off", "False")],
)
def test_truth_in_a_cell(cell: str, value: bool) -> None:
    ((_, fields),) = good(f"prompt,prompt_extend\nx,{cell}\n", "csv")
    assert fields["prompt_extend"] is value


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("seed", "1.0"),
        ("seed", "ten"),
        ("seed", "１２"),
        ("seed", "1_000"),
        ("seed", "+1"),
        ("seed", "--1"),
        ("seed", "-"),
        ("seed", "9" * 5000),
        ("prompt_extend", "maybe"),
    ],
)
def test_a_cell_of_another_type_is_left_to_the_check(column: str, cell: str) -> None:
    ((_, fields),) = good(f"prompt,{column}\nx,{cell}\n", "csv")
    assert fields[column] == cell
    with pytest.raises(RequestInvalid) as caught:
        parse_request(fields)
    assert [problem.facts["field"] for problem in caught.value.problems] == [column]


def test_records_are_numbered_by_the_line_they_begin_on() -> None:
    data = '\n\nprompt,seed\r\n\r\n"a\r\n""b""\n\n, c",1\n,\n" ",\nd,2\n"e",3'
    assert good(data, "csv") == [
        (5, {"prompt": 'a\r\n"b"\n\n, c', "seed": 1}),
        (11, {"prompt": "d", "seed": 2}),
        (12, {"prompt": "e", "seed": 3}),
    ]


def test_tabs_between_cells() -> None:
    data = 'prompt\tseed\na, b\t1\n"c\td"\t2\n'
    assert good(data, "tsv") == [
        (2, {"prompt": "a, b", "seed": 1}),
        (3, {"prompt": "c\td", "seed": 2}),
    ]


COMMA_ADVICE = "; a cell that holds a comma is written in quotes"
QUOTE_ADVICE = 'has text behind a closing quote; a quote within a quoted cell is written ""'


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"x", "has 1 cells, the header 2"),
        (b"a lake, at dawn,1", "has 3 cells, the header 2" + COMMA_ADVICE),
        (b'"x"y,1', QUOTE_ADVICE),
        (b'"a "quoted" word",1', QUOTE_ADVICE),
        (b"x\0y,1", "holds NUL at character 2"),
        (b"x" * 140_000 + b",1", "has a cell of more than 131,072 characters"),
        (b"x" * 2 * MIB + b",1", "is longer than 1 MiB"),
        (
            b"x,1\ry,1",
            "holds a carriage return outside quotes; save the file with LF or CRLF line ends",
        ),
    ],
)
def test_a_row_that_is_none_and_reading_goes_on(row: bytes, problem: str) -> None:
    data = b"prompt,seed\na,1\n" + row + b"\nb,2\n"
    assert read(data, "csv") == [
        Record(2, {"prompt": "a", "seed": 1}, None),
        Record(3, None, problem),
        Record(4, {"prompt": "b", "seed": 2}, None),
    ]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (b"", "has a quoted cell that is not closed (line 4)"),
        (b'"c",3\n', QUOTE_ADVICE + " (line 5)"),
        (b"x,1\n" * 40_000, "has a cell of more than 131,072 characters (line "),
    ],
)
def test_a_stray_quote_takes_no_other_row_with_it(rest: bytes, problem: str) -> None:
    records = read(b'prompt,seed\na,1\n"stray,1\nb,2\n' + rest, "csv")
    assert records[0] == Record(2, {"prompt": "a", "seed": 1}, None)
    assert records[1].line == 3
    assert str(records[1].problem).startswith(problem)
    assert records[2] == Record(4, {"prompt": "b", "seed": 2}, None)
    assert len(records) == 3 + rest.count(b"\n")
    assert all(record.fields for record in records[2:])


def test_bad_characters_within_a_row_of_several_lines() -> None:
    data = b'prompt,seed\n"a\nb",1\n"c\n\0",2\n"d",3\n'
    assert read(data, "csv") == [
        Record(2, {"prompt": "a\nb", "seed": 1}, None),
        Record(4, None, "holds NUL at character 1 (line 5)"),
        Record(6, {"prompt": "d", "seed": 3}, None),
    ]


@pytest.mark.parametrize(
    ("name", "before", "after", "records"),
    [
        ("p.txt", b"a\nbc\n", b"a\n\xffc\n", [(1, None), (2, "is not valid UTF-8 at byte 1")]),
        (
            "p.jsonl",
            b'{"prompt": "x"}\n',
            b'{"prompt": "\xff"}\n',
            [(1, "is not valid UTF-8 at byte 13")],
        ),
        (
            "p.csv",
            b'prompt,seed\n"a\n1\nb",1\nx,2\n',
            b'prompt,seed\n"a\n\xff\nb",1\nx,2\n',
            [(2, "is not valid UTF-8 at byte 1 (line 3)"), (5, None)],
        ),
    ],
)
def test_a_file_that_is_no_text_any_more(
    put: Any, name: str, before: bytes, after: bytes, records: list[Any]
) -> None:
    path = put(name, before)
    with open_source(path, None) as source:
        Path(path).write_bytes(after)
        assert [(r.line, r.problem and str(r.problem)) for r in source] == records


def test_a_row_of_too_many_lines() -> None:
    records = read("prompt\n" + ('x","' + "y" * 1000 + "\n") * 1500, "csv")
    assert records[0].line == 2
    assert str(records[0].problem).startswith("is longer than 1 MiB (line ")
    assert records[1].line == 3


def test_quotes_that_never_close_do_not_take_the_square_of_the_file() -> None:
    # From every line on the quote of one row opens the next, so that none of them ends.
    started = time.process_time()
    count = len(read("prompt\n" + ('x","' + "y" * 500 + "\n") * 20_000, "csv"))
    assert 10 < count < 20_000
    assert time.process_time() - started < 10


def test_a_problem_says_which_lines_it_took_in() -> None:
    found = problems("prompt\n" + ('x","' + "y" * 500 + "\n") * 20_000, "csv")
    assert "it took in all lines up to" not in found[0][1]
    assert "it took in all lines up to" in found[-2][1]


@pytest.mark.parametrize(
    ("input_format", "why", "texts"),
    [
        ("jsonl", "it has no line but blank ones", ["", "\n", "\ufeff\r\n \t\r\n"]),
        ("txt", "it has no line but blank ones and comments", ["", "\ufeff", "# a kite\n\n#"]),
        ("csv", "it has no row below a header", ["", "\n\n", "prompt,seed\n", "prompt\n,\n\n"]),
        ("tsv", "it has no row below a header", ["", "\ufeffprompt\tseed\r\n"]),
        (None, "it has no line but blank ones and comments", ["", "\n", "#"]),
        (None, "it has no row below a header", ["prompt,seed\n"]),
    ],
)
def test_a_file_without_a_record(input_format: str | None, why: str, texts: list[str]) -> None:
    for text in texts:
        error = refused("-", input_format, stdin=io.BytesIO(text.encode()))
        expected = f"standard input holds no prompt: {why}. Nothing was sent."
        assert error.message == expected


# -- opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.jsonl", '{"prompt": "x"}'),
        ("p.NDJSON", '{"prompt": "x"}'),
        ("p.csv", "prompt\nx"),
        ("p.Tsv", "prompt\nx"),
        ("渔 舟.txt", "x"),
    ],
)
def test_the_suffix_says_the_format(put: Any, name: str, data: str) -> None:
    with open_source(put(name, data), None) as source:
        assert [record.fields for record in source] == [{"prompt": "x"}]


def test_the_option_wins_over_the_suffix(put: Any) -> None:
    for name in ("p.csv", "p.json", "p", ".txt"):
        with open_source(put(name, "a, b"), " TXT ") as source:
            assert source.input_format == "txt"
            assert [record.fields for record in source] == [{"prompt": "a, b"}]


def test_what_is_no_batch_file(put: Any, tmp_path: Path) -> None:
    formats = "jsonl, csv, tsv, txt"
    path = put("p.xlsx", "")
    assert refused(path).message == (
        f'{path}: has the unknown suffix ".xlsx"; say with --input-format what it holds: {formats}'
    )
    path = put("prompts", "")
    assert refused(path).message == (
        f"{path}: has no suffix; say with --input-format what it holds: {formats}"
    )
    assert refused(path, "xml").message == (
        f'--input-format: "xml" is not a format; allowed: {formats}'
    )
    error = refused(put("p.json", "[]"))
    assert "one JSON document" in error.message
    assert ".jsonl" in (error.hint or "")
    assert refused(str(tmp_path)).message == f"{tmp_path}: is a folder; give a file"
    assert refused("no.csv").message == "no.csv: no such file or directory"
    assert refused("").message == '"": no such file or directory'
    # The words are Python's: "byte" until 3.12.
    assert refused("a\0b.csv").message in {
        "a\\x00b.csv: embedded null byte",
        "a\\x00b.csv: stat: embedded null character in path",
    }


def test_a_path_that_could_act_on_the_terminal() -> None:
    assert refused("evil\x1b[2J.csv").message == "evil\\x1b[2J.csv: no such file or directory"
    assert len(refused("x" * 5000 + ".csv").message) < 300


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read(put: Any) -> None:
    path = put("p.csv", "prompt")
    Path(path).chmod(0)
    assert refused(path).message == f"{path}: permission denied"


def test_a_closed_standard_input() -> None:
    stream = io.BytesIO()
    stream.close()
    assert refused("-", "txt", stdin=stream).message == "standard input: is closed"


def test_a_source_is_closed_by_its_with_block(put: Any) -> None:
    with open_source(put("p.txt", "x"), None) as source:
        pass
    with pytest.raises(ValueError, match="closed"):
        list(source)


# -- several passes -------------------------------------------------------------------------------


def test_passes_do_not_disturb_each_other(put: Any) -> None:
    prompts = [f"prompt {k} " + "x" * 100 for k in range(20_000)]
    with open_source(put("p.txt", "\n".join(prompts)), None) as source:
        one, other = iter(source), iter(source)
        assert [next(one).line for _ in range(10_000)] == list(range(1, 10_001))
        found: list[list[Record]] = []

        def whole() -> None:
            found.append(list(source))

        threads = [threading.Thread(target=whole) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert len(list(other)) == 20_000
        for thread in threads:
            thread.join()
        assert [record.line for record in one] == list(range(10_001, 20_001))
        expected = [{"prompt": prompt} for prompt in prompts]
        assert [[record.fields for record in records] for records in found] == [expected] * 3


def test_a_replaced_file_is_read_on_and_a_changed_one_noticed(put: Any) -> None:
    path = Path(put("p.txt", "one\ntwo\n"))
    with open_source(str(path), None) as source:
        before = source.fingerprint()
        if os.name != "nt":
            (path.parent / "new").write_text("other\n")
            (path.parent / "new").replace(path)
            assert [record.line for record in source] == [1, 2]
            assert source.fingerprint() == before
    with open_source(str(path), None) as source:
        before = source.fingerprint()
        assert source.fingerprint() == before
        with path.open("a") as file:
            file.write("three\n")
        assert source.fingerprint() != before


def run(code: str, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        **options,
    )


def test_a_pipe_is_read_twice_and_leaves_no_file() -> None:
    code = """
        import os, tempfile
        from zimage_cli.core.batch.source import open_source
        with open_source("-", "jsonl") as source:
            assert [r.line for r in source] == [r.line for r in source] == list(range(1, 5001))
            assert source.fingerprint() == source.fingerprint()
            print(source.name, os.listdir(tempfile.gettempdir()))
    """
    folder = Path("spool")
    folder.mkdir()
    env = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=env,
        input='{"prompt": "x"}\n' * 5000,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    if os.name == "posix":
        assert done.stdout == "standard input []\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
def test_a_fifo_is_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "fifo.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("prompt,seed\nx,1\ny,2\n",))
    writer.start()
    with open_source(str(path), None) as source:
        writer.join()
        assert [record.line for record in source] == [2, 3]
        assert [record.line for record in source] == [2, 3]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_process_substitution_is_read_twice() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"a\nb\n")
        os.close(writing)
        assert "--input-format" in refused(f"/dev/fd/{reading}").message
        with open_source(f"/dev/fd/{reading}", "txt") as source:
            assert [len(list(source)), len(list(source))] == [2, 2]
    finally:
        os.close(reading)


# -- size and time --------------------------------------------------------------------------------


def many(path: Path, lines: int) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            file.write("prompt,size,seed,prompt_extend\n")
        for k in range(lines):
            prompt = f"A calm lake at dawn, picture {k}, cinematic, realistic, 渔舟唱晚"
            if path.suffix == ".csv":
                file.write(f'"{prompt}",16:9,{k},no\n')
            else:
                fields = {"prompt": prompt, "size": "16:9", "seed": k, "prompt_extend": False}
                file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_ten_thousand_lines_are_read_and_checked_at_once(tmp_path: Path, suffix: str) -> None:
    path = many(tmp_path / f"many.{suffix}", 10_000)
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        with open_source(str(path), None) as source:
            requests = [parse_request(record.fields or {}) for record in source]
        best = min(best, time.process_time() - started)
    assert [request.seed for request in requests] == list(range(10_000))
    assert best < 0.6


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, suffix: str) -> None:
    code = """
        import sys, tracemalloc
        from zimage_cli.core.batch.source import open_source
        for path in sys.argv[1:]:
            with open_source(path, None) as source:
                next(iter(source))
                tracemalloc.start()
                count = sum(1 for record in source if record.fields)
                print(count, tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
    """
    small = many(tmp_path / f"small.{suffix}", 2_000)
    large = many(tmp_path / f"large.{suffix}", 20_000)
    rows = [line.split() for line in run(code, str(small), str(large)).stdout.splitlines()]
    assert [row[0] for row in rows] == ["2000", "20000"]
    peaks = [int(row[1]) for row in rows]
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 2 * MIB


def test_a_file_of_one_endless_line_takes_no_more_memory(tmp_path: Path) -> None:
    code = """
        import sys, tracemalloc
        from zimage_cli.core.batch.source import open_source
        from zimage_cli.errors import UsageError
        tracemalloc.start()
        for input_format in ("jsonl", "txt"):
            with open_source(sys.argv[1], input_format) as source:
                assert [str(r.problem) for r in source] == ["is longer than 1 MiB"]
        try:
            open_source(sys.argv[1], "csv")
        except UsageError as error:
            assert "the header in line 1 cannot be read: it is longer than 1 MiB" in error.message
        with open_source(sys.argv[1], "txt", encoding="latin-1") as source:
            assert [str(r.problem) for r in source] == ["is longer than 1 MiB"]
        print(tracemalloc.get_traced_memory()[1])
    """
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    assert int(run(code, str(path)).stdout) < 8 * MIB


# -- anything at all ------------------------------------------------------------------------------


def pieces() -> Iterator[bytes]:
    yield from (b"\n", b"\r\n", b"\r", b'"', b'""', b",", b"\t", b";", b"#", b"\0", b"\xff", b" ")
    yield from (b"\xef\xbb\xbf", b"\xe6\xb8\x94", b"{", b"}", b"[", b":", b"1", b"NaN", b"\\")
    yield from (b"prompt", b"seed,prompt\n", b"prompt\tseed\n", b'{"prompt": "x"}\n', b'"seed"')


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from(list(pieces())), max_size=40).map(b"".join),
    ),
    st.sampled_from(INPUT_FORMATS),
)
@example(b'seed,prompt\n"\n\0', "csv")
@example(b"\xff\xfea\0", "txt")
@example(b"a\0b\0", "txt")
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data: bytes, input_format: str) -> None:
    try:
        records = read(data, input_format)
    except UsageError as error:
        assert error.message.isprintable()
        return
    assert records
    lines = [record.line for record in records]
    assert lines == sorted(set(lines))
    assert 1 <= lines[0] <= lines[-1] <= data.count(b"\n") + 1
    for record in records:
        assert str(record.problem).isprintable()
        if record.fields is not None:
            try:
                parse_request(record.fields)
            except RequestInvalid:
                continue


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
prompts = st.text(characters, min_size=1, max_size=40).filter(lambda text: not text.isspace())
rows = st.fixed_dictionaries(
    {"prompt": prompts},
    optional={
        "size": st.sampled_from(["16:9", "1024*1024", "square"]),
        "seed": st.integers(-(10**19), 10**19),
        "prompt_extend": st.booleans(),
        "count": st.integers(0, 10**9),
        "name": st.just("{slug}.png"),
        "output": prompts,
    },
)


@given(st.lists(rows, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_json_lines_come_back(found: list[dict[str, Any]], end: str, ascii_only: bool) -> None:
    data = "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in found)
    assert good(data, "jsonl") == list(enumerate(found, 1))


@given(
    st.lists(rows, min_size=1, max_size=8),
    st.permutations(["prompt", "size", "seed", "prompt_extend", "count", "name", "output"]),
    st.sampled_from([("csv", ","), ("tsv", "\t")]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_tables_come_back(
    found: list[dict[str, Any]],
    columns: list[str],
    kind: tuple[str, str],
    quoting: Any,
    end: str,
    bom: bool,
) -> None:
    if quoting == csv.QUOTE_MINIMAL and end == "\n":
        # The writer quotes a carriage return only where its line ends have one.
        for row in found:
            row.update(
                (name, row[name].replace("\r", " ")) for name in row.keys() & {"prompt", "output"}
            )
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, delimiter=kind[1], quoting=quoting, lineterminator=end)
    writer.writeheader()
    lines = []
    for row in found:
        lines.append(stream.getvalue().count("\n") + 1)
        writer.writerow(row)
    data = ("\ufeff" if bom else "") + stream.getvalue()
    assert good(data, kind[0]) == list(zip(lines, found, strict=True))


@given(st.lists(prompts.filter(lambda text: not set(text) & set("\r\n")), max_size=8))
def test_text_comes_back(found: list[str]) -> None:
    kept = ["kite", *(text for text in found if not text.startswith(("#", "\ufeff")))]
    data = "".join(text + "\r\n" for text in kept)
    assert good(data, "txt") == [(k, {"prompt": text}) for k, text in enumerate(kept, 1)]
