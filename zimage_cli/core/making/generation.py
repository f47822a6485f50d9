"""What is known of a picture while it is being made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.core.request.wish import format_of
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.api.payload import WireRequest
    from zimage_cli.api.png import PngInfo
    from zimage_cli.core.making.account import Account
    from zimage_cli.core.observer import Observer
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.recipe.recipe import Recipe
    from zimage_cli.core.request.prices import Price
    from zimage_cli.core.request.request import Request


@dataclass(slots=True, eq=False, repr=False)
class Generation:
    """One picture in the making: asked for, perhaps answered, perhaps saved.

    `wanted` is the path where it goes, `-` for the standard output. `tags` are further columns of
    its row in the history.
    """

    request: Request
    account: Account
    wanted: str
    observer: Observer
    tags: Mapping[str, str | None] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)
    begun: bool = False
    """Whether a row was written for it, where a history is kept."""
    entry: int | None = None
    attempts: int = 0
    in_flight: bool = False
    maybe_billed: bool = False
    """Whether a try before this one may have been made."""
    answer: Answer | None = None
    answered_at: str | None = None
    noted: bool = False
    """Whether the answer is in the history, or in the journal that it was read from."""
    fetched: Fetched | None = None
    picture: Picture | None = None
    """The picture, once it is in its place."""

    wire: WireRequest = field(init=False)
    """The call that asks for it."""

    def __post_init__(self) -> None:
        self.wire = self.account.wire(self.request)

    @property
    def price(self) -> Price | None:
        """The list price, None where none is known."""
        return self.account.price(prompt_extend=self.request.prompt_extend)

    @property
    def rewritten(self) -> str | None:
        """The rewritten prompt of the answer, None where there is none."""
        if self.answer is None:
            return None
        return self.answer.rewritten_prompt(prompt_extend=self.request.prompt_extend)

    @property
    def elapsed(self) -> float:
        """The seconds since it began."""
        return round(time.monotonic() - self.began, 3)

    @property
    def saved_path(self) -> str:
        """Where its picture is, as history and evidence have it: `-` for the standard output."""
        path = self.picture.path if self.picture is not None else None
        return "-" if path is None else str(path.absolute())

    def curl(self) -> str:
        """Return the command that fetches the picture of an answer without zimage."""
        from shlex import quote

        assert self.answer is not None
        # Under a name of its own each: several are pasted together.
        name = "picture.png" if self.wanted == "-" else Path(self.wanted).name
        if format_of(name) not in {None, "png"}:
            # It is served as PNG.
            name = str(Path(name).with_suffix(".png"))
        return f"curl -o {quote(name)} {quote(self.answer.image_url)}"

    def address(self) -> dict[str, Any] | None:
        """Return what a record needs so that a later run can fetch the picture of the answer."""
        answer = self.answer
        if answer is None:
            return None
        return {
            "image_url": answer.image_url,
            "request_id": answer.request_id,
            "answered_at": self.answered_at,
            "width": answer.width,
            "height": answer.height,
            "rewritten_prompt": self.rewritten,
            "reasoning": answer.reasoning,
            "attempts": self.attempts,
        }

    def recipe(self, info: PngInfo) -> Recipe:
        """Return what its picture says of its making, which has these dimensions."""
        from zimage_cli.core.recipe.recipe import Recipe

        assert self.answer is not None
        return Recipe.of(
            self.request,
            info,
            region=self.account.region,
            request_id=self.answer.request_id,
            rewritten_prompt=self.rewritten,
            answered_at=self.answered_at,
        )

    def picture_at(self, path: str) -> Picture:
        """Return the picture, which was just saved under a path."""
        from zimage_cli.core.picture import Picture

        request, answer, fetched = self.request, self.answer, self.fetched
        assert answer is not None
        assert fetched is not None
        return Picture(
            image_url=answer.image_url,
            width=answer.width or fetched.info.width,
            height=answer.height or fetched.info.height,
            prompt=request.prompt,
            rewritten_prompt=self.rewritten,
            reasoning=answer.reasoning,
            request_id=answer.request_id,
            path=None if path == "-" else Path(path),
            history_id=self.entry,
            evidence_path=None,
            seed=request.seed,
            size=request.size,
            prompt_extend=request.prompt_extend,
            region=self.account.region,
            endpoint=self.account.origin,
            bytes=fetched.bytes,
            sha256=fetched.sha256,
            served_sha256=fetched.as_served,
            cost=self.price,
            elapsed_seconds=self.elapsed,
            attempts=self.attempts,
        )

    def mismatches(self) -> Iterator[Message]:
        """Yield a warning for each dimension of the picture that is not what was asked or said."""
        assert self.answer is not None
        assert self.fetched is not None
        info, answer = self.fetched.info, self.answer
        got = f"{info.width}*{info.height}"
        said = f"{answer.width or info.width}*{answer.height or info.height}"
        if got != self.request.size:
            yield Message(
                "the picture is {got}, not {wanted} as asked for; saved as it is",
                got=got,
                wanted=self.request.size,
            )
        if said != got:
            yield Message(
                "the service said {said}, the picture is {got}; saved as it is", said=said, got=got
            )
