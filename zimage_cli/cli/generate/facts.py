"""What is said of a request and of a picture, in words: the same in a terminal and in a pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.api.endpoint import CUSTOM, find_region
from zimage_cli.core.request.prices import Price, format_price
from zimage_cli.core.run.money import count_of, money
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zimage_cli.api.retry import Wait
    from zimage_cli.core.history.usual import Usual
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.settings.resolver import Target

SANDBOX_PRICE = "sandbox, free"

_PROMPT = 1000
"""Characters of a prompt that are shown."""
_LISTED = 4
"""Sizes or seeds that are named one by one."""


def joined(facts: Sequence[str]) -> str:
    """Return facts as one line."""
    return " · ".join(fact for fact in facts if fact)


def pixels(size: str) -> str:
    """Return a size as people read it: 1024×1024."""
    return size.replace("*", "×")


def human_bytes(count: int) -> str:
    """Return a length in bytes as people read it: 1.4 MB."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def wordings(plan: RequestPlan) -> list[str]:
    """Return the different prompts of a plan, each as it is shown."""
    found = dict.fromkeys(one.prompt for one in plan.requests)
    return [visible(clip(prompt, _PROMPT), newlines=True) for prompt in found]


def request_facts(plan: RequestPlan) -> list[str]:
    """Return what is asked for beside the words; nothing that only repeats a default."""
    requests = plan.requests
    sizes = [pixels(size) for size in dict.fromkeys(one.size for one in requests)]
    return [
        _some(sizes, "sizes"),
        _seeds(list(dict.fromkeys(one.seed for one in requests))),
        "prompt_extend" if requests[0].prompt_extend else "",
        "" if (parent := requests[0].origin.parent) is None else f"like history {parent}",
        _presets(requests[0].origin.preset),
        *_where(plan.settings.target),
        _price(plan),
    ]


def _presets(names: str | None) -> str:
    several = "" if names is None else names.replace(",", ", ")
    return visible(f"preset{'s' if ',' in several else ''} {several}") if several else ""


def _some(values: list[str], name: str) -> str:
    return ", ".join(values) if len(values) <= _LISTED else f"{len(values):,} {name}"


def _seeds(seeds: list[int | None]) -> str:
    if seeds[0] is None:
        return "seed left to the service"
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) <= _LISTED:
        return f"seeds {', '.join(map(str, seeds))}"
    return f"seeds {seeds[0]} … {seeds[-1]}"


def _where(target: Target) -> list[str]:
    """Return the region, and the host where it is not the region's own."""
    if target.api_root is None:
        return []
    if target.region_name == CUSTOM:
        return [target.api_root.removesuffix("/api/v1")]
    region = find_region(target.region_name)
    own = region is not None and target.host == region.shared_host
    return [target.region_name, "" if own else target.host or ""]


def _price(plan: RequestPlan) -> str:
    estimate = plan.estimate
    if estimate.free:
        return SANDBOX_PRICE
    if estimate.pictures == 1 or estimate.cost is None:
        return format_price(estimate.cost)
    return f"{money(estimate.cost)} in all"


def request_lines(plan: RequestPlan) -> list[str]:
    """Return prompt and request as plain lines."""
    words = [visible(text) for text in wordings(plan)]
    more = f" (and {len(words) - 1:,} more)" if len(words) > 1 else ""
    count = len(plan.requests)
    facts = [count_of(count) if count > 1 else "", *request_facts(plan)]
    return [f"prompt: {words[0]}{more}", f"request: {joined(facts)}"]


def varying(plan: RequestPlan) -> tuple[str, ...]:
    """Return in which fields the requests of a plan differ."""
    names = ("size", "seed", "prompt")
    return tuple(n for n in names if len({getattr(one, n) for one in plan.requests}) > 1)


def common_start(plan: RequestPlan) -> int:
    """Return how many characters the prompts of a plan have in common, up to a word."""
    # Characters are meant, not the parts of a path.
    start: str = os.path.commonprefix([one.prompt for one in plan.requests])  # noqa: RUF071
    return start.rfind(" ") + 1


def label_of(request: Request, names: Sequence[str], start: int) -> str:
    """Return what tells a picture from the others: those of its fields that differ.

    Of the prompt the words from `start` on.
    """
    words = {
        "size": pixels(request.size),
        "seed": f"seed {request.seed}",
        "prompt": visible(("…" if start else "") + request.prompt[start:]),
    }
    return joined([words[name] for name in names])


def saved_facts(picture: Picture) -> list[str]:
    """Return what there is to say of a picture that is saved, beside its path."""
    free = picture.region == "sandbox"
    return [
        f"{picture.width}×{picture.height}",
        human_bytes(picture.bytes or 0),
        f"{picture.elapsed_seconds or 0.0:.1f} s",
        SANDBOX_PRICE if free else format_price(picture.cost),
        "" if picture.history_id is None else f"history {picture.history_id}",
    ]


def total_facts(pictures: Sequence[Picture], seconds: float) -> list[str]:
    """Return what several pictures have come to."""
    costs = [picture.cost for picture in pictures if picture.cost is not None]
    price = ""
    if pictures and pictures[0].region == "sandbox":
        price = SANDBOX_PRICE
    elif pictures and len(costs) == len(pictures):
        first, *rest = costs
        price = money(Price(sum((one.amount for one in rest), first.amount), first.currency))
    ids = sorted(one.history_id for one in pictures if one.history_id is not None)
    span = f"{ids[0]}–{ids[-1]}" if ids else ""
    if ids and ids[-1] - ids[0] != len(ids) - 1:
        # Other runs have numbers between them.
        span = _some([str(number) for number in ids], "rows")
    history = f"history {span if len(ids) > 1 else ids[0]}" if ids else ""
    return [f"{seconds:.1f} s", price, history]


def taken(plan: RequestPlan, job: Job, picture: Picture) -> str | None:
    """Return what to say where the file that was named exists, so that it got another name."""
    if plan.filename is None or picture.path is None:
        return None
    wanted = Path(plan.place.wanted(job.output or plan.filename)).name
    if picture.path.name == wanted:
        return None
    return f"{visible(wanted)} exists: saved as {visible(picture.path.name)}"


def why(wait: Wait) -> str:
    """Return why a try failed, on one line."""
    error = wait.error
    return visible(f"{error.message.rstrip('.')}{f' [{error.code}]' if error.code else ''}")


def tries(wait: Wait) -> str:
    """Return which try comes next."""
    return f"try {wait.next_try} of {wait.of}"


def usually(span: Usual | None) -> str:
    """Return how long it usually takes: `(usually 4–8 s)`; nothing where that is not known."""
    if span is None:
        return ""
    low, high = round(span.low), round(span.high)
    if high < 1:
        return "(usually under 1 s)"
    if low == high:
        return f"(usually {high} s)"
    return f"(usually {low}–{high} s)" if low else f"(usually up to {high} s)"
