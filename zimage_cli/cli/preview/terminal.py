"""What the terminal is, told by the environment and the system: it is asked nothing itself."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

KITTY, ITERM2, SIXEL, SYMBOLS = "kitty", "iterm2", "sixel", "symbols"
"""How a picture is shown; symbols are letters and blocks."""

_BETWEEN = ("STY", "ZELLIJ", "NVIM", "VIM_TERMINAL", "INSIDE_EMACS")
"""Set by programs that stand between us and the terminal whose other variables are inherited."""

_NAMES = ("xterm-kitty", "xterm-ghostty", "foot", "mlterm", "yaft", "eat-")
"""What TERM begins with where it names the terminal itself."""

_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "ghostty", "contour", "mlterm", "konsole"})
"""TERM_PROGRAM of terminals that show pictures."""

_OTHERS = ("XTERM_VERSION", "VTE_VERSION", "WT_SESSION", "ALACRITTY_WINDOW_ID")
"""Set by terminals of which it is not known: what else is set there may be inherited."""

_GENERAL = ("xterm", "wezterm")
"""What TERM begins with where other variables may name the terminal: others have one of their own,
and those variables from where they were started."""

_KITTY = ("xterm-kitty", "xterm-ghostty")
"""TERM of terminals with kitty's graphics, also where tmux shows placeholders for a picture."""

_CELL = (10, 20)
"""Pixels of a cell where the system does not know them."""


class Screen(NamedTuple):
    """The size of a terminal in cells, and of a cell in pixels."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int

    @classmethod
    def of(cls, descriptor: int) -> Screen:
        """Return what the system knows of a terminal."""
        columns = rows = width = height = 0
        try:
            import fcntl
            import termios

            told = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
            rows, columns, width, height = struct.unpack("HHHH", told)
        except (ImportError, OSError):
            with suppress(OSError):
                columns, rows = os.get_terminal_size(descriptor)
        columns, rows = columns or 80, rows or 24
        cell = (width // columns, height // rows)
        if not (4 <= cell[0] <= 100 and 4 <= cell[1] <= 200):
            cell = _CELL
        return cls(columns, rows, *cell)


def is_known(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment that names a terminal is that of the one that we stand in.

    A terminal inherits the variables of the one that it was started from.
    """
    term = environ.get("TERM", "")
    if term.startswith("eat-"):
        # Emacs itself is this terminal.
        return True
    if any(environ.get(name) for name in _BETWEEN):
        return False
    if environ.get("TMUX") or term.startswith(_NAMES):
        # tmux can be asked.
        return True
    if not term.startswith(_GENERAL):
        return False
    program = environ.get("TERM_PROGRAM")
    if program:
        return program in _PROGRAMS
    return not any(environ.get(name) for name in _OTHERS)


def names_kitty(term: str) -> bool:
    """Tell whether TERM is that of a terminal with kitty's graphics, whatever else is inherited."""
    return term.startswith(_KITTY)


def tmux_passes(environ: Mapping[str, str]) -> bool:
    """Tell whether tmux hands pictures on to its terminal, and that one can show them there.

    tmux is asked: it knows of both, and the environment is that of its start.
    """
    import subprocess

    call = ["tmux", "display-message", "-p"]
    pane = environ.get("TMUX_PANE")
    if pane:
        call += ["-t", pane]
    try:
        told = subprocess.run(  # noqa: S603 - tmux, and the name that it gave us itself
            [*call, "#{allow-passthrough} #{client_termname}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10,
            check=True,
            text=True,
            errors="replace",
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    passes, _, term = told.stdout.strip().partition(" ")
    # tmux 3.3 says 1.
    return passes in {"1", "on", "all"} and names_kitty(term)
