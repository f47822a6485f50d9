from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli.core.making import evidence
from zimage_cli.core.making.account import Account
from zimage_cli.core.making.evidence import Evidence

SOURCE = Path(zimage_cli.__file__).resolve().parent.parent
posix = pytest.mark.skipif(os.name == "nt", reason="files and signals as POSIX has them")


def picture(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return what could be said of a picture; not what `facts` says, which test_job looks at."""
    return {
        "status": "saved",
        "region": "beijing",
        "endpoint": "https://a.invalid",
        "workspace": None,
        "prompt": "狐 \x1b\u202e\ud800 \n  ],\n",
        "history_id": number,
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "evidence"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_a_file_a_run(folder: Path) -> None:
    before = datetime.now(UTC)
    run = Evidence(folder)
    assert not folder.exists()
    paths = [run.add(picture(number)) for number in range(1, 4)]
    [path] = set(paths)
    assert list(folder.iterdir()) == [path]
    document = read(path)
    started = datetime.fromisoformat(document.pop("started"))
    finished = datetime.fromisoformat(document.pop("finished"))
    assert started.utcoffset() == finished.utcoffset() == UTC.utcoffset(None)
    assert before.replace(microsecond=0) <= started <= finished <= datetime.now(UTC)
    # UTC, to the millisecond.
    stamp, _, tail = path.name.partition("Z-")
    assert datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%S.%f%z") == started
    assert len(tail) == len("12345678.json")
    assert document == {
        "schema": 2,
        "zimage": zimage_cli.__version__,
        "model": "z-image-turbo",
        "region": "beijing",
        "endpoint": "https://a.invalid",
        "workspace": None,
        "pictures": [picture(1), picture(2), picture(3)],
    }
    text = path.read_text("utf-8")
    assert "狐" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.endswith("}\n")


def test_finished_moves_with_every_picture(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    first = read(run.add(picture()))["finished"]
    time.sleep(0.005)
    second = read(run.add(picture()))
    assert first < second["finished"]


def test_a_run_says_whom_it_asks_whatever_its_first_picture_did(tmp_path: Path) -> None:
    run = Evidence(tmp_path, Account("https://b.invalid/api/v1", "singapore", "ws", "sk-secret"))
    path = run.add(picture())
    document = read(path)
    assert (document["region"], document["endpoint"], document["workspace"]) == (
        "singapore",
        "https://b.invalid",
        "ws",
    )
    assert "secret" not in path.read_text()


def test_runs_of_the_same_instant_have_files_of_their_own(folder: Path) -> None:
    for _ in range(20):
        Evidence(folder).add(picture())
    assert len(list(folder.iterdir())) == 20


def test_threads_share_it(folder: Path) -> None:
    run = Evidence(folder)

    def add(first: int) -> None:
        for number in range(first, first + 25):
            run.add(picture(number, long="x" * (number * 97 % 9000)))

    threads = [threading.Thread(target=add, args=(first,)) for first in range(0, 400, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [path] = folder.iterdir()
    assert sorted(one["history_id"] for one in read(path)["pictures"]) == list(range(400))


@posix
def test_a_large_file_is_not_written_again_for_every_picture(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(0, long="x" * 300_000))
    inode = path.stat().st_ino
    for number in range(1, 500):
        run.add(picture(number, long="x" * (number * 97 % 9000)))
    # Written again, it would be another file.
    assert path.stat().st_ino == inode
    assert [one["history_id"] for one in read(path)["pictures"]] == list(range(500))
    # After an update too.
    evidence.update(path, 250, status="lost")
    inode = path.stat().st_ino
    run.add(picture(500))
    assert path.stat().st_ino == inode
    assert read(path)["pictures"][250]["status"] == "lost"
    assert read(path)["pictures"][500] == picture(500)


# -- updates ------------------------------------------------------------------------------------


def test_an_update_keeps_what_it_does_not_name(folder: Path) -> None:
    run = Evidence(folder)
    path = run.add(picture(1))
    run.add(picture(2, status="made"))
    before = read(path)
    evidence.update(path, 2, status="saved", recovered="狐")
    after = read(path)
    assert after["pictures"] == [picture(1), picture(2, status="saved", recovered="狐")]
    assert {**after, "pictures": 0} == {**before, "pictures": 0}
    assert list(after) == list(before)
    # The run goes on, in the file that is there now.
    assert run.add(picture(3)) == path
    assert [one["history_id"] for one in read(path)["pictures"]] == [1, 2, 3]
    assert read(path)["pictures"][1]["recovered"] == "狐"
    assert len(list(folder.iterdir())) == 1


def test_a_file_with_one_picture_is_updated_too(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text('{"schema": 1, "status": "made", "history_id": 42}')
    evidence.update(path, 42, status="saved")
    assert read(path) == {"schema": 1, "status": "saved", "history_id": 42}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[1]", b"7", b"null", b"\xff", b"[" * 9999, b"{}"),
        *(b'{"history_id": 2}', b'{"pictures": 7}', b'{"pictures": [7]}', b'{"pictures": []}'),
        b'{"pictures": [{"history_id": 2}, {}]}',
    ],
)
def test_what_is_no_evidence_of_it_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        evidence.update(path, 1, a=1)
    assert path.read_bytes() == content
    with pytest.raises(OSError):
        evidence.update(tmp_path / "gone.json", 1, a=1)


@posix
def test_updates_and_a_run_that_goes_on_lose_nothing_of_each_other(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(0))
    program = (
        "import sys, pathlib\n"
        "from zimage_cli.core.making import evidence\n"
        "for number in range(100):\n"
        "    evidence.update(pathlib.Path(sys.argv[1]), 0, **{sys.argv[2] + str(number): number})\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    others = [
        subprocess.Popen([sys.executable, "-c", program, str(path), name], env=env)
        for name in ("a", "b")
    ]
    count = 1
    while any(other.poll() is None for other in others):
        assert run.add(picture(count)) == path
        count += 1
        # Pictures take seconds; a loop without a pause would hold the lock all the time.
        time.sleep(0.005)
    assert [other.returncode for other in others] == [0, 0]
    pictures = read(path)["pictures"]
    assert [one["history_id"] for one in pictures] == list(range(count))
    updates = {f"{name}{number}": number for name in "ab" for number in range(100)}
    assert pictures[0] == picture(0, **updates)


@posix
def test_a_lock_that_is_never_given_back_is_an_error_and_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    run = Evidence(tmp_path)
    path = run.add(picture(1))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            run.add(picture(2))
    assert run.add(picture(3)) == path
    assert [one["history_id"] for one in read(path)["pictures"]] == [1, 3]


# -- a file that others touched -----------------------------------------------------------------


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    run = Evidence(tmp_path / "e")
    first = run.add(picture(1))
    first.rename(tmp_path / "kept.json")
    second = run.add(picture(2))
    assert second != first
    assert [one["history_id"] for one in read(second)["pictures"]] == [2]
    assert [one["history_id"] for one in read(tmp_path / "kept.json")["pictures"]] == [1]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 9999])
def test_a_file_that_is_something_else_by_now_is_left_alone(tmp_path: Path, content: bytes) -> None:
    run = Evidence(tmp_path)
    first = run.add(picture(1))
    first.write_bytes(content)
    second = run.add(picture(2))
    assert first.read_bytes() == content
    assert [one["history_id"] for one in read(second)["pictures"]] == [2]


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_file_that_was_laid_out_anew_goes_on(tmp_path: Path, indent: int | None) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(1))
    path.write_text(json.dumps({**read(path), "note": "mine"}, indent=indent))
    for number in (2, 3):
        assert run.add(picture(number)) == path
    document = read(path)
    assert [one["history_id"] for one in document["pictures"]] == [1, 2, 3]
    assert document["note"] == "mine"


def test_a_file_whose_pictures_were_taken_out_goes_on(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(1))
    path.write_text(json.dumps({**read(path), "pictures": []}))
    run.add(picture(2))
    evidence.update(path, 2, status="lost")
    whole = path.read_text().replace(json.dumps("lost"), '"saved"')
    begin, end = whole.index("[") + 1, whole.rindex("\n  ],")
    path.write_text(whole[:begin] + whole[end:])
    assert read(path)["pictures"] == []
    run.add(picture(3))
    assert read(path)["pictures"] == [picture(3)]


# -- what may go wrong --------------------------------------------------------------------------


LIMITED = """
import pathlib, resource, signal, sys
from zimage_cli.core.making.evidence import Evidence
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run = Evidence(pathlib.Path(sys.argv[1]))
path = run.add({"n": 1, "long": "x" * int(sys.argv[2])})
size = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300, resource.RLIM_INFINITY))
try:
    run.add({"n": 2, "long": "y" * 5000})
except OSError as error:
    print(type(error).__name__, path.stat().st_size - size)
print(run.add({"n": 3}) == path)
"""


@posix
@pytest.mark.parametrize("length", [10, 300_000])
def test_a_disk_that_takes_half_of_it_takes_nothing_of_it(folder: Path, length: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder), str(length)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "OSError 0\nTrue\n"
    [path] = folder.iterdir()
    assert [one["n"] for one in read(path)["pictures"]] == [1, 3]


@posix
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from zimage_cli.core.making.evidence import Evidence\n"
        "run = Evidence(pathlib.Path(sys.argv[1]))\n"
        "number = 0\n"
        "while True:\n"
        "    if number < 60:\n"
        "        run.add({'history_id': number, 'long': 'x' * (number * 97 % 4000)})\n"
        "        print(number, flush=True)\n"
        "        number += 1\n"
    )
    for number in range(10):
        folder = tmp_path / str(number)
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"0\n"
        time.sleep(0.003 * number)
        child.send_signal(signal.SIGKILL)
        told = 1 + child.stdout.read().count(b"\n")
        child.stdout.close()
        child.wait(60)
        [path] = folder.glob("*.json")
        ids = [one["history_id"] for one in read(path)["pictures"]]
        assert ids == list(range(len(ids)))
        assert told <= len(ids) <= told + 1


@posix
def test_what_was_planted_in_the_place_of_evidence_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"history_id": 1}')
    (tmp_path / "link.json").symlink_to("other.json")
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("link.json", "pipe.json"):
        failed: list[OSError] = []

        def update(path: Path = tmp_path / name, failed: list[OSError] = failed) -> None:
            with pytest.raises(OSError) as caught:
                evidence.update(path, 1, a=1)
            failed.append(caught.value)

        thread = threading.Thread(target=update, daemon=True)
        thread.start()
        thread.join(60)
        assert failed, "it hangs, or writes"
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "other.json").read_text() == '{"history_id": 1}'


@posix
def test_a_link_in_the_place_of_a_run_that_goes_on_is_not_followed(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(1))
    other = path.rename(tmp_path / "other.json")
    before = other.read_bytes()
    path.symlink_to(other)
    second = run.add(picture(2))
    assert other.read_bytes() == before
    assert path.is_symlink()
    assert [one["history_id"] for one in read(second)["pictures"]] == [2]


def test_a_folder_in_the_place_of_a_run_that_goes_on_ends_nothing(tmp_path: Path) -> None:
    run = Evidence(tmp_path)
    path = run.add(picture(1))
    path.unlink()
    path.mkdir()
    assert [one["history_id"] for one in read(run.add(picture(2)))["pictures"]] == [2]


@posix
def test_it_is_nobody_elses_business(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = Evidence(tmp_path)
        path = run.add(picture(1))
        run.add(picture(2))
        assert path.stat().st_mode & 0o777 == 0o600
        # One of an earlier zimage, when it is written again.
        path.chmod(0o644)
        evidence.update(path, 1, a=1)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
