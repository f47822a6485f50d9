"""What `zimage gallery` shows while the page is made, and says of it afterwards."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from zimage_cli.cli import keys
from zimage_cli.cli.errors import Interrupted
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.errors import Stopped
from zimage_cli.messages import Listing, Message, counted

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.core.gallery.collect import Skipped
    from zimage_cli.core.gallery.gallery import Made, Making

_MOMENT = 0.5
"""Seconds after which it is shown what a page waits for."""
_NAMED = 5
"""Files that are named one by one; --json has them all."""
_BAR = 24


def made(out: Output, making: Making, make: Callable[[], Made]) -> Made:
    """Do the work in a thread, which Ctrl-C cancels, and show meanwhile how far it is."""
    found: list[Made] = []
    live = out.live() if out.moves and not out.quiet else None
    began = time.monotonic()

    def show() -> None:
        if live is not None and time.monotonic() - began > _MOMENT:
            live.update(_line(out, making, time.monotonic() - began))

    # Of damaged pictures Pillow warns on stderr.
    warnings.simplefilter("ignore")
    with Signals() as signals:
        if live is not None:
            keys.give_back_on_signals()
        try:
            signals.wait_for(
                lambda: found.append(make()),
                making.cancel,
                lambda: True,
                None if live is None else show,
            )
        except Stopped:
            raise Interrupted(signals.numbers[0], note=Message("no page was written")) from None
        finally:
            if live is not None:
                with suppress(OSError):
                    live.stop()
    return found[0]


def _line(out: Output, making: Making, clock: float) -> Text:
    from rich.text import Text

    from zimage_cli.cli.bar import bar
    from zimage_cli.core.gallery.gallery import Stage

    done, total = making.done, making.total
    texts = {
        Stage.READING: Message("reading {done:,} files", done=done),
        Stage.DRAWING: Message("{done:,} of {total:,} thumbnails", done=done, total=total),
        Stage.WRITING: Message("writing the page"),
    }
    share = done / total if making.stage is Stage.DRAWING and total else None
    ascii_only = out.stderr_console.options.ascii_only
    drawn = bar(share, _BAR, clock=clock, ascii_only=ascii_only)
    now = out.spelled(texts[making.stage])
    return Text.assemble("  ", drawn, f"  {now}", no_wrap=True, end="")


def tell(out: Output, made: Made) -> None:
    """Say what is in the page, and what is not."""
    from zimage_cli.core.gallery.gallery import summary

    if made.masked:
        out.warn(Message("a text holds what looks like an API key: it is masked in the page"))
    if made.outside:
        out.warn(
            counted(
                made.outside,
                "{count:,} picture lies outside the page's folder: their paths stand in the page, "
                "and who gets the folder alone sees thumbnails only",
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
