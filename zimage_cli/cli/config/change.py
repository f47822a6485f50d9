"""`zimage config set`, `unset`, `set-region` and `set-workspace`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zimage_cli.api.errors import UsageError
from zimage_cli.cli.config.common import (
    RegionOption,
    change,
    describe_place,
    drop,
    key_region,
    now,
    refuse_contradiction,
    setting_name,
    text_of,
    warn_if_overridden,
)
from zimage_cli.cli.output import Output
from zimage_cli.core import config_file
from zimage_cli.core.checks import CHECKS
from zimage_cli.core.environment import Environment
from zimage_cli.core.keys import redact
from zimage_cli.core.text import visible


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
    if region is not None:
        raise UsageError(f"--region is for workspace and key only; {name} holds for every region")
    checked = _checked(name, value)
    output, environment = Output(), Environment.current()
    refuse_contradiction(environment, **{name: checked})
    path = change(environment, lambda document: config_file.put(document, None, name, checked))
    output.note(visible(f"{name} = {text_of(checked)} in {path}"))
    warn_if_overridden(output, environment, name)


def unset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, such as size.")],
    region: RegionOption = None,
) -> None:
    """Remove a setting from the config file."""
    environment = Environment.current()
    # A name that is no setting can stand in the file all the same: this is how it gets out.
    known = name if name in _top_level(environment) else setting_name(name)
    if known == "key":
        raise UsageError(
            "a key belongs to a region", hint="zimage config unset-key --region REGION"
        )
    if known == "workspace":
        drop(environment, config_file.WORKSPACES, key_region(environment, region), "workspace")
        return
    if region is not None:
        raise UsageError(f"--region is for workspace and key only; {known} holds for every region")
    drop(environment, None, known, known)


def set_region(
    region: Annotated[
        str,
        typer.Argument(metavar="REGION", help="beijing, singapore (or their ids), or sandbox."),
    ],
) -> None:
    """Store the region, and say where calls go now."""
    output, environment = Output(), Environment.current()
    name = _checked("region", region)
    refuse_contradiction(environment, region=name)
    path = change(environment, lambda document: config_file.put(document, None, "region", name))
    output.note(visible(f"region = {name} in {path}"))
    warn_if_overridden(output, environment, "region")
    settings = now(environment)
    if settings is not None:
        describe_place(output, settings)
        for warning in settings.warnings:
            output.warn(visible(warning))


def set_workspace(
    workspace: Annotated[str, typer.Argument(metavar="ID", help="A workspace's id.")],
    region: RegionOption = None,
) -> None:
    """Store the workspace of a region: its calls then go to the workspace endpoint."""
    checked = _checked("workspace", workspace)
    output, environment = Output(), Environment.current()
    where = key_region(environment, region)
    path = change(
        environment,
        lambda document: config_file.put(document, config_file.WORKSPACES, where, checked),
    )
    output.note(visible(f"workspace of {where} = {checked} in {path}"))
    warn_if_overridden(output, environment, "workspace")
    settings = now(environment)
    if settings is not None:
        describe_place(output, settings)


def _checked(name: str, value: str) -> Any:
    try:
        checked: Any = CHECKS[name](value)
    except UsageError as error:
        raise UsageError(redact(error.message), hint=error.hint) from None
    if name in {"timeout", "rps"} and checked == int(checked):
        return int(checked)
    return checked


def _top_level(environment: Environment) -> frozenset[str]:
    """Return the names at the file's top level that `unset` may remove: no table of keys."""
    path = environment.config_file()
    if path is None:
        return frozenset()
    return frozenset(config_file.names(path)) - {config_file.KEYS, config_file.WORKSPACES}
