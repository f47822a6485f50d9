"""Pictures in the terminal: what is sent to which, decoded again; and who is sent nothing."""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

pytest.importorskip("chafa", reason="the extra `preview` is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")

KITTY = {"TERM": "xterm-kitty"}
FOUR = ((220, 30, 30), (30, 200, 40), (40, 60, 220), (230, 220, 40))
"""Colours of the quarters of a picture."""
GENERATE = ("generate", "a fox", "--sandbox", "--size", "512x512")

# Kitty's and tmux's end with ST, iTerm2's with BEL.
GRAPHICS = re.compile(r"\x1b_G.*?\x1b\\|\x1bP.*?\x1b\\|\x1b\]1337;.*?\x07", re.DOTALL)
KITTY_IMAGE = re.compile(
    r"\x1b_Ga=T,q=2,f=32,s=(\d+),v=(\d+),(.*?)m=1\x1b\\(.*?m=0\x1b\\)", re.DOTALL
)
ITERM2_IMAGE = re.compile(r"\x1b\]1337;File=inline=1;[^:]*:([^\x07]*)\x07")
SIXEL_IMAGE = re.compile(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*?)\x1b\\', re.DOTALL)


def quarters(mode: str = "RGB", size: tuple[int, int] = (512, 512)) -> Image.Image:
    """A picture of four colours."""
    image = Image.new("RGB", size)
    width, height = size[0] // 2, size[1] // 2
    for number, colour in enumerate(FOUR):
        down, across = divmod(number, 2)
        image.paste(colour, (across * width, down * height, size[0], size[1]))
    return image.convert(mode)


@pytest.fixture
def picture(work: Path) -> Path:
    quarters().save(work / "four.png")
    return work / "four.png"


# -- what a terminal is sent, made into pictures again --------------------------------------------


def kitty_images(raw: str) -> list[Image.Image]:
    found = []
    for width, height, _, chunks in KITTY_IMAGE.findall(raw):
        data = b"".join(map(base64.b64decode, re.findall(r"\x1b_Gm=[01];([^\x1b]*)", chunks)))
        found.append(Image.frombytes("RGBA", (int(width), int(height)), data))
    return found


def iterm2_images(raw: str) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in ITERM2_IMAGE.findall(raw)]


def sixel_images(raw: str) -> list[Image.Image]:
    return [sixel(int(w), int(h), body) for w, h, body in SIXEL_IMAGE.findall(raw)]


def sixel(width: int, height: int, body: str) -> Image.Image:
    """Decode what stands in a DCS: colours, and columns of six pixels."""
    image = Image.new("RGB", (width, height + 6))
    colours: dict[int, tuple[int, ...]] = {}
    colour = x = y = 0
    for one in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([?-~])|([$-])", body):
        if one[1]:
            colour = int(one[1])
            if one[2]:
                colours[colour] = tuple(round(int(part) * 2.55) for part in one.group(2, 3, 4))
        elif one[8]:
            x, y = 0, y + 6 * (one[8] == "-")
        else:
            bits, count = ord(one[6] or one[7]) - 63, int(one[5] or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    image.paste(colours[colour], (x, y + bit, x + count, y + bit + 1))
            x += count
    return image.crop((0, 0, width, height))


def symbols(screen: Any) -> Image.Image:
    """Return the colours of the cells of a screen that have one."""
    rows = []
    for line in range(screen.screen.lines):
        cells = screen.screen.buffer[line]
        # A cell without ink has the colour of the paper, and inverse that of the ink.
        row = [
            cells[x].bg if (cells[x].data in " .") is not cells[x].reverse else cells[x].fg
            for x in range(60)
        ]
        rows.append([bytes.fromhex(one) for one in row if re.fullmatch("[0-9a-f]{6}", one)])
    wide = max(map(len, rows))
    drawn = [b"".join(row) for row in rows if wide and len(row) == wide]
    return Image.frombytes("RGB", (wide, len(drawn)), b"".join(drawn))


def apart(one: Image.Image, two: Image.Image) -> float:
    """How far two pictures are from each other, of 255."""
    small = [image.convert("RGB").resize((16, 16), Image.Resampling.BOX) for image in (one, two)]
    return max(ImageStat.Stat(ImageChops.difference(*small)).mean)


def is_whole(raw: str) -> bool:
    """Tell whether no sequence of graphics is left open, and each is asked for no answer."""
    rest = GRAPHICS.sub("", raw)
    assert raw.count("\x1b_Ga=T") == raw.count("q=2")
    return not re.search(r"\x1b[_P]|\x1b\]1337", rest)


def bare(screen: Any) -> bool:
    """Tell whether a terminal was sent no picture."""
    return not GRAPHICS.search(screen.raw) and "▄" not in screen.text


# -- terminals that are known ---------------------------------------------------------------------

SHOWN = [
    ({"TERM": "xterm-kitty"}, kitty_images),
    ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, kitty_images),
    ({"TERM_PROGRAM": "iTerm.app"}, iterm2_images),
    ({"LC_TERMINAL": "iTerm2"}, iterm2_images),
    ({"TERM_PROGRAM": "WezTerm"}, sixel_images),
    ({"KONSOLE_VERSION": "220400"}, sixel_images),
    ({"TERM": "foot"}, sixel_images),
]


@pytest.mark.parametrize(("env", "images"), SHOWN, ids=[str(env) for env, _ in SHOWN])
def test_a_terminal_is_sent_what_it_knows(
    terminal: Any, picture: Path, env: dict[str, str], images: Callable[[str], list[Image.Image]]
) -> None:
    screen = terminal("inspect", picture.name, env=env)
    assert screen.end() == 0
    assert is_whole(screen.raw)
    [image] = images(screen.raw)
    assert apart(image, quarters()) < 8
    # The picture is square on the screen, and what is said of it begins in a line of its own.
    assert abs(image.width - image.height) <= 6
    after = GRAPHICS.split(screen.raw)[-1]
    assert after.startswith("\r\n")
    assert picture.name in after


NOT_SHOWN: list[dict[str, str | None]] = [
    {"TERM": "xterm-256color"},
    {"TERM": "alacritty"},
    {"TERM": "linux"},
    {"TERM_PROGRAM": "vscode", "KITTY_PID": "7"},
    {"TERM_PROGRAM": "Apple_Terminal"},
    # Started from one that is known.
    {"KITTY_PID": "7", "XTERM_VERSION": "XTerm(390)"},
    {"KITTY_PID": "7", "VTE_VERSION": "7600"},
    {"KITTY_PID": "7", "TERM": "screen-256color", "STY": "1.x"},
    {**KITTY, "NVIM": "/nowhere"},
    # A tmux that does not answer.
    {**KITTY, "TMUX": "/nowhere,1,0"},
    {**KITTY, "NO_COLOR": "1"},
    {**KITTY, "ZIMAGE_PREVIEW": "off"},
]


@pytest.mark.parametrize("env", NOT_SHOWN, ids=str)
def test_auto_shows_nothing_where_no_pictures_are_known(
    terminal: Any, picture: Path, env: dict[str, str | None]
) -> None:
    screen = terminal("inspect", picture.name, env=env)
    assert screen.end() == 0
    assert bare(screen)
    assert "preview" not in screen.text


SYMBOLS = [
    ({"COLORTERM": "truecolor"}, 16.0),
    ({}, 24.0),
]


@pytest.mark.parametrize(("env", "far"), SYMBOLS, ids=str)
def test_preview_forces_symbols(
    terminal: Any, picture: Path, env: dict[str, str], far: float
) -> None:
    screen = terminal("inspect", "--preview", picture.name, env=env)
    assert screen.end() == 0
    assert not GRAPHICS.search(screen.raw)
    assert apart(symbols(screen), quarters()) < far
    assert any(line.endswith(picture.name) for line in screen.lines)


def test_symbols_without_colours_and_without_unicode(terminal: Any, picture: Path) -> None:
    screen = terminal("inspect", "--preview", picture.name, env={"NO_COLOR": "1"})
    assert screen.end() == 0
    assert re.search("[▀▄█]", screen.text)
    assert not re.search(r"\x1b\[[0-9;]*[1-9]", screen.raw)
    plain = {"PYTHONIOENCODING": "ascii", "COLORTERM": "truecolor"}
    screen = terminal("inspect", "--preview", picture.name, env=plain)
    assert screen.end() == 0
    assert screen.raw.isascii()
    assert apart(symbols(screen), quarters()) < 16


# -- nobody to look -------------------------------------------------------------------------------

# In the place of chafa: it notes that somebody asked for it.
ASKED = "from pathlib import Path\nPath(__file__).with_name('asked').touch()\n"


@pytest.fixture
def asked(zimage: Any, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Put something in the place of chafa; return the environment."""

    def make(text: str = "") -> dict[str, str]:
        (tmp_path / "shim").mkdir()
        (tmp_path / "shim" / "chafa.py").write_text(ASKED + text)
        return {"PYTHONPATH": f"{tmp_path / 'shim'}:{zimage.env['PYTHONPATH']}", **KITTY}

    return make


def test_nothing_is_loaded_where_nobody_looks(
    terminal: Any, zimage: Any, tmp_path: Path, asked: Callable[..., dict[str, str]]
) -> None:
    env = asked()
    loaded = tmp_path / "shim" / "asked"
    there = (*GENERATE, "-o", "fox.png", "--overwrite", "--preview")
    for more, changed in (
        (("--quiet",), {}),
        (("--json",), {}),
        ((), {"CI": "true"}),
        ((), {"TERM": "dumb"}),
        (("--no-preview",), {}),
    ):
        screen = terminal(*there, *more, env={**env, **changed})
        assert screen.end() == 0
        assert bare(screen)
        assert not loaded.exists(), (more, changed)
    # In a pipe: --preview there is no mistake.
    assert zimage(*there, env=env).lines == ["fox.png"]
    assert zimage("inspect", "fox.png", "--preview", env=env).stderr == ""
    assert not loaded.exists()
    screen = terminal(*there, env=env)
    assert screen.end() == 0
    assert loaded.exists()


def test_a_chafa_that_cannot_be_loaded_costs_nothing(
    terminal: Any, picture: Path, asked: Callable[..., dict[str, str]]
) -> None:
    env = asked("raise OSError('libchafa.so: not for this machine')")
    for args, told in ((), False), (("--preview",), True):
        screen = terminal("inspect", picture.name, *args, env=env)
        assert screen.end() == 0
        why = "no preview: chafa cannot be loaded: libchafa.so: not for this machine"
        assert (why in screen.text) is told
        assert picture.name in screen.text


# -- commands -------------------------------------------------------------------------------------


def test_generate_shows_its_picture_and_stdout_gets_the_path(terminal: Any, work: Path) -> None:
    line = '"$@" > paths'
    screen = terminal(*GENERATE, "-o", "fox.png", shell=line, env=KITTY)
    assert screen.end() == 0
    assert (work / "paths").read_text() == "fox.png\n"
    assert is_whole(screen.raw)
    [image] = kitty_images(screen.raw)
    assert apart(image, Image.open(work / "fox.png")) < 4
    # Below its line nothing is drawn over it; the line comes after it.
    assert "✓ saved" in GRAPHICS.split(screen.raw)[-1]


def test_several_are_one_strip(terminal: Any, work: Path) -> None:
    args = ("-n", "18", "-o", "foxes/", "--name", "{i}", "--seed", "1")
    screen = terminal(*GENERATE, *args, env={**KITTY, "ZIMAGE_RPS": "0"}, columns=100)
    assert screen.end() == 0
    assert is_whole(screen.raw)
    [strip] = kitty_images(screen.raw)
    files = sorted((work / "foxes").iterdir())
    assert len(files) == 18
    # All rows were printed before it, and the total stands below.
    before, after = GRAPHICS.split(screen.raw)[0], GRAPHICS.split(screen.raw)[-1]
    assert before.count(".png") == 18
    assert "… and 2 more" in after
    assert "18 saved" in after
    # Of the 16 that are shown each in its place: eight in a row.
    [(columns, rows)] = re.findall(r"\x1b_Ga=T[^\x1b]*,c=(\d+),r=(\d+)", screen.raw)
    assert int(columns) < 100
    width, height = strip.width / 7.9, strip.height / 2
    assert int(rows) % 2 == 0
    for number, file in enumerate(files[:16]):
        down, across = divmod(number, 8)
        left, top = across * strip.width / int(columns) * (int(columns) + 1) / 8, down * height
        tile = strip.crop(
            (round(left), round(top), round(left + width * 0.85), round(top + height))
        )
        tile = tile.crop(tile.getbbox())
        far = [apart(tile, Image.open(other)) for other in files]
        assert far[number] == min(far)


def test_history_show_and_setting(terminal: Any, zimage: Any, work: Path) -> None:
    zimage(*GENERATE, "-o", "fox.png")
    screen = terminal("history", "show", "1", env=KITTY)
    assert screen.end() == 0
    [image] = kitty_images(screen.raw)
    assert apart(image, Image.open(work / "fox.png")) < 4
    zimage("config", "set", "preview", "on")
    (work / "fox.png").unlink()
    for args, told in (((), True), (("--no-preview",), False)):
        screen = terminal("history", "show", "1", *args, env=KITTY)
        assert screen.end() == 0
        assert ("no preview of fox.png: its file is gone" in screen.text) is told
        assert bare(screen)
    zimage("config", "unset", "preview")
    screen = terminal("history", "show", "1", env=KITTY)
    assert screen.end() == 0
    assert "preview" not in screen.text


def bomb(path: Path) -> None:
    """Write a PNG of some bytes that claims 30000 by 30000 pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_pictures_of_strangers(terminal: Any, work: Path) -> None:
    frames = [quarters(), Image.new("RGB", (512, 512))]
    frames[0].save(work / "animated.webp", save_all=True, append_images=frames[1:], lossless=True)
    quarters("CMYK").save(work / "cmyk.jpg")
    quarters("P").save(work / "palette.png", transparency=0)
    quarters("LA").save(work / "alpha.png")
    quarters("L").convert("I").point(lambda value: value * 256).convert("I;16").save(
        work / "grey16.png"
    )
    turned = quarters().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(work / "turned.jpg", exif=exif)
    quarters(size=(64, 2048)).save(work / "tall.png")
    quarters(size=(1, 1)).save(work / "dot.png")
    names = "animated.webp cmyk.jpg palette.png alpha.png grey16.png turned.jpg tall.png dot.png"
    screen = terminal("inspect", *names.split(), env=KITTY, columns=60)
    assert screen.end() == 0
    assert is_whole(screen.raw)
    images = kitty_images(screen.raw)
    assert len(images) == 8
    for image, name in zip(images, names.split(), strict=True):
        grey = name in {"alpha.png", "grey16.png"}
        if name not in {"palette.png", "dot.png", "tall.png"}:
            assert apart(image, quarters("L" if grey else "RGB")) < 12, name
    assert images[-2].height > 4 * images[-2].width
    bomb(work / "bomb.png")
    (work / "cut.png").write_bytes((work / "tall.png").read_bytes()[:120])
    for args, told in (((), False), (("--preview",), True)):
        screen = terminal("inspect", *args, "bomb.png", "cut.png", env=KITTY)
        assert screen.end() == 0
        assert bare(screen)
        assert ("no preview of bomb.png: it has too many pixels" in screen.text) is told
        assert ("no preview of cut.png: it cannot be read as a picture" in screen.text) is told


@pytest.mark.parametrize("columns", [20, 1])
def test_a_narrow_terminal(terminal: Any, picture: Path, columns: int) -> None:
    screen = terminal("inspect", picture.name, env=KITTY, columns=columns, rows=5)
    assert screen.end() == 0
    [image] = kitty_images(screen.raw)
    assert image.width <= max(1, columns - 1) * 10
