"""The skill's files in the package, and the folders in which agents look for skills."""

from __future__ import annotations

from pathlib import Path

from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Listing, Shown

NAME = "zimage"
"""Of the skill, and of its folder wherever it is."""

FILES = (
    "SKILL.md",
    "references/commands.md",
    "references/errors.md",
    "agents/openai.yaml",
)
"""All files of the skill, the one that is read first at the beginning."""

COMMON = ".agents/skills"
"""Where agents of several makers look, in a project and in the home folder."""

AGENTS = {
    "claude": (".claude/skills", ".claude/skills"),
    "codex": (COMMON, COMMON),
    "copilot": (COMMON, COMMON),
    "cursor": (COMMON, ".cursor/skills"),
    "gemini": (COMMON, COMMON),
    "qwen": (".qwen/skills", ".qwen/skills"),
}
"""Agent → where it looks for skills: in a project, in the home folder. State: October 2026."""


def shipped(name: str) -> bytes:
    """Return a file of the skill as this zimage brings it, UTF-8.

    Raises UsageError for a name that is none of them, ConfigurationError where the installation
    lacks it.
    """
    if name not in FILES:
        raise UsageError(
            "{value} is no file of the skill; allowed: {allowed}",
            field="file",
            value=Shown(repr(name), name),
            allowed=Listing(", ", FILES),
        )
    try:
        return (Path(__file__).parents[2] / "skill" / NAME / name).read_bytes()
    except OSError:
        raise ConfigurationError(
            "this installation lacks the file {name} of the skill",
            hint="Install zimage again.",
            name=name,
        ) from None
