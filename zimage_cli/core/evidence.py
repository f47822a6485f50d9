"""Evidence: one JSON file a generation, that says what was asked, answered, paid and saved."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli import __version__
from zimage_cli.api.characters import json_text
from zimage_cli.api.endpoint import without_query
from zimage_cli.api.payload import MODEL
from zimage_cli.core import ledger
from zimage_cli.core.files import open_own, write_whole
from zimage_cli.core.prices import cost

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.destination import Destination
    from zimage_cli.core.run import Run

FOLDER = "aliyun-zimage-turbo"


def facts(
    run: Run,
    destination: Destination,
    status: str,
    fetched: Fetched | None,
    error: BaseException | None,
) -> dict[str, Any]:
    """Return what an evidence file says: never a key, never the signed part of an address."""
    from zimage_cli.core.picture import saved_facts

    answer = run.answer
    price = destination.price(prompt_extend=run.request.prompt_extend)
    return {
        "schema": 1,
        "zimage": __version__,
        "status": status,
        "started": run.started.isoformat(timespec="milliseconds"),
        "finished": ledger.now(),
        "region": destination.region,
        "endpoint": destination.origin,
        "workspace": destination.workspace,
        "model": MODEL,
        "request": json.loads(run.wire.body),
        "answer": None
        if answer is None
        else {
            "request_id": answer.request_id,
            "image_url": without_query(answer.image_url),
            "width": answer.width,
            "height": answer.height,
            "rewritten_prompt": answer.rewritten_prompt(prompt_extend=run.request.prompt_extend),
            "reasoning": answer.reasoning,
            "usage": answer.usage,
        },
        "request_id": answer.request_id if answer else getattr(error, "request_id", None),
        "picture": None if fetched is None else saved_facts(_path(run), fetched),
        "price": cost(price),
        "attempts": run.attempts,
        "history_id": run.entry,
        "error": None if error is None else ledger.error_facts(error),
    }


def _path(run: Run) -> str:
    path = run.picture.path if run.picture is not None else None
    return "-" if path is None else str(path.absolute())


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
