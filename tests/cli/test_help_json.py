"""`--help --json`: the command tree as data, whole and in part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

import zimage_cli
from zimage_cli.cli.main import COMMANDS, app
from zimage_cli.core.advice import EXIT_STATUSES
from zimage_cli.core.request import sizes


@pytest.fixture
def tree(zimage: Any) -> dict[str, Any]:
    return zimage("--help", "--json").json


def every(command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield command
    for one in command["commands"]:
        yield from every(one)


def find(tree: dict[str, Any], usage: str) -> dict[str, Any]:
    [found] = [one for one in every(tree["command"]) if one["usage"] == usage]
    return found


def named(command: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [one for one in command["options"] if name in one["names"]]
    return found


def test_the_document_of_the_whole_tree(zimage: Any) -> None:
    run = zimage("--help", "--json")
    assert run.stderr == ""
    assert list(run.json) == [
        *("schema", "status", "version", "exit_statuses", "command", "errors")
    ]
    assert (run.json["schema"], run.json["status"], run.json["errors"]) == (1, "ok", [])
    assert run.json["version"] == zimage_cli.__version__
    assert run.json["exit_statuses"] == {str(one): text for one, text in EXIT_STATUSES.items()}
    assert [one["name"] for one in run.json["command"]["commands"]] == list(COMMANDS)


def test_every_parameter_of_every_command_is_in_it(tree: dict[str, Any]) -> None:
    def walk(command: Any, path: tuple[str, ...], parent: Any = None) -> int:
        context = typer.Context(command, info_name=path[-1], parent=parent)
        told = find(tree, " ".join(path))
        names = {name for one in told["options"] for name in one["names"]}
        for param in command.get_params(context):
            if param.param_type_name == "option" and not param.hidden:
                assert {*param.opts, *param.secondary_opts} <= names, path
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        assert len(told["arguments"]) == len(arguments)
        # The epilog is a heading and the examples.
        assert len(told["examples"]) == len((command.epilog or " \n").split("\n\n")[1:]), path
        below = command.list_commands(context) if hasattr(command, "list_commands") else []
        assert [one["name"] for one in told["commands"]] == below
        return 1 + sum(
            walk(command.get_command(context, name), (*path, name), context) for name in below
        )

    assert walk(typer.main.get_command(app), ("zimage",)) == len(list(every(tree["command"]))) > 40


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("--json --help", "zimage"),
        ("-h --json", "zimage"),
        ("help --json", "zimage"),
        ("generate --help --json", "zimage generate"),
        ("generate fox --json --size 1:1 --help", "zimage generate"),
        ("open --json -h", "zimage open"),
        ("history --json --help", "zimage history"),
        ("history fox --help --json", "zimage history list"),
        ("config preset --help --json", "zimage config preset"),
        ("help config set --json", "zimage config set"),
        ("help help --json", "zimage help"),
    ],
)
def test_a_part_is_what_stands_in_the_whole(
    zimage: Any, tree: dict[str, Any], line: str, usage: str
) -> None:
    assert zimage(*line.split()).json == {**tree, "command": find(tree, usage)}


def test_what_an_option_takes(tree: dict[str, Any]) -> None:
    generate = find(tree, "zimage generate")
    [prompt] = generate["arguments"]
    assert (prompt["name"], prompt["required"], prompt["repeatable"]) == ("PROMPT", False, False)
    assert find(tree, "zimage batch")["arguments"][0]["required"]
    assert find(tree, "zimage open")["arguments"][0]["repeatable"]
    region = named(generate, "--region")
    assert region["names"] == ["--region", "-r"]
    assert (region["metavar"], region["panel"], region["type"]) == ("REGION", "Service", "string")
    assert region["choices"] == [
        *("beijing", "singapore", "cn-beijing", "ap-southeast-1", "sandbox")
    ]
    size = named(generate, "--size")
    assert size["choices"] is None
    assert {*sizes.NAMED_RATIOS, *sizes.RATIOS} < {*size["suggestions"]}
    count = named(generate, "--count")
    assert (count["type"], count["default"], count["repeatable"]) == ("integer", 1, False)
    assert named(generate, "--preset")["repeatable"]
    extend, plain = named(generate, "--prompt-extend"), named(generate, "--no-prompt-extend")
    assert (extend["type"], extend["metavar"], extend["default"]) == ("boolean", None, None)
    assert extend["opposite"] == plain["names"]
    assert plain["opposite"] == extend["names"]
    assert named(find(tree, "zimage batch"), "--output")["type"] == "path"
    assert named(find(tree, "zimage sandbox serve"), "--latency")["type"] == "number"
    assert find(tree, "zimage history")["default"] == "list"
    assert generate["exit_statuses"] == [0, 2, 3, 4, 5, 6, 7, 8, 9, 130]


def test_alone_it_is_an_option_of_commands(zimage: Any) -> None:
    for line in ("--json", "--json generate fox", "config edit --json"):
        run = zimage(*line.split(), status=2)
        assert run.stdout == ""
        assert "--json" in run.stderr


def test_help_that_fails_keeps_its_shape(zimage: Any) -> None:
    told = zimage("help", "paint", "--json", status=2).json
    assert (told["status"], told["command"]) == ("error", None)
    assert told["errors"][0]["message"] == "zimage has no command 'paint'."


def test_beside_values_it_is_no_wish(zimage: Any) -> None:
    # What stands behind -- is no option.
    run = zimage("validate", "--sandbox", "--json", "--", "--help")
    assert {one["name"] for one in run.json["checks"]} >= {"request"}
    assert zimage("help", "sizes").stdout.startswith("Usage: zimage sizes")
