"""The way in: `zimage` and `python -m zimage_cli`."""

# No `from __future__ import …` here: it loads a module from disk, and Ctrl-C meanwhile would show a
# traceback. `_signal` is what `signal` wraps: importing that takes as long as a third of a start.
import _signal  # type: ignore[import-not-found]

# Before anything else: until something can be sent, Ctrl-C simply ends the process. Python's own
# handler would raise at any instant, in the middle of an import too.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import os
import sys


def run() -> None:
    """Run the command line and exit with its status.

    `--version` is answered here: it needs nothing that takes longer to load than Python itself.
    """
    if sys.argv[1:] == ["--version"] and _print_version():
        # Nothing is buffered, and the interpreter's own end takes longer than all of this.
        os._exit(0)  # noqa: TID251
    from zimage_cli.cli import process

    process.collect_rarely()
    if sys.argv[1:2] != ["mcp"]:
        # A server needs asyncio's world, which all other commands do without.
        process.spare_imports()
    from zimage_cli.cli.main import main, work_hangs

    status = main(sys.argv[1:])
    # The command has ended: nothing is left that Ctrl-C could stop.
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    if work_hangs():
        # Such a thread must neither keep the process alive nor run while the interpreter ends.
        os._exit(status)  # noqa: TID251
    sys.exit(status)  # noqa: TID251 - the one exit


def _print_version() -> bool:
    from zimage_cli.version import __version__

    try:
        # Not through the stream: it would try a failed write again at every flush.
        os.write(sys.stdout.fileno(), f"zimage {__version__}\n".encode())
    except (AttributeError, OSError):
        # Closed, full or without a reader: the long way knows what to say.
        return False
    return True


if __name__ == "__main__":
    run()
