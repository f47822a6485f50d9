"""Two environments that differ in one extra, and a terminal that says it is kitty."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import sysconfig
import termios
import venv
from pathlib import Path


def twins(folder: Path) -> tuple[str, str] | None:
    """Return an interpreter with all that is installed here, and one that lacks chafa.

    Both see it by links. None where chafa is not installed.
    """
    installed = sorted(Path(sysconfig.get_path("purelib")).iterdir())
    if not any(path.name == "chafa" for path in installed):
        return None
    pythons = []
    for name in ("with", "without"):
        venv.create(folder / name, symlinks=True)
        scheme = {"base": str(folder / name), "platbase": str(folder / name)}
        packages = Path(sysconfig.get_path("purelib", "venv", scheme))
        for path in installed:
            if name == "with" or not path.name.startswith("chafa"):
                (packages / path.name).symlink_to(path)
        pythons.append(str(folder / name / "bin" / Path(sys.executable).name))
    return pythons[0], pythons[1]


def run_in_kitty(command: list[str], env: dict[str, str], cwd: str) -> bytes:
    """Run a command in a terminal that nobody draws; return what it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 800, 680))
    env = {**env, "TERM": "xterm-kitty"}
    # The session's own terminal, and in its foreground: a picture is shown nowhere else.
    words = ["setsid", "--ctty", *command]
    with subprocess.Popen(
        words, env=env, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = bytearray()
        try:
            while data := os.read(ours, 65536):
                written += data
        except OSError:
            # Linux says so when nobody has the terminal open any more.
            pass
        os.close(ours)
    if process.returncode:
        raise SystemExit(written.decode(errors="replace"))
    return bytes(written)
