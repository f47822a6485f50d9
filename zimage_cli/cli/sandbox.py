"""`zimage sandbox serve`: the loopback stand-in for the service, for trying other software."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import Signals
from zimage_cli.cli.table import Table, cell
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import json_text, visible

app = App(
    no_args_is_help=True,
    help="A stand-in for the service on this machine: same wire format, no key, no cost.",
)


@app.callback(
    epilog="Examples:\n\nzimage sandbox serve --latency 3\n\nzimage sandbox serve --fault list"
)
def sandbox() -> None:
    """Keep `serve` a subcommand of its own."""


@app.command(
    epilog="Examples:\n\nzimage sandbox serve\n\n"
    "zimage sandbox serve --port 8089 --latency 3 --rps 2\n\n"
    "zimage sandbox serve --fault Throttling.RateQuota:0.2 --fault picture-cut:0.1\n\n"
    "zimage sandbox serve --label aigc,xmp,c2pa"
)
def serve(
    port: Annotated[
        int,
        typer.Option(
            "--port", help="Port of the API, 0 for a free one; default: 8089.", metavar="N"
        ),
    ] = 8089,
    latency: Annotated[
        float,
        typer.Option("--latency", help="Seconds a picture takes; default: 0.", metavar="S"),
    ] = 0.0,
    rps: Annotated[
        float | None,
        typer.Option("--rps", help="Calls a second before 429; default: no limit.", metavar="F"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            help="Let a share of the calls go wrong, KIND:RATE with a rate from 0 to 1; repeatable."
            " --fault list explains the kinds.",
            metavar="KIND:RATE",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--fault-seed", help="Seed of the draws for --fault; default: 0.", metavar="N"
        ),
    ] = 0,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            help="What the pictures carry as a service may write it into them, with commas between:"
            " aigc, xmp, c2pa (not signed); default: nothing.",
            metavar="NAMES",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Log in JSON lines.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve until Ctrl-C; one log line a request on stderr, the base URL on stdout."""
    from zimage_cli.sandbox.faults import parse_fault
    from zimage_cli.sandbox.labels import parse_labels
    from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

    out = Output(quiet=quiet)
    if fault == ["list"]:
        _list_faults(out)
        return
    options.refuse_outside("--latency", latency, 0)
    faults: dict[Any, float] = {}
    for text in fault or []:
        kind, rate = parse_fault(text)
        if kind in faults:
            raise UsageError("--fault: {value} is given twice", field="fault", value=kind)
        faults[kind] = rate

    def log(line: dict[str, Any]) -> None:
        if json:
            out.say(Message("{line}", line=json_text(line)))
        else:
            out.note(Message("{line}", line=log_line(line)))

    config = Sandbox(
        port=port,
        latency=latency,
        rps=rps,
        faults=faults,
        fault_seed=seed,
        labels=() if label is None else parse_labels(label),
        log=log,
    )
    with Signals() as signals, config as server:
        out.result(server.api_root)
        out.note(
            Message(
                "The sandbox serves at {address}; pictures at {pictures}.",
                address=server.api_root,
                pictures=server.picture_origin,
            )
        )
        out.note(Message("Point software at it (any key of the right shape will do):"))
        variables = {
            "DASHSCOPE_BASE_URL": server.api_root,
            "DASHSCOPE_HTTP_BASE_URL": server.api_root,
            "DASHSCOPE_API_KEY": SANDBOX_KEY,
        }
        for name, value in variables.items():
            out.note(Message("{line}", line=f"  export {name}={value}"))
        out.note(
            Message("What it was asked and what it billed: GET /sandbox/books. Ctrl-C ends it.")
        )
        signals.wait()
        found = server.books.summary()
        stopped = Message(
            "Stopped after {calls} calls, {pictures} pictures.",
            calls=found["posts"],
            pictures=found["billed"],
        )
        out.note(Message("\n{stopped}", stopped=stopped))


def _list_faults(out: Output) -> None:
    from zimage_cli.sandbox.faults import groups

    table = Table(("name", "group", "what it does"), last="fold", piped=("group",), header=False)
    for title, kinds in groups():
        table.add_section(title)
        for kind, about in kinds.items():
            table.add_row(cell(f"  {kind}", piped=kind), title, about)
    out.result_table(table)


def log_line(line: dict[str, Any]) -> str:
    """Return a log line for a person: time, what was asked, what was answered."""
    at = datetime.fromtimestamp(line["at"]).strftime("%H:%M:%S")  # noqa: DTZ006 - local, for a person
    status = line["status"] or "cut"
    words = [at, line["method"], line["path"], str(status)]
    words += [str(line[name]) for name in ("code", "request_id") if line.get(name)]
    if line.get("faults"):
        words.append(f"fault {','.join(line['faults'])}")
    if line.get("billed"):
        words.append("billed")
    words.append(f"{line['seconds']:.3f} s")
    return visible(" ".join(words))
