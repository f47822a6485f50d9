"""A picture that was made: what a program, a person and the history hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.core.request.prices import Price, cost

if TYPE_CHECKING:
    import builtins

    from PIL.Image import Image

    from zimage_cli.api.answer import Answer
    from zimage_cli.api.download import Fetched
    from zimage_cli.core.making.account import Destination
    from zimage_cli.core.making.generation import Run


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was made and saved. Sizes in pixels and bytes; times in seconds.

    `path` is None where it went to the standard output. `cost` is the list price, None where none
    is known. `image_url` is good for 24 hours, `history_id` finds it in the history.
    """

    image_url: str | None
    width: int | None
    height: int | None
    prompt: str
    rewritten_prompt: str | None
    reasoning: str | None
    request_id: str | None
    path: Path | None
    history_id: int | None
    evidence_path: Path | None
    seed: int | None
    size: str
    prompt_extend: bool
    region: str
    endpoint: str
    bytes: int | None
    sha256: str | None
    cost: Price | None
    elapsed_seconds: float | None
    attempts: int

    @property
    def image(self) -> Image:
        """The picture as Pillow has it; its pixels are decoded when they are first used.

        Raises OSError where its file is gone.
        """
        from io import BytesIO

        from PIL import Image

        # Not the file itself: whoever only looks would have to close it.
        return Image.open(BytesIO(self._file().read_bytes()))

    def save(self, path: str | Path) -> Path:
        """Copy the file, byte for byte, to another path, or into a folder; return where it is.

        What stands there is replaced. Raises OSError.
        """
        from zimage_cli.core.files import write_whole

        source, target = self._file(), Path(path)
        if target.is_dir():
            target /= source.name
        write_whole(target, source.read_bytes())
        return target

    def _repr_png_(self) -> builtins.bytes:
        """Show the picture in a notebook."""
        return self._file().read_bytes()

    def _file(self) -> Path:
        if self.path is None:
            raise FileNotFoundError("the picture went to the standard output, and has no file")
        return self.path

    @property
    def response(self) -> dict[str, Any]:
        """The response of `image.generate`."""
        return {
            "image_url": self.image_url,
            "width": self.width,
            "height": self.height,
            "prompt": self.prompt,
            "rewritten_prompt": self.rewritten_prompt,
            "reasoning": self.reasoning,
            "request_id": self.request_id,
        }

    @property
    def document(self) -> dict[str, Any]:
        """The picture's object in `--json`."""
        evidence = self.evidence_path
        return {
            **self.response,
            "path": None if self.path is None else str(self.path.absolute()),
            "history_id": self.history_id,
            "evidence_path": None if evidence is None else str(evidence),
            "seed": self.seed,
            "size": self.size,
            "prompt_extend": self.prompt_extend,
            "region": self.region,
            "endpoint": self.endpoint,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "cost": cost(self.cost),
            "elapsed_seconds": self.elapsed_seconds,
            "attempts": self.attempts,
        }


def of_run(
    run: Run,
    answer: Answer,
    fetched: Fetched,
    destination: Destination,
    path: str,
    elapsed: float,
) -> Picture:
    """Return the picture of a generation that was just saved."""
    request, info = run.request, fetched.info
    return Picture(
        image_url=answer.image_url,
        width=answer.width or info.width,
        height=answer.height or info.height,
        prompt=request.prompt,
        rewritten_prompt=answer.rewritten_prompt(prompt_extend=request.prompt_extend),
        reasoning=answer.reasoning,
        request_id=answer.request_id,
        path=None if path == "-" else Path(path),
        history_id=run.entry,
        evidence_path=None,
        seed=request.seed,
        size=request.size,
        prompt_extend=request.prompt_extend,
        region=destination.region,
        endpoint=destination.origin,
        bytes=fetched.bytes,
        sha256=fetched.sha256,
        cost=destination.price(prompt_extend=request.prompt_extend),
        elapsed_seconds=round(elapsed, 3),
        attempts=run.attempts,
    )


def saved_facts(path: str, fetched: Fetched) -> dict[str, Any]:
    """Return what evidence says of a picture on disk."""
    return {
        "path": path,
        "bytes": fetched.bytes,
        "sha256": fetched.sha256,
        "width": fetched.info.width,
        "height": fetched.info.height,
    }


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
