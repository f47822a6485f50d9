"""The script for PowerShell, 5.1 and later: the tree as data, and machine.ps1 that reads it.

The line is cut again and not taken from the syntax tree: there, `--size=16:9` is two things. Every
variable is set before it is read: users run with strict mode on.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from zimage_cli.cli.completion import COMMAND, TITLE
from zimage_cli.cli.completion.model import Command
from zimage_cli.cli.completion.values import Value, Word
from zimage_cli.cli.folding import columns_of

_ASCII = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "’": "'"}
)


def render(tree: Command) -> str:
    """Return the script, in ASCII: PowerShell 5.1 takes a bare UTF-8 file for another code page."""
    commands = "".join(map(_command, tree.walk()))
    values = "".join(map(_value, tree.values()))
    return f"""\
# {TITLE} for PowerShell.
# Made by: {COMMAND}

Register-ArgumentCompleter -Native -CommandName 'zimage', 'zimage.exe' -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)

    $commands = @{{
{commands}\
    }}
    $kinds = @{{
{values}\
    }}

{Path(__file__).with_name("machine.ps1").read_text("utf-8")}"""


def _command(command: Command) -> str:
    options = [
        f"@{{ Name = {_quoted(name)}; Group = {_quoted(option.group[0])}; "
        f"Value = {_quoted(option.value.name if option.value else '')}; "
        f"Many = {_boolean(option.repeatable)}; About = {_quoted(option.about)} }}"
        for name, option in command.spellings
    ]
    words = [_word(Word(one.name, one.about), "Command") for one in command.commands]
    arguments = [
        f"@{{ Value = {_quoted(one.value.name)}; Many = {_boolean(one.repeatable)} }}"
        for one in command.arguments
    ]
    return (
        f"        {_quoted(command.key)} = @{{\n"
        f"            Commands = {_list(words)}\n"
        f"            Options = {_list(options)}\n"
        f"            Arguments = {_list(arguments)}\n"
        "        }\n"
    )


def _value(value: Value) -> str:
    after = "; ".join(f"{_quoted(word)} = {_quoted(kind.name)}" for word, kind in value.after)
    return (
        f"        {_quoted(value.name)} = @{{\n"
        f"            Words = {_list([_word(word, 'ParameterValue') for word in value.words])}\n"
        f"            Suffixes = @({', '.join(map(_quoted, value.suffixes))})\n"
        f"            Folders = {_boolean(value.folders)}\n"
        f"            Listed = {_boolean(value.goes_on == ',')}\n"
        f"            After = @{{ {after} }}\n"
        "        }\n"
    )


def _word(word: Word, kind: str) -> str:
    return f"@{{ Text = {_quoted(word.text)}; About = {_quoted(word.about)}; Type = '{kind}' }}"


def _list(items: list[str]) -> str:
    if not items:
        return "@()"
    return "@(\n" + "".join(f"                {item}\n" for item in items) + "            )"


def _boolean(value: bool) -> str:
    return "$true" if value else "$false"


def _quoted(text: str) -> str:
    if columns_of(text) > len(text):
        # Han letters, and quotes among them that PowerShell would take for its own.
        units = text.replace("\\", "\\\\").encode("utf-16-be").hex(" ", 2).split()
        numbers = (int(unit, 16) for unit in units)
        escaped = (chr(one) if one < 0x80 else f"\\u{one:04x}" for one in numbers)
        return "[regex]::Unescape('" + "".join(escaped).replace("'", "''") + "')"
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII)).encode("ascii", "ignore").decode()
    return "'" + plain.replace("'", "''") + "'"
