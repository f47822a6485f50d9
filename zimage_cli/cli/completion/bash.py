"""The script for bash: the tree as data, and machine.bash that reads it.

COMP_WORDS is of no use: bash cuts it at `=`, `:` and `@`, all of which stand in sizes. The line is
cut again, and what readline will replace is told from COMP_WORDBREAKS. There is no `$(…)`: even a
fork is slow on some systems. No associative arrays and no mapfile: macOS has bash 3.2.
"""

from __future__ import annotations

from pathlib import Path

from zimage_cli.cli.completion import COMMAND, TITLE
from zimage_cli.cli.completion.model import Command, Option
from zimage_cli.cli.completion.values import Value


def render(tree: Command) -> str:
    """Return the script."""
    commands = "".join(map(_command, tree.walk()))
    values = "".join(map(_value, tree.values()))
    return f"""\
# {TITLE} for bash 3.2 and later, with bash-completion and without.
# Made by: {COMMAND}
# shellcheck shell=bash disable=SC2034,SC2088,SC2254,SC2295

# Set `commands`, `options` (NAMES:VALUE:+ where repeatable) and `arguments` of the command $1.
__zimage_command() {{
    commands='' options='' arguments=''
    case $1 in
{commands}\
    esac
}}

# Set what a value of kind $1 can be; $2 is the argument before it.
__zimage_values() {{
    case $1 in
{values}\
    esac
}}

{Path(__file__).with_name("machine.bash").read_text("utf-8")}"""


def _command(command: Command) -> str:
    lines = [f"    '{command.key}')"]
    if command.commands:
        lines.append(f"        commands='{' '.join(one.name for one in command.commands)}'")
    groups = dict.fromkeys(map(_option, command.options))
    lines.append("        options='" + "\n            ".join(groups) + "'")
    if command.arguments:
        words = (one.value.name + (":+" if one.repeatable else "") for one in command.arguments)
        lines.append(f"        arguments='{' '.join(words)}'")
    return "\n".join([*lines, "        ;;", ""])


def _option(option: Option) -> str:
    value = option.value.name if option.value else ""
    return f"{'|'.join(option.group)}:{value}:{'+' if option.repeatable else ''}"


def _value(value: Value) -> str:
    lines = []
    if value.words:
        lines.append("candidates=(")
        lines += [f"    {quoted(word.text)}" for word in value.words]
        lines.append(")")
    if value.suffixes:
        lines.append(f"patterns=({' '.join(quoted(_pattern(one)) for one in value.suffixes)})")
    if value.folders:
        lines.append("folders=1")
    if value.goes_on:
        lines.append(f"goes_on={quoted(value.goes_on)}")
    if value.after:
        lines.append("case $2 in")
        lines += [f"{word}) __zimage_values {kind.name} '' ;;" for word, kind in value.after]
        lines.append("esac")
    if not lines:
        return ""
    return "\n".join(
        [f"    {value.name})", *(f"        {line}" for line in lines), "        ;;", ""]
    )


def quoted(text: str) -> str:
    """Return text as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _pattern(suffix: str) -> str:
    """Return a pattern for a suffix in any case: bash has no other way that changes no option."""
    return "*" + "".join(
        f"[{char}{char.upper()}]" if char.isalpha() else char for char in suffix.lower()
    )
