"""The command tree as plain data: for the scripts of all four shells, and `--help --json`.

Only typer's public names and the attributes of the objects it returns are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import typer

from zimage_cli.cli.app import label
from zimage_cli.cli.completion.values import Value, value_of
from zimage_cli.messages import Message, Translate, said


@dataclass(frozen=True, slots=True)
class Option:
    """An option: `names` long before short. `value` is None for a flag.

    `group` holds every name that says the same thing, or its opposite: none of them is offered
    once one is given. `type` is JSON's word for what it takes, or `path`; a flag's is `boolean`.
    """

    names: tuple[str, ...]
    group: tuple[str, ...]
    about: str
    value: Value | None
    label: str
    repeatable: bool
    type: str
    default: object
    panel: str | None


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument; a repeatable one takes all words that are left."""

    label: str
    about: str
    value: Value
    repeatable: bool
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a group of commands; `path` is empty for zimage itself.

    `default` is the command of a group that runs where none is named: its options are the group's
    too. `statuses` are the exit statuses that its help explains.
    """

    path: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...]
    default: str | None = None
    statuses: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path[-1] if self.path else "zimage"

    @property
    def key(self) -> str:
        """The path in words, empty for zimage itself."""
        return " ".join(self.path)

    @property
    def spellings(self) -> list[tuple[str, Option]]:
        """Every name of every option with its option, long names before short ones."""
        named = [(name, option) for option in self.options for name in option.names]
        return sorted(named, key=lambda pair: not pair[0].startswith("--"))

    def walk(self) -> Iterator[Command]:
        """Yield this command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()

    def values(self) -> Iterator[Value]:
        """Yield the kinds of value that this command and all below it take, each once."""
        seen: set[str] = set()
        for command in self.walk():
            taken = [one.value for one in command.options if one.value]
            taken += [one.value for one in command.arguments]
            for value in (kind for one in taken for kind in one.spread()):
                if value.name not in seen:
                    seen.add(value.name)
                    yield value


def read_tree() -> Command:
    """Return zimage's own command tree.

    Raises LookupError for an option or argument that `values.py` does not know.
    """
    from zimage_cli.cli.main import app

    return read_command(typer.main.get_command(app))


def read_command(command: Any, path: tuple[str, ...] = (), parent: Any = None) -> Command:
    """Return a command of typer's, with all below it. Raises LookupError as `read_tree` does."""
    context = typer.Context(
        command, info_name=path[-1] if path else "zimage", parent=parent, **command.context_settings
    )
    names = command.list_commands(context) if hasattr(command, "list_commands") else ()
    below = [(name, command.get_command(context, name)) for name in names]
    options = _visible_options(command, context)
    default = getattr(command, "default", None)
    if default is not None:
        # It runs where none is named, with its own options.
        known = {name for param in options for name in param.opts}
        more = _visible_options(dict(below)[default], context)
        options = [*(one for one in more if not known & {*one.opts}), *options]
    return Command(
        path=path,
        about=_one_line(command.help),
        options=tuple(one for param in options for one in _options(path, param)),
        arguments=tuple(
            Argument(
                label(param),
                _one_line(param.help),
                value_of(path, param),
                param.nargs == -1,
                _type(param),
                param.required,
            )
            for param in command.params
            if param.param_type_name == "argument"
        ),
        commands=tuple(
            read_command(one, (*path, name), context) for name, one in below if not one.hidden
        ),
        default=default,
        statuses=tuple(getattr(command, "statuses", ())),
        examples=tuple(filter(None, map(str.strip, (command.epilog or "").splitlines()[1:]))),
    )


def in_language(tree: Command, translate: Translate) -> Command:
    """Return a tree whose texts are in another language."""

    def of_value(value: Value) -> Value:
        words = tuple(replace(one, about=said(one.about, translate)) for one in value.words)
        after = tuple((word, of_value(kind)) for word, kind in value.after)
        return replace(value, words=words, after=after)

    return replace(
        tree,
        about=said(tree.about, translate),
        options=tuple(
            replace(one, about=said(one.about, translate), value=one.value and of_value(one.value))
            for one in tree.options
        ),
        arguments=tuple(
            replace(one, about=said(one.about, translate), value=of_value(one.value))
            for one in tree.arguments
        ),
        commands=tuple(in_language(one, translate) for one in tree.commands),
    )


def _visible_options(command: Any, context: Any) -> list[Any]:
    found = command.get_params(context)
    return [one for one in found if one.param_type_name == "option" and not one.hidden]


def _options(path: tuple[str, ...], param: Any) -> Iterator[Option]:
    """Yield an option, and the one that is its opposite where there is one."""
    takes_value = not (param.is_flag or param.count)
    value = value_of(path, param) if takes_value else None
    about, group = _one_line(param.help), (*_ordered(param.opts), *_ordered(param.secondary_opts))
    called, repeatable = label(param), bool(param.multiple or param.count)
    # A function is asked for its value when the command runs.
    default = None if callable(param.default) else param.default
    rest = (called, repeatable, _type(param), default, param.rich_help_panel)
    yield Option(_ordered(param.opts), group, about, value, *rest)
    if param.secondary_opts:
        opposite = Message("The opposite of {option}.", option=_ordered(param.opts)[0])
        yield Option(_ordered(param.secondary_opts), group, opposite, None, *rest)


def _type(param: Any) -> str:
    """Return what a parameter is in JSON; what a function of ours reads is text."""
    names = {"int": "integer", "float": "number", "boolean": "boolean", "path": "path"}
    return names.get(param.type.name, "string")


def _ordered(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: not name.startswith("--")))


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
