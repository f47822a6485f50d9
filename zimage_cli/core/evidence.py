"""Evidence: one JSON file a generation, that says what was asked, answered, paid and saved."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zimage_cli.api.characters import json_text
from zimage_cli.core.files import open_own, write_whole

FOLDER = "aliyun-zimage-turbo"


def write(folder: Path, facts: dict[str, Any], *, started: datetime, number: int | None) -> Path:
    """Write one evidence file and return its path; `number` is the ledger's id. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = started.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    tail = os.urandom(3).hex() if number is None else f"{number}-{os.urandom(2).hex()}"
    path = folder / f"{stamp}Z-{tail}.json"
    # What it says stands in the ledger too, and that is synced. Prompts are nobody else's business.
    write_whole(path, _document(facts), mode=0o600, sync=False)
    return path


def update(path: Path, **facts: Any) -> None:
    """Change some facts of an evidence file, whole. Raises OSError, or ValueError for no JSON."""
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            document = json.loads(file.read())
    except RecursionError:
        document = None
    if not isinstance(document, dict):
        raise ValueError(f"{path} is no evidence file")  # noqa: TRY004 - of the file, not the caller
    write_whole(path, _document({**document, **facts}), mode=0o600)


def _document(facts: dict[str, Any]) -> bytes:
    return json_text(facts, indent=2).encode() + b"\n"
