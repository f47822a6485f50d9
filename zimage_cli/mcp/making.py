"""Tools that make pictures and check requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.core.request.prices import Price, format_price, list_price
from zimage_cli.core.run.money import count_of, money
from zimage_cli.errors import Billed, UsageError, ZimageError
from zimage_cli.mcp import answers, arguments
from zimage_cli.mcp.consent import is_asked, permitted
from zimage_cli.mcp.results import result
from zimage_cli.mcp.tools import Call, tool
from zimage_cli.mcp.watching import Painting

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import CallToolResult, InputRequiredResult

    from zimage_cli.core.run.plan import Plan, RequestPlan
    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.money import Hold


def tools(desk: Desk) -> Sequence[Tool]:
    """Return these tools."""
    from mcp_types import ToolAnnotations

    schema = arguments.input_schema(desk.client.settings)
    return (
        tool(
            partial(_generate, desk),
            name="generate_image",
            title="Make pictures",
            description=_described(desk),
            input_schema=schema,
            output_schema=answers.MADE_SCHEMA,
            annotations=ToolAnnotations(
                read_only_hint=False,
                destructive_hint=False,
                idempotent_hint=False,
                open_world_hint=True,
            ),
            more=lambda: desk.purse.document,
        ),
        tool(
            partial(_check, desk),
            name="check_request",
            title="Check a request",
            description=(
                "Tell what is wrong with the arguments of generate_image (all of it), what they "
                "would cost, and whether the person would be asked. Sends nothing, costs nothing."
            ),
            input_schema=schema,
            output_schema=answers.CHECKED_SCHEMA,
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
            more=lambda: desk.purse.document,
        ),
    )


def _described(desk: Desk) -> str:
    region = desk.client.settings.target.region_name
    plain, rewritten = (list_price(region, extend) for extend in (False, True))
    if desk.client.settings.target.is_sandbox:
        cost = "This is the SANDBOX: pictures are labelled stand-ins and cost nothing."
    elif plain is None:
        cost = "No list price is known at this host, so nothing is made."
    else:
        bound, above = desk.purse.bound, Price(desk.bounds.confirm_above, plain.currency)
        cost = (
            f"A picture costs {format_price(plain)} in {region}, with prompt_extend "
            f"{format_price(rewritten)}. This server spends {money(bound)} at most; before a call "
            f"over {money(above)} the person is asked."
        )
    return (
        "Make 1 to 4 pictures of a prompt and save them as files. Answers with their paths, seeds "
        f"and cost; view_picture shows one. {cost} Never repeat a call whose answer says billed "
        "maybe or yes. Takes about 10 s a picture."
    )


async def _generate(desk: Desk, call: Call) -> CallToolResult | InputRequiredResult:
    plan = arguments.plan(desk.client, call.given)
    check_folder(desk, plan)
    ask = await permitted(desk, call, plan.estimate, _named(plan), plan.requests[0].prompt)
    if ask is not None:
        return ask
    painting = Painting(len(plan.requests))
    call.doing = painting.words
    hold = desk.purse.hold(plan.estimate)
    call.billed = Billed.MAYBE
    fatal = await _run(desk, hold, plan, painting)
    return answers.made(desk, plan, painting, fatal)


async def _run(desk: Desk, hold: Hold, plan: RequestPlan, painting: Painting) -> ZimageError | None:
    """Make the pictures of a plan; return what ended that before its time, if anything did.

    A call that is cancelled sends nothing more. What is in flight is paid: it goes on in threads of
    its own, is saved, and settles what was set aside.
    """
    import asyncio
    from contextlib import suppress

    import anyio

    ended, loop = anyio.Event(), asyncio.get_running_loop()

    def on_end() -> None:
        # At the server's end nobody waits, and there is no loop any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    try:
        # Beginning opens files and connections.
        await anyio.to_thread.run_sync(hold.start, desk.client, plan, painting, on_end)
        await ended.wait()
    except anyio.get_cancelled_exc_class():
        hold.stop()
        raise
    return hold.outcome()


def check_folder(desk: Desk, plan: Plan) -> None:
    """Refuse a folder that a link leads out of the output folder. Raises UsageError."""
    from zimage_cli.core.making.evidence import FOLDER

    settings = plan.settings
    folders = [Path(plan.place.wanted("x")).parent]
    if settings.evidence.value:
        folders.append(settings.output_dir.value / FOLDER)
    for folder in folders:
        if not folder.resolve().is_relative_to(desk.folder):
            raise UsageError(
                "{path} leads out of the output folder {folder} by a link. Nothing was sent.",
                path=folder,
                folder=desk.folder,
            )


def _named(plan: RequestPlan) -> str:
    request = plan.requests[0]
    extended = " with a rewritten prompt" if request.prompt_extend else ""
    return f"{count_of(len(plan.requests))} of {request.size}{extended}"


async def _check(desk: Desk, call: Call) -> CallToolResult:
    try:
        plan = arguments.plan(desk.client, call.given)
    except UsageError as error:
        return result(answers.invalid(error, desk.purse))
    estimate = plan.estimate
    over: ZimageError | None = None
    try:
        check_folder(desk, plan)
        desk.purse.check(estimate)
    except ZimageError as error:
        over = error
    asks = over is None and is_asked(estimate, desk.bounds.confirm_above)
    return result(answers.valid(plan, desk.purse, over=over, asks=asks))
