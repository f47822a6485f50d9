"""`zimage batch`: many prompts at the account's limit, in a run that can be continued."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.cli import asking, keys, options, process
from zimage_cli.cli.app import App
from zimage_cli.cli.batch import merge as merging
from zimage_cli.cli.batch.merge import MergeReport
from zimage_cli.cli.batch.progress import Progress
from zimage_cli.cli.batch.report import Report, is_done, lines_of, show
from zimage_cli.cli.batch.view import BatchView
from zimage_cli.cli.desktop import ring
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.client import Client
from zimage_cli.core.advice import exit_status
from zimage_cli.core.batch.reader import LineDefaults
from zimage_cli.core.batch.source import open_source
from zimage_cli.core.run.money import parse_bound
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.settings.settings import Flags
from zimage_cli.errors import BoundReached, UsageError
from zimage_cli.messages import Message, counted
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.batch.plan import FilePlan
    from zimage_cli.core.run.run import Run

NOT_ALL_STATUS = 9
MAX_CONCURRENCY = 256
_UNITS = {"s": 1, "m": 60, "h": 3600}

app = App()


@app.command(
    epilog="Examples:\n\nzimage batch prompts.txt --sandbox\n\n"
    "zimage batch prompts.jsonl -o pictures/ --max-cost 50 --yes\n\n"
    "zimage batch prompts.txt --preset ink\n\n"
    "zimage batch prompts.csv -o pictures/ --retry-failed\n\n"
    "zimage batch prompts.txt --merge shard1/ shard2/ -o all/",
    document={"type": "summary"},
    everyday=("--size", "--count", "--sandbox", "--max-cost", "--output", "--dry-run"),
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
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR]...", help="With --merge: the folders of the shards."),
    ] = None,
    size: options.Size = None,
    seed: options.Seed = None,
    no_seed: options.NoSeed = False,
    prompt_extend: options.PromptExtend = None,
    preset: options.Preset = None,
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
        options.option(
            options.SERVICE, "--trust-base-url", "Let lines say where they, and your key, are sent."
        ),
    ] = False,
    rps: options.Rps = None,
    pace_alone: options.PaceAlone = False,
    concurrency: Annotated[
        int,
        options.option(
            options.RUN, "--concurrency -j", "Lines in flight at most; default: 16.", "N"
        ),
    ] = 16,
    patience: Annotated[
        str,
        options.option(
            options.RUN,
            "--patience",
            "How long to wait for a service that cannot be reached: 90, 30m, 2h; default: 1h.",
            "SPAN",
        ),
    ] = "1h",
    max_cost: options.MaxCost = None,
    yes: options.Yes = False,
    skip_invalid: Annotated[
        bool,
        options.option(
            options.RUN, "--skip-invalid", "Make the lines that are right although others are not."
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        options.option(
            options.RUN, "--retry-failed", "Also make lines that failed in an earlier run."
        ),
    ] = False,
    fresh: Annotated[
        bool,
        options.option(
            options.RUN, "--fresh", "Start over: make every line again, beside the old files."
        ),
    ] = False,
    shard: Annotated[
        str | None,
        options.option(
            options.RUN, "--shard", "Only the I-th of N equal parts, for several machines.", "I/N"
        ),
    ] = None,
    merge: Annotated[
        bool,
        options.option(
            options.RUN, "--merge", "Bring the folders of shards together; makes no picture."
        ),
    ] = False,
    input_format: Annotated[
        str | None,
        options.option(
            options.RUN,
            "--input-format",
            "jsonl, csv, tsv or txt, where the file's name does not say.",
            "FORMAT",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        options.option(
            options.RUN,
            "--encoding",
            "What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.",
            "NAME",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        options.option(
            options.SAVING,
            "--output -o",
            "Folder of the pictures and of results.jsonl.",
            "DIR",
            parser=options.path,
        ),
    ] = None,
    output_dir: options.OutputDir = None,
    name: options.NameOption = None,
    format: options.Format = None,  # noqa: A002 - the option's name
    quality: options.Quality = None,
    no_metadata: options.NoMetadata = False,
    no_evidence: options.NoEvidence = False,
    json: Annotated[
        bool,
        options.option(options.REPORT, "--json", "One JSON object on stdout as each line ends."),
    ] = False,
    quiet: options.Quiet = False,
    notify: Annotated[
        bool,
        options.option(
            options.REPORT, "--notify", "Ring the terminal's bell when the run has ended."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        options.option(
            options.REPORT,
            "--dry-run",
            "Check every line and show number, price and time; send nothing.",
        ),
    ] = False,
) -> None:
    """Make a picture of every line of a file; run it again to go on where it stopped."""
    options.refuse_outside("--concurrency", concurrency, 1, MAX_CONCURRENCY)
    merging.refuse_beside(folders or [], merge=merge, shard=shard, fresh=fresh, dry_run=dry_run)
    sweep = asking.sweep(
        count=count,
        expand=expand,
        size=size,
        sizes=sizes,
        seed=seed,
        seeds=seeds,
        no_seed=no_seed,
        # Its lines may be somebody else's: they name files beside it, and no others.
        below=Path() if file == "-" else Path(file).parent,
    )
    run_options = RunOptions(
        concurrency=concurrency,
        retry_failed=retry_failed,
        retry_lost=retry_lost,
        max_cost=parse_bound(max_cost),
        patience=_patience(patience),
    )
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
        pace_url=False if pace_alone else None,
        format=format,
        quality=quality,
        metadata=False if no_metadata else None,
        evidence=False if no_evidence else None,
        sandbox=sandbox or None,
    )
    out = Output(quiet=quiet)
    with (
        Client(flags=flags, on_warning=out.warn) as client,
        open_source(
            file, input_format, encoding=encoding, stdin=getattr(sys.stdin, "buffer", None)
        ) as source,
    ):
        if source.guessed is not None and not quiet:
            out.tell(source.guessed)
        for text in client.settings.warnings:
            out.warn(text)
        if folders:
            merged = client.merge([Path(one) for one in folders], output)
            merging.run(out, merged)
        plan = client.plan_file(
            source,
            LineDefaults(
                fields=client.settings.request_defaults,
                outright=client.settings.given_defaults | asking.given(seed=seed),
                preset=preset or (),
                template=client.settings.template(name),
                sweep=sweep,
                shard=_shard(shard),
            ),
            run_options,
            folder=output,
            trust_base_url=trust_base_url,
            fresh=fresh,
            dry=dry_run or merge,
        )
        with closing(plan):
            if folders:
                report = MergeReport(plan, merged, sys.argv[1:], folders)
                report.show(out)
                if json:
                    out.json(report.document())
                if not report.is_whole:
                    raise typer.Exit(NOT_ALL_STATUS)
                return
            _refuse_invalid(out, plan, skip_invalid=skip_invalid)
            if dry_run or not is_done(plan):
                show(out, plan)
            # The price stands in the plan, where that is shown.
            asking.agree(out, plan, yes=yes or dry_run, aloud=False, told=not quiet)
            if dry_run:
                _end_dry(out, plan, json=json)
                return
            try:
                _run(out, client, plan, json=json)
            finally:
                if notify:
                    ring(out.stderr)


def _refuse_invalid(out: Output, plan: FilePlan, *, skip_invalid: bool) -> None:
    """Say what is wrong with the lines, the same thing once.

    Raises UsageError where lines are wrong, unless those are to be left out.
    """
    preflight = plan.preflight
    for text, lines in preflight.wrong.items():
        problem = visible(out.text(text))
        out.tell(Message("{lines}: {problem}", lines=lines_of(lines), problem=problem))
    told = {line for lines in preflight.wrong.values() for line in lines}
    more = preflight.invalid - len(told)
    if more > 0:
        out.say(counted(more, "and {count:,} more line", "and {count:,} more lines"))
    if preflight.invalid and not skip_invalid:
        raise UsageError(
            "{invalid} of {lines} lines of {file} cannot be used. Nothing was sent.",
            hint="Mend them, or make the others: --skip-invalid"
            if preflight.pictures
            else "Mend them.",
            file=plan.source.name,
            invalid=preflight.invalid,
            lines=preflight.lines,
        )


def _end_dry(out: Output, plan: FilePlan, *, json: bool) -> None:
    if json:
        document = {"type": "summary", "schema": 1, "status": "dry-run", **plan.document}
        out.json({**document, "errors": []})
    out.note(Message("nothing was sent"))


def _run(out: Output, client: Client, plan: FilePlan, *, json: bool) -> None:
    """Make the pictures and say what came of them. Raises typer.Exit where that is not all well."""
    # Signals are noted until the summary is printed: who stops a run still reads how far it came.
    found = plan.preflight
    with Signals() as signals:
        progress = Progress(found.pictures, plan.forecast(), found.cost)
        with BatchView(out, progress, json=json) as view:
            process.lean_memory()
            process.allow_files(plan.options.concurrency, sandbox=plan.settings.target.is_sandbox)
            run = client.start(plan, view, on_end=signals.wake)
            view.watch(run)
            keys.give_back_on_signals()
            signals.drive(run, view, patient=True)
        if len(signals.numbers) > 1:
            out.say(_cut_off(plan, run))
        report = Report(plan, run.tally, view.elapsed, tuple(sys.argv[1:]))
        report.show(out)
        # The report says that a bound was reached, with the command that goes on.
        if run.fatal is not None and not isinstance(run.fatal, BoundReached):
            print_error(out, run.fatal)
        status = _status(plan, run, signals.numbers)
        if view.lost is not None:
            raise view.lost
        if json and not (run.left_behind and view.stuck):
            out.json(report.document(status, run.fatal))
    if status:
        raise typer.Exit(status)


def _cut_off(plan: FilePlan, run: Run) -> Message:
    """Return what a second signal left in flight."""
    if not run.cut_off:
        return Message("left at once: nothing was being painted")
    if plan.settings.target.is_sandbox:
        return counted(
            run.cut_off,
            "left at once: {count:,} picture was left in flight",
            "left at once: {count:,} pictures were left in flight",
        )
    return counted(
        run.cut_off,
        "left at once: {count:,} picture was left in flight: it may have been made and billed",
        "left at once: {count:,} pictures were left in flight: they may have been made and billed",
    )


def _status(plan: FilePlan, run: Run, signals: list[int]) -> int:
    if run.fatal is not None:
        return exit_status(run.fatal)
    if signals:
        return 128 + signals[0]
    left = run.tally.not_saved + plan.preflight.invalid + plan.preflight.unsaved
    return NOT_ALL_STATUS if left else 0


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
            allowed=Message("seconds, or a span such as 30m or 2h"),
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
            allowed=Message("I/N such as 1/4"),
        )
    return int(part), int(parts)
