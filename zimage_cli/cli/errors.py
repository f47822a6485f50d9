"""How errors and interrupts are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zimage_cli import errors
from zimage_cli.core.advice import error_document, hint_for
from zimage_cli.core.files import is_limited
from zimage_cli.messages import Message
from zimage_cli.text import redact, visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output

BUG_STATUS = 1
INTERRUPTED_STATUS = 130
_BUG_HINT = "run it again with ZIMAGE_DEBUG=1 and report what it prints, without your key"

LEFT_BEHIND = (
    "What was in flight may have been made and billed, and could not be noted in time: "
    "zimage history list"
)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP, with what a command has to say at its end.

    `number` is the signal's; `note` a line for a person; `document` what `--json` prints.
    """

    def __init__(
        self, number: int, *, note: str | None = None, document: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.number = int(number)
        self.note = note
        self.document = document

    @property
    def words(self) -> str:
        """What happened, in a word."""
        return "interrupted" if 128 + self.number == INTERRUPTED_STATUS else "terminated"

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
    output.tell(f"error: {_shown(error.message)}", label="error:", sgr="1;31")
    facts = [
        fact
        for fact in (
            error.code,
            f"HTTP {error.http_status}" if error.http_status else None,
            f"request id {error.request_id}" if error.request_id else None,
        )
        if fact
    ]
    said = visible(redact(error.service_message or ""))
    about = visible(", ".join(facts))
    # The message names the status already.
    if said or error.code or error.request_id:
        line = f"{said} ({about})" if said and about else said or about
        output.tell(f"  service: {line}", label="service:", sgr="1")
    hint = visible(hint_for(error) or "", newlines=True)
    if error.advice is not None and "typed" in error.advice.facts:
        # A command to be copied: the terminal may wrap it, but no line feed stands in it.
        output.say(f"  {output.style('next:', '1')} {hint}")
    elif hint:
        output.tell(f"  next: {hint}", label="next:", sgr="1")


def _shown(text: str) -> str:
    # No message should hold a key; one that holds one all the same does not show it.
    return visible(redact(text), newlines=True)


_SCARCE = ("start new thread", "allocate lock")
"""Words of Python's errors where the system gives no more threads."""


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
        output.say(visible(redact(trace), newlines=True))
    output.say(
        f"{output.style('error:', '1;31')} this is a bug in zimage: "
        f"{type(error).__name__}: {visible(redact(str(error)))}"
    )
    output.say(f"  next: {_BUG_HINT}")
