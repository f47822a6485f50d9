"""What a person sees while pictures are made.

On a terminal one thread draws. It imports rich once the request has left, so that the import does
not delay the request, and looks ten times a second at what the observers have noted. Elsewhere the
same facts are printed as plain lines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from zimage_cli.api import threads
from zimage_cli.cli.view import (
    CONNECTING,
    DOWNLOADING,
    PAINTING,
    TURN,
    View,
    Watch,
    doing_words,
    shown_on_terminal,
)
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.retry import Wait
    from zimage_cli.cli.generate.printer import Printer
    from zimage_cli.cli.live import Live
    from zimage_cli.cli.output import Output
    from zimage_cli.cli.preview import Preview
    from zimage_cli.core.history.usual import Usual
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.messages import Words

_FRAME = 0.1
_SHOW_AFTER = 1.0
"""Seconds until something is drawn even though the request has not left: a slow connection."""
_ROWS = 16
"""Pictures that are shown while they are made, a row each; fewer in a low terminal."""
_OTHER_ROWS = 4
"""Rows of a terminal that are left to other lines."""


class _PictureWatch(Watch):
    """Follows one picture, and tells the view what it must know at once."""

    def __init__(self, job: Job, view: Display) -> None:
        super().__init__(job)
        self._view = view

    def pacing(self, seconds: float) -> None:
        super().pacing(seconds)
        if seconds > _SHOW_AFTER:
            self._view.wake.set()

    def sent(self) -> None:
        super().sent()
        self._view.request_left()

    def waiting(self, wait: Wait) -> None:
        super().waiting(wait)
        self._view.tell_wait(self.job, wait)

    def answered(self, answer: Answer, request: Request) -> None:
        super().answered(answer, request)
        self._view.wake.set()

    def stopped(self, note: Message | None) -> None:
        self._view.stopped[self.job.number] = note

    def warning(self, text: Message) -> None:
        self._view.warn(text)


class Display(View):
    """Shows the pictures of a plan being made, and tells each as it ends.

    `report` says what goes to the standard output: `paths`, `response` or, for the end, `json`.
    `introduced`: the request was shown already; `new_folder` is one that is made with more than one
    level. `pictures` are those that are saved, by their number; `failures` what became of the
    others; `stopped` are those that were given up on request, with what became of each in words.
    `shown`: on a terminal.
    """

    def __init__(
        self,
        out: Output,
        plan: RequestPlan,
        report: str,
        *,
        introduced: bool = False,
        new_folder: str | None = None,
    ) -> None:
        super().__init__(out)
        self._plan = plan
        self._report = report
        self._carded = introduced
        self._new_folder = new_folder
        self._count = len(plan.requests)
        self.shown = shown_on_terminal(out)
        # A dumb terminal cannot overwrite a line: it gets the cards, and a line for each wait.
        self._live = self.shown and out.moves
        self._began = time.monotonic()
        self._flying: dict[int, Watch] = {}
        self._usual: dict[str, Usual | None] = {}
        self._varying: tuple[str, ...] = ()
        self._start = 0
        self._untold: list[Callable[[], None]] = []
        """What prints the lines that wait for a moment without a live line, oldest first."""
        self._begun = False
        self._stopping = False
        self._lines: Live | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.wake = threading.Event()
        self.stopped: dict[int, Message | None] = {}
        self.pictures: dict[int, Picture] = {}
        self.failures: list[Outcome] = []

    @cached_property
    def _preview(self) -> Preview | None:
        """What shows the pictures themselves; None where nobody is to see them."""
        if not self._live or self._report == "json":
            return None
        from zimage_cli.cli.preview import Preview

        preview = Preview(self._out, self._plan.settings.preview.value)
        return preview if preview.wanted else None

    @cached_property
    def _printer(self) -> Printer:
        """What prints; made when the request has left."""
        from zimage_cli.cli.generate.printer import Printer

        return Printer(
            self._out,
            self._plan,
            self._report,
            self._result,
            shown=self.shown,
            introduced=self._carded,
            new_folder=self._new_folder,
            preview=self._preview,
        )

    def __enter__(self) -> Self:
        if self.shown:
            thread = threading.Thread(target=self._draw, name="display", daemon=True)
            # Without a thread to draw, the picture is made all the same.
            with suppress(RuntimeError):
                threads.start(thread)
                self._thread = thread
        return self

    def close(self) -> None:
        """End the drawing, and tell what is left."""
        self._done.set()
        self.wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if self._lines is not None and self._lines.hides_cursor:
            self._out.show_cursor()
        self._lines = None
        self._tell_all()

    # -- what the engine tells, from many threads ----------------------------------------------

    def started(self, job: Job) -> Watch:
        """Note a picture that is being made."""
        watch = _PictureWatch(job, self)
        with self._lock:
            self._begun = True
            self._flying[job.number] = watch
        return watch

    def request_left(self) -> None:
        """Show the request: there is time for that now."""
        self.wake.set()
        if not self.shown:
            with self._lock:
                self._printer.introduce()

    def ended(self, outcome: Outcome) -> None:
        """Tell what became of a picture, at a moment when no live line is in the way."""
        number, picture = outcome.job.number, outcome.picture
        with self._lock:
            self._flying.pop(number, None)
            if picture is None:
                self.failures.append(outcome)
            else:
                self.pictures[number] = picture
        if picture is not None:
            self._tell_unless_live(lambda: self._printer.saved(outcome.job, picture))
        elif self.shown and self._count > 1 and number not in self.stopped:
            self._tell_unless_live(lambda: self._printer.failed(outcome))

    def warn(self, text: Message) -> None:
        """Keep a warning for a moment when no live line is in the way."""
        self._tell_unless_live(lambda: self._out.warn(text))

    def say(self, words: Words) -> None:
        """Say something at a moment when no live line is in the way."""
        self._tell_unless_live(lambda: self._out.note(words))

    def stopping(self) -> None:
        """Say what is still waited for: where lines move, as long as it is."""
        self._stopping = True
        if not self._live:
            self.say(self._still())

    def tell_wait(self, job: Job, wait: Wait) -> None:
        """Show a pause, and why."""
        self.wake.set()
        if not self._live:
            from zimage_cli.cli.generate.facts import tried

            facts = {"number": job.number, "count": self._count, "seconds": wait.seconds}
            self.say(
                Message(
                    "{why}: waiting {seconds:.1f} s (try {next} of {of})"
                    if self._count == 1
                    else "{number} of {count}: {why}: waiting {seconds:.1f} s (try {next} of {of})",
                    **facts,
                    **tried(wait, self._out.text),
                )
            )

    def total(self) -> None:
        """Say what several pictures have come to, where the rows do not."""
        seconds = time.monotonic() - self._began
        if self._preview is not None and self._count > 1 and not self._stopping:
            paths = [self.pictures[number].path for number in sorted(self.pictures)]
            self._preview.show([path for path in paths if path is not None])
        self._printer.total([*self.pictures.values()], len(self.failures), seconds)

    def _still(self) -> Message:
        from zimage_cli.cli.signals import stopping_words

        with self._lock:
            doing = [DOWNLOADING if w.answer_came else w.doing for w in self._flying.values()]
        return stopping_words(*(doing.count(one) for one in (PAINTING, DOWNLOADING, CONNECTING)))

    def _tell_unless_live(self, tell: Callable[[], None]) -> None:
        with self._lock:
            self._untold.append(tell)
        if not self._live:
            self.wake.set()
            thread = self._thread
            if thread is not None:
                # The card stands above the lines that follow.
                thread.join()
            self._tell_all()

    def _tell_all(self) -> None:
        """Print what was not told yet."""
        with self._lock:
            untold, self._untold = self._untold, []
            if untold and self._begun:
                self._printer.introduce()
            for tell in untold:
                tell()

    # -- the drawing thread --------------------------------------------------------------------

    def _draw(self) -> None:
        # Whatever goes wrong here, a terminal that went away or a module that cannot be loaded,
        # must not cost the picture, nor show a traceback.
        with suppress(Exception):
            self._draw_all()

    def _draw_all(self) -> None:
        self.wake.wait(_SHOW_AFTER)
        if self._done.is_set() and not self._begun:
            # The run ended before a request was made, for example without a key.
            return
        if self._preview is not None:
            self._preview.begin()
        with self._lock:
            self._printer.introduce()
        if not self._live or self._done.is_set():
            return
        from zimage_cli.cli.generate.facts import common_start, varying

        self._varying, self._start = varying(self._plan), common_start(self._plan)
        with self._out.live() as live:
            self._lines = live
            while not self._done.is_set():
                if self._preview is not None and (why := self._preview.complaint()):
                    self.say(why)
                if self._untold:
                    live.clear()
                    self._tell_all()
                live.update(self._frame())
                self._done.wait(_FRAME)

    def _frame(self) -> Any:
        from rich.console import Group

        from zimage_cli.cli.generate.cards import Scene
        from zimage_cli.cli.generate.facts import joined, label_of, span
        from zimage_cli.cli.output import one_line

        with self._lock:
            flying = [self._flying[number] for number in sorted(self._flying)]
        console = self._out.stderr_console
        elapsed = time.monotonic() - self._began
        spelled = self._out.spelled
        scene = Scene(console.width - 1, console.options.ascii_only, elapsed, spelled)
        # Those that only wait for their turn are counted, where there is no room for all.
        shown = sorted(flying, key=lambda one: one.doing == TURN)
        shown = shown[: max(1, min(_ROWS, console.height - _OTHER_ROWS))]
        labels = [
            (one.job.number, spelled(label_of(one.job.request, self._varying, self._start)))
            for one in shown
        ]
        names = scene.names(labels, self._count) if self._count > 1 else [""] * len(shown)
        rows = [
            scene.picture(watch, name, self._usually(watch.job.request))
            for watch, name in zip(shown, names, strict=True)
        ]
        if not rows and not self._ended:
            rows = [scene.text(f"{spelled(CONNECTING)}  {spelled(span(elapsed))}")]
        if self._count > 1:
            done = self._ended
            words = spelled(joined([self._doing(flying), span(elapsed)]))
            rows.append(scene.all_pictures(done, len(self.failures), self._count, words))
        if self._stopping:
            rows.append(one_line(spelled(self._still()), "yellow"))
        return Group(*rows)

    @property
    def _ended(self) -> int:
        return len(self.pictures) + len(self.failures)

    def _doing(self, flying: list[Watch]) -> Words:
        """Return how many pictures are doing what, in words."""
        doing = [one.doing for one in flying]
        known = [one for one in dict.fromkeys(doing) if one != TURN]
        words = [doing_words(one, doing.count(one)) for one in known]
        left = self._count - self._ended - len(doing)
        waiting = doing.count(TURN) + left
        if waiting and not self._stopping:
            words.append(doing_words(TURN, waiting))
        return Listing(", ", words)

    def _usually(self, request: Request) -> Usual | None:
        """Return how long pictures like this one took lately; looked up once for each size."""
        size = request.size
        if size not in self._usual:
            from zimage_cli.core.history.usual import usual
            from zimage_cli.errors import ZimageError

            self._usual[size] = None
            settings = self._plan.settings
            with suppress(ZimageError):
                path = settings.environment.history_file()
                self._usual[size] = usual(path, settings.target.region_name, request)
        return self._usual[size]
