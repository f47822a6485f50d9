from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


def test_runs_the_real_command(zimage: Any) -> None:
    assert zimage("--version").stdout.startswith("zimage ")


def test_an_unexpected_status_raises_and_shows_both_streams(zimage: Any) -> None:
    with pytest.raises(AssertionError, match=r"not \[0\](.|\n)*--- stderr\nerror:"):
        zimage("no-such-command")
    zimage("no-such-command", status={2, 3})


def test_the_test_process_is_isolated(home: Path, work: Path) -> None:
    assert Path.home() == home
    assert Path.cwd() == work
    assert not [name for name in os.environ if name.startswith(("XDG_", "DASHSCOPE_"))]
