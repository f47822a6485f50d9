from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from zimage_cli.core.drafts import make_temporary
from zimage_cli.core.making.save import FolderPlace, StreamPlace
from zimage_cli.errors import UsageError


def save(place: FolderPlace, name: str, data: bytes) -> Path:
    with place.draft(place.wanted(name)) as draft:
        draft.file.write(data)
        return Path(draft.keep())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_draft_that_is_kept(work: Path) -> None:
    place = FolderPlace(work / "pictures")
    place.prepare()
    assert place.wanted("a.png") == str(work / "pictures" / "a.png")
    with place.draft(place.wanted("a.png")) as draft:
        draft.file.write(b"half ")
        assert not (work / "pictures" / "a.png").exists()
        [hidden] = names(work / "pictures")
        assert hidden.startswith(".")
        draft.file.write(b"whole")
        assert draft.keep() == str(work / "pictures" / "a.png")
    assert (work / "pictures" / "a.png").read_bytes() == b"half whole"
    assert names(work / "pictures") == ["a.png"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, None])
def test_a_draft_that_is_not_kept_leaves_nothing(
    work: Path, error: type[BaseException] | None
) -> None:
    place = FolderPlace(work)
    if error is None:
        with place.draft(place.wanted("a.png")) as draft:
            draft.file.write(b"x")
    else:

        def fail() -> None:
            with place.draft(place.wanted("a.png")) as draft:
                draft.file.write(b"x")
                raise error

        with pytest.raises(error):
            fail()
    assert names(work) == []


def test_what_a_process_left_that_died_is_cleared_and_what_lives_is_not(work: Path) -> None:
    place = FolderPlace(work)
    handle, died = make_temporary(work)
    os.close(handle)
    (work / ".zimage-notes.part").write_bytes(b"somebody's own")
    with place.draft(place.wanted("a.png")) as draft:
        FolderPlace(work).clear()
        assert not died.exists()
        draft.file.write(b"whole")
        draft.keep()
    assert names(work) == [".zimage-notes.part", "a.png"]


def test_nothing_is_overwritten(work: Path) -> None:
    (work / "a.png").write_bytes(b"precious")
    place = FolderPlace(work)
    assert [save(place, "a.png", b"x").name for _ in range(2)] == ["a-2.png", "a-3.png"]
    assert (work / "a.png").read_bytes() == b"precious"


def test_overwrite_replaces_what_was_there_but_nothing_of_this_run(work: Path) -> None:
    (work / "a.png").write_bytes(b"old")
    place = FolderPlace(work, filename="a.png", overwrite=True)
    place.prepare()
    assert [save(place, "a.png", data).name for data in (b"1", b"2")] == ["a.png", "a-2.png"]
    assert [(work / name).read_bytes() for name in names(work)] == [b"2", b"1"]
    again = FolderPlace(work, overwrite=True)
    assert save(again, "a.png", b"3").name == "a.png"


@pytest.mark.parametrize("overwrite", [False, True])
def test_threads_of_one_run_that_want_one_name(work: Path, overwrite: bool) -> None:
    (work / "old.png").write_bytes(b"0")
    place, start = FolderPlace(work, overwrite=overwrite), threading.Barrier(10)

    def race(number: int) -> None:
        start.wait()
        save(place, "a.png", str(number).encode())
        save(place, "old.png", str(number).encode())

    threads = [threading.Thread(target=race, args=(number,)) for number in range(1, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pattern, kept in (("a*.png", 0), ("old*.png", not overwrite)):
        found = sorted(int(path.read_bytes()) for path in work.glob(pattern))
        assert found == [0] * kept + list(range(1, 11))


@pytest.mark.parametrize("filename", ["x" * 300 + ".png", "folder"])
def test_a_name_that_cannot_be_had_is_found_before_anything_is_paid(
    work: Path, filename: str
) -> None:
    (work / "folder").mkdir()
    with pytest.raises(UsageError, match="Nothing was sent"):
        FolderPlace(work, filename=filename).prepare()


def test_a_folder_that_is_a_file(work: Path) -> None:
    (work / "taken").write_text("x")
    with pytest.raises(UsageError, match="a file is in the way"):
        FolderPlace(work / "taken").prepare()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_a_picture_is_as_readable_as_any_new_file(work: Path) -> None:
    before = os.umask(0o022)
    try:
        path = save(FolderPlace(work), "a.png", b"x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_stream_gets_everything_when_it_is_kept() -> None:
    taken: list[bytes] = []
    place = StreamPlace(taken.extend)
    place.prepare()
    assert place.wanted("a.png") == "-"
    with place.draft("-") as draft:
        draft.file.write(b"x" * 200_000)
        assert taken == []
        assert draft.keep() == "-"
    assert b"".join(taken) == b"x" * 200_000
    with place.draft("-") as draft:
        draft.file.write(b"never kept")
    assert b"never" not in b"".join(taken)
