"""Make this documentation's pictures of the terminal from what the command prints in one.

    python docs/screens.py

Each scene runs the real command in a pseudo-terminal, in an empty home, against the sandbox, and
writes what stands on the screen to `docs/screens/NAME-light.svg` and `…-dark.svg`, and in Chinese
to `docs/screens/zh/`. What differs
with time and machine (dates, seconds, bytes, versions) is replaced by the fixed values of `FIXED`,
so that the same program gives the same files. tests/test_readme.py compares them.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, cycle, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

SOURCE = Path(__file__).resolve().parent.parent
FOLDER = SOURCE / "docs" / "screens"
PROMPTS = (
    *("a red kite over the sea", "a calm lake at dawn", "a fox in the snow", "a city at night"),
    *("a forest in the fog", "hills in the rain", "a desert at noon", "雪夜里的狐狸"),
)
# A path of the same length every time: it decides where a table breaks its lines.
TEMPORARY = "/tmp"  # noqa: S108
# What differs from run to run, and what it always looks like here; of several, one after the other.
FIXED: tuple[tuple[str, str | tuple[str, ...]], ...] = (
    (r"\b20\d{6}-\d{6}\b", "20261122-093015"),
    (r"(?<= )\d\d:\d\d(?= )", "09:30"),
    (r"\b\d+\.\d s\b", "0.2 s"),
    (r"(?<=· )\d+ s\b|(?<=about )\d+ s(?= left)", "4 s"),
    (r"\b\d+\.\d+/s\b", "2.00/s"),
    (r"\b\d+ kB\b", "160 kB"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8089"),
    (rf"{TEMPORARY}/z\w{{8}}/(home|work)\b", "/home/you"),
    (r"\bPython 3\.\d+\.\d+\S*", "Python 3.11.9"),
    (r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "⠙"),
    (r"line \d: \S+", ("line 4: a-city-at-night.png", "line 5: a-forest-in-the-fog.png")),
    # In Chinese; behind a letter of two columns stands a cell with nothing in it.
    (r"\b\d+\.\d(?= 秒)", "0.2"),
    (r"(?<=· )\d+(?= 秒)|(?<=约\0 )\d+(?= 秒)", "4"),
    (r"(?<=每\0秒\0 )\d+\.\d+", "2.00"),
    (r"(?<=第\0 )\d(?= 行\0：)", ("4", "5")),
    (r"(?<=行\0：\0)\S+", ("a-city-at-night.png", "a-forest-in-the-fog.png")),
)
# A bar beside the seconds that a picture takes: how far it is differs with them.
MOVING = r"[━╸╺─]{9,}(?=  \d+\.\d (?:s|秒))"
COLOURS = {
    "light": "paper#f6f8fa edge#d0d7de default#1f2328 red#cf222e green#1a7f37 brown#9a6700"
    " blue#0969da magenta#8250df cyan#1b7c83",
    "dark": "paper#161b22 edge#30363d default#e6edf3 red#f85149 green#3fb950 brown#d29922"
    " blue#58a6ff magenta#bc8cff cyan#39c5cf",
}
WIDE, TALL = 8.4, 18
# Lines are drawn and not written: in few fonts do they meet from row to row. Where each begins in
# its cell, and how it goes on.
STROKES = {
    "─": (0.0, 9.0, "h8.4"),
    "│": (4.2, 0.0, "v18"),
    "╭": (4.2, 18.0, "v-5q0-4 4.2-4"),
    "╮": (0.0, 9.0, "q4.2 0 4.2 4v5"),
    "╰": (4.2, 0.0, "v5q0 4 4.2 4"),
    "╯": (4.2, 0.0, "v5q0 4-4.2 4"),
    "━": (0.0, 9.0, "h8.4"),
    "╸": (0.0, 9.0, "h4.2"),
    "╺": (4.2, 9.0, "h4.2"),
}


@dataclass(frozen=True)
class Scene:
    """What is typed, and when the picture is taken.

    `before`: typed and not shown. `kept`: where the picture that it saved is copied to.
    `while_shown`: taken when this pattern stands on the screen, else at the end. `answers`: what
    requests a sandbox of its own answers; it keeps all others waiting. `folder`: where its files
    stand below `docs/screens`, which is its language too.
    """

    name: str
    typed: str
    before: tuple[str, ...] = ()
    kept: Path | None = None
    while_shown: str = ""
    answers: str = ""
    folder: str = ""

    @property
    def stem(self) -> str:
        """The path of its files, without theme."""
        return str(Path(self.folder, self.name))


ENGLISH = (
    Scene(
        "generate",
        'zimage generate "A calm lake at dawn" --size 960x540 --seed 23 --prompt-extend',
        kept=SOURCE / "docs" / "picture.png",
    ),
    Scene(
        "several",
        'zimage generate "A red kite" --seed 7 -n 4 -o kites/',
        while_shown="1 of 4 +3 painting",
        answers='"seed": ?8',
    ),
    Scene(
        "batch-live",
        'zimage batch prompts.txt -o pics/ --name "{slug}.png" -j 2',
        while_shown=r"5 of 8(?s:.*)about \d+ s left · \S+/s\s+2 painting · 1 waiting",
        answers="kite|lake|fox|city|forest",
    ),
    Scene("batch", 'zimage batch prompts.txt -o pics/ --name "{slug}.png"'),
    Scene("regions", "zimage regions"),
    Scene(
        "history",
        "zimage history list",
        before=('zimage generate "A red kite" --seed 7', 'zimage generate "雪夜" --seed 8'),
    ),
    Scene("validate", "zimage validate"),
    Scene("help", "zimage generate -h"),
)
# What stands on a Chinese screen when the picture is taken.
LIVE = {
    "several": r"1/4 +3 张绘制中",
    "batch-live": r"5/8(?s:.*)还需约 \d+ 秒 · 每秒 \S+ 张\s+2 张绘制中 · 1 张排队中",
}
SCENES = (
    *ENGLISH,
    *(
        replace(scene, folder="zh", kept=None, while_shown=LIVE.get(scene.name, ""))
        for scene in ENGLISH
    ),
)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of someone who has just installed zimage and wants the sandbox."""
    tools = home / "bin"
    tools.mkdir(parents=True)
    zimage = tools / "zimage"
    zimage.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zimage_cli "$@"\n', encoding="utf-8")
    zimage.chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "HOME": str(home),
        "ZIMAGE_HOME": str(home / "zimage"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "EDITOR": "true",
        "SHELL": "/bin/bash",
    }


def play(scene: Scene, columns: int = 80, rows: int = 70) -> tuple[Any, bytes]:
    """Run a scene; return the terminal's screen and the last picture that was saved."""
    import pyte

    # pyte knows no dim; nothing here blinks.
    pyte.graphics.TEXT[2] = "+blink"
    screen = pyte.Screen(columns, rows)
    stream = pyte.Stream(screen)
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="z", dir=TEMPORARY)
        env = environment(Path(stack.enter_context(folder), "home"))
        env["ZIMAGE_LANG"] = scene.folder or "en"
        work = Path(folder.name, "work")
        work.mkdir()
        (work / "prompts.txt").write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")
        if scene.while_shown:
            env |= stack.enter_context(holding(scene.answers))
        else:
            list(typed("zimage config set-region sandbox", work, env, (rows, columns)))
        for line in scene.before:
            list(typed(line, work, env, (rows, columns)))
        stream.feed(f"\x1b[1;32m$\x1b[0m \x1b[1m{scene.typed}\x1b[0m\r\n")
        for output in stack.enter_context(closing(typed(scene.typed, work, env, (rows, columns)))):
            stream.feed(output)
            if scene.while_shown and re.search(scene.while_shown, "\n".join(screen.display)):
                break
        pictures = sorted(work.rglob("*.png"))
        return screen, pictures[-1].read_bytes() if pictures else b""


@contextmanager
def holding(answers: str) -> Iterator[dict[str, str]]:
    """Serve a sandbox that answers the requests with these words; return what leads to it."""
    from zimage_cli.sandbox.books import Books, Call
    from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox, SandboxServer

    end = threading.Event()

    class Held(Books):
        def arrived(self, call: Call) -> None:
            super().arrived(call)
            if not re.search(answers, call.request.body.decode()):
                end.wait(60)

    server = SandboxServer(Sandbox(), Held())
    try:
        yield {"DASHSCOPE_BASE_URL": server.api_root, "DASHSCOPE_API_KEY": SANDBOX_KEY}
    finally:
        end.set()
        server.stop()


def end(child: Any) -> None:
    """End what pexpect has started, however long that takes.

    Its `close` gives it a tenth of a second after a kill, and raises.
    """
    if child.isalive():
        child.kill(signal.SIGKILL)
        child.wait()
    child.close()


def typed(line: str, work: Path, env: Mapping[str, str], size: tuple[int, int]) -> Generator[str]:
    """Run a line in a shell in a terminal of that size, and yield what it prints."""
    import pexpect

    child = pexpect.spawn(
        "/bin/sh",
        ["-c", f"exec {line}"],
        env=dict(env),
        cwd=str(work),
        dimensions=size,
        encoding="utf-8",
    )
    try:
        while True:
            yield child.read_nonblocking(4096, timeout=60)
    except pexpect.EOF:
        child.wait()
    finally:
        end(child)
    if child.exitstatus:
        raise SystemExit(f"{line} ended with {child.exitstatus}")


def settled(row: list[Any], values: Mapping[str, Iterator[str]]) -> list[Any]:
    """Return a row with the fixed values in it; blanks after them make up for their length."""
    text = "".join(cell.data or "\0" for cell in row)
    for match in re.finditer(MOVING, text):
        for place in range(*match.span()):
            done = place < match.start() + (match.end() - match.start()) // 4
            looks = {"data": "━", "fg": "cyan"} if done else {"data": "─", "fg": "default"}
            row[place] = row[place]._replace(**looks, blink=not done)
    for pattern, value in values.items():
        for match in reversed(list(re.finditer(pattern, text))):
            (start, end), fixed = match.span(), next(value)
            row[start:end] = [row[start]._replace(data=letter) for letter in fixed]
            more = len(fixed) - (end - start)
            at = re.compile(" {2,}|$").search(text, end)
            gap = (at.start() if at else len(text)) + more
            row[gap:gap] = [row[gap - 1]._replace(data=" ")] * -more
            del row[gap : gap + max(0, more)]
            text = "".join(cell.data or "\0" for cell in row)
    return row


def drawn(row: list[Any], y: int) -> Iterator[str]:
    """Yield the elements of a row: a text or a stroke for each run of cells that look alike."""

    def look(place: int) -> tuple[str, str]:
        cell = row[place]
        looks = [cell.fg, "bold" * cell.bold, "dim" * cell.blink, "under" * cell.underscore]
        heavy = "heavy" * (cell.data in "━╸╺") if cell.data else ""
        words = ["line", *looks, heavy] if cell.data and cell.data in STROKES else looks
        return " ".join(filter(None, words)), cell.data if words is not looks else ""

    for (names, stroke), places in groupby(range(len(row)), look):
        run = list(places)
        x = run[0] * WIDE
        if stroke:
            left, top, way = STROKES[stroke]
            if way == "h8.4":
                yield f'<path class="{names}" d="M{x:g} {y + top:g}h{WIDE * len(run):g}"/>'
                continue
            starts = (f"M{place * WIDE + left:g} {y + top:g}{way}" for place in run)
            yield f'<path class="{names}" d="{"".join(starts)}"/>'
            continue
        # Word by word: blanks in a row are not kept by every program that shows an SVG.
        text = "".join(row[place].data or "\0" for place in run)
        for word in re.finditer(r"[^ ]+(?: [^ ]+)*", text):
            at, wide = x + word.start() * WIDE, len(word[0]) * WIDE
            shown = escape(word[0].replace("\0", ""))
            yield (
                f'<text class="{names}" x="{at:g}" y="{y + 13}" textLength="{wide:g}">'
                f"{shown}</text>"
            )


def svg(screen: Any, theme: str) -> str:
    """Return the screen as an SVG without fonts, scripts or anything from elsewhere."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and not "".join(cell.data for cell in rows[-1]).strip():
        rows.pop()
    wide, tall = screen.columns * WIDE + 32, len(rows) * TALL + 60
    colours = dict(pair.split("#") for pair in COLOURS[theme].split())
    styles = "".join(
        f".{name}{{fill:#{code}}}.line.{name}{{stroke:#{code}}}" for name, code in colours.items()
    )
    values = {
        pattern: cycle((fixed,) if isinstance(fixed, str) else fixed) for pattern, fixed in FIXED
    }
    parts = (drawn(settled(row, values), y * TALL) for y, row in enumerate(rows))
    body = "\n".join(chain.from_iterable(parts))
    edge = f'stroke="#{colours["edge"]}"'
    dots = "".join(f'<circle cx="{x}" cy="20" r="5.5"/>' for x in (20, 38, 56))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {tall}" width="{wide:g}">
<style>
text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}}
{styles}.bold{{font-weight:600}}.dim{{opacity:.62}}.under{{text-decoration:underline}}
.line{{fill:none!important;stroke-width:1.2}}.heavy{{stroke-width:4}}
</style>
<rect class="paper" {edge} x=".5" y=".5" width="{wide - 1:g}" height="{tall - 1}" rx="9"/>
<g class="edge">{dots}</g>
<g transform="translate(16 42)">
{body}
</g>
</svg>
"""


def rendered(scene: Scene) -> tuple[dict[Path, str], bytes]:
    """Return what a scene's files should hold, and the last picture that it saved."""
    screen, picture = play(scene)
    return {FOLDER / f"{scene.stem}-{theme}.svg": svg(screen, theme) for theme in COLOURS}, picture


def main() -> None:
    """Write all files anew."""
    (FOLDER / "zh").mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        files, picture = rendered(scene)
        for file, text in files.items():
            file.write_text(text, encoding="utf-8")
        if scene.kept:
            scene.kept.write_bytes(picture)
        print(scene.stem)


if __name__ == "__main__":
    main()
