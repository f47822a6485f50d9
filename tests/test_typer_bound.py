"""Why pyproject.toml holds typer below 0.29, and the test that says when it no longer has to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "ZIMAGE_NEWEST_TYPER"
FOLDER = os.environ.get(VARIABLE)  # read before the fixtures clear every ZIMAGE_ variable

PROGRAM = """\
import json
import sys

import typer

app = typer.Typer(add_completion=False)


@app.command()
def main(count: int = 1) -> None:
    print(json.dumps([typer.__version__, typer.__file__, count, "pydantic" in sys.modules]))


app(["--count", "2"])
"""


def run(zimage, **env: str) -> tuple[str, Path, bool]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=zimage.environment(env),
        capture_output=True,
        timeout=60,
        check=True,
    )
    version, file, count, has_pydantic = json.loads(done.stdout)
    assert count == 2
    return version, Path(file), has_pydantic


def test_the_typer_we_use_converts_a_parameter_without_pydantic(zimage) -> None:
    version, _, has_pydantic = run(zimage)
    assert version.startswith("0.28."), "another typer: look at the bound in pyproject.toml again"
    assert not has_pydantic


@pytest.mark.skipif(not FOLDER, reason=f"{VARIABLE} names no folder with the newest typer in it")
def test_the_newest_typer_still_needs_the_bound(zimage) -> None:
    assert FOLDER is not None
    version, file, has_pydantic = run(zimage, PYTHONPATH=FOLDER)
    assert file.is_relative_to(Path(FOLDER).resolve()), "that is not the typer of the folder"
    if version.startswith("0.28."):
        pytest.skip("no newer typer is to be had")
    assert has_pydantic, (
        f"typer {version} converts a parameter without importing pydantic: measure the start-up "
        'with it and lift the bound "<0.29" in pyproject.toml'
    )
