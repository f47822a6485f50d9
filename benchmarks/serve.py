"""A sandbox in a process of its own, so that it does not share a core's lock with what is timed.

python benchmarks/serve.py LATENCY RPS BYTES: prints the API root and serves until stdin ends.
"""

from __future__ import annotations

import sys

from noise import noise

from zimage_cli.sandbox.server import Sandbox


def main() -> None:
    """Serve."""
    latency, rps, size = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    picture = noise(1024, 1024, size) if size >= 100_000 else noise(512, 512, size)
    with Sandbox(latency=latency, rps=rps or None, picture_bytes=picture) as server:
        print(server.api_root, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
