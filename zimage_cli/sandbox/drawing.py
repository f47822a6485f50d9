"""Draw the sandbox's picture from prompt and seed.

One of nine motifs, in colours that a word of the prompt or else the seed chooses, the prompt on a
card, and the word SANDBOX across it, so that nobody takes it for the service's work. Pillow is
loaded here and nowhere else in the sandbox, and this module only when the first picture is asked
for.
"""

from __future__ import annotations

import math
import re
import zlib
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, PngImagePlugin

from zimage_cli.sandbox import lettering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Colour = tuple[int, ...]
Place = tuple[float, float]
Shape = list[Place]

NOTICE = "Sandbox picture: drawn from prompt and seed, not made by z-image-turbo"

# Words of a prompt, then the colours they choose: sky from top to bottom (three), far and near
# land, sun or moon, and one that stands out.
_PALETTES = (
    ("dawn morning sunrise 晨 朝 晓", "46568f b58bab f9bf9d a88cab 2b2a4c fff0d0 e4573d"),
    ("dusk evening sunset autumn 暮 夕 秋", "3d2c63 c9506b ffad66 a4506f 2b1736 ffe6a8 ffd166"),
    ("night midnight moon stars 夜 月 星", "0a1029 1d2c5e 52699f 34467a 070c1f fbf4d4 ffb454"),
    ("snow winter ice frost 雪 冬 冰", "7fa9d1 c4dbee f6efec b4cade f7fafd fffdf4 d1495b"),
    ("sea ocean beach river lake 海 湖 江", "2f86bd 93cfe2 f0f7ea 2f8fb0 0a3654 fffbe4 ff7a59"),
    ("forest jungle green spring 林 森 春", "7fb8a4 c4dfc0 f5f4d8 82b394 12362a fffde2 e29b2d"),
    ("desert sand summer 漠 沙 夏", "4a9fc4 f0d6a2 fde9c5 e5a866 87391c fff7da 1f7a78"),
    ("city town street neon 城 市 街", "1e2950 76568a f59b7c 715c8b 12162c ffe4ac ffcc66"),
    ("flower garden rose peony 花 梅 桃", "9fc3ee f3d0e0 fef1e6 b9cfa4 3f6f49 ffffff e4578e"),
    ("rain fog mist cloud 雨 雾 云", "5f7688 a3b4bf dbe2e1 93a7b2 2a3a45 f6fafa c8553d"),
)


def draw(prompt: str, seed: int, width: int, height: int, *, show_seed: bool = True) -> bytes:
    """Return a PNG of `width` × `height` pixels, the same bytes for the same arguments.

    The same on one machine, that is: what Pillow's own font cannot write depends on the fonts it
    has. `show_seed` writes the seed on it; the service does not tell a seed that it drew itself.
    """
    scene = _Scene(prompt, seed, (width, height))
    size = f"{width}*{height}"
    lettering.mark(scene.picture, "SANDBOX")
    lettering.caption(scene.picture, prompt, f"seed {seed} · {size}" if show_seed else size)
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", "zimage sandbox")
    about.add_text("Comment", NOTICE)
    out = BytesIO()
    # Level 1 takes a third of the time of the default and the picture is for loopback.
    scene.picture.save(out, "PNG", compress_level=1, pnginfo=about)
    return out.getvalue()


# Colour and points of each part, about 1 in size; `=` gives the right half of an outline.
_THINGS = {
    "pine": ("ink= 0,-1 .13,-.7 .06,-.7 .19,-.45 .1,-.45 .26,-.2 .14,-.2 .32,.05",),
    "bird": ("ink= 0,0 .5,-.4 1,0 .5,-.18 0,.3",),
    "cloud": ("mist 2,0 1.9,-.3 1.5,-.4 1.1,-.34 .9,-.7 .4,-.85 0,-.66 -.5,-.8 -1,-.3 -2,0",),
    "boat": ("ink= 1,-.28 .7,.1", "pop 0,-.4 0,-2.1 -.85,-.4", "light .1,-.4 .1,-1.8 .9,-.4"),
    "kite": (
        "ink 0,1.5 .14,1.9 -.1,2.4 .16,2.9 -.1,3.4 .2,2.9 -.06,2.4 .18,1.9",
        *("pop= 0,-1 .65,0 0,1.5", "deep 0,-1 .65,0 0,1.5"),
    ),
    "balloon": (
        "pop= 0,-1 .38,-.92 .71,-.71 .92,-.38 1,0 .94,.3 .8,.58 .2,1.45",
        "light= 0,-1 .35,-.85 .56,-.5 .62,0 .5,.58 .13,1.45",
        *("deep= 0,-1 .14,-.8 .24,-.4 .27,0 .2,.58 .05,1.45", "ink= .2,1.5 .17,1.8"),
    ),
}


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))


def _fade(size: tuple[int, int], *colours: Colour) -> Image.Image:
    """Return colours that flow into each other from top to bottom."""
    strip = Image.new("RGB", (1, len(colours)))
    strip.putdata(colours)
    box = (0, 0.5, 1, len(colours) - 0.5)
    # Across afterwards: in one step it would take ten times as long.
    strip = strip.resize((1, size[1]), Image.Resampling.BILINEAR, box=box)
    return strip.resize(size, Image.Resampling.NEAREST)


def _box(x: float, y: float, wide: float, tall: float) -> Shape:
    return [(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)]


def _ring(x: float, y: float, wide: float, tall: float) -> Shape:
    turns = [math.tau * i / 48 for i in range(48)]
    return [(x + wide * math.cos(turn), y + tall * math.sin(turn)) for turn in turns]


class _Scene:
    """A picture: its colours, and the motif that prompt and seed choose."""

    def __init__(self, prompt: str, seed: int, size: tuple[int, int]) -> None:
        source = prompt.encode("utf-8", "surrogatepass")
        self.between = Random(b"%d\0%b" % (seed, source)).uniform  # noqa: S311
        words = set(re.findall(r"[a-z]+|[\u3400-\u9fff]", prompt.lower()))
        fitting = [codes for keys, codes in _PALETTES if words & set(keys.split())]
        fitting = fitting or [codes for _, codes in _PALETTES]
        codes = fitting[int(self.between(0, 0.999) * len(fitting))]
        colours: Iterator[Colour] = (tuple(bytes.fromhex(code)) for code in codes.split())
        self.top, self.middle, self.low, self.far, self.near, self.light, self.pop = colours
        self.ink = _mix(min(self.near, self.top, key=sum), (10, 12, 20), 0.6)
        self.deep, self.mist = _mix(self.pop, self.ink, 0.25), _mix(self.light, self.low, 0.5)
        self.size = self.width, self.height = size
        self.short = min(size)
        self.picture = _fade(size, self.top, self.middle, self.low, self.low)
        motifs = (
            *(self.hills, self.city, self.lake, lambda: self.aloft("balloon"), self.stars),
            *(self.forest, self.sea, lambda: self.aloft("kite"), self.peaks),
        )
        # Seeds that follow each other, as those of `--count` do, get different motifs.
        motifs[(zlib.crc32(source) + seed) % len(motifs)]()

    def paint(self, shapes: Sequence[Shape], upper: Colour, lower: Colour | None = None) -> None:
        """Fill the shapes, all together, with a colour that may change from top to bottom."""
        across, down = ([point[i] for shape in shapes for point in shape] for i in (0, 1))
        left, top = max(0, int(min(across))), max(0, int(min(down)))
        wide = min(self.width, int(max(across)) + 1) - left
        tall = min(self.height, int(max(down)) + 1) - top
        if min(wide, tall) < 1:
            return
        # Drawn at twice the size and halved, so that the edges are smooth.
        mask = Image.new("L", (wide * 2, tall * 2))
        pen = ImageDraw.Draw(mask)
        for shape in shapes:
            points = [(2 * (x - left), 2 * (y - top)) for x, y in shape]
            pen.polygon(points, fill=255)
        box = (left, top, left + wide, top + tall)
        filling = _fade((wide, tall), upper, lower) if lower else upper
        self.picture.paste(filling, box, mask.reduce(2))

    def strew(self, thing: str, places: Iterable[Place], small: float, large: float) -> None:
        """Paint a thing at each of the places, in sizes between the two."""
        for left, top in places:
            size, lean = self.short * self.between(small, large), self.between(-0.1, 0.1)
            for colour, *words in map(str.split, _THINGS[thing]):
                part = [(float(x), float(y)) for x, y in (word.split(",") for word in words)]
                part += [(-x, y) for x, y in part[::-1]] if colour[-1] == "=" else []
                turned = [(x - y * lean, y + x * lean) for x, y in part]
                shape = [(left + size * x, top + size * y) for x, y in turned]
                self.paint([shape], getattr(self, colour.strip("=")))

    def scatter(self, count: int, high: float, low: float) -> Iterator[Place]:
        """Yield places between two heights, one in each part of the width."""
        for i in range(count):
            x = self.width * (i + self.between(0, 1)) / count
            yield x, self.height * self.between(high, low)

    def sun(self, high: float, low: float, size: float = 0.08) -> None:
        """Paint sun or moon at a height between the two, and its glow."""
        x, y = self.width * self.between(0.2, 0.8), self.height * self.between(high, low)
        r = self.short * size
        # The gradient is 0 in its middle, and 181 where the circle ends that fits into it.
        table = [round(150 * max(0, 1 - value / 181) ** 1.6) for value in range(256)]
        glow = Image.radial_gradient("L").point(table)
        glow = glow.resize((max(4, int(r * 10)),) * 2, Image.Resampling.BILINEAR)
        self.picture.paste(self.light, (int(x - glow.width / 2), int(y - glow.width / 2)), glow)
        self.paint([_ring(x, y, r, r)], self.light, _mix(self.light, self.low, 0.3))

    def ridge(self, base: float, swing: float, depth: float, sharp: bool = False) -> Shape:
        """Return a line of hills around that height, filled to `depth` below it."""
        stretch = max(self.short, self.width / 6)
        waves = [
            (swing * part, pace * self.between(0.8, 1.25) / stretch, self.between(0, 7))
            for part, pace in ((0.58, 2.4), (0.25, 5.9), (0.11, 13), (0.06, 31))
        ]
        foot = self.height * (base + depth) + self.short * swing
        outline = [(self.width, foot), (0.0, foot)]
        for x in (self.width * i / 127 for i in range(128)):
            sines = [(part, math.sin(pace * x + at)) for part, pace, at in waves]
            rise = sum(part * (1 - 2 * abs(sine) if sharp else sine) for part, sine in sines)
            outline.append((x, self.height * base - self.short * rise))
        return outline

    def land(self, high: float, low: float, count: int, swing: float, sharp: bool = False) -> None:
        """Paint ridges one before the other, with haze at their feet."""
        for share in (i / (count - 1) for i in range(count)):
            colour = _mix(self.far, self.near, share)
            depth = 1 if share == 1 else 1.3 * (low - high) / (count - 1)
            ridge = self.ridge(high + (low - high) * share, swing, depth, sharp=sharp)
            self.paint([ridge], colour, _mix(colour, self.low, 0.7 - 0.5 * share))

    def hills(self) -> None:
        self.sun(0.2, 0.36)
        self.strew("cloud", self.scatter(2, 0.08, 0.3), 0.03, 0.08)
        self.land(0.46, 0.84, 6, 0.06)
        self.strew("bird", self.scatter(7, 0.2, 0.42), 0.01, 0.02)

    def peaks(self) -> None:
        self.sun(0.12, 0.26, 0.06)
        snow = self.ridge(0.5, 0.2, 0.3, sharp=True)
        self.paint([snow], _mix(self.light, self.far, 0.25), self.far)
        self.land(0.6, 0.84, 3, 0.1, sharp=True)
        self.strew("pine", self.scatter(24, 0.99, 1.04), 0.15, 0.24)

    def lake(self) -> None:
        self.sun(0.16, 0.34)
        self.land(0.4, 0.52, 3, 0.07, sharp=self.between(0, 1) < 0.5)
        shore = self.height * 58 // 100
        rest = (self.width, self.height - shore)
        sky = self.picture.crop((0, 0, self.width, shore)).resize(rest)
        sky = sky.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        self.picture.paste(Image.blend(sky, _fade(rest, self.low, self.top), 0.42), (0, shore))
        for at in self.scatter(24, 0.6, 1):
            glint = _ring(*at, self.width * self.between(0.03, 0.12), self.short * 0.003)
            self.paint([glint], _mix(self.light, self.middle, 0.5))
        self.strew("boat", [*self.scatter(3, 0.68, 0.68)][1:2], 0.05, 0.06)

    def sea(self) -> None:
        self.sun(0.24, 0.4, 0.11)
        self.strew("cloud", self.scatter(3, 0.08, 0.3), 0.03, 0.08)
        for i in range(8):
            colour = _mix(_mix(self.middle, self.top, 0.5), _mix(self.top, self.ink, 0.75), i / 7)
            wave = self.ridge(0.47 + 0.07 * i, 0.01 + 0.006 * i, 0.1 if i < 7 else 1, sharp=True)
            self.paint([wave], _mix(colour, self.light, 0.4), colour)
            if i == 2:
                self.strew("boat", [*self.scatter(3, 0.62, 0.62)][1:2], 0.06, 0.08)

    def forest(self) -> None:
        self.sun(0.14, 0.3)
        for i, ink in enumerate([_mix(self.far, self.ink, i / 4) for i in range(5)]):
            self.ink, base, size = ink, 0.54 + 0.11 * i, 0.12 + 0.03 * i
            self.strew("pine", self.scatter(22 - 2 * i, base, base), size, 2 * size)
            ground = self.ridge(base - 0.01, 0.01, 0.2 if i < 4 else 1)
            self.paint([ground], ink, _mix(ink, self.low, 0.6 - 0.14 * i))

    def aloft(self, thing: str) -> None:
        self.strew("cloud", self.scatter(5, 0.08, 0.55), 0.03, 0.08)
        self.land(0.76, 0.9, 3, 0.05)
        self.strew(thing, self.scatter(4, 0.16, 0.5), 0.05, 0.12)

    def stars(self) -> None:
        self.top = self.near = _mix(self.ink, (5, 8, 26), 0.6)
        self.far, self.low = _mix(self.top, self.far, 0.35), _mix(self.top, self.low, 0.35)
        self.picture = _fade(self.size, self.top, self.top, self.low)
        size = max(1, self.short / 400)
        for r in (size / 2, size):
            self.paint([_ring(*at, r, r)[::6] for at in self.scatter(110, 0, 0.8)], self.light)
        self.sun(0.14, 0.3, 0.07)
        self.land(0.68, 0.88, 3, 0.09)
        self.strew("pine", self.scatter(12, 0.99, 1.03), 0.12, 0.22)

    def city(self) -> None:
        self.sun(0.16, 0.34, 0.1)
        for i in range(4):
            colour, windows = _mix(self.far, self.ink, i / 3), []
            houses = [_box(0, self.height * (0.6 + 0.1 * i), self.width, self.height)]
            for x, y in self.scatter(13, 0.26 + 0.11 * i, 0.5 + 0.11 * i):
                unit = self.width * self.between(0.012, 0.022)
                houses.append(_box(x, y, 4 * unit, self.height))
                houses.append(_box(x + 2 * unit, y - 3 * unit, unit / 4, 3 * unit))
                for n in range(60):
                    if self.between(0, 1) < 0.3:
                        at = x + unit * (n % 4 + 0.25), y + unit * (0.8 + n // 4 * 1.3)
                        windows.append(_box(*at, unit * 0.5, unit * 0.7))
            self.paint(houses, colour, _mix(colour, self.low, 0.5 - 0.16 * i))
            if i > 1:
                self.paint(windows, _mix(self.light, self.pop, 0.2), self.pop)
