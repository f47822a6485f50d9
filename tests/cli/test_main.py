"""The command line as a whole: help, version, errors, exit status."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import zimage_cli
from zimage_cli.cli.main import app
from zimage_cli.core.advice import EXIT_STATUSES

COMMANDS = ["generate", "validate", "config", "regions", "sizes", "history", "sandbox", "help"]
HELPS = [
    (),
    *((name,) for name in [*COMMANDS, "completions", "skill"]),
    *(("config", name) for name in ("show", "get", "set", "unset", "path", "edit")),
    *(("config", name) for name in ("set-region", "set-key", "unset-key", "set-workspace")),
    *(("regions", name) for name in ("list", "show", "ping")),
    *(("history", name) for name in ("list", "show", "recover")),
    ("sandbox", "serve"),
    ("completions", "show"),
    *(("skill", name) for name in ("show", "install")),
]


def test_version(zimage: Any) -> None:
    for args in (("--version",), ("--version", "generate")):
        run = zimage(*args)
        assert run.stdout == f"zimage {zimage_cli.__version__}\n"
        assert run.stderr == ""
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", zimage_cli.__version__)


@pytest.mark.parametrize("args", HELPS, ids=" ".join)
def test_help_is_on_stdout_and_has_examples(zimage: Any, args: tuple[str, ...]) -> None:
    run = zimage(*args, "--help", env={"COLUMNS": "80"})
    assert run.stderr == ""
    assert run.stdout.startswith(f"Usage: {' '.join(('zimage', *args))} ")
    assert all(len(line) <= 80 for line in run.lines)
    assert "\x1b" not in run.stdout
    examples = run.stdout.partition("Examples:\n")[2].splitlines()
    assert examples
    assert all(re.match(r"  .*zimage ", line) for line in examples), examples


SHORT = """\
Usage: zimage validate [OPTIONS] [PROMPT]

  Check installation, settings and, if one is given, a request.

Arguments:
  PROMPT               A prompt to check too; - reads standard input.

Options:
  -s, --size SIZE      16:9, 16:9@1536, square, portrait, landscape, 1280x720
                       …, see zimage sizes; default: 1024x1024.
  --request JSON       The request as a JSON object.
  -r, --region REGION  beijing, singapore (or their ids) or sandbox; default:
                       the one with a stored key, or beijing.
  --sandbox            Ask the stand-in inside zimage: no key, no cost.
  --online             Ask the service too, read-only and free: reachable,
                       key, model.
  --json               One JSON document on stdout.

Examples:
  zimage validate
  zimage validate 'A calm lake' --size 16:9
  zimage validate --online --region singapore

zimage validate --help shows all.
"""


ROOT = """\
Usage: zimage COMMAND

  Make pictures with Z-Image Turbo from the terminal.

Commands:
  generate     Make a picture of a prompt and save it.
  batch        Make a picture of every line of a file.
  validate     Check installation, settings and, if one is given, a request.
  config       Show and change the settings.
  regions      Show the regions, and ask whether they answer.
  sizes        Show the recommended sizes by ratio and tier.
  history      Look at everything ever made, and recover what was not saved.
  open         Show pictures in the desktop's viewer, and print their paths.
  inspect      Show what pictures say of their own making.
  gallery      Write one HTML page of pictures, to look at and to hand on.
  sandbox      A stand-in for the service on this machine.
  mcp          Serve programs that speak MCP, over standard input and output.
  skill        Give software agents what they need to know of zimage.
  schema       Print the JSON Schema of what zimage reads or prints.
  completions  Have the shell complete zimage.
  help         Show the whole help of a command.

Options:
  --version  Print the version.

Examples:
  zimage generate 'A calm lake at dawn' --sandbox
  zimage config set-key --region singapore
  zimage generate 'A calm lake at dawn' --size 16:9

zimage --help shows all.
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_the_first_screen(terminal: Any, columns: int) -> None:
    screen = terminal("-h", columns=columns)
    assert screen.end() == 0
    assert screen.text + "\n" == ROOT


def test_the_short_help_is_a_screen(zimage: Any) -> None:
    run = zimage("validate", "-h", env={"COLUMNS": "80"})
    assert (run.stdout, run.stderr) == (SHORT, "")


@pytest.mark.parametrize("command", ["generate", "batch", "validate"])
def test_the_short_help_shows_six_options_of_the_whole(zimage: Any, command: str) -> None:
    short, whole = (
        zimage(command, name, env={"COLUMNS": "200"}).stdout for name in ("-h", "--help")
    )
    options = re.findall(r"^  (-.*?)(?:  |$)", short, re.MULTILINE)
    assert len(options) == 6
    assert {*options} < {*re.findall(r"^  (-.*?)(?:  |$)", whole, re.MULTILINE)}
    assert len(short.splitlines()) <= 30
    assert "Exit status:" not in short
    assert short.partition("Examples:\n")[2] == (
        whole.partition("Examples:\n")[2] + f"\nzimage {command} --help shows all.\n"
    )


def test_where_all_fits_the_short_help_is_the_whole(zimage: Any) -> None:
    for args in (("sizes",), ("config",), ("config", "set"), ("sandbox", "serve")):
        assert zimage(*args, "-h").stdout == zimage(*args, "--help").stdout
        assert "  -h, --help" in zimage(*args, "-h").stdout


@pytest.mark.parametrize("args", [(), ("generate",), ("config",), ("config", "set")])
def test_help_of_a_command_is_its_whole_help(zimage: Any, args: tuple[str, ...]) -> None:
    assert zimage("help", *args).stdout == zimage(*args, "--help").stdout
    run = zimage("help", "nonsense", status=2)
    assert (run.stdout, "nonsense" in run.stderr) == ("", True)


def test_help_is_written_one_way(zimage: Any) -> None:
    for path, command in nodes(typer.main.get_command(app)):
        whole = zimage(*path, "--help", env={"COLUMNS": "200"}).stdout
        usage, _, rest = whole.partition("\n")
        assert not re.search(r"\[\]|[{}]|\[default|<=|INTEGER|TEXT", usage), usage
        # Brackets only say what may be left out, and that only in the line of usage.
        assert not re.search(r"\[[^\]]*\]", rest), (path, rest)
        assert rest.count("(default") == 0
        for param in command.params:
            if isinstance(param.default, (int, float, str)) and param.default is not False:
                shown = "1h" if param.default == "1h" else f"{param.default:g}"
                assert f"default: {shown}." in param.help, (path, param.name)


def nodes(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command and group, and its path."""
    yield path, command
    for name in (
        command.list_commands(typer.Context(command)) if hasattr(command, "list_commands") else ()
    ):
        yield from nodes(command.get_command(typer.Context(command), name), (*path, name))


def test_help_names_every_command(zimage: Any) -> None:
    run = zimage("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", run.stdout, re.MULTILINE)
    bare = zimage(status=2)
    assert bare.stdout == ""
    assert bare.stderr == zimage("-h").stdout
    assert bare.stderr.endswith("\nzimage --help shows all.\n")


def test_examples_of_help_work(zimage: Any) -> None:
    # What the help shows must be what the parser takes.
    zimage("config", "preset", "set", "ink", "--seed", "7")
    zimage("generate", "a kite", "--size", "512*512", "--sandbox")
    for args in ((), ("generate",)):
        text = zimage(*args, "--help").stdout
        # There is one picture, and not 42.
        shown = text.partition("Examples:\n")[2].replace(" --like 42", " --like last")
        examples = [shlex.split(line) for line in shown.splitlines()]
        generating = [words[1:] for words in examples if words[:2] == ["zimage", "generate"]]
        assert generating
        for words in generating:
            assert zimage(*words, "--dry-run").stdout.endswith("\nnothing was sent\n")


def test_usage_errors_as_json(zimage: Any) -> None:
    run = zimage("generate", "a", "--nonsense", "--json", status=2)
    assert list(run.json) == ["schema", "status", "images", "errors"]
    (error,) = run.json["errors"]
    assert error["type"] == "usage"
    assert error["hint"] == "zimage generate --help"
    assert error["message"] == "zimage generate has no option --nonsense."


def test_every_command_with_json_has_a_document_of_its_own(zimage: Any) -> None:
    found = {}
    for path, command in leaves(typer.main.get_command(app)):
        takes_json = any("--json" in param.opts for param in command.params)
        # That one logs in JSON lines, and prints no document.
        assert (command.document is not None) is (takes_json and path != ("sandbox", "serve")), path
        if command.document is not None:
            run = zimage(*path, "--json", "--nonsense", status=2)
            assert list(run.json) == ["schema", "status", *command.document, "errors"]
            assert (run.json["schema"], run.json["status"]) == (1, "error")
            assert {key: run.json[key] for key in command.document} == command.document
            assert "--nonsense" in run.json["errors"][0]["message"]
            found[path] = run.json
    assert {("generate",), ("batch",), ("history", "show"), ("config", "show")} < set(found)
    assert found["batch",]["type"] == "summary"
    assert found["history", "show"]["entry"] is None


@pytest.mark.parametrize(
    ("args", "promised"),
    [
        (("generate", "a", "--json", "--size"), True),
        (("generate", "--siez", "1:1", "a", "--json"), True),
        (("history", "show", "x", "--json"), True),
        (("history", "show", "999", "--json"), True),
        (("generate", "a", "--nonsense", "--name", "--json"), False),
        (("generate", "--nonsense", "--", "--json"), False),
        (("generate", "a", "--seed", "1", "--no-seed", "--name", "--json"), False),
        (("sizes", "x"), False),
        (("nonsense", "--json"), False),
        (("history", "--json", "--nonsense"), True),
        (("regions", "--json", "--nonsense"), True),
        (("config", "--json", "nonsense"), True),
        (("sandbox", "serve", "--json", "--nonsense"), False),
    ],
)
def test_json_is_promised_by_the_option_alone(
    zimage: Any, args: tuple[str, ...], promised: bool
) -> None:
    run = zimage(*args, status=2)
    assert bool(run.stdout) is promised
    if promised:
        assert run.json["status"] == "error"


def test_help_says_what_the_exit_statuses_mean(zimage: Any) -> None:
    whole = statuses(zimage("--help").stdout)
    assert whole == EXIT_STATUSES
    for path, command in leaves(typer.main.get_command(app)):
        shown = statuses(zimage(*path, "--help").stdout)
        assert {0, 2} <= set(shown) < set(whole), path
        assert shown == {status: whole[status] for status in command.statuses}
    assert 9 in statuses(zimage("batch", "--help").stdout)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that is no group, and its path."""
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    for name in command.list_commands(typer.Context(command)):
        yield from leaves(command.get_command(typer.Context(command), name), (*path, name))


def statuses(text: str) -> dict[int, str]:
    """Return what a help says of exit statuses."""
    section = text.partition("Exit status:\n")[2].partition("\n\n")[0]
    rows = [line.split(maxsplit=1) for line in section.splitlines()]
    return {int(status): words for status, words in rows}


def test_an_unknown_exception_is_said_to_be_a_bug(zimage: Any) -> None:
    # An import that breaks is as unknown as anything can be.
    program = """
import sys
sys.modules["zimage_cli.core.history.opening"] = None
sys.argv = ["zimage", *sys.argv[1:]]
from zimage_cli.__main__ import run
run()
"""
    for debug in ("", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program, "history", "list", "--json"],
            env=zimage.environment({"ZIMAGE_DEBUG": debug}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "error: this is a bug in zimage: " in done.stderr
        assert "ZIMAGE_DEBUG=1" in done.stderr
        assert ("Traceback" in done.stderr) is (debug == "1")
        document = json.loads(done.stdout)
        assert (document["entries"], document["errors"][0]["type"]) == ([], "bug")


def test_the_module_and_the_script_are_the_same(zimage: Any) -> None:
    script = Path(sys.executable).parent / "zimage"
    if not script.exists() or shutil.which(str(script)) is None:
        pytest.skip("zimage is not installed beside this Python")
    done = subprocess.run(
        [str(script), "sizes", "--json"], env=zimage.environment(), capture_output=True, check=True
    )
    assert done.stdout == zimage("sizes", "--json").stdout_bytes
