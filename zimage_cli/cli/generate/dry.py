"""`zimage generate --dry-run`: what would be sent, and nothing is."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any

from zimage_cli.cli.generate.facts import common_start, pixels, varying
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.core.request.prices import cost, format_price
from zimage_cli.core.run.plan import SANDBOX_PRICE
from zimage_cli.messages import Message
from zimage_cli.text import clip, visible

if TYPE_CHECKING:
    from zimage_cli.cli.output import Output
    from zimage_cli.core.request.jobs import Job
    from zimage_cli.core.run.plan import RequestPlan

_SHOWN = 20
"""Pictures of a plan that are listed; of all others it gives the number and the price."""

_WORDS = 40
"""Characters of a prompt in the list on a terminal."""


_FILES = {False: "{path}", True: "{path} (exists: a number is added, or --overwrite)"}
_SAVES = {
    False: "saves to: {path}",
    True: "saves to: {path} (exists: a number is added, or --overwrite)",
}
"""By whether the file exists."""


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
        path = previews[0]["path"]
        where = visible(path) if path else Message("standard output")
        _say(out, Message(_SAVES[previews[0]["exists"]], path=where))
        _say(out, Message("price: {price}", price=previews[0]["price"]))
    else:
        _list(out, plan, jobs, previews)
        if count > len(jobs):
            _say(out, Message("and {more:,} more", more=count - len(jobs)))
        out.result("")
        _say(out, Message("The first of them:"))
        _print_curl(out, previews[0])
        price = SANDBOX_PRICE if plan.estimate.free else format_price(total)
        _say(out, Message("price of all {count:,}: {price}", count=count, price=price))
    _say(out, Message("nothing was sent"))


def _say(out: Output, words: Message) -> None:
    out.result(out.result_text(words))


def _list(out: Output, plan: RequestPlan, jobs: list[Job], previews: list[dict[str, Any]]) -> None:
    """Print a row a picture; the words where they differ."""
    words = "prompt" in varying(plan)
    if not words:
        _say(out, Message("prompt: {prompt}", prompt=visible(plan.requests[0].prompt)))
    # Their folder is said once; a pipe has whole paths.
    folder = os.path.dirname(previews[0]["path"])  # noqa: PTH120 - as it is written
    if out.stdout.isatty() and folder:
        _say(out, Message("folder: {path}", path=folder))
    n, prompt = Message("n"), [Message("prompt")] if words else []
    headers = [n, Message("size"), Message("seed"), *prompt, Message("file")]
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
        path, template = preview["path"], _FILES[preview["exists"]]
        name = visible(os.path.basename(path))  # noqa: PTH119
        piped = Message(template, path=path)
        table.add_row(*row, Cell(Message(template, path=name), piped=piped, whole=True))
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
