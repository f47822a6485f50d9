"""The output folder: whatever a text names, nothing outside of it is read or told of."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from noise import noise

from zimage_cli.errors import UsageError
from zimage_cli.mcp.folder import LARGEST, Folder

INSIDE, SECRET = noise(64, 64, 3_000), noise(64, 64, 4_000)

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and named pipes of POSIX")


class Tree:
    """A folder with pictures and traps, and a secret beside it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.out = top / "out"
        (self.out / "sub").mkdir(parents=True)
        (top / "beside").mkdir()
        for path in (self.out / "a.png", self.out / "sub" / "b.png", self.out / "狐狸 %41.png"):
            path.write_bytes(INSIDE)
        for path in (top / "secret.png", top / "beside" / "secret.png", top / "out.png"):
            path.write_bytes(SECRET)
        (top / "outside").write_bytes(SECRET)
        (self.out / "link.png").symlink_to(self.out / "sub" / "b.png")
        (self.out / "leads-out.png").symlink_to(top / "secret.png")
        (self.out / "leads-up").symlink_to(top)
        (self.out / "loop").symlink_to("loop")
        (self.out / "root").symlink_to("/")
        os.mkfifo(self.out / "pipe.png")
        (top / "spelled").symlink_to(self.out)
        self.folder = Folder(self.out, top / "spelled", lambda: nullcontext(None))

    def read(self, ref: str) -> bytes:
        with self.folder.open(ref) as found:
            return found.file.read()

    def refused(self, ref: str) -> str:
        with pytest.raises(UsageError) as error:
            self.read(ref)
        return error.value.message


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    if sys.platform == "win32":
        pytest.skip("links and named pipes of POSIX")
    return Tree(Path(os.path.realpath(tmp_path_factory.mktemp("tree"))))


def test_what_lies_in_the_folder_is_read(tree: Tree) -> None:
    there = tree.out / "狐狸 %41.png"
    for ref in (
        "a.png",
        "sub/b.png",
        "sub/../a.png",
        "./sub//b.png",
        "link.png",
        str(tree.out / "a.png"),
        str(tree.top / "spelled" / "a.png"),
        str(there),
        there.as_uri(),
        there.as_uri().replace("file://", "FILE://localhost"),
    ):
        assert tree.read(ref) == INSIDE, ref


def test_what_lies_outside_is_told_as_what_is_nowhere(tree: Tree) -> None:
    """The words are the same whether a file is there or not, and name the folder."""
    secret = tree.top / "secret.png"
    nowhere = tree.refused("no-such-picture.png").partition(" names ")[2]
    for ref in (
        str(secret),
        secret.as_uri(),
        "../secret.png",
        "sub/../../secret.png",
        "leads-out.png",
        "leads-up/secret.png",
        f"root{secret}",
        "pipe.png",
        "loop",
        "sub",
        "",
        ".",
        "/proc/self/environ",
        "/dev/zero",
        "a.png\0",
        "a.png/../../secret.png",
        "file://elsewhere/a.png",
        "file:%2e%2e/secret.png",
        "1",
        "last",
        "9" * 5_000,
    ):
        assert tree.refused(ref).partition(" names ")[2] == nowhere, ref
    assert str(tree.out) in tree.refused(str(secret))


PIECES = (
    *("..", ".", "", "a.png", "sub", "b.png", "secret.png", "outside", "beside", "out", "spelled"),
    *("link.png", "leads-out.png", "leads-up", "root", "loop", "pipe.png", "out.png", "A.PNG"),
    *("%2e%2e", "%2f", "..%2fsecret.png", "%00", "\0", "．．", "․․", "‥", "..\u200b", "..;", "~"),
    *("proc", "self", "cwd", "fd", "0", "1", "last", "-", "*", "$HOME", "C:", "\\\\host", "\udcff"),
    "x" * 300,
)
SEPARATORS = ("/", "//", "\\", "/./", "%2f", "%5c", "／", "∕", "\0")
STARTS = ("", "/", "//", "./", "../", "file:", "file:/", "file://", "file:///", "FILE://localhost/")


@st.composite
def refs(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8))
    if not pieces:
        return draw(st.text(max_size=40))
    text = pieces[0]
    for piece in pieces[1:]:
        text += draw(st.sampled_from(SEPARATORS)) + piece
    start = draw(st.sampled_from((*STARTS, "{out}/", "{top}/", "file://{out}/", "file://{top}/")))
    return start + text


@given(ref=refs())
@example("{out}/../secret.png")
@example("file://{top}/secret.png")
@example("leads-up/out/leads-up/secret.png")
def test_no_text_names_anything_outside(tree: Tree, ref: str) -> None:
    ref = ref.replace("{out}", str(tree.out)).replace("{top}", str(tree.top))
    try:
        found = tree.read(ref)
    except UsageError as error:
        assert SECRET[:64] not in error.message.encode("utf-8", "replace")
    else:
        assert found == INSIDE


def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(tree: Tree) -> None:
    """What is swapped while it is opened leads nowhere else: the canary is never read."""
    place, kept = tree.out / "swapped", tree.out / "kept"
    place.mkdir()
    (place / "secret.png").write_bytes(INSIDE)
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            place.rename(kept)
            place.symlink_to(tree.top / "beside")
            place.unlink()
            kept.rename(place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    found: set[bytes | None] = set()
    try:
        for _ in range(2_000):
            try:
                found.add(tree.read("swapped/secret.png"))
            except UsageError:
                found.add(None)
    finally:
        ended.set()
        swapping.join()
    assert found <= {INSIDE, None}


def test_one_that_is_too_large_is_not_read(tree: Tree) -> None:
    with (tree.out / "large.png").open("wb") as file:
        file.write(INSIDE)
        file.truncate(LARGEST + 1)
    assert tree.refused("large.png") == '"large.png" is larger than 64 MiB.'


def test_a_folder_that_was_swapped_for_a_link_is_not_read(tmp_path: Path) -> None:
    tree = Tree(Path(os.path.realpath(tmp_path)))
    tree.out.rename(tree.top / "moved")
    tree.out.symlink_to(tree.top / "beside")
    assert "names no picture" in tree.refused("secret.png")


# -- the history ----------------------------------------------------------------------------------


@posix
def test_pictures_of_the_history_are_those_in_the_folder(service: Any, work: Path) -> None:
    """An id, and `last`, name no picture that was made for another folder."""
    elsewhere = work.parent / "elsewhere"
    service.generate("a red fox")
    service.generate("a blue whale", "-o", str(elsewhere / "whale.png"))
    service.script("DataInspectionFailed")
    service.generate("a green frog", status=4)
    # Another spelling of the same folder.
    (work / "linked").symlink_to(work / "output")
    service.generate("a grey owl", "--output-dir", "linked")
    service.generate("a pink pig", "-o", str(elsewhere / "pig.png"))
    rows = {row["prompt"]: row for row in service.history()}
    folder = Folder(work / "output")

    def read(ref: object) -> str:
        with folder.open(str(ref)) as found:
            assert found.entry is not None
            return str(found.path)

    for prompt, ref in (("a red fox", rows["a red fox"]["id"]), ("a grey owl", "last")):
        assert read(ref) == os.path.realpath(rows[prompt]["path"])
    nowhere = UsageError
    with pytest.raises(nowhere) as unknown:
        read(4321)
    with pytest.raises(nowhere) as outside:
        read(rows["a pink pig"]["id"])
    assert outside.value.message == unknown.value.message.replace(
        "4321", str(rows["a pink pig"]["id"])
    )
    with pytest.raises(UsageError, match=r"has no file: it is refused in the history"):
        read(rows["a green frog"]["id"])
