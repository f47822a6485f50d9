"""The way in: `zimage` and `python -m zimage_cli`."""

from __future__ import annotations

import gc
import os
import sys


def run() -> None:
    """Run the command line and exit with its status.

    `--version` is answered here: it needs nothing that takes longer to load than Python itself.
    """
    if sys.argv[1:] == ["--version"] and _print_version():
        return
    # What a start loads stays until the end: looking through it for garbage, again and again, makes
    # the start a tenth slower.
    gc.set_threshold(50_000, 20, 50)
    try:
        from zimage_cli.cli.main import main

        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)  # noqa: TID251 - the one exit


def _print_version() -> bool:
    from zimage_cli import __version__

    try:
        # Not through the stream: what it could not write would haunt its every flush.
        os.write(sys.stdout.fileno(), f"zimage {__version__}\n".encode())
    except (AttributeError, OSError):
        # Closed, full or without a reader: the long way knows what to say.
        return False
    return True


if __name__ == "__main__":
    run()
