"""A picture that was made: what a program, a person and the history hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.core.request.prices import Price, cost

if TYPE_CHECKING:
    import builtins

    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was made and saved. Sizes in pixels and bytes; times in seconds.

    `path` is None where it went to the standard output. `cost` is the list price, None where none
    is known. `bytes` and `sha256` are those of the file, `served_sha256` is that of the picture as
    the service served it. `image_url` is good for 24 hours, `history_id` finds it in the history.
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
    served_sha256: str | None
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
        from zimage_cli.core.drafts import write_whole

        source, target = self._file(), Path(path)
        if target.is_dir():
            target /= source.name
        write_whole(target, source.read_bytes())
        return target

    def _repr_html_(self) -> str:
        """Show the picture in a notebook, small and with what is known of it."""
        from zimage_cli.core.card import card, paid

        facts = {
            "prompt": self.prompt,
            "rewritten prompt": self.rewritten_prompt,
            "seed": self.seed,
            "size": f"{self.width}×{self.height}" if self.width else self.size.replace("*", "×"),
            "cost": paid(self.region, self.cost),
            "file": self.path,
        }
        return card(facts, self.path)

    def _repr_png_(self) -> builtins.bytes | None:
        """Show the picture where a notebook has no place for HTML; None where its file is gone."""
        from io import BytesIO

        try:
            if not self._file().is_file():
                return None
            if self._file().suffix.lower() == ".png":
                return self._file().read_bytes()
            shown = BytesIO()
            self.image.save(shown, "PNG")
        except OSError:
            return None
        return shown.getvalue()

    def _file(self) -> Path:
        if self.path is None:
            raise FileNotFoundError("the picture went to the standard output, and has no file")
        return self.path

    @property
    def response(self) -> dict[str, Any]:
        """The response of `image.generate`: the first seven fields."""
        return {name: getattr(self, name) for name in self.__slots__[:7]}

    @property
    def document(self) -> dict[str, Any]:
        """The picture's object in `--json`: every field."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "path": None if self.path is None else str(self.path.absolute()),
            "evidence_path": None if self.evidence_path is None else str(self.evidence_path),
            "cost": cost(self.cost),
        }
