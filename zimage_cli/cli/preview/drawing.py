"""Pixels made into what a terminal shows, with chafa: loaded when a preview may be shown."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import chafa

from zimage_cli.cli.preview.terminal import (
    ITERM2,
    KITTY,
    SIXEL,
    SYMBOLS,
    is_known,
    names_kitty,
    tmux_passes,
)

if TYPE_CHECKING:
    from zimage_cli.cli.preview.sheet import Sheet

_MODES = {
    KITTY: chafa.PixelMode.CHAFA_PIXEL_MODE_KITTY,
    ITERM2: chafa.PixelMode.CHAFA_PIXEL_MODE_ITERM2,
    SIXEL: chafa.PixelMode.CHAFA_PIXEL_MODE_SIXELS,
    SYMBOLS: chafa.PixelMode.CHAFA_PIXEL_MODE_SYMBOLS,
}

_BEGINS = {
    KITTY: chafa.TermSeq.CHAFA_TERM_SEQ_BEGIN_KITTY_IMMEDIATE_IMAGE_V1,
    ITERM2: chafa.TermSeq.CHAFA_TERM_SEQ_BEGIN_ITERM2_IMAGE,
    SIXEL: chafa.TermSeq.CHAFA_TERM_SEQ_BEGIN_SIXELS,
}
"""What a terminal has that shows pictures in this way; the best first."""

_COLOURS = {
    "truecolor": chafa.CanvasMode.CHAFA_CANVAS_MODE_TRUECOLOR,
    # Without the first 16, which are whatever the user likes.
    "256": chafa.CanvasMode.CHAFA_CANVAS_MODE_INDEXED_240,
    "standard": chafa.CanvasMode.CHAFA_CANVAS_MODE_INDEXED_16,
    "windows": chafa.CanvasMode.CHAFA_CANVAS_MODE_INDEXED_16,
}
"""By rich's names; for anything else, none."""


def way(environ: Mapping[str, str]) -> str:
    """Return how the terminal shows pictures, told by chafa from this process's environment."""
    info = chafa.TermDb().detect()
    if environ.get("NO_COLOR") or not is_known(environ):
        return SYMBOLS
    if environ.get("TMUX"):
        # Others are drawn where tmux does not know of them, and left behind when it scrolls.
        return KITTY if tmux_passes(environ) else SYMBOLS
    if names_kitty(environ.get("TERM", "")):
        return KITTY
    return next((name for name, begin in _BEGINS.items() if info.have_seq(begin)), SYMBOLS)


def drawn(sheet: Sheet, how: str, *, tmux: bool, colours: str | None, letters: str) -> bytes:
    """Return what is written to a terminal to show a sheet, whole lines.

    `colours` and `letters`, chafa's names of sets of them, are for symbols.
    """
    config = chafa.CanvasConfig()
    config.width, config.height = sheet.columns, sheet.rows
    config.cell_width, config.cell_height = sheet.cell_width, sheet.cell_height
    config.pixel_mode = _MODES[how]
    if how == SYMBOLS:
        bare = chafa.CanvasMode.CHAFA_CANVAS_MODE_FGBG
        config.canvas_mode = _COLOURS.get(colours or "", bare)
        symbols = chafa.SymbolMap()
        symbols.apply_selectors(letters)
        config.set_symbol_map(symbols)
    size, bytes_ = sheet.image.size, sheet.image.tobytes()
    pixels = (ctypes.c_uint8 * len(bytes_)).from_buffer_copy(bytes_)
    facts = (chafa.PixelType.CHAFA_PIXEL_RGBA8_UNASSOCIATED, pixels, *size, size[0] * 4)
    if tmux and how == KITTY:
        config.passthrough = chafa.Passthrough.CHAFA_PASSTHROUGH_TMUX
        image = chafa.Image()
        image.frame = chafa.Frame(*facts)
        canvas = chafa.Canvas(config)
        # Of its own: placeholders that stand there show whatever has their number.
        canvas.placement = chafa.Placement(image, 1 + os.urandom(1)[0] % 255)
    else:
        canvas = chafa.Canvas(config)
        canvas.draw_all_pixels(*facts)
    text: bytes = canvas.print(chafa.TermDb().detect(), fallback=True)
    # kitty is to say nothing of it, an error neither: nobody reads its answer.
    return text.replace(b"\x1b_Ga=T,f=", b"\x1b_Ga=T,q=2,f=", 1) + b"\n"
