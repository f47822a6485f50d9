"""What stands between a picture that was fetched and its name."""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served
from PIL import Image

from zimage_cli.core.drafts import tagged
from zimage_cli.core.history.history import History
from zimage_cli.core.making.fetching import part_of
from zimage_cli.core.making.recovery import Recovery
from zimage_cli.core.making.save import FolderPlace, StreamPlace
from zimage_cli.core.recipe.png import chunk_of
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status
from zimage_cli.errors import NotSavedError
from zimage_cli.sandbox.faults import Fault

BARE = Wish(metadata=False)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check_row(one: Any, data: bytes, served: bytes) -> None:
    """Check that history, evidence and disk agree on what the newest picture is."""
    row = one.read()[0]
    assert row.status == Status.SAVED
    assert (row.bytes, row.sha256, row.served_sha256) == (len(data), sha256(data), sha256(served))
    assert row.picture.document["served_sha256"] == sha256(served)


def with_long_text(png: bytes) -> bytes:
    """Return a PNG with a text that Pillow does not read."""
    body = b"Comment\0\0" + zlib.compress(bytes(2 << 20))
    chunk = struct.pack(">I4s", len(body), b"zTXt") + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    return png[:33] + chunk + png[33:]


def test_without_metadata_it_is_byte_for_byte_what_was_served(
    studio: Any, small_png: bytes
) -> None:
    one = studio(wish=BARE)
    data = one.make().path.read_bytes()
    assert data == small_png
    check_row(one, data, small_png)
    assert one.entry.finish == "png bare"


@pytest.mark.parametrize(
    ("wish", "suffix", "format"),
    [
        (Wish("jpeg"), ".jpg", "JPEG"),
        (Wish("jpeg", 30, metadata=False), ".jpg", "JPEG"),
        (Wish("webp", 100), ".webp", "WEBP"),
    ],
)
def test_another_format(
    studio: Any,
    small_png: bytes,
    wish: Wish,
    suffix: str,
    format: str,  # noqa: A002
) -> None:
    one = studio(wish=wish)
    picture = one.make("a fox")
    data = picture.path.read_bytes()
    check_row(one, data, small_png)
    assert picture.path.suffix == suffix
    assert one.files == [picture.path.name]
    assert one.entry.finish == wish.spelled
    with Image.open(picture.path) as image:
        assert (image.format, image.size) == (format, (512, 512))
    assert (b"trainedAlgorithmicMedia" in data) == wish.metadata
    # A notebook shows it too.
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_a_quality_makes_it_smaller(studio: Any) -> None:
    sizes = [studio(wish=Wish("jpeg", quality)).make(seed=quality).bytes for quality in (5, 95)]
    assert sizes[0] < sizes[1]


def test_a_stream_gets_the_finished_picture(studio: Any, small_png: bytes) -> None:
    taken = io.BytesIO()

    def write(pieces: Iterator[bytes]) -> None:
        taken.writelines(pieces)

    one = studio(place=StreamPlace(write), wish=Wish("webp"))
    one.make()
    with Image.open(taken) as image:
        assert image.format == "WEBP"
    check_row(one, taken.getvalue(), small_png)


def test_what_cannot_be_converted_is_saved_as_served_and_named_so(
    studio: Any, small_png: bytes
) -> None:
    served = with_long_text(small_png)
    one = studio(wish=Wish("webp"), picture_bytes=served)
    pictures = [one.make(seed=seed) for seed in (1, 2)]
    assert [picture.path.suffix for picture in pictures] == [".png", ".png"]
    assert all(picture.path.read_bytes() == served for picture in pictures)
    check_row(one, served, served)
    assert one.files == sorted(picture.path.name for picture in pictures)


def test_a_picture_that_could_not_be_converted_replaces_no_other(
    studio: Any, small_png: bytes, tmp_path: Path
) -> None:
    place = FolderPlace(tmp_path, overwrite=True)
    (tmp_path / "x.png").write_bytes(b"another picture")
    (tmp_path / "x.webp").write_bytes(b"to be replaced")
    served = with_long_text(small_png)
    one = studio(wish=Wish("webp"), picture_bytes=served, place=place)
    one.maker.template = NameTemplate.parse("x", suffix=".webp")
    assert one.make().path == tmp_path / "x-2.png"
    assert (tmp_path / "x.png").read_bytes() == b"another picture"


def test_it_is_said_once_in_a_run(studio: Any, small_png: bytes) -> None:
    one = studio(wish=Wish("webp"), picture_bytes=with_long_text(small_png))
    one.make(seed=1)
    [warning] = one.heard.warnings
    assert warning.startswith("the picture could not be made into WebP: ")
    assert warning.endswith("; saved as it was served, as PNG")
    one.make(seed=2)
    assert one.heard.warnings == []


def test_a_signed_picture_is_left_alone_and_that_is_said_once(studio: Any) -> None:
    one = studio(picture_bytes=None, labels=("c2pa",))
    first = one.make(seed=1)
    assert first.sha256 == first.served_sha256
    assert b"caBX" in first.path.read_bytes()
    [warning] = one.heard.warnings
    assert "C2PA" in warning
    one.make(seed=2)
    assert one.heard.warnings == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, with just enough room for the probe."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("wish", [Wish(), Wish("jpeg", 100)])
def test_a_disk_with_room_for_one_of_the_two_files(
    studio: Any, small_disk: Path, heard: Any, wish: Wish
) -> None:
    def fill() -> None:
        """Leave room for half as much again as the picture needs."""
        with (small_disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(65536)):
                continue
        os.truncate(small_disk / "ballast", file_size(small_disk / "ballast") - 1_200_000)

    # What is said of a conversion is not said where there is none.
    served = stored_png()
    served = served[:33] + chunk_of(b"caBX", b"signed") + served[33:] if wish.quality else served
    assert 700_000 < len(served) < 800_000
    one = studio(place=FolderPlace(small_disk / "pictures"), wish=wish, picture_bytes=served)
    picture = one.make(on=heard(sent=fill))
    assert picture.path.read_bytes() == served
    assert picture.path.suffix == ".png"
    [warning] = one.heard.warnings
    assert "no space left on device; saved as it was served" in warning
    assert [path.name for path in (small_disk / "pictures").iterdir()] == [picture.path.name]
    check_row(one, served, served)


def test_a_disk_on_which_only_the_last_page_is_missing(
    studio: Any, small_disk: Path, heard: Any
) -> None:
    """What is left of the finished file in a buffer is not written when that is closed either."""
    served = stored_png()
    # The recipe takes more than 600 bytes, and less than a page.
    served += bytes((4096 - 600 - len(served)) % 4096)
    pages = -(-len(served) // 4096)

    def fill() -> None:
        with (small_disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                continue
        os.truncate(small_disk / "ballast", file_size(small_disk / "ballast") - 2 * pages * 4096)

    one = studio(place=FolderPlace(small_disk / "pictures"), picture_bytes=served)
    picture = one.make(on=heard(sent=fill))
    assert picture.path.read_bytes() == served
    [warning] = one.heard.warnings
    assert "no space left on device; saved as it was served" in warning
    check_row(one, served, served)


def file_size(path: Path) -> int:
    return path.stat().st_size


def stored_png() -> bytes:
    """Return noise of 512*512 pixels, which no format makes much smaller."""
    made = io.BytesIO()
    Image.frombytes("RGB", (512, 512), os.urandom(512 * 512 * 3)).save(made, "PNG")
    return made.getvalue()


def test_the_recipe_is_written_before_the_pixels_and_nothing_else_changes(
    studio: Any, small_png: bytes
) -> None:
    behind = small_png + b"what stands behind its end"
    one = studio(picture_bytes=behind)
    data = one.make('狐狸, a "fox"\nSteps: 5').path.read_bytes()
    assert as_served_with_tail(data, small_png) == behind


def as_served_with_tail(data: bytes, small_png: bytes) -> bytes:
    end = data.index(b"IEND") + 8
    return as_served(data[:end]) + data[end:]


# -- as recovery does it -----------------------------------------------------------------------


@pytest.fixture
def recovered(studio: Any) -> Callable[..., Any]:
    """Recover a picture whose row says something else of its finishing; return it and its row."""

    def run(columns: dict[str, Any], **config: Any) -> Any:
        one = studio(retries=0, **config)
        one.server.script((Fault("picture-500", count=1),))
        with pytest.raises(NotSavedError):
            one.make()
        sets = ", ".join(f"{name} = ?" for name in columns) or "id = id"
        with closing(sqlite3.connect(one.history)) as db, db:
            db.execute(f"UPDATE generation SET {sets}", [*columns.values()])
        with closing(History(one.history)) as book:
            warnings: list[str] = []
            [told] = Recovery(
                book,
                one.maker.wire,
                folder=None,
                default_folder=one.base,
                warn=warnings.append,
            ).fetch()
        assert told.error is None
        return one, told.path, warnings

    return run


@pytest.mark.parametrize("finish", ["png", None, "made up"])
def test_recovery_finishes_as_usual(recovered: Any, small_png: bytes, finish: str | None) -> None:
    one, path, _ = recovered({"finish": finish})
    data = path.read_bytes()
    assert as_served(data) == small_png
    assert b'"prompt": "a red fox"' in data
    check_row(one, data, small_png)


def test_recovery_keeps_what_is_to_be_kept_as_served(recovered: Any, small_png: bytes) -> None:
    one, path, _ = recovered({"finish": "png bare"})
    assert path.read_bytes() == small_png
    check_row(one, small_png, small_png)


def test_recovery_converts(recovered: Any, small_png: bytes, tmp_path: Path) -> None:
    wanted = str(tmp_path / "x.webp")
    one, path, _ = recovered({"finish": "webp 80", "wanted_path": wanted})
    assert str(path) == wanted
    with Image.open(path) as image:
        assert image.format == "WEBP"
    check_row(one, path.read_bytes(), small_png)


def test_recovery_names_what_was_for_a_stream(recovered: Any) -> None:
    _, path, _ = recovered({"finish": "jpeg", "wanted_path": "-"})
    assert path.suffix == ".jpg"


def test_recovery_says_what_it_left_alone(recovered: Any) -> None:
    _, path, warnings = recovered({}, picture_bytes=None, labels=("c2pa",))
    assert b"caBX" in path.read_bytes()
    [warning] = warnings
    assert "C2PA" in warning


@pytest.mark.parametrize("wish", [Wish(), BARE, Wish("webp"), Wish("jpeg", None, metadata=False)])
def test_what_got_its_name_before_the_row_said_so_is_found(studio: Any, wish: Wish) -> None:
    one = studio(wish=wish)
    picture = one.make()
    asked = len(one.server.books.pictures)
    with closing(sqlite3.connect(one.history)) as db, db:
        db.execute(
            "UPDATE generation SET status = 'made', path = NULL, pid = NULL, owner = NULL,"
            " image_url = ?",
            (picture.image_url,),
        )
    # What was served, beside what was made of it.
    part = tagged(one.pictures, part_of(picture.image_url))
    part.write_bytes(b"served")
    with closing(History(one.history)) as book:
        [told] = Recovery(book, one.maker.wire, folder=None, default_folder=one.base).fetch()
    assert told.path == picture.path
    assert one.files == [picture.path.name]
    assert len(one.server.books.pictures) == asked
    entry = one.entry
    assert (entry.status, entry.sha256) == (Status.SAVED, picture.sha256)
    assert (entry.served_sha256, entry.width) == (picture.served_sha256, 512)


def test_a_part_that_is_not_whole_is_fetched_anew(recovered: Any, small_png: bytes) -> None:
    one, path, _ = recovered({})
    address = one.server.books.billed[0].url
    for content in (small_png[:-1], small_png[:40] + b"x" + small_png[41:], b"", b"x"):
        path.unlink()
        with closing(sqlite3.connect(one.history)) as db, db:
            sets = "status = 'made', pid = NULL, owner = NULL, image_url = ?"
            db.execute(f"UPDATE generation SET {sets}", (address,))
        tagged(path.parent, part_of(address)).write_bytes(content)
        asked = len(one.server.books.pictures)
        with closing(History(one.history)) as book:
            [told] = Recovery(book, one.maker.wire, folder=None, default_folder=one.base).fetch()
        assert as_served(told.path.read_bytes()) == small_png
        assert len(one.server.books.pictures) == asked + 1
        assert one.files == [path.name]
