"""`zimage config edit`: the user's editor on a copy that is checked before it replaces the file."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zimage_cli.cli.config.common import refuse_contradictory
from zimage_cli.cli.errors import Interrupted
from zimage_cli.cli.output import Output
from zimage_cli.cli.signals import install
from zimage_cli.core.settings import config_change, config_file
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import KEY_VARIABLE
from zimage_cli.core.settings.reason import reason
from zimage_cli.core.settings.table import TABLE, text_of
from zimage_cli.errors import ConfigurationError, ZimageError
from zimage_cli.messages import Message

if TYPE_CHECKING:
    from subprocess import Popen
    from types import FrameType


def edit() -> None:
    """Open the config file in $VISUAL or $EDITOR; it changes only if what comes back is right."""
    output, environment = Output(), Environment.current()
    path = environment.require_config_file()
    command = editor_command(environment)
    before = config_file.read_text(path)
    config_change.make_folder(path.parent)
    offered = before or template()
    with _EditorSignals() as signals:
        copy, keep = _make_copy(path, offered), False
        try:
            _run_editor([*command, str(copy)], environment, signals)
            after = _read_copy(copy)
            if after == offered:
                output.note_data(Message("unchanged: {path}", path=path))
                return
            keep = True
            _accept(environment, path, copy, before, after)
            keep = False
            output.note_data(Message("changed: {path}", path=path))
        finally:
            if not keep:
                copy.unlink(missing_ok=True)


def template() -> str:
    """Return the first text of a config file: every setting with its default, switched off."""
    lines = ["# Settings of zimage. A flag or an environment variable wins over what stands here."]
    for name, one in TABLE.items():
        if one.toml:
            text = text_of(one.sample)
            value = f'"{text}"' if str in one.toml.types else text
            lines.append(f"# {f'{name} = {value}':<28} {f'# {one.about}' if one.about else ''}")
    lines += ["", "# [workspaces]", '# beijing = "llm-…"', "", "# Keys: zimage config set-key", ""]
    lines += ["# [preset.ink]", '# prompt = "{prompt}, ink wash"', ""]
    return "\n".join(line.rstrip() for line in lines)


class _EditorSignals:
    """Signals while there is a copy: it holds keys, and must be removed whatever comes.

    Ctrl-C (and SIGQUIT) is the editor's alone. SIGTERM and SIGHUP are passed on to it and noted in
    `ended`. Handlers and not SIG_IGN, which the editor would inherit.
    """

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.editor: Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._before = install(self._note, "SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP")
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if signal.Signals(number).name in {"SIGTERM", "SIGHUP"}:
            self.ended.append(number)
            if self.editor is not None:
                self.editor.send_signal(number)


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
                "environment {name} is no command: {text!r}",
                hint="Set {name} to an editor.",
                name=name,
                text=text,
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
            "no copy to edit can be made in {folder}: {why}",
            hint="Check the folder's permissions.",
            folder=path.parent,
            why=reason(error),
        ) from None
    return Path(name)


def _run_editor(command: list[str], environment: Environment, signals: _EditorSignals) -> None:
    import subprocess

    # Editors write logs and run plug-ins: the key is not for them.
    variables = {name: text for name, text in environment.variables.items() if name != KEY_VARIABLE}
    try:
        signals.editor = subprocess.Popen(command, env=variables)  # noqa: S603 - the user's own
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else Message("not a command")
        raise ConfigurationError(
            "the editor {editor!r} cannot be started: {why}; nothing was changed",
            hint="Set VISUAL or EDITOR to an editor.",
            editor=command[0],
            why=why,
        ) from None
    if signals.ended:
        # The signal may have come before the editor was started.
        signals.editor.terminate()
    status = signals.editor.wait()
    if signals.ended or status == -signal.SIGINT:
        raise Interrupted(signals.ended[0] if signals.ended else signal.SIGINT)
    if status != 0:
        raise ConfigurationError(
            "the editor ended with status {status}; nothing was changed",
            hint="Try again: zimage config edit",
            status=status,
        )


def _read_copy(copy: Path) -> str:
    try:
        return config_file.read_text(copy)
    except ConfigurationError as error:
        raise error.but(
            "{cause}; nothing was changed", hint="Try again: zimage config edit"
        ) from None


def _accept(environment: Environment, path: Path, copy: Path, before: str, after: str) -> None:
    kept = Message(
        "Nothing was changed. Correct your copy, then: mv {copy} {path}",
        copy=shlex.quote(str(copy)),
        path=shlex.quote(str(path)),
    )
    try:
        refuse_contradictory(environment, config_file.check(after, copy))
    except ZimageError as error:
        raise error.but(hint=kept) from None
    with config_change.locked(path):
        if config_file.read_text(path) != before:
            raise ConfigurationError(
                "{path} was changed by another program meanwhile", hint=kept, path=path
            )
        try:
            config_change.replace(path, after)
        except ConfigurationError as error:
            raise error.but(hint=kept) from None
