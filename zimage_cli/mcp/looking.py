"""Tools that look at what was made: one picture, what it says of itself, and the history."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from zimage_cli.errors import UsageError
from zimage_cli.mcp import inspecting
from zimage_cli.mcp.folder import REFS, Folder, ref_of
from zimage_cli.mcp.given import integer, refuse_unknown, schema, whole, wrong
from zimage_cli.mcp.results import fitting
from zimage_cli.mcp.tools import tool
from zimage_cli.text import clip, redact, shown

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import CallToolResult

    from zimage_cli.core.history.entry import Entry
    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.tools import Call

_SIDES = (64, 512, 1568)
"""Pixels of the longer side that is shown: least, usual, most. Models see no more than that."""
_MOST_IMAGE = 700_000
"""Bytes: hosts refuse answers of over 1 MB, and base64 adds a third."""
_QUALITIES = (85, 70, 50)

_LIMITS = (1, 10, 50)
_LONGEST_QUERY = 1000

_REF_SCHEMA = {"type": "string", "minLength": 1, "description": f"The picture: {REFS}."}


def tools(desk: Desk) -> Sequence[Tool]:
    """Return these tools."""
    from mcp_types import ToolAnnotations

    folder = Folder.of(desk)
    reads = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    return (
        tool(
            _in_thread(view_picture, folder),
            name="view_picture",
            title="Look at a picture",
            description="Show one picture of the output folder, made smaller. Free of charge. "
            "No other file of this machine can be read.",
            input_schema=schema(
                {
                    "ref": _REF_SCHEMA,
                    "max_side": whole("Pixels of its longer side.", _SIDES),
                },
                "ref",
            ),
            output_schema=None,
            annotations=reads,
        ),
        tool(
            _in_thread(search_history, folder),
            name="search_history",
            title="Search what was made",
            description="Find pictures of the output folder by the words of their prompts, newest "
            "first, those that failed or were lost too. Free of charge. All words must occur; "
            '"several words" in quotes stand together, -word must not occur. An empty query lists '
            "the newest. view_picture takes the ids. Prompts are cut here: inspect_picture has "
            "them.",
            input_schema=schema(
                {
                    "query": {
                        "type": "string",
                        "maxLength": _LONGEST_QUERY,
                        "default": "",
                        "description": 'Words, such as fox "in the snow" -red, or 狐狸.',
                    },
                    "limit": whole("How many pictures at most.", _LIMITS),
                }
            ),
            output_schema=_FOUND_SCHEMA,
            annotations=reads,
        ),
        tool(
            _in_thread(inspecting.inspect_picture, folder),
            name="inspect_picture",
            title="Read how a picture was made",
            description="Tell what a picture of the output folder says of its own making: prompt, "
            "size, seed, AI labels, texts of other programs. Free of charge. "
            f"{inspecting.UNTRUSTED}",
            input_schema=schema({"ref": _REF_SCHEMA}, "ref"),
            output_schema=inspecting.OUTPUT_SCHEMA,
            annotations=reads,
        ),
    )


def _in_thread(
    look: Callable[[Folder, Mapping[str, Any]], CallToolResult], folder: Folder
) -> Callable[[Call], Awaitable[CallToolResult]]:
    """Return what looks without keeping other calls waiting."""

    async def run(call: Call) -> CallToolResult:
        import anyio.to_thread

        call.doing = lambda: "looking"
        return await anyio.to_thread.run_sync(partial(look, folder, call.given))

    return run


# -- view_picture ---------------------------------------------------------------------------------


def view_picture(folder: Folder, given: Mapping[str, Any]) -> CallToolResult:
    """Return a picture as an image and nothing else: beside data, hosts drop it."""
    import base64

    from mcp_types import CallToolResult, ImageContent

    refuse_unknown(given, "ref", "max_side")
    side, ref = integer(given, "max_side", _SIDES), ref_of(given)
    data = drawn(folder, ref, side)
    image = ImageContent(data=base64.b64encode(data).decode(), mime_type="image/jpeg")
    return CallToolResult(content=[image])


def drawn(folder: Folder, ref: str, side: int) -> bytes:
    """Return a picture as a JPEG of at most 700 kB: its pixels alone. Raises UsageError."""
    from zimage_cli.core.gallery.thumbnails import NotDrawn, load, small

    load()
    with folder.open(ref) as found:
        try:
            image, profile = small(found.file, side)
        except NotDrawn as error:
            raise UsageError(
                "{value} cannot be shown: {why}",
                field="ref",
                value=shown(ref),
                why=error.why,
            ) from None
    while True:
        for quality in _QUALITIES:
            data = _jpeg(image, quality, profile)
            if len(data) <= _MOST_IMAGE:
                return data
        # What is all noise.
        image.thumbnail((image.width // 2, image.height // 2))


def _jpeg(image: Any, quality: int, profile: bytes) -> bytes:
    import io

    from PIL import Image

    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    # Pillow takes over what stands here: a comment of whoever made the picture.
    image.info = {}
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, icc_profile=profile)
    return file.getvalue()


# -- search_history -------------------------------------------------------------------------------

_FOUND_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "folder": {"type": "string", "description": "The paths below begin in it."},
        "pictures": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "prompt": {"type": "string"},
                    "size": {"type": "string"},
                    "seed": {"type": ["integer", "null"]},
                    "made": {"type": "string", "description": "UTC."},
                    "status": {"type": "string"},
                    "cost": {"type": "string"},
                    "path": {"type": ["string", "null"]},
                },
                "required": ["id", "prompt", "size", "seed", "made", "status", "cost", "path"],
            },
        },
        "more": {"type": "integer", "description": "How many others match."},
    },
}


def search_history(folder: Folder, given: Mapping[str, Any]) -> CallToolResult:
    """Return pictures of the folder whose prompts have the words."""
    from zimage_cli.core.history.query import Query, words_of

    refuse_unknown(given, "query", "limit")
    limit, query = integer(given, "limit", _LIMITS), given.get("query") or ""
    if not isinstance(query, str) or len(query) > _LONGEST_QUERY:
        raise wrong("query", query, f"text of at most {_LONGEST_QUERY} characters")
    words, without = words_of(re.findall(r'-?"[^"]*"|\S+', query))
    with folder.history() as history:
        numbers, rows = [], list[dict[str, Any]]()
        if history is not None:
            numbers = [*folder.found(history, Query(words=words, without=without))]
            rows = [_row(folder, entry) for entry in history.entries(numbers[:limit])]
    return fitting(_found(folder, rows, len(numbers)))


def _found(folder: Folder, rows: list[dict[str, Any]], matching: int) -> Iterator[dict[str, Any]]:
    for count in range(len(rows), -1, -1):
        for length in (200, 80, 40):
            yield {
                "folder": str(folder.path),
                "pictures": [
                    {**row, "prompt": clip(row["prompt"], length)} for row in rows[:count]
                ],
                "more": matching - count,
            }


def _row(folder: Folder, entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "prompt": " ".join(redact(entry.prompt[:1000]).split()),
        "size": entry.size,
        "seed": entry.seed,
        "made": entry.created_at[:19],
        "status": entry.status,
        "cost": _cost(entry),
        "path": folder.short(entry.path),
    }


def _cost(entry: Entry) -> str:
    """Return what a picture has cost at list price, with a question mark where nobody knows."""
    from zimage_cli.api.endpoint import SANDBOX
    from zimage_cli.core.request.prices import format_price
    from zimage_cli.core.status import Status

    if entry.region == SANDBOX:
        return "sandbox: free"
    if entry.status in {Status.FAILED, Status.REFUSED}:
        return "not billed"
    price = format_price(entry.price)
    return f"{price}?" if entry.status in {Status.LOST, Status.SENDING} else price
