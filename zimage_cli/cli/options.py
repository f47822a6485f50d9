"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from zimage_cli.core.settings.table import TABLE
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

PICTURE = "Picture"
SERVICE = "Service"
SAVING = "Saving"
REPORT = "Report"
RUN = "Run"


def option(panel: str, names: str, about: str, metavar: str | None = None, **more: Any) -> Any:
    """Return an option with its names (`--count -n`) and a help that stands in a panel."""
    return typer.Option(*names.split(), help=about, metavar=metavar, rich_help_panel=panel, **more)


def _setting(name: str, panel: str, **more: Any) -> Any:
    """Return the option of a setting, as the table declares it."""
    one = TABLE[name]
    return option(panel, " ".join(one.flags), one.help, one.metavar, show_default=False, **more)


def path(text: str) -> Path:
    """Return the path in a text. Raises ValueError for none, which Path takes for this folder."""
    if not text.strip():
        raise ValueError(text)
    return Path(text)


def refuse_outside(name: str, value: float, least: float, most: float | None = None) -> None:
    """Raise UsageError where the value of an option is out of its range."""
    if least <= value < (inf if most is None else most + 1):
        return
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    raise UsageError(
        "{option}: {value} is not allowed; allowed: {allowed}",
        option=name,
        field=name.lstrip("-").replace("-", "_"),
        value=value,
        allowed=f"{least:,} … {most:,}" if most else Message("{least} or more", least=least),
    )


Size = Annotated[str | None, _setting("size", PICTURE)]
Seed = Annotated[
    int | None,
    option(PICTURE, "--seed", "0 … 2147483647; default: drawn, sent and recorded.", "N"),
]
NEW = "new"
"""The seed that is none: another is drawn."""


def integer_or_new(text: str) -> str:
    """Return the text as it is. Raises ValueError for any other."""
    return text if text == NEW else str(int(text))


SeedOrNew = Annotated[
    str | None,
    typer.Option(
        "--seed",
        help="0 … 2147483647, or new; default: drawn, sent and recorded.",
        metavar="N",
        parser=integer_or_new,
        rich_help_panel=PICTURE,
    ),
]
"""The seed of one request: `new` has one drawn where a recorded request has one."""
NoSeed = Annotated[
    bool, option(PICTURE, "--no-seed", "Leave the seed to the service, which does not say it.")
]
PromptExtend = Annotated[bool | None, _setting("prompt_extend", PICTURE)]
Count = Annotated[
    int,
    option(PICTURE, "--count -n", "How many, with the seeds N, N+1 …; default: 1.", "N"),
]
Region = Annotated[str | None, _setting("region", SERVICE)]
Endpoint = Annotated[str | None, _setting("endpoint", SERVICE)]
Workspace = Annotated[str | None, _setting("workspace", SERVICE)]
BaseUrl = Annotated[str | None, _setting("base_url", SERVICE)]
Sandbox = Annotated[
    bool, option(SERVICE, "--sandbox", "Ask the stand-in inside zimage: no key, no cost.")
]
Timeout = Annotated[str | None, _setting("timeout", SERVICE)]
Retries = Annotated[str | None, _setting("retries", SERVICE)]
RetryLost = Annotated[
    bool,
    option(
        SERVICE, "--retry-lost", "Try again also where the answer was lost: may be billed twice."
    ),
]
Rps = Annotated[str | None, _setting("rps", RUN)]
PaceAlone = Annotated[bool, _setting("pace_url", RUN)]
OutputDir = Annotated[Path | None, _setting("output_dir", SAVING, parser=path)]
NameOption = Annotated[
    str | None,
    option(
        SAVING,
        "--name",
        "File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} "
        "{width} {height}.",
        "TEMPLATE",
    ),
]
Format = Annotated[str | None, _setting("format", SAVING)]
Quality = Annotated[str | None, _setting("quality", SAVING)]
NoMetadata = Annotated[bool, _setting("metadata", SAVING)]
NoEvidence = Annotated[bool, _setting("evidence", SAVING)]
Preview = Annotated[bool | None, _setting("preview", REPORT)]
Json = Annotated[bool, option(REPORT, "--json", "One JSON document on stdout.")]
Quiet = Annotated[bool, option(REPORT, "--quiet -q", "Only results and errors.")]
RequestJson = Annotated[
    str | None, option(PICTURE, "--request", "The request as a JSON object.", "JSON")
]
RequestFile = Annotated[
    str | None,
    option(PICTURE, "--file", "A file with the request as a JSON object; - for stdin.", "FILE"),
]
Expand = Annotated[
    bool,
    option(
        PICTURE,
        "--expand",
        "Multiply alternatives in prompts: 'a {red|blue} kite' are two, 'a {@colours.txt} kite' "
        "are as many as that file has lines.",
    ),
]
Preset = Annotated[
    list[str] | None,
    option(
        PICTURE,
        "--preset",
        "Put a preset around the prompt (zimage config preset); can be given again.",
        "NAME",
    ),
]
Sizes = Annotated[str | None, option(PICTURE, "--sizes", "Multiply by sizes: 1:1,16:9.", "LIST")]
Seeds = Annotated[str | None, option(PICTURE, "--seeds", "Multiply by seeds: 1-4,9.", "LIST")]
MaxCost = Annotated[
    str | None,
    option(RUN, "--max-cost", "Spend no more than this, in the region's currency.", "AMOUNT"),
]
Yes = Annotated[bool, option(RUN, "--yes -y", "Do not ask, whatever it costs.")]
