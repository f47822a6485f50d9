"""How a picture of a run ended: what a failure means for it and for the next, and its outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zimage_cli.core.run.money import on_the_bill
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    AddressRefused,
    AuthenticationError,
    Billed,
    BillingError,
    ConfigurationError,
    ConnectionFailed,
    DiskError,
    NotSavedError,
    QuotaError,
    RefusedError,
    ZimageError,
)

if TYPE_CHECKING:
    from zimage_cli.core.history.entry import Entry
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.making.generation import Generation
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request

_POINTLESS = (AuthenticationError, BillingError, QuotaError, ConfigurationError, DiskError)


def ends_all(error: ZimageError, *, foreign: bool, waits: bool) -> bool:
    """Tell whether the next picture would fail the same way, so that nothing more is sent.

    `foreign`: it was asked for at an address of its own. `waits`: the run waits for a service that
    cannot be reached, and has done so.
    """
    if isinstance(error, ConnectionFailed):
        # `pace` is None for a certificate that is not trusted: waiting does not help.
        return not foreign and (error.pace is None or not waits)
    return isinstance(error, _POINTLESS)


def unsent(error: ZimageError) -> bool:
    """Tell whether an error that ends a run says that its picture was never asked for."""
    return isinstance(error, ConnectionFailed | ConfigurationError)


def saved(job: Job, picture: Picture) -> Outcome:
    """Return the outcome of a picture that is on disk."""
    from zimage_cli.core.outcome import Outcome

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
    from zimage_cli.core.outcome import Outcome

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
        address=generation.address() if generation and _to_fetch(error) else None,
    )


def _status_of(error: ZimageError) -> Status:
    if _to_fetch(error):
        return Status.MADE
    if error.maybe_billed:
        return Status.LOST
    return Status.REFUSED if isinstance(error, RefusedError) else Status.FAILED


def _to_fetch(error: ZimageError) -> bool:
    """Tell whether the picture was made and can still be fetched, unpaid."""
    return isinstance(error, NotSavedError) and not isinstance(error, AddressRefused)
