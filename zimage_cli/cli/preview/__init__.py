"""Pictures shown in the terminal itself, on stderr, where it can show them.

The setting `preview` decides: `auto` shows them where the terminal is known to show real pictures,
`on` also as symbols, `off` never. Nothing is loaded before it is known that one may be shown, and a
picture that cannot be shown is no error.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api import threads
from zimage_cli.cli import keys
from zimage_cli.core.files import is_limited, reason
from zimage_cli.errors import ZimageError
from zimage_cli.messages import Message
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output

MOST = 16
"""Pictures that are shown: on one sheet, and by one command."""

_SAVED_ROWS, _TOLD_ROWS = 10, 20
"""Rows of what is said of a picture: with its request when it is saved, and all that is known."""

_MISSING = Message("chafa is not installed: pip install 'zimage-cli[preview]'")


def can_show(out: Output) -> bool:
    """Tell whether a person may see a picture on stderr: not in a pipe, a log or a dumb terminal.

    What the terminal can do is another question.
    """
    automatic = out.environ.get("CI", "").lower() not in {"", "0", "false"}
    return not out.quiet and out.moves and not automatic


def beside(out: Output, given: bool | None) -> Preview | None:
    """Return the preview of a command whose result stands on the same terminal; None for none.

    `given` is what `--preview` and `--no-preview` say. Settings that cannot be read are told.
    """
    if given is False or not (can_show(out) and out.stdout.isatty()):
        return None
    setting = "on"
    if given is None:
        from zimage_cli.core.settings.config_file import read
        from zimage_cli.core.settings.environment import Environment
        from zimage_cli.core.settings.resolver import Flags, Resolver

        environment = Environment.current()
        try:
            config = read(environment.config_file())
            setting = Resolver(environment, Flags(), None, config).plain("preview").value
        except ZimageError as error:
            out.warn(error.message)
            return None
    preview = Preview(out, setting, text=_TOLD_ROWS)
    return preview if preview.wanted else None


class Preview:
    """Shows pictures on the terminal of stderr; `setting` is `auto`, `on` or `off`.

    `wanted`: they are looked at by somebody. `text`: rows that are left to what is said of one.
    Pictures are shown by one thread at a time.
    """

    def __init__(self, out: Output, setting: str, *, text: int = _SAVED_ROWS) -> None:
        self._out = out
        self._text = text
        self._forced = setting == "on"
        self.wanted = setting != "off" and can_show(out)
        self._lock = threading.Lock()
        self._loaded = False
        self._drawing: Any = None
        self._way: str | None = None
        """How the terminal shows pictures; None where nothing is shown."""
        self._untold: Message | None = None

    def begin(self) -> None:
        """Load what showing a picture needs in a thread: the service paints meanwhile."""
        if self.wanted:
            thread = threading.Thread(target=self._load, name="preview", daemon=True)
            # Without a thread it is loaded when there is something to show.
            with suppress(RuntimeError):
                threads.start(thread)

    def complaint(self) -> Message | None:
        """Return, once, why nothing can be shown that was asked for; None before that is known."""
        told, self._untold = self._untold, None
        return told

    def show(self, paths: Sequence[Path]) -> None:
        """Show a picture, or several on one sheet; where it was asked for, say why not."""
        if not (self.wanted and paths and self._in_front):
            return
        # What chafa starts has the signals wait as well.
        with keys.whole():
            self._load()
            told = self._show(paths[:MOST]) if self._way is not None else []
        why = self.complaint()
        for words in [why] if why else told:
            self._out.note(words)
        if self._way is not None and len(paths) > MOST:
            self._out.note(Message("… and {count:,} more", count=len(paths) - MOST))

    def refuse(self, why: Message) -> None:
        """Say why there is nothing to show, where it was asked for."""
        if self.wanted and self._forced:
            self._out.note(Message("no preview: {why}", why=why))

    @property
    def _in_front(self) -> bool:
        try:
            return keys.in_front(self._out.stderr.fileno())
        except (OSError, ValueError):
            return False

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = True
            if is_limited():
                # What finds no memory in chafa ends the process.
                self._fail(
                    Message("the system gives this process little memory or few files (ulimit -a)")
                )
                return
            # A library of others: what it needs may be missing, or be of another machine.
            try:
                from zimage_cli.cli.preview import drawing, sheet
                from zimage_cli.cli.preview.terminal import SYMBOLS

                way = drawing.way(self._out.environ)
                if way != SYMBOLS or self._forced:
                    sheet.load()
                    self._drawing, self._way = drawing, way
            except Exception as error:  # noqa: BLE001
                missing = isinstance(error, ModuleNotFoundError) and error.name == "chafa"
                broken = Message("chafa cannot be loaded: {why}", why=visible(str(error)))
                self._fail(_MISSING if missing else broken)

    def _fail(self, why: Message) -> None:
        self._untold = Message("no preview: {why}", why=why) if self._forced else None

    def _show(self, paths: Sequence[Path]) -> list[Message]:
        """Draw pictures; return what is to be said of those that cannot be shown."""
        from zimage_cli.cli.preview.sheet import sheet
        from zimage_cli.cli.preview.terminal import SIXEL, Screen

        stream = self._out.stderr
        try:
            screen, exact = Screen.of(stream.fileno()), self._way == SIXEL
            found, wrong = sheet(paths, screen, exact=exact, text=self._text)
            failed = {visible(path.name): error for path, error in wrong.items()}
            if found is not None:
                self._write(self._drawn(found))
        except Exception as error:  # noqa: BLE001 - no preview is worth an error
            failed = {visible(paths[0].name): error}
        if not self._forced:
            return []
        template = "no preview of {name}: {why}"
        return [Message(template, name=name, why=_why(error)) for name, error in failed.items()]

    def _drawn(self, sheet: Any) -> bytes:
        environ = self._out.environ
        letters = "space+solid+half+quad"
        if environ.get("TERM") == "linux":
            # All that its font has.
            letters = "space+solid+half"
        if not (self._out.stderr.encoding or "").lower().startswith("utf"):
            letters = "ascii"
        colours = self._out.stderr_console.color_system
        data: bytes = self._drawing.drawn(
            sheet, self._way, tmux=bool(environ.get("TMUX")), colours=colours, letters=letters
        )
        return data

    def _write(self, data: bytes) -> None:
        stream = self._out.stderr
        try:
            stream.flush()
            binary: Any = stream.buffer
            # Without Python's own buffer: what of it is written must be known.
            keys.write(getattr(binary, "raw", binary), data)
        except (OSError, ValueError):
            # Nobody reads it any more.
            self._out.lose_stderr()


def _why(error: Exception) -> Message:
    if isinstance(error, FileNotFoundError):
        return Message("its file is gone")
    if isinstance(error, OSError) and error.strerror:
        return reason(error)
    if type(error).__name__ == "TooLarge":
        return Message("it has too many pixels")
    return Message("it cannot be read as a picture")
