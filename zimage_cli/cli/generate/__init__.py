"""`zimage generate`: one prompt, one picture (or several that differ by words, size or seed)."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.cli import asking, options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import LEFT_BEHIND, NEXT, Interrupted, print_error
from zimage_cli.cli.output import Output, document
from zimage_cli.cli.signals import Signals
from zimage_cli.cli.view import shown_on_terminal
from zimage_cli.client import Client
from zimage_cli.core.advice import error_documents, exit_status
from zimage_cli.core.run.money import parse_bound
from zimage_cli.core.run.plan import is_folder
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.settings.settings import Flags
from zimage_cli.core.status import Status
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Listing, Message, counted

if TYPE_CHECKING:
    from zimage_cli.cli.generate.display import Display
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.run.run import Run

app = App()


@app.command(
    epilog="Examples:\n\n"
    "zimage generate 'A calm lake at dawn' --size '1280*720'\n\n"
    "zimage generate 'A fox in the snow' -n 4 --seed 7 -o foxes/\n\n"
    "zimage generate 'A fox in the snow' --preset ink\n\n"
    "zimage generate 'a {red|blue} kite' --expand --sizes 1:1,16:9 --max-cost 1\n\n"
    "zimage generate --like 42 --seed new\n\n"
    "echo 'A red kite' | zimage generate - --json",
    document={"images": []},
    everyday=("--size", "--seed", "--prompt-extend", "--count", "--output", "--sandbox"),
    statuses=(0, 2, 3, 4, 5, 6, 7, 8, 9, 130),
)
def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROMPT]", help="What to paint, in Chinese or English; - reads standard input."
        ),
    ] = None,
    size: options.Size = None,
    seed: options.SeedOrNew = None,
    no_seed: options.NoSeed = False,
    prompt_extend: options.PromptExtend = None,
    preset: options.Preset = None,
    count: options.Count = 1,
    expand: options.Expand = False,
    sizes: options.Sizes = None,
    seeds: options.Seeds = None,
    request: options.RequestJson = None,
    file: options.RequestFile = None,
    like: Annotated[
        str | None,
        options.option(
            options.PICTURE,
            "--like",
            "Begin with the recorded request of a picture: a history id, last, or its file.",
            "REF",
        ),
    ] = None,
    rewritten: Annotated[
        bool,
        options.option(
            options.PICTURE,
            "--rewritten",
            "With --like: send its rewritten prompt as it is, at half the price.",
        ),
    ] = False,
    region: options.Region = None,
    endpoint: options.Endpoint = None,
    workspace: options.Workspace = None,
    base_url: options.BaseUrl = None,
    sandbox: options.Sandbox = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    retry_lost: options.RetryLost = False,
    pace_alone: options.PaceAlone = False,
    max_cost: options.MaxCost = None,
    yes: options.Yes = False,
    output: Annotated[
        str | None,
        options.option(
            options.SAVING,
            "--output -o",
            "Picture file, folder (an existing one, or ending in /), or - for stdout.",
            "FILE|DIR|-",
        ),
    ] = None,
    output_dir: options.OutputDir = None,
    name: options.NameOption = None,
    overwrite: Annotated[
        bool,
        options.option(
            options.SAVING, "--overwrite", "Replace an existing file instead of adding a number."
        ),
    ] = False,
    format: options.Format = None,  # noqa: A002 - the option's name
    quality: options.Quality = None,
    no_metadata: options.NoMetadata = False,
    no_evidence: options.NoEvidence = False,
    view: Annotated[
        bool,
        options.option(
            options.REPORT, "--open", "Then show what was saved in the desktop's viewer."
        ),
    ] = False,
    preview: options.Preview = None,
    json: options.Json = False,
    print_response: Annotated[
        bool,
        options.option(
            options.REPORT, "--print-response", "The response on stdout, one JSON object a picture."
        ),
    ] = False,
    quiet: options.Quiet = False,
    dry_run: Annotated[
        bool,
        options.option(
            options.REPORT,
            "--dry-run",
            "Show the exact request, where it would go, and its price; send nothing.",
        ),
    ] = False,
) -> None:
    """Make a picture of a prompt and save it."""
    to_stdout = output == "-"
    _refuse_contradictions(
        results=[("--json", json), ("--print-response", print_response), ("-o -", to_stdout)],
        sources=[("--like", like), ("--request", request), ("--file", file)],
        names=(name is not None, output is not None and not is_folder(output)),
        dry_run=dry_run,
    )
    if view:
        _refuse_unseen(output)
    sweep = asking.sweep(
        count=count,
        expand=expand,
        size=size,
        sizes=sizes,
        seed=seed,
        seeds=seeds,
        no_seed=no_seed,
    )
    bound = parse_bound(max_cost)
    out = Output(quiet=quiet)
    if to_stdout and not dry_run:
        _refuse_stdout(out)
    flags = Flags(
        region=region,
        endpoint=endpoint,
        workspace=workspace,
        base_url=base_url,
        output_dir=output_dir,
        timeout=timeout,
        retries=retries,
        pace_url=False if pace_alone else None,
        format=format,
        quality=quality,
        metadata=False if no_metadata else None,
        evidence=False if no_evidence else None,
        preview=preview,
        sandbox=sandbox or None,
    )
    with Client(flags=flags, on_warning=out.warn) as client:
        asked_for = any(one is not None for one in (prompt, request, file, like))
        if not asked_for and sys.stdin and sys.stdin.isatty():
            from zimage_cli.cli.generate.prompting import ask_for_prompt

            prompt = ask_for_prompt(out, client)
        source, prompt = asking.read_request(prompt, request, file)
        plan = client.plan(
            source,
            overrides={
                **asking.given(prompt=prompt, size=size, prompt_extend=prompt_extend),
                **asking.seed_of(seed),
            },
            like=like,
            rewritten=rewritten,
            preset=preset or (),
            sweep=sweep,
            output=output,
            stream=out.data if to_stdout else None,
            name=name,
            overwrite=overwrite,
            options=RunOptions(retry_lost=retry_lost, max_cost=bound, patience=None),
        )
        if view and len(plan.requests) > 1:
            from zimage_cli.cli.viewer import refuse_many

            refuse_many(len(plan.requests), "open")
        for text in plan.warnings:
            out.warn(text)
        for text in plan.notes:
            out.note_data(text)
        asks = plan.estimate.is_much and not (yes or dry_run)
        introduced = asks and shown_on_terminal(out)
        if introduced:
            from zimage_cli.cli.generate.cards import request_card

            out.show(request_card(plan, out.spelled))
        # Where nobody is asked, the request is shown with its price, or the list of a dry run.
        asking.agree(out, plan, yes=not asks, aloud=False, told=introduced or not asks)
        report = "json" if json else "response" if print_response else "paths"
        if dry_run:
            from zimage_cli.cli.generate.dry import show_requests

            show_requests(out, plan, report)
        else:
            _run(
                out,
                client,
                plan,
                report,
                opens=view,
                introduced=introduced,
                new_folder=_deep_folder(output, output_dir),
            )


def _refuse_contradictions(
    *,
    results: Sequence[tuple[str, bool]],
    sources: Sequence[tuple[str, str | None]],
    names: tuple[bool, bool],
    dry_run: bool,
) -> None:
    wanted = [option for option, given in results if given]
    if len(wanted) > 1:
        raise UsageError(
            "{options} both take standard output: give only one", options=Listing(" and ", wanted)
        )
    given = [option for option, text in sources if text is not None]
    if "--like" in given and len(given) > 1:
        raise UsageError(
            "{one} and {other} both give the request: give only one", one=given[0], other=given[1]
        )
    if dry_run and "--print-response" in wanted:
        raise UsageError("--dry-run sends nothing, so --print-response has nothing to print")
    if all(names):
        raise UsageError("--name and --output FILE both name the picture: give only one")


def _deep_folder(output: str | None, output_dir: str | Path | None) -> str | None:
    """Return the folder of the options where more than one level of it is not there yet."""
    folder = str(output_dir or "")
    if output is not None:
        folder = output if is_folder(output) else os.path.dirname(output)  # noqa: PTH120
    missing, path = 0, folder.rstrip(os.sep)
    # os.path and not Path: that one raises for a name that is too long.
    while path and not os.path.exists(path):  # noqa: PTH110
        missing, path = missing + 1, os.path.dirname(path)  # noqa: PTH120
    return folder.rstrip(os.sep) if missing > 1 else None


def _refuse_unseen(output: str | None) -> None:
    """Refuse a file that --open cannot show, before its picture is paid for."""
    from zimage_cli.core.request.wish import SUFFIXES, format_of

    if output == "-":
        raise UsageError(
            "--open and -o - contradict each other: what goes to the standard output has no file"
        )
    if output is not None and not is_folder(output) and format_of(output) is None:
        raise UsageError(
            "--open does not show {path}: by its name it is no picture.",
            hint="A name that is shown ends in {allowed}.",
            field="output",
            value=output,
            path=output,
            allowed=Listing(", ", SUFFIXES),
        )


def _refuse_stdout(out: Output) -> None:
    """Refuse a standard output that no picture can go to, before one is paid for."""
    if out.stdout.isatty():
        raise UsageError(
            "a picture's bytes are not for a terminal", hint="Pipe them: … -o - | viewer"
        )
    if out.stdout_closed:
        raise UsageError("-o -: the standard output is closed")


def _run(
    out: Output, client: Client, plan: RequestPlan, report: str, *, opens: bool, **shown: Any
) -> None:
    """Make the pictures and say what came of them; `shown` is more that `Display` takes.

    With `opens`, those that are saved are opened in the desktop's viewer.

    Raises typer.Exit with the first failure's status, or Interrupted.
    """
    from zimage_cli.cli.generate.display import Display

    with Signals() as signals:
        view = Display(out, plan, report, **shown)
        with view:
            run = client.start(plan, view, on_end=signals.wake)
            view.on_lost = run.stop
            if shown_on_terminal(out):
                from zimage_cli.cli import keys

                keys.give_back_on_signals()
            # One picture is given up at once; of several, those that are paid are waited for.
            signals.drive(run, view, patient=len(plan.requests) > 1)
        view.total()
        failures = view.failures
        if signals.numbers or view.lost is not None:
            ended = [one for one in failures if one.job.number not in view.stopped]
            _print_errors(out, plan, [error for error, _ in _errors(ended)])
            if view.lost is not None:
                raise _untaken(view.lost, view)
            raise _interrupted(signals.numbers[0], run, plan, view, report)
    errors = _errors(failures)
    if run.fatal is not None and run.fatal not in [error for error, _ in errors]:
        number = min(len(view.pictures), len(plan.requests) - 1)
        errors.append((run.fatal, plan.requests[number].prompt))
    _print_errors(out, plan, [error for error, _ in errors])
    if view.pictures:
        _tell_missing(out, failures)
    left = len(plan.requests) - len(view.pictures) - len(failures)
    if left and len(plan.requests) > 1:
        template = "{left:,} of {count:,} pictures were not asked for"
        out.say(Message(template, left=left, count=len(plan.requests)))
    if report == "json":
        try:
            out.json(_document(view, errors))
        except UsageError as error:
            raise _untaken(error, view) from None
    if opens:
        from zimage_cli.cli.viewer import open_files

        made = (view.pictures[number].path for number in sorted(view.pictures))
        open_files(out, [path for path in made if path is not None])
    if errors:
        raise typer.Exit(exit_status(errors[0][0]))


def _untaken(error: Exception, view: Display) -> Exception:
    """Return the error of a standard output that took no result, with where the pictures are."""
    paths = [str(one.path) for _, one in sorted(view.pictures.items()) if one.path is not None]
    if not (paths and isinstance(error, UsageError)):
        return error
    return error.but(hint="These pictures are saved: {paths}", paths=Listing(", ", paths))


def _errors(failures: list[Outcome]) -> list[tuple[ZimageError, str]]:
    """Return the error of each failure in the order of the pictures, with its prompt."""
    told = sorted(failures, key=lambda one: one.job.number)
    return [(one.error, one.request.prompt) for one in told if one.error is not None]


def _print_errors(out: Output, plan: RequestPlan, errors: Sequence[ZimageError]) -> None:
    """Print errors; of those that are the same, one, with how many pictures ended so.

    Pictures that are asked for at once fail the same way, and a person reads that once; but a hint
    may hold the address of a picture that nothing else knows.
    """
    same: dict[tuple[str, str | None], list[ZimageError]] = {}
    for error in errors:
        same.setdefault((error.message, error.hint), []).append(error)
    for alike in same.values():
        print_error(out, alike[0])
        if len(alike) > 1:
            template = "  pictures: {count:,} of {all:,} ended so"
            out.say(Message(template, count=len(alike), all=len(plan.requests)))


def _tell_missing(out: Output, failures: list[Outcome]) -> None:
    """Say how to make only what is missing: the same command would pay for the others again."""
    ids = [one.history_id for one in failures if one.status in {Status.FAILED, Status.LOST}]
    if not ids or None in ids:
        return
    words = counted(
        len(ids),
        "The same command makes all pictures again. To make only what is missing: "
        "zimage generate --like {ids}",
        "The same command makes all pictures again. To make only what is missing, for each ID "
        "of {ids}: zimage generate --like ID",
        ids=Listing(", ", sorted(filter(None, ids))),
    )
    out.tell(words, label=NEXT, sgr="1", indent="  ")


def _interrupted(
    number: int, run: Run, plan: RequestPlan, view: Display, report: str
) -> Interrupted:
    """Return the interrupt with what became of the pictures that were being made."""
    counts = Counter(filter(None, view.stopped.values()))
    notes = [
        Message("{count:,} pictures: {note}", count=count, note=note) if count > 1 else note
        for note, count in counts.items()
    ]
    if run.unsettled:
        notes.append(LEFT_BEHIND)
    end = Interrupted(number, note=Listing("\n", notes) if notes else None)
    if report == "json":
        found = _document(view, _errors(view.failures))
        found["status"] = "partial" if view.pictures else "error"
        ended = {one.job.number for one in view.failures} | set(view.pictures)
        jobs = list(plan.jobs())
        first = next((job for job in jobs if job.number not in ended), jobs[-1])
        found["errors"].append(end.error_document(prompt=first.request.prompt))
        end.document = found
    return end


def _document(view: Display, errors: Sequence[tuple[ZimageError, str]]) -> dict[str, Any]:
    return document(
        "ok" if not errors else "partial" if view.pictures else "error",
        images=[view.pictures[number].document for number in sorted(view.pictures)],
        errors=[one for error, prompt in errors for one in error_documents(error, prompt=prompt)],
    )
