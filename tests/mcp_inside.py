"""A server of ours and the SDK's client in one process: for what needs no process of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from apart import apart

from zimage_cli.client import Client
from zimage_cli.mcp.bounds import Bounds
from zimage_cli.mcp.desk import Desk
from zimage_cli.mcp.server import build

T = TypeVar("T")

MINUTE = 60
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}


class Inside:
    """Talk to a server: `inside(conversation, max_cost="0.30")`; `desk` is that server's."""

    desk: Desk

    def __init__(self, service: Any) -> None:
        self.service = service

    def __call__(
        self,
        conversation: Callable[[Any], Awaitable[T]],
        *,
        max_cost: str = "1.00",
        confirm_above: str = "0.10",
        version: str = "2026-07-28",
        person: Any = None,
        **options: Any,
    ) -> T:
        import anyio
        from mcp import Client as Host

        async def meet() -> T:
            with anyio.fail_after(MINUTE):
                async with Host(
                    build(self.desk), mode=MODES[version], elicitation_callback=person
                ) as host:
                    assert host.protocol_version == version
                    return await conversation(host)

        bounds = Bounds(Decimal(max_cost), Decimal(confirm_above))
        with Client(**options) as client:
            self.desk = Desk(client, bounds)
            return apart(lambda: anyio.run(meet))


@pytest.fixture
def inside(priced: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Inside]:
    """Start a region with prices and a server of ours for it: `inside(latency=3)`."""

    def start(**config: Any) -> Inside:
        service = priced(**config)
        for name, value in service.env.items():
            monkeypatch.setenv(name, value)
        return Inside(service)

    return start


async def make(host: Any, count: int = 1, **more: Any) -> Any:
    """Have small pictures made."""
    arguments = {"prompt": "a red kite", "size": "512*512", "count": count}
    return await host.call_tool("generate_image", {**arguments, **more})
