"""`zimage regions`: where the service runs, what it costs there, and whether it answers."""

from __future__ import annotations

from collections.abc import Callable
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
from zimage_cli.messages import Message
from zimage_cli.text import visible

app = App(default="list")


Said = Callable[[str], str]
"""Returns text in the language of the person who reads it."""


@dataclass(frozen=True)
class Row:
    """What there is to say of a region; `--json` says it by these names."""

    name: str | None = None
    id: str | None = None
    active: bool = False
    active_source: Message | None = None
    endpoint: str | None = None
    host: str | None = None
    """Where its calls go; None where the settings name no host for it."""
    hosts: dict[str, str] = field(default_factory=dict)
    price: dict[str, str | None] | None = None
    price_prompt_extend: dict[str, str | None] | None = None
    key: str | None = None
    key_source: Message | None = None
    key_problem: Message | None = None
    key_stored: bool = False
    data: str | None = None
    key_page: str | None = None

    def listed(self, said: Said) -> list[Cell]:
        """Return what a person reads of it in a list."""
        free = self.name == SANDBOX
        where = Message("inside this process") if free else self.host or self.key_problem or ""
        key = Message("none needed") if free else self.key or Message("none")
        if self.key_problem:
            # Where there is no host, no key was looked for.
            key = Message("not usable") if self.host else "-"
        name = self.name or ""
        return [
            cell(f"{'✓' if self.active else ' '} {name}", "green" * self.active, piped=name),
            cell(self.id or "-"),
            Cell(self._price(prompt_extend=False)),
            Cell(self._price(prompt_extend=True)),
            cell(said(key), piped=key),
            Cell(Message("yes" if self.active else "no")),
            cell(said(where), "dim", piped=where, whole=where == self.host),
        ]

    @property
    def lines(self) -> list[tuple[Message, str]]:
        """All that a person reads of it alone: labels and values."""
        free = self.name == SANDBOX
        endpoint: str | None = self.endpoint
        if free:
            endpoint = Message("inside this process, on loopback")
        elif self.host:
            endpoint = Message("{endpoint}: {host}", endpoint=endpoint, host=self.host)
        active = Message("yes: {source}", source=self.active_source)
        key: str = Message("none needed") if free else self.key_problem or Message("none")
        if self.key:
            key = Message("{key} ({source})", key=self.key, source=self.key_source)
        rows = [
            (Message("region"), self.name),
            (Message("id"), self.id),
            (Message("active"), active if self.active else Message("no")),
            (Message("endpoint in use"), endpoint),
            *((Message("{kind} host", kind=kind), host) for kind, host in self.hosts.items()),
            (Message("price a picture"), self._price(prompt_extend=False)),
            (
                Message("with prompt_extend"),
                None if free else self._price(prompt_extend=True),
            ),
            (Message("key"), key),
            (Message("data"), self.data),
            (Message("keys are made at"), self.key_page),
        ]
        return [(label, value) for label, value in rows if value is not None]

    def _price(self, *, prompt_extend: bool) -> Message:
        from zimage_cli.core.request.prices import format_price, list_price

        if self.name == SANDBOX:
            return Message("free")
        return format_price(list_price(self.name or "", prompt_extend=prompt_extend))


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
                output.warn(row.key_problem)
    for warning in active.warnings:
        output.warn(warning)


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
        output.warn(warning)


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
        active_source=active.region.origin.said if is_active else None,
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
        key_source=key.origin.said if key else None,
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
        active_source=active.region.origin.said if is_active else None,
        endpoint=SANDBOX,
        data=Message("nothing leaves this machine"),
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
    # The mark before the name tells it on a terminal.
    headers: tuple[str | Cell, ...] = (
        Cell(Message("  {heading}", heading=Message("region")), piped="region"),
        *(Message("id"), Message("price"), Message("extended"), Message("key")),
        *("active", Message("host")),
    )
    table = Table(headers, last="under", piped=("active",))
    for row in rows:
        table.add_row(*row.listed(output.result_text))
    output.result_table(table)


def _print_row(output: Output, row: Row) -> None:
    table = Table(("name", "value"), last="fold", header=False)
    for label, value in row.lines:
        table.add_row(Cell(label, "dim"), cell(output.result_text(value), piped=value))
    output.result_table(table)


def _print_active(output: Output, active: Settings) -> None:
    target = active.target
    if target.region_name == CUSTOM:
        output.note(
            Message(
                "Calls go to {where} ({source}), in no region.",
                where=visible(str(target.api_root)),
                source=active.base_url.origin.said,
            )
        )
        return
    name = Message("the sandbox") if target.is_sandbox else target.region_name
    output.note(
        Message(
            "The active region is {region} ({source}).",
            region=name,
            source=active.region.origin.said,
        )
    )
