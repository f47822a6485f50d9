"""`zimage config set`, `unset`, `set-region` and `set-workspace`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zimage_cli.cli.config.common import (
    RegionOption,
    describe_place,
    drop,
    key_region,
    put,
    refuse_contradiction,
    setting_name,
    warn_if_overridden,
)
from zimage_cli.cli.output import Output
from zimage_cli.core.settings import config_file
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.core.settings.table import TABLE, stored, text_of
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message


def set_value(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, such as size.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Checked like the flag.")],
    region: RegionOption = None,
) -> None:
    """Store a setting in the config file."""
    name = setting_name(name)
    if name == "key":
        raise UsageError(
            "a key on the command line is readable by everyone on the machine",
            hint="Give it without: zimage config set-key (asks, or reads one line of stdin). "
            "If this key is in use, replace it: it is in your shell's history now.",
        )
    if name == "workspace":
        set_workspace(value, region)
        return
    _refuse_region(name, region)
    if name == "region":
        set_region(value)
        return
    _store(Output(), Environment.current(), name, _checked(name, value, "VALUE"))


def unset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, such as size.")],
    region: RegionOption = None,
) -> None:
    """Remove a setting from the config file."""
    environment = Environment.current()
    # The file may hold a name that is no setting: it can be removed too.
    known = name if name in _top_level(environment) else setting_name(name)
    if known == "key":
        raise UsageError(
            "a key belongs to a region", hint="zimage config unset-key --region REGION"
        )
    if known == "workspace":
        drop(environment, config_file.WORKSPACES, key_region(environment, region), "workspace")
        return
    _refuse_region(known, region)
    drop(environment, None, known, known)


def set_region(
    region: Annotated[
        str,
        typer.Argument(metavar="REGION", help="beijing, singapore (or their ids), or sandbox."),
    ],
) -> None:
    """Store the region, and say where calls go now."""
    output, environment = Output(), Environment.current()
    _store(output, environment, "region", _checked("region", region, "REGION"))
    describe_place(output, environment)


def set_workspace(
    workspace: Annotated[str, typer.Argument(metavar="ID", help="A workspace's id.")],
    region: RegionOption = None,
) -> None:
    """Store the workspace of a region: its calls then go to the workspace endpoint."""
    checked = _checked("workspace", workspace, "ID")
    output, environment = Output(), Environment.current()
    where = key_region(environment, region)
    path = put(environment, config_file.WORKSPACES, where, checked)
    said = Message(
        "workspace of {region} = {value} in {path}", region=where, value=checked, path=path
    )
    output.note_data(said)
    warn_if_overridden(output, environment, "workspace")
    describe_place(output, environment)


def _store(output: Output, environment: Environment, name: str, value: Any) -> None:
    refuse_contradiction(environment, **{name: value})
    path = put(environment, None, name, stored(value))
    said = Message("{name} = {value} in {path}", name=name, value=text_of(value), path=path)
    output.note_data(said)
    warn_if_overridden(output, environment, name)


def _checked(name: str, value: str, argument: str) -> Any:
    checked: Any = TABLE[name].checked(value, Source(Kind.ARGUMENT, argument)).value
    # 60 is stored as it was given: 60.0 would look more exact.
    return int(checked) if isinstance(checked, float) and checked.is_integer() else checked


def _refuse_region(name: str, region: str | None) -> None:
    if region is not None:
        raise UsageError(
            "--region is for workspace and key only; {name} holds for every region", name=name
        )


def _top_level(environment: Environment) -> frozenset[str]:
    """Return the names at the file's top level that `unset` may remove: no table of keys."""
    path = environment.config_file()
    if path is None:
        return frozenset()
    names = config_file.parse(config_file.read_text(path), path)
    return frozenset(names) - {*config_file.TABLES}
