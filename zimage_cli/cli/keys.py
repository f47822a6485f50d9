"""What the terminal does with keys while something moves on it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_held: dict[int, int] = {}
"""The local modes that a terminal had before, by its file descriptor."""


def hold(descriptor: int) -> None:
    """Have Ctrl-C throw away nothing that was written to a terminal and not yet shown.

    Otherwise the line that shows the cursor again is lost where a second Ctrl-C follows at once.
    Only where this process is in the foreground: the settings are the terminal's, not ours.
    """
    try:
        import termios
    except ImportError:  # Windows
        return
    if descriptor not in _held:
        before = _change(descriptor, termios.NOFLSH, termios.NOFLSH)
        if before is not None:
            _held[descriptor] = before


def restore() -> None:
    """Give every terminal its own modes again: the last thing that a command does."""
    while _held:
        import termios

        descriptor, before = _held.popitem()
        _change(descriptor, termios.NOFLSH, before)


def _change(descriptor: int, mask: int, modes: int) -> int | None:
    """Set some local modes of a terminal in whose foreground we are; return those of before."""
    import termios

    with suppress(OSError, termios.error):
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return None
        settings = termios.tcgetattr(descriptor)
        before = settings[3]
        settings[3] = before & ~mask | modes & mask
        # Whoever comes into the background in this instant would be stopped here.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            termios.tcsetattr(descriptor, termios.TCSANOW, settings)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return int(before)
    return None
