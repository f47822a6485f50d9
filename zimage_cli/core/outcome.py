"""What can become of a picture that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.core.advice import error_document, hint_for
from zimage_cli.core.request.prices import Price, cost
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, ZimageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one picture of a run.

    `picture` is there where it is saved, `error` where it is not. `price` is the list price of a
    picture like it, None where none is known. `reason` says why it was left alone; `recall` then
    gives what is known of it from an earlier run.
    """

    job: Job
    status: Status
    request: Request
    region: str
    endpoint: str
    picture: Picture | None = None
    error: ZimageError | None = None
    billed: Billed = Billed.NO
    price: Price | None = None
    history_id: int | None = None
    attempts: int = 0
    elapsed: float | None = None
    address: Mapping[str, Any] | None = None
    """What is needed to fetch it, where it was made and is not saved."""
    reason: Message | None = None
    recall: Callable[[], Mapping[str, Any]] | None = None

    def take(self) -> Picture:
        """Return the picture. Raises the error where there is none."""
        if self.picture is not None:
            return self.picture
        raise self.error or ZimageError("{reason}", reason=self.reason or self.status)

    def _repr_html_(self) -> str:
        """Show in a notebook what became of it: the picture, or the error and what to do next."""
        from zimage_cli.core.card import card, paid

        if self.picture is not None:
            return self.picture._repr_html_()
        error, request = self.error, self.request
        facts = {
            "status": self.status.value,
            "error": error and error_document(error)["message"],
            "next step": error and hint_for(error),
            "reason": self.reason,
            "prompt": request.prompt,
            "seed": request.seed,
            "size": request.size.replace("*", "×"),
            "cost": paid(self.region, self.price, self.billed),
        }
        return card(facts)

    @property
    def document(self) -> dict[str, Any]:
        """The line's object in `batch --json`, and in its journal."""
        job = self.job
        line = {"line": job.line, "variant": job.variant, "job": job.id}
        line["status"] = self.status.value
        if self.recall is not None:
            return {**self._blank, **self.recall(), **line, "reason": self.reason}
        if self.picture is not None:
            return {**line, **self.picture.document, "billed": self.billed.value}
        found = {**line, **self._blank}
        if self.error is not None:
            found |= error_document(self.error, prompt=self.request.prompt)
        return {**found, **(self.address or {}), "billed": self.billed.value}

    @property
    def _blank(self) -> dict[str, Any]:
        """What there is to say of a picture that was not saved."""
        request = self.request
        paid = self.price if self.billed is not Billed.NO else self.price and self.price * 0
        return {
            "prompt": request.prompt,
            "seed": request.seed,
            "size": request.size,
            "prompt_extend": request.prompt_extend,
            "path": None,
            "history_id": self.history_id,
            "request_id": None,
            "region": self.region,
            "endpoint": self.endpoint,
            "cost": cost(paid),
            "elapsed_seconds": self.elapsed,
            "attempts": self.attempts,
            "billed": self.billed.value,
        }
