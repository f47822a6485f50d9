"""Tools that make many pictures: they return at once, and the batch is one of the command line.

A batch has a folder of its own in the output folder. Its prompts stand there in a file, with all
that other settings could make another picture of: `zimage batch` with that file goes on where the
server has ended, and pays nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.core.batch.source import open_source
from zimage_cli.core.drafts import write_whole
from zimage_cli.core.files import make_folder, reason, sync_folder
from zimage_cli.core.making.save import FOLDER, within
from zimage_cli.core.request.names import numbered, slug
from zimage_cli.core.request.prices import cost
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.errors import Billed, UsageError
from zimage_cli.mcp import consent
from zimage_cli.mcp.batch_state import (
    COST_SCHEMA,
    PROMPTS,
    STATUS_SCHEMA,
    WHOLE,
    Begun,
    Reach,
    standing,
)
from zimage_cli.mcp.given import refuse_unknown
from zimage_cli.mcp.making import check_folder
from zimage_cli.mcp.prompts import MOST, Checked, checked, planned, request_schema
from zimage_cli.mcp.results import result
from zimage_cli.mcp.tools import tool
from zimage_cli.text import clip

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import CallToolResult

    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.tools import Answer, Call

BATCHES = FOLDER.with_name("batches")
"""In the output folder, beside the pictures of single calls."""
_SLUG = 24
_WARNINGS = 3
_SANDBOX = "SANDBOX: the pictures are labelled stand-ins and cost nothing."


class Batches:
    """The batches of a server: those it has begun, and those that others left in its folder."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._top = desk.folder / BATCHES
        self._begun: dict[str, Begun] = {}

    async def start(self, call: Call) -> Answer:
        """Begin a batch, and return before its first picture is there."""
        import anyio.to_thread

        refuse_unknown(call.given, "prompts")
        call.doing = lambda: "checking the prompts"
        found = await anyio.to_thread.run_sync(
            partial(checked, self._desk.client, self._top, call.given.get("prompts"))
        )
        if not found.estimate.free:
            self._desk.client.settings.require_key()
        question = await consent.permitted(self._desk, call, found.estimate, found.what)
        if question is not None:
            return question
        if not found.estimate.free:
            call.billed = Billed.MAYBE
        return await anyio.to_thread.run_sync(partial(self._start, found))

    async def status(self, call: Call) -> CallToolResult:
        """Tell how far a batch has come."""
        import anyio.to_thread

        refuse_unknown(call.given, "id")
        call.doing = lambda: "looking"
        name = call.given.get("id")
        return await anyio.to_thread.run_sync(
            partial(standing, self._desk, self._top, self._begun, name)
        )

    # -- inside --------------------------------------------------------------------------------

    def _start(self, found: Checked) -> CallToolResult:
        name = self._begin(found)
        target = self._desk.client.settings.target
        notes = [_SANDBOX] if target.is_sandbox else []
        warnings = [clip(one, 200) for one in found.warnings[:_WARNINGS]]
        return result(
            {
                "id": name,
                "status": "running",
                "pictures": found.estimate.pictures,
                "cost": cost(found.estimate.cost),
                "seconds": round(found.seconds),
                "region": target.region_name,
                "folder": str(self._top / name),
                **({"notes": notes} if notes else {}),
                **({"warnings": warnings} if warnings else {}),
                **self._desk.purse.document,
            }
        )

    def _begin(self, found: Checked) -> str:
        """Write the file and begin the run; return the batch's name."""
        client = self._desk.client
        hold = self._desk.purse.hold(found.estimate)
        with ExitStack() as undo:
            undo.callback(hold.settle, hold.amount * 0)
            folder = self._new_folder(found)
            undo.callback(_remove, folder)
            file = folder / PROMPTS
            try:
                write_whole(file, found.file, mode=0o600)
            except OSError as error:
                raise _unwritable(folder, error) from None
            source = undo.enter_context(open_source(str(file), None))
            most = None if found.estimate.free else hold.amount
            plan = planned(client, source, folder, RunOptions(max_cost=most))
            undo.callback(plan.close)
            check_folder(self._desk, plan)

            reach = Reach()

            def ended() -> None:
                plan.close()
                source.close()

            run = hold.start(client, plan, reach, ended)
            undo.pop_all()
        self._begun[folder.name] = Begun(plan, run, reach)
        return folder.name

    def _new_folder(self, found: Checked) -> Path:
        now = datetime.now(UTC).astimezone()
        first = self._top / f"{now:%Y%m%d-%H%M%S}-{slug(found.first, _SLUG)}"
        # Where a link leads out of the output folder, nothing is written.
        within(self._desk.folder, str(BATCHES / first.name / PROMPTS))
        try:
            make_folder(self._top)
            for number in range(1, MOST):
                with suppress(FileExistsError):
                    folder = numbered(first, number)
                    folder.mkdir()
                    sync_folder(self._top)
                    return folder
            raise FileExistsError(first)
        except OSError as error:
            raise _unwritable(self._top, error) from None


def _remove(folder: Path) -> None:
    """Remove the folder of a batch that did not begin."""
    with suppress(OSError):
        (folder / PROMPTS).unlink(missing_ok=True)
        folder.rmdir()


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        "The folder {path} cannot be written to: {why}. Nothing was sent.",
        path=folder,
        why=reason(error),
    )


# -- the tools ------------------------------------------------------------------------------------

_STARTED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "For batch_status."},
        "status": {"type": "string"},
        "pictures": WHOLE,
        "cost": {**COST_SCHEMA, "description": "What all of them cost at list price."},
        "seconds": {"type": "integer", "description": "How long it takes, about."},
        "region": {"type": "string"},
        "folder": {"type": "string"},
        "spent": COST_SCHEMA,
        "left": COST_SCHEMA,
    },
}
"""The tools' answers to errors have other fields, and some clients check those too."""


def tools(desk: Desk) -> Sequence[Tool]:
    """Return these tools."""
    from mcp_types import ToolAnnotations

    batches, request = Batches(desk), request_schema(desk.client.settings)
    return (
        tool(
            batches.start,
            name="start_batch",
            title="Make many pictures",
            description="Make a picture of each of many prompts, two a second, and return at once; "
            "batch_status tells how far they are. All prompts are checked first, and the whole "
            f"price is set aside. At most {MOST:,} pictures, saved in a folder of the batch below "
            "the output folder. Do not start the same batch twice: it would be paid twice.",
            input_schema={
                "type": "object",
                "properties": {
                    "prompts": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MOST,
                        "description": "Texts, or requests with a prompt and other fields.",
                        "items": {"anyOf": [{"type": "string"}, request]},
                    }
                },
                "required": ["prompts"],
                "additionalProperties": False,
            },
            output_schema=_STARTED_SCHEMA,
            annotations=ToolAnnotations(
                read_only_hint=False,
                destructive_hint=False,
                idempotent_hint=False,
                open_world_hint=True,
            ),
            more=lambda: desk.purse.document,
        ),
        tool(
            batches.status,
            name="batch_status",
            title="How far a batch is",
            description="Tell how far a batch has come, what failed and what it has cost, also of "
            "one that an earlier server began. Free of charge. `go_on` is a command for the "
            "person: it is not bounded as this server is, so ask before you run it.",
            input_schema={
                "type": "object",
                "properties": {
                    "id": {"type": "string", "description": "The id that start_batch gave."}
                },
                "required": ["id"],
                "additionalProperties": False,
            },
            output_schema=STATUS_SCHEMA,
            annotations=ToolAnnotations(
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        ),
    )
