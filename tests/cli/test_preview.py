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
    r"\x1b_Ga=T,(?:U=1,)?q=2,f=32,s=(\d+),v=(\d+),(.*?)m=1\x1b\\(.*?m=0\x1b\\)", re.DOTALL
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
    ({"TERM": "xterm-kitty", "LC_TERMINAL": "iTerm2"}, kitty_images),
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
    screen = terminal("inspect", picture.name, env=env, rows=16)
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
    {"TERM": "alacritty", "KITTY_PID": "7"},
    {"TERM": "linux", "LC_TERMINAL": "iTerm2"},
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
    ({}, 32.0),
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
def asked(shim: Any) -> Callable[..., dict[str, str]]:
    """Put something in the place of chafa; return the environment."""

    def make(text: str = "") -> dict[str, str]:
        return {**shim(ASKED + text, "chafa"), **KITTY}

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
    screen = terminal(*GENERATE, "-o", "fox.png", shell=line, env=KITTY, rows=16)
    assert screen.end() == 0
    assert (work / "paths").read_text() == "fox.png\n"
    assert is_whole(screen.raw)
    [image] = kitty_images(screen.raw)
    assert apart(image, Image.open(work / "fox.png")) < 4
    # Below its line nothing is drawn over it; the line comes after it.
    assert "✓ saved" in GRAPHICS.split(screen.raw)[-1]


def test_several_are_one_strip(terminal: Any, work: Path) -> None:
    args = ("-n", "5", "-o", "foxes/", "--name", "{seed}", "--seed", "1")
    screen = terminal(*GENERATE, *args, env={**KITTY, "ZIMAGE_RPS": "0"}, columns=50, rows=16)
    assert screen.end() == 0
    assert is_whole(screen.raw)
    [strip] = kitty_images(screen.raw)
    files = sorted((work / "foxes").iterdir())
    # All rows were printed before it, and the total stands below.
    before, after = GRAPHICS.split(screen.raw)[0], GRAPHICS.split(screen.raw)[-1]
    assert before.count(".png\x1b]8;;") == len(files) == 5
    assert "5 saved" in after
    # Two rows of three, each picture in its place, with a column of cells between them.
    [(columns, rows)] = re.findall(r"\x1b_Ga=T[^\x1b]*,c=(\d+),r=(\d+)", screen.raw)
    cell, high, wide = strip.width / int(columns), strip.height / 2, (int(columns) - 2) / 3
    assert int(columns) < 50
    assert int(rows) % 2 == 0
    for number in range(len(files)):
        down, across = divmod(number, 3)
        left = across * (wide + 1) * cell
        corners = (left, down * high, left + wide * cell, (down + 1) * high)
        tile = strip.crop((*map(round, corners),))
        far = [apart(tile.crop(tile.getbbox()), Image.open(other)) for other in files]
        assert far[number] == min(far) < 8


def test_of_very_many_some_are_shown(terminal: Any, service: Any, unpaced: None) -> None:
    args = ("generate", "a fox", "--size", "512x512", "-n", "18")
    screen = terminal(*args, env={**service.env, **KITTY}, columns=40, rows=16)
    assert screen.end() == 0
    assert len(kitty_images(screen.raw)) == 1
    after = GRAPHICS.split(screen.raw)[-1]
    assert after.index("… and 2 more") < after.index("18 saved")


def test_history_show_and_setting(terminal: Any, zimage: Any, work: Path) -> None:
    zimage(*GENERATE, "-o", "fox.png")
    screen = terminal("history", "show", "1", env=KITTY, rows=16)
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
    screen = terminal("inspect", *names.split(), env=KITTY, columns=20, rows=16)
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


OTHERWISE = [
    # Its reader has had all of it.
    ('mkfifo p; cat four.png >p & "$@" p', "no preview of p: it cannot be read as a picture"),
    ('ulimit -n 60; "$@" four.png', "no preview: the system gives this process little memory"),
]


@pytest.mark.parametrize(("line", "why"), OTHERWISE)
def test_no_picture_is_waited_for(terminal: Any, picture: Path, line: str, why: str) -> None:
    screen = terminal("inspect", "--preview", shell=line, env=KITTY)
    assert screen.end(60) == 0
    assert bare(screen)
    assert why in screen.text
    assert "512×512" in screen.text


@pytest.mark.parametrize("columns", [20, 1])
def test_a_narrow_terminal(terminal: Any, picture: Path, columns: int) -> None:
    screen = terminal("inspect", picture.name, env=KITTY, columns=columns, rows=5)
    assert screen.end() == 0
    [image] = kitty_images(screen.raw)
    assert image.width <= max(1, columns - 1) * 10


# -- tmux -----------------------------------------------------------------------------------------


@pytest.fixture
def tmux(zimage: Any, terminal: Any, work: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Inspect a picture in a tmux that hands on or not; return what the terminal was sent."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    words = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]

    def run(passes: str, *args: str, until: str, before: str = "") -> str:
        inspect = shlex.join([*zimage.command, "inspect", *args])
        line = f"{before}{inspect}; while [ ! -e seen ]; do sleep 0.05; done"
        told = ["set", "-g", "allow-passthrough", passes, ";", "new-session", line]
        screen = terminal(
            shell=shlex.join([*words, *told]), env={**KITTY, "COLORTERM": "truecolor"}
        )
        screen.until(lambda now: until in now.raw, 60)
        (work / "seen").touch()
        assert screen.end(60) == 0
        return str(screen.raw)

    try:
        yield run
    finally:
        subprocess.run([*words, "kill-server"], capture_output=True, timeout=60, check=False)


def test_tmux_hands_the_picture_on_where_it_is_told_to(
    tmux: Any, picture: Path, tmp_path: Path
) -> None:
    # On a busy machine it answers late.
    late = tmp_path / "late" / "tmux"
    late.parent.mkdir()
    late.write_text(f'#!/bin/sh\nsleep 3\nexec {shutil.which("tmux")} "$@"\n')
    late.chmod(0o755)
    # What tmux shows are placeholders; they come after the picture.
    raw = tmux("on", picture.name, until="\U0010eeee", before=f"PATH={late.parent}:$PATH ")
    [image] = kitty_images(raw)
    assert apart(image, quarters()) < 4
    assert is_whole(raw)


@pytest.mark.parametrize("forced", [False, True])
def test_tmux_that_does_not_gets_symbols_if_anything(
    tmux: Any, picture: Path, forced: bool
) -> None:
    raw = tmux("off", picture.name, *(["--preview"] if forced else []), until="recipe")
    assert "\x1b_G" not in raw
    assert "\U0010eeee" not in raw
    coloured = re.findall(r"\x1b\[[\d;:]*[34]8[;:][25]", raw)
    assert (len(coloured) > 10) is forced


# -- a terminal that is not left in the middle of a picture ---------------------------------------


def until_picture(screen: Any) -> None:
    """Read up to the first bytes of a picture: what follows waits to be read."""
    while "\x1b_G" not in screen.raw:
        screen.raw += screen.child.read_nonblocking(1, timeout=60)


COMMANDS = [("inspect", "large.png"), (*GENERATE, "-o", "fox.png")]


@pytest.mark.parametrize("words", COMMANDS, ids=["inspect", "generate"])
def test_ctrl_z_waits_for_the_end_of_the_picture(
    terminal: Any, work: Path, words: tuple[str, ...]
) -> None:
    quarters().save(work / "large.png")
    # A shell that does job control: alone, nobody could stop it.
    line = 'set -m; "$@"; echo stopped $?; fg; echo went on $?'
    screen = terminal(*words, shell=line, env=KITTY)
    until_picture(screen)
    os.killpg(os.tcgetpgrp(screen.child.child_fd), signal.SIGTSTP)
    screen.until(lambda now: "stopped" in now.text, 60)
    sent = screen.raw.partition("stopped")[0]
    assert is_whole(sent)
    assert len(kitty_images(sent)) == 1
    screen.until(lambda now: "went on 0" in now.text, 60)


def test_ctrl_c_waits_for_it_too(terminal: Any, picture: Path) -> None:
    screen = terminal("inspect", picture.name, env=KITTY)
    until_picture(screen)
    os.killpg(os.tcgetpgrp(screen.child.child_fd), signal.SIGINT)
    assert screen.end(60) == 130
    assert is_whole(screen.raw)


def test_a_terminal_that_goes_away_costs_no_picture(terminal: Any, zimage: Any, work: Path) -> None:
    line = 'trap "" HUP; "$@"; echo $? >status'
    screen = terminal(*GENERATE, "-o", "fox.png", shell=line, env=KITTY)
    until_picture(screen)
    screen.hang_up()
    end = time.monotonic() + 60
    while not (work / "status").exists() or not (work / "status").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert (work / "fox.png").read_bytes()[:4] == b"\x89PNG"
    assert zimage("history", "--json").json["entries"][0]["status"] == "saved"
