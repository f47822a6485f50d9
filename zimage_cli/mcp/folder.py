"""The output folder: its pictures may be read, and no other file of the machine.

What names a picture is a text of a model, and may be anybody's. It is first read as text alone: a
path that does not lie in the folder is refused before the disk is asked about it, so that nothing
tells whether it is there and no share of another machine is opened. Links in the folder are
resolved then, and what they lead to is opened name by name from the folder on, without following
any: what was swapped meanwhile for a link is not opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from zimage_cli.api import limits
from zimage_cli.client import Client
from zimage_cli.core.files import open_own
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError
from zimage_cli.mcp.given import wrong
from zimage_cli.text import shown

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History
    from zimage_cli.core.history.query import Query
    from zimage_cli.mcp.desk import Desk

LARGEST = limits.PICTURE_MAX_BYTES
_LONGEST_REF = 8_192
_LAST = "last"
REFS = "an id of the history (42), last, or the path or file: address of a picture in the folder"


class Opened(NamedTuple):
    """A picture's file in the folder, open; `entry` is its id where it was named by that."""

    path: Path
    file: IO[bytes]
    entry: int | None = None


class Folder:
    """The output folder of a server, as it was when the server began.

    `spelled` is how its settings name it, where links lead to it.
    """

    def __init__(
        self,
        path: Path,
        spelled: Path | None = None,
        history: Callable[[], AbstractContextManager[History | None]] = Client.history,
    ) -> None:
        self.history = history
        self.path = Path(os.path.realpath(path))
        self._spelled = Path(os.path.abspath(spelled or path))  # noqa: PTH100 - links are kept

    @classmethod
    def of(cls, desk: Desk) -> Folder:
        """Return the folder of a server."""
        return cls(desk.folder, desk.client.settings.output_dir.value, desk.client.history)

    @contextmanager
    def open(self, text: str) -> Iterator[Opened]:
        """Open the picture that a text names. Raises UsageError, in words that tell no secret."""
        if len(text) > _LONGEST_REF:
            raise self._refused(text)
        entry, path = None, None
        if re.fullmatch("[0-9]+", text) or text == _LAST:
            with self.history() as history:
                entry, path = self._recorded(text, history)
        try:
            inside = self._inside(_path_of(text) if path is None else path)
            handle = self._handle(inside)
        except (OSError, ValueError):
            raise self._refused(text) from None
        with os.fdopen(handle, "rb") as file:
            if os.fstat(handle).st_size > LARGEST:
                raise UsageError(
                    "{value} is larger than {most} MiB.",
                    field="ref",
                    value=shown(text),
                    most=LARGEST >> 20,
                )
            yield Opened(inside, file, entry)

    def found(self, history: History, query: Query) -> Iterator[int]:
        """Yield the ids of entries that match, newest first: of pictures in the folder alone."""
        from zimage_cli.core.history.query import located

        # Thousands of pictures are in a few folders.
        holds = lru_cache(1024)(self._holds)
        for number, path in located(history, query):
            if holds(os.path.dirname(path)):  # noqa: PTH120 - no Path: there may be 100,000
                yield number

    def short(self, path: str | None) -> str | None:
        """Return a path as it is in the folder; one that is not, as it is."""
        with suppress(ValueError):
            return None if path in {None, "-"} else str(Path(path or "").relative_to(self.path))
        return path

    # -- inside --------------------------------------------------------------------------------

    def _holds(self, path: str) -> bool:
        """Tell whether a path that zimage wrote down lies in the folder, links resolved."""
        try:
            return os.path.isabs(path) and Path(os.path.realpath(path)).is_relative_to(self.path)  # noqa: PTH117
        except (OSError, ValueError):
            return False

    def _recorded(self, text: str, history: History | None) -> tuple[int, str]:
        """Return id and path of an entry. Raises UsageError."""
        from zimage_cli.core.history.query import Query

        number = None
        if history is None:
            raise self._refused(text)
        if text == _LAST:
            number = next(self.found(history, Query(statuses=(Status.SAVED,))), None)
        elif len(text) < 19:
            number = int(text)
        entry = None if number is None else history.entry(number)
        saved = entry is not None and entry.path not in {None, "-"}
        path = (entry.path if saved else entry.wanted_path) if entry is not None else None
        if entry is None or path is None or not self._holds(str(Path(path).parent)):
            raise self._refused(text)
        if not saved:
            raise UsageError(
                "Picture {id} has no file: it is {status} in the history.",
                field="ref",
                value=text,
                id=entry.id,
                status=entry.status,
            )
        return entry.id, os.path.realpath(path)

    def _inside(self, text: str) -> Path:
        """Return the real path of what a text names in the folder. Raises OSError, ValueError."""
        if "\0" in text:
            raise ValueError(text)
        path = Path(os.path.normpath(self.path / text))
        top = next((top for top in (self.path, self._spelled) if path.is_relative_to(top)), None)
        if top is None:
            raise PermissionError(text)
        found = Path(os.path.realpath(self.path / path.relative_to(top)))
        if not found.is_relative_to(self.path) or found == self.path:
            raise PermissionError(text)
        return found

    def _handle(self, path: Path) -> int:
        """Open a file by the names that lead to it from the folder. Raises OSError."""
        if os.open not in os.supports_dir_fd:
            handle = open_own(path, os.O_RDONLY)
            if Path(os.path.realpath(path)) != path:
                os.close(handle)
                raise PermissionError(path)
            return handle
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        *folders, name = path.relative_to(self.path).parts
        at = os.open(self.path, flags)
        try:
            for folder in folders:
                above, at = at, os.open(folder, flags, dir_fd=at)
                os.close(above)
            return open_own(name, os.O_RDONLY, dir_fd=at)
        finally:
            os.close(at)

    def _refused(self, text: str) -> UsageError:
        """Return the one error for what is not there and for what may not be read."""
        return UsageError(
            "{value} names no picture in {folder}, and only pictures in that folder can be read.",
            hint="Allowed is {allowed}. search_history finds them.",
            field="ref",
            value=shown(text),
            folder=self.path,
            allowed=REFS,
        )


def _path_of(text: str) -> str:
    """Return the path in a `file:` address, and any other text as it is."""
    if not text.lower().startswith("file:"):
        return text
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    # Of another machine: as text it is no path of this one.
    return url2pathname(parts.path) if parts.netloc in {"", "localhost"} else text


def ref_of(given: Mapping[str, Any]) -> str:
    """Return the text that names a picture. Raises UsageError."""
    value = given.get("ref")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 2**63 else "?"
    if not isinstance(value, str) or not value:
        raise wrong("ref", value, REFS)
    return value
