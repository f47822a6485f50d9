"""`zimage batch`: many prompts, at the account's limit, that survives anything."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from zimage_cli.api.errors import UsageError
from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.output import Output
from zimage_cli.core.environment import Environment
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.settings import Flags, resolve

MAX_CONCURRENCY = 256
_UNITS = {"s": 1, "m": 60, "h": 3600}

app = App()


@app.command(
    epilog="Examples:\n\nzimage batch prompts.txt --sandbox\n\n"
    "zimage batch prompts.jsonl -o pictures/ --max-cost 50 --yes\n\n"
    "zimage batch prompts.csv -o pictures/ --retry-failed",
    document={"type": "summary"},
    statuses=(0, 2, 3, 4, 5, 6, 7, 8, 9, 130),
)
def batch(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help=".jsonl, .ndjson, .csv, .tsv or .txt, a prompt or request a line; - for stdin.",
        ),
    ],
    size: options.Size = None,
    seed: options.Seed = None,
    no_seed: options.NoSeed = False,
    prompt_extend: options.PromptExtend = None,
    count: options.Count = 1,
    expand: options.Expand = False,
    sizes: options.Sizes = None,
    seeds: options.Seeds = None,
    region: options.Region = None,
    endpoint: options.Endpoint = None,
    workspace: options.Workspace = None,
    base_url: options.BaseUrl = None,
    sandbox: options.Sandbox = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    retry_lost: options.RetryLost = False,
    trust_base_url: Annotated[
        bool,
        typer.Option(
            "--trust-base-url",
            help="Let lines say where they, and your key, are sent.",
            rich_help_panel=options.SERVICE,
        ),
    ] = False,
    rps: Annotated[
        str | None,
        typer.Option(
            "--rps",
            help="Requests a second, over all zimages of this account (2); 0 for no limit.",
            metavar="F",
            rich_help_panel=options.RUN,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            "-j",
            help="Lines in flight at most.",
            metavar="N",
            rich_help_panel=options.RUN,
        ),
    ] = 16,
    patience: Annotated[
        str,
        typer.Option(
            "--patience",
            help="How long to wait for a service that cannot be reached: 90, 30m, 2h.",
            metavar="SPAN",
            rich_help_panel=options.RUN,
        ),
    ] = "1h",
    max_cost: options.MaxCost = None,
    yes: options.Yes = False,
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="Make the lines that are right although others are not.",
            rich_help_panel=options.RUN,
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Also make lines that failed in an earlier run.",
            rich_help_panel=options.RUN,
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh",
            help="Start over: make every line again, beside the old files.",
            rich_help_panel=options.RUN,
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            help="Only the I-th of N equal parts, for several machines.",
            metavar="I/N",
            rich_help_panel=options.RUN,
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            help="jsonl, csv, tsv or txt, where the file's name does not say.",
            metavar="FORMAT",
            rich_help_panel=options.RUN,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the pictures and of results.jsonl.",
            metavar="DIR",
            rich_help_panel=options.SAVING,
        ),
    ] = None,
    output_dir: options.OutputDir = None,
    name: options.NameOption = None,
    no_evidence: options.NoEvidence = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON object on stdout as each line ends.",
            rich_help_panel=options.REPORT,
        ),
    ] = False,
    quiet: options.Quiet = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check every line and show number, price and time; send nothing.",
            rich_help_panel=options.REPORT,
        ),
    ] = False,
) -> None:
    """Make a picture of every line of a file; run it again to go on where it stopped."""
    from zimage_cli.cli import batch_run
    from zimage_cli.cli.batch_check import Wishes
    from zimage_cli.cli.session import pictures_folder
    from zimage_cli.core.batch.plan import Defaults
    from zimage_cli.core.batch.source import open_source
    from zimage_cli.core.batch.tally import Options
    from zimage_cli.core.expand import parse_seeds, parse_sizes

    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise UsageError(
            f"--concurrency: {concurrency} is not allowed; allowed: 1 … {MAX_CONCURRENCY}"
        )
    if seed is not None and no_seed:
        raise UsageError("--seed and --no-seed contradict each other: give only one")
    out = Output(quiet=quiet)
    flags = Flags(
        region=region,
        endpoint=endpoint,
        workspace=workspace,
        base_url=base_url,
        size=size,
        prompt_extend=prompt_extend,
        output_dir=output_dir,
        timeout=timeout,
        retries=retries,
        rps=rps,
        sandbox=sandbox or None,
    )
    settings = resolve(Environment.current(), flags)
    for text in settings.warnings:
        out.warn(text)
    fields: dict[str, object] = {
        "size": settings.size.value,
        "prompt_extend": settings.prompt_extend.value,
    }
    if seed is not None:
        fields["seed"] = seed
    folder = output or pictures_folder(settings.output_dir.value)
    defaults = Defaults(
        fields=fields,
        template=NameTemplate.parse(name) if name is not None else NameTemplate.parse(),
        count=options.check_count(count),
        expand=expand,
        sizes=parse_sizes(sizes) if sizes else (),
        seeds=parse_seeds(seeds) if seeds else (),
        shard=_shard(shard),
        folder=folder,
    )
    wishes = Wishes(
        options=Options(
            concurrency=concurrency,
            retry_failed=retry_failed,
            retry_lost=retry_lost,
            no_seed=no_seed,
            max_cost=parse_max_cost(max_cost),
            patience=_patience(patience),
        ),
        yes=yes,
        skip_invalid=skip_invalid,
        fresh=fresh,
        keep_evidence=not no_evidence,
        json=json,
        dry_run=dry_run,
        trust_base_url=trust_base_url,
        folder=folder,
        flags=flags,
        command=tuple(sys.argv[1:]),
    )
    with ExitStack() as stack:
        source = stack.enter_context(
            open_source(file, input_format, stdin=getattr(sys.stdin, "buffer", None))
        )
        status = batch_run.run(out, settings, defaults, source, wishes)
    if status:
        raise typer.Exit(status)


def parse_max_cost(text: str | None) -> Decimal | None:
    """Return `--max-cost` as an amount; None where it was not given. Raises UsageError."""
    if text is None:
        return None
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--max-cost: {text!r} is not an amount; allowed: a number such as 50")
    return amount


def _patience(text: str) -> float:
    """Return a span such as `90`, `30m` or `2h` in seconds. Raises UsageError."""
    digits, unit = text.strip(), 1
    if digits[-1:] in _UNITS:
        digits, unit = digits[:-1], _UNITS[digits[-1]]
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise UsageError(
            f"--patience: {text!r} is not allowed; allowed: seconds, or a span such as 30m or 2h"
        )
    return float(int(digits) * unit)


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    part, slash, parts = text.partition("/")
    digits = part.isascii() and part.isdecimal() and parts.isascii() and parts.isdecimal()
    if not slash or not digits or len(text) > 20 or not 1 <= int(part) <= int(parts):
        raise UsageError(f"--shard: {text!r} is not allowed; allowed: I/N such as 1/4")
    return int(part), int(parts)
