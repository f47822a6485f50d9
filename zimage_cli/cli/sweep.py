"""`generate` with `--expand`, `--sizes`, `--seeds`: many pictures of one prompt, priced first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zimage_cli.api.endpoint import SANDBOX
from zimage_cli.api.errors import UsageError
from zimage_cli.cli.batch import parse_max_cost
from zimage_cli.cli.batch_check import ASK_ABOVE, confirm
from zimage_cli.cli.batch_view import money
from zimage_cli.core.batch.plan import MAX_VARIANTS, variants
from zimage_cli.core.expand import parse_seeds, parse_sizes
from zimage_cli.core.request import Request, draw_seed

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.cli.plan import Plan

MAX_PICTURES = 10_000
"""Pictures of one run, which holds them all in memory; a batch takes one after the other."""
_MAX_TEXT = 32_000_000
"""Characters of all their prompts: of a very long one there are fewer pictures."""


def requests_of(
    request: Request,
    expand: bool,
    sizes: str | None,
    seeds: str | None,
    count: int,
    *,
    no_seed: bool,
) -> tuple[Request, ...]:
    """Return every request that one stands for, in a fixed order.

    Variants of one prompt share their seed where none was listed: then it is the words and the
    size that make the difference. Raises UsageError.
    """
    if seeds is not None and no_seed:
        raise UsageError("--seeds and --no-seed contradict each other: give only one")
    listed_sizes = parse_sizes(sizes) if sizes is not None else ()
    listed_seeds = parse_seeds(seeds) if seeds is not None else ()
    if request.seed is None and not listed_seeds and not no_seed:
        request = replace(request, seed=draw_seed())
    found = variants(
        request,
        listed_sizes,
        listed_seeds,
        count,
        alternatives=expand,
        most=min(MAX_PICTURES, _MAX_TEXT // len(request.prompt) or 1) if expand else MAX_PICTURES,
        hint=f"A batch makes up to {MAX_VARIANTS:,} of each line of a file, with the same options: "
        "zimage batch FILE",
    )
    return tuple(found)


def agree(out: Output, plan: Plan, max_cost: str | None, *, yes: bool) -> None:
    """Show number and price, hold them against `--max-cost`, and ask where it is much.

    Raises UsageError where it is too much, typer.Exit for a no.
    """
    region = plan.settings.target.region_name
    count = len(plan.requests)
    pictures = f"{count:,} picture{'s' if count > 1 else ''}"
    bound = parse_max_cost(max_cost)
    if region == SANDBOX:
        out.note(f"{pictures}, free: sandbox")
        return
    cost = plan.price()
    if bound is not None and cost is None:
        raise UsageError("--max-cost: no list price is known at this host. Nothing was sent.")
    if bound is not None and cost is not None and cost.amount > bound:
        raise UsageError(
            f"{pictures} at {money(cost)} are over --max-cost {bound}. Nothing was sent."
        )
    out.note(f"{pictures}, list price {money(cost)}")
    if not yes and cost is not None and cost.amount > ASK_ABOVE[cost.currency]:
        confirm(out, f"This costs {money(cost)}.")
