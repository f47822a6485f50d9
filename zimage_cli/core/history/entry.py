"""One row of the history, as it is read back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api import limits
from zimage_cli.api.endpoint import SANDBOX, host_of, is_loopback_host
from zimage_cli.core.history import owner
from zimage_cli.errors import NotSavedError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    import sqlite3

    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.prices import Price
    from zimage_cli.errors import ZimageError

_ABANDONED_AFTER = timedelta(hours=6)
"""A process may send, wait and send again for hours; an older row counts as abandoned, even where
its process id is in use again. Where its process holds a lock, only the lock decides."""

_GRACE = timedelta(hours=1)
"""After the 24 hours: the service's clock and this one may differ."""


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
    usage: Any
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
    served_sha256: str | None
    """Of the bytes as the service served them; `sha256` is that of the finished file."""
    finish: str | None
    """How the served picture is to be finished: format, quality, metadata or not."""
    parent: int | None
    """The entry whose request this one began with (`--like`)."""
    preset: str | None
    """The names of its presets, with commas between them."""
    typed_prompt: str | None
    """What was typed, where that is not the prompt that was sent."""
    owner: Path | None
    """The lock of the process that wrote this row, and `claim`, of one that fetches its picture."""
    claim: Path | None

    @property
    def picture(self) -> Picture:
        """The picture, as it was when it was made."""
        from zimage_cli.core.picture import Picture

        return Picture(
            image_url=self.image_url,
            width=self.width,
            height=self.height,
            prompt=self.prompt,
            rewritten_prompt=self.rewritten_prompt,
            reasoning=self.reasoning,
            request_id=self.request_id,
            path=None if self.path in {None, "-"} else Path(self.path or ""),
            history_id=self.id,
            evidence_path=None if self.evidence_path is None else Path(self.evidence_path),
            seed=self.seed,
            size=self.size,
            prompt_extend=self.prompt_extend,
            region=self.region,
            endpoint=self.endpoint,
            bytes=self.bytes,
            sha256=self.sha256,
            served_sha256=self.served_sha256,
            cost=self.price,
            elapsed_seconds=self.elapsed_seconds,
            attempts=self.attempts,
        )

    @property
    def price(self) -> Price | None:
        """The list price when it was asked for, None where none was known."""
        return price_of(self.cost_amount, self.cost_currency)

    @property
    def failure(self) -> ZimageError:
        """The error that it ended with, as far as the history knows it."""
        from zimage_cli import errors

        said = self.error or {}
        kinds: dict[str, type[ZimageError]] = {
            cls.kind: cls for cls in vars(errors).values() if _is_error(cls)
        }
        cls = kinds.get(str(said.get("type")), errors.ServiceError)

        def text(name: str) -> str | None:
            value = said.get(name)
            return None if value is None else str(value)

        status = said.get("http_status")
        return cls(
            "{said}",
            said=text("message") or Message("It is not known why."),
            code=text("code"),
            request_id=text("request_id"),
            http_status=status if isinstance(status, int) else None,
            service_message=text("service_message"),
        )

    @property
    def expires_at(self) -> datetime | None:
        """When the service drops the picture: 24 hours after its answer."""
        answered = moment(self.answered_at)
        try:
            return answered and answered + timedelta(hours=limits.URL_LIFETIME_HOURS)
        except OverflowError:
            return None

    @property
    def in_progress(self) -> bool:
        """Tell whether the process that wrote this still works on it."""
        lives = owner.lives(self.owner)
        if lives is not None:
            return lives
        updated = moment(self.updated_at)
        old = updated is None or datetime.now(UTC) - updated > _ABANDONED_AFTER
        return self.pid is not None and not old and _alive(self.pid)

    @property
    def claimed(self) -> bool:
        """Tell whether a living process fetches its picture right now."""
        return owner.lives(self.claim) is True

    @property
    def loopback(self) -> bool:
        """Tell whether it was made by a service on this machine."""
        try:
            return is_loopback_host(host_of(self.endpoint))
        except ValueError:
            return False


def _is_error(value: object) -> bool:
    from zimage_cli.errors import AddressRefused, DiskError, RequestInvalid, ZimageError

    # ZimageError is the base of the others: it has no hint and no exit status of its own.
    special = {AddressRefused, DiskError, RequestInvalid, ZimageError}
    return isinstance(value, type) and issubclass(value, ZimageError) and value not in special


_NAMES = tuple(field.name for field in fields(Entry))
_TEXTS = frozenset({"status", "created_at", "updated_at", "prompt", "size", "region", "endpoint"})
_NUMBERS = frozenset({"pid", "seed", "attempts", "width", "height", "bytes", "parent"})


def select(db: sqlite3.Connection) -> str:
    """Return the statement that selects entries."""
    return f"SELECT {', '.join(columns(db, _NAMES))} FROM generation"  # noqa: S608 - our own names


def columns(db: sqlite3.Connection, names: Iterable[str]) -> list[str]:
    """Return columns as SQL names them: NULL for one that an older schema lacks."""
    there = {column[1] for column in db.execute("PRAGMA table_info(generation)")}
    return [name if name in there else "NULL" for name in names]


def entry(row: tuple[Any, ...], history: Path) -> Entry:
    """Return a row of `select` as an entry, whatever somebody else wrote into it."""
    values = {name: _value(name, value) for name, value in zip(_NAMES, row, strict=True)}
    error = values["error"]
    if error is not None and not isinstance(error, dict):
        values["error"] = {"type": "unreadable", "message": str(error)}
    for name in ("owner", "claim"):
        values[name] = owner.lock_file(history, values[name])
    return Entry(**values)


def _value(name: str, value: Any) -> Any:
    """Return a column's value, None (or text, where it must be one) for another type."""
    if isinstance(value, bytes):
        # A path that is no valid text.
        try:
            value = value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            value = value.decode("utf-8", "backslashreplace")
    if name == "id":
        return value
    if name == "prompt_extend":
        return bool(value)
    if name in _NUMBERS:
        return value if isinstance(value, int) else 0 if name == "attempts" else None
    if name == "elapsed_seconds":
        return value if isinstance(value, (int, float)) and math.isfinite(value) else None
    if name in {"usage", "error"}:
        return _json(value)
    return str(value) if value is not None or name in _TEXTS else None


def price_of(amount: object, currency: object) -> Price | None:
    """Return the price in two columns, None where they hold none."""
    import re
    from decimal import Decimal

    from zimage_cli.core.request.prices import Price

    if not (isinstance(amount, str) and isinstance(currency, str) and currency):
        return None
    # Others are numbers too, to Decimal: NaN, and 1e999999999, with which nothing can be reckoned.
    plain = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", amount)
    return Price(Decimal(amount), currency) if plain else None


def _json(text: Any) -> Any:
    try:
        # NaN and Infinity are no JSON: printed again, no reader would take them.
        return json.loads(text, parse_constant=str) if text else None
    except (ValueError, TypeError, RecursionError):
        return str(text)


def batch_name(folder: Path, fresh_starts: int) -> str:
    """Return the name of a folder's batch, whichever path leads to the folder.

    `fresh_starts`: how many times it was begun anew.
    """
    from hashlib import blake2b

    text = f"{fresh_starts}\0{folder.resolve()}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def moment(text: str | None) -> datetime | None:
    """Return the time of a column, None for what is none; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def why_never(entry: Entry) -> str | None:
    """Return why a picture that was made will never be fetched; None where it may be.

    One that a process saves right now may be. The sandbox's are left alone: they were not paid.
    """
    if entry.region == SANDBOX or entry.claimed or (entry.error is None and entry.in_progress):
        return None
    refused = why_refused(entry)
    until = entry.expires_at
    if refused is None and until is not None and datetime.now(UTC) > until + _GRACE:
        return f"The service has dropped it: it was made over {limits.URL_LIFETIME_HOURS} h ago."
    return refused


def why_refused(entry: Entry) -> str | None:
    """Return why the address of a picture is none that zimage fetches, None where it is one."""
    from zimage_cli.api.download import check_picture_url

    try:
        check_picture_url(entry.image_url or "", loopback=entry.loopback)
    except NotSavedError as error:
        return error.message
    return None


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    if os.name == "nt":
        # os.kill would end the process there; age alone decides.
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return pid > 0
