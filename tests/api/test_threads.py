"""Threads that cannot be had."""

from __future__ import annotations

import subprocess
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("POSIX limits", allow_module_level=True)

PROGRAM = """
import resource, threading
from zimage_cli.api import threads

with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (12 << 20), resource.RLIM_INFINITY))
try:
    threads.start(threading.Thread(target=print, args=("begun",)))
except RuntimeError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells what is in use")
def test_a_thread_without_room_for_its_stack_is_refused_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "there is no memory for a new thread\n"
