"""kitty and xterm on a screen of Xvfb: is the picture there, and the text below it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import terminal
from conftest import SOURCE
from PIL import Image, ImageChops, ImageStat
from terminal import LINE, PICTURE, Seen, Terminal

pytest.importorskip("chafa", reason="the extra `preview` is not installed")

GENERATE = "ZIMAGE_RPS=0 zimage generate 'a red kite' --sandbox --size 688x384 --overwrite"


def opened(name: str) -> Iterator[Terminal]:
    if lacking := terminal.missing(name):
        pytest.skip(f"not on this machine: {lacking}")
    with terminal.opened(name) as shown:
        yield shown


@pytest.fixture(scope="module")
def kitty() -> Iterator[Terminal]:
    yield from opened("kitty")


@pytest.fixture(scope="module")
def xterm() -> Iterator[Terminal]:
    yield from opened("xterm")


def apart(shown: Image.Image, file: Path | Image.Image, *, cells: int = 0) -> float:
    """How far a picture on the screen is from its file, of 255; of symbols, by the colours of so
    many parts of its width."""
    with Image.open(file) if isinstance(file, Path) else file as picture:
        size = (cells, cells // 2) if cells else shown.size
        one, two = (image.convert("RGB").resize(size) for image in (shown, picture))
    return max(ImageStat.Stat(ImageChops.difference(one, two)).mean)


def below(seen: Seen, again: Seen) -> int:
    """How many rows stand below the pictures: they, and those above, are as without pictures."""
    tops, bottoms = zip(*[(box[1], box[3]) for box in seen.pictures()], strict=True)
    above, lower = min(tops) // seen.tall, seen.at[0] - -(-max(bottoms) // seen.tall)
    assert seen.rows(0, above).tobytes() == again.rows(0, above).tobytes()
    one, two = (some.rows(some.at[0] - lower, some.at[0] + 1) for some in (seen, again))
    assert one.tobytes() == two.tobytes()
    return lower


def test_kitty_shows_the_picture_and_the_text_below_it(kitty: Terminal) -> None:
    seen = kitty.run(LINE)
    assert (seen.status, seen.typed, seen.at[1]) == (0, "", 0)
    [box] = seen.pictures()
    file = max((kitty.work / "output").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    assert apart(seen.image.crop(box), file) < 4
    again = kitty.run_again(seen)
    assert again.pictures() == []
    assert below(seen, again) == 2  # what was saved, and its path


def test_the_picture_in_the_documentation_is_up_to_date(kitty: Terminal) -> None:
    assert PICTURE.stat().st_size < 300_000
    drawn, made = Image.open(PICTURE).convert("RGB"), terminal.framed(kitty.run(LINE))
    for image in (drawn, made):
        [box] = terminal.pictures(image)
        assert apart(image.crop(box), SOURCE / "docs" / "picture.png") < 4
    # Not its bytes: seconds and dates differ, and the font may be another one.
    assert abs(drawn.height - made.height) < 50, "python docs/terminal.py makes it anew"


def test_kitty_shows_several_in_one_strip(kitty: Terminal) -> None:
    seen = kitty.run(f"{GENERATE} --seed 1 -n 4 -o kites/")
    assert (seen.status, seen.typed, seen.at[1]) == (0, "", 0)
    files = sorted((kitty.work / "kites").glob("*.png"))
    boxes = seen.pictures()
    assert len(files) == len(boxes) == 4
    for box, file in zip(boxes, files, strict=True):
        far = [apart(seen.image.crop(box), other) for other in files]
        assert far[files.index(file)] == min(far) < 4
    assert len({top for _, top, _, _ in boxes}) == 1
    assert below(seen, kitty.run_again(seen)) == 1


def test_kitty_shows_a_picture_that_was_made_before(kitty: Terminal) -> None:
    made = kitty.run(f"{GENERATE} --seed 7 -o fox.png --no-preview")
    assert (made.status, made.typed, made.pictures()) == (0, "", [])
    assert kitty.run_again(made).image.tobytes() == made.image.tobytes()
    for line in ("history show fox.png", "inspect fox.png"):
        seen = kitty.run(f"zimage {line}")
        assert (seen.status, seen.typed, seen.at[1]) == (0, "", 0)
        [box] = seen.pictures()
        assert apart(seen.image.crop(box), kitty.work / "fox.png") < 4
        assert below(seen, kitty.run_again(seen)) > 5


def test_xterm_shows_symbols_when_it_is_asked_to(xterm: Terminal) -> None:
    # Nobody knows by its environment whether an xterm shows pictures.
    made = xterm.run(f"{GENERATE} --seed 4 -o kite.png")
    assert (made.status, made.typed, made.pictures()) == (0, "", [])
    for colours, most in (("truecolor", 4), ("", 16)):
        seen = xterm.run(f"COLORTERM={colours} zimage inspect kite.png --preview")
        assert (seen.status, seen.typed, seen.at[1]) == (0, "", 0)
        [box] = seen.pictures()
        assert apart(seen.image.crop(box), xterm.work / "kite.png", cells=24) < most
        # They are text, whose colours xterm takes from those that it has at that time.
        assert apart(seen.image, xterm.run_again(seen).image) < 1


def test_sixels_are_drawn_and_the_text_is_below(xterm: Terminal) -> None:
    # What foot is sent, drawn by an xterm that is a VT340.
    seen = xterm.run(f"TERM=foot {GENERATE} --seed 7 -o kite.png")
    assert (seen.status, seen.typed, seen.at[1]) == (0, "", 0)
    [box] = seen.pictures()
    assert apart(seen.image.crop(box), xterm.work / "kite.png") < 6
    assert below(seen, xterm.run_again(seen)) == 2
