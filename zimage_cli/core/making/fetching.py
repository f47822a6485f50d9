"""The second half of a picture: from its address to its name on disk, for a new one and an old."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api import limits, retry
from zimage_cli.core.files import reason
from zimage_cli.errors import DiskError, NotSavedError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.png import PngInfo
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.making.save import Place
    from zimage_cli.core.recipe.recipe import Recipe
    from zimage_cli.core.request.wish import Wish


class Finish(NamedTuple):
    """How a picture is finished, what it says of its making, and who hears of what is unusual."""

    wish: Wish
    recipe: Callable[[PngInfo], Recipe]
    tell: Callable[[Message], None]


def once(told: dict[str, Message], warn: Callable[[Message], None]) -> Callable[[Message], None]:
    """Return what warns of a kind of thing once, whichever picture has it first.

    `told` is what was told by now, for all that share it.
    """

    def tell(message: Message) -> None:
        if told.setdefault(message.template, message) is message:
            warn(message)

    return tell


def fetch_and_keep(
    wire: Wire,
    url: str,
    place: Place,
    wanted: str,
    how: Finish,
    *,
    loopback: bool,
    note: Callable[[Fetched], None],
    lasting: bool = True,
    retries: int = limits.PICTURE_RETRIES,
    on_progress: Callable[[int, int | None], None] = lambda _received, _total: None,
    on_wait: Callable[[retry.Wait], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Fetched, str]:
    """Fetch a picture, check it, finish it and give it its name; return what it is and its path.

    `note` is called when it is finished, before it gets its name: should this process die right
    then, its file can be recognized. What a process that died had fetched whole is not fetched
    again; not where the picture is not `lasting`, because its service ends with the process. Raises
    NotSavedError, and DiskError where the disk does not take it.
    """
    from zimage_cli.api.download import fetch
    from zimage_cli.core.making.examine import examine

    try:
        with ExitStack() as stack:
            draft = stack.enter_context(place.draft(wanted, part_of(url) if lasting else None))
            fetched = examine(draft.file) or retry.run(
                lambda: fetch(wire, url, draft.file, loopback=loopback, on_progress=on_progress),
                retry.Policy(
                    min(retries, limits.PICTURE_RETRIES), wait_base=limits.PICTURE_WAIT_BASE
                ),
                on_wait=on_wait,
                sleep=sleep,
            )
            # From here on it outlives this process.
            draft.file.flush()
            if how.wish.changes:
                from zimage_cli.core.making.finishing import finished

                fetched, draft = finished(stack, place, wanted, draft, fetched, *how)
            note(fetched)
            return fetched, draft.keep()
    except OSError as error:
        raise DiskError(
            "The picture was made and could not be saved to {place}: {why}.",
            place=Message("the standard output") if wanted == "-" else wanted,
            why=reason(error),
        ) from None
    except NotSavedError as error:
        raise error.but("The picture was made and is not saved. {cause}") from None


def part_of(url: str) -> str:
    """Return the tag of the hidden file into which the picture of an address is fetched."""
    from hashlib import blake2b

    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
