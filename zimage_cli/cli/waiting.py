"""Work that a person waits for: a line that moves while it is done, and Ctrl-C, which ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from zimage_cli.cli import keys
from zimage_cli.cli.errors import Interrupted
from zimage_cli.cli.signals import Signals
from zimage_cli.errors import Stopped

if TYPE_CHECKING:
    from rich.text import Text

    from zimage_cli.cli.output import Output
    from zimage_cli.messages import Message

_MOMENT = 0.5
"""Seconds after which it is shown how far the work is."""
_BAR = 24


def wait_for(
    out: Output,
    work: Callable[[], None],
    cancel: Callable[[], None],
    far: Callable[[], tuple[float | None, Message]],
    note: Message,
) -> None:
    """Do work in a thread, which a signal cancels, and show meanwhile how far it is.

    `far` gives the share that is done, None where nobody knows it, and words. Raises what the work
    raises, or Interrupted with the note.
    """
    live = out.live() if out.moves and not out.quiet else None
    began = time.monotonic()

    def show() -> None:
        clock = time.monotonic() - began
        if live is not None and clock > _MOMENT:
            live.update(_line(out, *far(), clock))

    with Signals() as signals:
        if live is not None:
            keys.give_back_on_signals()
        try:
            signals.wait_for(work, cancel, lambda: True, show if live else None)
        except Stopped:
            raise Interrupted(signals.numbers[0], note=note) from None
        finally:
            if live is not None:
                with suppress(OSError):
                    live.stop()


def _line(out: Output, share: float | None, words: Message, clock: float) -> Text:
    from rich.text import Text

    from zimage_cli.cli.bar import bar

    ascii_only = out.stderr_console.options.ascii_only
    drawn = bar(share, _BAR, clock=clock, ascii_only=ascii_only)
    return Text.assemble("  ", drawn, f"  {out.spelled(words)}", no_wrap=True, end="")
