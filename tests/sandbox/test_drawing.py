"""The picture: right size, the same every time, different where it should be, and marked."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
from noise import noise
from PIL import Image, ImageChops, ImageFont, ImageStat

from zimage_cli.sandbox import lettering
from zimage_cli.sandbox.drawing import NOTICE, draw

SOURCE = Path(__file__).resolve().parents[2]
HARD = [
    "word " * 160,
    "龙腾四海，山川壮丽。" * 80,
    "x" * 800,
    "emoji 🐱🏳️‍🌈 and ☕",
    "\x1b[2J\u202eright to left\u202c\x00\x07 [bold]markup[/bold]",
    "العربية ไทย 日本語 한국어",
    "lone \ud800 surrogate",
    "line one\n\nline two\r\n\tline three",
    " ",
]


def picture(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.format == "PNG"
        return image


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (512, 512), (1024, 1536), (1280, 720), (2048, 2048), (256, 1024), (256, 16384),
        (16384, 16), (16, 16384), (1, 262144), (262144, 1), (7, 37450), (513, 511),
    ],
)  # fmt: skip
def test_size(width, height):
    drawn = picture(draw("a fishing scene at dawn 龙", 7, width, height))
    assert drawn.size == (width, height)
    assert drawn.mode == "RGB"


def test_same_bytes_in_another_process():
    code = (
        "import sys, hashlib; from zimage_cli.sandbox.drawing import draw;"
        "print(hashlib.sha256(draw('清晨的渔船 a fox', 42, 640, 512)).hexdigest())"
    )
    env = {**os.environ, "PYTHONHASHSEED": "99", "PYTHONPATH": str(SOURCE)}
    other = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == sha256(draw("清晨的渔船 a fox", 42, 640, 512)).hexdigest()


def test_same_bytes_whatever_was_drawn_before():
    first = draw("a red fox", 1, 512, 512)
    draw("龙🐱\ud800", 2, 512, 640)
    assert draw("a red fox", 1, 512, 512) == first


def thumbnail(prompt, seed):
    """The picture's upper part, where the card is not, in a few coarse pixels."""
    whole = picture(draw(prompt, seed, 512, 512))
    return whole.resize((8, 8), Image.Resampling.BOX, box=(0, 0, 512, 400))


def distance(one, other):
    """How far two pictures are apart on average, from 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.mark.parametrize("prompt", ["a red fox", "a calm lake at dawn", "山水画", "雪夜"])
def test_four_seeds_are_four_pictures(prompt):
    seen = [thumbnail(prompt, seed) for seed in (7, 8, 9, 10)]
    assert min(distance(*pair) for pair in combinations(seen, 2)) > 5
    assert distance(seen[0], thumbnail(prompt, 7)) == 0


@pytest.mark.parametrize(
    ("one", "other", "channels"),
    [
        ("a fox in the snow", "a fox at night", (0, 1, 2)),
        ("雪里的狐狸", "夜里的狐狸", (0, 1, 2)),
        ("a fox in the desert", "a fox by the sea", (0,)),
    ],
)
def test_a_word_of_the_prompt_chooses_the_colours(one, other, channels):
    def bright(prompt):
        means = [ImageStat.Stat(thumbnail(prompt, seed)).mean for seed in range(9)]
        return sum(mean[channel] for mean in means for channel in channels)

    assert bright(one) > 1.2 * bright(other)


@pytest.mark.parametrize("prompt", HARD)
def test_no_prompt_is_too_hard(prompt):
    assert picture(draw(prompt, 3, 512, 512)).size == (512, 512)


def test_the_file_says_that_it_is_of_the_sandbox():
    drawn = picture(draw("a red fox", 1, 512, 512))
    assert drawn.info["Comment"] == NOTICE
    assert "not made by z-image-turbo" in NOTICE
    assert drawn.info["Software"] == "zimage sandbox"


def drawn_over(size, write):
    """The box of what `write` changes in a picture of that size."""
    blank = Image.new("RGB", size, (90, 120, 160))
    written = blank.copy()
    write(written)
    return ImageChops.difference(blank, written).getbbox()


@pytest.mark.parametrize("size", [(512, 512), (720, 1680), (256, 2048), (2048, 256)])
def test_the_word_goes_across(size):
    box = drawn_over(size, lambda it: lettering.mark(it, "SANDBOX"))
    assert (box[2] - box[0] > size[0] * 0.4) or (box[3] - box[1] > size[1] * 0.4)


@pytest.mark.parametrize("size", [(512, 512), (1280, 720), (720, 1680), (256, 4096), (4096, 256)])
@pytest.mark.parametrize("prompt", ["a red fox", *HARD])
def test_the_prompt_hides_a_fifth_at_most(size, prompt):
    box = drawn_over(size, lambda it: lettering.caption(it, prompt, "seed 7"))
    assert (box[2] - box[0]) * (box[3] - box[1]) <= size[0] * size[1] / 5


def caption_differs(prompt, other):
    one, two = Image.new("RGB", (512, 512)), Image.new("RGB", (512, 512))
    lettering.caption(one, prompt, "note")
    lettering.caption(two, other, "note")
    return ImageChops.difference(one, two).getbbox() is not None


def test_the_prompt_is_written_on_it():
    assert caption_differs("a red fox", "a red dog")


def test_han_is_legible_where_a_font_has_it():
    if lettering.spell("龙")[0] != "龙":
        pytest.skip("no font with Han is installed")
    assert lettering.spell("山水画") == ("山水画", False)
    assert caption_differs("山水画", "山水话")


def test_seed_is_shown_only_where_it_was_given():
    shown, hidden = (draw("a red fox", 1, 512, 512, show_seed=show) for show in (True, False))
    box = ImageChops.difference(picture(shown), picture(hidden)).getbbox()
    assert box is not None
    assert box[1] > 400


def test_text_that_cannot_be_drawn_is_left_out():
    text = lettering.spell("a\x1b[31m\u202eb\u200d\x00c\n\td")
    assert text == ("a [31mb c\n    d", True)
    assert "\ud800" not in lettering.spell("x\ud800y")[0]
    assert lettering.spell("fox — 50 % “é”")[0] == "fox — 50 % “é”"


def test_lines_fit_and_lose_nothing():
    font = ImageFont.load_default(20)
    for text in ("a fishing scene at dawn, cinematic", "龙腾四海，山川壮丽。" * 9, "x" * 90):
        lines = lettering.wrap(text, font, 200)
        assert len(lines) > 1
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(lettering.wrap(line, font, 200) == [line] for line in lines)
        assert all(font.getlength(line) <= 200 for line in lines)


@pytest.mark.parametrize("size", [0, 20_000, 1_400_000, 9_000_000])
def test_noise_is_a_png_of_about_that_size(size):
    data = noise(1024, 1024, size)
    assert picture(data).size == (1024, 1024)
    most = 1024 * 1024 * 3
    assert min(size, most) * 0.98 - 4096 <= len(data) <= min(size, most) * 1.02 + 20_000
