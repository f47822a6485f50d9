"""The script for fish: the tree as data, and machine.fish that reads it.

One function and not a `complete` line an option: fish would put short options before long ones, and
a condition "not given already" would stand in the way of that option's own value.
"""

from __future__ import annotations

from pathlib import Path

from zimage_cli.cli.completion import COMMAND, TITLE
from zimage_cli.cli.completion.model import Command
from zimage_cli.cli.completion.values import Value, Word


def render(tree: Command) -> str:
    """Return the script."""
    commands = "".join(map(_command, tree.walk()))
    values = "".join(map(_value, tree.values()))
    return f"""\
# {TITLE} for fish.
# Made by: {COMMAND}

# Set `commands`, `options` (NAME:GROUP:VALUE:+ where repeatable:HELP) and `arguments`.
function __zimage_command -S
    set commands
    set options
    set arguments
    switch $argv[1]
{commands}\
    end
end

# Set what a value can be; the second argument is the word before it.
function __zimage_values -S
    switch $argv[1]
{values}\
    end
end

{Path(__file__).with_name("machine.fish").read_text("utf-8")}"""


def _command(command: Command) -> str:
    lines = [f"        case {_quoted(command.key)}"]
    words = [_word(Word(one.name, one.about)) for one in command.commands]
    lines += _list("commands", words)
    specs = []
    for name, option in command.spellings:
        value = option.value.name if option.value else ""
        many = "+" if option.repeatable else ""
        specs.append(_quoted(f"{name}:{option.group[0]}:{value}:{many}:{option.about}"))
    lines += _list("options", specs)
    if command.arguments:
        kinds = (one.value.name + ("+" if one.repeatable else "") for one in command.arguments)
        lines.append(f"            set arguments {' '.join(kinds)}")
    return "\n".join([*lines, ""])


def _value(value: Value) -> str:
    lines = _list("candidates", [_word(word) for word in value.words])
    if value.suffixes:
        patterns = " ".join(_quoted(f"*{suffix}") for suffix in value.suffixes)
        lines.append(f"            set patterns {patterns}")
    if value.folders:
        lines.append("            set folders 1")
    if value.goes_on == ",":
        lines.append("            set listed 1")
    if value.after:
        lines.append("            switch $argv[2]")
        for word, kind in value.after:
            lines += [
                f"                case {word}",
                f"                    __zimage_values {kind.name}",
            ]
        lines.append("            end")
    return "\n".join([f"        case {value.name}", *lines, ""]) if lines else ""


def _list(name: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [" \\\n                ".join([f"            set {name}", *items])]


def _word(word: Word) -> str:
    return _quoted(word.text) + (f"\\t{_quoted(word.about)}" if word.about else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
