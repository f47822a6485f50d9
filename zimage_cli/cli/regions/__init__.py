"""`zimage regions`: where the service runs, what it costs there, and whether it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zimage_cli.api.endpoint import (
    CUSTOM,
    ENDPOINTS,
    REGIONS,
    SANDBOX,
    Region,
    find_region,
)
from zimage_cli.cli.app import App
from zimage_cli.cli.output import Output
from zimage_cli.cli.regions.ping import Json, ping
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, Setting, Settings, resolve
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.core.settings.table import TABLE, VARIABLES
from zimage_cli.errors import ZimageError
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.settings.key import Key

app = App()

_NO_REGION: dict[str, Any] = {
    "name": None,
    "id": None,
    "active": False,
    "active_source": None,
    "endpoint": None,
    "host": None,
    "hosts": {},
    "price": None,
    "price_prompt_extend": None,
    "key": None,
    "key_source": None,
    "key_problem": None,
    "key_stored": False,
    "data": None,
    "key_page": None,
}
"""What `--json` says of a region, empty."""

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


@app.command(
    "list",
    epilog="Examples:\n\nzimage regions list\n\nzimage regions list --json",
    document={"active": None, "active_source": None, "api_root": None, "regions": []},
)
def list_regions(as_json: Json = False) -> None:
    """List the regions: hosts, prices, keys, and which one is active and why."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    facts = [_facts(environment, active, region) for region in REGIONS]
    if as_json:
        output.document(
            "ok",
            active=active.target.region_name,
            active_source=active.region.source,
            api_root=active.target.api_root,
            regions=[*map(_json, facts), _sandbox_json(active)],
        )
    else:
        _print_list(output, facts)
        _print_elsewhere(output, active)
    for warning in active.warnings:
        output.warn(visible(warning))


@app.command(
    "show",
    epilog="Examples:\n\nzimage regions show singapore\n\nzimage regions show cn-beijing --json",
    document=_NO_REGION,
)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A region's name or id.")],
    as_json: Json = False,
) -> None:
    """Show one region: hosts, prices, key, where data rests, where keys are made."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    region = find_region(TABLE["region"].checked(name, Source(Kind.ARGUMENT, "NAME")).value)
    if as_json:
        shown = (
            _sandbox_json(active) if region is None else _json(_facts(environment, active, region))
        )
        output.document("ok", **shown)
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


app.command(
    "ping",
    epilog="Examples:\n\nzimage regions ping\n\nzimage regions ping singapore --json\n\n"
    "zimage regions ping --all",
    document={"regions": []},
    statuses=(0, 2, 3, 5, 6, 7),
)(ping)


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
        mine = active if is_active else _at(environment, active, region)
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


def _at(environment: Environment, active: Settings, region: Region) -> Settings:
    """Return the settings for a region's own host, the base URLs that are set left aside."""
    hidden = {*VARIABLES["base_url"]}
    variables = {k: text for k, text in environment.variables.items() if k not in hidden}
    values = {k: value for k, value in active.config.values.items() if k != "base_url"}
    config = active.config._replace(values=values)
    return resolve(
        Environment(variables, environment.home), Flags(region=region.name), config=config
    )


def _hosts(region: Region) -> dict[str, str]:
    shown = {kind: region.host(kind) for kind in ENDPOINTS if kind != "workspace"}
    return {
        "shared": shown["shared"],
        "workspace": f"{{WorkspaceId}}.{region.id}.maas.aliyuncs.com",
        "trial": shown["trial"],
    }


def _price(region: str, *, prompt_extend: bool) -> str:
    from zimage_cli.core.request.prices import format_price, list_price

    return format_price(list_price(region, prompt_extend))


def _price_json(region: str, *, prompt_extend: bool) -> dict[str, str] | None:
    from zimage_cli.core.request.prices import list_price

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
        **_NO_REGION,
        "name": SANDBOX,
        "active": is_active,
        "active_source": active.region.source if is_active else None,
        "endpoint": SANDBOX,
        "data": "nothing leaves this machine",
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
