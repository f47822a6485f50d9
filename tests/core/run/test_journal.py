"""results.jsonl: whole records, whatever happened to the file, and one batch a folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.run.journal import LOCK_NAME, NAME, Journal, alone_in, made_for
from zimage_cli.errors import UsageError

SOURCE = Path(__file__).parents[3]


def write(folder: Path, *records: dict[str, Any]) -> None:
    journal = Journal(folder)
    try:
        for record in records:
            journal.append(record)
    finally:
        journal.close()


def read(folder: Path) -> list[dict[str, Any]]:
    return [record for _, record in Journal(folder).records()]


def test_records_are_appended_and_read_back(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    write(tmp_path, {"a": 1})
    write(tmp_path, {"b": "纸鸢\n\x1b[31m"}, {"c": None})
    assert read(tmp_path) == [{"a": 1}, {"b": "纸鸢\n\x1b[31m"}, {"c": None}]
    text = (tmp_path / NAME).read_text("utf-8")
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text


def test_nothing_is_made_until_there_is_something_to_say(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    assert not (tmp_path / NAME).exists()


def test_a_torn_end_costs_no_later_record(tmp_path: Path) -> None:
    write(tmp_path, {"a": 1}, {"b": 2})
    path = tmp_path / NAME
    for cut in range(len(b'{"b": 2}\n') + 1):
        whole = b'{"a": 1}\n{"b": 2}\n'
        path.write_bytes(whole[: len(whole) - cut])
        write(tmp_path, {"c": 3})
        found = read(tmp_path)
        assert found[0] == {"a": 1}
        assert found[-1] == {"c": 3}


@given(
    lines=st.lists(st.binary(max_size=40), max_size=6),
    end=st.sampled_from([b"\n", b"\r\n", b"", b"\0"]),
)
def test_garbage_is_passed_over(
    lines: list[bytes], end: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / NAME).write_bytes(end.join(lines))
    write(folder, {"mine": True})
    found = read(folder)
    assert found[-1] == {"mine": True}
    assert all(isinstance(record, dict) for record in found)


def test_what_no_parser_should_swallow_is_passed_over(tmp_path: Path) -> None:
    bad = [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"seed": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe{}",
        b'"text"',
        b"[1]",
    ]
    (tmp_path / NAME).write_bytes(b"\n".join([*bad, b'{"good": 1}', b""]))
    assert read(tmp_path) == [{"good": 1}]


READ = (
    "import resource, sys\n"
    "from pathlib import Path\n"
    "from zimage_cli.core.run.journal import Journal\n"
    "resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
    "print([found for _, found in Journal(Path(sys.argv[1])).records()])\n"
)


@pytest.mark.skipif(os.name == "nt", reason="memory is bounded by POSIX's means")
def test_a_line_without_end_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b'\n{"good": 1}\n')
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[{'good': 1}]\n", done.stderr


def test_a_folder_of_that_name_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(UsageError, match=NAME):
        read(tmp_path)
    with pytest.raises(OSError, match="directory"):
        write(tmp_path, {"a": 1})


def test_threads_do_not_mix_their_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def work(number: int) -> None:
        for step in range(50):
            journal.append({"number": number, "step": step, "text": "x" * 5000})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    found = read(tmp_path)
    assert len(found) == 400
    assert {(record["number"], record["step"]) for record in found} == {
        (number, step) for number in range(8) for step in range(50)
    }


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: what is written is cut off there."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with largest_file(5), pytest.raises(OSError, match="too large"):
        journal.append({"a": 1})
    assert (tmp_path / NAME).stat().st_size == 5
    journal.append({"b": 2})
    journal.close()
    assert read(tmp_path) == [{"b": 2}]


# -- what somebody else put there ------------------------------------------------------------------

POSIX = pytest.mark.skipif(os.name == "nt", reason="links and named pipes are POSIX's")


def plant(path: Path, kind: str, target: Path) -> None:
    target.write_bytes(b"precious")
    match kind:
        case "link":
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target.with_name("nowhere"))
        case "hard link":
            path.hardlink_to(target)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))


def error_of(call: Callable[[], object]) -> BaseException | None:
    """Return what a call raises; fails where it hangs."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it hangs"
    return found[0] if found else None


KINDS = ["link", "dangling link", "pipe", "folder", "socket"]


@POSIX
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_journal_is_neither_read_nor_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's path may not be long.
    monkeypatch.chdir(tmp_path)
    folder, target = Path("out"), tmp_path / "target"
    folder.mkdir()
    plant(folder / NAME, kind, target)
    error = error_of(lambda: read(folder))
    assert isinstance(error, UsageError)
    assert f"{NAME} cannot be read: " in error.message
    assert "--output" in (error.hint or "")
    assert isinstance(error_of(lambda: write(folder, {"a": 1})), OSError)
    assert target.read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {"home", "out", "target", "work"}


@POSIX
@pytest.mark.parametrize("kind", [*KINDS, "hard link"])
def test_a_planted_lock_is_refused_and_what_it_leads_to_left_alone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, target = Path("out"), tmp_path / "target"
    folder.mkdir()
    plant(folder / LOCK_NAME, kind, target)
    with pytest.raises(UsageError, match="no lock file of zimage") as caught, alone_in(folder):
        pass
    assert str(folder / LOCK_NAME) in caught.value.message
    assert "remove it" in (caught.value.hint or "")
    assert target.read_bytes() == b"precious"
    assert {path.name for path in tmp_path.iterdir()} == {"home", "out", "target", "work"}


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_journal_is_private(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path, {"prompt": "a secret"})
    finally:
        os.umask(before)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from zimage_cli.core.run.journal import alone_in\n"
    "with alone_in(Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def test_a_folder_is_one_batch_s_until_it_ends_or_dies(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        with pytest.raises(UsageError, match="another zimage batch"), alone_in(tmp_path):
            pass
        # Whichever path leads to it.
        link = tmp_path.parent / f"{tmp_path.name}-link"
        link.symlink_to(tmp_path)
        with pytest.raises(UsageError), alone_in(link):
            pass
        process.kill()
        process.wait()
    with alone_in(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be locked"), alone_in(tmp_path / "file"):
        pass


def test_what_was_made_for_a_batch_that_did_not_begin_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "newer"
    with made_for(folder, lambda: False), alone_in(folder, lambda: False):
        assert (folder / LOCK_NAME).is_file()
    assert not (tmp_path / "new").exists()
    # What somebody else has put there stays, and so does the folder.
    with made_for(folder, lambda: False), alone_in(folder, lambda: False):
        (folder / "notes.txt").write_text("mine")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    # Of an earlier batch everything stays.
    with made_for(folder, lambda: True), alone_in(folder):
        (folder / NAME).write_text("")
    with made_for(folder, lambda: False), alone_in(folder, lambda: False):
        pass
    assert {path.name for path in folder.iterdir()} == {"notes.txt", LOCK_NAME, NAME}


def test_a_folder_that_is_removed_right_now_is_made_again(tmp_path: Path) -> None:
    # As by a batch that did not begin, between both steps of another one.
    with made_for(tmp_path / "new", lambda: False):
        (tmp_path / "new").rmdir()
        with alone_in(tmp_path / "new", lambda: False):
            assert (tmp_path / "new" / LOCK_NAME).is_file()


def test_batches_that_do_not_begin_never_take_away_the_lock_of_one_that_does(
    tmp_path: Path,
) -> None:
    folder, done = tmp_path / "pics", threading.Event()
    seen: list[str] = []

    @contextmanager
    def one() -> Iterator[None]:
        with made_for(folder, lambda: False), alone_in(folder, lambda: False):
            yield

    def decline() -> None:
        while not done.is_set():
            with suppress(UsageError), one():
                pass

    def hold() -> None:
        with suppress(UsageError), one():
            seen.append("held")
            here = (folder / LOCK_NAME).stat().st_ino
            time.sleep(0.002)
            if (folder / LOCK_NAME).stat().st_ino != here:
                seen.append("lost")

    others = [threading.Thread(target=decline) for _ in range(2)]
    for other in others:
        other.start()
    try:
        until = time.monotonic() + 60
        while seen.count("held") < 20 and time.monotonic() < until:
            hold()
    finally:
        done.set()
        for other in others:
            other.join()
    assert seen == ["held"] * 20
    assert not (folder / LOCK_NAME).exists()


def test_records_are_json_lines_for_others(tmp_path: Path) -> None:
    write(tmp_path, {"prompt": "lone \ud800 surrogate", "line": 1})
    (line,) = (tmp_path / NAME).read_bytes().splitlines()
    assert json.loads(line)["line"] == 1
