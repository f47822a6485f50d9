"""The way in: `zimage` and `python -m zimage_cli`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line and exit with its status.

    `--version` is answered here: it needs nothing that takes longer to load than Python itself.
    """
    if sys.argv[1:] == ["--version"]:
        from zimage_cli import __version__

        sys.stdout.write(f"zimage {__version__}\n")
        return
    from zimage_cli.cli.main import main

    sys.exit(main(sys.argv[1:]))  # noqa: TID251 - the one exit


if __name__ == "__main__":
    run()
