"""`zimage regions`: where the service runs, what it costs there, and whether it answers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.endpoint import (
    CUSTOM,
    ENDPOINTS,
    REGION_NAMES,
    REGIONS,
    SANDBOX,
    Region,
    find_region,
)
from zimage_cli.api.errors import (
    AuthenticationError,
    ConnectionFailed,
    UsageError,
    ZimageError,
)
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import as_json as error_json
from zimage_cli.cli.errors import exit_status, print_error
from zimage_cli.cli.output import Output
from zimage_cli.core.checks import checked
from zimage_cli.core.environment import Environment
from zimage_cli.core.keys import missing_key_error
from zimage_cli.core.settings import Flags, Setting, Settings, refused_key_hint, resolve
from zimage_cli.core.text import visible

if TYPE_CHECKING:
    from zimage_cli.api.client import Client
    from zimage_cli.core.keys import Key

app = App()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]

_PRICE = "price a picture"
_EXTENDED = "with prompt_extend"


@app.callback(
    invoke_without_command=True,
    epilog="Examples:\n\nzimage regions\n\nzimage regions show singapore\n\nzimage regions ping",
)
def regions(context: typer.Context) -> None:
    """Show the regions, and ask whether they answer. Alone: list."""
    if context.invoked_subcommand is None:
        list_regions()


@app.command("list", epilog="Examples:\n\nzimage regions list\n\nzimage regions list --json")
def list_regions(as_json: Json = False) -> None:
    """List the regions: hosts, prices, keys, and which one is active and why."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    facts = [_facts(environment, active, region) for region in REGIONS]
    if as_json:
        document = {
            "schema": 1,
            "active": active.target.region_name,
            "active_source": active.region.source,
            "api_root": active.target.api_root,
            "regions": [*map(_json, facts), _sandbox_json(active)],
        }
        output.json(document)
    else:
        _print_list(output, facts)
        _print_elsewhere(output, active)
    for warning in active.warnings:
        output.warn(visible(warning))


@app.command(
    "show",
    epilog="Examples:\n\nzimage regions show singapore\n\nzimage regions show cn-beijing --json",
)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A region's name or id.")],
    as_json: Json = False,
) -> None:
    """Show one region: hosts, prices, key, where data rests, where keys are made."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    region = find_region(checked("region", name, "the command line"))
    if as_json:
        shown = (
            _sandbox_json(active) if region is None else _json(_facts(environment, active, region))
        )
        output.json({"schema": 1, **shown})
    elif region is None:
        _print_rows(output, _sandbox_rows(active))
    else:
        facts = _facts(environment, active, region)
        rows = [
            ("region", region.name),
            *_rows(facts),
            ("data", region.data),
            ("keys are made at", region.key_page),
        ]
        _print_rows(output, rows)
    for warning in active.warnings:
        output.warn(visible(warning))


@app.command(
    "ping",
    epilog="Examples:\n\nzimage regions ping\n\nzimage regions ping singapore --json\n\n"
    "zimage regions ping --all",
)
def ping(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A region's name or id; without one, the active one."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ask every region that has a key of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a region once, read-only and free, whether key and model are good there."""
    if every and name is not None:
        raise UsageError("a region's name and --all contradict each other")
    output, environment = Output(), Environment.current()
    active = resolve(environment, Flags(region=name))
    asked = _every(environment, active) if every else [_Asked(active, _key_to_use(active))]
    answers = _ask_all(asked)
    for warning in active.warnings:
        output.warn(visible(warning))
    failed = [one.error for one in answers if one.error]
    if as_json:
        output.json(_ping_document(answers, failed))
    else:
        _print_answers(output, answers)
    for error in failed:
        print_error(output, error)
    if failed:
        raise typer.Exit(exit_status(failed[0]))


def _ping_document(answers: list[_Answered], failed: list[ZimageError]) -> dict[str, Any]:
    status = "ok" if not failed else "error" if len(failed) == len(answers) else "partial"
    return {
        "schema": 1,
        "status": status,
        "regions": [one.document() for one in answers],
        "errors": [error_json(error) for error in failed],
    }


# -- what there is to say of a region -----------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    region: Region
    active: str | None
    """Why it is the active one, None where it is not."""
    endpoint: str
    host: str | None
    """Where its calls go; None where the settings name no host for it."""
    key: Setting[Key] | None
    key_problem: str | None
    stored: bool


def _facts(environment: Environment, active: Settings, region: Region) -> _Facts:
    is_active = active.target.region_name == region.name
    endpoint, host = "workspace", None
    key, problem = None, None
    try:
        mine = (
            active
            if is_active
            else resolve(environment, Flags(region=region.name), config=active.config)
        )
        endpoint, host = mine.target.endpoint, mine.target.host
        key = mine.key_for(region.name)
    except ZimageError as error:
        problem = error.message
    return _Facts(
        region=region,
        active=active.region.source if is_active else None,
        endpoint=endpoint,
        host=host,
        key=key,
        key_problem=problem,
        stored=region.name in active.config.keys,
    )


def _hosts(region: Region) -> dict[str, str]:
    shown = {kind: region.host(kind) for kind in ENDPOINTS if kind != "workspace"}
    return {
        "shared": shown["shared"],
        "workspace": f"{{WorkspaceId}}.{region.id}.maas.aliyuncs.com",
        "trial": shown["trial"],
    }


def _price(region: str, *, prompt_extend: bool) -> str:
    from zimage_cli.core.prices import format_price, list_price

    return format_price(list_price(region, prompt_extend))


def _price_json(region: str, *, prompt_extend: bool) -> dict[str, str] | None:
    from zimage_cli.core.prices import list_price

    price = list_price(region, prompt_extend)
    return {"amount": str(price.amount), "currency": price.currency} if price else None


def _json(facts: _Facts) -> dict[str, Any]:
    region = facts.region
    return {
        "name": region.name,
        "id": region.id,
        "active": facts.active is not None,
        "active_source": facts.active,
        "endpoint": facts.endpoint,
        "host": facts.host,
        "hosts": _hosts(region),
        "price": _price_json(region.name, prompt_extend=False),
        "price_prompt_extend": _price_json(region.name, prompt_extend=True),
        "key": facts.key.value.masked if facts.key else None,
        "key_source": facts.key.source if facts.key else None,
        "key_problem": facts.key_problem,
        "key_stored": facts.stored,
        "data": region.data,
        "key_page": region.key_page,
    }


def _sandbox_json(active: Settings) -> dict[str, Any]:
    is_active = active.target.is_sandbox
    return {
        "name": SANDBOX,
        "id": None,
        "active": is_active,
        "active_source": active.region.source if is_active else None,
        "endpoint": SANDBOX,
        "host": None,
        "hosts": {},
        "price": None,
        "price_prompt_extend": None,
        "key": None,
        "key_source": None,
        "key_problem": None,
        "key_stored": False,
        "data": "nothing leaves this machine",
        "key_page": None,
    }


def _sandbox_rows(active: Settings) -> list[tuple[str, str]]:
    is_active = active.target.is_sandbox
    return [
        ("region", SANDBOX),
        ("active", f"yes: {active.region.source}" if is_active else "no"),
        ("endpoint in use", "inside this process, on loopback"),
        (_PRICE, "none"),
        ("key", "none needed"),
        ("data", "nothing leaves this machine"),
    ]


def _key_words(facts: _Facts) -> str:
    if facts.key:
        return f"{facts.key.value} ({facts.key.source})"
    return facts.key_problem or "none"


def _rows(facts: _Facts) -> list[tuple[str, str]]:
    region, hosts = facts.region, _hosts(facts.region)
    return [
        ("id", region.id),
        ("active", f"yes: {facts.active}" if facts.active else "no"),
        ("endpoint in use", f"{facts.endpoint}: {facts.host}" if facts.host else facts.endpoint),
        *((f"{kind} host", host) for kind, host in hosts.items()),
        (_PRICE, _price(region.name, prompt_extend=False)),
        (_EXTENDED, _price(region.name, prompt_extend=True)),
        ("key", _key_words(facts)),
    ]


# -- tables ----------------------------------------------------------------------------------------


def _print_list(output: Output, facts: list[_Facts]) -> None:
    """Print a region a line where that fits, else a block of lines each."""
    from rich.measure import Measurement

    from zimage_cli.cli.output import cell, make_table

    headers = ["region", *(label for label, _ in _rows(facts[0]))]
    wide = make_table(headers)
    for column in wide.columns:
        column.no_wrap = True
    for one in facts:
        wide.add_row(cell(one.region.name), *(cell(value) for _, value in _rows(one)))
    console = output.stdout_console
    if Measurement.get(console, console.options, wide).maximum < console.width:
        output.result_table(wide)
        return
    tall = make_table(("region", "", ""))
    tall.columns[2].overflow = "fold"
    for one in facts:
        style = "bold" if one.active else ""
        for place, (label, value) in enumerate(_rows(one)):
            tall.add_row(cell("" if place else one.region.name, style), cell(label), cell(value))
        tall.add_section()
    output.result_table(tall)


def _print_rows(output: Output, rows: list[tuple[str, str]]) -> None:
    from zimage_cli.cli.output import cell, make_table

    table = make_table(("", ""))
    table.show_header = False
    table.columns[1].overflow = "fold"
    for label, value in rows:
        table.add_row(cell(label), cell(value))
    output.result_table(table)


def _print_elsewhere(output: Output, active: Settings) -> None:
    target = active.target
    if target.is_sandbox:
        output.note(visible(f"The active region is the sandbox ({active.region.source})."))
    elif target.region_name == CUSTOM:
        output.note(
            visible(f"Calls go to {target.api_root} ({active.base_url.source}), in no region.")
        )


# -- ping ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    settings: Settings
    key: Setting[Key] | None


@dataclass(frozen=True)
class _Answered:
    asked: _Asked
    host: str
    reachable: bool
    key_accepted: bool | None
    model_visible: bool | None
    connect_ms: float | None = None
    answer_ms: float | None = None
    request_id: str | None = None
    error: ZimageError | None = None

    def document(self) -> dict[str, Any]:
        key = self.asked.key
        return {
            "region": self.asked.settings.target.region_name,
            "host": self.host,
            "key": key.value.masked if key else None,
            "key_source": key.source if key else None,
            "reachable": self.reachable,
            "key_accepted": self.key_accepted,
            "model_visible": self.model_visible,
            "connect_ms": _rounded(self.connect_ms),
            "answer_ms": _rounded(self.answer_ms),
            "request_id": self.request_id,
        }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)


def _key_to_use(settings: Settings) -> Setting[Key] | None:
    return None if settings.target.is_sandbox else settings.require_key()


def _every(environment: Environment, active: Settings) -> list[_Asked]:
    """Return each region that has a key: the active one, and others by their own stored key only.

    A key of the environment is the active region's; asking another region with it would show that
    region a key that is not its own.
    """
    asked = []
    found = active.key()
    if active.target.is_sandbox or found:
        asked.append(_Asked(active, found))
    for name in REGION_NAMES:
        stored = active.config.keys.get(name)
        if name == active.target.key_region or stored is None:
            continue
        settings = resolve(environment, Flags(region=name), config=active.config)
        if settings.target.region_name == name:
            asked.append(_Asked(settings, Setting("key", stored, "config file")))
    if not asked:
        raise missing_key_error(active.target.region_name)
    return asked


def _ask_all(asked: list[_Asked]) -> list[_Answered]:
    from zimage_cli.api.client import Client

    with ExitStack() as stack:
        client = stack.enter_context(Client())
        return [_ask(stack, client, one) for one in asked]


def _ask(stack: ExitStack, client: Client, one: _Asked) -> _Answered:
    root, key = one.settings.target.api_root, one.key.value.reveal() if one.key else ""
    if root is None:
        from zimage_cli.sandbox.server import SANDBOX_KEY, Sandbox

        root, key = stack.enter_context(Sandbox()).api_root, SANDBOX_KEY
    host = one.settings.target.host or "this process"
    try:
        answer = client.models(root, key)
    except AuthenticationError as error:
        refused = error.http_status == 401
        if refused:
            error.hint = refused_key_hint(one.settings)
        return _Answered(one, host, True, not refused, None, error=error)
    except ConnectionFailed as error:
        return _Answered(one, host, False, None, None, error=error)
    except ZimageError as error:
        return _Answered(one, host, True, None, None, error=error)
    return _Answered(
        one,
        host,
        True,
        True,
        answer.visible,
        answer.connect_ms,
        answer.answer_ms,
        answer.request_id,
        None if answer.visible else _invisible(host, answer.request_id),
    )


def _invisible(host: str, request_id: str | None) -> AuthenticationError:
    return AuthenticationError(
        f"{host} accepts the key, but it does not see the model z-image-turbo",
        request_id=request_id,
        hint="Give the key's workspace the right to the model, in the Model Studio console.",
    )


def _print_answers(output: Output, answers: list[_Answered]) -> None:
    from zimage_cli.cli.output import cell, make_table

    words = {True: "yes", False: "no", None: "-"}
    table = make_table(
        ("region", "host", "reachable", "key", "model", "connect", "answer"),
        right=("connect", "answer"),
    )
    table.columns[1].overflow = "fold"
    for one in answers:
        key = {True: "accepted", False: "refused", None: "-"}[one.key_accepted]
        times = (one.connect_ms, one.answer_ms)
        table.add_row(
            cell(one.asked.settings.target.region_name),
            cell(one.host),
            cell(words[one.reachable]),
            cell(key),
            cell({True: "visible", False: "not visible", None: "-"}[one.model_visible]),
            *(cell("-" if time is None else f"{time:.0f} ms") for time in times),
        )
    output.result_table(table)
