"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.core.request.sweep import MAX_COUNT
from zimage_cli.core.settings.table import TABLE
from zimage_cli.errors import UsageError

if TYPE_CHECKING:
    from zimage_cli.core.request.sweep import Sweep

PICTURE = "Picture"
SERVICE = "Service"
SAVING = "Saving"
REPORT = "Report"
RUN = "Run"


def sweep(
    *,
    count: int,
    expand: bool,
    size: str | None,
    sizes: str | None,
    seed: int | None,
    seeds: str | None,
    no_seed: bool,
) -> Sweep:
    """Return how the options multiply a request. Raises UsageError for those that contradict."""
    given = {
        "--size": size is not None,
        "--sizes": sizes is not None,
        "--seed": seed is not None,
        "--seeds": seeds is not None,
        "--no-seed": no_seed,
    }
    for one, other in _CONTRADICTIONS:
        if given[one] and given[other]:
            raise UsageError(
                "{one} and {other} contradict each other: give only one", one=one, other=other
            )
    if not 1 <= count <= MAX_COUNT:
        more = count > MAX_COUNT
        raise UsageError(
            "--count: {value} is not allowed; allowed: {allowed}",
            hint="For more, give the prompt several lines of a file: zimage batch FILE"
            if more
            else None,
            field="count",
            value=count,
            allowed=f"1 … {MAX_COUNT}",
            nearest=MAX_COUNT if more else 1,
        )
    from zimage_cli.core.request.sweep import ONE, Sweep

    if not (count > 1 or expand or sizes is not None or seeds is not None or no_seed):
        return ONE
    listed_sizes: tuple[str, ...] = ()
    listed_seeds: tuple[int, ...] = ()
    if sizes is not None or seeds is not None:
        from zimage_cli.core.request.expand import parse_seeds, parse_sizes

        listed_sizes = parse_sizes(sizes) if sizes is not None else ()
        listed_seeds = parse_seeds(seeds) if seeds is not None else ()
    return Sweep(count, expand, listed_sizes, listed_seeds, no_seed)


_CONTRADICTIONS = (
    ("--size", "--sizes"),
    ("--seed", "--seeds"),
    ("--seed", "--no-seed"),
    ("--seeds", "--no-seed"),
)


def _setting(name: str, panel: str) -> Any:
    """Return the option of a setting, as the table declares it."""
    one = TABLE[name]
    return typer.Option(
        *one.flags,
        help=one.help,
        metavar=one.metavar,
        rich_help_panel=panel,
        show_default=False,
    )


Size = Annotated[str | None, _setting("size", PICTURE)]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="0 … 2147483647; without one zimage draws it, sends it and records it.",
        metavar="N",
        rich_help_panel=PICTURE,
    ),
]
NoSeed = Annotated[
    bool,
    typer.Option(
        "--no-seed",
        help="Leave the seed to the service, which does not say it.",
        rich_help_panel=PICTURE,
    ),
]
PromptExtend = Annotated[bool | None, _setting("prompt_extend", PICTURE)]
Count = Annotated[
    int,
    typer.Option(
        "--count",
        "-n",
        help="How many pictures, with the seeds N, N+1, N+2 …",
        metavar="N",
        rich_help_panel=PICTURE,
    ),
]
Region = Annotated[str | None, _setting("region", SERVICE)]
Endpoint = Annotated[str | None, _setting("endpoint", SERVICE)]
Workspace = Annotated[str | None, _setting("workspace", SERVICE)]
BaseUrl = Annotated[str | None, _setting("base_url", SERVICE)]
Sandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Ask the stand-in inside zimage: no key, no cost.",
        rich_help_panel=SERVICE,
    ),
]
Timeout = Annotated[str | None, _setting("timeout", SERVICE)]
Retries = Annotated[str | None, _setting("retries", SERVICE)]
RetryLost = Annotated[
    bool,
    typer.Option(
        "--retry-lost",
        help="Try again also where the answer was lost: may be billed twice.",
        rich_help_panel=SERVICE,
    ),
]
Rps = Annotated[str | None, _setting("rps", RUN)]
OutputDir = Annotated[Path | None, _setting("output_dir", SAVING)]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        help="File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} "
        "{width} {height}.",
        metavar="TEMPLATE",
        rich_help_panel=SAVING,
    ),
]
NoEvidence = Annotated[bool, _setting("evidence", SAVING)]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout.", rich_help_panel=REPORT),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only results and errors.", rich_help_panel=REPORT),
]
RequestJson = Annotated[
    str | None,
    typer.Option(
        "--request",
        help="The request as a JSON object.",
        metavar="JSON",
        rich_help_panel=PICTURE,
    ),
]
RequestFile = Annotated[
    str | None,
    typer.Option(
        "--file",
        help="A file with the request as a JSON object; - for stdin.",
        metavar="FILE",
        rich_help_panel=PICTURE,
    ),
]
Expand = Annotated[
    bool,
    typer.Option(
        "--expand",
        help="Multiply alternatives in prompts: 'a {red|blue} kite' are two.",
        rich_help_panel=PICTURE,
    ),
]
Sizes = Annotated[
    str | None,
    typer.Option(
        "--sizes",
        help="Multiply by sizes: 1:1,16:9.",
        metavar="LIST",
        rich_help_panel=PICTURE,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        help="Multiply by seeds: 1-4,9.",
        metavar="LIST",
        rich_help_panel=PICTURE,
    ),
]
MaxCost = Annotated[
    str | None,
    typer.Option(
        "--max-cost",
        help="Spend no more than this, in the region's currency.",
        metavar="AMOUNT",
        rich_help_panel=RUN,
    ),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do not ask, whatever it costs.", rich_help_panel=RUN),
]
