"""What `zimage mcp` costs: its start, and a call, in one run with what it is compared with.

    python benchmarks/agents.py [--runs N]

The start is timed against a process that only imports the SDK, in turn; a call against the same
call of a Client in this process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from startup import BARE, ZIMAGE, environment, ratios, seconds

from zimage_cli import Client

SDK = [sys.executable, "-c", "import mcp.server"]
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
FOX = {"prompt": "a fox", "size": "512*512", "seed": 7}


class Server:
    """A server in the sandbox; `ask` sends a request and returns what it answers."""

    def __init__(self, env: dict[str, str], home: str) -> None:
        self._process = subprocess.Popen(
            [*ZIMAGE, "mcp", "--sandbox"],
            env=env,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.ask("initialize", HELLO)

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        pipes.stdin.write(json.dumps(message).encode() + b"\n")
        pipes.stdin.flush()
        return dict(json.loads(pipes.stdout.readline())["result"])

    def call(self, tool: str) -> float:
        """Return how long a call takes."""
        began = time.perf_counter()
        assert not self.ask("tools/call", {"name": tool, "arguments": FOX})["isError"]
        return time.perf_counter() - began

    def close(self) -> None:
        self._process.communicate()


def start(env: dict[str, str], home: str) -> float:
    """Return how long it takes until a server has answered `initialize`."""
    began = time.perf_counter()
    server = Server(env, home)
    took = time.perf_counter() - began
    server.close()
    return took


def line(name: str, ones: Callable[[], float], others: Callable[[], float], runs: int) -> None:
    ours, theirs, ratio = ratios(ones, others, runs)
    print(f"  {name:40} {ours * 1000:6.0f} ms {theirs * 1000:6.0f} ms {ratio:6.2f} ×")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        env = environment(home)
        config = Path(home) / ".config" / "zimage" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text("rps = 0\n")
        print(f"start to the answer of initialize; median of {runs} ratios")
        line("against a bare interpreter", lambda: start(env, home), _timed(BARE, env, home), runs)
        line("against importing the SDK", lambda: start(env, home), _timed(SDK, env, home), runs)
        server = Server(env, home)
        with Client(sandbox=True, output_dir=home, rps=0) as client:

            def generate() -> float:
                began = time.perf_counter()
                client.generate(str(FOX["prompt"]), size=str(FOX["size"]), seed=7)
                return time.perf_counter() - began

            print("a picture, against the same of a Client")
            line("generate_image", lambda: server.call("generate_image"), generate, 3 * runs)
        asked = median(server.call("check_request") for _ in range(10 * runs))
        print(f"  check_request: {asked * 1000:.1f} ms")
        server.close()


def _timed(command: list[str], env: dict[str, str], home: str) -> Callable[[], float]:
    return lambda: seconds(command, env, home)


if __name__ == "__main__":
    main()
