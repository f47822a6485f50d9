"""What belongs to a whole process, and what a library therefore leaves as it was."""

from __future__ import annotations

import builtins
import contextlib
import decimal
import gc
import importlib
import locale
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def process_state() -> dict[str, Any]:
    """Return everything of this process that could be changed for all who live in it.

    To be called in the main thread. What malloc was told cannot be asked for, and rich, which httpx
    imports where it is installed, takes random numbers.
    """
    return {
        "stand-ins": stand_ins(),
        "import": (builtins.__import__, tuple(sys.meta_path), tuple(sys.path), sys.path_hooks[:]),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.get_debug()),
        "gc callbacks": tuple(gc.callbacks),
        "limits": _limits(),
        "signals": {
            number: signal.getsignal(number)
            for number in signal.valid_signals() - {_SIGKILL, _SIGSTOP}
        },
        "wake-up fd": _wakeup_fd(),
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ())
        if hasattr(signal, "pthread_sigmask")
        else None,
        "streams": {name: _stream(name) for name in _STREAMS},
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "umask": _umask(),
        "hooks": {
            "sys.excepthook": sys.excepthook,
            "sys.unraisablehook": sys.unraisablehook,
            "sys.displayhook": sys.displayhook,
            "threading.excepthook": threading.excepthook,
        },
        "interpreter": (
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            sys.get_int_max_str_digits(),
            sys.dont_write_bytecode,
            threading.stack_size(),
        ),
        "locale": locale.setlocale(locale.LC_ALL),
        "time zone": time.tzname,
        "warnings": (tuple(warnings.filters), warnings.showwarning),
        "logging": _logging(),
        "sockets": (socket.getdefaulttimeout(), socket.socket, socket.getaddrinfo),
        "tls": (ssl.SSLContext, ssl.create_default_context),
        "decimal": repr(decimal.getcontext()),
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by name: as it was and as it is."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def stand_ins() -> set[str]:
    """Return the names under which something else than an imported module is found."""
    return {
        name
        for name, module in list(sys.modules.items())
        if name != "__main__" and (module is None or vars(module).get("__spec__") is None)
    }


@contextlib.contextmanager
def importing(*names: str) -> Iterator[list[str]]:
    """Have a thread import each module again and again; give what they got that was no module.

    For a process of its own: the modules are taken out of `sys.modules` to be imported anew.
    """
    wrong: list[str] = []
    rounds = dict.fromkeys(names, 0)
    done = threading.Event()

    def work(name: str) -> None:
        while not done.is_set() or not rounds[name]:
            sys.modules.pop(name, None)
            try:
                module = importlib.import_module(name)
            except ImportError as error:
                wrong.append(f"{name}: {error}")
            else:
                if vars(module).get("__spec__") is None:
                    wrong.append(f"{name}: a stand-in")
            rounds[name] += 1

    working = [threading.Thread(target=work, args=(name,), daemon=True) for name in names]
    for thread in working:
        thread.start()
    try:
        yield wrong
    finally:
        done.set()
        for thread in working:
            thread.join()
        wrong += [f"{name}: never imported" for name, count in rounds.items() if not count]


_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_SIGKILL, _SIGSTOP = getattr(signal, "SIGKILL", None), getattr(signal, "SIGSTOP", None)


def _stream(name: str) -> tuple[Any, ...]:
    stream = getattr(sys, name)
    details = ("encoding", "errors", "newlines", "line_buffering", "write_through", "closed")
    return (stream, *(getattr(stream, detail, None) for detail in details))


def _limits() -> dict[str, tuple[int, int]]:
    try:
        import resource
    except ImportError:
        return {}
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def _wakeup_fd() -> int:
    number = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(number)
    return number


def _umask() -> int:
    # It can only be read by changing it, but for Linux.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _logging() -> dict[str, Any]:
    """Return how the root logger is set up, and every other that is not left as it was made."""
    loggers = {
        name: (logger.level, tuple(logger.handlers), tuple(logger.filters), logger.propagate)
        for name, logger in list(logging.root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger)
    }
    untouched = (logging.NOTSET, (), (), True)
    root = logging.root
    return {
        "": (root.level, tuple(root.handlers), tuple(root.filters), root.disabled),
        "class": logging.getLoggerClass(),
        "disable": root.manager.disable,
        **{name: how for name, how in loggers.items() if how != untouched},
    }
