"""What is known of a picture while it is being made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.api.payload import WireRequest

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.request.request import Request


@dataclass(slots=True, eq=False, repr=False)
class Generation:
    """What is known so far about one generation: asked for, perhaps answered, perhaps saved."""

    request: Request
    wire: WireRequest
    wanted: str
    tags: Mapping[str, str | None]
    started: datetime
    began: float
    begun: bool = False
    """Whether a row was written for it, where a ledger is kept."""
    entry: int | None = None
    attempts: int = 0
    in_flight: bool = False
    maybe_billed: bool = False
    """Whether a try before this one may have been made."""
    answer: Answer | None = None
    answered_at: str | None = None
    noted: bool = False
    """Whether the answer is in the ledger."""
    fetched: Fetched | None = None
    picture: Picture | None = None
    """The picture, once it is in its place."""

    def curl(self) -> str:
        """Return the command that fetches the picture of an answer without zimage."""
        from shlex import quote

        assert self.answer is not None
        # Under a name of its own each: several are pasted together.
        name = "picture.png" if self.wanted == "-" else Path(self.wanted).name
        return f"curl -o {quote(name)} {quote(self.answer.image_url)}"


def address_of(generation: Generation) -> dict[str, Any]:
    """Return what a record needs so that a later run can fetch the picture of an answer."""
    answer = generation.answer
    assert answer is not None
    rewritten = answer.rewritten_prompt(prompt_extend=generation.request.prompt_extend)
    return {
        "image_url": answer.image_url,
        "request_id": answer.request_id,
        "answered_at": generation.answered_at,
        "width": answer.width,
        "height": answer.height,
        "rewritten_prompt": rewritten,
        "reasoning": answer.reasoning,
        "attempts": generation.attempts,
    }


def picture_of(
    generation: Generation,
    answer: Answer,
    fetched: Fetched,
    account: Account,
    path: str,
    elapsed: float,
) -> Picture:
    """Return the picture of a generation that was just saved."""
    from zimage_cli.core.picture import Picture

    request, info = generation.request, fetched.info
    return Picture(
        image_url=answer.image_url,
        width=answer.width or info.width,
        height=answer.height or info.height,
        prompt=request.prompt,
        rewritten_prompt=answer.rewritten_prompt(prompt_extend=request.prompt_extend),
        reasoning=answer.reasoning,
        request_id=answer.request_id,
        path=None if path == "-" else Path(path),
        history_id=generation.entry,
        evidence_path=None,
        seed=request.seed,
        size=request.size,
        prompt_extend=request.prompt_extend,
        region=account.region,
        endpoint=account.origin,
        bytes=fetched.bytes,
        sha256=fetched.sha256,
        cost=account.price(prompt_extend=request.prompt_extend),
        elapsed_seconds=round(elapsed, 3),
        attempts=generation.attempts,
    )


def mismatches(size: str, answer: Answer, fetched: Fetched) -> list[str]:
    """Return a warning for each dimension that is not what was asked for or said."""
    info = fetched.info
    got = f"{info.width}*{info.height}"
    said = (answer.width or info.width, answer.height or info.height)
    texts = []
    if got != size:
        texts.append(f"the picture is {got}, not {size} as asked for; saved as it is")
    if said != (info.width, info.height):
        texts.append(f"the service said {said[0]}*{said[1]}, the picture is {got}; saved as it is")
    return texts
