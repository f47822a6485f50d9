"""How one request becomes several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_COUNT = 10_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """How one request becomes several.

    `count` pictures of each, with the seeds n, n + 1 …; times `sizes`, times `seeds`; with `expand`
    times the alternatives in its prompt, where `lines` gives those of a file in `{@colours.txt}` by
    its name; without it such a prompt is refused. With `no_seed` no seed is drawn.
    """

    count: int = 1
    expand: bool = False
    sizes: Sequence[str] = ()
    seeds: Sequence[int] = ()
    no_seed: bool = False
    lines: Callable[[str], Sequence[str]] | None = None

    @property
    def is_one(self) -> bool:
        """Tell whether it leaves one picture of each request."""
        return self.count == 1 and not self.multiplies

    @property
    def multiplies(self) -> bool:
        """Tell whether the words, the size or a list of seeds make several of one."""
        return bool(self.expand or self.sizes or self.seeds)


ONE = Sweep()
"""One picture of each request."""
