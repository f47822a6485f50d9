from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zimage_cli.core.drafts import (
    make_temporary,
    make_writable_folder,
    publish,
    remove_abandoned,
    tagged,
    take_temporary,
    write_whole,
)
from zimage_cli.core.files import (
    free_bytes,
)
from zimage_cli.core.request.names import numbered
from zimage_cli.errors import UsageError

POSIX = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if sys.platform == "linux" and os.getuid() == 0
        else None
    )
    if done is None or done.returncode:
        pytest.skip("only root can mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            continue


def put(folder: Path, wanted: str, data: bytes, *, overwrite: bool = False) -> Path:
    handle, temporary = make_temporary(folder)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    path = folder / wanted
    return publish(temporary, path, overwrite=overwrite, numbered=lambda n: numbered(path, n))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_gets_its_name_or_the_next_free_number(work: Path) -> None:
    found = [put(work, "a.png", str(n).encode()).name for n in range(4)]
    assert found == ["a.png", "a-2.png", "a-3.png", "a-4.png"]
    assert [(work / name).read_bytes() for name in found] == [b"0", b"1", b"2", b"3"]
    assert names(work) == sorted(found)


def test_overwriting_replaces_and_leaves_nothing_else(work: Path) -> None:
    for data in (b"one", b"two"):
        assert put(work, "a.png", data, overwrite=True) == work / "a.png"
    assert (work / "a.png").read_bytes() == b"two"
    assert names(work) == ["a.png"]


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link"])
def test_whatever_has_the_name_is_left_alone(work: Path, kind: str) -> None:
    other = work / "other"
    other.write_bytes(b"precious")
    path = work / "a.png"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(other if kind == "link" else work / "nowhere")
    assert put(work, "a.png", b"new").name == "a-2.png"
    assert other.read_bytes() == b"precious"
    assert not (work / "nowhere").exists()
    assert path.is_dir() or path.is_symlink()


def test_twenty_threads_that_want_one_name_get_twenty(work: Path) -> None:
    start, found = threading.Barrier(20), list[Path]()

    def race(number: int) -> None:
        start.wait()
        found.append(put(work, "a.png", str(number).encode()))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20
    assert sorted(int(path.read_bytes()) for path in found) == list(range(20))
    assert len(names(work)) == 20


RACER = """
import os, sys
from pathlib import Path
from zimage_cli.core.drafts import make_temporary, publish
from zimage_cli.core.request.names import numbered
folder, path = Path(sys.argv[1]), Path(sys.argv[1]) / "a.png"
print("ready", flush=True)
sys.stdin.readline()
for n in range(10):
    handle, temporary = make_temporary(folder)
    with os.fdopen(handle, "wb") as file:
        file.write(f"{os.getpid()} {n}".encode())
    publish(temporary, path, overwrite=False, numbered=lambda number: numbered(path, number))
"""


def test_processes_that_want_one_name_overwrite_nothing(work: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(work)], **pipes)  # type: ignore[call-overload]
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    found = {path.read_text() for path in work.iterdir()}
    assert found == {f"{racer.pid} {n}" for racer in racers for n in range(10)}
    assert len(names(work)) == 40


def test_a_name_that_cannot_be_leaves_what_was_made(work: Path) -> None:
    handle, temporary = make_temporary(work)
    os.close(handle)
    path = work / ("x" * 300)
    with pytest.raises(OSError):
        publish(temporary, path, overwrite=False, numbered=lambda n: numbered(path, n))
    assert temporary.exists()


def test_a_file_is_written_whole(work: Path) -> None:
    path = work / "a.json"
    for data in (b"", b"one", b"two" * 100_000):
        for sync in (True, False):
            write_whole(path, data, sync=sync)
            assert path.read_bytes() == data
    assert names(work) == ["a.json"]


def test_a_failure_leaves_nothing(work: Path, small_disk: Path) -> None:
    folder = work / "taken"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        write_whole(folder, b"data")
    assert names(work) == ["taken"]
    (small_disk / "a.json").write_bytes(b"before")
    with pytest.raises(OSError, match="No space left"):
        write_whole(small_disk / "a.json", bytes(1 << 20))
    assert names(small_disk) == ["a.json"]
    assert (small_disk / "a.json").read_bytes() == b"before"


def test_a_folder_that_is_not_there(work: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(work / "nowhere" / "a.json", b"data")


@POSIX
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes(work: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(work / "a", b"")
        write_whole(work / "b", b"", mode=0o600)
        write_whole(work / "c", b"", mode=0o664)
        put(work, "d", b"")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in work.iterdir() if path.is_file()}
    assert modes == {"a": 0o666 & ~umask, "b": 0o600, "c": 0o664, "d": 0o666 & ~umask}


@POSIX
def test_writing_never_touches_the_umask_that_all_threads_share(work: Path) -> None:
    seen, done = set[int](), threading.Event()

    def write(name: str) -> None:
        for _ in range(100):
            write_whole(work / name, b"", sync=False)

    def watch() -> None:
        # Linux tells the umask without changing it.
        while not done.is_set():
            status = Path("/proc/self/status").read_text()
            seen.add(int(status.partition("Umask:")[2].split()[0], 8))

    if not Path("/proc/self/status").exists():
        pytest.skip("the umask cannot be watched here")
    before = os.umask(0o027)
    try:
        watcher = threading.Thread(target=watch)
        watcher.start()
        writers = [threading.Thread(target=write, args=(str(n),)) for n in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        done.set()
        watcher.join()
    finally:
        after = os.umask(before)
    assert after == 0o027
    assert seen == {0o027}


@POSIX
def test_what_was_planted_among_abandoned_files_is_left(work: Path) -> None:
    (work / "other").write_bytes(b"precious")
    planted = [work / f".zimage-{number:012x}.part" for number in range(3)]
    planted[0].symlink_to(work / "other")
    os.mkfifo(planted[1])
    planted[2].mkdir()
    assert remove_abandoned(work) == 0
    assert names(work) == sorted(["other", *(path.name for path in planted)])


TAG = "0123456789abcdef"


def taken(folder: Path) -> tuple[bytes, Path]:
    handle, path = take_temporary(folder, TAG)
    with os.fdopen(handle, "r+b") as file:
        return file.read(), path


def test_what_a_dead_process_left_is_taken_up(work: Path) -> None:
    handle, path = take_temporary(work, TAG)
    assert path == tagged(work, TAG)
    os.write(handle, b"half")
    # A living one has it: another works on a file of its own.
    content, other = taken(work)
    assert (content, other == path) == (b"", False)
    other.unlink()
    os.close(handle)
    assert taken(work) == (b"half", path)


def test_what_may_be_taken_up_stays_for_a_day(work: Path) -> None:
    handle, path = take_temporary(work, TAG)
    os.utime(path, (0, 0))
    assert remove_abandoned(work) == 0
    os.close(handle)
    for hours, left in ((1, 1), (24, 1), (26, 0)):
        when = time.time() - hours * 3600
        os.utime(path, (when, when))
        assert remove_abandoned(work) == 1 - left
        assert path.exists() == bool(left)


@POSIX
def test_what_has_a_name_by_now_or_is_no_file_is_not_taken_up(work: Path) -> None:
    path = tagged(work, TAG)
    (work / "picture.png").write_bytes(b"whole")
    path.hardlink_to(work / "picture.png")
    content, other = taken(work)
    assert (content, other == path) == (b"", False)
    path.unlink()
    path.symlink_to(work / "picture.png")
    assert taken(work)[0] == b""
    path.unlink()
    os.mkfifo(path)
    assert taken(work)[0] == b""
    assert (work / "picture.png").read_bytes() == b"whole"


def test_a_folder_is_made_and_left_empty(work: Path) -> None:
    folder = work / "Ordner mit Platz" / "画"
    for _ in range(2):
        make_writable_folder(folder)
        assert names(folder) == []


@pytest.mark.parametrize("below", [".", "inner", "inner/deep"])
def test_a_file_in_the_way(work: Path, below: str) -> None:
    file = work / "taken"
    file.write_text("precious")
    with pytest.raises(UsageError, match=r"a file is in the way. Nothing was sent\.") as caught:
        make_writable_folder(file / below)
    assert str(file) in caught.value.message
    assert "--output-dir" in (caught.value.hint or "")
    assert file.read_text() == "precious"


def test_a_name_too_long_and_a_link_to_itself(work: Path) -> None:
    loop = work / "loop"
    loop.symlink_to(loop)
    for folder in (work / ("x" * 300), loop / "inner"):
        with pytest.raises(UsageError, match="cannot be written to"):
            make_writable_folder(folder)


def test_a_folder_of_the_system_that_takes_no_files() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    with pytest.raises(UsageError, match="cannot be written to"):
        make_writable_folder(Path("/proc/self"))


@POSIX
def test_a_folder_without_permission(work: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    folder = work / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(UsageError, match="permission denied"):
        make_writable_folder(folder)


def test_a_disk_with_little_left_is_full(small_disk: Path) -> None:
    with pytest.raises(UsageError, match=r"is full: \d+ KiB are left. Nothing was sent") as caught:
        make_writable_folder(small_disk)
    assert "--output-dir" in (caught.value.hint or "")
    fill(small_disk)
    assert free_bytes(small_disk) == 0
    with pytest.raises(UsageError, match="no space left on device"):
        make_writable_folder(small_disk)
    assert names(small_disk) == ["ballast"]
