"""The second half of a picture: from its address to its name on disk, for a new one and an old."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from zimage_cli.api import limits, retry
from zimage_cli.core.files import reason
from zimage_cli.errors import DiskError, NotSavedError

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.making.save import Place


def fetch_and_keep(
    wire: Wire,
    url: str,
    place: Place,
    wanted: str,
    *,
    loopback: bool,
    note: Callable[[Fetched], None],
    retries: int = limits.PICTURE_RETRIES,
    on_progress: Callable[[int, int | None], None] = lambda _received, _total: None,
    on_wait: Callable[[retry.Wait], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Fetched, str]:
    """Fetch a picture, check it and give it its name; return what it is and the path it got.

    `note` is called when it is whole, before it gets its name: should this process die right then,
    its file can be recognized. Raises NotSavedError, and DiskError where the disk does not take it.
    """
    from zimage_cli.api.download import fetch

    try:
        with place.draft(wanted) as draft:
            fetched = retry.run(
                lambda: fetch(wire, url, draft.file, loopback=loopback, on_progress=on_progress),
                retry.Policy(
                    min(retries, limits.PICTURE_RETRIES), wait_base=limits.PICTURE_WAIT_BASE
                ),
                on_wait=on_wait,
                sleep=sleep,
            )
            note(fetched)
            return fetched, draft.keep()
    except OSError as error:
        raise DiskError(
            "The picture was made and could not be saved to {place}: {why}.",
            place="the standard output" if wanted == "-" else wanted,
            why=reason(error),
        ) from None
    except NotSavedError as error:
        raise error.but("The picture was made and is not saved. {cause}") from None
