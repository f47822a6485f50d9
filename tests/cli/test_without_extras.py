"""What a picture does not need: chafa, Jinja2, FreeType, mcp, redis, a desktop, a home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        missing = {"chafa", "jinja2", "mcp", "pydantic", "redis"}
        if name.partition(".")[0] in missing or name == "PIL._imagingft":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def bare(shim: Any) -> dict[str, str | None]:
    """The environment of a command in a container where nothing of these is."""
    return {**shim(WITHOUT), "PATH": "/nowhere", "DISPLAY": None}


def test_pictures_are_made_found_and_read(
    zimage: Any, bare: dict[str, str | None], work: Path
) -> None:
    args = ("generate", "a fox", "--sandbox", "--size", "512x512", "-o", "fox.png")
    assert zimage(*args, env=bare).lines == ["fox.png"]
    assert (work / "fox.png").read_bytes()[:4] == b"\x89PNG"
    assert "a fox" in zimage("history", env=bare).stdout
    assert zimage("inspect", "fox.png", "--json", env=bare).json["pictures"][0]["recipe"]
    assert zimage("open", env=bare, status=2).lines == [str(work / "fox.png")]


def test_a_gallery_says_what_it_needs(zimage: Any, bare: dict[str, str | None], work: Path) -> None:
    zimage("generate", "a fox", "--sandbox", "--size", "512x512", "-o", "fox.png")
    assert zimage("gallery", env=bare, status=2).stderr == (
        "error: A gallery needs Jinja2, which cannot be loaded: No module named 'jinja2'.\n"
        "  next: Install it: pip install jinja2\n"
    )
    document = zimage("gallery", "--json", env=bare, status=2).json
    assert (document["path"], document["errors"][0]["type"]) == (None, "configuration")
    assert not (work / "gallery_files").exists()


def test_a_server_says_what_it_needs(zimage: Any, bare: dict[str, str | None]) -> None:
    result = zimage("mcp", "--sandbox", env=bare, status=2)
    assert result.stdout == ""
    assert result.stderr == (
        "error: zimage mcp needs the package mcp, which cannot be loaded: No module named 'mcp'.\n"
        "  next: Install it: pip install 'zimage-cli[mcp]'\n"
    )
    # What a host is told does not need it.
    assert "mcpServers" in zimage("mcp", "--sandbox", "--print-config", "claude", env=bare).json


def test_a_shared_pace_says_what_it_needs(
    service: Any, bare: dict[str, str | None], work: Path
) -> None:
    (work / "p.txt").write_text("a fox\n")
    env = {**bare, "ZIMAGE_PACE_URL": "redis://127.0.0.1:1"}
    needed = (
        "error: pace_url needs the package redis, which cannot be loaded: "
        "No module named 'redis'.\n"
        "  next: Install it: pip install 'zimage-cli[redis]'\n"
    )
    for words in (("generate", "a fox"), ("batch", "p.txt"), ("validate", "--online")):
        assert needed in service(*words, env=env, status=2).stderr
    assert service.books.post_count == 0
    service.generate("a fox", "--pace-alone", env=env)
    assert service.books.billed_count == 1


def test_without_a_home_too(zimage: Any, bare: dict[str, str | None], work: Path) -> None:
    nowhere = {**bare, "HOME": None, "USERPROFILE": None, "XDG_DATA_HOME": "/nowhere"}
    args = ("generate", "a fox", "--sandbox", "--size", "512x512", "-o", "fox.png", "--open")
    assert zimage(*args, env=nowhere).lines == ["fox.png"]
    assert (work / "fox.png").read_bytes()[:4] == b"\x89PNG"


def test_a_preview_that_was_asked_for_says_how_to_get_it(
    terminal: Any, zimage: Any, bare: dict[str, str | None], work: Path
) -> None:
    args = ("generate", "a fox", "--sandbox", "--size", "512x512", "-o", "fox.png")
    for more, said in (((), False), (("--preview", "--overwrite"), True)):
        screen = terminal(*args, *more, env={**bare, "TERM": "xterm-kitty"})
        assert screen.end() == 0
        hint = "no preview: chafa is not installed: pip install 'zimage-cli[preview]'"
        assert (hint in screen.text) is said
        assert "saved" in screen.text
