"""What generate_image and check_request answer, and the schemas of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zimage_cli.core.advice import error_document
from zimage_cli.core.request.prices import Price, cost
from zimage_cli.errors import Billed, UsageError, ZimageError
from zimage_cli.mcp import errors
from zimage_cli.mcp.results import result

if TYPE_CHECKING:
    from mcp_types import CallToolResult

    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.money import Purse
    from zimage_cli.mcp.watching import Painting

_SANDBOX = "SANDBOX: the pictures are labelled stand-ins, and nothing was billed."
_GRAVITY = (Billed.YES, Billed.MAYBE, Billed.NO)


def made(
    desk: Desk, plan: RequestPlan, painting: Painting, fatal: ZimageError | None
) -> CallToolResult:
    """Return what became of a call's pictures. Raises the error that kept the first from being."""
    outcomes = sorted(painting.outcomes, key=lambda one: one.job.number)
    if not outcomes:
        raise fatal or UsageError("The server is ending. Nothing was sent.")
    pictures = [one.picture for one in outcomes if one.picture is not None]
    failed = [one for one in outcomes if one.error is not None]
    missing = len(plan.requests) - len(pictures)
    document: dict[str, Any] = {"status": "partial" if missing else "ok"}
    notes = [_SANDBOX] if plan.settings.target.is_sandbox else []
    if skipped := len(plan.requests) - len(outcomes):
        notes.append(f"{skipped} of {len(plan.requests)} were not asked for: {fatal}")
    if failed:
        worst = min(failed, key=lambda one: _GRAVITY.index(one.billed))
        assert worst.error is not None
        # The sandbox bills nothing, whatever an error says.
        document |= errors.said(worst.error.but(billed=worst.billed), partly=bool(pictures))
    document["pictures"] = [_picture(one) for one in pictures]
    if failed:
        document["errors"] = [_failure(one) for one in failed]
    if notes:
        document["notes"] = notes
    if warnings := (*plan.warnings, *painting.warnings):
        document["warnings"] = list(dict.fromkeys(warnings))
    document |= {
        "region": plan.settings.target.region_name,
        "cost": cost(_paid(outcomes)),
        **desk.purse.document,
    }
    if not pictures:
        document["status"] = "error"
    files = [one.path for one in pictures if one.path is not None]
    return result(document, files, is_error=not pictures)


def invalid(error: ZimageError, purse: Purse) -> dict[str, Any]:
    """Return what check_request says of arguments that cannot be sent."""
    return {
        "status": "invalid",
        **errors.said(error),
        "errors": errors.problems(error),
        **purse.document,
    }


def valid(
    plan: RequestPlan, purse: Purse, *, over: ZimageError | None, asks: bool
) -> dict[str, Any]:
    """Return what check_request says of arguments that can be."""
    request, estimate = plan.requests[0], plan.estimate
    document = {
        "status": "valid" if over is None else "refused",
        "pictures": estimate.pictures,
        "size": request.size,
        "prompt": request.prompt,
        "prompt_extend": request.prompt_extend,
        "region": plan.settings.target.region_name,
        "cost": cost(estimate.cost),
        "asks": asks,
        **purse.document,
    }
    if over is not None:
        document |= errors.said(over)
    if plan.warnings:
        document["warnings"] = list(plan.warnings)
    if estimate.free:
        document["notes"] = ["SANDBOX: pictures are labelled stand-ins and cost nothing."]
    return document


def _picture(picture: Picture) -> dict[str, Any]:
    document = {
        "path": str(picture.path.absolute()) if picture.path else None,
        "seed": picture.seed,
        "size": picture.size,
        "width": picture.width,
        "height": picture.height,
        "cost": cost(picture.cost),
        "history_id": picture.history_id,
        "request_id": picture.request_id,
        "rewritten_prompt": picture.rewritten_prompt,
    }
    return {name: value for name, value in document.items() if value is not None}


def _failure(outcome: Outcome) -> dict[str, Any]:
    assert outcome.error is not None
    return {
        "status": outcome.status.value,
        "seed": outcome.request.seed,
        "history_id": outcome.history_id,
        **errors.short(error_document(outcome.error)),
        "billed": outcome.billed.value,
    }


def _paid(outcomes: list[Outcome]) -> Price | None:
    """Return the list price of what was billed, or may have been; None where none is known."""
    prices = [one.price for one in outcomes if one.price is not None]
    if not prices:
        return None
    paid = [one.price for one in outcomes if one.price and one.billed is not Billed.NO]
    return Price(sum((one.amount for one in paid), prices[0].amount * 0), prices[0].currency)


_MONEY = {
    "type": "object",
    "properties": {
        "amount": {"type": ["string", "null"]},
        "currency": {"type": ["string", "null"]},
    },
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_ERRORS = {
    "type": "array",
    "description": "Each problem, or each picture that was not made.",
    "items": {
        "type": "object",
        "properties": {
            "message": {"type": "string"},
            "field": {"type": "string"},
            "code": {"type": "string"},
            "history_id": {"type": ["integer", "null"]},
            "billed": {"enum": ["no", "maybe", "yes"]},
        },
        "required": ["message"],
    },
}
_COMMON = {
    "message": {"type": "string", "description": "What went wrong."},
    "hint": {"type": ["string", "null"], "description": "What to do next."},
    "billed": {"enum": ["no", "maybe", "yes"], "description": "Of what was not made."},
    "repeat": {"type": "string", "description": "Whether to call again, in words."},
    "errors": _ERRORS,
    "notes": _TEXTS,
    "warnings": _TEXTS,
    "region": {"type": "string"},
    "cost": _MONEY,
    "spent": {**_MONEY, "description": "Of this server, so far."},
    "left": {**_MONEY, "description": "What it may still spend."},
}

MADE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"enum": ["ok", "partial", "error"]},
        "pictures": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "The file, absolute."},
                    "seed": {"type": "integer"},
                    "size": {"type": "string"},
                    "width": {"type": "integer"},
                    "height": {"type": "integer"},
                    "cost": _MONEY,
                    "history_id": {"type": "integer"},
                    "request_id": {"type": "string"},
                    "rewritten_prompt": {"type": "string"},
                },
                "required": ["path"],
            },
        },
        **_COMMON,
    },
    "required": ["status", "spent", "left"],
}
CHECKED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "status": {"enum": ["valid", "invalid", "refused", "error"]},
        "pictures": {"type": "integer"},
        "size": {"type": "string", "description": "As it would be sent."},
        "prompt": {"type": "string"},
        "prompt_extend": {"type": "boolean"},
        "asks": {"type": "boolean", "description": "Whether the person is asked first."},
        **_COMMON,
    },
    "required": ["status", "spent", "left"],
}
