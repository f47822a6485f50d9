"""Evidence: one JSON file a run, with what was asked, answered, paid and saved of each picture."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import without_query
from zimage_cli.api.payload import MODEL
from zimage_cli.core.drafts import write_whole
from zimage_cli.core.files import NO_LOCKS, open_locked, open_own
from zimage_cli.core.history.database import now
from zimage_cli.core.history.history import error_facts
from zimage_cli.core.request.prices import cost
from zimage_cli.text import json_text
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.generation import Generation

FOLDER = "aliyun-zimage-turbo"

_PATIENCE = 5.0
"""Seconds to wait for another process that changes the file, which takes it milliseconds."""

_END = b'\n  ],\n  "finished": '
"""How the last lines of a file begin: nothing else in it has this indentation."""

_END_BYTES = 128
"""The last lines of a file are never longer."""

_SMALL = 256 * 1024
"""Bytes of some hundred pictures. A file up to this size is replaced by one with a picture more:
that takes less than a millisecond, and a kill leaves the old file or the new one. A larger one is
changed in place: a kill during the write may leave half a picture at its end."""


def facts(generation: Generation, status: str, error: BaseException | None) -> dict[str, Any]:
    """Return what evidence says of a picture: never a key, never the signed part of an address."""
    answer, fetched = generation.answer, generation.fetched
    origin = generation.request.origin
    return {
        "status": status,
        "started": generation.started.isoformat(timespec="milliseconds"),
        "finished": now(),
        **_whom(generation.account),
        "request": json.loads(generation.wire.body),
        **{name: said for name, said in origin._asdict().items() if said is not None},
        "answer": None
        if answer is None
        else {
            "request_id": answer.request_id,
            "image_url": without_query(answer.image_url),
            "width": answer.width,
            "height": answer.height,
            "rewritten_prompt": generation.rewritten,
            "reasoning": answer.reasoning,
            "usage": answer.usage,
        },
        "request_id": answer.request_id if answer else getattr(error, "request_id", None),
        "picture": saved_facts(generation.saved_path, fetched)
        if generation.picture is not None and fetched is not None
        else None,
        "price": cost(generation.price),
        "attempts": generation.attempts,
        "history_id": generation.entry,
        "error": None if error is None else error_facts(error),
    }


def _whom(account: Account) -> dict[str, str | None]:
    return {"region": account.region, "endpoint": account.origin, "workspace": account.workspace}


class Evidence:
    """The evidence of one run; safe to share between threads.

    The file is made with the first picture. Its region, endpoint and workspace are those of
    `account`, or else of the first picture.
    """

    def __init__(self, folder: Path, account: Account | None = None) -> None:
        self._folder = folder
        self._started = datetime.now(UTC)
        self._whom = None if account is None else _whom(account)
        self._path: Path | None = None
        self._lock = threading.Lock()

    def add(self, facts: dict[str, Any]) -> Path:
        """Add the `facts` of a picture and return the file. Raises OSError.

        Takes as long for the ten thousandth picture as for the hundredth: the rest of a large file
        is not written again.
        """
        with self._lock:
            if self._path is not None:
                try:
                    _append(self._path, facts)
                except (OSError, ValueError) as error:
                    stands = self._path.is_file() and not self._path.is_symlink()
                    if stands and isinstance(error, OSError):
                        raise
                    # The user moved it away, or changed it into something else.
                    self._path = None
            if self._path is None:
                self._path = self._begin(facts)
            return self._path

    def _begin(self, facts: dict[str, Any]) -> Path:
        whom = self._whom or {name: facts.get(name) for name in ("region", "endpoint", "workspace")}
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = self._started.strftime("%Y%m%dT%H%M%S.%f")[:-3]
        path = self._folder / f"{stamp}Z-{os.urandom(4).hex()}.json"
        document = {
            "schema": 2,
            "zimage": __version__,
            "model": MODEL,
            "started": self._started.isoformat(timespec="milliseconds"),
            **whom,
            "pictures": [facts],
            "finished": now(),
        }
        _write(path, _document(document))
        return path


def update(path: Path, history_id: int, **facts: Any) -> None:
    """Change some facts of the picture with an id in the history, also while its run goes on.

    Files of schema 1, with one picture each, are changed too. Raises OSError, or ValueError for a
    file that is no evidence or knows no such picture.
    """
    with _open(path, os.O_RDONLY) as file:
        document = _read(file)
        pictures = document.get("pictures", [document])
        found = [one for one in pictures if one.get("history_id") == history_id]
        if not found:
            raise ValueError("no picture has that id")
        found[0].update(facts)
        _replace(file, path, _document(document))


def _append(path: Path, facts: dict[str, Any]) -> None:
    with _open(path, os.O_RDWR) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_BYTES))
        last = file.read(_END_BYTES)
        begin = last.rfind(_END)
        if begin < 0:
            # Somebody has formatted the file in another way.
            document = _read(file)
            document["pictures"] = [*document.get("pictures", []), facts]
            _replace(file, path, _document({**document, "finished": now()}))
            return
        comma = b"" if last[:begin].endswith(b"[") else b","
        data = comma + _picture(facts) + _end(now())
        last, place = last[begin:], size - len(last) + begin
        if size <= _SMALL:
            file.seek(0)
            _replace(file, path, file.read(place) + data)
            return
        try:
            _put(file, data, place)
        except BaseException:
            # The disk may be full. The old end fits: the file still has its space.
            _put(file, last, place)
            file.truncate(size)
            raise


def _put(file: FileIO, data: bytes, place: int) -> None:
    file.seek(place)
    while data:
        data = data[file.write(data) :]


def _open(path: Path, flags: int) -> FileIO:
    """Open and lock a file: all who change or replace it do so under this lock."""
    try:
        handle = open_locked(path, flags, patience=_PATIENCE)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        handle = open_own(path, flags)
    return FileIO(handle, "rb" if flags == os.O_RDONLY else "rb+")


def _read(file: FileIO) -> dict[str, Any]:
    """Return what a file says. Raises ValueError where that is no evidence."""
    file.seek(0)
    try:
        document = json.loads(file.readall())
    except RecursionError:
        document = None
    if isinstance(document, dict):
        pictures = document.get("pictures", [])
        if isinstance(pictures, list) and all(isinstance(one, dict) for one in pictures):
            return document
    raise ValueError("the file is no evidence")


def _replace(file: FileIO, path: Path, data: bytes) -> None:
    if os.name == "nt":
        # An open file is not replaced there.
        file.close()
    _write(path, data)


def _write(path: Path, data: bytes) -> None:
    # Not synced: the history has the same facts, and that is. Private: it holds prompts.
    write_whole(path, data, mode=0o600, sync=False)


def _document(document: dict[str, Any]) -> bytes:
    """Return a whole file: its pictures come last but one, so that others can be added."""
    if "pictures" not in document:
        return json_text(document, indent=2).encode() + b"\n"
    head = {name: document[name] for name in document if name not in {"pictures", "finished"}}
    text = json_text({"schema": 2, **head}, indent=2).removesuffix("\n}")
    pictures = b",".join(_picture(facts) for facts in document["pictures"])
    return text.encode() + b',\n  "pictures": [' + pictures + _end(document.get("finished"))


def _picture(facts: dict[str, Any]) -> bytes:
    return ("\n" + json_text(facts, indent=2)).replace("\n", "\n    ").encode()


def _end(finished: Any) -> bytes:
    return _END + json_text(finished).encode() + b"\n}\n"


def saved_facts(path: str, fetched: Fetched) -> dict[str, Any]:
    """Return what evidence says of a picture on disk."""
    return {
        "path": path,
        "bytes": fetched.bytes,
        "sha256": fetched.sha256,
        "served_sha256": fetched.as_served,
        "width": fetched.info.width,
        "height": fetched.info.height,
    }
