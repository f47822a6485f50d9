"""Write on the sandbox's picture: the prompt on a card, and a word across it."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FOLDERS = (
    *(
        f"/usr/share/fonts/{name}"
        for name in (
            *("truetype/dejavu", "dejavu-sans-fonts", "TTF", "truetype/liberation"),
            *("truetype/noto", "noto", "opentype/noto", "noto-cjk", "google-noto-cjk"),
            *("google-noto-sans-cjk-fonts", "google-noto-sans-cjk-vf-fonts"),
            *("adobe-source-han-sans", "truetype/wqy", "wqy-microhei", "wqy-zenhei"),
            *("truetype/droid", "truetype/arphic"),
        )
    ),
    *("/System/Library/Fonts", "/System/Library/Fonts/Supplemental", "C:/Windows/Fonts"),
)
"""Where common systems keep the fonts that follow."""
_LATIN = (
    *("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf"),
    *("HelveticaNeue.ttc", "Helvetica.ttc", "segoeui.ttf", "arial.ttf"),
)
_BOLD = (
    *("DejaVuSans-Bold.ttf", "LiberationSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf"),
    *_LATIN,
)
_HAN = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJK-VF.ttc", "NotoSansSC-Regular.otf"),
    *("SourceHanSans.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("uming.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc"),
    *("msyh.ttc", "simhei.ttf", "simsun.ttc"),
)
_SMALLEST = 9
_CARD = (14, 16, 22)
_INK = (250, 250, 252)


@lru_cache(maxsize=3)
def _file(names: tuple[str, ...]) -> Path | None:
    """Return the first of these fonts that the system has."""
    places = (Path(folder, name) for name in names for folder in _FOLDERS)
    return next((place for place in places if place.is_file()), None)


@lru_cache(maxsize=64)
def _font(names: tuple[str, ...], size: int) -> Font | None:
    """Return the first of these fonts that the system has; None where it cannot be read."""
    file = _file(names)
    if file is None:
        return None
    # The collections of Noto and Source Han hold simplified Chinese as face 2.
    face = 2 if file.name.startswith(("NotoSansCJK", "SourceHanSans")) else 0
    try:
        # Kerning by raqm would make pictures differ between builds of Pillow.
        return ImageFont.truetype(file, size, index=face, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _own_font(size: int) -> Font:
    """Return Pillow's own font; without FreeType that is a bitmap of one size."""
    try:
        return ImageFont.load_default(size)
    except (ImportError, OSError):
        return ImageFont.load_default()


@lru_cache(maxsize=64)
def _fonts(size: int) -> tuple[Font, ...]:
    """Return the fonts to try for each character, in this order."""
    found = [font for font in (_font(_LATIN, size), _font(_HAN, size)) if font is not None]
    return (*found, _own_font(size))


@lru_cache(maxsize=8192)
def _has_glyph(which: int, character: str) -> bool:
    """Say whether that font of `_fonts` draws the character as itself and not as a box."""
    font = _fonts(24)[which]
    try:
        shape, missing = font.getmask(character), font.getmask("\uffff")
    except (UnicodeError, OSError):
        return False
    return shape.size != missing.size or bytes(shape) != bytes(missing)


@lru_cache(maxsize=8192)
def _font_of(character: str) -> int:
    """Return which font of `_fonts` draws the character; -1 where none does."""
    if character.isascii():
        return 0
    return next((i for i in range(len(_fonts(24))) if _has_glyph(i, character)), -1)


def printable(text: str) -> str:
    """Return the text with what cannot be drawn left out or shown as a box."""
    shown = []
    for character in text.replace("\r\n", "\n").replace("\t", "    "):
        category = unicodedata.category(character)
        if character == "\n":
            shown.append(character)
        elif category in {"Cc", "Cs", "Zl", "Zp"}:
            shown.append(" ")
        elif category in {"Cf", "Mn", "Me", "Cn", "Co"} and _font_of(character) <= 0:
            continue
        elif _font_of(character) < 0:
            plain = unicodedata.normalize("NFKD", character)[0]
            shown.append(next((c for c in (plain, "□") if _font_of(c) >= 0), "?"))
        else:
            shown.append(character)
    return "".join(shown).strip()


class _Line:
    """A line of text in the fonts its characters need."""

    def __init__(self, text: str, size: int) -> None:
        self.runs: list[tuple[str, Font, float]] = []
        fonts = _fonts(size)
        at, start = 0.0, 0
        for end in range(1, len(text) + 1):
            if end == len(text) or _font_of(text[end]) != _font_of(text[start]):
                font = fonts[_font_of(text[start])]
                self.runs.append((text[start:end], font, at))
                at += font.getlength(text[start:end])
                start = end
        self.width = at

    def draw(
        self, pen: ImageDraw.ImageDraw, left: float, baseline: float, ink: tuple[int, int, int]
    ) -> None:
        for text, font, at in self.runs:
            if isinstance(font, ImageFont.FreeTypeFont):
                pen.text((left + at, baseline), text, font=font, fill=ink, anchor="ls")
            else:
                pen.text((left + at, baseline - 10), text, font=font, fill=ink)


class _Advances(dict[str, float]):
    """How far each character moves the pen, looked up once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._fonts = _fonts(size)

    def __missing__(self, character: str) -> float:
        self[character] = self._fonts[_font_of(character)].getlength(character)
        return self[character]


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in {"W", "F"}


def _words(text: str) -> list[str]:
    """Return the pieces between which a line may break: words with the space after them, Han."""
    pieces: list[str] = []
    word = ""
    for character in text:
        if _wide(character):
            # A closing mark stays with what it closes.
            if word or not pieces or unicodedata.category(character) not in {"Po", "Pe", "Pf"}:
                pieces.extend(filter(None, (word, character)))
            else:
                pieces[-1] += character
            word = ""
        else:
            word += character
            if character == " ":
                pieces.append(word)
                word = ""
    return [*pieces, word] if word else pieces


def wrap(text: str, size: int, width: float) -> list[str]:
    """Return the text in lines of at most `width` pixels; a word that is longer is broken."""
    advance = _Advances(size)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, used = "", 0.0
        for word in _words(paragraph):
            length = sum(advance[c] for c in word.rstrip(" "))
            if line and used + length > width:
                lines.append(line.rstrip())
                line, used = "", 0.0
            if length <= width:
                line += word
                used += sum(advance[c] for c in word)
                continue
            for character in word:
                if line and used + advance[character] > width:
                    lines.append(line)
                    line, used = "", 0.0
                line += character
                used += advance[character]
        lines.append(line.rstrip())
    return lines


def _fit(text: str, width: int, height: int, largest: int) -> tuple[list[str], int]:
    """Return lines and letter size such that the text fits; cut with … where none does."""
    size = largest
    while True:
        lines = wrap(text, size, width)
        room = max(1, int(height / (size * 1.36)))
        if len(lines) <= room:
            return lines, size
        if size <= _SMALLEST:
            return [*lines[: room - 1], lines[room - 1][:-1] + "…"], size
        size = max(_SMALLEST, min(size - 1, int(size * 0.9)))


def caption(picture: Picture, prompt: str, note: str) -> None:
    """Write the prompt, and a note under it, on a dark card at the foot of the picture."""
    width, height = picture.size
    if min(width, height) < _SMALLEST + 3:
        return
    if height > 2 * width and width < 260:
        # Too narrow for words: write along the picture.
        turned = picture.transpose(Image.Transpose.ROTATE_270)
        caption(turned, prompt, note)
        picture.paste(turned.transpose(Image.Transpose.ROTATE_90))
        return
    short = min(width, height)
    pad = max(2, round(short * 0.03))
    card_width = min(width - 2 * pad, max(short * 2, 900))
    small = max(_SMALLEST, round(short / 52))
    with_note = height >= 96
    foot = round(small * 1.9) if with_note else 0
    room = (card_width - 2 * pad, max(_SMALLEST, round(height * 0.44) - foot - pad))
    largest = max(_SMALLEST, min(round(short / 22), 52))
    lines, size = _fit(printable(prompt), room[0], room[1], largest)
    leading = size * 1.36
    card_height = min(height, round(len(lines) * leading + foot + 1.6 * pad))
    left, top = pad, max(0, height - card_height - pad)
    _card(picture, (left, top, left + card_width, min(height, top + card_height)), pad)
    pen = ImageDraw.Draw(picture)
    baseline = top + 0.8 * pad + size
    for line in lines:
        _Line(line, size).draw(pen, left + pad, baseline, _INK)
        baseline += leading
    if with_note:
        tail = top + card_height - 0.8 * pad - small * 0.3
        _Line(printable(note), small).draw(pen, left + pad, tail, (186, 190, 202))


def _card(picture: Picture, box: tuple[int, int, int, int], radius: int) -> None:
    width, height = box[2] - box[0], box[3] - box[1]
    under = picture.crop(box)
    shade = Image.blend(under, Image.new("RGB", under.size, _CARD), 0.66)
    mask = Image.new("L", (width * 2, height * 2))
    corner = max(1, min(radius, height // 2, width // 2)) * 2
    ImageDraw.Draw(mask).rounded_rectangle(
        (0, 0, width * 2 - 1, height * 2 - 1), radius=corner, fill=255
    )
    picture.paste(shade, box, mask.reduce(2))


def mark(picture: Picture, word: str) -> None:
    """Write a word across the picture, large and faint; over and over where it is very long."""
    width, height = picture.size
    long, short = max(width, height), min(width, height)
    if short < 6:
        return
    slanted = long <= 2.6 * short
    reach = math.hypot(width, height) * 0.66 if slanted else min(long * 0.8, short * 4.2)
    scale = 2 if short > 400 else 1
    font = _font(_BOLD, 100) or _own_font(100)
    size = max(6, int(100 * reach / scale / max(1.0, font.getlength(word))))
    if not slanted:
        size = min(size, round(short * 0.8 / scale))
    font = _font(_BOLD, size) or _own_font(size)
    left, top, right, bottom = font.getbbox(word)
    mask = Image.new("L", (round(right - left) + 2, round(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), word, font=font, fill=255)
    angle = math.degrees(math.atan2(height, width)) if slanted else (90 if height > width else 0)
    if angle:
        mask = mask.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    if scale > 1:
        mask = mask.resize((mask.width * 2, mask.height * 2), Image.Resampling.BICUBIC)
    step = 2 * max(mask.size)
    count = 1 if slanted else max(1, long // step)
    for index in range(count):
        share = (index + 0.5) / count
        x, y = (share, 0.5) if width >= height else (0.5, share)
        _stamp(picture, mask, round(width * x), round(height * y))


def _stamp(picture: Picture, mask: Picture, x: int, y: int) -> None:
    """Lighten the picture through the mask, with a thin shadow that keeps it legible on white."""
    left, top = x - mask.width // 2, y - mask.height // 2
    offset = max(1, min(mask.size) // 160)
    shadow, light = ([v * share // 100 for v in range(256)] for share in (22, 44))
    picture.paste((0, 0, 0), (left + offset, top + offset), mask.point(shadow))
    picture.paste((255, 255, 255), (left, top), mask.point(light))
