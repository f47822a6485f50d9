"""Write on the sandbox's picture: the prompt on a card, and a word across it."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from functools import lru_cache
from unicodedata import category, normalize

from PIL import Image, ImageDraw, ImageFont, features

# What common systems have for letters that Pillow's own font lacks, Han first.
_SYSTEM = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJK-VF.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc"),
    *("DroidSansFallbackFull.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc"),
    *("msyh.ttc", "simsun.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "segoeui.ttf"),
)
_WIDE = "\u2e80-\uffef\U00020000-\U0003ffff"
# Between these a line may break: words with the blanks after them, Han letters. A closing mark
# stays with what it closes.
_PIECE = re.compile(rf"[{_WIDE}][、。，．！？；：）」』》】”’]*|[^{_WIDE} ]+ *| +")
_SMALLEST = 9


@lru_cache(maxsize=2)
def _face(own: bool) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font, or the first that the system has of those above."""
    for name in () if own else _SYSTEM:
        # Noto's collection holds simplified Chinese as face 2.
        face = 2 if name.startswith("NotoSansCJK") else 0
        # Pillow searches the system's folders for a name, but tries it as a path first: with a
        # folder that cannot be, no file beside the user's pictures is taken for a font.
        with suppress(OSError):
            return ImageFont.truetype(f"{os.devnull}/{name}", index=face)
    font = ImageFont.load_default(24)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@lru_cache(maxsize=64)
def _font(size: int, own: bool) -> ImageFont.FreeTypeFont:
    # Kerning by raqm would make pictures differ between builds of Pillow.
    return _face(own).font_variant(size=size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def _draws(character: str, own: bool) -> bool:
    """Say whether the font draws the character as itself and not as a box."""
    shape, missing = (_font(24, own).getmask(text) for text in (character, "\uffff"))
    return shape.size != missing.size or bytes(shape) != bytes(missing)


def spell(text: str) -> tuple[str, bool]:
    """Return the text as it can be drawn, and whether Pillow's own font has all of it.

    What is no letter is left out; a letter that no font has becomes its plain form or a box.
    """
    clean = ""
    for character in normalize("NFC", text.replace("\r\n", "\n").replace("\t", "    ")):
        kind = category(character)
        if kind not in {"Cf", "Mn", "Me", "Cn", "Co"}:
            clean += " " if kind[0] in "CZ" and character != "\n" else character
    letters = set(clean) - {"\n"}
    own = all(_draws(letter, True) for letter in letters)
    for letter in letters:
        if not _draws(letter, own):
            instead = (normalize("NFKD", letter)[0], "□")
            clean = clean.replace(letter, next((c for c in instead if _draws(c, own)), "?"))
    return clean.strip(), own


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Return the text in lines of at most `width` pixels; a word that is longer is broken."""
    advance = {character: font.getlength(character) for character in set(text)}
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, room = "", width
        for piece in _PIECE.findall(paragraph):
            for part in piece if sum(advance[c] for c in piece.rstrip()) > width else (piece,):
                if line and sum(advance[c] for c in part.rstrip()) > room:
                    lines.append(line.rstrip())
                    line, room = "", width
                line += part
                room -= sum(advance[c] for c in part)
        lines.append(line.rstrip())
    return lines


def caption(picture: Image.Image, prompt: str, note: str) -> None:
    """Write the prompt, and a note under it, on a card at the foot of the picture.

    It hides a fifth of the picture at most: a longer prompt gets smaller letters, and ends in …
    where they would be too small. A Pillow without FreeType writes nothing.
    """
    width, height = picture.size
    short = min(picture.size)
    if short < _SMALLEST + 3 or not features.check("freetype2"):
        return
    pad, small = max(2, short * 3 // 100), max(_SMALLEST, short // 52)
    across = min(width - 2 * pad, max(short * 2, 900))
    around = (small * 2 if height >= 96 else 0) + 1.6 * pad
    room = min(height, width * height // (5 * across)) - around
    text, own = spell(prompt)
    size = max(_SMALLEST, min(short // 22, 52))
    while True:
        font, leading = _font(size, own), size * 1.36
        lines, most = wrap(text, font, across - 2 * pad), max(1, int(room / leading))
        if len(lines) <= most or size <= max(_SMALLEST, short // 64):
            break
        size = max(_SMALLEST, int(size * 0.9))
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][:-1] + "…"]
    longest = max(_font(small, True).getlength(note), *map(font.getlength, lines))
    across = min(across, int(longest) + 2 * pad)
    tall = min(height, int(len(lines) * leading + around))
    top = max(0, height - tall - pad)
    _card(picture, (pad, top, pad + across, top + tall), pad)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        place = (2 * pad, top + 0.8 * pad + size + number * leading)
        pen.text(place, line, (250, 250, 252), font, anchor="ls")
    if height >= 96:
        place = (2 * pad, top + tall - 0.8 * pad - small * 0.3)
        pen.text(place, note, (196, 200, 210), _font(small, True), anchor="ls")


def _card(picture: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    """Darken and blur the picture in that box, with round corners."""
    wide, tall = size = (box[2] - box[0], box[3] - box[1])
    blurred = picture.crop(box).reduce(8).resize(size, Image.Resampling.BICUBIC)
    card = Image.blend(blurred, Image.new("RGB", size, (14, 16, 22)), 0.62)
    mask = Image.new("L", (wide * 2, tall * 2))
    edge = (0, 0, wide * 2 - 1, tall * 2 - 1)
    ImageDraw.Draw(mask).rounded_rectangle(edge, radius=2 * min(radius, tall // 2), fill=255)
    picture.paste(card, box, mask.reduce(2))


def mark(picture: Image.Image, word: str) -> None:
    """Write a word across the picture, from corner to corner, large and faint."""
    width, height = picture.size
    # Drawn small and enlarged: the edges are soft, and it takes a fraction of the time.
    scale = max(1, min(picture.size) // 300)
    if features.check("freetype2"):
        reach = 66 * math.hypot(width, height) / _font(100, True).getlength(word)
        size = max(6, int(min(reach, 0.76 * min(picture.size)) / scale))
        font, stroke = _font(size, True), size // 40
        left, top, right, bottom = font.getbbox(word, stroke_width=stroke)
        mask = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
        ImageDraw.Draw(mask).text((-left, -top), word, font=font, fill=255, stroke_width=stroke)
    else:
        mask = _enlarged(word, int(0.66 * math.hypot(width, height) / scale))
        size = mask.height
    angle = math.degrees(math.atan2(height, width))
    mask = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    mask = mask.resize((mask.width * scale, mask.height * scale), Image.Resampling.BICUBIC)
    left, top = (width - mask.width) / 2, (height - mask.height) / 2
    # The thin shadow keeps it legible on white.
    for colour, strength, away in (((0, 0, 0), 0.18, size // 30), ((255, 255, 255), 0.34, 0)):
        shade = mask.point([round(value * strength) for value in range(256)])
        picture.paste(colour, (int(left) + away, int(top) + away), shade)


def _enlarged(word: str, width: int) -> Image.Image:
    """Return a word in the small letters that every Pillow has, made so wide."""
    font = ImageFont.load_default_imagefont()
    _, _, right, bottom = map(math.ceil, font.getbbox(word))
    mask = Image.new("L", (right, bottom))
    ImageDraw.Draw(mask).text((0, 0), word, font=font, fill=255)
    return mask.resize((width, max(1, width * bottom // right)), Image.Resampling.BICUBIC)
