"""`zimage generate --dry-run`: what would be sent, and nothing is."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.generate.facts import SANDBOX_PRICE, common_start, pixels, varying
from zimage_cli.cli.table import Table, cell
from zimage_cli.core.request.prices import cost, format_price
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.plan import RequestPlan

_SHOWN = 20
"""Pictures of a plan that are listed; of all others it gives the number and the price."""

_WORDS = 40
"""Characters of a prompt in the list on a terminal."""


def show_requests(out: Output, plan: RequestPlan, report: str) -> None:
    """Print the requests of a plan: one in full, several as a list with the call of the first."""
    jobs = list(islice(plan.jobs(), _SHOWN))
    previews = [plan.preview(job) for job in jobs]
    count, total = len(plan.requests), plan.estimate.cost
    if report == "json":
        out.document("dry-run", pictures=count, requests=previews, cost=cost(total))
        return
    if count == 1:
        _print_call(out, previews[0])
        out.result(
            f"saves to: {visible(previews[0]['path'] or 'standard output')}{_note(previews[0])}"
        )
        out.result(f"price: {previews[0]['price']}")
    else:
        _list(out, plan, jobs, previews)
        if count > len(jobs):
            out.result(f"and {count - len(jobs):,} more")
        out.result("")
        out.result("The first of them:")
        _print_curl(out, previews[0])
        price = SANDBOX_PRICE if plan.estimate.free else format_price(total)
        out.result(f"price of all {count:,}: {price}")
    out.result("nothing was sent")


def _list(out: Output, plan: RequestPlan, jobs: list[Job], previews: list[dict[str, Any]]) -> None:
    """Print a row a picture; the words where they differ."""
    words = "prompt" in varying(plan)
    if not words:
        out.result(f"prompt: {visible(plan.requests[0].prompt)}")
    # Their folder is said once; a pipe has whole paths.
    folder = os.path.dirname(previews[0]["path"])  # noqa: PTH120 - as it is written
    if out.stdout.isatty() and folder:
        out.result(f"folder: {folder}")
    headers = ["n", "size", "seed", *(["prompt"] if words else []), "file"]
    table = Table(headers, right=("n", "seed"), last="under")
    start = common_start(plan)
    for job, preview in zip(jobs, previews, strict=True):
        request = job.request
        row = [
            cell(str(job.number)),
            cell(pixels(request.size), piped=request.size),
            cell("" if request.seed is None else str(request.seed)),
        ]
        if words:
            own = ("…" if start else "") + request.prompt[start:]
            row.append(cell(clip(own, _WORDS), piped=visible(request.prompt)))
        path, note = preview["path"], _note(preview)
        name = os.path.basename(path)  # noqa: PTH119
        table.add_row(*row, cell(f"{name}{note}", piped=f"{path}{note}", whole=True))
    out.result_table(table)


def _print_call(out: Output, preview: dict[str, Any]) -> None:
    out.result(f"{preview['method']} {preview['url']}")
    for name, value in preview["headers"].items():
        out.result(f"{name}: {value}")
    out.result("")
    out.result(preview["body"])
    out.result("")
    _print_curl(out, preview)


def _print_curl(out: Output, preview: dict[str, Any]) -> None:
    for line in preview["curl"].split("\n"):
        out.result(line)
    out.result("")


def _note(preview: dict[str, Any]) -> str:
    return " (exists: a number is added, or --overwrite)" if preview["exists"] else ""
