"""How errors and interrupts are shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zimage_cli import errors
from zimage_cli.core.advice import error_document, hint_for
from zimage_cli.core.files import is_limited, reason
from zimage_cli.messages import Listing, Message, Words
from zimage_cli.text import redact, visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output

BUG_STATUS = 1
INTERRUPTED_STATUS = 130
_BUG_HINT = Message("run it again with ZIMAGE_DEBUG=1 and report what it prints, without your key")

LEFT_BEHIND = Message(
    "What was in flight may have been made and billed, and could not be noted in time: "
    "zimage history list"
)

_ERROR, _SERVICE, NEXT = Message("error:"), Message("service:"), Message("next:")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP, with what a command has to say at its end.

    `number` is the signal's; `note` a line for a person; `document` what `--json` prints.
    """

    def __init__(
        self, number: int, *, note: Words | None = None, document: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.number = int(number)
        self.note = note
        self.document = document

    @property
    def words(self) -> Message:
        """What happened, in a word."""
        stopped = 128 + self.number == INTERRUPTED_STATUS
        return Message("interrupted") if stopped else Message("terminated")

    def error_document(self, *, prompt: str | None = None) -> dict[str, Any]:
        """Return the error object of `--json`."""
        return _document("interrupted", self.words, self.note, prompt)


def _document(kind: str, words: str, note: str | None, prompt: str | None = None) -> dict[str, Any]:
    """Return the error object of `--json` for what no class of errors stands for."""
    hint = None if note is None else "{note}"
    error = errors.UsageError("{words}", hint=hint, words=words, note=note)
    return {**error_document(error, prompt=prompt), "type": kind}


def bug_document(error: BaseException) -> dict[str, Any]:
    """Return the error object of `--json` for an unknown exception."""
    return _document("bug", f"{type(error).__name__}: {error}", _BUG_HINT)


def print_error(output: Output, error: errors.ZimageError) -> None:
    """Print what happened, the service's words with code and request id, and what to do next."""
    output.tell(error.message, label=_ERROR, sgr="1;31")
    facts = [
        error.code,
        Message("HTTP {status}", status=error.http_status) if error.http_status else None,
        Message("request id {id}", id=error.request_id) if error.request_id else None,
    ]
    about = Listing(", ", [fact for fact in facts if fact])
    words = visible(redact(error.service_message or ""))
    # The message names the status already.
    if words or error.code or error.request_id:
        template = "{words} ({about})" if words and about else "{words}"
        line = Message(template, words=words or about, about=about)
        output.tell(line, label=_SERVICE, sgr="1", indent="  ")
    if hint := hint_for(error):
        # A command to be copied: the terminal may wrap it, but no line feed stands in it.
        output.tell(hint, label=NEXT, sgr="1", indent="  ", fold="typed" not in hint.facts)


_SCARCE = ("start new thread", "allocate lock")
"""Words of Python's errors where the system gives no more threads."""


def gone_folder(error: Exception) -> errors.ConfigurationError | None:
    """Return the error for a current folder that was deleted, say; None for another cause."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError as gone:
        if isinstance(error, type(gone)) and error.filename is None:
            return errors.ConfigurationError(
                "the current folder cannot be used: {why}",
                hint="Go to another one: cd",
                why=reason(gone),
            )
    return None


def shortage(error: Exception) -> errors.ConfigurationError | None:
    """Return the error for a system that gives no more memory, threads or files; None else.

    All modules that are needed after a request are loaded before it, so that nothing was sent where
    one of these errors comes.
    """
    import errno

    text = str(error)
    short = (
        isinstance(error, MemoryError)
        # What Python and OpenSSL raise where there is no memory left to say so.
        or (isinstance(error, (SystemError, OSError)) and is_limited())
        or (isinstance(error, OSError) and error.errno in {errno.ENOMEM, errno.EMFILE})
        or (isinstance(error, RuntimeError) and any(what in text for what in _SCARCE))
        or (isinstance(error, ImportError) and ("failed to map" in text or "many open" in text))
    )
    if not short:
        return None
    return errors.ConfigurationError(
        "The system gives this process no more memory, threads or files: {why}.",
        hint="Raise the limits: ulimit -a shows them.",
        why=text or Message("no memory"),
    )


def print_bug(output: Output, error: BaseException) -> None:
    """Say that an unknown exception is a bug in zimage; the traceback only with ZIMAGE_DEBUG=1.

    Local variables are never shown: they hold keys.
    """
    if output.environ.get("ZIMAGE_DEBUG") == "1":
        import traceback

        trace = "".join(traceback.format_exception(error)).rstrip()
        output.say(Message("{trace}", trace=visible(redact(trace), newlines=True)))
    output.tell(
        Message(
            "this is a bug in zimage: {type}: {error}", type=type(error).__name__, error=str(error)
        ),
        label=_ERROR,
        sgr="1;31",
        fold=False,
    )
    output.tell(_BUG_HINT, label=NEXT, indent="  ", fold=False)
