"""The standard streams: made ready for the program, and what a terminal behind one can show."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import BufferedReader, BufferedWriter, FileIO, RawIOBase, TextIOWrapper
from typing import Any, TextIO

_LINK_PROGRAMS = frozenset(
    {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio", "mintty"}
)
_LINK_TERMS = ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "contour", "wezterm")

_STAND_INS = str.maketrans("·×✓✗–…→─", "-x+x-~>-")
"""One column for one column: lines are measured before it is known what can be shown."""

_YEN, _WIDE_YEN = "¥", "￥"
"""GBK has only the wide one."""


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what a console shows for characters of ours that it does not have, or escapes."""
    assert isinstance(error, UnicodeEncodeError)
    shown = ""
    for char in error.object[error.start : error.end]:
        text = char.translate(_STAND_INS)
        if char == _YEN and error.encoding.lower().startswith(("gb", "cp936")):
            text = _WIDE_YEN
        elif not text.isascii():
            text = text.encode("ascii", "backslashreplace").decode()
        shown += text
    return shown, error.end


codecs.register_error("zimage", _stand_in)


def spelled(text: str, encoding: str) -> str:
    """Return text as a terminal can show it that speaks this encoding."""
    if encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, "zimage").decode(encoding)


def has_han(stream: TextIO) -> bool:
    """Tell whether a stream can show Simplified Chinese: Big5, too, has other letters."""
    return bool("\u8d39".encode(stream.encoding or "utf-8", "ignore"))


class Waiting(FileIO):
    """A standard stream that waits where it would not block.

    Whoever shares it may have made it so, at any time. Python takes what has come by then for all
    of the input, and ends a program whose output is not read at once.
    """

    read: Any = RawIOBase.read
    readall: Any = RawIOBase.readall
    # Of FileIO itself, these two do not ask `readinto`.

    def readinto(self, buffer: Any) -> int:
        """Read what has come, and wait until something has."""
        while (count := super().readinto(buffer)) is None:
            self._wait([self], [])
        return count

    def write(self, data: Any) -> int:
        """Write all, and wait where nothing is taken: no buffer need keep a rest."""
        rest = memoryview(data).cast("B")
        while rest:
            count = super().write(rest)
            if count is None:
                self._wait([], [self])
            else:
                rest = rest[count:]
        return len(data)

    def _wait(self, reading: list[Any], writing: list[Any]) -> None:
        from select import select

        select(reading, writing, [])


def _wait_for_all() -> None:
    """Have the standard streams wait where they would not block.

    stderr gets no buffer of bytes: where Ctrl-C raises just after a write, it would keep what is
    written, and a question would be seen twice.
    """
    for name, mode, kind in (
        ("stdin", "rb", BufferedReader),
        ("stdout", "wb", BufferedWriter),
        ("stderr", "wb", None),
    ):
        old: Any = getattr(sys, name)
        if isinstance(old, TextIOWrapper):
            raw: Any = Waiting(old.fileno(), mode, closefd=False)
            raw.name = old.name
            new = TextIOWrapper(
                kind(raw) if kind else raw, old.encoding, old.errors, "\n", old.line_buffering
            )
            setattr(sys, name, new)


def set_up_streams() -> None:
    """Make stdout and stderr UTF-8 whatever the locale says, and the null device where closed.

    A terminal that speaks another encoding keeps it, and gets stand-ins and escapes for what it
    cannot show.
    stdout keeps undecodable bytes of file names as they were.
    """
    if sys.platform != "win32":
        _wait_for_all()
    _fill_closed()
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if not hasattr(stream, "reconfigure"):
            continue
        if stream.isatty() and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors="zimage")
        else:
            stream.reconfigure(encoding="utf-8", errors=errors)


def _fill_closed() -> None:
    """Open the null device for every standard stream that is closed.

    Otherwise the next file or socket to be opened gets its number, and whatever prints there.
    """
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def silence(stream: TextIO) -> None:
    """Send what a stream still holds, and all that is to come, nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    with suppress(OSError, ValueError):
        stream.flush()


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a stream gets colour: NO_COLOR, then FORCE_COLOR, then being a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"


def links_known(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal is one that knows OSC 8 links: others may show the address raw.

    FORCE_HYPERLINK says so, or with 0 that it does not.
    """
    forced = environ.get("FORCE_HYPERLINK")
    if forced:
        return forced != "0"
    term = environ.get("TERM", "")
    if environ.get("TMUX") or environ.get("STY") or term in {"", "dumb", "unknown"}:
        return False
    vte, konsole = environ.get("VTE_VERSION", ""), environ.get("KONSOLE_VERSION", "")
    return (
        environ.get("TERM_PROGRAM") in _LINK_PROGRAMS
        or term.startswith(_LINK_TERMS)
        or "WT_SESSION" in environ
        or (vte.isdecimal() and int(vte) >= 5000)
        or (konsole.isdecimal() and int(konsole) >= 201200)
    )
