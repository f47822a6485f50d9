"""What a run will do, decided before anything is sent: for any run, and for requests in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from zimage_cli.api.endpoint import SANDBOX, origin_of
from zimage_cli.core.request.jobs import Job, variants
from zimage_cli.core.request.names import NameTemplate, numbered
from zimage_cli.core.request.prices import Price, cost, format_price, list_price
from zimage_cli.core.request.request import Request, draw_seed
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.core.request.wish import OTHER_SUFFIXES, QUALITY, Wish
from zimage_cli.core.run.money import Estimate
from zimage_cli.core.settings.source import Kind
from zimage_cli.errors import AuthenticationError, UsageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from zimage_cli.core.making.maker import Maker
    from zimage_cli.core.making.save import Place
    from zimage_cli.core.observer import Watcher
    from zimage_cli.core.run.engine import Engine
    from zimage_cli.core.run.tally import RunOptions
    from zimage_cli.core.settings.settings import Settings

MAX_PICTURES = 10_000
"""Pictures of one run in memory; a batch takes one after the other."""
MAX_TEXT = 32_000_000
"""Characters of all their prompts: of a very long one there are fewer pictures."""

SANDBOX_ROOT = "http://127.0.0.1/api/v1"
"""Stands for the sandbox, whose port is known only once it runs."""

SANDBOX_PRICE = Message("sandbox, free")

_BATCH_HINT = (
    "A batch makes up to 1,000,000 of each line of a file, with the same options: zimage batch FILE"
)


class Plan(Protocol):
    """What a run will do: of requests in memory, or of the lines of a file."""

    @property
    def settings(self) -> Settings:
        """The settings that it was made with."""

    @property
    def options(self) -> RunOptions:
        """How the run is made."""

    @property
    def place(self) -> Place:
        """Where its pictures go."""

    @property
    def template(self) -> NameTemplate:
        """What their files are called."""

    @property
    def wish(self) -> Wish:
        """How they are finished, where their names do not say otherwise."""

    @property
    def lines(self) -> int:
        """How many pictures are in flight at most."""

    @property
    def estimate(self) -> Estimate:
        """How many pictures are to be paid, and their list price together."""

    def engine(self, maker: Maker, options: RunOptions, watcher: Watcher) -> Engine:
        """Return what makes these pictures; `maker` is the one for the service of the settings."""

    def jobs(self) -> Iterator[Job]:
        """Yield every picture."""


class RequestPlan(NamedTuple):
    """Requests in memory, each picture with its place; `filename`: the file of `--output`.

    `notes` are worth knowing, and `warnings` worth a warning, before they are sent.
    """

    settings: Settings
    requests: tuple[Request, ...]
    place: Place
    template: NameTemplate
    options: RunOptions
    filename: str | None = None
    warnings: tuple[Message, ...] = ()
    notes: tuple[Message, ...] = ()

    @property
    def estimate(self) -> Estimate:
        """How many pictures these are, and their list price together."""
        region = self.settings.target.region_name
        prices = [list_price(region, request.prompt_extend) for request in self.requests]
        known = [price for price in prices if price is not None]
        total = None
        if known and len(known) == len(prices):
            first, *rest = known
            total = Price(sum((price.amount for price in rest), first.amount), first.currency)
        return Estimate(len(prices), total, free=region == SANDBOX)

    @property
    def wish(self) -> Wish:
        """How they are finished."""
        return self.settings.wish.to(self.filename or "x" + self.template.suffix)

    @property
    def lines(self) -> int:
        """How many pictures are in flight at most."""
        return min(self.options.concurrency, len(self.requests))

    def engine(self, maker: Maker, options: RunOptions, watcher: Watcher) -> Engine:
        """Return what makes these pictures, with the maker for the one place that they go to."""
        from zimage_cli.core.run.engine import Engine

        return Engine(lambda _: maker, options, watcher)

    def jobs(self) -> Iterator[Job]:
        """Yield every picture with a name that no other of this run has."""
        region = self.settings.target.region_name
        taken: dict[str, int] = {}
        for number, request in enumerate(self.requests, 1):
            name = self.filename or self.template.render(request, region=region, number=number)
            taken[name] = taken.get(name, 0) + 1
            own = numbered(Path(name), taken[name]).name
            yield Job(1, number, request, self.template, own)

    def preview(self, job: Job) -> dict[str, Any]:
        """Return the exact call for a picture, where that would go and what it costs.

        No key is needed, and nothing is sent or written.
        """
        from zimage_cli.api.payload import curl_command
        from zimage_cli.core.making.account import Account

        target, request = self.settings.target, job.request
        root = target.api_root or SANDBOX_ROOT
        wire = Account(root, target.region_name, target.workspace, "").wire(request)
        path = self.place.wanted(job.output or "")
        price = list_price(target.region_name, request.prompt_extend)
        return {
            "method": wire.method,
            "url": wire.url,
            "headers": {**wire.headers, "Authorization": f"Bearer {self._masked_key()}"},
            "body": wire.body.decode(),
            "curl": curl_command(wire),
            "path": None if path == "-" else path,
            # os.path and not Path: that one raises for a name that is too long.
            "exists": path != "-" and os.path.exists(path),  # noqa: PTH110
            "region": target.region_name,
            "endpoint": origin_of(wire.url),
            "price": SANDBOX_PRICE if target.is_sandbox else format_price(price),
            "cost": cost(price),
        }

    def _masked_key(self) -> str:
        try:
            found = self.settings.key()
        except AuthenticationError:
            found = None
        return found.value.masked if found else "$DASHSCOPE_API_KEY"


def multiplied(requests: Sequence[Request], sweep: Sweep) -> tuple[Request, ...]:
    """Return all that a sweep makes of requests, with their seeds drawn.

    Raises UsageError where these are too many to hold in memory.
    """
    longest = max(len(one.prompt) for one in requests)
    most = min(MAX_PICTURES, MAX_TEXT // longest or 1)
    found: list[Request] = []
    for one in requests:
        drawn = draw_seed()
        found += (
            variant.request if sweep.no_seed else variant.with_seed(drawn)
            for variant in variants(one, sweep, most=most - len(found), hint=_BATCH_HINT)
        )
    return tuple(found)


def place_for(
    output: str | Path | None,
    stream: Callable[[Iterator[bytes]], None] | None,
    folder: Path,
    *,
    overwrite: bool,
) -> tuple[Place, str | None]:
    """Return where pictures go, and the name of the file where `output` is one.

    `folder` is where they go without `output` and without `stream`. Raises UsageError.
    """
    from zimage_cli.core.making.save import FolderPlace, StreamPlace

    if stream is not None:
        return StreamPlace(stream), None
    if output is None:
        return FolderPlace(folder, overwrite=overwrite), None
    path = Path(output)
    if is_folder(os.fspath(output)):
        return FolderPlace(path, overwrite=overwrite), None
    return FolderPlace(path.parent, filename=path.name, overwrite=overwrite), path.name


def check_format(settings: Settings, said: str | None, made: Collection[str | None]) -> None:
    """Refuse a format, or a quality, that no picture of a run can have. Raises UsageError.

    `said` is the format of the name that was given for it, `made` are those that it makes.
    """
    asked, quality = settings.format, settings.quality
    if said not in {None, asked.value} and asked.origin.kind is Kind.FLAG:
        raise UsageError(
            "--format {format} and the file's name contradict each other: that ends like {said}. "
            "Nothing was sent.",
            hint="Give only one of them.",
            field="format",
            format=asked.value,
            said=said,
        )
    if quality.origin.is_given and made and not QUALITY.keys() & made:
        raise UsageError(
            "{source} is for JPEG and WebP, and this makes PNG. Nothing was sent.",
            hint="Say so too: --format jpeg or --format webp",
            field="quality",
            source=quality.origin,
        )


def is_folder(output: str) -> bool:
    """Tell whether `--output` means a folder; raises UsageError for a file of another format."""
    if output == "-":
        return False
    if "\0" in output:
        raise UsageError("--output holds a NUL character", field="output")
    # os.path and not Path: that one raises for a name that is too long.
    if output.endswith(("/", os.sep)) or os.path.isdir(output):  # noqa: PTH112
        return True
    suffix = Path(output).suffix.lower()
    if suffix in OTHER_SUFFIXES:
        raise UsageError(
            "--output: {value} ends in {suffix}, and pictures are PNG, JPEG or WebP",
            hint="Name it {nearest}, or end it in .jpg or .webp.",
            field="output",
            value=output,
            suffix=suffix,
            nearest=str(Path(output).with_suffix(".png")),
        )
    if not Path(output).name:
        raise UsageError("--output: {value!r} names no file", field="output", value=output)
    return False
