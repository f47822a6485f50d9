"""What the engine tells of a picture that it made, or tried to make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zimage_cli.core.outcome import Outcome
from zimage_cli.core.run.causes import to_fetch
from zimage_cli.core.run.money import on_the_bill
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, RefusedError, ZimageError

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request


def saved(job: Job, picture: Picture) -> Outcome:
    """Return the outcome of a picture that is on disk."""
    return Outcome(
        job,
        Status.SAVED,
        replace(job.request, seed=picture.seed),
        picture.region,
        picture.endpoint,
        picture=picture,
        billed=on_the_bill(picture.region, Billed.YES),
        price=picture.cost,
        history_id=picture.history_id,
        attempts=picture.attempts,
    )


def failed(
    job: Job,
    account: Account,
    request: Request,
    error: ZimageError,
    generation: Generation | None = None,
    entry: Entry | None = None,
) -> Outcome:
    """Return the outcome of a picture that is not; `generation` or `entry`: how far it came."""
    if generation is not None:
        history_id, attempts = generation.entry, generation.attempts
    else:
        history_id, attempts = (entry.id, entry.attempts) if entry else (None, 0)
    return Outcome(
        job,
        _status_of(error),
        request,
        account.region,
        account.origin,
        error=error,
        billed=on_the_bill(account.region, error.billed),
        price=account.price(prompt_extend=request.prompt_extend),
        history_id=history_id,
        attempts=attempts,
        elapsed=generation.elapsed if generation else None,
        address=generation.address() if generation and to_fetch(error) else None,
    )


def _status_of(error: ZimageError) -> Status:
    if to_fetch(error):
        return Status.MADE
    if error.maybe_billed:
        return Status.LOST
    return Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED
