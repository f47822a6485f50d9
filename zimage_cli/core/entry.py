"""One entry of the ledger, as it is read back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from zimage_cli.api import limits

_ABANDONED_AFTER = timedelta(hours=6)
"""A process may send, wait and send again for hours; a row that old has nobody behind it, even
where its process id is in use again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One generation. Times: UTC in ISO 8601; sizes: pixels and bytes; `cost_amount`: decimal."""

    id: int
    status: str
    created_at: str
    updated_at: str
    pid: int | None
    prompt: str
    size: str
    seed: int | None
    prompt_extend: bool
    region: str
    endpoint: str
    workspace: str | None
    attempts: int
    answered_at: str | None
    request_id: str | None
    image_url: str | None
    rewritten_prompt: str | None
    reasoning: str | None
    width: int | None
    height: int | None
    usage: dict[str, Any] | None
    wanted_path: str | None
    path: str | None
    bytes: int | None
    sha256: str | None
    evidence_path: str | None
    cost_amount: str | None
    cost_currency: str | None
    elapsed_seconds: float | None
    error: dict[str, Any] | None
    batch: str | None
    """The batch this belongs to, and `job`, its line there; None outside a batch."""
    job: str | None

    @property
    def document(self) -> dict[str, Any]:
        """The picture's object in `--json`, as it was when the picture was made."""
        return {
            "image_url": self.image_url,
            "width": self.width,
            "height": self.height,
            "prompt": self.prompt,
            "rewritten_prompt": self.rewritten_prompt,
            "reasoning": self.reasoning,
            "request_id": self.request_id,
            "path": self.path,
            "seed": self.seed,
            "size": self.size,
            "prompt_extend": self.prompt_extend,
            "region": self.region,
            "endpoint": self.endpoint,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "cost": {"amount": self.cost_amount, "currency": self.cost_currency},
            "elapsed_seconds": self.elapsed_seconds,
            "attempts": self.attempts,
        }

    @property
    def expires_at(self) -> datetime | None:
        """When the service drops the picture: 24 hours after its answer."""
        if self.answered_at is None:
            return None
        return datetime.fromisoformat(self.answered_at) + timedelta(hours=limits.URL_LIFETIME_HOURS)

    @property
    def in_progress(self) -> bool:
        """Tell whether the process that wrote this still works on it."""
        return self.pid is not None and _alive(self.pid) and not _older(self, _ABANDONED_AFTER)


COLUMNS = ", ".join(field.name for field in fields(Entry))
"""The ledger's columns in the order of `Entry`."""


def entry(row: tuple[Any, ...]) -> Entry:
    """Return a row of `COLUMNS` as an entry."""
    # Bytes are a path that is no valid text.
    texts = (
        value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
        for value in row
    )
    values: dict[str, Any]
    values = dict(zip((field.name for field in fields(Entry)), texts, strict=True))
    values["prompt_extend"] = bool(values["prompt_extend"])
    for name in ("usage", "error"):
        values[name] = json.loads(values[name]) if values[name] else None
    return Entry(**values)


def _older(entry: Entry, age: timedelta) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(entry.updated_at) > age


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    if os.name == "nt":
        # os.kill would end the process there; age alone decides.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
