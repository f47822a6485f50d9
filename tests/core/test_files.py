from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zimage_cli.core.files import (
    TooLarge,
    free_bytes,
    make_folder,
    open_locked,
    open_own,
    read_text,
    reason,
    sync_folder,
)
from zimage_cli.messages import Message, translated

SOURCE = Path(__file__).parents[2]


POSIX = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


@POSIX
def test_a_file_of_one_s_own_is_no_link_and_no_pipe(work: Path) -> None:
    (work / "other").write_bytes(b"precious")
    (work / "link").symlink_to(work / "other")
    os.mkfifo(work / "pipe")
    (work / "folder").mkdir()
    for name, why in (("link", "it is a link"), ("pipe", "no regular file"), ("folder", "no reg")):
        with pytest.raises(OSError, match=why):
            open_own(work / name, os.O_RDONLY)
    for name in ("link", "pipe", "folder"):
        with pytest.raises(OSError):
            open_own(work / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert (work / "other").read_bytes() == b"precious"
    os.close(open_own(work / "new", os.O_RDWR | os.O_CREAT))
    assert (work / "new").stat().st_mode & 0o777 == 0o600


SYNC = """
import sys, threading
from pathlib import Path
from zimage_cli.core.files import sync_folder
folder, count = Path(sys.argv[1]), int(sys.argv[2])
start, failed = threading.Barrier(count), []

def sync():
    start.wait()
    try:
        sync_folder(folder)
    except OSError as error:
        failed.append(error.errno)

threads = [threading.Thread(target=sync) for _ in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def traced(options: list[str], program: str, folder: str, *args: str) -> tuple[str, str]:
    """Run a program under strace; return the calls, and what it printed."""
    strace, log = shutil.which("strace"), Path(folder).parent / "trace"
    if strace is None or subprocess.run([strace, "-o", str(log), "true"], check=False).returncode:
        pytest.skip("strace is missing, or may not trace here")
    done = subprocess.run(
        [strace, "-f", *options, "-o", str(log), sys.executable, "-c", program, folder, *args],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return log.read_text(), done.stdout.strip()


def synced(folder: Path, inject: str, *, threads: int = 1) -> tuple[int, str]:
    """Sync a folder where the system does as told; return how often, and what was raised."""
    options = ["-P", str(folder), "-e", "trace=fsync", "-e", f"inject=fsync:{inject}"]
    log, printed = traced(options, SYNC, str(folder), str(threads))
    return log.count("fsync("), printed


def test_threads_that_come_while_a_folder_is_synced_share_the_next_sync(work: Path) -> None:
    count, failed = synced(work, "delay_enter=500000", threads=16)
    assert failed == "[]"
    assert 1 <= count < 8


@pytest.mark.parametrize(
    ("error", "failed"),
    [("EINVAL", "[]"), ("EOPNOTSUPP", "[]"), ("EIO", "[5]"), ("ENOSPC", "[28]")],
)
def test_a_folder_that_cannot_be_synced_is_no_failure_and_a_failing_disk_is(
    error: str, failed: str, work: Path
) -> None:
    assert synced(work, f"error={error}") == (1, failed)


def test_whoever_waits_for_a_sync_that_fails_tries_again(work: Path) -> None:
    count, failed = synced(work, "error=EIO:delay_enter=300000", threads=4)
    assert (count, failed) == (4, "[5, 5, 5, 5]")


def test_without_a_free_descriptor_the_whole_system_is_synced(work: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from zimage_cli.core.files import sync_folder\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "sync_folder(Path(sys.argv[1]))\n"
    )
    assert re.search(r"\bsync\(\)", traced(["-e", "trace=sync"], program, str(work))[0])


def test_there_is_nothing_to_sync_in_what_is_no_folder(work: Path) -> None:
    sync_folder(work / "nowhere")
    make_folder(work / "a" / "b")
    make_folder(work / "a" / "b")
    sync_folder(work / "a" / "b")
    (work / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        make_folder(work / "file")


def test_free_bytes(work: Path) -> None:
    free = free_bytes(work)
    assert free is None or free > 0


def test_reasons() -> None:
    assert reason(OSError(28, "No space left on device", "/secret/path")) == (
        "no space left on device"
    )
    assert reason(NotADirectoryError(20, "Not a directory")) == "a file is in the way"
    assert reason(FileExistsError(17, "File exists")) == "a file is in the way"
    assert reason(OSError("Only Words")) == "only words"


def test_text_is_read_without_its_mark_and_no_further_than_told(work: Path) -> None:
    path = work / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "图".encode())
    assert read_text(path, 6) == "图"
    with path.open("rb") as file:
        assert read_text(file, 6) == "图"
    with pytest.raises(TooLarge):
        read_text(path, 5)
    path.write_bytes(b"a\xff")
    with pytest.raises(UnicodeDecodeError) as caught:
        read_text(path, 6)
    assert caught.value.start == 1
    with pytest.raises(FileNotFoundError):
        read_text(work / "b.txt", 6)


def test_a_lock_keeps_others_out_until_it_is_closed(work: Path) -> None:
    path, flags = work / "lock", os.O_RDWR | os.O_CREAT
    handle = open_locked(path, flags)
    with pytest.raises(BlockingIOError):
        open_locked(path, flags)
    freed = threading.Timer(0.2, os.close, (handle,))
    freed.start()
    os.close(open_locked(path, flags, patience=60))
    freed.join()


@POSIX
def test_a_lock_is_on_the_file_that_has_the_name_now(work: Path) -> None:
    path, flags = work / "lock", os.O_RDWR | os.O_CREAT
    handle = open_locked(path, flags)
    path.unlink()
    other = open_locked(path, flags)
    assert os.path.samestat(os.fstat(other), path.stat())
    os.close(other)
    os.close(handle)


def test_what_the_system_says_most_often_can_be_translated() -> None:
    words = {"permission denied": "权限不足"}
    for number, said in ((13, "权限不足"), (10_000, "owner died")):
        why = reason(OSError(number, "Permission denied" if number == 13 else "Owner died"))
        assert translated(why, lambda text: words.get(text, text)) == said
    own = OSError(22, Message("it is a link"), "x")
    assert (str(reason(own)), reason(own).template) == ("it is a link", "it is a link")
