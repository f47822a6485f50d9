"""The generator, its table of values, `completions show`; typer's own completion is off."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from zimage_cli.cli.app import App
from zimage_cli.cli.completion import SCRIPTS, TITLE
from zimage_cli.cli.completion.model import Command, read_command, read_tree
from zimage_cli.cli.completion.render import render
from zimage_cli.cli.completion.values import ARGUMENTS, FREE, OPTIONS, entry_of
from zimage_cli.cli.main import app
from zimage_cli.core.request import sizes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "completions"
REFRESH = "write them anew with: python -m zimage_cli.cli.completion"

needs_checkout = pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder completions/ here")


def commands(command: Any, path: tuple[str, ...] = (), parent: Any = None):
    """Yield (path, typer's command) of the whole tree."""
    context = typer.Context(command, info_name=path[-1] if path else "zimage", parent=parent)
    yield path, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name), context)


def whole_tree() -> list[tuple[tuple[str, ...], Any]]:
    return list(commands(typer.main.get_command(app)))


# -- the checked-in scripts ---------------------------------------------------------------------


@needs_checkout
@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_checked_in_script_is_what_the_tree_says(shell: str) -> None:
    assert (FOLDER / SCRIPTS[shell]).read_text("utf-8") == render(shell), REFRESH


@needs_checkout
def test_nothing_else_lies_beside_them() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SCRIPTS.values())


def test_one_command_writes_all_of_them(tmp_path: Path, zimage) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zimage_cli.cli.completion", str(tmp_path)],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / name) for name in SCRIPTS.values()]
    for shell, name in SCRIPTS.items():
        assert (tmp_path / name).read_text("utf-8") == render(shell)


def test_a_script_says_what_it_is_and_what_makes_it() -> None:
    for shell in SCRIPTS:
        start = render(shell)[:300]
        assert TITLE in start
        assert "python -m zimage_cli.cli.completion" in start
    assert render("zsh").startswith("#compdef zimage\n")
    assert render("powershell").isascii()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_command_and_option_stands_in_every_script(shell: str) -> None:
    text = render(shell)
    for command in read_tree().walk():
        for option in command.options:
            for name in option.names:
                assert name in text, (command.key, name)
            if shell in {"zsh", "fish"} and option.about.isalnum():
                assert option.about in text
    larger = [size for size in sizes.RECOMMENDED if size.tier != sizes.TIERS[0]]
    for word in (
        *sizes.NAMED_RATIOS,
        *sizes.RATIOS,
        *(f"{one.ratio}@{one.tier}" for one in larger),
    ):
        assert word.replace(":", "\\:") in text or word in text


def test_the_generator_uses_public_names_only() -> None:
    for path in (ROOT / "zimage_cli" / "cli" / "completion").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name.name}" for name in node.names]
            elif isinstance(node, ast.Attribute):
                names = [node.attr] if not node.attr.startswith("__") else []
            for name in names:
                assert not any(
                    part.startswith("_") and part != "__future__" for part in name.split(".")
                )
                assert name.split(".")[0] != "click"


# -- the tree as data ---------------------------------------------------------------------------


def find(tree: Command, key: str) -> Command:
    return next(command for command in tree.walk() if command.key == key)


def test_the_model_holds_the_commands_in_the_order_of_the_help() -> None:
    context = typer.Context(typer.main.get_command(app))
    names = [command.name for command in read_tree().commands]
    assert names == context.command.list_commands(context)
    assert find(read_tree(), "completions").about
    assert [one.name for one in find(read_tree(), "completions").commands] == [
        "show",
        "install",
        "uninstall",
    ]


def test_an_option_with_an_opposite_is_one_group_of_two() -> None:
    generate = find(read_tree(), "generate")
    on, off = (option for option in generate.options if "--prompt-extend" in option.group)
    assert (on.names, off.names) == (("--prompt-extend",), ("--no-prompt-extend",))
    assert on.group == off.group
    assert off.about == "The opposite of --prompt-extend."


def test_a_group_with_a_default_has_its_options() -> None:
    names = {name for option in find(read_tree(), "history").options for name in option.names}
    assert {"--limit", "-l", "--since", "--json", "--help", "-h"} <= names
    assert [one.label for one in find(read_tree(), "help").arguments] == ["COMMAND", "SUBCOMMAND"]


def test_long_names_come_first_and_help_is_there() -> None:
    for command in read_tree().walk():
        assert any("--help" in option.names for option in command.options), command.key
        for option in command.options:
            lengths = [name.startswith("--") for name in option.names]
            assert lengths == sorted(lengths, reverse=True)


# -- what a new option has to say ---------------------------------------------------------------


def command_with(annotation: Any, default: Any) -> Any:
    """Return typer's command for `zimage paint` with one parameter."""
    small = App()

    def paint(thing=default) -> None:
        """Paint."""

    paint.__annotations__ = {"thing": annotation, "return": None}
    small.command()(paint)
    return typer.main.get_command(small)


def test_an_option_without_an_entry_fails_and_names_itself() -> None:
    command = command_with(Annotated[str, typer.Option("--brush")], "round")
    with pytest.raises(LookupError, match=r"zimage paint --brush takes a value.*values\.py"):
        read_command(command, ("paint",))


def test_an_argument_without_an_entry_fails_and_names_itself() -> None:
    command = command_with(Annotated[str, typer.Argument()], "round")
    with pytest.raises(LookupError, match=r"zimage paint thing takes a value"):
        read_command(command, ("paint",))


def test_a_flag_needs_no_entry() -> None:
    command = read_command(command_with(Annotated[bool, typer.Option("--wet")], False), ("paint",))
    assert command.options[0].names == ("--wet",)
    assert command.options[0].value is None


def test_an_option_with_choices_needs_no_entry() -> None:
    from enum import Enum

    brush = Enum("brush", {"round": "round", "flat": "flat"}, type=str)
    annotation = Annotated[brush, typer.Option("--brush")]
    command = read_command(command_with(annotation, brush.round), ("paint",))
    value = command.options[0].value
    assert value is not None
    assert [word.text for word in value.words] == ["round", "flat"]
    tree = Command((), "", (), (), (command,))
    for shell in SCRIPTS:
        assert "flat" in render(shell, tree)


def test_every_value_of_the_tree_has_an_entry_that_is_used() -> None:
    used = {
        entry_of(path, param)
        for path, command in whole_tree()
        for param in command.params
        if param.param_type_name == "argument" or not (param.is_flag or param.count)
    }
    assert {*OPTIONS, *ARGUMENTS} - used == set(), "no such option or argument any more"


def test_free_text_is_free() -> None:
    generate = find(read_tree(), "generate")
    assert generate.arguments[0].value is FREE
    for name in ("--seed", "--name", "--request", "--workspace"):
        assert next(one for one in generate.options if name in one.names).value is FREE


# -- typer's own completion ---------------------------------------------------------------------


def test_typers_own_completion_options_are_off_everywhere() -> None:
    tree = whole_tree()
    assert len(tree) > 20
    for path, command in tree:
        for param in command.params:
            assert not {"--install-completion", "--show-completion"} & set(param.opts), path


@pytest.mark.parametrize("instruction", ["complete_bash", "source_zsh", "bash_source", "nonsense"])
def test_the_variable_of_typers_completion_does_nothing(zimage, instruction: str) -> None:
    plain = zimage("sizes", "--json")
    env = {"_ZIMAGE_COMPLETE": instruction, "_TYPER_COMPLETE_ARGS": "zimage sizes"}
    asked = zimage("sizes", "--json", env=env)
    assert (asked.stdout, asked.stderr) == (plain.stdout, plain.stderr)


# -- show ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SCRIPTS)
def test_show_prints_the_script(zimage, shell: str) -> None:
    result = zimage("completions", "show", shell)
    assert result.stdout == render(shell)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("text", "shell"), [("pwsh", "powershell"), ("/usr/bin/zsh", "zsh"), ("BASH", "bash")]
)
def test_show_knows_a_shell_by_its_other_names(zimage, text: str, shell: str) -> None:
    assert zimage("completions", "show", text).stdout == render(shell)


@pytest.mark.parametrize("command", ["show", "install", "uninstall"])
def test_an_unknown_shell_is_an_error_that_lists_them(zimage, command: str) -> None:
    result = zimage("completions", command, "tcsh", status=2)
    assert result.stdout == ""
    assert "'tcsh' is not a shell" in result.stderr
    assert "bash, zsh, fish, powershell" in result.stderr


def test_show_without_a_shell_is_an_error(zimage) -> None:
    assert "SHELL" in zimage("completions", "show", status=2).stderr


def test_show_into_a_pipe_that_closes_is_no_bug(zimage) -> None:
    command = [*zimage.command, "completions", "show", "powershell"]
    shown = subprocess.Popen(
        command, env=zimage.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert shown.stdout is not None
    assert shown.stderr is not None
    shown.stdout.readline()
    shown.stdout.close()
    assert shown.stderr.read() == b""
    shown.stderr.close()
    assert shown.wait(60) == 141


def test_show_loads_nothing_heavy(zimage) -> None:
    program = (
        "import sys, json, os\n"
        "from zimage_cli.cli.main import main\n"
        "status = main(['completions', 'show', 'bash'])\n"
        "os.write(2, json.dumps([status, sorted(sys.modules)]).encode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=zimage.environment(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    status, loaded = json.loads(done.stderr)
    assert status == 0
    heavy = {"rich", "httpx", "PIL", "sqlite3", "tomlkit", "platformdirs", "pydantic", "asyncio"}
    assert not heavy & set(loaded)
    assert not [name for name in loaded if name.startswith("zimage_cli.cli.completion.")]
    assert "zimage_cli.cli.generate" not in loaded
