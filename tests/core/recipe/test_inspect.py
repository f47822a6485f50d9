"""What pictures say of their making: ours, those of other programs, and AI labels."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from zimage_cli.core.recipe import png, xmp
from zimage_cli.core.recipe.again import command
from zimage_cli.core.recipe.exif import with_comment
from zimage_cli.core.recipe.finish import Wish, finish
from zimage_cli.core.recipe.foreign import Parameters, label_of, parameters
from zimage_cli.core.recipe.inspect import Inspected, Label, Source, inspect
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.errors import UsageError
from zimage_cli.sandbox.labels import labelled

FORMATS = ("png", "jpeg", "webp")
LABEL = {"Label": "1", "ContentProducer": "somebody", "ProduceID": "1"}
A1111 = """masterpiece, a cat
with a hat: red
Negative prompt: ugly, (bad:1.2)
two heads
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 123, Size: 512x768, Model: sdxl, \
Lora hashes: "a: 1, b: 2", Version: v1.6.0"""
OF_A1111 = Parameters(
    "masterpiece, a cat\nwith a hat: red",
    "ugly, (bad:1.2)\ntwo heads",
    {
        "Steps": "20",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "123",
        "Size": "512x768",
        "Model": "sdxl",
        "Lora hashes": "a: 1, b: 2",
        "Version": "v1.6.0",
    },
)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Inspected]:
    """Save a picture with Pillow, as other programs do, and inspect it."""

    def make(form: str = "png", texts: dict[str, str] | None = None, **options: Any) -> Inspected:
        info = PngImagePlugin.PngInfo()
        for keyword, text in (texts or {}).items():
            info.add_itxt(keyword, text)
        path = tmp_path / f"x.{form}"
        image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
        image.save(path, form, **({"pnginfo": info} if form == "png" else {}), **options)
        return inspect(str(path))

    return make


def exif_of(order: str, *entries: tuple[int, int, bytes]) -> bytes:
    """Return EXIF with a UserComment-like tag in its own directory, others in the first."""
    byte_order = {"<": b"II*\0", ">": b"MM\0*"}[order]
    first = [one for one in entries if one[0] != 0x9286]
    comment = [one for one in entries if one[0] == 0x9286]
    at = 8 + 2 + 12 * (len(first) + 1) + 4
    pointer = (0x8769, 4, struct.pack(f"{order}I", at))
    body, data = b"", b""
    data_at = at + 2 + 12 * len(comment) + 4
    for directory in ([*first, pointer], comment):
        body += struct.pack(f"{order}H", len(directory))
        for tag, kind, value in directory:
            if len(value) <= 4:
                place = value.ljust(4, b"\0")
            else:
                place = struct.pack(f"{order}I", data_at + len(data))
                data += value
            count = len(value) // 4 if kind == 4 else len(value)
            body += struct.pack(f"{order}HHI", tag, kind, count) + place
        body += bytes(4)
    return b"Exif\0\0" + byte_order + struct.pack(f"{order}I", 8) + body + data


# -- zimage's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "prompt",
    [
        "it's “red”: a, b\n\nSteps: 5\n狐狸 🦊",
        "Negative prompt: none",
        " -x",
        "\\n",
        "Seed: 1" * 99,
    ],
)
def test_a_finished_picture_says_its_recipe(
    served: Any, recipe: Recipe, tmp_path: Path, form: str, prompt: str
) -> None:
    recipe = recipe._replace(prompt=prompt, width=24, height=16)
    path = tmp_path / "x"
    with path.open("w+b") as file:
        finish(served(), file, Wish(form), recipe)
    found = inspect(str(path))
    assert found.recipe == recipe._replace(width=None, height=None)
    assert (found.format, found.width, found.height) == (form, 24, 16)
    assert (found.source, found.prompt_extend, found.whole) == (Source.ZIMAGE, True, True)
    # What only says the same in another form is not told twice.
    assert (found.parameters, found.texts, found.unread) == (None, (), ())
    assert found.xmp["description"] == prompt
    assert found.bytes == path.stat().st_size


@pytest.mark.parametrize(
    "prompt", ["a, b: c", "two\nlines\nSteps: 5\nmore", "Negative prompt: none", "狐狸"]
)
def test_without_our_text_the_others_are_trusted(picture: Any, recipe: Recipe, prompt: str) -> None:
    recipe = recipe._replace(prompt=prompt)
    found = picture(texts={png.PARAMETERS: recipe.parameters(), png.XMP: recipe.xmp().decode()})
    assert found.source is Source.PARAMETERS
    own = found.recipe
    assert (own.prompt, own.size, own.seed) == (prompt, "1024*1024", 7)
    assert (own.model, own.version) == ("z-image-turbo", "0.1.0")
    assert (found.prompt_extend, found.parameters) == (None, None)
    for form in ("jpeg", "webp"):
        found = picture(form, exif=with_comment(recipe.parameters()), xmp=recipe.xmp())
        assert (found.source, found.recipe) == (Source.USER_COMMENT, own)
    found = picture(texts={png.XMP: recipe.xmp().decode()})
    assert (found.source, found.recipe.prompt, found.recipe.seed) == (Source.XMP, prompt, None)


def test_the_order_of_trust(picture: Any, recipe: Recipe) -> None:
    texts = {
        png.XMP: recipe._replace(prompt="in XMP").xmp().decode(),
        png.PARAMETERS: recipe._replace(prompt="in parameters").parameters(),
        png.RECIPE: recipe._replace(prompt="ours").text(),
    }
    found = picture(texts=texts)
    assert (found.source, found.recipe.prompt) == (Source.ZIMAGE, "ours")
    # It says something else than the recipe: so it is shown.
    assert found.parameters.prompt == "in parameters"
    # What is no recipe under our name is a text like any other.
    texts[png.RECIPE] = '{"prompt": 7}'
    found = picture(texts=texts)
    assert (found.source, found.recipe.prompt) == (Source.PARAMETERS, "in parameters")
    assert found.texts == ((png.RECIPE, '{"prompt": 7}'),)


# -- other programs ----------------------------------------------------------------------------


def test_parameters_of_another_program(picture: Any) -> None:
    found = picture(texts={"parameters": A1111})
    assert (found.recipe, found.source, found.parameters) == (None, None, OF_A1111)
    both = picture(texts={"parameters": A1111, "zimage": '{"prompt": "a fox"}'})
    assert (both.recipe.prompt, both.parameters) == ("a fox", OF_A1111)


@pytest.mark.parametrize("form", ["jpeg", "webp"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + A1111.encode("utf-16-be"),
        b"UNICODE\0" + A1111.encode("utf-16-le"),
        b"UNICODE\0" + A1111.encode("utf-16"),
        b"ASCII\0\0\0" + A1111.encode(),
        bytes(8) + A1111.encode(),
        A1111.encode() + b"\0",
    ],
    ids=["UTF-16 BE", "UTF-16 LE", "UTF-16 with a mark", "ASCII", "undefined", "bare"],
)
def test_comments_in_every_encoding(picture: Any, form: str, order: str, comment: bytes) -> None:
    found = picture(form, exif=exif_of(order, (0x9286, 7, comment)))
    assert found.parameters == OF_A1111


def test_the_comment_of_a_camera_is_no_prompt(picture: Any) -> None:
    exif = exif_of("<", (0x010F, 2, b"Canon\0"), (0x9286, 7, b"ASCII\0\0\0At the lake, 2019"))
    found = picture("jpeg", exif=exif)
    assert found.parameters is None
    assert found.texts == (("Make", "Canon"), ("UserComment", "At the lake, 2019"))


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "settings"),
    [
        ("just words", "just words", None, 0),
        ("a\n\nb, c", "a\n\nb, c", None, 0),
        ("a: b, c: d", "a: b, c: d", None, 0),
        ("Negative prompt: ugly\nSteps: 1, Seed: 2, Size: 3x4", "", "ugly", 3),
        ("a\r\nNegative prompt: b\r\nSteps: 1, Seed: 2, Size: 3x4\r\n", "a", "b", 3),
        ("Steps: 1, Seed: 2, Size: 3x4", "", None, 3),
        ("a\nSeed: 2, Size: 3x4, Model: m", "a", None, 3),
        ("a\nSteps: 5\nb\nSteps: 1, Seed: 2, Size: 3x4", "a\nSteps: 5\nb", None, 3),
        ('a\nSteps: 1, Seed: 2, Note: "x, \\"y\\""', "a", None, 3),
        ('a\nSteps: 1, Seed: 2, Note: "x', "a", None, 3),
        ("a\nSteps: 1, Seed: 2, Size: 3x4\nTemplate: t", "a", None, 4),
        ("", "", None, 0),
    ],
)
def test_forms_of_parameters(text: str, prompt: str, negative: str | None, settings: int) -> None:
    found = parameters(text)
    assert (found.prompt, found.negative_prompt, len(found.settings)) == (
        prompt,
        negative,
        settings,
    )


def test_comfyui(picture: Any) -> None:
    prompt = {"3": {"class_type": "KSampler", "inputs": {"seed": 5}, "is_changed": None}}
    workflow = {"nodes": [{"id": 3}], "version": 0.4}
    texts = {
        "prompt": json.dumps(prompt).replace("null", "[NaN]"),
        "workflow": json.dumps(workflow),
    }
    prompt["3"]["is_changed"] = [None]
    assert picture(texts=texts).comfyui == {"prompt": prompt, "workflow": workflow}
    tags = [
        (0x010F, 2, f"workflow:{texts['workflow']}\0".encode()),
        (0x0110, 2, f"prompt:{texts['prompt']}\0".encode()),
    ]
    found = picture("webp", exif=exif_of("<", *tags))
    assert (found.comfyui, found.texts) == ({"workflow": workflow, "prompt": prompt}, ())
    # Words under these names are words.
    found = picture(texts={"prompt": "a fox", "workflow": "{broken"})
    assert (found.comfyui, found.texts) == ({}, (("prompt", "a fox"), ("workflow", "{broken")))


def test_other_texts(picture: Any) -> None:
    texts = {"Description": "a fox", "Comment": '{"steps": 28}'}
    assert picture(texts=texts).texts == tuple(texts.items())
    [found] = picture("jpeg", xmp=xmp.packet([xmp.Property(xmp.DESCRIPTION, "A lake")])).xmp.items()
    assert found == ("description", "A lake")


# -- AI labels and C2PA ------------------------------------------------------------------------


def test_labels_of_a_service(served: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(labelled(served().getvalue(), ("aigc", "xmp", "c2pa")))
    found = inspect(str(path))
    [label] = found.labels
    assert label.source == "AIGC, XMP"
    assert isinstance(label.data, dict)
    assert label.data["ContentProducer"] == "zimage-sandbox"
    assert found.c2pa
    assert found.xmp == {"creator_tool": "zimage sandbox"}
    assert found.recipe is None


@pytest.mark.parametrize("form", FORMATS)
def test_a_label_in_xmp(picture: Any, form: str) -> None:
    text = json.dumps(LABEL)
    space = "http://www.tc260.org.cn/ns/AIGC/1.0/"
    quoted = text.replace('"', "&quot;")
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    for packet in (
        xmp.packet([xmp.Property(xmp.LABEL, text)]),
        # As an attribute, and with another prefix.
        f'<r:RDF xmlns:r="{rdf}"><r:Description xmlns:q="{space}" q:AIGC="{quoted}"/></r:RDF>'
        "".encode(),
    ):
        options = {"texts": {png.XMP: packet.decode()}} if form == "png" else {"xmp": packet}
        assert picture(form, **options).labels == (Label("XMP", LABEL),)


def test_labels_elsewhere(picture: Any) -> None:
    wrapped = json.dumps({"AIGC": LABEL})
    found = picture("jpeg", exif=exif_of(">", (0x9286, 7, b"ASCII\0\0\0" + wrapped.encode())))
    assert found.labels == (Label("UserComment", LABEL),)
    found = picture("webp", exif=exif_of("<", (0x010E, 2, json.dumps(LABEL).encode() + b"\0")))
    assert found.labels == (Label("ImageDescription", LABEL),)
    both = picture(texts={"AIGC": wrapped, png.XMP: xmp.packet([]).decode()})
    assert both.labels == (Label("AIGC", LABEL),)
    # Two that differ are both told, and what is no JSON as it stands.
    two = xmp.packet([xmp.Property(xmp.LABEL, '{"Label":"2"}')]).decode()
    found = picture(texts={"AIGC": "true", png.XMP: two})
    assert found.labels == (Label("AIGC", "true"), Label("XMP", {"Label": "2"}))
    assert label_of("{") == "{"


def test_c2pa_in_other_containers(picture: Any, tmp_path: Path) -> None:
    box = b"\0\0\0\x26jumb\0\0\0\x1ejumdc2pa" + bytes(12) + b"\x03c2pa\0"
    picture("jpeg"), picture("webp")
    data = (tmp_path / "x.jpeg").read_bytes()
    body = b"JP\0\1\0\0\0\1" + box
    (tmp_path / "a").write_bytes(
        data[:2] + b"\xff\xeb" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    )
    data = (tmp_path / "x.webp").read_bytes()
    whole = data + b"C2PA" + len(box).to_bytes(4, "little") + box
    (tmp_path / "b").write_bytes(data[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:])
    assert [inspect(str(tmp_path / name)).c2pa for name in "ab"] == [True, True]
    assert [inspect(str(tmp_path / f"x.{name}")).c2pa for name in ("jpeg", "webp")] == [False] * 2


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        *(("png", mode, {}) for mode in ("L", "RGBA", "P", "I;16")),
        ("jpeg", "L", {"progressive": True}),
        ("webp", "RGBA", {"lossless": True}),
        ("webp", "RGB", {"lossless": False}),
    ],
)
def test_pictures_of_every_kind(tmp_path: Path, form: str, mode: str, options: Any) -> None:
    Image.new(mode, (300, 7)).save(tmp_path / "x", form, **options)
    found = inspect(str(tmp_path / "x"))
    assert (found.format, found.width, found.height, found.whole) == (form, 300, 7, True)


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_file_that_is_cut_off_is_told(picture: Any, tmp_path: Path, form: str) -> None:
    whole = picture(form)
    path = tmp_path / f"x.{form}"
    path.write_bytes(path.read_bytes()[:-3])
    found = inspect(str(path))
    assert (whole.whole, found.whole, found.width) == (True, False, 40)


def test_a_jpeg_without_its_end_is_not_whole(picture: Any, tmp_path: Path) -> None:
    assert picture("jpeg").whole
    data = (tmp_path / "x.jpeg").read_bytes()
    # Phones put more behind the end. Pixels may fill blocks up to any byte.
    for name, content in (
        ("short", data[:-2]),
        ("half", data[:-1]),
        ("long", data + b"more"),
        ("split", data[:-2] + bytes((1 << 16) - 1 - data_behind_scan(data)) + data[-2:]),
    ):
        (tmp_path / name).write_bytes(content)
    found = {
        name: inspect(str(tmp_path / name)).whole for name in ("short", "half", "long", "split")
    }
    assert found == {"short": False, "half": False, "long": True, "split": True}


def data_behind_scan(data: bytes) -> int:
    """Count the bytes from a JPEG's scan header up to its end marker."""
    return len(data) - 2 - data.index(b"\xff\xda") - 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff" + b"\xff" * 300_000,
        b"RIFF\4\0\0\0WEBP",
        b"GIF89a\1\0\1\0\0\0\0;",
        b"<html></html>",
        b"\x89PNG\r\n\x1a\n" + png.chunk_of(b"IHDR", bytes(13)),
        b"\x89PNG\r\n\x1a\n" + png.chunk_of(b"tEXt", bytes(13)),
    ],
)
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(UsageError, match=r"x\.png is no picture in PNG, JPEG or WebP\.$"):
        inspect(str(tmp_path / "x.png"))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path, r" is a folder; give a picture\.$"),
        (tmp_path / "none", r"none cannot be read: no such file or directory\.$"),
        ("\0", r"cannot be read: no such name is possible\.$"),
    ):
        with pytest.raises(UsageError, match=why):
            inspect(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe(served: Any, tmp_path: Path) -> None:
    import threading

    os.mkfifo(tmp_path / "pipe")
    data = served(texts={"parameters": A1111}).getvalue()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    found = inspect(str(tmp_path / "pipe"))
    writer.join(60)
    assert (found.parameters, found.bytes) == (OF_A1111, len(data))


def test_exif_and_xmp_that_are_too_long(tmp_path: Path) -> None:
    long = b"x" * ((1 << 20) + 2)
    image = Image.new("RGB", (4, 3))
    image.save(tmp_path / "x.webp", exif=b"Exif\0\0" + long, xmp=long)
    image.save(tmp_path / "x.png", exif=b"Exif\0\0" + long)
    for name, unread in (("x.webp", {"EXIF", "XMP"}), ("x.png", {"EXIF"})):
        found = inspect(str(tmp_path / name))
        assert ({*found.unread}, found.whole) == (unread, True)


def test_xmp_in_two_parts_of_a_jpeg(picture: Any, tmp_path: Path, recipe: Recipe) -> None:
    picture("jpeg", xmp=xmp.packet([xmp.Property(xmp.CREATOR_TOOL, "Camera")]))
    data = (tmp_path / "x.jpeg").read_bytes()
    packet = xmp.packet([xmp.Property(xmp.LABEL, json.dumps({**LABEL, "x": "y" * 90_000}))])
    parts = []
    for at in range(0, len(packet), 60_000):
        head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
        body = head + struct.pack(">II", len(packet), at) + packet[at : at + 60_000]
        parts.append(b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body)
    (tmp_path / "x.jpeg").write_bytes(data[:2] + b"".join(parts) + data[2:])
    found = inspect(str(tmp_path / "x.jpeg"))
    assert found.xmp == {"creator_tool": "Camera"}
    assert [label.source for label in found.labels] == ["XMP"]


# -- the command that makes it again -----------------------------------------------------------


def again(recipe: Recipe | None, source: Source | None = Source.ZIMAGE) -> str:
    return command(
        Inspected("x y.png", "png", 1, 1, 1, "", whole=True, recipe=recipe, source=source)
    )


def test_the_command(recipe: Recipe) -> None:
    assert again(recipe) == (
        "zimage generate --size 1024x1024 --seed 7 --prompt-extend -- 'A calm lake at dawn'"
    )
    # Where the file does not tell, the settings of who runs it decide.
    assert again(recipe, Source.PARAMETERS) == (
        "zimage generate --size 1024x1024 --seed 7 -- 'A calm lake at dawn'"
    )
    sandbox = recipe._replace(region="sandbox", prompt_extend=False, prompt="a\tb\n\u202e")
    assert again(sandbox) == (
        "zimage generate --sandbox --request "
        '\'{"prompt": "a\\tb", "size": "1024*1024", "seed": 7, "prompt_extend": false}\''
    ).replace("a\\tb", "a\\tb\\n\\u202e")
    assert again(sandbox, Source.PARAMETERS).endswith('"seed": 7}\'')


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seed": None}, "x y.png does not say its seed: the same picture cannot be made again."),
        ({"seed": None, "size": ""}, "x y.png does not say its size and seed: the same picture"),
        ({"model": "sdxl"}, "x y.png does not say that zimage made it: no command makes it again."),
        ({"size": "8*8"}, "x y.png says what no request may hold: size: "),
        ({"prompt": " "}, "x y.png says what no request may hold: prompt: "),
        ({"prompt": "\x1b[2J"}, "x y.png says what no request may hold: prompt: "),
    ],
)
def test_what_cannot_be_made_again(recipe: Recipe, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError) as caught:
        again(recipe._replace(**changes))
    assert caught.value.message.startswith(why)


def test_a_foreign_picture_cannot_be_made_again() -> None:
    with pytest.raises(UsageError) as caught:
        again(None, None)
    assert caught.value.hint == "See what it says: zimage inspect 'x y.png'"
