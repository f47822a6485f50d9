"""Put the skill into the folders where agents look for it, and leave what a person edited alone.

A file is taken for unedited where it is, byte for byte, what zimage itself wrote: `.zimage.json`
beside the files holds their hashes. It is written last: after a crash between the files and it, a
later zimage leaves such a file alone rather than overwriting it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from os.path import lexists
from pathlib import Path
from typing import NamedTuple

from zimage_cli.cli.skill.files import AGENTS, COMMON, FILES, NAME, shipped
from zimage_cli.core.drafts import remove_abandoned, write_whole
from zimage_cli.core.files import make_folder, open_own, reason
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError
from zimage_cli.messages import Listing, Shown
from zimage_cli.text import json_text
from zimage_cli.version import __version__

MANIFEST = ".zimage.json"
WRITTEN, UNCHANGED, UPDATED, KEPT = "written", "unchanged", "updated", "kept"

_BY_HAND = "Put it in place yourself: zimage skill show"
_LARGEST = 1 << 20
"""Bytes that are read of a file: what is longer is none of ours."""


class Installed(NamedTuple):
    """What became of a file."""

    path: Path
    action: str


# -- where ----------------------------------------------------------------------------------------


def places(agents: Iterable[str], *, user: bool) -> tuple[Path, list[Path]]:
    """Return the folder that nothing is written outside of, and those of the skill in it.

    Without agents: the common folder, and that of each agent that has one there already. Raises
    UsageError for an unknown agent, ConfigurationError where there is no home folder.
    """
    wanted = [_folder_of(name, user=user) for name in agents]
    root = _home() if user else _project()
    if not wanted:
        known = dict.fromkeys(both[user] for both in AGENTS.values())
        # Not the whole path: an agent that was never given a skill has no folder for them.
        there = [one for one in known if (root / Path(one).parts[0]).is_dir()]
        wanted = [COMMON, *there]
    return root, [root / folder / NAME for folder in dict.fromkeys(wanted)]


def _folder_of(agent: str, *, user: bool) -> str:
    if agent not in AGENTS:
        raise UsageError(
            "{value} is no agent that zimage knows; allowed: {allowed}",
            hint="For any other, put it in place yourself: zimage skill show",
            field="agent",
            value=Shown(repr(agent), agent),
            allowed=Listing(", ", AGENTS),
        )
    return AGENTS[agent][user]


def _home() -> Path:
    text = os.environ.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    if not text or not Path(text).is_absolute() or not Path(text).is_dir():
        raise ConfigurationError(
            "there is no home folder to install into: HOME names none",
            hint="Set HOME, or install it for one project: zimage skill install --project",
        )
    return Path(text)


def _project() -> Path:
    """Return the nearest folder, from the current one upwards, with `.git`; else the current."""
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if lexists(one / ".git")), here)


# -- what -----------------------------------------------------------------------------------------


def install_into(
    folder: Path, root: Path, *, force: bool
) -> tuple[list[Installed], list[ZimageError]]:
    """Bring the skill in a folder up to date; return what became of each file, and the problems.

    With `force` also files that were edited are overwritten. A link that is a file is replaced,
    never written through, and nothing is written outside of `root`.
    """
    known = hashes_in(_read(folder / MANIFEST) or b"")
    files: list[Installed] = []
    problems: list[ZimageError] = []
    # What is not replaced stays known for what it is.
    hashes = {name: known[name] for name in FILES if name in known}
    for name in FILES:
        data = shipped(name)
        try:
            found = _bring(folder / name, root, data, known.get(name), force=force)
        except ConfigurationError as error:
            # The others would fail for the same reason.
            problems.append(error)
            break
        files.append(found)
        if found.action != KEPT:
            hashes[name] = _hash(data)
            continue
        problems.append(
            UsageError(
                "{path} is not as zimage wrote it, and stays.",
                hint="The same with --force overwrites it; what zimage brings: "
                "zimage skill show {name}",
                path=found.path,
                name=name,
            )
        )
    if hashes and hashes != known:
        text = json_text({"schema": 1, "version": __version__, "files": hashes}, indent=1)
        try:
            manifest = _bring(folder / MANIFEST, root, f"{text}\n".encode(), None, force=True)
            files.append(manifest)
        except ConfigurationError as error:
            problems.append(error)
    return files, problems


def _bring(path: Path, root: Path, data: bytes, before: str | None, *, force: bool) -> Installed:
    """Write a file unless it was edited; `before` is the hash of what zimage wrote there."""
    _stay_inside(path.parent, root)
    there = lexists(path)
    held = _read(path) if there else None
    if held == data:
        return Installed(path, UNCHANGED)
    if there and not force and (held is None or _hash(held) != before):
        return Installed(path, KEPT)
    try:
        make_folder(path.parent)
        remove_abandoned(path.parent)
        write_whole(path, data)
    except OSError as error:
        raise ConfigurationError(
            "{path} cannot be written: {why}", hint=_BY_HAND, path=path, why=reason(error)
        ) from None
    return Installed(path, UPDATED if there else WRITTEN)


def _stay_inside(folder: Path, root: Path) -> None:
    """Raise ConfigurationError where links lead a folder out of `root`, or nowhere."""
    try:
        target = folder.resolve()
        inside = target.is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            "{path} leads nowhere: {why}", hint=_BY_HAND, path=folder, why=str(error)
        ) from None
    if not inside:
        raise ConfigurationError(
            "{path} leads to {target}, outside of {root}: nothing is written there",
            hint=_BY_HAND,
            path=folder,
            target=target,
            root=root,
        )


def _read(path: Path) -> bytes | None:
    """Return what a regular file holds; None for anything else, and for one that is too long.

    With our line ends: git gives text files others on Windows, which is no edit.
    """
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError:
        return None
    return data.replace(b"\r\n", b"\n") if len(data) <= _LARGEST else None


def hashes_in(manifest: bytes) -> dict[str, str]:
    """Return the hash of each file as zimage wrote it; none where the manifest does not say it."""
    try:
        found = json.loads(manifest)["files"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: text for name, text in found if isinstance(text, str)}


def _hash(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
