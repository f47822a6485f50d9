from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zimage_cli.api.png import SIGNATURE, PngCheck, PngError, PngInfo

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(
    width: int, height: int, depth: int = 8, colour: int = 0, rest: tuple[int, int, int] = (0, 0, 0)
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *rest))


def rows(
    width: int, height: int, depth: int = 8, colour: int = 0, interlaced: bool = False
) -> bytes:
    """Random pixels, every row with a filter byte of its own."""
    dice = random.Random(f"{width} {height} {depth} {colour}")
    found = bytearray()
    for x, y, dx, dy in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = len(range(x, width, dx)), len(range(y, height, dy))
        if columns:
            for line in range(lines):
                # Index 0 alone is in every palette.
                length = (columns * depth * CHANNELS[colour] + 7) // 8
                found += bytes([0 if colour == 3 else line % 5])
                found += bytes(length) if colour == 3 else dice.randbytes(length)
    return bytes(found)


def png(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 0,
    *,
    interlaced: bool = False,
    pieces: int = 1,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
) -> bytes:
    data = zlib.compress(rows(width, height, depth, colour, interlaced))
    step = -(-len(data) // pieces)
    palette = [chunk(b"PLTE", bytes(3 * min(1 << depth, 256)))] if colour == 3 else []
    return b"".join(
        [
            SIGNATURE,
            header(width, height, depth, colour, (0, 0, int(interlaced))),
            *before,
            *palette,
            *(chunk(b"IDAT", data[i : i + step]) for i in range(0, len(data), step)),
            *after,
            chunk(b"IEND"),
        ]
    )


def check(data: bytes, step: int = 0) -> PngInfo:
    checker = PngCheck()
    for start in range(0, len(data), step or max(1, len(data))):
        checker.feed(data[start : start + (step or len(data))])
    return checker.finish()


def decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
    except Exception:  # noqa: BLE001 - whatever Pillow says, it cannot show it
        return False
    return True


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_of_png_in_pieces_of_every_size(
    colour: int, depth: int, interlaced: bool
) -> None:
    for width, height in ((1, 1), (1, 9), (9, 1), (3, 5), (17, 33)):
        data = png(width, height, depth, colour, interlaced=interlaced, pieces=3)
        assert decodes(data)
        for step in (0, 1, 7, 64):
            assert check(data, step) == PngInfo(width, height)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}])
def test_what_pillow_writes(mode: str, options: dict[str, int]) -> None:
    file = io.BytesIO()
    Image.effect_noise((129, 65), 80).convert("RGB" if mode == "P" else "L").convert(mode).save(
        file, "PNG", **options
    )
    assert check(file.getvalue()) == check(file.getvalue(), 1) == PngInfo(129, 65)


def test_the_largest_picture_of_the_service() -> None:
    began = time.thread_time()
    assert check(png(2048, 2048, 8, 0), 65536) == PngInfo(2048, 2048)
    assert time.thread_time() - began < 5


def test_chunks_that_a_service_may_add() -> None:
    label = chunk(b"tEXt", b"AIGC\0{}"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    data = png(9, 9, before=[*label, chunk(b"caBX", bytes(5000))], after=label, pieces=5)
    assert check(data) == check(data, 1) == PngInfo(9, 9)


def test_an_empty_idat_is_allowed() -> None:
    pixels = zlib.compress(rows(4, 4))
    parts = [b"", pixels[:5], b"", pixels[5:], b""]
    data = SIGNATURE + header(4, 4) + b"".join(chunk(b"IDAT", p) for p in parts) + chunk(b"IEND")
    assert check(data) == check(data, 1) == PngInfo(4, 4)


def test_bytes_behind_the_end_are_let_through() -> None:
    for tail in (b"x", b"<html>" * 1000, SIGNATURE):
        assert check(png(4, 4) + tail) == check(png(4, 4) + tail, 3) == PngInfo(4, 4)


SMALL = png(5, 4, 8, 2, before=[chunk(b"tEXt", b"a\0b")], pieces=2)


def test_truncation_at_every_length_is_caught() -> None:
    for length in range(len(SMALL)):
        for step in (0, 1):
            with pytest.raises(PngError):
                check(SMALL[:length], step)


def test_every_single_wrong_byte_is_caught_or_does_no_harm() -> None:
    for place in range(len(SMALL)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            spoiled = bytearray(SMALL)
            spoiled[place] ^= flip
            try:
                check(bytes(spoiled))
            except PngError:
                continue
            assert decodes(bytes(spoiled)), (place, flip)


def test_every_missing_and_every_added_byte_is_caught_or_does_no_harm() -> None:
    for place in range(len(SMALL)):
        for spoiled in (
            SMALL[:place] + SMALL[place + 1 :],
            SMALL[:place] + b"\x00" + SMALL[place:],
        ):
            try:
                check(spoiled)
            except PngError:
                continue
            assert decodes(spoiled), place


def idat(pixels: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(pixels))


GREY = rows(4, 4)
END = chunk(b"IEND")
WRONG = {
    "nothing": b"",
    "a JPEG": b"\xff\xd8\xff\xe0" + bytes(100),
    "HTML": b"<!doctype html><html></html>",
    "a signature alone": SIGNATURE,
    "text mode": SIGNATURE.replace(b"\r\n", b"\n") + SMALL[8:],
    "no header": SIGNATURE + idat(GREY) + END,
    "a chunk before the header": SIGNATURE + chunk(b"tEXt", b"a\0b") + SMALL[8:],
    "two headers": SIGNATURE + header(4, 4) * 2 + idat(GREY) + END,
    "a short header": SIGNATURE + chunk(b"IHDR", bytes(12)) + idat(GREY) + END,
    "no pixels": SIGNATURE + header(4, 4) + END,
    "no end": SIGNATURE + header(4, 4) + idat(GREY),
    "an end with a body": SIGNATURE + header(4, 4) + idat(GREY) + chunk(b"IEND", b"x"),
    "no width": SIGNATURE + header(0, 4) + idat(GREY) + END,
    "no height": SIGNATURE + header(4, 0) + idat(GREY) + END,
    "a row too few": SIGNATURE + header(4, 5) + idat(GREY) + END,
    "a row too many": SIGNATURE + header(4, 3) + idat(GREY) + END,
    "a byte too few": SIGNATURE + header(4, 4) + idat(GREY[:-1]) + END,
    "a byte too many": SIGNATURE + header(4, 4) + idat(GREY + b"\0") + END,
    "a filter that is none": SIGNATURE + header(4, 4) + idat(b"\x05" + GREY[1:]) + END,
    "colour type 1": SIGNATURE + header(4, 4, 8, 1) + idat(GREY) + END,
    "colour type 7": SIGNATURE + header(4, 4, 8, 7) + idat(GREY) + END,
    "16 bits a palette index": SIGNATURE + header(4, 4, 16, 3) + idat(GREY) + END,
    "3 bits a sample": SIGNATURE + header(4, 4, 3, 0) + idat(GREY) + END,
    "compression 1": SIGNATURE + header(4, 4, 8, 0, (1, 0, 0)) + idat(GREY) + END,
    "filter method 1": SIGNATURE + header(4, 4, 8, 0, (0, 1, 0)) + idat(GREY) + END,
    "interlace 2": SIGNATURE + header(4, 4, 8, 0, (0, 0, 2)) + idat(GREY) + END,
    "no palette": SIGNATURE + header(4, 4, 8, 3) + idat(GREY) + END,
    "a palette behind the pixels": SIGNATURE
    + header(4, 4, 8, 2)
    + idat(rows(4, 4, 8, 2))
    + chunk(b"PLTE", bytes(3))
    + END,
    "an odd palette": SIGNATURE + header(4, 4, 8, 3) + chunk(b"PLTE", bytes(4)) + idat(GREY) + END,
    "pixels apart": SIGNATURE
    + header(4, 4)
    + chunk(b"IDAT", zlib.compress(GREY)[:8])
    + chunk(b"tEXt", b"a\0b")
    + chunk(b"IDAT", zlib.compress(GREY)[8:])
    + END,
    "an unknown critical chunk": SIGNATURE + header(4, 4) + chunk(b"FooB") + idat(GREY) + END,
    "pixels that are not zlib": SIGNATURE + header(4, 4) + chunk(b"IDAT", b"junk" * 9) + END,
    "pixels cut short": SIGNATURE + header(4, 4) + chunk(b"IDAT", zlib.compress(GREY)[:-5]) + END,
    "a wrong adler": SIGNATURE
    + header(4, 4)
    + chunk(b"IDAT", zlib.compress(GREY)[:-1] + b"?")
    + END,
    "a preset dictionary": SIGNATURE + header(4, 4) + chunk(b"IDAT", b"\x78\xbb" + bytes(20)) + END,
    "a chunk without end": SIGNATURE + header(4, 4) + b"\xff\xff\xff\xfftEXt" + bytes(100),
    "a chunk of 2 GiB": SIGNATURE + header(4, 4) + b"\x7f\xff\xff\xfftEXt" + bytes(100),
    "a name that is none": SIGNATURE + header(4, 4) + chunk(b"a\0b1") + idat(GREY) + END,
    "100,000 pixels a side": SIGNATURE + header(100_000, 1) + idat(bytes(100_001)) + END,
    "more pixels than memory": SIGNATURE + header(60_000, 60_000) + idat(GREY) + END,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_sound_png(name: str) -> None:
    for step in (0, 1):
        with pytest.raises(PngError) as caught:
            check(WRONG[name], step)
        assert str(caught.value).isascii() or "×" in str(caught.value)


def test_a_bomb_takes_neither_memory_nor_time() -> None:
    compress = zlib.compressobj(9)
    bomb = b"".join(compress.compress(bytes(1 << 20)) for _ in range(300)) + compress.flush()
    began = time.thread_time()
    tracemalloc.start()
    try:
        for before in (header(4, 4), header(2048, 2048)):
            with pytest.raises(PngError, match="dimensions"):
                check(SIGNATURE + before + chunk(b"IDAT", bomb) + END)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 1024 * 1024
    assert time.thread_time() - began < 10


def test_a_large_chunk_that_is_no_picture_is_not_kept() -> None:
    checker, piece = PngCheck(), bytes(1 << 16)
    checker.feed(SIGNATURE + header(4, 4) + struct.pack(">I", 60 << 20) + b"teXt")
    tracemalloc.start()
    try:
        for _ in range(500):
            checker.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


@given(st.binary(max_size=300), st.integers(0, 20))
def test_random_bytes_are_only_ever_a_png_error(data: bytes, step: int) -> None:
    for start in (b"", SIGNATURE, SIGNATURE + header(4, 4), SMALL[:60]):
        with pytest.raises(PngError):
            check(start + data, step)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=6))
@settings(max_examples=300)
def test_what_passes_decodes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for place, value in changes:
        data[place] = value
    # Right checksums let wrong bodies through to the checks behind them.
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(bytes(data[at + 4 : end])))
        at = end + 4
    try:
        check(bytes(data))
    except PngError:
        return
    assert decodes(bytes(data))
