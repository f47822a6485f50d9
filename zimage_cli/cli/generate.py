"""`zimage generate`: one prompt, one picture (or several that differ by seed)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.errors import (
    AuthenticationError,
    BillingError,
    ConfigurationError,
    QuotaError,
    Stopped,
    UsageError,
    ZimageError,
)
from zimage_cli.cli import asking, options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import Interrupted, print_error
from zimage_cli.cli.output import Output
from zimage_cli.cli.plan import Plan, is_folder
from zimage_cli.cli.signals import Signals
from zimage_cli.core.advice import error_documents, exit_status
from zimage_cli.core.environment import Environment
from zimage_cli.core.names import NameTemplate
from zimage_cli.core.request import Request, draw_seed, prompt_warning, seeds
from zimage_cli.core.settings import Flags, Settings, refused_key_hint, resolve

if TYPE_CHECKING:
    from zimage_cli.cli.progress import Display
    from zimage_cli.core.job import Maker
    from zimage_cli.core.picture import Picture

_POINTLESS = (AuthenticationError, BillingError, QuotaError, UsageError, ConfigurationError)
"""After one of these the next picture of the same run would fail the same way."""

_LEFT_BEHIND = (
    "What was in flight may have been made and billed, and could not be noted in time: "
    "zimage history list"
)

app = App()


@app.command(
    epilog="Examples:\n\n"
    "zimage generate 'A calm lake at dawn' --size '1280*720'\n\n"
    "zimage generate 'A fox in the snow' -n 4 --seed 7 -o foxes/\n\n"
    "zimage generate 'a {red|blue} kite' --expand --sizes 1:1,16:9 --max-cost 1\n\n"
    "echo 'A red kite' | zimage generate - --json",
    document={"images": []},
    statuses=(0, 2, 3, 4, 5, 6, 7, 8, 130),
)
def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROMPT]", help="What to paint, in Chinese or English; - reads standard input."
        ),
    ] = None,
    size: options.Size = None,
    seed: options.Seed = None,
    no_seed: options.NoSeed = False,
    prompt_extend: options.PromptExtend = None,
    count: options.Count = 1,
    expand: options.Expand = False,
    sizes: options.Sizes = None,
    seeds: options.Seeds = None,
    request: options.RequestJson = None,
    file: options.RequestFile = None,
    region: options.Region = None,
    endpoint: options.Endpoint = None,
    workspace: options.Workspace = None,
    base_url: options.BaseUrl = None,
    sandbox: options.Sandbox = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    retry_lost: options.RetryLost = False,
    max_cost: options.MaxCost = None,
    yes: options.Yes = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Picture file, folder (an existing one, or ending in /), or - for stdout.",
            metavar="FILE|DIR|-",
            rich_help_panel=options.SAVING,
        ),
    ] = None,
    output_dir: options.OutputDir = None,
    name: options.NameOption = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace an existing file instead of adding a number.",
            rich_help_panel=options.SAVING,
        ),
    ] = False,
    no_evidence: options.NoEvidence = False,
    json: options.Json = False,
    print_response: Annotated[
        bool,
        typer.Option(
            "--print-response",
            help="The response on stdout, one JSON object a picture.",
            rich_help_panel=options.REPORT,
        ),
    ] = False,
    quiet: options.Quiet = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the exact request, where it would go, and its price; send nothing.",
            rich_help_panel=options.REPORT,
        ),
    ] = False,
) -> None:
    """Make a picture of a prompt and save it."""
    to_stdout = output == "-"
    _refuse_contradictions(
        count=count,
        results=[("--json", json), ("--print-response", print_response), ("-o -", to_stdout)],
        seeds=(seed is not None, no_seed),
        names=(name is not None, output is not None and not is_folder(output)),
        dry_run=dry_run,
    )
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
        sandbox=sandbox or None,
    )
    source, prompt = asking.read_request(prompt, request, file)
    overrides = asking.given(prompt=prompt, size=size, seed=seed, prompt_extend=prompt_extend)
    if no_seed:
        overrides["seed"] = None
    settings = resolve(Environment.current(), flags)
    asked, settings = asking.check(source, overrides, settings, flags)
    for text in (*settings.warnings, prompt_warning(asked.prompt)):
        if text:
            out.warn(text)
    multiplies = expand or sizes is not None or seeds is not None
    if multiplies:
        from zimage_cli.cli.sweep import requests_of

        requests = requests_of(asked, expand, sizes, seeds, count, no_seed=no_seed)
    else:
        requests = _with_seeds(asked, count, no_seed=no_seed)
    if to_stdout and len(requests) > 1:
        raise UsageError("-o - takes one picture, and these are several")
    plan = Plan(
        requests=requests,
        settings=settings,
        template=NameTemplate.parse(name) if name is not None else NameTemplate.parse(),
        output=output,
        overwrite=overwrite,
        keep_evidence=not no_evidence,
        retry_lost=retry_lost,
        report="json" if json else "response" if print_response else "paths",
    )
    if dry_run:
        from zimage_cli.cli.dry_run import show

        show(out, plan)
        return
    if multiplies or max_cost is not None:
        from zimage_cli.cli.sweep import agree

        agree(out, plan, max_cost, yes=yes or not multiplies)
    _Run(plan, out).run()


def _refuse_contradictions(
    *,
    count: int,
    results: Sequence[tuple[str, bool]],
    seeds: tuple[bool, bool],
    names: tuple[bool, bool],
    dry_run: bool,
) -> None:
    wanted = [option for option, given in results if given]
    if len(wanted) > 1:
        raise UsageError(f"{' and '.join(wanted)} both take standard output: give only one")
    if dry_run and "--print-response" in wanted:
        raise UsageError("--dry-run sends nothing, so --print-response has nothing to print")
    options.check_count(count)
    if count > 1 and "-o -" in wanted:
        raise UsageError("-o - takes one picture: --count must be 1")
    if all(seeds):
        raise UsageError("--seed and --no-seed contradict each other: give only one")
    if all(names):
        raise UsageError("--name and --output FILE both name the picture: give only one")


def _refuse_stdout(out: Output) -> None:
    """Refuse a standard output that no picture can go to, before one is paid for."""
    if out.stdout.isatty():
        raise UsageError(
            "a picture's bytes are not for a terminal", hint="Pipe them: … -o - | viewer"
        )
    if out.stdout_closed:
        raise UsageError("-o -: the standard output is closed")


def _with_seeds(request: Request, count: int, *, no_seed: bool) -> tuple[Request, ...]:
    """Return one request a picture: a picture whose seed is known can be made again."""
    if no_seed:
        return (request,) * count
    first = request.seed if request.seed is not None else draw_seed()
    return tuple(replace(request, seed=seed) for seed in seeds(first, count))


@dataclass
class _Run:
    """One run of `generate`: makes the pictures one after the other and reports.

    The pictures are made in a thread of their own. The main thread waits for it and for signals:
    the first one cancels, which closes the connection in use and sends nothing more.
    """

    plan: Plan
    out: Output
    pictures: list[Picture] = field(default_factory=list)
    failures: list[tuple[Request, ZimageError]] = field(default_factory=list)
    display: Display | None = None
    maker: Maker | None = None
    cancelled: bool = False

    def run(self) -> None:
        """Make the pictures. Raises typer.Exit with the first failure's status."""
        with Signals() as signals:
            try:
                signals.wait_for(self._make_all, self._cancel, self._unsettled)
            except ZimageError as error:
                # Before the first picture: no key, no place to save, no sandbox.
                self.failures.append((self.plan.requests[0], error))
            except Stopped:
                raise self._interrupted(signals.numbers[0]) from None
            self._report()

    def _cancel(self) -> None:
        # In this order: a maker that is opened just now sees that it comes too late.
        self.cancelled = True
        if self.maker is not None:
            self.maker.cancel()

    def _unsettled(self) -> bool:
        return self.maker is not None and self.maker.unsettled

    def _report(self) -> None:
        for _, failure in self.failures:
            print_error(self.out, failure)
        if self.plan.report == "json":
            self.out.json(self._document())
        if self.failures:
            raise typer.Exit(exit_status(self.failures[0][1]))

    def _make_all(self) -> None:
        from zimage_cli.cli.session import open_maker

        plan = self.plan
        with open_maker(
            plan.settings,
            self.out,
            plan.place(self.out),
            template=plan.template,
            keep_evidence=plan.keep_evidence,
            retry_lost=plan.retry_lost,
        ) as maker:
            self.maker = maker
            for number, request in enumerate(plan.requests, 1):
                if self.cancelled:
                    raise Stopped
                if not self._make_one(maker, request, number):
                    break

    def _make_one(self, maker: Maker, request: Request, number: int) -> bool:
        """Make one picture; False where the rest of the run would fail the same way."""
        from zimage_cli.cli.progress import Display

        facts = request_facts(request, self.plan.settings, maker.destination.origin)
        with Display(self.out, facts, number, len(self.plan.requests)) as display:
            self.display = display
            try:
                picture = maker.make(request, number=number, observer=display)
            except ZimageError as error:
                # A picture's host may answer 401 too; it has never seen a key.
                if isinstance(error, AuthenticationError) and error.http_status == 401:
                    error = error.but(hint=refused_key_hint(self.plan.settings))
                self.failures.append((request, error))
                return not isinstance(error, _POINTLESS)
        self.pictures.append(picture)
        display.report(picture)
        if self.plan.report == "response":
            self.out.json(picture.response)
        elif self.plan.report == "paths" and picture.path != "-":
            self.out.result(picture.path)
        return True

    def _interrupted(self, number: int) -> Interrupted:
        """Return the interrupt with what became of the picture that was being made."""
        for _, failure in self.failures:
            print_error(self.out, failure)
        note = None
        if self.display is not None:
            self.display.show_cursor()
            note = self.display.stopped_note or (_LEFT_BEHIND if self._unsettled() else None)
        end = Interrupted(number, note=note)
        if self.plan.report == "json":
            done = len(self.pictures) + len(self.failures)
            request = self.plan.requests[min(done, len(self.plan.requests) - 1)]
            document = self._document()
            document["status"] = "partial" if self.pictures else "error"
            document["errors"].append(end.error_document(prompt=request.prompt))
            end.document = document
        return end

    def _document(self) -> dict[str, Any]:
        status = "ok" if not self.failures else "partial" if self.pictures else "error"
        return {
            "schema": 1,
            "status": status,
            "images": [picture.document for picture in self.pictures],
            "errors": [
                document
                for request, error in self.failures
                for document in error_documents(error, prompt=request.prompt)
            ],
        }


def request_facts(request: Request, settings: Settings, origin: str) -> list[tuple[str, str]]:
    """Return the rows of the table that shows a request before it is made."""
    from zimage_cli.core.prices import format_price, list_price

    region = settings.target.region_name
    price = list_price(region, request.prompt_extend)
    endpoint = settings.target.endpoint
    return [
        ("prompt", request.prompt),
        ("size", request.size),
        ("seed", "left to the service" if request.seed is None else str(request.seed)),
        ("prompt_extend", "on" if request.prompt_extend else "off"),
        ("region", "sandbox: no key, no cost, no real picture" if region == "sandbox" else region),
        ("endpoint", f"{endpoint}, {origin}" if endpoint != region else origin),
        ("price", "free" if region == "sandbox" else format_price(price)),
    ]
