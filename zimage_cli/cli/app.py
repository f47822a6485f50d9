"""Typer in the house style: what every command of zimage has in common.

Help is written by typer's own plain formatter, grouped by panel: importing the Rich one takes
longer than everything else in a `--help`. `-h` is the short one: the options of every day and the
examples. Typer's completion is off: ours is static.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from zimage_cli.cli.output import Output
from zimage_cli.cli.streams import wants_colour
from zimage_cli.messages import Message, said

F = TypeVar("F", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
"""The option of commands whose result is a table."""

PROMISED = "zimage.document"
"""Where a context notes what `--json` promises: the own keys of the command's document, empty."""

MAX_WIDTH = 100
"""Columns. Longer lines of prose are hard to read, however wide the terminal."""

_CONTEXT = {"max_content_width": MAX_WIDTH}
_FEW = 10
"""So many options need no headings."""

_NAMES = 28
"""Columns for the names of options; the text of a longer one begins on the next line."""

_SHORT = "zimage.short"
"""Where a context notes that the short help is wanted."""

_MISSING = "zimage.missing"
"""Where a context notes that no command was named: the help that is shown then is no result."""

_AS_DATA = "zimage.as-data"
"""Where a context notes that the help is wanted as JSON."""

_ARGUMENTS, _OPTIONS, _COMMANDS = Message("Arguments"), Message("Options"), Message("Commands")
_STATUSES, _EXAMPLES = Message("Exit status"), Message("Examples")


def heading(ctx: Any, text: str) -> str:
    """Return a section's heading, bold where the stream shows it that the help goes to."""
    stream = sys.stderr if ctx.meta.get(_MISSING) else sys.stdout
    return f"\x1b[1m{text}\x1b[0m" if wants_colour(stream, os.environ) else text


def _said(formatter: Any, text: str) -> str:
    """Return text of a help in the formatter's language: typer's own formatter has English."""
    translate = getattr(formatter, "translate", None)
    return text if translate is None else said(text, translate)


def _show_help(context: Any, option: Any, wanted: bool) -> None:
    # Typer's own callback prints by itself, and fails where stdout takes no more.
    if wanted and not context.resilient_parsing:
        if context.meta.get(_AS_DATA):
            # By its name: it reads the whole tree, whose modules import this one.
            tree = import_module("zimage_cli.cli.tree")
            Output().document("ok", **tree.document(context))
        else:
            context.meta[_SHORT] = "-h" in option.opts
            Output().help(context.get_help())
        context.exit()


class _Helpful:
    """What the help of commands and of groups has in common.

    `everyday` names the options that the short help shows; where it is empty, both are the same.
    `statuses` are the exit statuses that the whole help explains, `about_help` what is said of
    `--help` where that is something else than usual.
    """

    everyday: Iterable[str] = ()
    statuses: Iterable[int] = ()
    about_help = ""
    _short: Any = None

    def is_short(self, ctx: Any) -> bool:
        """Tell whether the short help is wanted, and is another one than the whole."""
        return bool(self.everyday) and bool(ctx.meta.get(_SHORT))

    def get_help_option_names(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names of the option for the whole help."""
        return ["--help"] if self.everyday else ["--help", "-h"]

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, printed as all else is."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = _show_help
            whole, this = Message("Show the whole help."), Message("Show this help.")
            option.help = self.about_help or (whole if self.everyday else this)
        return option

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--help` among them, and `-h` where that is another one."""
        if self._short is None and self.everyday:
            self._short = TyperOption(
                param_decls=["-h"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_help,
                help=Message("Show the options of every day, and examples."),
            )
        own: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        return [*own, self._short] if self._short is not None else own

    def with_help_as_data(self, ctx: Any, args: list[str], end: int) -> list[str]:
        """Note that the help is wanted as JSON; return the command line as the parser knows it.

        The first `end` words are looked at. `--json` beside `--help` goes with every command, also
        where it is no option.
        """
        own = args[:end]
        if "--json" not in own or not {"--help", "-h"} & {*own}:
            return args
        ctx.meta[_AS_DATA] = True
        if any("--json" in param.opts for param in self.get_params(ctx)):
            return args
        return [*(word for word in own if word != "--json"), *args[end:]]

    def get_help(self, ctx: Any) -> str:
        """Return the help in the language of the person, and in columns of a terminal."""
        translate = Output().translate
        if translate is not None:
            from zimage_cli.cli.help_lines import HelpLines

            ctx.formatter_class = partial(HelpLines, translate)
        return str(super().get_help(ctx))  # type: ignore[misc]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line; in brackets what may be left out."""
        pieces = ["[OPTIONS]"]
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument" and not parameter.hidden:
                name = label(parameter) + (" ..." if parameter.nargs == -1 else "")
                pieces.append(name if parameter.required else f"[{name}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by panel; those without a panel last, with `--help`."""
        short, parameters = self.is_short(ctx), self.get_params(ctx)
        flat = short or len(parameters) <= _FEW
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in parameters:
            if parameter.hidden:
                continue
            if parameter.param_type_name == "argument":
                sections.setdefault(_ARGUMENTS, []).append((label(parameter), parameter.help))
            elif not short or {*parameter.opts} & {*self.everyday}:
                panel = None if flat else parameter.rich_help_panel
                row = (_spelled(parameter), parameter.help or "")
                sections.setdefault(panel or _OPTIONS, []).append(row)
        # One column for all sections: all texts begin at the same place.
        wide = [len(name) for rows in sections.values() for name, _ in rows]
        column = max((one for one in wide if one <= _NAMES), default=1)
        order: dict[str, int] = {_ARGUMENTS: 0, _OPTIONS: 2}
        for name in sorted(sections, key=lambda name: order.get(name, 1)):
            with formatter.section(heading(ctx, _said(formatter, name))):
                rows = [
                    (option.ljust(column), _said(formatter, text))
                    for option, text in sections[name]
                ]
                formatter.write_dl(rows, col_max=column)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit statuses and the epilog; a short help says where the others stand.

        The epilog is `Examples:` and one command a paragraph, none of them re-wrapped.
        """
        short = self.is_short(ctx)
        if self.statuses and not short:
            from zimage_cli.core.advice import EXIT_STATUSES

            with formatter.section(heading(ctx, _said(formatter, _STATUSES))):
                formatter.write_dl(
                    [(str(one), _said(formatter, EXIT_STATUSES[one])) for one in self.statuses]
                )
        lines = [line for line in (self.epilog or "").splitlines() if line.strip()]  # type: ignore[attr-defined]
        if lines:
            with formatter.section(heading(ctx, _said(formatter, _EXAMPLES))):
                for line in lines[1:]:
                    formatter.write(f"  {line.strip()}\n")
        if short:
            formatter.write_paragraph()
            more = Message("{command} --help shows all.", command=ctx.command_path)
            formatter.write(f"{_said(formatter, more)}\n")


class Command(_Helpful, TyperCommand):
    """A command whose help is grouped by panel and ends with exit statuses and examples.

    `document` holds the own keys of what its `--json` prints, with empty values; None for a command
    without one.
    """

    document: Mapping[str, Any] | None = None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and note in the context what `--json` promises, whatever the parser says."""
        words = list(args)
        end = args.index("--") if "--" in args else len(args)
        try:
            return super().parse_args(ctx, self.with_help_as_data(ctx, args, end))
        finally:
            if self.document is not None and self._asks_for_json(ctx, words):
                ctx.meta[PROMISED] = self.document

    def _asks_for_json(self, ctx: Any, words: list[str]) -> bool:
        """Tell whether `--json` is among the words: as an option, not as the value of one."""
        parser = self.make_parser(ctx)
        parser.ignore_unknown_options = True
        before, ctx.resilient_parsing = ctx.resilient_parsing, True
        try:
            given, _, _ = parser.parse_args(args=words)
        finally:
            ctx.resilient_parsing = before
        return any(given.get(param.name or "") for param in self.params if "--json" in param.opts)


class _Commands(dict[str, Any]):
    """Commands by name; one that is only known by its module is imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        command = super().__getitem__(name)
        if isinstance(command, str):
            command = typer.main.get_command(import_module(command).app)
            command.name = name
            self[name] = command
        return command

    def get(self, name: str, default: Any = None) -> Any:
        """Return a command, or the default where there is none of that name."""
        return self[name] if name in self else default  # noqa: SIM401 - this is that get


class Group(_Helpful, TyperGroup):
    """A command group, its help in the same style.

    `default` is the command that runs where none is named, with its options; with `takes_words`,
    also where the first word is no command: it is an argument then. `modules` are those of commands
    that are imported only when they run; each has its `app`.
    """

    default: str | None = None
    takes_words = False
    modules: Mapping[str, str] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands({**self.commands, **self.modules})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with the default command put in where only its options are given."""
        words = (number for number, word in enumerate(args) if not word.startswith("-"))
        args = self.with_help_as_data(ctx, args, next(words, len(args)))
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        bare = not args or (args[0].startswith("-") and args[0] not in own)
        bare = bare or (self.takes_words and args[0] not in {*own, *self.list_commands(ctx)})
        if bare and self.default is not None:
            args = [self.default, *args]
        if not args:
            ctx.meta[_SHORT] = ctx.meta[_MISSING] = True
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the words of the usage line."""
        return ["[COMMAND]" if self.default else "COMMAND"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the subcommands, then the group's own options."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                about = (command.help or "").strip().partition("\n\n")[0]
                rows.append((name, _summary(_said(formatter, " ".join(about.split())))))
        if rows:
            with formatter.section(heading(ctx, _said(formatter, _COMMANDS))):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)


def _summary(text: str) -> str:
    """Return the first thing that a help says: what stands before a colon or semicolon."""
    words = text
    for end in (". ", ": ", "; ", "。", "：", "；"):
        words = words.partition(end)[0]
    return words.rstrip(".") + ("。" if "。" in text else ".")


def label(parameter: Any) -> str:
    """Return what a parameter's value is called in help: `PROMPT`."""
    return str(parameter.metavar or parameter.name.upper()).strip("[].")


def _spelled(option: Any) -> str:
    """Return an option's names, short ones first, and what its value is called."""
    value = "" if option.is_flag or option.count else f" {label(option)}"
    names = [", ".join(sorted(option.opts, key=len)) + value]
    if option.secondary_opts:
        names.append(", ".join(option.secondary_opts))
    return " / ".join(names)


class App(typer.Typer):
    """A Typer app with the house's defaults.

    `default`, `takes_words` and `modules` are those of its group.
    """

    def __init__(
        self,
        *,
        default: str | None = None,
        takes_words: bool = False,
        modules: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.modules = modules or {}
        own = {"default": default, "takes_words": takes_words, "modules": self.modules}
        defaults: dict[str, Any] = {
            "cls": type("Group", (Group,), own),
            "add_completion": False,
            "rich_markup_mode": None,
            "pretty_exceptions_enable": False,
            "context_settings": _CONTEXT,
        }
        super().__init__(**{**defaults, **settings})

    def command(
        self,
        name: str | None = None,
        *,
        document: Mapping[str, Any] | None = None,
        statuses: Iterable[int] = (0, 2),
        everyday: Iterable[str] = (),
        base: type[Command] = Command,
        **settings: Any,
    ) -> Callable[[F], F]:
        """Register a command; as `typer.Typer.command`, with a command class of its own.

        `document` is what its `--json` prints where it fails: its own keys with empty values.
        `statuses` are the exit statuses that its help shows, `everyday` the options that `-h`
        shows; without any, `-h` is the same as `--help`. `base`: the class that it extends.
        """
        own = {"document": document, "statuses": statuses, "everyday": everyday}
        cls = type("Command", (base,), own)
        defaults: dict[str, Any] = {"cls": cls, "context_settings": _CONTEXT}
        return super().command(name, **{**defaults, **settings})
