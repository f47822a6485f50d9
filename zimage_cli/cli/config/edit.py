"""`zimage config edit`: the user's editor on a copy that is checked before it counts."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from zimage_cli.api.errors import ConfigurationError, ZimageError
from zimage_cli.cli.config.common import refuse_contradictory
from zimage_cli.cli.output import Output
from zimage_cli.core import config_file
from zimage_cli.core.environment import Environment
from zimage_cli.core.text import visible

TEMPLATE = """\
# Settings of zimage. A flag or an environment variable wins over what stands here.
# region = "beijing"           # beijing, singapore, sandbox
# endpoint = "shared"          # shared, workspace, trial
# base_url = "https://…"       # instead of region and endpoint
# size = "1024*1024"
# prompt_extend = false
# output_dir = "output"
# timeout = 330                # seconds
# retries = 4
# rps = 2                      # requests a second

# [workspaces]
# beijing = "llm-…"

# Keys: zimage config set-key
"""


def edit() -> None:
    """Open the config file in $VISUAL or $EDITOR; it changes only if what comes back is right."""
    output, environment = Output(), Environment.current()
    path = environment.require_config_file()
    command = editor_command(environment)
    before = config_file.read_text(path)
    config_file.make_folder(path.parent)
    copy = _make_copy(path, before or TEMPLATE)
    keep = False
    try:
        _run_editor([*command, str(copy)])
        after = _read_copy(copy)
        if after == (before or TEMPLATE):
            output.note(visible(f"unchanged: {path}"))
            return
        keep = True
        _accept(environment, path, copy, before, after)
        keep = False
        output.note(visible(f"changed: {path}"))
    finally:
        if not keep:
            copy.unlink(missing_ok=True)


def editor_command(environment: Environment) -> list[str]:
    """Return the editor with its arguments. Raises ConfigurationError where there is none."""
    for name in ("VISUAL", "EDITOR"):
        text = environment.get(name)
        if text is None:
            continue
        try:
            words = shlex.split(text, posix=sys.platform != "win32")
        except ValueError:
            words = []
        if not words:
            raise ConfigurationError(
                f"environment {name} is no command: {text!r}", hint=f"Set {name} to an editor."
            )
        return words
    from shutil import which

    for editor in ("notepad",) if sys.platform == "win32" else ("editor", "nano", "vi"):
        if which(editor, path=environment.get("PATH")):
            return [editor]
    raise ConfigurationError("no editor was found", hint="Set VISUAL or EDITOR to one.")


def _make_copy(path: Path, text: str) -> Path:
    import tempfile

    try:
        # 0600 by mkstemp, and in the same folder: it holds keys as the file does.
        descriptor, name = tempfile.mkstemp(prefix=".config-edit-", suffix=".toml", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"no copy to edit can be made in {path.parent}: {error.strerror}",
            hint="Check the folder's permissions.",
        ) from None
    return Path(name)


def _run_editor(command: list[str]) -> None:
    import subprocess

    try:
        status = subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own editor
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a command"
        raise ConfigurationError(
            f"the editor {command[0]!r} cannot be started: {why}; nothing was changed",
            hint="Set VISUAL or EDITOR to an editor.",
        ) from None
    if status != 0:
        raise ConfigurationError(
            f"the editor ended with status {status}; nothing was changed",
            hint="Try again: zimage config edit",
        )


def _read_copy(copy: Path) -> str:
    try:
        return config_file.read_text(copy)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error.message}; nothing was changed", hint="Try again: zimage config edit"
        ) from None


def _accept(environment: Environment, path: Path, copy: Path, before: str, after: str) -> None:
    kept = f"Nothing was changed. Correct your copy, then: mv {shlex.quote(str(copy))} " + (
        shlex.quote(str(path))
    )
    try:
        refuse_contradictory(environment, config_file.check(after, copy))
    except ZimageError as error:
        raise ConfigurationError(error.message, hint=kept) from None
    with config_file.locked(path):
        if config_file.read_text(path) != before:
            raise ConfigurationError(f"{path} was changed by another program meanwhile", hint=kept)
        try:
            config_file.replace(path, after)
        except ConfigurationError as error:
            raise ConfigurationError(error.message, hint=kept) from None
