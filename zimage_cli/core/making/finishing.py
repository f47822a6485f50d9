"""From the picture as it was served to the file that is kept: its recipe, or another format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from zimage_cli.core.files import reason
from zimage_cli.core.making.examine import summed
from zimage_cli.core.recipe.finish import FinishError, finish
from zimage_cli.core.request.wish import FORMATS
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.png import PngInfo
    from zimage_cli.core.making.save import Draft, Place
    from zimage_cli.core.recipe.recipe import Recipe
    from zimage_cli.core.request.wish import Wish

Tell = Callable[[Message], None]


def finished(
    stack: ExitStack,
    place: Place,
    wanted: str,
    served: Draft,
    fetched: Fetched,
    wish: Wish,
    recipe: Callable[[PngInfo], Recipe],
    tell: Tell,
) -> tuple[Fetched, Draft]:
    """Return the draft that gets the name, and what it holds; `stack` closes it.

    Whatever fails here costs no picture: the served one is kept, and `tell` hears why.
    """
    with ExitStack() as own:
        try:
            draft = own.enter_context(place.draft(wanted))
            done = finish(served.file, draft.file, wish, recipe(fetched.info))
            if done.changed:
                # A full disk may show only now, and the served picture is still there.
                draft.sync()
                known = (draft.file.tell(), done.sha256) if done.sha256 else None
                size, digest = known or summed(draft.file)
                kept = replace(fetched, bytes=size, sha256=digest, served_sha256=fetched.sha256)
            # Of a file that could not be written nothing is told.
            for message in done.told:
                tell(message)
            if not done.changed:
                return fetched, served
        except FinishError as error:
            tell(_not_finished(wish, error.said))
        except OSError as error:
            tell(_not_finished(wish, reason(error)))
        else:
            stack.push(own.pop_all())
            return kept, draft
    if wish.format != "png":
        served.name_as_png()
    return fetched, served


def _not_finished(wish: Wish, why: object) -> Message:
    if wish.format == "png":
        return Message(
            "the recipe could not be written into the picture: {why}; saved as it was served",
            why=why,
        )
    return Message(
        "the picture could not be made into {format}: {why}; saved as it was served, as PNG",
        format=FORMATS[wish.format],
        why=why,
    )
