"""What is said of a request and of a picture, in words: the same in a terminal and in a pipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.api.endpoint import CUSTOM, find_region
from zimage_cli.core.request.prices import Price, format_price
from zimage_cli.core.run.money import count_of, money
from zimage_cli.core.run.plan import SANDBOX_PRICE
from zimage_cli.messages import Listing, Message
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zimage_cli.api.retry import Wait
    from zimage_cli.core.history.usual import Usual
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.request.request import Request
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.settings.resolver import Target

_PROMPT = 1000
"""Characters of a prompt that are shown."""
_LISTED = 4
"""Sizes or seeds that are named one by one."""


def joined(facts: Sequence[str]) -> Listing:
    """Return facts as one line."""
    return Listing(" · ", [fact for fact in facts if fact])


def span(seconds: float) -> Message:
    """Return a length of time as people read it: 5.2 s."""
    return Message("{seconds:.1f} s", seconds=seconds)


def history(number: int) -> Message:
    """Return what names a row of the history."""
    return Message("history {number}", number=number)


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
        Listing(", ", sizes)
        if len(sizes) <= _LISTED
        else Message("{count:,} sizes", count=len(sizes)),
        _seeds(list(dict.fromkeys(one.seed for one in requests))),
        "prompt_extend" if requests[0].prompt_extend else "",
        ""
        if (parent := requests[0].origin.parent) is None
        else Message("like history {number}", number=parent),
        _presets(requests[0].origin.preset),
        *_where(plan.settings.target),
        _price(plan),
    ]


def _presets(names: str | None) -> str:
    found = [visible(name) for name in (names or "").split(",") if name]
    if len(found) > 1:
        return Message("presets {names}", names=Listing(", ", found))
    return Message("preset {name}", name=found[0]) if found else ""


def _seeds(seeds: list[int | None]) -> Message:
    if seeds[0] is None:
        return Message("seed left to the service")
    if len(seeds) == 1:
        return Message("seed {seed}", seed=seeds[0])
    if len(seeds) <= _LISTED:
        return Message("seeds {seeds}", seeds=Listing(", ", seeds))
    return Message("seeds {first} … {last}", first=seeds[0], last=seeds[-1])


def _where(target: Target) -> list[str]:
    """Return the region, and the host where it is not the region's own."""
    if target.api_root is None:
        return []
    if target.region_name == CUSTOM:
        return [target.api_root.removesuffix("/api/v1")]
    region = find_region(target.region_name)
    own = region is not None and target.host == region.shared_host
    return [target.region_name, "" if own else target.host or ""]


def _price(plan: RequestPlan) -> Message:
    estimate = plan.estimate
    if estimate.free:
        return SANDBOX_PRICE
    if estimate.pictures == 1 or estimate.cost is None:
        return format_price(estimate.cost)
    return Message("{cost} in all", cost=money(estimate.cost))


def request_lines(plan: RequestPlan) -> list[Message]:
    """Return prompt and request as plain lines."""
    words = [visible(text) for text in wordings(plan)]
    count = len(plan.requests)
    facts = [count_of(count) if count > 1 else "", *request_facts(plan)]
    return [
        Message(
            "prompt: {prompt}" if len(words) == 1 else "prompt: {prompt} (and {more:,} more)",
            prompt=words[0],
            more=len(words) - 1,
        ),
        Message("request: {facts}", facts=joined(facts)),
    ]


def varying(plan: RequestPlan) -> tuple[str, ...]:
    """Return in which fields the requests of a plan differ."""
    names = ("size", "seed", "prompt")
    return tuple(n for n in names if len({getattr(one, n) for one in plan.requests}) > 1)


def common_start(plan: RequestPlan) -> int:
    """Return how many characters the prompts of a plan have in common, up to a word."""
    # Characters are meant, not the parts of a path.
    start: str = os.path.commonprefix([one.prompt for one in plan.requests])  # noqa: RUF071
    return start.rfind(" ") + 1


def label_of(request: Request, names: Sequence[str], start: int) -> Listing:
    """Return what tells a picture from the others: those of its fields that differ.

    Of the prompt the words from `start` on.
    """
    words = {
        "size": pixels(request.size),
        "seed": Message("seed {seed}", seed=request.seed),
        "prompt": visible(("…" if start else "") + request.prompt[start:]),
    }
    return joined([words[name] for name in names])


def saved_facts(picture: Picture) -> list[str]:
    """Return what there is to say of a picture that is saved, beside its path."""
    free = picture.region == "sandbox"
    return [
        f"{picture.width}×{picture.height}",
        human_bytes(picture.bytes or 0),
        span(picture.elapsed_seconds or 0.0),
        SANDBOX_PRICE if free else format_price(picture.cost),
        "" if picture.history_id is None else history(picture.history_id),
    ]


def total_facts(pictures: Sequence[Picture], seconds: float) -> list[str]:
    """Return what several pictures have come to."""
    costs = [picture.cost for picture in pictures if picture.cost is not None]
    price: str = ""
    if pictures and pictures[0].region == "sandbox":
        price = SANDBOX_PRICE
    elif pictures and len(costs) == len(pictures):
        first, *rest = costs
        price = money(Price(sum((one.amount for one in rest), first.amount), first.currency))
    ids = sorted(one.history_id for one in pictures if one.history_id is not None)
    return [span(seconds), price, _rows(ids)]


def _rows(ids: list[int]) -> str:
    if len(ids) <= 1:
        return history(ids[0]) if ids else ""
    if ids[-1] - ids[0] == len(ids) - 1:
        return Message("history {first}–{last}", first=ids[0], last=ids[-1])
    # Other runs have numbers between them.
    if len(ids) <= _LISTED:
        return Message("history {numbers}", numbers=Listing(", ", ids))
    return Message("history {count:,} rows", count=len(ids))


def taken(plan: RequestPlan, job: Job, picture: Picture) -> Message | None:
    """Return what to say where the file that was named exists, so that it got another name."""
    if plan.filename is None or picture.path is None:
        return None
    wanted = Path(plan.place.wanted(job.output or plan.filename)).name
    if picture.path.name == wanted:
        return None
    return Message(
        "{wanted} exists: saved as {name}",
        wanted=visible(wanted),
        name=visible(picture.path.name),
    )


def tried(wait: Wait, text: Callable[[str], str]) -> dict[str, object]:
    """Return the facts of a pause: why a try failed, on one line, and which comes next.

    `text` gives our words in the language of the person.
    """
    error = wait.error
    said = text(error.message).rstrip(".。") + (f" [{error.code}]" if error.code else "")
    return {"why": visible(said), "next": wait.next_try, "of": wait.of}


def usually(span: Usual | None) -> str:
    """Return how long it usually takes: `(usually 4–8 s)`; nothing where that is not known."""
    if span is None:
        return ""
    low, high = round(span.low), round(span.high)
    if high < 1:
        return Message("(usually under 1 s)")
    if low == high:
        return Message("(usually {seconds} s)", seconds=high)
    if not low:
        return Message("(usually up to {seconds} s)", seconds=high)
    return Message("(usually {low}–{high} s)", low=low, high=high)
