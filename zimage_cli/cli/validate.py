"""`zimage validate`: checks everything without cost, and sends nothing without `--online`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zimage_cli.cli import asking, options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table
from zimage_cli.client import Client
from zimage_cli.core.advice import error_documents
from zimage_cli.core.files import reason
from zimage_cli.core.settings.settings import Flags
from zimage_cli.core.validate import report as selfcheck
from zimage_cli.core.validate.report import Check, Report
from zimage_cli.messages import Message
from zimage_cli.text import visible

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}

app = App()


@app.command(
    epilog="Examples:\n\nzimage validate\n\nzimage validate 'A calm lake' --size 16:9\n\n"
    "zimage validate --online --region singapore",
    document={"checks": []},
    everyday=("--size", "--request", "--region", "--sandbox", "--online", "--json"),
    statuses=(0, 2, 3, 5, 6, 7),
)
def validate(
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help="A prompt to check too; - reads standard input."),
    ] = None,
    size: options.Size = None,
    seed: options.SeedOrNew = None,
    prompt_extend: options.PromptExtend = None,
    preset: options.Preset = None,
    request: options.RequestJson = None,
    file: options.RequestFile = None,
    region: options.Region = None,
    endpoint: options.Endpoint = None,
    workspace: options.Workspace = None,
    base_url: options.BaseUrl = None,
    sandbox: options.Sandbox = False,
    online: Annotated[
        bool,
        options.option(
            options.SERVICE,
            "--online",
            "Ask the service too, read-only and free: reachable, key, model.",
        ),
    ] = False,
    output_dir: options.OutputDir = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check installation, settings and, if one is given, a request."""
    out = Output(quiet=quiet)
    flags = Flags(
        region=region,
        endpoint=endpoint,
        workspace=workspace,
        base_url=base_url,
        output_dir=output_dir,
        sandbox=sandbox or None,
    )
    overrides = asking.given(prompt=prompt, size=size, prompt_extend=prompt_extend)
    overrides |= asking.seed_of(seed)

    def read() -> selfcheck.Asked:
        source, text = asking.read_request(prompt, request, file)
        return source, {**overrides, **asking.given(prompt=text)}

    wants_request = bool(overrides or preset) or request is not None or file is not None
    report = Client.validate(
        flags, request=read if wants_request else None, preset=preset or (), online=online
    )
    _show(out, report)
    if json:
        out.document(
            "error" if report.exit_status else "ok",
            checks=[_document(check) for check in report.checks],
            errors=[document for error in report.errors for document in error_documents(error)],
        )
    raise typer.Exit(report.exit_status)


def _show(out: Output, report: Report) -> None:
    """Write `validate.txt`, and show the table and what failed."""
    try:
        report.write()
    except (OSError, ValueError) as error:
        out.warn(
            Message("{file} could not be written: {why}", file=selfcheck.REPORT, why=reason(error))
        )
    if not out.quiet:
        _show_table(out, report)
    for failure in report.errors:
        print_error(out, failure)
    why = selfcheck.obstacle(report.checks)
    if why is None:
        out.note(Message("{ready}", ready=out.style(out.text(selfcheck.READY), "1;32")))
    elif not out.quiet:
        out.tell(why, label=selfcheck.NOT_READY, sgr="1;31", fold=False)


def _show_table(out: Output, report: Report) -> None:
    headers = ("check", "status", "found")
    table = Table(headers, last="fold", piped=("status",), header=False)
    for check in report.checks:
        mark, style = _MARKS[check.status]
        # An error is told below, and what is missing in the verdict.
        found = Message("see below") if check.error is not None else check.detail
        if check.hint and check.status != selfcheck.FAILED and check.lacks is None:
            found = Message("{found}\n{way}", found=found, way=check.hint)
        text = visible(out.text(found), newlines=True)
        name = Message("{mark} {name}", mark=mark, name=check.name)
        table.add_row(Cell(name, style, piped=check.name), check.status, Cell(text, piped=found))
    out.show_table(table)


def _document(check: Check) -> dict[str, Any]:
    return {"name": check.name, "status": check.status, "detail": check.detail, "hint": check.hint}
