"""What stands between a picture that was fetched and its name."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served
from PIL import Image

from zimage_cli.core.making.save import FolderPlace, StreamPlace
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status

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

    served = stored_png()
    assert 700_000 < len(served) < 800_000
    one = studio(place=FolderPlace(small_disk / "pictures"), wish=wish, picture_bytes=served)
    picture = one.make(on=heard(sent=fill))
    assert picture.path.read_bytes() == served
    assert picture.path.suffix == ".png"
    [warning] = one.heard.warnings
    assert "no space left on device; saved as it was served" in warning
    assert [path.name for path in (small_disk / "pictures").iterdir()] == [picture.path.name]
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
