"""The script for zsh."""

from __future__ import annotations

from zimage_cli.cli.completion import COMMAND, TITLE
from zimage_cli.cli.completion.bash import quoted
from zimage_cli.cli.completion.model import Argument, Command, Option
from zimage_cli.cli.completion.values import Value, Word

_END = """
if [[ ${funcstack[1]-} == _zimage ]]; then
  _zimage "$@"
else
  (( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit }
  compdef _zimage zimage
fi
"""


def render(tree: Command) -> str:
    """Return the script: autoloaded from a folder of `fpath`, or read with `source`."""
    return "".join(
        (
            f"#compdef zimage\n# {TITLE} for zsh.\n# Made by: {COMMAND}\n",
            "\n_zimage_free() { return 1 }\n",
            *map(_value, tree.values()),
            *map(_command, reversed(list(tree.walk()))),
            _END,
        )
    )


def _function(path: tuple[str, ...]) -> str:
    return "_".join(("_zimage", *path)).replace("-", "_")


def _command(command: Command) -> str:
    specs = [_option(option) for option in command.options]
    if not command.commands:
        specs += [_argument(at, one) for at, one in enumerate(command.arguments, 1)]
        return (
            f"\n{_function(command.path)}() {{\n"
            "  local -a line\n"
            "  local -A opt_args\n"
            f"  _arguments -s -S : \\\n    {_joined(specs)}\n}}\n"
        )
    names = _function(command.path) + "_commands"
    specs += [f"'1:command:{names}'", "'*::argument:->command'"]
    branches = "".join(
        f"    {one.name}) {_function(one.path)} && ret=0 ;;\n" for one in command.commands
    )
    words = [Word(one.name, one.about) for one in command.commands]
    return (
        f"\n{names}() {{\n{_described('commands', 'command', words)}}}\n"
        f"\n{_function(command.path)}() {{\n"
        '  local curcontext="$curcontext" state state_descr ret=1\n'
        "  local -a line\n"
        "  local -A opt_args\n"
        # A group's options stand before the command: behind it they are the command's own.
        f"  _arguments -C -A '-*' -s -S : \\\n    {_joined(specs)} && ret=0\n"
        f"  if [[ $state == command ]]; then\n    case $words[1] in\n{branches}    esac\n  fi\n"
        "  return ret\n}\n"
    )


def _joined(specs: list[str]) -> str:
    return " \\\n    ".join(specs)


def _option(option: Option) -> str:
    """Return a spec of `_arguments`."""
    takes = option.value is not None
    forms = [
        name + (("=" if name.startswith("--") else "+") if takes else "") for name in option.names
    ]
    about = option.about
    for char in "\\[]":
        about = about.replace(char, f"\\{char}")
    rest = f"[{about}]"
    if option.value is not None:
        rest += f":{_colons(option.label)}:{_action(option.value)}"
    if option.repeatable:
        before = "'*'"
    else:
        before = f"'({' '.join(option.group)})'" if len(option.group) > 1 else ""
    spelled = f"{{{','.join(forms)}}}" if len(forms) > 1 else forms[0]
    return f"{before}{spelled}{quoted(rest)}"


def _argument(at: int, argument: Argument) -> str:
    place = "*" if argument.repeatable else str(at)
    # The message that _arguments has for free text would keep options from being inserted.
    action = "_zimage_free" if _is_free(argument.value) else _action(argument.value)
    return quoted(f"{place}:{_colons(argument.label)}:{action}")


def _action(value: Value) -> str:
    return " " if _is_free(value) else f"_zimage_value_{value.name}"


def _is_free(value: Value) -> bool:
    return not (value.words or value.is_path or value.after)


def _value(value: Value) -> str:
    if _is_free(value):
        return ""
    if value.after:
        branches = "".join(
            f"    {word}) _zimage_value_{kind.name} ;;\n" for word, kind in value.after
        )
        # `line` is what _arguments found: the arguments without the options.
        body = f"  case ${{line[1]-}} in\n{branches}    *) return 1 ;;\n  esac\n"
    elif value.is_path:
        body = f"  _path_files{_globs(value)}\n"
    else:
        # A space that goes away when the user goes on: KIND:RATE.
        more = f" -S ' ' -r '{value.goes_on} '" if value.goes_on else ""
        body = "  compset -P '*,'\n" if value.goes_on == "," else ""
        body += _described(value.name, value.name.replace("_", " "), value.words, more)
    return f"\n_zimage_value_{value.name}() {{\n{body}}}\n"


def _globs(value: Value) -> str:
    folders = " -/" if value.folders else ""
    if not value.suffixes:
        return folders
    endings = "|".join(suffix.removeprefix(".") for suffix in value.suffixes)
    pattern = f"(#i)*.({endings})" if endings else "*"
    return f"{folders} -g '{pattern}(-.)'"


def _described(tag: str, title: str, words: list[Word] | tuple[Word, ...], more: str = "") -> str:
    """Return a body that offers words in their order, each with what it means."""
    lines = [
        quoted(_colons(word.text) + (f":{word.about}" if word.about else "")) for word in words
    ]
    listed = "\n    ".join(lines)
    return f"  local -a found=(\n    {listed}\n  )\n  _describe -V -t {tag} '{title}' found{more}\n"


def _colons(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
