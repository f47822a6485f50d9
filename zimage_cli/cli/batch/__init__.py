"""`zimage batch`: many prompts, at the account's limit, that survives anything."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.cli import asking, options, process
from zimage_cli.cli.app import App
from zimage_cli.cli.batch.view import Again, BatchView, report, show, summary
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.advice import exit_status
from zimage_cli.core.batch.reader import LineDefaults
from zimage_cli.core.batch.source import open_source
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.run.money import parse_bound
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.settings.settings import Flags
from zimage_cli.errors import Billed, BoundReached, UsageError
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.batch.plan import FilePlan, Preflight

NOT_ALL_STATUS = 9
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
    rps: options.Rps = None,
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
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise UsageError(
            "--concurrency: {value} is not allowed; allowed: {allowed}",
            field="concurrency",
            value=concurrency,
            allowed=f"1 … {MAX_CONCURRENCY}",
        )
    sweep = options.sweep(
        count=count,
        expand=expand,
        size=size,
        sizes=sizes,
        seed=seed,
        seeds=seeds,
        no_seed=no_seed,
    )
    run_options = RunOptions(
        concurrency=concurrency,
        retry_failed=retry_failed,
        retry_lost=retry_lost,
        max_cost=parse_bound(max_cost),
        patience=_patience(patience),
    )
    out = Output(quiet=quiet)
    again = Again(tuple(sys.argv[1:]))
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
        evidence=False if no_evidence else None,
        sandbox=sandbox or None,
    )
    with (
        Client(flags=flags, on_warning=out.warn) as client,
        open_source(file, input_format, stdin=getattr(sys.stdin, "buffer", None)) as source,
    ):
        for text in client.settings.warnings:
            out.warn(text)
        fields = client.settings.request_defaults
        if seed is not None:
            fields["seed"] = seed
        plan = client.plan_file(
            source,
            LineDefaults(
                fields=fields,
                template=NameTemplate.parse() if name is None else NameTemplate.parse(name),
                sweep=sweep,
                shard=_shard(shard),
            ),
            run_options,
            folder=output,
            trust_base_url=trust_base_url,
            fresh=fresh,
            dry=dry_run,
        )
        with closing(plan):
            _refuse_invalid(out, plan.preflight, skip_invalid=skip_invalid)
            show(out, plan)
            asking.agree(out, plan, yes=yes or dry_run, aloud=False)
            if dry_run:
                _end_dry(out, plan, json=json)
                return
            status = _run(out, client, plan, again, json=json)
    if status:
        raise typer.Exit(status)


def _refuse_invalid(out: Output, preflight: Preflight, *, skip_invalid: bool) -> None:
    """List what is wrong with the lines; raises UsageError unless those may be left out."""
    if not preflight.invalid:
        return
    for line, text in preflight.problems:
        out.say(f"line {line}: {visible(text)}")
    more = preflight.invalid - len({line for line, _ in preflight.problems})
    if more > 0:
        out.say(f"and {more} more lines")
    if not skip_invalid:
        raise UsageError(
            "{invalid} of {lines} lines cannot be used. Nothing was sent.",
            hint="Mend them, or make the others: --skip-invalid",
            invalid=preflight.invalid,
            lines=preflight.lines,
        )


def _end_dry(out: Output, plan: FilePlan, *, json: bool) -> None:
    if json:
        document = {"type": "summary", "schema": 1, "status": "dry-run", **plan.document}
        out.json({**document, "errors": []})
    out.note("nothing was sent")


def _run(out: Output, client: Client, plan: FilePlan, again: Again, *, json: bool) -> int:
    """Make the pictures, say what came of them, and return the exit status."""
    preflight = plan.preflight
    # Until the summary is printed: whoever stops a run reads how far it came.
    with Signals() as signals:
        currency = preflight.cost.currency if preflight.cost else None
        with BatchView(out, preflight.pictures, currency, json=json) as view:
            process.lean_memory()
            process.allow_files(plan.options.concurrency, sandbox=plan.settings.target.is_sandbox)
            run = client.start(plan, view, on_end=signals.wake)
            view.watch(run)
            signals.drive(run, view, patient=True)
        tally, error = run.tally, run.fatal
        if len(signals.numbers) > 1:
            billed = tally.billed[Billed.MAYBE] or run.unsettled
            lost = ": what was in flight may have been made and billed" if billed else ""
            out.say(f"left at once{lost}")
        report(out, plan, tally, again)
        if error is not None:
            if not isinstance(error, BoundReached):
                # Of that the summary speaks, with the command that goes on.
                print_error(out, error)
            status = exit_status(error)
        elif signals.numbers:
            status = 128 + signals.numbers[0]
        else:
            left = tally.not_saved + preflight.invalid + preflight.unsaved
            status = NOT_ALL_STATUS if left else 0
        if view.lost is not None:
            raise view.lost
        if json and not (run.left_behind and view.stuck):
            out.json(summary(plan, tally, again, status, error))
    return status


def _patience(text: str) -> float:
    """Return a span such as `90`, `30m` or `2h` in seconds. Raises UsageError."""
    digits, unit = text.strip(), 1
    if digits[-1:] in _UNITS:
        digits, unit = digits[:-1], _UNITS[digits[-1]]
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise UsageError(
            "--patience: {value!r} is not allowed; allowed: {allowed}",
            field="patience",
            value=text,
            allowed="seconds, or a span such as 30m or 2h",
        )
    return float(int(digits) * unit)


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    part, slash, parts = text.partition("/")
    digits = part.isascii() and part.isdecimal() and parts.isascii() and parts.isdecimal()
    if not slash or not digits or len(text) > 20 or not 1 <= int(part) <= int(parts):
        raise UsageError(
            "--shard: {value!r} is not allowed; allowed: {allowed}",
            field="shard",
            value=text,
            allowed="I/N such as 1/4",
        )
    return int(part), int(parts)
