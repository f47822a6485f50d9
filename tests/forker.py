"""A process that has the program imported and forks itself for every run of the command.

Most of what a short command takes is the start of the interpreter and its imports: about 0.2 s of a
processor. A fork is a process of its own all the same: its own pipes, environment, folder, signals,
exit status and end. What it finds already imported is what the program itself imports, after the
same first steps. Where a fresh interpreter could do otherwise, `Forker.can_run` says so.

As a script, `forker.py SOCKET`, this is the process that forks. It never imports anything of the
tests, and it has one thread.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

# Read by the program when a command runs, never when a module is imported.
_HARMLESS = ("DASHSCOPE_", "ZIMAGE_", "XDG_", "PYTEST_", "HYPOTHESIS_")
_PLAIN = {"OUTPUT_DIR", "COLUMNS", "NO_COLOR", "EDITOR", "VISUAL", "SHELL", "ZDOTDIR", "PATH", "TZ"}
_PLAIN |= {"HOME", "USERPROFILE", "TERM"}
# What commands import inside their functions; each of the program's own modules is imported anyway.
_IMPORTED = (
    *("httpx", "httpcore", "h11", "ssl", "truststore", "http.cookiejar", "sqlite3", "tempfile"),
    *("tomlkit", "tomlkit.exceptions", "tomllib", "platformdirs", "ctypes", "resource"),
    *("rich.console", "rich.live", "rich.panel", "rich.progress_bar", "rich.spinner", "rich.table"),
    *("rich.text", "rich.box", "PIL.Image", "PIL.ImageDraw", "PIL.ImageFont", "encodings.idna"),
    *(f"PIL.{kind}ImagePlugin" for kind in ("Bmp", "Gif", "Jpeg", "Ppm", "Png")),
    *("concurrent.futures", "http.server", "socketserver", "getpass", "secrets", "random"),
)
_PATIENCE = 120.0
_HEAD = struct.Struct("!Q")


def supported() -> bool:
    """Tell whether this system can do it: Linux, with file descriptors for processes."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Forker:
    """The process that forks, from outside. `env` is what its interpreter is started with."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._inherited = _inherited()
        self._sending = threading.Lock()
        self._socket, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                env=self._env,
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )

    def close(self) -> None:
        self._socket.close()
        self._process.wait(60)

    def can_run(self, env: Mapping[str, str]) -> bool:
        """Tell whether a fresh interpreter would do the same as a fork.

        It would not with variables that Python or a library reads at its start, nor where a test
        has changed what a process hands on: limits, umask, ignored signals.
        """
        changed = {name for name, _ in set(env.items()) ^ set(self._env.items())}
        return (
            "HOME" in env
            and all(name in _PLAIN or name.startswith(_HARMLESS) for name in changed)
            and _inherited() == self._inherited
        )

    def run(
        self,
        args: tuple[str, ...],
        env: Mapping[str, str],
        cwd: Path,
        given: bytes | None,
        timeout: float,
    ) -> tuple[int, bytes, bytes]:
        """Run the command; return its status as `subprocess` counts, its stdout and its stderr."""
        request = json.dumps([args, dict(env), str(cwd)]).encode()
        with ExitStack() as closing:

            def pipe() -> tuple[io.FileIO, io.FileIO]:
                reads, writes = os.pipe()
                ends = io.FileIO(reads, "r"), io.FileIO(writes, "w")
                return closing.enter_context(ends[0]), closing.enter_context(ends[1])

            (stdin, feed), (out, stdout), (err, stderr), (news, reply) = (pipe() for _ in range(4))
            if given is None:
                stdin = closing.enter_context(io.FileIO(os.devnull))
            theirs = [stdin, stdout, stderr, reply]
            with self._sending:
                # Whoever sends to a process that has died is told so: BrokenPipeError.
                fds = [end.fileno() for end in theirs]
                socket.send_fds(self._socket, [_HEAD.pack(len(request))], fds)
                self._socket.sendall(request)
            for end in theirs:
                end.close()
            told = _exchange(feed, given or b"", (out, err, news), args, timeout)
        if told[news].count(b"\n") != 2:
            raise RuntimeError(f"the process that forks has died: {self._process.poll()}")
        return int(told[news].split()[1]), bytes(told[out]), bytes(told[err])


def _exchange(
    feed: io.FileIO, given: bytes, ends: tuple[io.FileIO, ...], args: Any, timeout: float
) -> dict[Any, bytearray]:
    """Write what is given and read all there is; the last of the ends tells pid and status."""
    told = {end: bytearray() for end in ends}
    news = ends[-1]
    # The time-out is the command's: it begins when the fork is there.
    until = time.monotonic() + _PATIENCE
    with selectors.DefaultSelector() as selector:
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        os.set_blocking(feed.fileno(), False)
        selector.register(feed, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if time.monotonic() > until:
                if not told[news]:
                    raise RuntimeError("the process that forks does not answer")
                if told[news].count(b"\n") == 1:
                    os.kill(int(told[news]), signal.SIGKILL)
                raise subprocess.TimeoutExpired(args, timeout, *map(bytes, list(told.values())[:2]))
            for end in (key.fileobj for key, _ in ready):
                if end is not feed:
                    data = os.read(end.fileno(), 65536)
                    if end is news and not told[news]:
                        until = time.monotonic() + timeout
                    told[end] += data
                else:
                    try:
                        given = data = given[os.write(feed.fileno(), given[: select.PIPE_BUF]) :]
                    except BrokenPipeError:
                        data = b""
                if not data:
                    selector.unregister(end)
                    end.close()
    return told


def _inherited() -> str:
    """Return what a process hands on to those that it starts, beside its environment."""
    kept = ("Umask:", "SigBlk:", "SigIgn:")
    status = Path("/proc/self/status").read_text().splitlines()
    return (
        "\n".join(line for line in status if line.startswith(kept))
        + Path("/proc/self/limits").read_text()
    )


def _serve(channel: socket.socket) -> tuple[list[int], Any] | None:
    """Fork for every request until nobody asks any more. In a fork it returns what is asked."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                pid, reply = running.pop(ready)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                _tell(reply, status)
                poll.unregister(ready)
                os.close(ready)
                os.close(reply)
                continue
            head, fds, _, _ = socket.recv_fds(channel, _HEAD.size, 4)
            if not head:
                return None
            body = bytearray()
            while len(body) < _HEAD.unpack(head)[0]:
                body += channel.recv(_HEAD.unpack(head)[0] - len(body))
            pid = os.fork()
            if not pid:
                channel.detach()
                return fds[:3], json.loads(body)
            _tell(fds[3], pid)
            for fd in fds[:3]:
                os.close(fd)
            watch = os.pidfd_open(pid)
            running[watch] = pid, fds[3]
            poll.register(watch, select.POLLIN)


def _tell(reply: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the test was ended by its time-out
        os.write(reply, b"%d\n" % number)


def _become(fds: list[int], args: list[str], env: dict[str, str], cwd: str) -> None:
    """Make this process what a fresh interpreter would find itself to be."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = [str(Path(sys.modules["zimage_cli"].__path__[0]) / "__main__.py"), *args]
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        raw = open(number, mode + "b", closefd=False)  # noqa: SIM115 - open to the end
        raw.raw.name = f"<{name}>"
        old = getattr(sys, name)
        line_buffering = name == "stderr" or raw.isatty()
        new = io.TextIOWrapper(raw, old.encoding, old.errors, "\n", line_buffering)
        new.mode = mode
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _prepare() -> Any:
    """Take the program's first steps and import all of it; return what runs it."""
    way_in = importlib.import_module("zimage_cli.__main__")
    process = importlib.import_module("zimage_cli.cli.process")
    process.collect_rarely()
    process.spare_imports()
    package = importlib.import_module("zimage_cli")
    own = (module.name for module in pkgutil.walk_packages(package.__path__, "zimage_cli."))
    for name in (*own, *_IMPORTED):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            # An extra that is not installed: the program does without it too.
            if error.name not in {"chafa", "mcp", "pydantic"}:
                raise
    assert threading.active_count() == 1
    gc.freeze()
    return way_in


def _run_to_the_end(program: Any) -> None:
    """Run it and end as an interpreter does, but leave all of it in memory.

    To take apart what was imported before the fork is half of the time of a short command. What is
    not an exit with a number, or cannot be written any more, is left to the interpreter.
    """
    status = 0
    try:
        program.run()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        status = end.code
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(status)
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main = _prepare()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _become(asked[0], *asked[1])
        _run_to_the_end(main)
