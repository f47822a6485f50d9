"""Thumbnails: of anybody's pictures, small, upright, and without what the file says."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from zimage_cli.core.gallery import thumbnails
from zimage_cli.core.gallery.thumbnails import NotDrawn, Shelf, draw, in_two_threads, name_of
from zimage_cli.errors import UsageError

RED, BLUE = (200, 30, 30), (30, 30, 200)


def halves(mode: str, size: tuple[int, int] = (960, 480)) -> Image.Image:
    """A picture that is red at its left and blue at its right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def drawn(path: Path) -> Image.Image:
    with Image.open(io.BytesIO(draw(str(path)))) as small:
        assert small.format == "WEBP"
        small.load()
        return small


def near(pixel: Any, colour: tuple[int, ...]) -> bool:
    return all(abs(one - two) < 24 for one, two in zip(pixel, colour, strict=False))


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        *(("a.png", mode, {}) for mode in ("RGB", "RGBA", "P", "1", "L", "LA")),
        *(("a.jpg", mode, {"quality": 95}) for mode in ("RGB", "L", "CMYK")),
        *(("a.webp", mode, {"lossless": True}) for mode in ("RGB", "RGBA")),
    ],
)
def test_every_mode_is_drawn(tmp_path: Path, name: str, mode: str, options: dict[str, Any]) -> None:
    path = tmp_path / name
    halves(mode).save(path, **options)
    small = drawn(path)
    assert small.size == (480, 240)
    if mode not in {"1", "L", "LA"}:
        assert near(small.convert("RGB").getpixel((60, 120)), RED)
        assert near(small.convert("RGB").getpixel((420, 120)), BLUE)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    Image.new("I;16", (600, 300), 0x80FF).save(tmp_path / "a.png")
    assert abs(drawn(tmp_path / "a.png").convert("L").getpixel((9, 9)) - 128) < 4


def test_a_small_picture_is_not_enlarged(tmp_path: Path) -> None:
    halves("RGB", (20, 10)).save(tmp_path / "a.png")
    assert drawn(tmp_path / "a.png").size == (20, 10)


@pytest.mark.parametrize(
    ("orientation", "size", "top_left"),
    [(1, (480, 240), RED), (3, (480, 240), BLUE), (6, (240, 480), RED), (8, (240, 480), BLUE)],
)
def test_it_stands_as_its_camera_said(
    tmp_path: Path, orientation: int, size: tuple[int, int], top_left: tuple[int, int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves("RGB").save(tmp_path / "a.jpg", exif=exif, quality=95)
    small = drawn(tmp_path / "a.jpg")
    assert small.size == size
    assert near(small.convert("RGB").getpixel((20, 20)), top_left)


def test_nothing_that_the_file_says_is_carried_over(tmp_path: Path) -> None:
    info, exif = PngImagePlugin.PngInfo(), Image.Exif()
    info.add_itxt("parameters", "a secret prompt")
    exif[0x010E] = "a secret prompt"
    halves("RGB").save(tmp_path / "a.png", pnginfo=info, exif=exif)
    halves("RGB").save(tmp_path / "a.webp", exif=exif, xmp=b"<x>a secret prompt</x>")
    for name in ("a.png", "a.webp"):
        assert b"secret" not in draw(str(tmp_path / name))


def bomb(side: int) -> bytes:
    """A PNG of few bytes that claims to have a great many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GIF89a", "it is damaged"),
        (b"", "it is damaged"),
        (bomb(100)[:40], "it is damaged"),
        (bomb(100), "it is damaged"),
        (bomb(30_000), "it has more than 80,000,000 pixels"),
        (None, "no such file or directory"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_drawn_says_why(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotDrawn) as raised:
        draw(str(path))
    assert str(raised.value).startswith(why)
    assert str(tmp_path) not in str(raised.value)


def test_another_file_has_another_name() -> None:
    names = [name_of("a.png", 1, 2), name_of("b.png", 1, 2), name_of("a.png", 2, 2)]
    names += [name_of("a.png", 1, 3), name_of("a.png", 1, 2)]
    assert len({*names}) == 4
    assert all(map(thumbnails.is_ours, names))


# -- the folder -----------------------------------------------------------------------------------


def test_only_our_own_are_removed(tmp_path: Path) -> None:
    page = tmp_path / "gallery.html"
    old, kept = name_of("a", 1, 1), name_of("b", 1, 1)
    with Shelf(page) as shelf:
        shelf.put(old, b"a")
        shelf.put(kept, b"b")
    (tmp_path / "gallery_files" / "holiday.webp").write_bytes(b"mine")
    with Shelf(page) as shelf:
        assert shelf.has(old)
        shelf.tidy({kept})
    assert {path.name for path in shelf.folder.iterdir()} == {kept, "holiday.webp"}


def test_two_at_once_on_one_page_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "gallery.html"
    with Shelf(page):
        with pytest.raises(UsageError, match="Another zimage writes"), Shelf(page):
            pass
        with Shelf(tmp_path / "other.html"):
            pass
    with Shelf(page):
        pass
    # Nothing was put there.
    assert not [*tmp_path.glob("*_files")]


def test_a_thumbnail_that_a_power_cut_left_empty_is_drawn_again(tmp_path: Path) -> None:
    page, name = tmp_path / "gallery.html", name_of("a", 1, 1)
    with Shelf(page) as shelf:
        shelf.put(name, b"")
    with Shelf(page) as shelf:
        assert not shelf.has(name)


# -- two threads ----------------------------------------------------------------------------------


def test_all_are_done_by_two_threads() -> None:
    met, done = threading.Barrier(2, timeout=60), list[int]()

    def do(number: int) -> None:
        if number < 2:
            # Only where two are at work at the same time.
            met.wait()
        done.append(number)

    in_two_threads(range(100), do)
    assert sorted(done) == [*range(100)]


def test_the_first_error_ends_both() -> None:
    done = list[int]()

    def do(number: int) -> None:
        if number == 5:
            raise OSError("full")
        done.append(number)

    with pytest.raises(OSError, match="full"):
        in_two_threads(range(1_000_000), do)
    assert len(done) < 1_000_000
