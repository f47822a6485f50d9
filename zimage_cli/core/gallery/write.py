"""The page as a file: where it goes, how it points to pictures, and how it gets there whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from zimage_cli.core.drafts import make_temporary, publish, remove_abandoned
from zimage_cli.core.files import make_folder, reason, sync_folder
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

PAGE = "gallery.html"
STDOUT = "-"
_SUFFIX = ".html"
_MARK = b'<meta name="generator" content="zimage'
_HEAD = 16 * 1024
"""Bytes in which the mark of a page of ours stands."""
_ELSEWHERE = "Choose another place: zimage gallery -o FILE.html"


def target(output: str | None, folder: Path, *, overwrite: bool) -> Path:
    """Return the path of the page; its folder is resolved, so that addresses can be reckoned.

    `output` is a file or a folder, None for `folder`. Raises UsageError for a name that is none,
    and for a file that is there and no page of ours, unless `overwrite`.
    """
    wanted = folder / PAGE if output is None else Path(output)
    if output == "":
        raise UsageError("--output is empty.", hint=_ELSEWHERE, field="output", value=output)
    try:
        if output is not None and (output.endswith(("/", os.sep)) or wanted.is_dir()):
            wanted /= PAGE
        if wanted.suffix.lower() != _SUFFIX:
            raise UsageError(
                "--output: {value} does not end in .html.",
                hint="Did you mean {nearest}?",
                field="output",
                value=output,
                allowed=Message("a name that ends in .html, or a folder"),
                nearest=wanted.with_suffix(_SUFFIX),
            )
        page = Path(os.path.realpath(wanted.parent)) / wanted.name
        there = os.path.lexists(page)
        if there and page.is_dir():
            raise UsageError("{path} is a folder.", hint=_ELSEWHERE, field="output", path=page)
        if there and not overwrite and not _is_ours(page):
            raise UsageError(
                "{path} exists, and zimage did not write it.",
                hint="To replace it: --overwrite",
                field="output",
                path=page,
            )
    except (OSError, ValueError) as error:
        raise unwritable(wanted, error) from None
    return page


def _is_ours(page: Path) -> bool:
    """Tell whether a file is a page that an earlier run wrote."""
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return _MARK in file.read(_HEAD)


def write(page: Path, text: Iterable[str]) -> None:
    """Write the page whole or not at all. Raises UsageError."""
    try:
        make_folder(page.parent)
        # Of a process that was killed.
        remove_abandoned(page.parent)
        handle, temporary = make_temporary(page.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(encoded(text))
                file.flush()
                os.fsync(file.fileno())
            publish(temporary, page, overwrite=True, numbered=lambda _: page)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(page.parent)
    except OSError as error:
        raise unwritable(page, error) from None


def encoded(text: Iterable[str]) -> Iterable[bytes]:
    """Yield the bytes of a page; a file's name may be no valid text."""
    return (part.encode("utf-8", "backslashreplace") for part in text)


def unwritable(path: Path, error: OSError | ValueError) -> UsageError:
    """Return the error for a page that cannot be written."""
    return UsageError(
        "{path} cannot be written: {why}.",
        hint=_ELSEWHERE,
        field="output",
        path=path,
        why=reason(error),
    )


class Addresses:
    """The addresses of files, relative to the page in a resolved folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._inside = os.path.join(self._folder, "")  # noqa: PTH118
        self._of_folder = cache(self._to_folder)

    def of(self, path: str) -> str:
        """Return the address of a file. Raises UsageError for one on another drive.

        Every part is percent-encoded, a colon and a backslash too: no part can be taken for a
        scheme, and a name may be any bytes.
        """
        folder, name = os.path.split(path)
        return self._of_folder(folder) + _quoted(name)

    def _to_folder(self, folder: str) -> str:
        if os.path.join(folder, "").startswith(self._inside):  # noqa: PTH118
            below = folder[len(self._inside) :]
        else:
            try:
                # Browsers follow `..` in the path as it is written: no part of it may be a link.
                below = os.path.relpath(os.path.realpath(folder), self._folder)
            except ValueError:
                raise UsageError(
                    "{path} is on another drive than the page, which cannot point to it.",
                    hint="Put the page there (-o FILE), or the thumbnails into it: --embed",
                    field="output",
                    path=folder,
                ) from None
        return "".join(f"{_quoted(part)}/" for part in Path(below).parts)


def _quoted(part: str) -> str:
    return quote(os.fsencode(part), safe="")
