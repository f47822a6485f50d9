"""What every tool does alike: raw arguments in, one answer out, and progress meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from zimage_cli.errors import Billed, ZimageError
from zimage_cli.mcp import errors

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations

    Answer: TypeAlias = CallToolResult | InputRequiredResult


@dataclass(slots=True, eq=False)
class Call:
    """A call of a tool. `given` are the arguments as they came, whatever they are.

    `doing` says in a few words what happens now: it is sent once a second to who waits. `billed`
    is whether a bug that comes to light now may have cost something.
    """

    given: dict[str, Any]
    context: Context[Any, Any]
    doing: Callable[[], str] = lambda: "working"
    billed: Billed = Billed.NO


def tool(
    run: Callable[[Call], Awaitable[Answer]],
    *,
    name: str,
    title: str,
    description: str,
    input_schema: Mapping[str, Any],
    output_schema: Mapping[str, Any] | None,
    annotations: ToolAnnotations,
    more: Callable[[], Mapping[str, Any]] = dict,
) -> Tool:
    """Return a tool that gets its arguments unchecked and checks them itself, in our words.

    The SDK's own way, a function with annotated parameters, drops unknown arguments, reads "12" as
    12 and text that looks like JSON as JSON. `more` is added to the answer where it is an error.
    """
    from mcp.server.mcpserver.tools import Tool
    from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
    from pydantic import ConfigDict

    class Anything(ArgModelBase):
        """Lets every argument through, all of them as one."""

        model_config = ConfigDict(extra="allow")

        def model_dump_one_level(self) -> dict[str, Any]:
            return {"given": dict(self.model_extra or {})}

    class Unchanged(FuncMetadata):
        """Has an answer go out as it is: mcp 2.0 would ask for a model of it."""

        def convert_result(self, result: Any) -> Any:
            return result

    async def answer(given: dict[str, Any], context: Context[Any, Any]) -> Answer:
        return await _answered(run, Call(given, context), more)

    return Tool(
        fn=answer,
        name=name,
        title=title,
        description=description,
        parameters=dict(input_schema),
        fn_metadata=Unchanged(
            arg_model=Anything, output_schema=None if output_schema is None else dict(output_schema)
        ),
        is_async=True,
        context_kwarg="context",
        annotations=annotations,
    )


async def _answered(
    run: Callable[[Call], Awaitable[Answer]],
    call: Call,
    more: Callable[[], Mapping[str, Any]],
) -> Answer:
    """Return a tool's answer, an error's too; tell meanwhile, once a second, how it goes."""
    import anyio

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_tell, call)
        try:
            made = await run(call)
        except ZimageError as error:
            made = errors.failed(error, more())
        except Exception as error:  # noqa: BLE001 - a bug of ours: its words may hold a key
            made = errors.bug(error, call.billed, more())
        tasks.cancel_scope.cancel()
    return made


async def _tell(call: Call) -> None:
    """Send progress from the first second on: it rises by one, and never stands still."""
    import anyio

    seconds = 0
    while True:
        await anyio.sleep(1)
        seconds += 1
        try:
            await call.context.report_progress(seconds, message=f"{call.doing()}, {seconds} s")
        except Exception:  # noqa: BLE001 - who asked is gone; what is paid for goes on
            return
