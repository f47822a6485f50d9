"""The files that `{@colours.txt}` stands for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zimage_cli.core.wordfiles import MAX_BYTES, MAX_FILES, WordFiles
from zimage_cli.errors import UsageError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")


def refused(files: WordFiles, name: str) -> str:
    with pytest.raises(UsageError) as caught:
        files(name)
    assert caught.value.facts["field"] == "prompt"
    said, _, why = caught.value.message.partition(" names a file that cannot be used: ")
    assert said == f'prompt: "{{@{name}}}"' or len(name) > 190
    return why


def test_a_line_each_without_blank_ones_and_comments(work: Path) -> None:
    (work / "a.txt").write_bytes(
        "\ufeff# the sea\r\n teal \r\n\r\n#ff0000\n #ff0000\n{a|b}\n\t\n红\nteal".encode()
    )
    # Nothing is dropped: two equal lines are two.
    assert WordFiles()("a.txt") == ("teal", "#ff0000", "{a|b}", "红", "teal")
    assert WordFiles()(str(work / "a.txt")) == WordFiles(work)("a.txt")
    assert WordFiles(Path())("a.txt") == WordFiles(work)("./a.txt")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it has no line but blank ones and comments"),
        (b"\n# a\n \n", "it has no line but blank ones and comments"),
        (b"red\nblue\0\n", "line 2 holds a control character"),
        (b"\x89PNG\r\n\x1a\n", "line 1 is not UTF-8 text; save it as UTF-8"),
        ("红\n".encode("gbk"), "line 1 is not UTF-8 text; save it as UTF-8"),
        ("red\n红\n".encode("utf-16"), "line 1 is not UTF-8 text; save it as UTF-8"),
        (b"red\n" * (MAX_BYTES // 4 + 1), "it is larger than 1 MiB"),
    ],
)
def test_what_is_no_list_of_words(work: Path, data: bytes, why: str) -> None:
    (work / "a.txt").write_bytes(data)
    assert refused(WordFiles(), "a.txt") == why


def test_what_is_no_file(work: Path) -> None:
    (work / "folder").mkdir()
    assert refused(WordFiles(), "folder") == "it is a folder"
    assert refused(WordFiles(), "none.txt") == "no such file or directory"
    assert refused(WordFiles(), "x" * 300).startswith("file name too long")


@POSIX
def test_nobody_waits_for_a_pipe_or_reads_a_device(work: Path) -> None:
    os.mkfifo(work / "pipe")
    assert refused(WordFiles(), "pipe") == "it is not a regular file"
    assert refused(WordFiles(), "/dev/zero") == "it is not a regular file"


def test_a_file_is_read_once(work: Path) -> None:
    files, path = WordFiles(), work / "a.txt"
    path.write_text("red")
    assert files("a.txt") == ("red",)
    path.write_text("blue")
    assert files("a.txt") == ("red",)
    assert WordFiles()("a.txt") == ("blue",)


def test_no_run_reads_very_many_files(work: Path) -> None:
    files = WordFiles()
    for number in range(MAX_FILES + 1):
        (work / f"{number}.txt").write_text("red")
    for number in range(MAX_FILES):
        files(f"{number}.txt")
    assert refused(files, f"{MAX_FILES}.txt") == f"more than {MAX_FILES} files are named"
    assert files("0.txt") == ("red",)


BELOW = "a batch reads only files in the folder of its own file, or below, and none that is hidden"


@POSIX
def test_a_batch_reads_nothing_outside_of_its_folder(work: Path, tmp_path: Path) -> None:
    folder = work / "prompts"
    (folder / "lists").mkdir(parents=True)
    (folder / ".ssh").mkdir()
    for path in (tmp_path / "secret.txt", folder / ".ssh" / "key", folder / "lists" / "a.txt"):
        path.write_text("red")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "key.txt").symlink_to(folder / ".ssh" / "key")
    (folder / "up").symlink_to(tmp_path)
    (folder / "in.txt").symlink_to(folder / "lists" / "a.txt")
    (work / "link").symlink_to(folder)
    files = WordFiles(folder)
    for name in (
        str(tmp_path / "secret.txt"),
        str(folder / "lists" / "a.txt"),
        "../../secret.txt",
        "lists/../../prompts/lists/a.txt",
        "out.txt",
        "key.txt",
        "up/secret.txt",
        ".ssh/key",
        "C:a.txt",
    ):
        assert refused(files, name) == BELOW
    assert files("lists/a.txt") == files("in.txt") == WordFiles(work / "link")("in.txt") == ("red",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "ignore"))
)
def test_any_file_is_lines_or_an_error(work: Path, data: bytes) -> None:
    (work / "a.txt").write_bytes(data)
    try:
        lines = WordFiles()("a.txt")
    except UsageError:
        return
    assert lines
    assert all(line == line.strip() and line and "\n" not in line for line in lines)
