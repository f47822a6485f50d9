"""The files that `{@colours.txt}` in a prompt stands for: text, a line each."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PureWindowsPath

from zimage_cli.core.files import TooLarge, read_text, reason
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

MAX_BYTES = 1024 * 1024
"""Bytes of a file."""
MAX_FILES = 100
"""Files that one run reads: they are kept, so that what was checked is what is sent."""


class WordFiles:
    """Gives the lines of files by their names, each file read once.

    Names begin at `below`, and lead nowhere else, nor to what is hidden: a file from somebody else
    must not have any file of this machine sent to the service. None: any file, from the working
    folder on.
    """

    def __init__(self, below: Path | None = None) -> None:
        self._below = below
        self._read: dict[str, tuple[str, ...]] = {}

    def __call__(self, name: str) -> tuple[str, ...]:
        """Return the lines of a file without blanks around them; at least one.

        Blank lines, and those that begin with `#`, are left out. Raises UsageError.
        """
        if name not in self._read:
            if len(self._read) == MAX_FILES:
                raise _refused(name, Message("more than {most} files are named", most=MAX_FILES))
            self._read[name] = self._lines(name)
        return self._read[name]

    def _lines(self, name: str) -> tuple[str, ...]:
        text = self._text(name)
        control = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
        if control is not None:
            line = text.count("\n", 0, control.start()) + 1
            raise _refused(name, Message("line {line} holds a control character", line=line))
        lines = re.split(r"\r\n|\n|\r", text)
        found = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        if not found:
            raise _refused(name, Message("it has no line but blank ones and comments"))
        return found

    def _text(self, name: str) -> str:
        try:
            path = self._path(name)
            # Asked before it is opened: opening a named pipe would wait for a writer.
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise _refused(name, Message("it is a folder"))
            if not stat.S_ISREG(mode):
                raise _refused(name, Message("it is not a regular file"))
            return read_text(path, MAX_BYTES)
        except TooLarge:
            why = Message("it is larger than {mebibytes} MiB", mebibytes=MAX_BYTES // 1024**2)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            why = Message("line {line} is not UTF-8 text; save it as UTF-8", line=line)
        except (OSError, ValueError) as error:
            why = reason(error)
        raise _refused(name, why) from None

    def _path(self, name: str) -> Path:
        """Return where a file is. Raises UsageError, OSError, ValueError."""
        if self._below is None:
            return Path(name)
        windows = PureWindowsPath(name)
        folder = Path(os.path.realpath(self._below))
        path = Path(os.path.realpath(folder / name))
        within = path.relative_to(folder).parts if path.is_relative_to(folder) else ("..",)
        # Where the folder is a home, what is hidden holds keys.
        hidden = any(part.startswith(".") for part in (*windows.parts, *within))
        if windows.drive or windows.root or hidden:
            raise _refused(
                name,
                Message(
                    "a batch reads only files in the folder of its own file, or below, and none "
                    "that is hidden"
                ),
            )
        return path


def _refused(name: str, why: Message) -> UsageError:
    return UsageError(
        "prompt: {value} names a file that cannot be used: {why}",
        hint="Correct it; for the characters themselves, without a file: \\{{@…\\}}",
        field="prompt",
        value=shown(f"{{@{name}}}", 200),
        why=why,
    )
