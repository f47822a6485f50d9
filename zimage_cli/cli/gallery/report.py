"""What `zimage gallery` shows while the page is made, and says of it afterwards."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zimage_cli.cli.output import Output
from zimage_cli.cli.waiting import wait_for
from zimage_cli.messages import Listing, Message, counted

if TYPE_CHECKING:
    from zimage_cli.core.gallery.collect import Skipped
    from zimage_cli.core.gallery.gallery import Made, Making

_NAMED = 5
"""Files that are named one by one; --json has them all."""


def made(out: Output, making: Making, make: Callable[[], Made]) -> Made:
    """Do the work in a thread, which Ctrl-C cancels, and show meanwhile how far it is."""
    from zimage_cli.core.gallery.gallery import Stage

    found: list[Made] = []

    def far() -> tuple[float | None, Message]:
        done, total = making.done, making.total
        texts = {
            Stage.READING: Message("reading {done:,} files", done=done),
            Stage.DRAWING: Message("{done:,} of {total:,} thumbnails", done=done, total=total),
            Stage.WRITING: Message("writing the page"),
        }
        share = done / total if making.stage is Stage.DRAWING and total else None
        return share, texts[making.stage]

    # Of damaged pictures Pillow warns on stderr.
    warnings.simplefilter("ignore")
    nothing = Message("no page was written")
    wait_for(out, lambda: found.append(make()), making.cancel, far, nothing)
    return found[0]


def tell(out: Output, made: Made) -> None:
    """Say what is in the page, and what is not."""
    from zimage_cli.core.gallery.gallery import summary

    if made.masked:
        out.warn(Message("a text holds what looks like an API key: it is masked in the page"))
    if made.outside:
        out.warn(
            counted(
                made.outside,
                "{count:,} picture lies outside the page's folder: its path stands in the page, "
                "and who gets the folder alone sees its thumbnail only",
                "{count:,} pictures lie outside the page's folder: their paths stand in the page, "
                "and who gets the folder alone sees thumbnails only",
            )
        )
    for one in made.undrawn[:_NAMED]:
        out.warn(
            Message(
                "{path} has no thumbnail and is shown as it is: {why}", path=one.path, why=one.why
            )
        )
    more = len(made.undrawn) - _NAMED
    if more > 0:
        out.warn(Message("{count:,} more have no thumbnail and are shown as they are", count=more))
    for one in made.skipped[:_NAMED]:
        out.note_data(Message("skipped {path}: {why}", path=one.path, why=one.why))
    text = summary(made)
    if made.skipped:
        text = Message("{pictures}; {skipped}", pictures=text, skipped=skipped(made.skipped))
    out.note_data(text)


def skipped(files: Sequence[Skipped]) -> Message:
    """Return how many files are skipped, and why."""
    whys = Counter(one.why for one in files)
    counts = [Message("{count:,} {why}", count=count, why=why) for why, count in whys.items()]
    return Message("{count:,} skipped: {whys}", count=len(files), whys=Listing(", ", counts))
