"""The command tree, and the one place where an error becomes an exit status."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli.app import PROMISED, App, Group
from zimage_cli.cli.output import SIGPIPE_STATUS, Output, document
from zimage_cli.cli.streams import set_up_streams

if TYPE_CHECKING:
    from zimage_cli.errors import ZimageError

COMMANDS = {
    "generate": "zimage_cli.cli.generate",
    "batch": "zimage_cli.cli.batch",
    "validate": "zimage_cli.cli.validate",
    "config": "zimage_cli.cli.config",
    "regions": "zimage_cli.cli.regions",
    "sizes": "zimage_cli.cli.sizes",
    "history": "zimage_cli.cli.history",
    "open": "zimage_cli.cli.open",
    "inspect": "zimage_cli.cli.inspect",
    "gallery": "zimage_cli.cli.gallery",
    "sandbox": "zimage_cli.cli.sandbox",
    "mcp": "zimage_cli.cli.mcp",
    "skill": "zimage_cli.cli.skill",
    "schema": "zimage_cli.cli.schema",
    "completions": "zimage_cli.cli.completions",
    "help": "zimage_cli.cli.help",
}
"""Command name → the module that holds its `app`. Only the module of the command that runs is
imported."""


_ENDING = 0.2
"""Seconds, for all of them."""


class Root(Group):
    """The top of the tree."""

    everyday = ("--version",)
    about_help = "Show the whole help; with --json, of all commands as one JSON document."
    modules = COMMANDS

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write every exit status, and the examples."""
        from zimage_cli.core.advice import EXIT_STATUSES

        self.statuses = EXIT_STATUSES
        super().format_epilog(ctx, formatter)


app = App(name="zimage", cls=Root, no_args_is_help=True)


def _version(value: bool) -> None:
    if value:
        from zimage_cli.version import __version__

        Output().result(f"zimage {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Examples:\n\nzimage generate 'A calm lake at dawn' --sandbox\n\n"
    "zimage config set-key --region singapore\n\n"
    "zimage generate 'A calm lake at dawn' --size 16:9"
)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Make pictures with Z-Image Turbo from the terminal."""


def main(args: list[str]) -> int:
    """Run one command line and return its exit status.

    Signals have their default action here: what must not be cut off notes them (`cli.signals`).
    """
    set_up_streams()
    try:
        status = _run(args)
    finally:
        keys = sys.modules.get("zimage_cli.cli.keys")
        if keys is not None:
            keys.restore()
    if work_hangs():
        # That thread may be writing to this stream, and a flush would wait for it.
        return status
    try:
        sys.stdout.flush()
    except OSError:
        # The reader is gone: the interpreter would print a complaint when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or SIGPIPE_STATUS
    return status


def work_hangs() -> bool:
    """Tell whether a thread that makes pictures was left behind: a disk may not answer it.

    One whose work is done is given the time to end.
    """
    threading = sys.modules.get("threading")
    signals = sys.modules.get("zimage_cli.cli.signals")
    if threading is None or signals is None:
        return False
    ours = [one for one in threading.enumerate() if one.name.startswith(signals.WORK)]
    end = time.monotonic() + _ENDING
    for thread in ours:
        thread.join(max(0.0, end - time.monotonic()))
    return any(thread.is_alive() for thread in ours)


def _run(args: list[str]) -> int:
    from zimage_cli.errors import ZimageError

    output, context = Output(), None
    try:
        # Typer's own way to run a command turns every signal into a silent 130.
        command = typer.main.get_command(app)
        context = command.make_context("zimage", list(args))
        with context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except ZimageError as error:
        return _Failure(output, context).of(error)
    except typer.TyperException as error:
        return _Failure(output, context).of_usage(error, args)
    except (KeyboardInterrupt, typer.Abort) as stop:
        return _Failure(output, context).of_interrupt(stop)
    except Exception as error:  # noqa: BLE001 - an unknown exception is a bug, and said to be one
        return _Failure(output, context).of_unknown(error)
    return 0


class _Failure:
    """How a command that failed ends: what is said, the document of `--json`, the exit status."""

    def __init__(self, output: Output, context: Any) -> None:
        self._output = output
        # What the command that failed promises: contexts share their `meta` with the top one.
        self._promised = None if context is None else context.meta.get(PROMISED)

    def of(self, error: ZimageError) -> int:
        from zimage_cli.cli import errors
        from zimage_cli.core.advice import error_documents, exit_status

        errors.print_error(self._output, error)
        self._print_document(*error_documents(error))
        return exit_status(error)

    def of_usage(self, error: typer.TyperException, args: list[str]) -> int:
        from zimage_cli.cli.meant import from_typer
        from zimage_cli.core.advice import USAGE_STATUS
        from zimage_cli.messages import Message

        if type(error).__name__ == "NoArgsIsHelpError":  # typer's own class for it is private
            self._output.say(Message("{help}", help=error.message))
            return USAGE_STATUS
        return self.of(from_typer(error, typer.main.get_command(app), args))

    def of_interrupt(self, stop: BaseException) -> int:
        import signal

        from zimage_cli.cli.errors import Interrupted

        # A second Ctrl-C, while this is printed, must not show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end = stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT)
        self._output.say(end.words)
        if end.note:
            self._output.tell(end.note, indent="  ")
        if end.document is not None:
            self._print(end.document)
        else:
            self._print_document(end.error_document())
        return 128 + end.number

    def of_unknown(self, error: Exception) -> int:
        from zimage_cli.cli import errors

        known = errors.shortage(error) or errors.gone_folder(error)
        if known is not None:
            return self.of(known)
        errors.print_bug(self._output, error)
        self._print_document(errors.bug_document(error))
        return errors.BUG_STATUS

    def _print_document(self, *problems: dict[str, Any]) -> None:
        if self._promised is not None:
            self._print(document("error", errors=problems, **self._promised))

    def _print(self, found: dict[str, Any]) -> None:
        """Print a document; where that cannot be done, it is said, and the failure stays."""
        from zimage_cli.cli import errors
        from zimage_cli.errors import ZimageError

        try:
            self._output.json(found)
        except ZimageError as error:
            errors.print_error(self._output, error)
        except typer.Exit:
            # Nobody reads it any more.
            pass
