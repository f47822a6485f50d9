"""A client that gives up after ten seconds without news waits for a picture of 25."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

VERSIONS = ("2025-11-25", "2026-07-28")


async def impatient(client: Any) -> tuple[Any, list[float]]:
    """Ask for a picture; give up after ten seconds without news.

    They are counted in tenths while this client has the processor: on a machine that gives it to
    nobody, nobody is late.
    """
    import anyio

    news: list[float] = []
    quiet = 0

    async def hear(progress: float, _total: float | None, _message: str | None) -> None:
        nonlocal quiet
        quiet = 0
        news.append(progress)

    async def watch(scope: Any) -> None:
        nonlocal quiet
        while quiet < 100:
            await anyio.sleep(0.1)
            quiet += 1
        scope.cancel()

    result = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, tasks.cancel_scope)
        given = {"prompt": "a fox", "size": "512*512"}
        result = await client.call_tool("generate_image", given, progress_callback=hear)
        tasks.cancel_scope.cancel()
    return result, news


def test_progress_keeps_a_client_waiting(priced: Any, talk: Any) -> None:
    service = priced(latency=25)
    with ThreadPoolExecutor() as both:
        told = [both.submit(talk, service, impatient, version=version) for version in VERSIONS]
    for result, news in (one.result() for one in told):
        assert result is not None, f"it gave up after {news}"
        assert result.structured_content["status"] == "ok"
        assert len(news) >= 3
        assert all(earlier < later for earlier, later in pairwise(news))
    assert [row["status"] for row in service.history()] == ["saved"] * 2
