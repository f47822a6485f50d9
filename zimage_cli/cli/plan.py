"""What a run of `generate` will do, decided before anything is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zimage_cli.api.errors import UsageError
from zimage_cli.cli.output import Output
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.request import Request
from zimage_cli.core.save import FolderPlace, Place, StreamPlace
from zimage_cli.core.settings import Settings

if TYPE_CHECKING:
    from zimage_cli.core.prices import Price

_OTHER_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".svg", ".jxl"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do; `report` is `paths`, `response` or `json`."""

    requests: tuple[Request, ...]
    settings: Settings
    template: NameTemplate
    output: str | None
    overwrite: bool
    keep_evidence: bool
    retry_lost: bool
    report: str

    def place(self, out: Output) -> Place:
        """Return where the pictures go."""
        if self.output == "-":
            return StreamPlace(out.data)
        from zimage_cli.cli.session import pictures_folder

        if self.output is None:
            folder, filename = pictures_folder(self.settings.output_dir.value), None
        elif is_folder(self.output):
            folder, filename = Path(self.output), None
        else:
            path = Path(self.output)
            folder, filename = path.parent, path.name
        return FolderPlace(folder, filename=filename, overwrite=self.overwrite)

    def price(self) -> Price | None:
        """Return the list price of all pictures together; None where none is known."""
        from zimage_cli.core.prices import Price, list_price

        region = self.settings.target.region_name
        prices = [list_price(region, request.prompt_extend) for request in self.requests]
        known = [price for price in prices if price is not None]
        if not known or len(known) < len(prices):
            return None
        first, *rest = known
        return Price(sum((price.amount for price in rest), first.amount), first.currency)


def is_folder(output: str) -> bool:
    """Tell whether `--output` means a folder; raises UsageError for a file that can be no PNG."""
    if output == "-":
        return False
    if "\0" in output:
        raise UsageError("--output holds a NUL character")
    # os.path and not Path: that one raises for a name that is too long.
    if output.endswith(("/", os.sep)) or os.path.isdir(output):  # noqa: PTH112
        return True
    suffix = Path(output).suffix.lower()
    if suffix in _OTHER_SUFFIXES:
        raise UsageError(
            f"--output: {output} ends in {suffix}, and the service makes PNG",
            hint=f"Name it {Path(output).with_suffix('.png')}.",
        )
    if not Path(output).name:
        raise UsageError(f"--output: {output!r} names no file")
    return False
