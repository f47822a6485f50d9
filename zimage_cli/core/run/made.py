"""A picture that was made and not fetched, as the journal keeps it: for where there is no history.

The journal is not trusted to hold what zimage wrote: what makes no sense is no picture.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from zimage_cli.api import limits
from zimage_cli.core.history.entry import moment
from zimage_cli.core.making.generation import Generation

if TYPE_CHECKING:
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.request.request import Request


def in_time(answered_at: object) -> bool:
    """Tell whether the service still has a picture that was made then."""
    when, day = moment(str(answered_at)), timedelta(hours=limits.URL_LIFETIME_HOURS)
    return when is not None and datetime.now(UTC) - when < day


def generation_of(record: dict[str, Any], account: Account, request: Request) -> Generation:
    """Return the generation of a record, to be saved once it is `wanted` somewhere."""
    from zimage_cli.api.answer import Answer

    attempts = _number(record.get("attempts"))
    return Generation(
        request,
        account.wire(request),
        "",
        {},
        datetime.now(UTC),
        time.monotonic(),
        # It has no row and gets none; but the journal has it.
        begun=True,
        noted=True,
        attempts=attempts or 1,
        answered_at=_text(record.get("answered_at")),
        answer=Answer(
            image_url=str(record.get("image_url")),
            text=_text(record.get("rewritten_prompt")),
            reasoning=_text(record.get("reasoning")),
            width=_number(record.get("width")),
            height=_number(record.get("height")),
            request_id=_text(record.get("request_id")),
            usage={},
        ),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
