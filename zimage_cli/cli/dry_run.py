"""What `generate --dry-run` shows: the exact request, and nothing sent."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zimage_cli.api.endpoint import SANDBOX, origin_of
from zimage_cli.api.errors import AuthenticationError
from zimage_cli.api.payload import curl_command, generation_request
from zimage_cli.core.prices import Price, format_price, list_price
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from zimage_cli.api.payload import WireRequest
    from zimage_cli.cli.output import Output
    from zimage_cli.cli.plan import Plan
    from zimage_cli.core.request import Request

SANDBOX_ROOT = "http://127.0.0.1/api/v1"
"""Stands for the sandbox, whose port is known only once it runs."""


def show(out: Output, plan: Plan) -> None:
    """Print every request of a plan; no key is needed and nothing is sent or written."""
    documents = [_document(out, plan, request, n) for n, request in enumerate(plan.requests, 1)]
    total = plan.price()
    if plan.report == "json":
        amount = str(total.amount) if total else None
        out.json(
            {
                "schema": 1,
                "status": "dry-run",
                "requests": documents,
                "cost": {"amount": amount, "currency": total.currency if total else None},
            }
        )
        return
    for document in documents:
        _print(out, document)
    if len(documents) > 1:
        out.result(f"all {len(documents)}: {_price_words(plan, total)}")


def _wire(plan: Plan, request: Request) -> WireRequest:
    return generation_request(
        plan.settings.target.api_root or SANDBOX_ROOT,
        prompt=request.prompt,
        size=request.size,
        seed=request.seed,
        prompt_extend=request.prompt_extend,
    )


def _document(out: Output, plan: Plan, request: Request, number: int) -> dict[str, Any]:
    wire = _wire(plan, request)
    region = plan.settings.target.region_name
    name = plan.template.render(
        prompt=request.prompt,
        seed=request.seed,
        size=request.size,
        region=region,
        when=datetime.now(UTC).astimezone(),
        n=number,
    )
    path = plan.place(out).wanted(name)
    price = list_price(region, request.prompt_extend)
    return {
        "method": wire.method,
        "url": wire.url,
        "headers": {**wire.headers, "Authorization": f"Bearer {_masked_key(plan)}"},
        "body": wire.body.decode(),
        "curl": curl_command(wire),
        "path": None if path == "-" else path,
        # os.path and not Path: that one raises for a name that is too long.
        "exists": path != "-" and os.path.exists(path),  # noqa: PTH110
        "region": region,
        "endpoint": origin_of(wire.url),
        "price": format_price(price) if region != SANDBOX else "sandbox, free",
        "cost": {
            "amount": str(price.amount) if price else None,
            "currency": price.currency if price else None,
        },
    }


def _masked_key(plan: Plan) -> str:
    try:
        found = plan.settings.key()
    except AuthenticationError:
        found = None
    return found.value.masked if found else "$DASHSCOPE_API_KEY"


def _price_words(plan: Plan, price: Price | None) -> str:
    return "sandbox, free" if plan.settings.target.region_name == SANDBOX else format_price(price)


def _print(out: Output, document: dict[str, Any]) -> None:
    out.result(f"{document['method']} {document['url']}")
    for name, value in document["headers"].items():
        out.result(f"{name}: {value}")
    out.result("")
    out.result(document["body"])
    out.result("")
    for line in document["curl"].split("\n"):
        out.result(line)
    out.result("")
    path = document["path"] or "standard output"
    note = " (exists: a number is added, or --overwrite)" if document["exists"] else ""
    out.result(f"saves to: {visible(path)}{note}")
    out.result(f"price: {document['price']}")
    out.result("nothing was sent")
