"""The start of a thread, where memory may be scarce."""

from __future__ import annotations

import threading

_ROOM = 16 * 1024 * 1024
"""Bytes: a thread's stack has 8 MiB, its first moments take some more."""


def start(thread: threading.Thread) -> None:
    """Start a thread. Raises RuntimeError where the system gives none.

    `Thread.start` waits until the thread runs, and one that finds no memory in its first moment
    ends without a word: then that wait has no end. So the room for it is asked for before.
    """
    try:
        bytearray(_ROOM)
    except MemoryError:
        raise RuntimeError("there is no memory for a new thread") from None
    thread.start()
