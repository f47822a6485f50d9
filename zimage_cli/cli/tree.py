"""What `--help --json` prints: a command, and all below it, as data."""

from __future__ import annotations

from typing import Any

from zimage_cli.cli.completion.model import Argument, Command, Option, read_command
from zimage_cli.core.advice import EXIT_STATUSES
from zimage_cli.version import __version__


def document(context: Any) -> dict[str, Any]:
    """Return the keys of `zimage … --help --json`: the command of a context, with all below it."""
    path: tuple[str, ...] = ()
    above = context
    while above.parent is not None:
        path, above = (above.info_name, *path), above.parent
    return {
        "version": __version__,
        "exit_statuses": {str(number): text for number, text in EXIT_STATUSES.items()},
        "command": _command(read_command(context.command, path, context.parent)),
    }


def _command(command: Command) -> dict[str, Any]:
    """Return a command as JSON has it.

    `default` is the command of a group that runs where none is named. Statuses that are none say
    that the commands below name their own.
    """
    return {
        "name": command.name,
        "usage": " ".join(("zimage", *command.path)),
        "help": command.about,
        "arguments": [_argument(one) for one in command.arguments],
        "options": [_option(one) for one in command.options],
        "default": command.default,
        "exit_statuses": [*command.statuses],
        "examples": [*command.examples],
        "commands": [_command(one) for one in command.commands],
    }


def _argument(one: Argument) -> dict[str, Any]:
    return {
        "name": one.label,
        "help": one.about,
        "type": one.type,
        **_words(one),
        "required": one.required,
        "repeatable": one.repeatable,
    }


def _option(one: Option) -> dict[str, Any]:
    """Return an option as JSON has it.

    A flag's `metavar` is null. `opposite` are the names that say the contrary. A `default` of null
    says that there is none: its setting or its help tells what holds then.
    """
    return {
        "names": [*one.names],
        "metavar": None if one.value is None else one.label,
        "help": one.about,
        "panel": one.panel,
        "type": one.type,
        **_words(one),
        "default": one.default,
        "required": False,
        "repeatable": one.repeatable,
        "opposite": [name for name in one.group if name not in one.names],
    }


def _words(one: Argument | Option) -> dict[str, Any]:
    """Return the words that it takes: `choices`, all there are, or `suggestions`, some of them."""
    words = [word.text for word in one.value.words] if one.value else []
    some = one.value is not None and bool(one.value.more or one.value.goes_on)
    return {
        "choices": words if words and not some else None,
        "suggestions": words if some else [],
    }
