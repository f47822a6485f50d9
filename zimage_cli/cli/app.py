"""Typer in the house style: what every command of zimage has in common.

Help is written by typer's own plain formatter, grouped by panel: importing the Rich one takes
longer than everything else in a `--help`. Typer's completion is off: ours is static.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from zimage_cli.cli.output import Output, wants_colour

F = TypeVar("F", bound=Callable[..., Any])

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
"""The option of commands whose result is a table."""

PROMISED = "zimage.document"
"""Where a context notes what `--json` promises: the own keys of the command's document, empty."""

MAX_WIDTH = 100
"""Columns. Longer lines of prose are hard to read, however wide the terminal."""

_CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": MAX_WIDTH}


def heading(text: str) -> str:
    """Return a section's heading, bold where stdout shows it."""
    return f"\x1b[1m{text}\x1b[0m" if wants_colour(sys.stdout, os.environ) else text


def _show_help(context: Any, _option: Any, wanted: bool) -> None:
    # Typer's own callback prints by itself, and fails where stdout takes no more.
    if wanted and not context.resilient_parsing:
        Output().help(context.get_help())
        context.exit()


def write_statuses(formatter: Any, statuses: Iterable[int]) -> None:
    """Write what exit statuses mean."""
    from zimage_cli.core.advice import EXIT_STATUSES

    with formatter.section(heading("Exit status")):
        formatter.write_dl([(str(status), EXIT_STATUSES[status]) for status in statuses])


class _Helpful:
    """What the help of commands and of groups has in common."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return `--help`, printed as all else is."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = _show_help
        return option

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by panel; those without a panel last, with `--help`."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):  # type: ignore[attr-defined]
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panel = getattr(parameter, "rich_help_panel", None) or kind
            sections.setdefault(panel, []).append(record)
        # One column for all sections: all texts begin at the same place.
        wide = [len(name) for rows in sections.values() for name, _ in rows]
        column = min(max(wide, default=1), 28)
        for name in sorted(sections, key=lambda name: {"Arguments": 0, "Options": 2}.get(name, 1)):
            with formatter.section(heading(name)):
                rows = [(option.ljust(column), text) for option, text in sections[name]]
                formatter.write_dl(rows, col_max=column)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the epilog: `Examples:` and one command a paragraph, none of them re-wrapped."""
        lines = [line for line in (self.epilog or "").splitlines() if line.strip()]  # type: ignore[attr-defined]
        if lines:
            with formatter.section(heading(lines[0].rstrip(":"))):
                for line in lines[1:]:
                    formatter.write(f"  {line.strip()}\n")


class Command(_Helpful, TyperCommand):
    """A command whose help is grouped by panel and ends with exit statuses and examples.

    `document` holds the own keys of what its `--json` prints, with empty values; None for a command
    without one.
    """

    document: Mapping[str, Any] | None = None
    statuses: Iterable[int] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and note in the context what `--json` promises, whatever the parser says."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
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

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the exit statuses and the examples."""
        write_statuses(formatter, self.statuses)
        super().format_epilog(ctx, formatter)


class Group(_Helpful, TyperGroup):
    """A command group, its help in the same style."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the subcommands, then the group's own options."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                paragraph = (command.help or "").strip().partition("\n\n")[0]
                rows.append((name, " ".join(paragraph.split())))
        if rows:
            with formatter.section(heading("Commands")):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)


class App(typer.Typer):
    """A Typer app with the house's defaults."""

    def __init__(self, **settings: Any) -> None:
        defaults: dict[str, Any] = {
            "cls": Group,
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
        **settings: Any,
    ) -> Callable[[F], F]:
        """Register a command; as `typer.Typer.command`, with a command class of its own.

        `document` is what its `--json` prints where it fails: its own keys with empty values.
        `statuses` are the exit statuses that its help shows.
        """
        cls = type("Command", (Command,), {"document": document, "statuses": statuses})
        defaults: dict[str, Any] = {"cls": cls, "context_settings": _CONTEXT}
        return super().command(name, **{**defaults, **settings})
