"""What the command line does to its own process, and that a library's process is left alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import zimage_cli

SOURCE = Path(zimage_cli.__file__).resolve().parent.parent


def python(program: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SPARED = """
import sys
from zimage_cli.cli import process
process.spare_imports()
def loaded(name):
    return getattr(sys.modules[name], "__spec__", None) is not None
"""


def test_a_module_is_loaded_when_something_of_it_is_used() -> None:
    said = python(
        SPARED
        + """
import idna, subprocess, idna as again
from difflib import get_close_matches
print([loaded(name) for name in ("idna", "subprocess", "difflib")])
print(idna.encode("bücher.example").decode(), again.IDNAError.__name__)
print(get_close_matches("kite", ["kites", "fox"]), subprocess.PIPE)
import idna.codec, certifi
from certifi import where
print(where() == certifi.where(), idna.codec.__name__)
print([loaded(name) for name in ("idna", "subprocess", "difflib", "certifi")])
"""
    )
    assert said.split("\n") == [
        "[False, False, False]",
        "xn--bcher-kva.example IDNAError",
        "['kites'] -1",
        "True idna.codec",
        "[True, True, True, True]",
    ]


def test_many_threads_load_it_once() -> None:
    said = python(
        SPARED
        + """
import threading, idna
found, go = [], threading.Barrier(16)
def look():
    go.wait()
    found.append(idna.encode)
threads = [threading.Thread(target=look) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found), len(set(found)))
"""
    )
    assert said == "16 1"


def test_a_module_that_is_not_there_says_so_every_time() -> None:
    said = python(
        SPARED
        + """
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
import idna
for _ in range(2):
    try:
        idna.encode
    except ImportError as error:
        print(error)
"""
    )
    assert said.split("\n") == ["No module named 'idna'"] * 2


def test_what_is_loaded_already_stays() -> None:
    said = python("import idna\nreal = idna\n" + SPARED + "print(sys.modules['idna'] is real)")
    assert said == "True"


def test_the_library_puts_nothing_in_the_place_of_modules() -> None:
    said = python(
        """
import sys
from zimage_cli.api.wire import Wire
with Wire() as wire:
    wire.prepare("https://a.invalid/", pictures=True)
import httpx, idna, certifi, socksio
print(sorted(name for name, module in sys.modules.items() if module is None))
print(bool(certifi.where()), "zimage_cli.cli" in sys.modules)
"""
    )
    assert said.split("\n") == ["[]", "True False"]


@pytest.mark.parametrize(
    ("scheme", "first"),
    [("socks5h", b"\x05\x01\x00"), ("https", b"\x16\x03\x01"), ("http", b"CON")],
)
def test_every_kind_of_proxy_still_works(zimage: Any, scheme: str, first: bytes) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            visitor = server.accept()[0]
            with visitor:
                seen.append(visitor.recv(3, socket.MSG_WAITALL))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        proxy = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        done = zimage(
            *("generate", "fox", "--retries", "0", "--base-url", "https://api.invalid"),
            env={"ALL_PROXY": proxy, "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"},
            status=6,
        )
        thread.join(60)
    assert seen == [first]
    assert "A proxy is set by ALL_PROXY" in done.stderr or "The proxy" in done.stderr


FILES = """
import resource
from zimage_cli.cli import process
from zimage_cli.core.run import crew
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))
before = crew.room_for(100, sandbox={sandbox})
process.allow_files(100, sandbox={sandbox})
print(before, crew.room_for(100, sandbox={sandbox}), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
def test_files_are_allowed_as_far_as_the_system_lets_us() -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    before, after, left = map(int, python(FILES.format(hard=hard, sandbox=False)).split())
    assert 8 <= before <= 18
    assert (after, left) == (100, hard)
    before, after, left = map(int, python(FILES.format(hard=hard, sandbox=True)).split())
    assert 4 <= before <= 9
    assert (after, left) == (100, hard)
    before, after, left = map(int, python(FILES.format(hard=128, sandbox=False)).split())
    assert before < 20 < after < 40
    assert left == 128


def test_memory_is_kept_lean() -> None:
    said = python(
        """
import gc
from zimage_cli.cli import process
process.collect_rarely()
print(gc.get_threshold())
process.lean_memory()
print(gc.get_threshold(), gc.get_freeze_count() > 1000, gc.isenabled())
"""
    )
    assert said.split("\n") == ["(50000, 20, 50)", "(700, 10, 10) True True"]
