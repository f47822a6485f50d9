"""What the `config` commands share: names, regions, and texts about what holds now."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

import typer

from zimage_cli.api.endpoint import SANDBOX, find_region
from zimage_cli.cli.output import Output
from zimage_cli.core.settings import config_change, config_file
from zimage_cli.core.settings.checks import shown
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import KEY_VARIABLE
from zimage_cli.core.settings.settings import Settings, resolve
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.core.settings.table import NAMES, TABLE, VARIABLES
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Listing, Message

RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        "-r",
        help="beijing or singapore, or their ids; default: the active region.",
        metavar="REGION",
        show_default=False,
    ),
]


def setting_name(text: str) -> str:
    """Return a setting's name, `-` taken for `_`. Raises UsageError with the nearest name."""
    name = text.strip().lower().replace("-", "_")
    if name in NAMES:
        return name
    if name in {"keys", "api_key", "apikey", "secret"} | {KEY_VARIABLE.lower()}:
        return "key"
    import difflib

    allowed, near = Listing(", ", NAMES), difflib.get_close_matches(name, NAMES, n=1)
    if near:
        raise UsageError(
            "{value} is not a setting; did you mean {nearest}?; allowed: {allowed}",
            value=shown(text),
            nearest=near[0],
            allowed=allowed,
        )
    raise UsageError(
        "{value} is not a setting; allowed: {allowed}", value=shown(text), allowed=allowed
    )


def key_region(environment: Environment, region: str | None) -> str:
    """Return the region that a key or workspace is stored for: the one named, else the active one.

    Raises UsageError for the sandbox, which has neither.
    """
    if region is None:
        name = resolve(environment).region.value
    else:
        name = TABLE["region"].checked(region, Source(Kind.FLAG, "--region")).value
    if name == SANDBOX:
        raise UsageError(
            "the sandbox has no key and no workspace",
            hint="Say which region it is for: --region beijing or --region singapore",
        )
    return name


def put(environment: Environment, table: str | None, name: str, value: object) -> Path:
    """Set a value in the config file, and return its path. Raises ConfigurationError."""
    path = environment.require_config_file()
    config_change.change(path, lambda document: config_change.put(document, table, name, value))
    return path


def refuse_contradiction(environment: Environment, **values: object) -> None:
    """Raise ConfigurationError where the config file with these values would contradict itself.

    A file that is already at odds with itself is no reason to refuse its correction.
    """
    path = environment.config_file()
    try:
        config = config_file.read(path)
        refuse_contradictory(environment, config)
    except ZimageError:
        return
    refuse_contradictory(environment, config._replace(values={**config.values, **values}))


def refuse_contradictory(environment: Environment, config: config_file.Config) -> None:
    """Raise ConfigurationError where a config file, for itself, names two places to call."""
    resolve(Environment({}, environment.home), config=config)


def warn_if_overridden(output: Output, environment: Environment, name: str) -> None:
    """Say which environment variable wins over what was just stored."""
    for variable in VARIABLES.get(name, ()):
        if environment.get(variable) is not None:
            output.warn(
                Message(
                    "environment {variable} is set, and wins over the config file",
                    variable=variable,
                )
            )
            return


def now(environment: Environment) -> Settings | None:
    """Return the settings as they are now, None where they contradict each other."""
    try:
        return resolve(environment)
    except ZimageError:
        return None


def key_words(settings: Settings) -> Message:
    """Say whether a key is found for the active region."""
    if settings.target.is_sandbox:
        return Message("none needed")
    try:
        key = settings.key()
    except ZimageError as error:
        return error.message
    if key:
        return Message("{key} ({source})", key=key.value.masked, source=key.origin.said)
    return Message(
        "none; set one: zimage config set-key --region {region}", region=settings.region.value
    )


def describe_place(output: Output, environment: Environment) -> None:
    """Say on stderr where calls go now, with which key, and what lost against what."""
    settings = now(environment)
    if settings is None:
        return
    target = settings.target
    where = Message("inside this process")
    if target.host:
        where = Message("{kind} endpoint, {host}", kind=target.endpoint, host=target.host)
    facts = {"region": target.region_name, "source": settings.region.origin.said, "where": where}
    output.note_data(Message("region: {region} ({source}); {where}", **facts))
    output.note_data(Message("key: {key}", key=key_words(settings)))
    for warning in settings.warnings:
        output.warn(warning)


def drop(environment: Environment, table: str | None, name: str, words: str) -> None:
    """Remove a value from the config file, and say whether it was there."""
    output = Output()
    was: list[bool] = []

    def edit(document: MutableMapping[str, Any]) -> None:
        was.append(config_change.drop(document, table, name))

    path = environment.require_config_file()
    if path.exists():
        config_change.change(path, edit)
    what = words
    if table and find_region(name):
        what = Message("{setting} of {region}", setting=words, region=name)
    template = "{what} removed from {path}" if any(was) else "{what} was not in {path}"
    output.note_data(Message(template, what=what, path=path))
    warn_if_overridden(output, environment, words)
