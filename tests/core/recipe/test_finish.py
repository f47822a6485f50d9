from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from zimage_cli.core.recipe import exif, png, xmp
from zimage_cli.core.recipe.finish import FinishError, finish
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.wish import Wish

LABEL = '{"Label":"1","ContentProducer":"001","ReservedCode1":"中文 & <é>"}'
OTHERS = ("jpeg", "webp")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


def made(served: io.BytesIO, wish: Wish, recipe: Recipe) -> tuple[Image.Image, list[str]]:
    """Finish a picture, and return it opened and what was told."""
    file = io.BytesIO()
    changed, told, sha256 = finish(served, file, wish, recipe)
    assert changed
    assert sha256 in {None, hashlib.sha256(file.getvalue()).hexdigest()}
    image = Image.open(file)
    image.load()
    assert image.format == wish.format.upper()
    return image, [str(message) for message in told]


def comment_of(image: Image.Image) -> str | None:
    comment = image.getexif().get_ifd(0x8769).get(0x9286)
    return None if comment is None else exif.decoded(comment)


def xmp_of(image: Image.Image) -> dict[xmp.Name, str]:
    return xmp.read(image.info["xmp"])


def test_a_signed_picture_is_left_as_it_is(served, recipe) -> None:
    file = io.BytesIO()
    changed, told, _ = finish(served(chunks=png.chunk_of(b"caBX", b"x")), file, Wish(), recipe)
    assert not changed
    assert file.getvalue() == b""
    (message,) = told
    assert str(message) == (
        "the service signed the picture (C2PA): saved as it is, without its recipe, because any "
        "text added to it would make the signature invalid"
    )


def test_without_metadata_a_png_is_left_as_it_is(served, recipe) -> None:
    file = io.BytesIO()
    assert finish(served(), file, Wish(metadata=False), recipe) == (False, (), None)
    assert file.getvalue() == b""


@pytest.mark.parametrize("target", ["png", *OTHERS])
def test_a_key_in_the_prompt_is_not_in_the_file(served, recipe, target) -> None:
    keys = ["sk-" + "0123456789abcdef" * 2, "sk-ws-H.EXAMPLE.abcd_1234-x", "st-" + "a1" * 10]
    prompt = " ".join(("st-petersburg-at-night, sk-short,", *keys, "on a sign"))
    recipe = recipe._replace(prompt=prompt, rewritten_prompt=f"a sign: {keys[0]}.")
    file = io.BytesIO()
    told = finish(served(), file, Wish(target), recipe).told
    assert [str(message).partition(":")[0] for message in told] == [
        "the prompt holds what looks like an API key"
    ]
    texts = file.getvalue().replace(b"\0", b"")
    assert not [key for key in keys if key[3:].encode() in texts]
    assert b"st-petersburg-at-night, sk-short, sk-\xe2\x80\xa6cdef sk-" in texts
    assert b"a sign: sk-\xe2\x80\xa6cdef." in texts


@pytest.mark.parametrize("there", [{"parameters"}, {"zimage", png.XMP}, {"parameters", "zimage"}])
def test_what_the_service_says_is_neither_changed_nor_said_again(served, recipe, there) -> None:
    own = dict.fromkeys(there, "the service's own")
    file = io.BytesIO()
    finish(served(texts=own), file, Wish(), recipe)
    ours = {
        "parameters": recipe.parameters(),
        "zimage": recipe.text(),
        png.XMP: recipe.xmp().decode(),
    }
    found = [text[:2] for text in png.texts(file)]
    assert sorted(found) == sorted({**ours, **own}.items())


def test_a_picture_that_says_all_already_is_left_as_it_is(served, recipe) -> None:
    file, again = io.BytesIO(), io.BytesIO()
    finish(served(), file, Wish(), recipe)
    assert finish(file, again, Wish(), recipe) == (False, (), None)


@settings(max_examples=25)
@given(prompt=TEXT, rewritten=st.none() | TEXT)
@pytest.mark.parametrize("target", OTHERS)
def test_any_prompt_is_read_back_from_another_format(
    recipe, served, target, prompt, rewritten
) -> None:
    recipe = recipe._replace(prompt=prompt, rewritten_prompt=rewritten)
    image, told = made(served(), Wish(target), recipe)
    assert told == []
    properties = xmp_of(image)
    assert Recipe.read(properties[xmp.RECIPE]) == recipe._replace(width=None, height=None)
    assert properties[xmp.SOURCE_TYPE].endswith("/trainedAlgorithmicMedia")
    assert properties[xmp.CREATOR_TOOL] == "zimage 0.1.0"
    written = b"UNICODE\0" + recipe.parameters().encode("utf-16-be")
    assert image.getexif().get_ifd(0x8769)[0x9286] == written
    assert comment_of(image) == recipe.parameters().strip(" ")


@pytest.mark.parametrize("target", OTHERS)
def test_the_quality_is_92_or_90_unless_it_is_given(served, recipe, target) -> None:
    def size(quality: int | None) -> int:
        file = io.BytesIO()
        finish(served(), file, Wish(target, quality, metadata=False), recipe)
        return len(file.getvalue())

    assert size(None) == size({"jpeg": 92, "webp": 90}[target])
    assert size(10) < size(None) < size(100)


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize("metadata", [True, False])
def test_the_service_s_label_is_carried_over(served, recipe, target, metadata) -> None:
    image, _ = made(served(texts={"AIGC": LABEL}), Wish(target, metadata=metadata), recipe)
    properties = xmp_of(image)
    assert properties[xmp.LABEL] == LABEL
    assert (xmp.RECIPE in properties) is metadata
    assert (comment_of(image) is not None) is metadata


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize("metadata", [True, False])
def test_the_service_s_xmp_is_carried_over_unchanged(served, recipe, target, metadata) -> None:
    own = xmp.packet(
        [xmp.Property(xmp.LABEL, LABEL), xmp.Property(xmp.DESCRIPTION, "the service's")]
    )
    served_png = served(texts={png.XMP: own.decode(), "AIGC": LABEL})
    image, _ = made(served_png, Wish(target, metadata=metadata), recipe)
    packet, properties = image.info["xmp"], xmp_of(image)
    if not metadata:
        assert packet == own
        return
    head, tail = own.split(b"</rdf:RDF>")
    assert packet.startswith(head)
    assert packet.endswith(tail)
    assert packet.count(b"AIGC>") == 2
    assert properties[xmp.DESCRIPTION] == "the service's"
    assert properties[xmp.RECIPE] == recipe.text()


@pytest.mark.parametrize("target", OTHERS)
def test_an_xmp_that_nobody_can_read_is_carried_over_too(served, recipe, target) -> None:
    image, _ = made(served(texts={png.XMP: "<broken"}), Wish(target), recipe)
    assert image.info["xmp"] == b"<broken"
    assert comment_of(image) == recipe.parameters()


@pytest.mark.parametrize("target", OTHERS)
def test_exif_and_colour_profile_are_carried_over(served, recipe, target) -> None:
    own = Image.Exif()
    own[0x013B] = "the service"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, _ = made(served(exif=own, icc_profile=profile), Wish(target), recipe)
    assert image.info["exif"].removeprefix(b"Exif\0\0") == own.tobytes().removeprefix(b"Exif\0\0")
    assert image.info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("target", "mode", "expected"),
    [
        *(("jpeg", "RGBA", "RGB"), ("jpeg", "LA", "RGB"), ("jpeg", "L", "L"), ("jpeg", "1", "L")),
        *(("jpeg", "P", "RGB"), ("webp", "RGBA", "RGB"), ("webp", "LA", "RGB")),
        *(("webp", "L", "RGB"), ("webp", "P", "RGB"), ("webp", "RGB", "RGB")),
    ],
)
def test_pixels_of_every_mode(served, recipe, target, mode, expected) -> None:
    image, _ = made(served(mode), Wish(target, 100), recipe)
    assert image.mode == expected
    with Image.open(served(mode)) as before:
        pairs = zip(
            before.convert("L").resize((3, 2)).tobytes(),
            image.convert("L").resize((3, 2)).tobytes(),
            strict=True,
        )
    assert all(abs(one - other) < 20 for one, other in pairs)


@pytest.mark.parametrize(("target", "pixel"), [("jpeg", (255, 255, 255)), ("webp", (255, 0, 0, 0))])
def test_transparency_is_kept_or_becomes_white(recipe, target, pixel) -> None:
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(file, "PNG")
    image, _ = made(file, Wish(target), recipe)
    assert image.mode == {3: "RGB", 4: "RGBA"}[len(pixel)]
    found = image.getpixel((4, 4))
    assert all(abs(one - other) < 8 for one, other in zip(found, pixel, strict=True))


@pytest.mark.parametrize("target", OTHERS)
def test_that_a_signature_cannot_survive_is_said(served, recipe, target) -> None:
    _, told = made(served(chunks=png.chunk_of(b"caBX", b"x")), Wish(target), recipe)
    shown = {"jpeg": "JPEG", "webp": "WebP"}[target]
    (message,) = told
    assert message == (
        "the service signed the picture (C2PA), and no signature survives the conversion to "
        f"{shown}: the file has none"
    )


def test_a_jpeg_holds_as_much_as_it_can_of_a_long_prompt(served, recipe) -> None:
    def parts(length: int) -> tuple[set[str], list[str]]:
        image, told = made(served(), Wish("jpeg"), recipe._replace(prompt="a" * length))
        there = {name.local for name in xmp_of(image)}
        return there | ({"comment"} if comment_of(image) else set()), told

    others = {"DigitalSourceType", "CreatorTool"}
    said = (
        "the prompt is too long for a JPEG: the file does not say all of how it was made, as a PNG "
        "would"
    )
    assert parts(20_000) == ({"Recipe", "description", "comment", *others}, [])
    assert parts(32_600) == ({"Recipe", "comment", *others}, [])
    assert parts(40_000) == ({"Recipe", *others}, [said])
    assert parts(70_000) == (others, [said])
    image, told = made(served(), Wish("webp"), recipe._replace(prompt="a" * 70_000))
    assert told == []
    assert len(json.loads(xmp_of(image)[xmp.RECIPE])["prompt"]) == 70_000


OWN_LABEL = xmp.packet([xmp.Property(xmp.LABEL, "another")]).decode()


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"AIGC": LABEL, png.XMP: OWN_LABEL}, "the service put two labels into it that differ"),
        ({"AIGC": LABEL, png.XMP: "<broken"}, "its label cannot be carried over: unclosed token"),
        ({"AIGC": "1" * 70_000}, "what the service says of the picture does not fit into the"),
        ({"AIGC": "1" * (1 << 21)}, "what the service says of the picture cannot be read"),
    ],
)
def test_a_label_is_not_lost_for_another_format(served, recipe, texts, why) -> None:
    with pytest.raises(FinishError, match=why):
        finish(served(texts=texts), io.BytesIO(), Wish("jpeg"), recipe)


def test_more_than_8_bits_a_colour_are_not_given_away(recipe) -> None:
    file = io.BytesIO()
    Image.new("I;16", (8, 8)).save(file, "PNG")
    with pytest.raises(FinishError, match=r"it has more than 8 bits a colour \(I;16\)"):
        finish(file, io.BytesIO(), Wish("jpeg"), recipe)


@given(data=st.binary(max_size=100), wish=st.sampled_from(["png", *OTHERS]), begun=st.booleans())
def test_whatever_fails_is_one_error(recipe, data, wish, begun) -> None:
    with pytest.raises(FinishError) as caught:
        finish(io.BytesIO(png.SIGNATURE * begun + data), io.BytesIO(), Wish(wish), recipe)
    assert str(caught.value.said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("target", ["png", *OTHERS])
def test_a_full_disk_is_that_error_too(served, recipe, target) -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(FinishError, match="no space left on device"),
    ):
        finish(served(), full, Wish(target), recipe)
