"""Load what comes after a request: while the service paints, or before where that is safer."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from zimage_cli.api import threads
from zimage_cli.core.files import is_limited

if TYPE_CHECKING:
    from zimage_cli.api.wire import Wire
    from zimage_cli.core.making.save import Place
    from zimage_cli.core.request.wish import Wish


class Loader:
    """Loads the modules that read an answer and check a picture, once for a run of pictures.

    A start is faster without them, and while the service paints there are seconds for it.
    """

    def __init__(self, wire: Wire, api_root: str, place: Place, wish: Wish) -> None:
        self._wire = wire
        self._wish = wish
        self._api_root = api_root
        self._place = place
        self._begun = threading.Event()
        self.sent = threading.Event()
        """Set when a request has left: now there is time."""

    def begin(self) -> None:
        """Load in a thread, from the moment that a request has left.

        Where the system may refuse memory or a thread, before it leaves: if a module could not be
        loaded later, a paid picture could not be saved.
        """
        if self._begun.is_set():
            return
        self._begun.set()
        if not is_limited():
            with suppress(RuntimeError):
                loader = threading.Thread(target=self._load_later, name="loader", daemon=True)
                threads.start(loader)
                return
        self._load()

    def load(self) -> None:
        """Load at once, before the first of many pictures."""
        self._begun.set()
        self._load()

    def _load_later(self) -> None:
        self.sent.wait(1.0)
        # What fails here fails again, and is reported, when it is needed.
        with suppress(Exception):
            self._load()
            self._place.clear()

    def _load(self) -> None:
        import zimage_cli.api.answer
        import zimage_cli.api.body
        import zimage_cli.api.codes
        import zimage_cli.api.download
        import zimage_cli.core.making.evidence
        import zimage_cli.core.making.finishing
        import zimage_cli.core.picture  # noqa: F401
        from zimage_cli.core.recipe import finish

        # Also where this run changes nothing: a line of a batch may name a format of its own.
        finish.load(self._wish)
        self._wire.prepare(self._api_root, pictures=True)
