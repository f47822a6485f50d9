"""See a command in a real terminal, and make the documentation's picture of a preview there.

    python docs/terminal.py

kitty or xterm runs on a screen that nobody sees: Xvfb keeps its pixels in a file. A shell in the
terminal runs the lines that it is told, and each time draws a bar of one colour over the terminal's
last row: when that stands in the file, all before it does. `main` writes `docs/preview.png`;
tests/cli/test_real_terminals.py looks at the pixels.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageChops, ImageFilter, ImageOps
from screens import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]

PICTURE = Path(__file__).with_name("preview.png")
LINE = 'zimage generate "A calm lake at dawn" --size 960x540 --seed 23 --sandbox'
# Paper and ink of the terminals: colours that no picture of the sandbox has.
PAPER, INK = (13, 17, 23), (230, 237, 243)
BARS = ((3, 251, 181), (251, 3, 181))
SCREEN = (1280, 1024)
EDGE = 12
PATIENCE = 60.0
# A sequence with which a picture is sent: kitty's, or sixels.
GRAPHICS = re.compile(rb"\x1b(?:_G|P).*?\x1b\\", re.DOTALL)
CLEAN, ASK_PLACE = b"\x1b[?25l\x1b[H\x1b[2J", b"\x1b[6n"

# Each line on a clean screen, below a prompt. The terminal is then asked where its cursor is: all
# that it typed into the shell by itself stands before that answer.
SHELL = r"""
exec 3<>lines
cd work
modes=$(stty -g)
while IFS= read -r line <&3; do
    number=$((number + 1))
    printf '\033[?25l\033[H\033[2J\033[1;32m$\033[0m \033[1m%s\033[0m\n' "$line"
    eval "$line"
    status=$?
    stty -icanon -echo
    printf '\033[6n'
    IFS= read -r -d R typed
    stty "$modes"
    printf '%s\n%s' "$status" "$typed" >"../ended-$number"
    bars=('3;251;181' '251;3;181')
    printf '\033[?25l\033[999;1H\033[48;2;%sm\033[2K\033[0m' "${bars[number % 2]}"
done
"""


def colour(rgb: Colour) -> str:
    """Return a colour as terminals are told it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def command(terminal: str, columns: int, rows: int, log: Path) -> list[str]:
    """Return what starts a terminal of that size, which keeps in a log what was written to it."""
    run = ["bash", "shell"]
    if terminal == "kitty":
        options = {
            "font_family": "DejaVu Sans Mono",
            "font_size": "10.5",
            "background": colour(PAPER),
            "foreground": colour(INK),
            "remember_window_size": "no",
            "initial_window_width": f"{columns}c",
            "initial_window_height": f"{rows}c",
            "shell_integration": "disabled",
            "sync_to_monitor": "no",
            "update_check_interval": "0",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["kitty", "--config", "NONE", "--dump-bytes", str(log), *words, *run]
    looks = ["-bg", colour(PAPER), "-fg", colour(INK), "-fa", "DejaVu Sans Mono", "-fs", "10"]
    # A VT340 shows sixels; its own has 16 colours.
    looks += ["-ti", "vt340", "-xrm", "XTerm*numColorRegisters: 256"]
    looks += ["-b", "0", "+sb", "-u8", "-tn", "xterm-256color"]
    return ["xterm", *looks, "-geometry", f"{columns}x{rows}", "-l", "-lf", str(log), "-e", *run]


def missing(terminal: str) -> str:
    """Return the programs that this machine lacks for it, or nothing."""
    return " ".join(name for name in ("Xvfb", "bash", terminal) if not shutil.which(name))


def mask(image: Image.Image, rgb: Colour) -> Image.Image:
    """Return white where an image has that colour and black elsewhere."""
    apart = ImageChops.difference(image, Image.new("RGB", image.size, rgb)).split()
    most = ImageChops.lighter(ImageChops.lighter(apart[0], apart[1]), apart[2])
    return most.point(lambda value: 255 if value == 0 else 0)


def spans(image: Image.Image, *, down: bool) -> Iterator[tuple[int, int]]:
    """Yield the runs of rows (or columns) of a mask in which something is white."""
    width, height = image.size
    line = image.resize((1, height) if down else (width, 1), Image.Resampling.BOX)
    # Averages: one white pixel of a thousand would be rounded away, and is not a picture.
    values = [*line.tobytes(), 0]
    began = None
    for place, value in enumerate(values):
        if value and began is None:
            began = place
        elif not value and began is not None:
            yield began, place
            began = None


def pictures(image: Image.Image) -> list[Box]:
    """Return where pictures stand: each surface without paper that is no text and no line."""
    ink = ImageChops.invert(mask(image, PAPER))
    solid = ink.filter(ImageFilter.MinFilter(9)).filter(ImageFilter.MaxFilter(9))
    return [
        (left, top, right, bottom)
        for top, bottom in spans(solid, down=True)
        for left, right in spans(solid.crop((0, top, solid.width, bottom)), down=False)
    ]


@dataclass(frozen=True)
class Seen:
    """What a terminal showed when a line was done.

    `image`: its window, but for the last row. `tall`: the height of a row. `status`: the line's.
    `typed`: what the terminal typed into the shell by itself. `at`: row and column of the cursor,
    from 0. `written`: the bytes that the terminal was sent, from the prompt on.
    """

    image: Image.Image
    tall: int
    status: int
    typed: str
    at: tuple[int, int]
    written: bytes

    def pictures(self) -> list[Box]:
        """Return where pictures stand."""
        return pictures(self.image)

    def rows(self, start: int, end: int) -> Image.Image:
        """Return the window's rows from one to before another."""
        return self.image.crop((0, start * self.tall, self.image.width, end * self.tall))


class Terminal:
    """A terminal that is running, and the shell in it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], rows: int) -> None:
        self.work = folder / "work"
        self._folder, self._process, self._rows = folder, process, rows
        self._number = 0
        # For reading too: opened for writing only, it would wait for the shell to come.
        self._lines = os.open(folder / "lines", os.O_RDWR)

    def run(self, line: str) -> Seen:
        """Run a line in the shell, on a clean screen; return what is seen then."""
        self._number += 1
        os.write(self._lines, f"{line}\n".encode())
        ended = self._folder / f"ended-{self._number}"
        image, bar = self._until(
            lambda: self._settled(BARS[self._number % 2]) if ended.exists() else None, line
        )
        status, typed = ended.read_text("utf-8").split("\n", 1)
        place = re.search(r"\x1b\[(\d+);(\d+)\Z", typed)
        if place is None:
            raise RuntimeError(f"the terminal does not say where its cursor is: {typed!r}")
        tall = bar[3] - bar[1]
        return Seen(
            image.crop((bar[0], bar[3] - self._rows * tall, bar[2], bar[1])),
            tall,
            int(status),
            typed[: place.start()],
            (int(place[1]) - 1, int(place[2]) - 1),
            self._until(self._written, line),
        )

    def run_again(self, seen: Seen) -> Seen:
        """Show what a line wrote once more, without its pictures."""
        text = self._folder / "text"
        text.write_bytes(GRAPHICS.sub(b"", seen.written))
        return self.run(f"cat {text}")

    def close(self) -> None:
        """Let go of the shell's lines."""
        os.close(self._lines)

    def _until(self, look: Callable[[], T | None], line: str) -> T:
        """Return what is found as soon as it is; RuntimeError when that is never."""
        deadline = time.monotonic() + PATIENCE
        while (found := look()) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "terminal.log").read_text("utf-8", "replace")
                raise RuntimeError(f"no end is seen of: {line}\n{log}")
            time.sleep(0.03)
        return found

    def _settled(self, rgb: Colour) -> tuple[Image.Image, Box] | None:
        """Return the screen and where the bar is in it; None as long as it is being drawn."""
        image = self._screen()
        found = mask(image, rgb)
        bar = found.getbbox()
        if bar is None or found.crop(bar).getextrema() != (255, 255):
            return None
        return (image, bar) if image.tobytes() == self._screen().tobytes() else None

    def _screen(self) -> Image.Image:
        """Return the screen's pixels: Xvfb writes an XWD file."""
        data = (self._folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", data[:100])
        start, width, height, stride = head[0] + 12 * head[19], head[4], head[5], head[12]
        return Image.frombytes("RGB", (width, height), data[start:], "raw", "BGRX", stride)

    def _written(self) -> bytes | None:
        """Return what the terminal was sent for the last line, up to our question."""
        data = (self._folder / "written").read_bytes()
        if data.count(ASK_PLACE) < self._number:
            return None
        end = data.rindex(ASK_PLACE)
        return data[data.rindex(CLEAN, 0, end) : end]


@contextmanager
def running(words: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; what it says goes to a file."""
    with log.open("wb") as stream:
        process = subprocess.Popen(words, stdout=stream, stderr=stream, **options)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


@contextmanager
def opened(terminal: str, columns: int = 100, rows: int = 44) -> Iterator[Terminal]:
    """Start a screen and a terminal on it, in an empty home."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="z")))
        # No terminal is told where this process itself runs.
        env = environment(folder / "home") | {"LIBGL_ALWAYS_SOFTWARE": "1"}
        (folder / "work").mkdir()
        (folder / "shell").write_text(SHELL, encoding="utf-8")
        os.mkfifo(folder / "lines")
        ready, told = os.pipe()
        screen = "{}x{}x24".format(*SCREEN)
        words = ["Xvfb", "-displayfd", str(told), "-fbdir", str(folder), "-screen", "0", screen]
        stack.enter_context(
            running(
                [*words, "-nolisten", "tcp", "-nocursor"], folder / "screen.log", pass_fds=[told]
            )
        )
        os.close(told)
        with os.fdopen(ready) as number:
            # Nothing where it could not start: the terminal then says so.
            env["DISPLAY"] = f":{number.readline().strip()}"
        words = command(terminal, columns, rows, folder / "written")
        process = stack.enter_context(running(words, folder / "terminal.log", cwd=folder, env=env))
        shown = Terminal(folder, process, rows)
        stack.callback(shown.close)
        yield shown


def framed(seen: Seen) -> Image.Image:
    """Return what a line wrote with an edge around it."""
    return ImageOps.expand(seen.rows(0, seen.at[0]), EDGE, PAPER)


def main() -> None:
    """Write the picture anew."""
    with opened("kitty") as kitty:
        seen = kitty.run(LINE)
    framed(seen).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
