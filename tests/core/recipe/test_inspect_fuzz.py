"""`inspect` takes files of anybody's making: 10,000 spoiled ones, and those made to cost much."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from zimage_cli.core.recipe import png, xmp
from zimage_cli.core.recipe.again import command
from zimage_cli.core.recipe.exif import with_comment
from zimage_cli.core.recipe.exif_reading import exif_texts
from zimage_cli.core.recipe.foreign import NoData, data_of, label_of, parameters
from zimage_cli.core.recipe.inspect import inspect
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.errors import UsageError
from zimage_cli.text import json_text

FILES = 10_000
LABEL = '{"AIGC":{"Label":"1","ContentProducer":"x","ProduceID":"1"}}'


def a_recipe(prompt: str = "a fox: 狐狸, “red”\nSteps: 5") -> Recipe:
    return Recipe(
        *(prompt, "512*512", 7, False, "z-image-turbo", "beijing", "id", None),
        *("2026-11-23T06:00:00Z", "0.1.0", 512, 512),
    )


def seeds() -> Iterator[bytes]:
    """Yield a sound file of each kind, with all that can stand in it."""
    recipe = a_recipe()
    image = Image.linear_gradient("L").resize((12, 8)).convert("RGB")
    texts = PngImagePlugin.PngInfo()
    texts.add_text(png.RECIPE, recipe.text())
    texts.add_itxt(png.PARAMETERS, recipe.parameters(), zip=True)
    texts.add_itxt(png.XMP, recipe.xmp().decode())
    texts.add_text(png.LABEL, LABEL, zip=True)
    texts.add_text("prompt", '{"1": {"class_type": "KSampler", "inputs": {"seed": 1.5}}}')
    texts.add(b"caBX", b"\0\0\0\x08jumb")
    comment = with_comment(recipe.parameters())
    packet = xmp.added(recipe.xmp(), [xmp.Property(xmp.RECIPE, recipe.text())])
    for form, options in (
        ("PNG", {"pnginfo": texts, "exif": comment}),
        ("JPEG", {"exif": comment, "xmp": packet, "comment": b"x"}),
        ("WEBP", {"exif": comment, "xmp": packet}),
    ):
        file = io.BytesIO()
        image.save(file, form, **options)
        yield file.getvalue()


def with_checksums(data: bytes) -> bytes:
    """Return a PNG with right checksums, so that what is spoiled in its texts is read."""
    spoiled, at = bytearray(data), len(png.SIGNATURE)
    while at + 12 <= len(spoiled):
        length = int.from_bytes(spoiled[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(spoiled):
            break
        spoiled[end : end + 4] = zlib.crc32(spoiled[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(spoiled)


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """Return the file with bytes changed, cut out, doubled or put in, or cut off."""
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 2, 4, 40)))
        match dice.randrange(6):
            case 0 | 1:
                data = data[:at] + dice.randbytes(end - at) + data[end:]
            case 2:
                data = data[:at] + data[end:]
            case 3:
                data = data[:end] + data[at:]
            case 4:
                odd = (b"\0", b"\xff" * 4, b"<", b"&x;", b"<!DOCTYPE x>", b"{[", b'"', b"II*\0")
                data = data[:at] + dice.choice(odd) + data[at:]
            case _:
                data = data[:at] if dice.random() < 0.2 else data
    return data


def told(path: Path) -> str:
    """Return all that is said of a file, as --json has it; fails where that is not to be had."""
    try:
        found = inspect(str(path))
    except UsageError as error:
        return error.message
    try:
        again = command(found)
    except UsageError as error:
        again = error.message
    parts = (found.recipe, found.parameters, found.comfyui, found.xmp, found.texts, found.unread)
    text = json_text([*parts, [label.data for label in found.labels], again])
    assert "NaN" not in text or json.loads(text)
    return text


def test_spoiled_files(tmp_path: Path) -> None:
    dice, kinds, pictures = random.Random(11), [*seeds()], 0
    # Written in place: to empty a file and fill it again waits for the disk each time.
    with (tmp_path / "x").open("w+b", buffering=0) as file:
        for number in range(FILES):
            data = spoiled(kinds[number % len(kinds)], dice)
            file.seek(0)
            file.write(with_checksums(data) if dice.random() < 0.7 else data)
            file.truncate()
            pictures += told(tmp_path / "x").startswith("[")
    # Most of them must have been read, or nothing was tried.
    assert pictures > FILES / 2


def chunk(kind: bytes, body: bytes) -> bytes:
    return png.chunk_of(kind, body)


def written(path: Path, *chunks: bytes, tail: bytes = b"") -> Path:
    """Write a PNG whose first chunk is followed by these."""
    plain = io.BytesIO()
    Image.new("L", (3, 2)).save(plain, "PNG")
    data = plain.getvalue()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:] + tail)
    return path


def test_texts_that_inflate_to_much(tmp_path: Path) -> None:
    fits = zlib.compress(bytes(1 << 20), 9)
    bomb = zlib.compress(bytes(64 << 20), 9)
    path = written(
        tmp_path / "x.png",
        chunk(b"zTXt", b"bomb\0\0" + bomb),
        chunk(b"iTXt", b"other\0\1\0\0\0" + bomb),
        *(chunk(b"zTXt", b"n%d\0\0" % number + fits) for number in range(100)),
    )
    tracemalloc.start()
    try:
        found = inspect(str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.unread == ("bomb", "other")
    assert (len(found.texts), found.whole) == (14, False)
    assert peak < 64 << 20


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "x.png", chunk(b"tEXt", b"parameters\0a fox"))
    with path.open("r+b") as file:
        file.truncate(96 << 20)
    tracemalloc.start()
    try:
        found = inspect(str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.bytes, found.whole) == (96 << 20, True)
    assert found.parameters == parameters("a fox")
    assert peak < 8 << 20


def test_a_file_of_too_many_chunks_is_read_in_part(tmp_path: Path) -> None:
    path = written(
        tmp_path / "x.png",
        chunk(b"tEXt", b"parameters\0a fox"),
        chunk(b"prVt", b"") * 200_000,
        chunk(b"tEXt", b"zimage\0" + a_recipe("too late").text().encode("latin-1", "replace")),
    )
    found = inspect(str(path))
    assert not found.whole
    assert found.parameters == parameters("a fox")
    assert found.recipe is None


@pytest.mark.parametrize(
    "packet",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        '<?xml version="1.0" encoding="nonsense"?><x/>',
        '<?xml version="1.0" encoding="idna"?><x/>',
        '<?xml version="1.0" encoding="utf-16"?><x/>',
        "<x>&unknown;</x>",
        "<x" * 100_000,
        "",
        "\0",
    ],
)
def test_xmp_that_is_refused(tmp_path: Path, packet: str) -> None:
    text = png.text_chunk(png.XMP, packet)
    assert inspect(str(written(tmp_path / "x.png", text))).unread == ("XMP",)


def test_xmp_nested_deeply_says_nothing(tmp_path: Path) -> None:
    text = png.text_chunk(png.XMP, "<x>" * 140_000 + "</x>" * 140_000)
    found = inspect(str(written(tmp_path / "x.png", text)))
    assert (found.xmp, found.unread) == ({}, ())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        '{"a":' * 70 + "1" + "}" * 70,
        "[" * 65 + "]" * 65,
        '{"a": 1' + "0" * 5000 + "}",
        '{"a": tru',
        '"a text"',
        "7",
        "",
    ],
)
def test_json_that_is_no_data(text: str) -> None:
    with pytest.raises(NoData):
        data_of(text)


def test_json_that_json_cannot_write_becomes_null() -> None:
    assert data_of('{"a": [NaN, -Infinity, 1e999, 1.5]}') == {"a": [None, None, None, 1.5]}
    assert data_of("[" * 64 + "]" * 64)


@pytest.mark.parametrize(
    "line",
    ["a", " ", "a:", 'a: "', 'a: "\\', "a b: ", ",", ", a: \n", "Steps: ", "\nSteps:", '\\"'],
)
def test_parameters_made_to_cost_much(line: str) -> None:
    text = "Steps: 1, " + line * ((1 << 20) // len(line))
    assert len(str(parameters(text))) < 3 << 20


def test_exif_whose_values_overlap(tmp_path: Path) -> None:
    count = 60_000
    value = 12 * count + 100_000
    entry = struct.pack("<HHII", 0x9286, 7, value, 10)
    data = b"II*\0" + struct.pack("<IH", 8, count) + entry * count + bytes(100_000)
    found = inspect(str(written(tmp_path / "x.png", chunk(b"eXIf", data))))
    assert (found.format, found.recipe, found.source) == ("png", None, None)


def test_xmp_of_many_items(tmp_path: Path) -> None:
    rdf = 'xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    dc = 'xmlns:d="http://purl.org/dc/elements/1.1/"'
    items = "<r:Alt>" + "<r:li>x</r:li>" * 70_000 + "</r:Alt>"
    packet = (
        f"<r:RDF {rdf}><r:Description {dc}><d:description>{items}</d:description>"
        "</r:Description></r:RDF>"
    )
    found = inspect(str(written(tmp_path / "x.png", png.text_chunk(png.XMP, packet))))
    assert found.xmp == {"description": "x"}


def test_many_texts_and_labels(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(2 << 20), 9)
    path = written(
        tmp_path / "x.png",
        *(chunk(b"tEXt", b"AIGC\0%d" % number) for number in range(50_000)),
        *(chunk(b"zTXt", b"bomb\0\0" + bomb) for _ in range(500)),
    )
    found = inspect(str(path))
    assert (len(found.labels), len(found.texts)) == (16, 49_984)
    assert found.unread == ("bomb",)


@given(st.text() | st.from_regex(r"(.|\n)*\nSteps: 1, .*: .*, \w+: \".*"))
def test_any_text(text: str) -> None:
    found = parameters(text)
    assert (
        found.settings or found.negative_prompt is not None or found.prompt in text or "\r" in text
    )
    json_text([found, label_of(text)])


@given(st.sampled_from([b"", b"Exif\0\0II*\0\10\0\0\0", b"MM\0*\0\0\0\10"]), st.binary())
def test_any_exif(head: bytes, data: bytes) -> None:
    assert all(isinstance(text, str) for text in exif_texts(head + data).values())
