"""What a terminal's window shows of a run beside the text: its title, its progress, its bell."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from zimage_cli.cli import keys

_PUSH, _POP = "\x1b[22;0t", "\x1b[23;0t"
"""XTWINOPS: keep the title on the terminal's own stack, and take it back from there."""

_NO_WINDOW = ("dumb", "unknown", "linux", "screen", "tmux")
"""What TERM begins with where no window of its own shows a title: also in tmux and screen, which
keep it as the name of a pane."""

_PROGRAMS = {"ghostty": (1, 2), "iTerm.app": (3, 6, 6), "mintty": (3, 7), "WezTerm": (20250209,)}
"""TERM_PROGRAM of terminals that show progress, each with its first version that does. Before that
iTerm2 takes OSC 9 for a notification, as others still do.

Sources: release notes of Ghostty 1.2 and iTerm2 3.6.6; github.com/rust-lang/cargo/pull/14615."""

_VERSIONS = {"KONSOLE_VERSION": 260400, "VTE_VERSION": 7900}
"""Variables of terminals without TERM_PROGRAM, each with the first version that shows progress.

Sources: github.com/rust-cli/anstyle/pull/348; VTE 0.79."""

_AGAIN = 5.0
"""Seconds after which progress that stands still is told again: Ghostty forgets it after 15."""


class Desktop:
    """The title and the progress of the window of a terminal; a window that shows neither is left.

    Nothing that cannot be written raises.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        window = stream.isatty() and _has_window(environ)
        self._stream = stream
        self._titled = window
        self._progress = window and knows_progress(environ)
        self._shown: tuple[str, int, bool] | None = None
        self._last = 0.0

    def show(self, title: str, done: float, *, paused: bool = False) -> None:
        """Show a title, and how much is `done`, from 0 to 1. The title is ours, or visible."""
        new, now = (title, int(100 * max(0.0, min(1.0, done))), paused), time.monotonic()
        if (
            not self._titled
            or not self._in_front()
            or (new == self._shown and now - self._last < _AGAIN)
        ):
            return
        words = _PUSH if self._shown is None else ""
        if self._shown is None or self._shown[0] != title:
            words += f"\x1b]0;{title}\x1b\\"
        if self._progress:
            words += f"\x1b]9;4;{4 if paused else 1};{new[1]}\x1b\\"
        if self._shown is None:
            self._undone_by(self._undo)
        self._shown, self._last = new, now
        self._write(words)

    def close(self) -> None:
        """Give the window its own title again, take the progress away, and show nothing more."""
        self._titled = False
        if self._shown is not None:
            self._shown = None
            self._undone_by("")
            self._write(self._undo)

    def _in_front(self) -> bool:
        """Tell whether the window is this process's: in the background it shows another one's."""
        try:
            return keys.in_front(self._stream.fileno())
        except (OSError, ValueError):
            return True

    @property
    def _undo(self) -> str:
        return ("\x1b]9;4;0;0\x1b\\" if self._progress else "") + _POP

    def _undone_by(self, words: str) -> None:
        """Note what a signal that ends this process at once has to write."""
        with suppress(OSError, ValueError):
            keys.undone_by(self._stream.fileno(), words.encode())

    def _write(self, words: str) -> None:
        # A terminal that is gone, or speaks an encoding of its own.
        with suppress(OSError, ValueError):
            self._stream.write(words)
            self._stream.flush()


def ring(stream: TextIO) -> None:
    """Ring the bell of a terminal; anything else stays as it is."""
    with suppress(OSError, ValueError):
        if stream.isatty():
            stream.write("\a")
            stream.flush()


def knows_progress(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal is known to show progress by OSC 9;4.

    TERM_PROGRAM comes first: the other variables are inherited by a terminal that was started from
    such a one.
    """
    program = environ.get("TERM_PROGRAM")
    if program:
        least = _PROGRAMS.get(program)
        return least is not None and _version(environ.get("TERM_PROGRAM_VERSION", "")) >= least
    if _on_windows(environ):
        return True
    # kitty, foot, alacritty and others name themselves in TERM.
    return environ.get("TERM", "").startswith("xterm-256color") and any(
        _version(environ.get(name, "")) >= (least,) for name, least in _VERSIONS.items()
    )


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers of `3.6.10` or of `20250209-182623-44866cc1`; none of what has none."""
    numbers = text.partition("-")[0].split(".")
    return tuple(int(one) for one in numbers if one.isascii() and one.isdecimal())


def _has_window(environ: Mapping[str, str]) -> bool:
    """Tell whether escapes for the window are wanted, and there is a window to take them."""
    if environ.get("NO_COLOR") or environ.get("TMUX") or environ.get("STY"):
        return False
    term = environ.get("TERM", "")
    return not term.startswith(_NO_WINDOW) if term else _on_windows(environ)


def _on_windows(environ: Mapping[str, str]) -> bool:
    return "WT_SESSION" in environ or environ.get("ConEmuANSI") == "ON"
