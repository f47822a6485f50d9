"""What tests of batches stand on: files of prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def write(work: Path) -> Callable[..., str]:
    """Write a batch file: texts are prompts of a .txt, objects lines of a .jsonl."""

    def make(*lines: Any, name: str = "prompts") -> str:
        text = all(isinstance(line, str) for line in lines)
        path = work / f"{name}.{'txt' if text else 'jsonl'}"
        words = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("".join(f"{word}\n" for word in words), "utf-8")
        return str(path)

    return make


def kites(count: int) -> list[str]:
    return [f"kite {number}" for number in range(1, count + 1)]
