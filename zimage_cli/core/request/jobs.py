"""One request or one line of a file, and the pictures that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.core.request.request import Request, parse_request, seed_after
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message

if TYPE_CHECKING:
    from zimage_cli.core.request.names import NameTemplate

MAX_VARIANTS = 1_000_000
"""Pictures that one line may stand for, `count` included: more is a mistake, and would cost
CNY 100,000."""


class Job(NamedTuple):
    """One picture to be made.

    `line` is the line of the file that it comes from, 1 where there is no file; `variant` counts
    the pictures of that line, None where it is the only one; `number` counts those of a run. `key`
    tells a picture of a batch from all others, for ever. `output` is its path within the folder of
    pictures, where it does not follow from the `template`. `shared` is the key of the first picture
    of the line that shares its drawn seed; empty where none can.
    """

    line: int
    number: int
    request: Request
    template: NameTemplate
    output: str | None = None
    key: bytes = b""
    variant: int | None = None
    shared: bytes = b""

    @property
    def place(self) -> Message:
        """Where it stands in the file: `line 7`, or `line 7, picture 3` of several."""
        if self.variant is None:
            return Message("line {line}", line=self.line)
        return Message("line {line}, picture {picture}", line=self.line, picture=self.variant)

    @property
    def id(self) -> str | None:
        """The key as the history and the journal write it."""
        return self.key.hex() or None


class Variant(NamedTuple):
    """One of the requests that one stands for; its seed, if none was given, is n + `step`."""

    request: Request
    step: int

    def with_seed(self, drawn: int) -> Request:
        """Return the request as it is sent where `drawn` is the seed n of all variants."""
        if self.request.seed is not None:
            return self.request
        return replace(self.request, seed=seed_after(drawn, self.step))


def variants(
    request: Request, sweep: Sweep, *, most: int = MAX_VARIANTS, hint: str | None = None
) -> Iterator[Variant]:
    """Yield what a request stands for, in a fixed order: prompt, size, seed, count.

    Variants of one prompt share a seed that was not given: then it is the words and the size that
    make the difference. Raises UsageError, before the first, where they are more than `most`, and
    RequestInvalid for one that is no request.
    """
    if sweep.multiplies or sweep.count > most:
        return _swept(request, sweep, most, hint)
    return _counted(request, sweep.count)


def _swept(request: Request, sweep: Sweep, most: int, hint: str | None) -> Iterator[Variant]:
    from zimage_cli.core.request import expand

    prompted = expand.count(request.prompt, sweep.lines) if sweep.expand else 1
    factors = (prompted, len(sweep.sizes) or 1, len(sweep.seeds) or 1, sweep.count)
    total = prod(factors)
    if total > most:
        prompts, sizes, seeds, each = map(expand.count_text, factors)
        words = (
            Message("{prompts} prompts", prompts=prompts),
            Message("{sizes} sizes", sizes=sizes),
            Message("{seeds} seeds", seeds=seeds),
            Message("{count} of each", count=each),
        )
        named = [said for said, factor in zip(words, factors, strict=True) if factor > 1]
        raise UsageError(
            "{total} pictures are too many: {factors}; allowed: {most:,}",
            hint=hint,
            total=expand.count_text(total),
            factors=Listing(" × ", named),
            most=most,
        )
    texts = expand.expand(request.prompt, sweep.lines) if sweep.expand else (request.prompt,)
    for prompt in texts:
        for size in sweep.sizes or (request.size,):
            for seed in sweep.seeds or (request.seed,):
                fields = {**request.fields(), "prompt": prompt, "size": size}
                if seed is not None:
                    fields["seed"] = seed
                one = replace(parse_request(fields), origin=request.origin)
                yield from _counted(one, sweep.count)


def _counted(request: Request, count: int) -> Iterator[Variant]:
    for step in range(count):
        if request.seed is None:
            yield Variant(request, step)
        else:
            seed = seed_after(request.seed, step)
            yield Variant(request if not step else replace(request, seed=seed), step)
