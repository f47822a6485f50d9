"""The start of a thread, where memory may be scarce."""

from __future__ import annotations

import threading

_ROOM = 16 * 1024 * 1024
"""Bytes: a thread's stack has 8 MiB, its first moments take some more."""


def start(thread: threading.Thread) -> None:
    """Start a thread. Raises RuntimeError where the system gives none.

    `Thread.start` waits until the thread runs, and one that finds no memory in its first moment
    ends without a word: then that wait has no end. So under a limit of memory (`ulimit -v`) the
    room for it is asked for before.
    """
    if _is_limited():
        try:
            bytes(_ROOM)
        except MemoryError:
            raise RuntimeError("there is no memory for a new thread") from None
    thread.start()


def _is_limited() -> bool:
    try:
        import resource
    except (ImportError, OSError):
        # Windows; or not even this could be loaded, which `start` finds out by itself.
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
