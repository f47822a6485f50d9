"""How programs that start MCP servers are told of one: their configuration files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from zimage_cli.messages import Message

NAME = "zimage"

_PATIENCE = 300
"""Seconds that a call may take where a host does not look at its progress."""


class Host(NamedTuple):
    """A program that starts servers: where it is told of them, and how it is written there."""

    file: str
    written: Callable[[Sequence[str]], str]


def _json(key: str, **more: str) -> Callable[[Sequence[str]], str]:
    def write(command: Sequence[str]) -> str:
        server = {**more, "command": command[0], "args": [*command[1:]]}
        return json.dumps({key: {NAME: server}}, indent=2, ensure_ascii=False)

    return write


def _toml(command: Sequence[str]) -> str:
    import tomlkit

    server = {
        "command": command[0],
        "args": [*command[1:]],
        "tool_timeout_sec": _PATIENCE,
    }
    return tomlkit.dumps({"mcp_servers": {NAME: server}}).rstrip("\n")


HOSTS: Mapping[str, Host] = {
    "claude": Host(
        Message("claude_desktop_config.json, or .mcp.json in a project"), _json("mcpServers")
    ),
    "codex": Host("~/.codex/config.toml", _toml),
    "cursor": Host("~/.cursor/mcp.json", _json("mcpServers")),
    "vscode": Host(".vscode/mcp.json", _json("servers", type="stdio")),
}
