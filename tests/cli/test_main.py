"""The command line as a whole: help, version, errors, exit status."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import zimage_cli

COMMANDS = ["generate", "validate", "config", "regions", "sizes", "history", "sandbox"]
HELPS = [
    (),
    *((name,) for name in [*COMMANDS, "completions"]),
    *(("config", name) for name in ("show", "get", "set", "unset", "path", "edit")),
    *(("config", name) for name in ("set-region", "set-key", "unset-key", "set-workspace")),
    *(("regions", name) for name in ("list", "show", "ping")),
    *(("history", name) for name in ("list", "show", "recover")),
    ("sandbox", "serve"),
    ("completions", "show"),
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


def test_short_help(zimage: Any) -> None:
    assert zimage("generate", "-h").stdout == zimage("generate", "--help").stdout


def test_help_names_every_command(zimage: Any) -> None:
    run = zimage("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", run.stdout, re.MULTILINE)
    bare = zimage(status=2)
    assert bare.stdout == ""
    assert bare.stderr == run.stdout.rstrip("\n") + "\n"


def test_examples_of_help_work(zimage: Any) -> None:
    # What the help shows must be what the parser takes.
    for args in ((), ("generate",)):
        text = zimage(*args, "--help").stdout
        for line in text.partition("Examples:\n")[2].splitlines():
            words = shlex.split(line.strip())
            if words[0] != "zimage" or words[1] != "generate":
                continue
            zimage(*words[1:], "--dry-run")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nonsense",), "nonsense"),
        (("generat",), "generate"),
        (("--nonsense",), "--nonsense"),
        (("generate", "a", "--nonsense"), "--nonsense"),
        (("generate", "a", "--siez", "1:1"), "--size"),
        (("generate", "--size"), "--size"),
        (("history", "show"), "ID"),
        (("history", "nonsense"), "nonsense"),
        (("config", "set"), "NAME"),
        (("\x1b[31m",), "\\x1b[31m"),
        (("generate", "--\x1b[31m"), "\\x1b[31m"),
    ],
)
def test_usage_errors(zimage: Any, args: tuple[str, ...], said: str) -> None:
    run = zimage(*args, status=2)
    assert run.stdout == ""
    assert run.stderr.startswith("error: ")
    assert said in run.stderr
    assert "\n  next: zimage" in run.stderr
    assert run.stderr.rstrip().endswith("--help")
    assert "\x1b" not in run.stderr


def test_usage_errors_as_json(zimage: Any) -> None:
    run = zimage("generate", "a", "--nonsense", "--json", status=2)
    assert list(run.json) == ["schema", "status", "images", "errors"]
    (error,) = run.json["errors"]
    assert error["type"] == "usage"
    assert error["hint"] == "zimage generate --help"
    assert "--nonsense" in error["message"]


def test_an_unknown_exception_is_said_to_be_a_bug(zimage: Any) -> None:
    # An import that breaks is as unknown as anything can be.
    program = """
import sys
sys.modules["zimage_cli.core.sizes"] = None
sys.argv = ["zimage", *sys.argv[1:]]
from zimage_cli.__main__ import run
run()
"""
    for debug in ("", "1"):
        done = subprocess.run(
            [sys.executable, "-c", program, "sizes", "--json"],
            env=zimage.environment({"ZIMAGE_DEBUG": debug}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "error: this is a bug in zimage: " in done.stderr
        assert "ZIMAGE_DEBUG=1" in done.stderr
        assert ("Traceback" in done.stderr) is (debug == "1")
        assert '"type": "bug"' in done.stdout


def test_the_module_and_the_script_are_the_same(zimage: Any) -> None:
    script = Path(sys.executable).parent / "zimage"
    if not script.exists() or shutil.which(str(script)) is None:
        pytest.skip("zimage is not installed beside this Python")
    done = subprocess.run(
        [str(script), "sizes", "--json"], env=zimage.environment(), capture_output=True, check=True
    )
    assert done.stdout == zimage("sizes", "--json").stdout_bytes
