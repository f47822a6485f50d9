"""What the terminal does with keys while something moves on it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from typing import Any

_SHOW_CURSOR = b"\x1b[?25h"

_held: dict[int, int] = {}
"""The local modes that a terminal had before, by its file descriptor."""

_after: dict[int, bytes] = {}
"""What takes back what else is shown in a terminal's window, by its file descriptor."""

_away = False
"""Whether the terminal was given back: until that ends, nobody takes it again."""

_stops = 0
"""How often Ctrl-Z has stopped this process."""

_writing = False
"""Whether an escape is being written that must not be cut in two."""

_owed: list[int] = []
"""Signals that wait for the end of that."""

_STRING_TERMINATOR = b"\x1b\\"
_PIECE = 4096
"""Bytes that are written at once: so soon a third Ctrl-C ends it."""

_lock = threading.RLock()


def hold(descriptor: int) -> bool:
    """Have a terminal show no key that is pressed; tell whether it was not so already.

    What is typed stays for whoever reads next, the shell. And Ctrl-C throws away nothing that was
    written and not yet shown: otherwise the line that shows the cursor again is lost where a second
    Ctrl-C follows at once. Only where this process is in the foreground: the settings are the
    terminal's, not ours.
    """
    try:
        import termios
    except ImportError:  # Windows
        return False
    with _lock:
        if descriptor in _held or _away:
            return False
        before = _change(descriptor, 0, 0)
        if before is None:
            return False
        # Before and behind: a signal's handler may give back, and come back, at any line.
        _held[descriptor] = before
        _change(descriptor, termios.NOFLSH | termios.ECHO, termios.NOFLSH)
        _held[descriptor] = before
        return True


def echo_again(descriptor: int) -> None:
    """Show keys again as before: nothing moves any more."""
    with _lock:
        if descriptor in _held:
            import termios

            _change(descriptor, termios.ECHO, _held[descriptor])


def restore() -> None:
    """Give every terminal its own modes again: the last thing that a command does."""
    while _held:
        import termios

        descriptor, before = next(iter(_held.items()), (-1, 0))
        _change(descriptor, termios.NOFLSH | termios.ECHO, before)
        # Not sooner: a second signal here ends the process, and has to give it back itself.
        _held.pop(descriptor, None)


def undone_by(descriptor: int, undo: bytes) -> None:
    """Note what takes back what a terminal's window shows, should a signal end this process."""
    _after[descriptor] = undo


def leave(*, to_return: bool = False) -> None:
    """Give modes, cursor and window back: the next signal may end this process at once.

    The window stays as it is where this process is `to_return`.
    """
    global _away  # noqa: PLW0603 - the terminal is one for the whole process
    with _lock:
        _away = True
        _give_back(window=not to_return)


@contextmanager
def whole() -> Iterator[None]:
    """Have the signals wait that end or stop this process, while a long escape is written.

    A terminal takes all that follows one that was cut off for its rest, a shell's prompt too. What
    starts threads in here has them wait for the same signals.
    """
    global _writing  # noqa: PLW0603 - the terminal is one for the whole process
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGTSTP", "SIGQUIT")
    numbers = {getattr(signal, name) for name in names if hasattr(signal, name)}
    mask = getattr(signal, "pthread_sigmask", None)  # Windows has none.
    before = mask(signal.SIG_BLOCK, numbers) if mask else None
    _writing = True
    try:
        yield
    finally:
        _writing = False
        while _owed:
            signal.raise_signal(_owed.pop())
        if mask:
            mask(signal.SIG_SETMASK, before)


def write(raw: RawIOBase, data: bytes) -> None:
    """Write escapes to a terminal, inside `whole`. Raises OSError where it takes no more.

    The last one is ended in any case, also where the terminal was given back meanwhile.
    """
    rest = memoryview(data)
    try:
        while rest and not _away:
            rest = rest[raw.write(rest[:_PIECE]) :]
    finally:
        if rest:
            with suppress(OSError):
                raw.write(_STRING_TERMINATOR)


def in_front(descriptor: int) -> bool:
    """Tell whether a terminal is this process's to draw on: not in the background of a shell."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, AttributeError):
        # Not the terminal that started us, or Windows.
        return True


def give_back_on_signals() -> None:
    r"""Have Ctrl-Z and Ctrl-\ give the terminal back before they do what they do.

    For the main thread only. What draws takes it again after `fg`.
    """
    for name in ("SIGTSTP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _give_back_first)


def giving_back(handler: Any) -> Any:
    """Return a signal's handler, or one that gives the terminal back where it would be left."""
    return _give_back_first if _held and handler is signal.SIG_DFL else handler


def stops() -> int:
    """Return how often Ctrl-Z has stopped this process: others have written there since."""
    return _stops


def _give_back_first(number: int, _frame: object) -> None:
    global _away, _stops  # noqa: PLW0603
    if _writing and number not in _owed:
        _owed.append(number)
        return
    leave(to_return=number == getattr(signal, "SIGTSTP", None))
    # Before it stops: after `fg` the thread that draws may be the first to go on.
    _stops += 1
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    # After `fg`.
    signal.signal(number, _give_back_first)
    _away = False


def _give_back(*, window: bool) -> None:
    for descriptor in list(_held):
        # Not through a stream: the signal may have come while it is written to.
        undo = _after.get(descriptor, b"") if window else b""
        with suppress(OSError):
            os.write(descriptor, _SHOW_CURSOR + undo)
        if window:
            _after.pop(descriptor, None)
    restore()


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
