"""The server as a program sees it: what it says of itself and of its tools."""

from __future__ import annotations

from typing import Any

import pytest

from zimage_cli.version import __version__

VERSIONS = ("2025-11-25", "2026-07-28")


@pytest.mark.parametrize("version", VERSIONS)
def test_it_says_who_it_is(service: Any, talk: Any, version: str) -> None:
    async def meet(client: Any) -> Any:
        await client.list_tools()
        return client.server_info

    info = talk(service, meet, version=version)
    assert (info.name, info.version) == ("zimage", __version__)
    assert talk.stderr == ""


def test_lines_on_its_pipes(service: Any, wire: Any) -> None:
    server = wire(service)
    assert server.shake_hands()["serverInfo"]["name"] == "zimage"
    assert "tools" in server.request("tools/list")["result"]
    assert server.end() == 0
    assert all(line.startswith(b'{"jsonrpc":"2.0"') for line in server.lines)


def test_a_region_with_prices(priced: Any, talk: Any) -> None:
    async def meet(client: Any) -> Any:
        return await client.list_tools()

    talk(priced(), meet)
