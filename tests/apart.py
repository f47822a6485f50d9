"""A thread of its own, for what begins a loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def apart(run: Callable[[], T]) -> T:
    """Do it in a thread of its own: the main one keeps Playwright's loop once a page was open."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()
