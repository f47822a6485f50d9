"""Draw the sandbox's picture from prompt and seed.

A landscape, waves or lights in colours that the prompt and seed choose, the prompt on a card, and
the word SANDBOX across it, so that nobody takes it for the service's work. Pillow is loaded here
and nowhere else in the sandbox, and this module only when the first picture is asked for.
"""

from __future__ import annotations

import hashlib
import math
import struct
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, PngImagePlugin

from zimage_cli.sandbox import lettering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL.Image import Image as Picture

Colour = tuple[int, int, int]

NOTICE = "Sandbox picture: drawn from prompt and seed, not made by z-image-turbo"


class Dice:
    """Numbers that follow from prompt and seed, the same on every machine."""

    def __init__(self, prompt: str, seed: int) -> None:
        source = f"{seed}\0{prompt}".encode("utf-8", "surrogatepass")
        self._numbers: Iterator[int] = iter(
            struct.unpack(">512H", hashlib.shake_256(source).digest(1024))
        )

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * next(self._numbers) / 65535

    def hue(self) -> float:
        """Return a hue in turns, none of the yellow greens that make everything look murky."""
        return self.between(0.42, 1.14)

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + next(self._numbers) % (high - low + 1)


def draw(prompt: str, seed: int, width: int, height: int, *, show_seed: bool = True) -> bytes:
    """Return a PNG of `width` × `height` pixels, the same bytes for the same arguments.

    The same on one machine, that is: letters depend on the fonts it has. `show_seed` writes the
    seed on it; the service does not tell a seed that it drew itself.
    """
    dice = Dice(prompt, seed)
    scene = (_ridges, _waves, _lights)[dice.whole(0, 2)]
    picture = scene((width, height), dice)
    size = f"{width}*{height}"
    lettering.mark(picture, "SANDBOX")
    lettering.caption(picture, prompt, f"seed {seed} · {size}" if show_seed else size)
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", "zimage sandbox")
    about.add_text("Comment", NOTICE)
    out = BytesIO()
    # Level 1 takes a third of the time of the default and the picture is for loopback.
    picture.save(out, "PNG", compress_level=1, pnginfo=about)
    return out.getvalue()


def _hsl(hue: float, saturation: float, lightness: float) -> Colour:
    """Return RGB of a hue in turns, saturation and lightness from 0 to 1."""
    reach = saturation * min(lightness, 1 - lightness)

    def channel(offset: int) -> int:
        at = (offset + hue * 12) % 12
        return round(255 * (lightness - reach * max(-1.0, min(at - 3, 9 - at, 1.0))))

    return channel(0), channel(8), channel(4)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _mesh(size: tuple[int, int], rows: list[list[Colour]]) -> Picture:
    """Return colours that flow into each other, one given for each place of a small grid."""
    grid = Image.new("RGB", (len(rows[0]), len(rows)))
    grid.putdata([colour for row in rows for colour in row])
    return grid.resize(size, Image.Resampling.BICUBIC)


def _soft_disc(diameter: int, edge: float, strength: float) -> Picture:
    """Return a mask of a disc; `edge` is the share of its radius that fades, 1 is a glow."""
    # The gradient is 0 at the centre and 255 at the corners; the circle that fits ends at 181.
    inner = 181 * (1 - edge)
    table = [
        round(255 * strength * max(0.0, min(1.0, (181 - v) / (181 - inner + 1))) ** 1.5)
        for v in range(256)
    ]
    disc = Image.radial_gradient("L").point(table)
    return disc.resize((diameter, diameter), Image.Resampling.BILINEAR)


def _glow(picture: Picture, centre: tuple[float, float], mask: Picture, colour: Colour) -> None:
    left, top = round(centre[0] - mask.width / 2), round(centre[1] - mask.height / 2)
    picture.paste(colour, (left, top, left + mask.width, top + mask.height), mask)


def _curve(dice: Dice, unit: float, height: float) -> Callable[[float], float]:
    """Return a rolling line, as high as `height` either way, whose waves are about `unit` long."""
    parts = [
        (dice.between(0.6, 1.4) * weight, dice.between(2.2, 4.2) * pace / unit, dice.between(0, 7))
        for weight, pace in ((0.62, 1.0), (0.26, 2.7), (0.12, 6.1))
    ]
    return lambda x: height * sum(w * math.sin(f * x + phase) for w, f, phase in parts)


def _layers(
    size: tuple[int, int], dice: Dice, tops: list[float], swing: float, smooth: float
) -> Picture:
    """Return a map (L) of layers one before the other: 0 where none is, 255 where the nearest is.

    Drawn at twice the size and halved, so that the edges are smooth.
    """
    width, height = size
    unit = min(width, height) * smooth
    depth = Image.new("L", (width * 2, height * 2))
    pen = ImageDraw.Draw(depth)
    steps = max(8, min(1024, width // 3))
    for index, top in enumerate(tops):
        curve = _curve(dice, unit, swing * min(width, height))
        line = [
            (2 * width * i / steps, 2 * (top * height + curve(width * i / steps)))
            for i in range(steps + 1)
        ]
        shade = round(255 * (index + 1) / len(tops))
        pen.polygon([*line, (width * 2, height * 2), (0, height * 2)], fill=shade)
    return depth.reduce(2)


def _shaded(depth: Picture, far: Colour, near: Colour) -> Picture:
    """Return the map in colours from `far` to `near`."""
    ramp = [_mix(far, near, v / 255) for v in range(256)]
    return Image.merge("RGB", [depth.point([c[i] for c in ramp]) for i in range(3)])


def _ridges(size: tuple[int, int], dice: Dice) -> Picture:
    """Return hills in haze under a low sun or moon."""
    width, height = size
    hue, turn = dice.hue(), dice.between(-0.14, 0.14)
    night = dice.whole(0, 3) == 0
    top = _hsl(hue, 0.55, 0.16 if night else 0.52)
    horizon = _hsl(hue + turn, 0.62 if night else 0.85, 0.46 if night else 0.84)
    near = _hsl(hue + 0.04, 0.5, 0.09 if night else 0.16)
    rows = [
        [_mix(top, horizon, min(1.0, share + dice.between(-0.1, 0.1))) for _ in range(3)]
        for share in (0.1, 0.2, 0.55, 0.9, 1.0, 1.0, 1.0)
    ]
    picture = _mesh(size, rows)
    short = min(width, height)
    sun = (width * dice.between(0.2, 0.8), height * dice.between(0.2, 0.42))
    light = _mix(horizon, (255, 252, 240), 0.8)
    _glow(picture, sun, _soft_disc(max(8, round(short * 0.9)), 1.0, 0.55), light)
    disc = max(4, round(short * dice.between(0.1, 0.2)))
    _glow(picture, sun, _soft_disc(disc, 0.06, 0.95), light)
    count = dice.whole(4, 6)
    tops = [0.46 + 0.42 * i / (count - 1) for i in range(count)]
    depth = _layers(size, dice, tops, dice.between(0.03, 0.06), 1.1)
    hills = _shaded(depth, _mix(horizon, near, 0.12), near)
    picture.paste(hills, (0, 0), depth.point([0, *[255] * 255]))
    return picture


def _waves(size: tuple[int, int], dice: Dice) -> Picture:
    """Return bands of colour that roll over each other."""
    hue, span = dice.hue(), dice.between(0.12, 0.34)
    count = dice.whole(7, 10)
    first, last = _hsl(hue, 0.72, 0.74), _hsl(hue + span, 0.7, 0.24)
    tops = [0.08 + 0.88 * i / count for i in range(count)]
    depth = _layers(size, dice, tops, dice.between(0.05, 0.1), dice.between(1.2, 2.0))
    picture = _shaded(depth, first, last)
    rows = [
        [_hsl(hue + dice.between(-0.12, 0.14), 0.8, dice.between(0.35, 0.75)) for _ in range(3)]
        for _ in range(3)
    ]
    return Image.blend(picture, _mesh(size, rows), 0.26)


def _lights(size: tuple[int, int], dice: Dice) -> Picture:
    """Return lights out of focus over flowing colours."""
    width, height = size
    hue = dice.hue()
    rows = [
        [_hsl(hue + dice.between(-0.12, 0.14), 0.62, dice.between(0.14, 0.42)) for _ in range(4)]
        for _ in range(4)
    ]
    picture = _mesh(size, rows)
    short = min(width, height)
    for index in range(dice.whole(12, 17)):
        centre = (width * dice.between(0, 1), height * dice.between(-0.05, 0.9))
        diameter = max(4, round(short * dice.between(0.07, 0.3)))
        colour = _hsl(hue + dice.between(-0.12, 0.26), 0.85, dice.between(0.6, 0.8))
        edge = 1.0 if index < 4 else dice.between(0.06, 0.4)
        scale = 2 if index < 4 else 1
        mask = _soft_disc(diameter * scale, edge, dice.between(0.16, 0.5))
        _glow(picture, centre, mask, colour)
    return picture
