"""`zimage regions`: where the service runs, what it costs there, and whether it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer

from zimage_cli.api.endpoint import CUSTOM, REGIONS, SANDBOX, Region, find_region
from zimage_cli.cli.app import App, Json
from zimage_cli.cli.output import Output
from zimage_cli.cli.regions.ping import ping
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, Settings, resolve
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.core.settings.table import TABLE, VARIABLES
from zimage_cli.errors import ZimageError
from zimage_cli.text import visible

app = App(default="list")


@dataclass(frozen=True)
class Row:
    """What there is to say of a region; `--json` says it by these names."""

    name: str | None = None
    id: str | None = None
    active: bool = False
    active_source: str | None = None
    endpoint: str | None = None
    host: str | None = None
    """Where its calls go; None where the settings name no host for it."""
    hosts: dict[str, str] = field(default_factory=dict)
    price: dict[str, str | None] | None = None
    price_prompt_extend: dict[str, str | None] | None = None
    key: str | None = None
    key_source: str | None = None
    key_problem: str | None = None
    key_stored: bool = False
    data: str | None = None
    key_page: str | None = None

    @property
    def listed(self) -> list[Cell]:
        """What a person reads of it in a list."""
        free = self.name == SANDBOX
        where = "inside this process" if free else self.host or self.key_problem or ""
        key = "none needed" if free else self.key or "none"
        if self.key_problem:
            # Where there is no host, no key was looked for.
            key = "not usable" if self.host else "-"
        name = self.name or ""
        return [
            cell(f"{'✓' if self.active else ' '} {name}", "green" * self.active, piped=name),
            cell(self.id or "-"),
            cell("free" if free else _money(self.price)),
            cell("free" if free else _money(self.price_prompt_extend)),
            cell(key),
            cell("yes" if self.active else "no"),
            cell(where, "dim", whole=where == self.host),
        ]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All that a person reads of it alone: labels and values."""
        free = self.name == SANDBOX
        endpoint = "inside this process, on loopback" if free else self.endpoint
        key = "none needed" if free else self.key_problem or "none"
        rows = [
            ("region", self.name),
            ("id", self.id),
            ("active", f"yes: {self.active_source}" if self.active else "no"),
            ("endpoint in use", f"{endpoint}: {self.host}" if self.host else endpoint),
            *((f"{kind} host", host) for kind, host in self.hosts.items()),
            ("price a picture", "free" if free else _money(self.price)),
            ("with prompt_extend", None if free else _money(self.price_prompt_extend)),
            ("key", f"{self.key} ({self.key_source})" if self.key else key),
            ("data", self.data),
            ("keys are made at", self.key_page),
        ]
        return [(label, value) for label, value in rows if value is not None]


def _money(price: dict[str, str | None] | None) -> str:
    return f"{price['currency']} {price['amount']}" if price else "no list price"


@app.callback(
    epilog="Examples:\n\nzimage regions\n\nzimage regions show singapore\n\nzimage regions ping",
)
def regions() -> None:
    """Show the regions, and ask whether they answer. Without a command it lists."""


@app.command(
    "list",
    epilog="Examples:\n\nzimage regions list\n\nzimage regions list --json",
    document={"active": None, "active_source": None, "api_root": None, "regions": []},
)
def list_regions(as_json: Json = False) -> None:
    """List the regions: hosts, prices, keys, and which one is active and why."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    rows = [_row(environment, active, region) for region in REGIONS]
    if as_json:
        output.document(
            "ok",
            active=active.target.region_name,
            active_source=active.region.source,
            api_root=active.target.api_root,
            regions=[asdict(row) for row in (*rows, _sandbox(active))],
        )
    else:
        _print_list(output, [*rows, _sandbox(active)])
        _print_active(output, active)
        for row in rows:
            # Without a host, the reason stands in its place.
            if row.host and row.key_problem:
                output.warn(visible(row.key_problem))
    for warning in active.warnings:
        output.warn(visible(warning))


@app.command(
    "show",
    epilog="Examples:\n\nzimage regions show singapore\n\nzimage regions show cn-beijing --json",
    document=asdict(Row()),
)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A region's name or id.")],
    as_json: Json = False,
) -> None:
    """Show one region: hosts, prices, key, where data rests, where keys are made."""
    output, environment = Output(), Environment.current()
    active = resolve(environment)
    region = find_region(TABLE["region"].checked(name, Source(Kind.ARGUMENT, "NAME")).value)
    row = _row(environment, active, region) if region else _sandbox(active)
    if as_json:
        output.document("ok", **asdict(row))
    else:
        _print_row(output, row)
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


def _row(environment: Environment, active: Settings, region: Region) -> Row:
    from zimage_cli.core.request.prices import cost, list_price

    is_active = active.target.region_name == region.name
    endpoint, host = "workspace", None
    key, problem = None, None
    try:
        mine = active if is_active else _at(environment, active, region)
        endpoint, host = mine.target.endpoint, mine.target.host
        key = mine.key_for(region.name)
    except ZimageError as error:
        problem = error.message
    return Row(
        name=region.name,
        id=region.id,
        active=is_active,
        active_source=active.region.source if is_active else None,
        endpoint=endpoint,
        host=host,
        hosts={
            "shared": region.host("shared"),
            "workspace": f"{{WorkspaceId}}.{region.id}.maas.aliyuncs.com",
            "trial": region.host("trial"),
        },
        price=cost(list_price(region.name, prompt_extend=False)),
        price_prompt_extend=cost(list_price(region.name, prompt_extend=True)),
        key=key.value.masked if key else None,
        key_source=key.source if key else None,
        key_problem=problem,
        key_stored=region.name in active.config.keys,
        data=region.data,
        key_page=region.key_page,
    )


def _sandbox(active: Settings) -> Row:
    is_active = active.target.is_sandbox
    return Row(
        name=SANDBOX,
        active=is_active,
        active_source=active.region.source if is_active else None,
        endpoint=SANDBOX,
        data="nothing leaves this machine",
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


# -- tables ----------------------------------------------------------------------------------------


def _print_list(output: Output, rows: list[Row]) -> None:
    headers = ("region", "id", "price", "extended", "key", "active", "host")
    # The mark before the name tells it on a terminal.
    table = Table(
        [cell(f"  {headers[0]}", piped=headers[0]), *map(cell, headers[1:])],
        last="under",
        piped=("active",),
    )
    for row in rows:
        table.add_row(*row.listed)
    output.result_table(table)


def _print_row(output: Output, row: Row) -> None:
    table = Table(("name", "value"), last="fold", header=False)
    for label, value in row.lines:
        table.add_row(cell(label, "dim"), cell(value))
    output.result_table(table)


def _print_active(output: Output, active: Settings) -> None:
    target = active.target
    if target.region_name == CUSTOM:
        where, why = target.api_root, active.base_url.source
        output.note(visible(f"Calls go to {where} ({why}), in no region."))
        return
    name = "the sandbox" if target.is_sandbox else target.region_name
    output.note(visible(f"The active region is {name} ({active.region.source})."))
