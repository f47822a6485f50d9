from __future__ import annotations

import hashlib
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zimage_cli.api.png import SIGNATURE, PngCheck, PngError
from zimage_cli.core.recipe import png
from zimage_cli.core.recipe.finish import finish
from zimage_cli.core.request.wish import Wish

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


def check(data: bytes) -> None:
    whole = PngCheck()
    whole.feed(data)
    whole.finish()


@given(prompt=TEXT, rewritten=st.none() | TEXT, after=st.binary(max_size=20))
def test_any_prompt_is_read_back_and_all_else_is_as_it_was(
    recipe, served, prompt, rewritten, after
) -> None:
    recipe = recipe._replace(prompt=prompt, rewritten_prompt=rewritten)
    own, made = served(texts={"AIGC": '{"Label":"1"}'}), io.BytesIO()
    own.seek(0, io.SEEK_END)
    own.write(after)
    done = finish(own, made, Wish(), recipe)
    assert done == (True, (), hashlib.sha256(made.getvalue()).hexdigest())

    data, new = made.getvalue(), list(png.chunks(made))[2:5]
    check(data)
    start, end = new[0].offset, new[-1].offset + new[-1].length + 12
    assert data[:start] + data[end:] == own.getvalue()
    assert data[end + 4 : end + 8] == b"IDAT"
    texts = {text.keyword: text.text for text in png.texts(made)}
    assert texts == {
        "AIGC": '{"Label":"1"}',
        "parameters": recipe.parameters(),
        "zimage": recipe.text(),
        "XML:com.adobe.xmp": recipe.xmp().decode(),
    }
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert {name: str(text) for name, text in image.text.items()} == texts


@pytest.mark.parametrize(
    ("text", "kind"),
    [("café\n¿\u00a0", b"tEXt"), ("狐狸", b"iTXt"), ("\x85", b"iTXt"), ("€", b"iTXt")],
)
def test_a_text_is_latin_1_where_it_can_be(served, text, kind) -> None:
    made = served(texts={"zimage": text})
    assert list(png.texts(made)) == [("zimage", text, kind)]


def body_of(kind: bytes, text: bytes, *, compressed: bool) -> bytes:
    packed = zlib.compress(text, 9) if compressed else text
    if kind == b"iTXt":
        return b"k\0" + bytes([compressed]) + b"\0en\0key\0" + packed
    return b"k\0" + (b"\0" if compressed else b"") + packed


@pytest.mark.parametrize(
    ("kind", "compressed"),
    [(b"tEXt", False), (b"zTXt", True), (b"iTXt", False), (b"iTXt", True)],
)
def test_a_text_of_at_most_a_mebibyte_is_read(served, kind, compressed) -> None:
    longest = body_of(kind, b"a" * (1 << 20), compressed=compressed)
    longer = body_of(kind, b"a" * ((1 << 20) + 1), compressed=compressed)
    made = served(chunks=png.chunk_of(kind, longest) + png.chunk_of(kind, longer))
    assert list(png.texts(made)) == [("k", "a" * (1 << 20), kind), ("k", None, kind)]


DAMAGED = {
    "bad checksum": png.chunk_of(b"tEXt", b"k\0text")[:-1] + b"?",
    "no zlib": png.chunk_of(b"zTXt", b"k\0\0no zlib"),
    "an unknown compression": png.chunk_of(b"zTXt", b"k\0\1" + zlib.compress(b"a")),
    "cut off": png.chunk_of(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 99)[:-5]),
    "no UTF-8": png.chunk_of(b"iTXt", b"k\0\0\0\0\0\xff"),
    "no key": png.chunk_of(b"iTXt", b"k\0\0\0\0"),
    "flags": png.chunk_of(b"iTXt", b"k\0\2\0\0\0a"),
}


@pytest.mark.parametrize("chunk", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_text_is_told_as_such(served, chunk) -> None:
    texts = list(png.texts(served(chunks=chunk, texts={"after": "a"})))
    assert [text[:2] for text in texts if text.keyword == "k"] == [("k", None)]


def test_no_more_than_256_texts_are_read(served) -> None:
    made = served(chunks=png.chunk_of(b"tEXt", b"k\0a") * 300)
    assert len(list(png.texts(made))) == 256


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_chunks_or_an_error(data, begun) -> None:
    file = io.BytesIO(SIGNATURE * begun + data)
    try:
        assert list(png.texts(file)) is not None
        assert next(png.chunks(file)).kind.isalpha()
    except PngError as error:
        assert str(error)


def test_what_is_cut_off_has_chunks_up_to_there(served) -> None:
    walked = png.chunks(io.BytesIO(served().getvalue()[:-1]))
    assert [next(walked).kind for _ in range(2)] == [b"IHDR", b"IDAT"]
    with pytest.raises(PngError, match="it ends before its last chunk"):
        next(walked)
    with pytest.raises(PngError, match="it does not begin like a PNG"):
        next(png.chunks(io.BytesIO(SIGNATURE[:-1])))


def test_a_length_beyond_the_file_is_an_error() -> None:
    file = io.BytesIO(SIGNATURE + struct.pack(">I4s", 0x7FFFFFFF, b"IDAT"))
    with pytest.raises(PngError, match="it ends before its last chunk"):
        list(png.chunks(file))


def test_what_has_no_pixels_takes_no_chunks() -> None:
    with pytest.raises(PngError, match="it has no pixel data"):
        png.splice(b"", io.BytesIO(), [], [])
