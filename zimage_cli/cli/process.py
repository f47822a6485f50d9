"""The process of the command line: what makes its start fast and a long run lean.

All of this changes the process as a whole, so it is called by commands alone: to a program that
uses zimage as a library, nothing of it happens.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import BufferedReader, TextIOWrapper
from threading import RLock, Thread
from types import ModuleType
from typing import Any

from zimage_cli.cli.streams import Waiting

_M_ARENA_MAX = -8
"""From glibc's malloc.h."""

_ABSENT = ("click", "anyio", "trio", "h2", "brotli", "brotlicffi", "zstandard")
"""What httpx takes where it is installed and does without where it is not: a command line of its
own (with pygments and rich), asyncio's world, HTTP/2, encodings that are not asked for."""

_LATER: dict[str, tuple[str, ...]] = {
    "ast": (),
    "idna": (),
    "certifi": (),
    "difflib": ("get_close_matches",),
    "gettext": ("gettext",),
    "linecache": (),
    "mimetypes": (),
    "platform": (),
    "shellingham": (),
    "subprocess": (),
    "tempfile": ("gettempdir",),
    "textwrap": (),
    "tokenize": (),
}
"""What httpx, typer, inspect and platformdirs import for cases that are rare here, and the
functions that they take out of it at once: source texts, host names that are not ASCII, TLS to a
proxy (servers are checked by the system's authorities), near misses, help, tracebacks, forms, a
browser, typer's own completion, runtime folders."""


def spare_imports() -> None:
    """Have httpx and typer, when they are imported, leave out what no command needs.

    Before either of them is imported.
    """
    spared: dict[str, ModuleType | None] = dict.fromkeys(_ABSENT)
    if not _socks_proxy():
        spared["socksio"] = None
    for name, functions in _LATER.items():
        spared[name] = _Later(name, functions)
    # inspect derives a class from it when it is imported, and uuid asks for the system.
    vars(spared["ast"])["NodeVisitor"] = object
    if sys.platform == "linux":
        vars(spared["platform"])["system"] = lambda: "Linux"
    for name, stand_in in spared.items():
        sys.modules.setdefault(name, stand_in)  # type: ignore[arg-type]


def _socks_proxy() -> bool:
    """Tell whether the environment names a SOCKS proxy: httpx looks there, and only there."""
    return any(
        name.lower().endswith("_proxy") and value.lower().startswith("socks")
        for name, value in os.environ.items()
    )


class _Later(ModuleType):
    """Stands for a module until something of it is used: then that is imported."""

    def __init__(self, name: str, functions: Iterable[str]) -> None:
        super().__init__(name)
        self.__functions = functions
        for function in functions:
            setattr(self, function, partial(self._call, function))

    def _call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__(function)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__path__" and self.__functions:
            # `from … import` asks first whether it is a package.
            raise AttributeError(name)
        with _loading:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                try:
                    import_module(self.__name__)
                except BaseException:
                    sys.modules[self.__name__] = self
                    raise
        return getattr(sys.modules[self.__name__], name)


_loading = RLock()


def collect_rarely() -> None:
    """Look for garbage rarely, for a start.

    What it loads stays until the end: looking through it again and again takes a tenth of the time.
    """
    gc.set_threshold(50_000, 20, 50)


def lean_memory() -> None:
    """Have a long run with many threads hold no more memory than it needs."""
    # `collect_rarely` is for a start: a long run looks as often as Python does by itself.
    gc.freeze()
    gc.set_threshold(700, 10, 10)
    if sys.platform == "linux":
        import ctypes

        # Each thread's heap keeps what that thread once needed: 16 workers hold 16 MiB more after
        # 10,000 lines. With this they share their heaps.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def allow_files(lines: int, *, sandbox: bool) -> None:
    """Raise the limit of open files, as far as the system lets us, for so many lines in flight.

    `crew.room_for` tells how many there can be then.
    """
    try:
        import resource
    except ImportError:
        return
    from zimage_cli.core.run.crew import files_for

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_for(lines, sandbox=sandbox)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Input:
    """What comes on the standard input, to be read until its end or until `close`.

    It stands in place of `sys.stdin`. Nothing wakes a thread that waits for what somebody else may
    write; here that is a thread which the process ends without. What reads file descriptor 0 itself
    finds nothing there. `mend` is given each line, and what it returns is read.
    """

    def __init__(self, mend: Callable[[bytes], bytes]) -> None:
        import socket

        self._real = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._mend = mend
        self._fed, self._read = socket.socketpair()
        sys.stdin = TextIOWrapper(self._read.makefile("rb"), encoding="utf-8")
        Thread(target=self._feed, name="stdin", daemon=True).start()

    def close(self) -> None:
        """End it, from any thread."""
        import socket

        with suppress(OSError):
            self._fed.shutdown(socket.SHUT_WR)

    def _feed(self) -> None:
        with suppress(OSError), BufferedReader(Waiting(self._real)) as real:
            for line in real:
                self._fed.sendall(self._mend(line))
        self.close()


def divert_stdout() -> None:
    """Send all that is still printed on the standard output to the standard error."""
    with suppress(OSError):
        os.dup2(2, 1)
