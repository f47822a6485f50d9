"""The command tree, and the one place where an error becomes an exit status."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli.app import App, Group
from zimage_cli.cli.output import SIGPIPE_STATUS, Output, set_up_streams

if TYPE_CHECKING:
    from zimage_cli.api.errors import ZimageError

COMMANDS = {
    "generate": "zimage_cli.cli.generate",
    "batch": "zimage_cli.cli.batch",
    "validate": "zimage_cli.cli.validate",
    "config": "zimage_cli.cli.config",
    "regions": "zimage_cli.cli.regions",
    "sizes": "zimage_cli.cli.sizes",
    "history": "zimage_cli.cli.history",
    "sandbox": "zimage_cli.cli.sandbox",
    "completions": "zimage_cli.cli.completions",
}
"""Command name → the module that holds its `app`. Only the module of the command that runs is
imported."""

_STREAMS = frozenset({"batch"})
"""Their `--json` is an object a picture as it ends, and nothing else."""


class LazyCommands(dict[str, Any]):
    """Commands by name, each imported when it is asked for."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COMMANDS))

    def __getitem__(self, name: str) -> Any:
        command = super().__getitem__(name)
        if command is None:
            command = typer.main.get_command(import_module(COMMANDS[name]).app)
            command.name = name
            self[name] = command
        return command

    def get(self, name: str, default: Any = None) -> Any:
        """Return a command, or the default where there is none of that name."""
        return self[name] if name in COMMANDS else default


class LazyGroup(Group):
    """The top of the tree: only the module of the command that runs is imported."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names in the order of the table."""
        return list(self.commands)


app = App(name="zimage", cls=LazyGroup, no_args_is_help=True)


def _version(value: bool) -> None:
    if value:
        from zimage_cli import __version__

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
    status = _run(args)
    try:
        sys.stdout.flush()
    except OSError:
        # The reader is gone: without this, the interpreter would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or SIGPIPE_STATUS
    return status


def _run(args: list[str]) -> int:
    from zimage_cli.api.errors import ZimageError

    output = Output()
    try:
        # Typer's own way to run a command turns every signal into a silent 130.
        command = typer.main.get_command(app)
        with command.make_context("zimage", list(args)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except ZimageError as error:
        return _fail(output, args, error)
    except typer.TyperException as error:
        return _fail_usage(output, args, error)
    except (KeyboardInterrupt, typer.Abort) as stop:
        return _interrupted(output, args, stop)
    except Exception as error:  # noqa: BLE001 - an unknown exception is a bug, and said to be one
        return _fail_unknown(output, args, error)
    return 0


def _fail(output: Output, args: list[str], error: ZimageError) -> int:
    """Show an error, on stdout too where `--json` promises a document there."""
    from zimage_cli.cli import errors
    from zimage_cli.core.advice import error_documents, exit_status

    errors.print_error(output, error)
    _print_document(output, args, *error_documents(error))
    return exit_status(error)


def _fail_unknown(output: Output, args: list[str], error: Exception) -> int:
    from zimage_cli.cli import errors

    shortage = errors.shortage(error)
    if shortage is not None:
        return _fail(output, args, shortage)
    errors.print_bug(output, error)
    _print_document(output, args, errors.bug_document(error))
    return errors.BUG_STATUS


def _fail_usage(output: Output, args: list[str], error: typer.TyperException) -> int:
    from zimage_cli.cli import errors
    from zimage_cli.core.advice import USAGE_STATUS

    if type(error).__name__ == "NoArgsIsHelpError":  # typer's own class for it is private
        output.say(error.message)
        return USAGE_STATUS
    return _fail(output, args, errors.from_typer(error))


def _interrupted(output: Output, args: list[str], stop: BaseException) -> int:
    import signal

    from zimage_cli.cli.errors import Interrupted

    # Who presses Ctrl-C twice wants the end, not a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = stop if isinstance(stop, Interrupted) else Interrupted(signal.SIGINT)
    output.say(end.words)
    if end.note:
        output.tell(f"  {end.note}")
    if end.document is not None:
        output.json(end.document)
    else:
        _print_document(output, args, end.error_document())
    return 128 + end.number


def _print_document(output: Output, args: list[str], *problems: dict[str, Any]) -> None:
    if "--json" in args and args[0] not in _STREAMS:
        output.json({"schema": 1, "status": "error", "images": [], "errors": [*problems]})
