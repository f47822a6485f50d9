"""A picture that was made: what a program, a person and the evidence hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zimage_cli.core.prices import cost

if TYPE_CHECKING:
    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.destination import Destination
    from zimage_cli.core.request import Request


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was made and saved. Sizes in pixels and bytes; times in seconds."""

    request: Request
    destination: Destination
    answer: Answer
    fetched: Fetched
    path: str
    attempts: int
    elapsed: float
    entry: int | None

    @property
    def response(self) -> dict[str, Any]:
        """The response of `image.generate`."""
        return {
            "image_url": self.answer.image_url,
            "width": self.answer.width or self.fetched.info.width,
            "height": self.answer.height or self.fetched.info.height,
            "prompt": self.request.prompt,
            "rewritten_prompt": self.rewritten_prompt,
            "reasoning": self.answer.reasoning,
            "request_id": self.answer.request_id,
        }

    @property
    def rewritten_prompt(self) -> str | None:
        """The rewritten prompt, where one was asked for and given."""
        return self.answer.rewritten_prompt(prompt_extend=self.request.prompt_extend)

    @property
    def document(self) -> dict[str, Any]:
        """The picture's object in `--json`."""
        return {
            **self.response,
            "path": None if self.path == "-" else self.path,
            "seed": self.request.seed,
            "size": self.request.size,
            "prompt_extend": self.request.prompt_extend,
            "region": self.destination.region,
            "endpoint": self.destination.origin,
            "bytes": self.fetched.bytes,
            "sha256": self.fetched.sha256,
            "cost": cost(self.destination.price(prompt_extend=self.request.prompt_extend)),
            "elapsed_seconds": round(self.elapsed, 3),
            "attempts": self.attempts,
        }


def saved_facts(path: str, fetched: Fetched) -> dict[str, Any]:
    """Return what evidence says of a picture on disk."""
    return {
        "path": path,
        "bytes": fetched.bytes,
        "sha256": fetched.sha256,
        "width": fetched.info.width,
        "height": fetched.info.height,
    }


def mismatches(picture: Picture) -> list[str]:
    """Return a warning for each dimension that is not what was asked for or said."""
    info = picture.fetched.info
    got = f"{info.width}*{info.height}"
    said = (picture.answer.width or info.width, picture.answer.height or info.height)
    texts = []
    if got != picture.request.size:
        texts.append(
            f"the picture is {got}, not {picture.request.size} as asked for; saved as it is"
        )
    if said != (info.width, info.height):
        texts.append(f"the service said {said[0]}*{said[1]}, the picture is {got}; saved as it is")
    return texts
