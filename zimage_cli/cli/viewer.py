"""The desktop's viewer: whether there is one, and files opened in it.

typer.launch is not enough: it takes one file, starts what it starts on our own terminal and
standard output, where Ctrl-C ends that too, and returns 0 on Linux whatever xdg-open says; on
Windows it returns 127 (https://github.com/pallets/click/issues/2876). So the programs that it runs
are run here, each in a session of its own, without our streams.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    import subprocess

    from zimage_cli.cli.output import Output
    from zimage_cli.errors import ZimageError

MOST = 20
"""Files that are opened at once: each may be a window."""

_PATIENCE = 1.0
"""Seconds in which an error is waited for: xdg-open tells one in a tenth of that. Without a desktop
environment it stays as long as the viewer does."""

_OPENERS: dict[str, tuple[str, ...]] = {"darwin": ("open",), "cygwin": ("cygstart",)}
_WSL = (
    ("wslview",),
    # It takes a path of Windows, and its exit status says nothing.
    ("sh", "-c", 'there=$(wslpath -w "$1") && { explorer.exe "$there"; :; }', "explorer.exe"),
)
_UNIX = (("xdg-open",), ("gio", "open"))
"""What opens a file, the first that is installed; the file's path is put behind it."""


def refuse_many(count: int, field: str = "REF") -> None:
    """Raise UsageError where more files are to be opened than a person wants windows.

    `field` is the option that has them opened.
    """
    if count > MOST:
        raise UsageError(
            "{count:,} pictures are too many to open at once; allowed: {allowed}",
            hint="Take fewer of them, or see all of them on one page: zimage gallery --open",
            field=field,
            value=count,
            count=count,
            allowed=f"1 … {MOST}",
        )


def open_files(out: Output, paths: Sequence[Path]) -> bool:
    """Open files in the desktop's viewer.

    Where that cannot be done, say why on stderr, also under `quiet`, and return False.
    """
    try:
        failures: list[ZimageError] = [*launch(paths).values()]
    except (ConfigurationError, UsageError) as error:
        failures = [error]
    for failure in failures:
        out.tell(failure.message, label=Message("warning:"), sgr="33")
    return not failures


def launch(paths: Sequence[Path], *, patience: float = _PATIENCE) -> dict[Path, ZimageError]:
    """Open files, and return what was not opened, each with its error.

    It is not waited for a viewer that stays. Raises ConfigurationError where no desktop can be
    reached, and UsageError for too many files.
    """
    if not paths:
        return {}
    refuse_many(len(paths))
    whole = [path.absolute() for path in paths]
    if sys.platform == "win32":
        return _start_files(whole)
    opener = [*opener_of(sys.platform, os.environ, _installed)]
    # Only macOS's takes several; it shows them in one window.
    groups = [whole] if opener == ["open"] else [[path] for path in whole]
    failures: dict[Path, ZimageError] = {}
    running: list[tuple[subprocess.Popen[bytes], list[Path]]] = []
    for group in groups:
        command = [*opener, *map(str, group)]
        try:
            running.append((_started(command), group))
        except (OSError, ValueError) as error:
            failures |= dict.fromkeys(group, _not_started(opener, error))
    for process, group in _ended_badly(running, patience):
        failures |= {path: _failed(opener, path, process.returncode) for path in group}
    return failures


def reachable(platform: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the environment is that of a desktop, as far as it tells."""
    return _why_unreachable(platform, environ) is None


def opener_of(
    platform: str, environ: Mapping[str, str], installed: Callable[[str], bool]
) -> Sequence[str]:
    """Return the command that opens a file whose path is put behind it.

    Raises ConfigurationError where no desktop can be reached, or nothing is installed that opens
    files there.
    """
    unreachable = _why_unreachable(platform, environ)
    if unreachable is not None:
        raise unreachable
    if platform in _OPENERS:
        return _OPENERS[platform]
    openers: list[tuple[str, ...]] = [*(_WSL if _is_wsl(environ) else ()), *_UNIX]
    for opener in openers:
        if installed(_name(opener)):
            return opener
    raise ConfigurationError(
        "There is a desktop, but neither xdg-open nor gio, which open files there, is installed.",
        hint="Install the package xdg-utils.",
    )


def _why_unreachable(platform: str, environ: Mapping[str, str]) -> ConfigurationError | None:
    remote = environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")
    if platform in {"win32", *_OPENERS}:
        if not remote:
            return None
        return ConfigurationError(
            "This is an ssh session: a window would open on the screen of the other machine.",
            hint="Copy the file to the machine that you sit at.",
        )
    # WAYLAND_DISPLAY and DISPLAY are set over ssh too, where windows are forwarded.
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or _is_wsl(environ):
        return None
    if remote:
        return ConfigurationError(
            "This is an ssh session from which no desktop can be reached: neither DISPLAY nor "
            "WAYLAND_DISPLAY is set.",
            hint="Copy the file to the machine that you sit at, or connect with: ssh -X",
        )
    return ConfigurationError(
        "No desktop can be reached from here: neither DISPLAY nor WAYLAND_DISPLAY is set.",
        hint="Look at the file on a machine that has a desktop.",
    )


def _is_wsl(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP"))


def _name(opener: Sequence[str]) -> str:
    """Return the program of a command that opens files."""
    return opener[-1] if opener[0] == "sh" else opener[0]


def _installed(name: str) -> bool:
    from shutil import which

    return which(name) is not None


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    import subprocess

    nowhere = subprocess.DEVNULL
    # A session of its own: neither Ctrl-C nor the end of the terminal ends the viewer, and a
    # program for terminals finds none.
    return subprocess.Popen(  # noqa: S603 - of a path that nothing takes for an option
        command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    )


def _ended_badly(
    running: Sequence[tuple[subprocess.Popen[bytes], list[Path]]], patience: float
) -> list[tuple[subprocess.Popen[bytes], list[Path]]]:
    """Return those that end with an error before the patience does."""
    import subprocess
    import time

    end = time.monotonic() + patience
    bad = []
    for process, group in running:
        try:
            if process.wait(max(0.0, end - time.monotonic())):
                bad.append((process, group))
        except subprocess.TimeoutExpired:
            # It shows the picture, and outlives us: Python is not to ask for its end.
            process.returncode = 0
    return bad


def _start_files(paths: Sequence[Path]) -> dict[Path, ZimageError]:
    """Open files as Windows does; nothing there tells what became of the viewer."""
    unreachable = _why_unreachable("win32", os.environ)
    if unreachable is not None:
        raise unreachable
    failures: dict[Path, ZimageError] = {}
    for path in paths:
        try:
            os.startfile(path)  # type: ignore[attr-defined,unused-ignore]  # noqa: S606
        except OSError as error:
            failures[path] = _not_started(["Windows"], error)
    return failures


def _not_started(opener: Sequence[str], error: OSError | ValueError) -> ConfigurationError:
    from zimage_cli.core.files import reason

    return ConfigurationError(
        "{program} could not be started: {why}.",
        hint="Look at the file in another program.",
        program=_name(opener),
        why=reason(error),
    )


def _failed(opener: Sequence[str], path: Path, status: int) -> ConfigurationError:
    import shlex

    return ConfigurationError(
        "{program} did not open {path}: it ended with status {status}.",
        hint="It says why: {typed}",
        program=_name(opener),
        path=path,
        status=status,
        typed=shlex.join([*opener, str(path)]),
    )
