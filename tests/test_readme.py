"""README's commands are the ones that zimage has."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent
README = (SOURCE / "README.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
GROUPS = {"config", "history", "regions", "sandbox", "completions"}


def commands() -> dict[tuple[str, ...], set[str]]:
    """Every zimage command in README's code, with the options used there."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for line in LINES:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&")
        lexer.whitespace_split = True
        parts: list[list[str]] = [[]]
        for word in lexer:
            if set(word) <= set("|>&"):
                parts.append([])
            else:
                parts[-1].append(word)
        for words in parts:
            if not words or Path(words[0]).name != "zimage":
                continue
            depth = 3 if words[1] in GROUPS and len(words) > 2 else 2
            options = {word for word in words[depth:] if re.match(r"--?[a-z]", word)}
            found[tuple(words[1:depth])] |= options
    return found


def test_the_opening_commands_are_one_line_each_and_need_only_python() -> None:
    first, second = LINES[:2]
    assert first == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && "
        '.venv/bin/zimage generate "A calm lake at dawn" --sandbox'
    )
    # .ci/run finds the tests' command by this form.
    assert re.fullmatch(r"python3 -m venv \.venv && .* -m pytest\b.*", second)


def test_the_python_example_runs(work: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 8
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        check=True,
        text=True,
    )
    first, *outcomes = done.stdout.splitlines()
    assert Path(first.split()[0]).suffix == ".png"
    assert [line.split()[0] for line in outcomes] == ["saved", "saved"]
    assert (work / "small.png").is_file()
    assert done.stderr == ""


def test_the_examples_are_found() -> None:
    assert len(commands()) > 12
    assert commands()["generate",] >= {"--sandbox", "--size", "--seed", "--request", "-o"}


@pytest.mark.parametrize("command", sorted(commands()), ids=" ".join)
def test_every_command_and_option_of_an_example_exists(zimage, command: tuple[str, ...]) -> None:
    shown = zimage(*command, "--help", env={"COLUMNS": "200"}).stdout
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown))
    assert commands()[command] - known == set()
