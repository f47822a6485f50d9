"""The history as it is opened to be looked at, or to recover from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zimage_cli.core.settings.environment import Environment
from zimage_cli.errors import ConfigurationError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History


@contextmanager
def opened(
    environment: Environment, *, warn: Callable[[Message], None] | None = None
) -> Iterator[History | None]:
    """Open the history, to change it where `warn` is given; None where there is none yet.

    `warn` gets a sentence when it waits for a locked one. Raises ConfigurationError.
    """
    from zimage_cli.core.history.history import History

    path = environment.history_file()
    if path is None:
        raise ConfigurationError(
            "no home folder is known, so there is no history", hint="Set HOME or ZIMAGE_HOME."
        )
    if not path.exists():
        yield None
        return
    book = History.to_read(path) if warn is None else History(path, on_locked=warn)
    try:
        book.settle_abandoned()
        yield book
    finally:
        book.close()
