"""The file of a batch as people have it: what is wrong with it is told before anything is sent."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

FAST = ("-o", "out", "--rps", "0", "--size", "512*512", "--no-evidence")
HAN = "渔舟唱晚，夕阳西下\n一只红色的风筝飞在海面上\n"
TRADITIONAL = "漁舟唱晚，夕陽西下\n一隻紅色的風箏飛在海面上\n"


def billed(service: Any) -> list[str]:
    return sorted(bill.prompt for bill in service.books.billed)


@pytest.mark.parametrize(
    ("text", "encoding", "fits"),
    [
        (HAN, "gbk", "gb18030"),
        (HAN, "gb18030", "gb18030"),
        (HAN, "utf-16-le", "utf-16-le"),
        (TRADITIONAL, "big5", "big5"),
        ("Un château bleu\n", "latin-1", "cp1252"),
    ],
)
def test_a_file_that_is_not_utf_8_is_refused_whole_and_read_as_its_hint_says(
    service: Any, work: Path, home: Path, text: str, encoding: str, fits: str
) -> None:
    path = work / "prompts.txt"
    path.write_bytes(text.encode(encoding))
    for more in ((), ("--skip-invalid",), ("--dry-run",)):
        run = service("batch", "prompts.txt", *FAST, *more, status=2)
        message, hint = run.stderr.splitlines()
        assert message.startswith("error: prompts.txt is not text in UTF-8: line 1, character ")
        assert message.endswith(". Nothing was sent.")
        assert hint == (
            f'  next: In {fits} that line is "{text.splitlines()[0]}". '
            f"If that is right: --encoding {fits}"
        )
        assert run.stdout == ""
    assert service.books.post_count == 0
    assert [entry.name for entry in work.iterdir()] == ["prompts.txt"]
    assert service.history() == []
    service("batch", "prompts.txt", "--encoding", fits, *FAST)
    assert billed(service) == sorted(text.splitlines())
    # Its lines are known by what they say: the same in another encoding goes on.
    path.write_text(text, "utf-8")
    service("batch", "prompts.txt", *FAST)
    path.write_text(text, "utf-16")
    run = service("batch", "prompts.txt", *FAST, "--json")
    records = [json.loads(line) for line in run.lines]
    assert {record["status"] for record in records[:-1]} == {"skipped"}
    assert service.books.post_count == len(text.splitlines())


def test_a_wrong_byte_in_a_named_encoding_sends_nothing(service: Any, work: Path) -> None:
    (work / "p.csv").write_bytes("提示词\n风筝\n".encode("gbk") + b"\xff\n")
    run = service("batch", "p.csv", "--encoding", "gbk", *FAST, "--skip-invalid", status=2)
    assert run.stderr.splitlines() == [
        "error: p.csv is not text in gbk: line 3, character 1. Nothing was sent.",
        "  next: Mend that line, or name another encoding.",
    ]
    run = service("batch", "p.csv", "--encoding", "klingon", *FAST, "--json", status=2)
    [error] = run.json["errors"]
    assert (error["field"], error["value"]) == ("encoding", "klingon")
    assert service.books.post_count == 0


def test_standard_input_is_text(service: Any, work: Path) -> None:
    run = service("batch", "-", *FAST, stdin="a red kite\n# a note\n{red|blue} fox\n")
    assert billed(service) == ["a red kite", "{red|blue} fox"]
    assert "standard input" not in run.stderr
    service("batch", "-", "--encoding", "gbk", *FAST, stdin=HAN.encode("gbk"))
    assert service.books.post_count == 4
    run = service("batch", "-", *FAST, stdin=HAN.encode("gbk"), status=2)
    assert "error: standard input is not text in UTF-8: line 1" in run.stderr
    if hasattr(os, "mkfifo"):
        os.mkfifo(work / "fifo.txt")
        writer = threading.Thread(
            target=(work / "fifo.txt").write_bytes, args=("kite\n".encode("utf-16"),)
        )
        writer.start()
        service("batch", "fifo.txt", *FAST)
        writer.join()
    assert service.books.post_count == 5


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ('{"prompt": "kite", "seed": 7}\n', "jsonl", "a JSON object"),
        ("prompt,seed\nkite,7\n", "csv", "the header of a table"),
        ("提示词\t种子\nkite\t7\n", "tsv", "the header of a table"),
    ],
)
def test_what_standard_input_is_by_its_first_line_is_said(
    service: Any, text: str, kind: str, why: str
) -> None:
    run = service("batch", "-", *FAST, stdin=text)
    said = run.stderr.splitlines()[0]
    assert said == (
        f"standard input is read as {kind}, because its first line is {why}; "
        "as text: --input-format txt"
    )
    assert [(bill.prompt, bill.seed) for bill in service.books.billed] == [("kite", 7)]
    # What was said outranks it.
    service("batch", "-", *FAST, "--input-format", "txt", stdin=text)
    assert billed(service)[-1] != "kite" or service.books.post_count == 3


def test_a_json_document_on_standard_input_is_no_text(service: Any) -> None:
    for text in ('[{"prompt": "kite"}]', '[\n  {"prompt": "kite"}\n]', '{\n  "prompt": "kite"\n}'):
        service("batch", "-", *FAST, stdin=text, status=2)
    assert service.books.post_count == 0


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("p.txt", "", "it has no line but blank ones and comments"),
        ("p.txt", "\n# a note\n", "it has no line but blank ones and comments"),
        ("p.jsonl", "\ufeff\n", "it has no line but blank ones"),
        ("p.csv", "prompt,seed\n,\n", "it has no row below a header"),
        ("-", "\n", "it has no line but blank ones and comments"),
    ],
)
def test_a_file_without_a_prompt_is_an_error(
    service: Any, work: Path, name: str, text: str, why: str
) -> None:
    if name != "-":
        (work / name).write_text(text, "utf-8")
    run = service("batch", name, *FAST, stdin=text, status=2)
    called = "standard input" if name == "-" else name
    assert run.stderr == f"error: {called} holds no prompt: {why}. Nothing was sent.\n"
    assert not (work / "out").exists()


def test_a_wrong_header_is_told_once_with_the_mended_one(service: Any, work: Path) -> None:
    rows = "".join(f"kite {number},{number}\n" for number in range(100))
    (work / "p.csv").write_text(f"promt,种子\n{rows}", "utf-8")
    run = service("batch", "p.csv", *FAST, "--skip-invalid", status=2)
    allowed = "prompt, size, seed, prompt_extend, base_url, model, name, output, count, preset"
    assert run.stderr == (
        'error: p.csv: the header in line 1 has the unknown column "promt" (nearest: prompt), '
        f"has no column prompt; allowed: {allowed}\n"
        "  next: Write it so: prompt,种子\n"
    )
    # The mended header is right.
    (work / "p.csv").write_text(f"prompt,种子\n{rows[:18]}", "utf-8")
    service("batch", "p.csv", *FAST)
    made = sorted((bill.prompt, bill.seed) for bill in service.books.billed)
    assert made == [("kite 0", 0), ("kite 1", 1)]
    # A line of JSON names the same fields.
    (work / "p.jsonl").write_text('{"prompt": "x", "filename": "x.png", "colour": 1}\n')
    run = service("batch", "p.jsonl", *FAST, status=2)
    assert run.stderr.splitlines()[:2] == [
        f"line 1: filename: is not a field of a line; allowed: {allowed}; did you mean output?",
        f"line 1: colour: is not a field of a line; allowed: {allowed}",
    ]


def test_a_refusal_on_a_terminal(service: Any, work: Path, terminal: Any) -> None:
    (work / "prompts.txt").write_bytes(HAN.encode("gbk"))
    screen = terminal("batch", "prompts.txt", env=service.env)
    assert screen.end() == 2
    assert screen.lines == [
        "error: prompts.txt is not text in UTF-8: line 1, character 1. Nothing was sent.",
        # Han letters are two columns wide.
        '  next: In gb18030 that line is "渔舟唱晚，夕阳西下". If that is right:',
        "    --encoding gb18030",
    ]
    (work / "p.jsonl").write_text('{"prompt": "x", "filename": "x.png"}\n')
    screen = terminal("batch", "p.jsonl", env=service.env)
    assert screen.end() == 2
    assert screen.lines == [
        "line 1: filename: is not a field of a line; allowed: prompt, size, seed,",
        "  prompt_extend, base_url, model, name, output, count, preset; did you mean",
        "  output?",
        "error: 1 of 1 lines of p.jsonl cannot be used. Nothing was sent.",
        "  next: Mend them.",
    ]
    told = service("batch", "p.jsonl", "--skip-invalid", "--dry-run").stderr
    assert "pictures               0 from 1 line\n" in told
