"""Pictures, decoded no larger than they are shown, on one sheet of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil, sqrt
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

    from zimage_cli.cli.preview.terminal import Screen

_COLUMNS, _ROWS = 60, 20
"""Cells of one picture at most."""
_STRIP_COLUMNS, _STRIP_ROWS = 120, 30
"""Cells of a strip of several."""
_TILE_COLUMNS, _LEAST_COLUMNS = 24, 12
"""Columns of a picture in it: at most and, where there is room, at least."""
_SHARP = 400_000
"""Pixels of a sheet at most where the terminal makes them as large as the cells."""
_DECODED = 40_000_000
"""Pixels that are decoded at most: a file of some kB can claim more than there is memory."""


class TooLarge(Exception):
    """A picture of more pixels than are decoded for a preview."""


class Sheet(NamedTuple):
    """A picture of pictures, and the cells that it takes."""

    image: Image
    columns: int
    rows: int
    cell_width: int
    cell_height: int


def load() -> None:
    """Load what opens pictures."""
    from zimage_cli.core.recipe.convert import load_pillow

    load_pillow("webp")


def sheet(
    paths: Sequence[Path], screen: Screen, *, exact: bool, text: int
) -> tuple[Sheet | None, Mapping[Path, Exception]]:
    """Return pictures, one or several in rows, as large as the screen has room for.

    And what is wrong with those that cannot be shown; there is no sheet where that are all.

    `exact`: a pixel of the sheet is one of the screen. `text`: rows that are left to what is said
    of one picture, where the screen is not too low for that.
    """
    from PIL import Image

    lines, across, columns, rows = _grid(len(paths), screen, text)
    factor = 1.0
    if not exact:
        pixels = columns * across * screen.cell_width * rows * lines * screen.cell_height
        factor = min(1.0, sqrt(_SHARP / pixels))
    width = max(1, int(screen.cell_width * factor))
    height = max(1, int(screen.cell_height * factor))
    box = columns * screen.cell_width, rows * screen.cell_height
    scale = width / screen.cell_width, height / screen.cell_height
    tiles, failed = [], {}
    for path in paths:
        # Pillow raises what it likes for what is no picture.
        try:
            tiles.append(_tile(path, box, scale))
        except Exception as error:  # noqa: BLE001
            failed[path] = error
    if not tiles:
        return None, failed
    columns = max(ceil(tile.width / width) for tile in tiles)
    rows = max(ceil(tile.height / height) for tile in tiles)
    gap = 1 if across > 1 else 0
    whole = ((columns + gap) * across - gap, rows * lines)
    image = Image.new("RGBA", (whole[0] * width, whole[1] * height))
    for number, tile in enumerate(tiles):
        line, at = divmod(number, across)
        image.paste(tile, (at * (columns + gap) * width, line * rows * height))
    return Sheet(image, *whole, width, height), failed


def _grid(count: int, screen: Screen, text: int) -> tuple[int, int, int, int]:
    """Return how many rows of how many pictures, and the cells that each of them may take."""
    # The last column stays free: a terminal that writes into it may begin a line of its own.
    room = max(1, screen.columns - 1)
    if count == 1:
        high = max(1, min(_ROWS, max(screen.rows // 3, screen.rows - text)))
        return 1, 1, min(room, _COLUMNS), high
    room, high = min(room, _STRIP_COLUMNS), max(1, min(_STRIP_ROWS, screen.rows - 4))
    most = max(4, (room + 1) // (_LEAST_COLUMNS + 1))
    lines = ceil(count / most)
    across = ceil(count / lines)
    columns = max(1, min(_TILE_COLUMNS, (room + 1) // across - 1))
    return lines, across, columns, max(1, high // lines)


def _tile(path: Path, box: tuple[int, int], scale: tuple[float, float]) -> Image:
    """Return a picture that fits into a box of the screen's pixels, and never larger than it is.

    `scale` is how many pixels of the sheet one of the screen is.
    """
    with _opened(path) as opened:
        # A JPEG is decoded at an eighth of its size where that is enough.
        opened.draft("RGB", (max(box), max(box)))
        if opened.width * opened.height > _DECODED:
            raise TooLarge
        image = _upright(_plain(opened))
    ratio = min(1.0, box[0] / image.width, box[1] / image.height)
    size = (
        max(1, round(image.width * ratio * scale[0])),
        max(1, round(image.height * ratio * scale[1])),
    )
    return image.resize(size, reducing_gap=2.0).convert("RGBA")


def _opened(path: Path) -> Any:
    """Open a picture of a kind that zimage knows, and have no warning of its size printed."""
    import warnings

    from PIL import Image

    if not S_ISREG(path.stat().st_mode):
        # A pipe would be waited for, and what it held was read by others.
        raise ValueError("it is no regular file")
    load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(path, formats=("PNG", "JPEG", "WEBP"))
        except Image.DecompressionBombError:
            raise TooLarge from None


def _plain(image: Image) -> Image:
    """Return a picture in a mode that can be made smaller, with 8 bits a colour."""
    if image.mode.startswith("I"):
        # 16 bits of grey.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in {"L", "RGB", "RGBA"} and "transparency" not in image.info:
        return image
    return image.convert("RGB" if image.mode == "CMYK" else "RGBA")


def _upright(image: Image) -> Image:
    """Return a picture turned as its EXIF says; as it is where that cannot be read."""
    from PIL import ImageOps

    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image
