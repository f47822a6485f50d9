"""`zimage config set-key` and `unset-key`: a key is read without echo, and never shown whole."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from zimage_cli.api.endpoint import find_region
from zimage_cli.cli.config.common import (
    RegionOption,
    drop,
    key_region,
    now,
    put,
    warn_if_overridden,
)
from zimage_cli.cli.output import Output
from zimage_cli.core.settings import config_file
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import KEY_VARIABLE, MAX_LENGTH, Key, check_key
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message


def set_key(
    on_the_command_line: Annotated[str | None, typer.Argument(hidden=True, metavar="")] = None,
    region: RegionOption = None,
    from_env: Annotated[
        bool, typer.Option("--from-env", help=f"Store the key of {KEY_VARIABLE}.")
    ] = False,
) -> None:
    """Store a region's key: asked for without echo, or read as one line of piped stdin."""
    if on_the_command_line is not None:
        raise UsageError(
            "a key on the command line is readable by everyone on the machine",
            hint="Run it without: it asks, or reads one line of stdin. "
            "If this key is in use, replace it: it is in your shell's history now.",
        )
    output, environment = Output(), Environment.current()
    where = key_region(environment, region)
    before = now(environment)
    key = Key(check_key(_read(output, environment, where, from_env=from_env)))
    path = put(environment, config_file.KEYS, where, key.reveal())
    said = Message("key {key} stored for {region} in {path}", key=key, region=where, path=path)
    output.note_data(said)
    warn_if_overridden(output, environment, "key")
    after = now(environment)
    if after is None:
        return
    active = after.region.value
    if before is not None and before.region.value != active:
        output.note(
            Message(
                "the active region is {region} now ({source})",
                region=active,
                source=after.region.origin.said,
            )
        )
    if active != where:
        output.note(
            Message(
                "the active region is {active}: use --region {region}, "
                "or zimage config set-region {region}",
                active=active,
                region=where,
            )
        )


def unset_key(region: RegionOption = None) -> None:
    """Remove a region's key from the config file."""
    environment = Environment.current()
    drop(environment, config_file.KEYS, key_region(environment, region), "key")


def _read(output: Output, environment: Environment, region: str, *, from_env: bool) -> str:
    if from_env:
        text = environment.get(KEY_VARIABLE)
        if text is None:
            raise UsageError(
                "environment {variable} is not set", hint="Run it without.", variable=KEY_VARIABLE
            )
        return text
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError(
            "standard input is closed",
            hint="Set {variable}, then: --from-env",
            variable=KEY_VARIABLE,
        )
    return _ask(output, region) if sys.stdin.isatty() else _read_line()


def _read_line() -> str:
    data = sys.stdin.buffer.readline(4 * MAX_LENGTH)
    try:
        line = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UsageError("what standard input holds is not UTF-8 text") from None
    if not line:
        raise UsageError(
            "standard input holds no key",
            hint="Pipe one line into it, or run it in a terminal and be asked.",
        )
    return line


def _ask(output: Output, region: str) -> str:
    """Ask on the terminal without echo. Ctrl-C and Ctrl-D end it with nothing stored."""
    import warnings
    from getpass import GetPassWarning, getpass

    from zimage_cli.cli.question import asking

    known = find_region(region)
    question = Message("API key for {region}, not shown:", region=region)
    if known:
        question = Message(
            "API key for {region} (from {page}), not shown:", region=region, page=known.key_page
        )
    with warnings.catch_warnings():
        # Where echo cannot be turned off, getpass only warns: then the key is not asked for.
        warnings.simplefilter("error", GetPassWarning)
        try:
            with asking(output, question) as words:
                return getpass(words)
        except GetPassWarning:
            raise UsageError(
                "this terminal cannot hide what is typed", hint="Pipe the key into it instead."
            ) from None
        except EOFError:
            raise UsageError("no key was given; nothing is stored") from None
        except UnicodeDecodeError:
            raise UsageError("what was typed is not UTF-8 text; nothing is stored") from None
