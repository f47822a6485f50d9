"""What a host is told starts a server that answers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(("host", "version"), [("claude", "2025-11-25"), ("codex", "2026-07-28")])
def test_what_a_host_is_told_starts_the_server(
    service: Any, talk: Any, work: Path, host: str, version: str
) -> None:
    args = ("--sandbox", "--output-dir", "art", "--print-config", host)
    told = service.zimage("mcp", *args).stdout
    servers = json.loads(told)["mcpServers"] if host == "claude" else tomllib.loads(told)
    entry = servers["zimage"] if host == "claude" else servers["mcp_servers"]["zimage"]

    async def paint(client: Any) -> Any:
        return await client.call_tool("generate_image", {"prompt": "a fox", "size": "512*512"})

    env = {"DASHSCOPE_BASE_URL": None, "DASHSCOPE_API_KEY": None}
    command = [entry["command"], *entry["args"]]
    made = talk(service, paint, command=command, version=version, env=env)
    (picture,) = made.structured_content["pictures"]
    assert Path(picture["path"]).is_relative_to(work / "art")
    assert Path(picture["path"]).read_bytes()[:4] == b"\x89PNG"
