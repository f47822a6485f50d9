"""Put a script where its shell looks by itself, and take it away again.

Files are replaced as a whole; a start-up file that is a link stays one; nothing is written outside
the home folder. What is added to a start-up file carries a mark, by which it is found again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zimage_cli.cli.completion import SCRIPTS, TITLE
from zimage_cli.cli.output import Output
from zimage_cli.core.drafts import remove_abandoned, write_whole
from zimage_cli.core.files import reason
from zimage_cli.core.settings.environment import Environment
from zimage_cli.errors import ConfigurationError, UsageError
from zimage_cli.messages import Listing, Message

MARK = "# zimage completions install"
"""At the end of every line that was added to a start-up file."""

_NEW_FILE = " (and this file)"
_NEW_LINE = " (and the line break before)"
_ASK_SECONDS = 30.0
"""A start-up file that takes longer is not waited for: the lines are added then."""

_ANCESTORS = 8
_BY_HAND = "Put it in place yourself: zimage completions show {shell} > {path}"


@dataclass(frozen=True, slots=True)
class ShellFiles:
    """Where a shell's script goes; `lines` are what its start-up file `rc` needs beside that.

    `why` says in words what the lines are for. `folders` are removed again when left empty.
    """

    script: Path
    folders: tuple[Path, ...]
    rc: Path | None
    lines: tuple[str, ...]
    why: Message


def install(output: Output, shell: str, script: bytes) -> None:
    """Write a shell's script and what its start-up file needs; print the paths of both.

    Raises ConfigurationError where there is no home folder, or a place is outside of it.
    """
    home = _home(shell)
    files = _files(shell, home, ask=True)
    changed = _write(_inside(files.script, home, shell), script)
    output.result(str(files.script))
    template = "The script for {shell} is there already: {path}"
    if changed:
        template = "The script for {shell} written: {path}"
    output.note_data(Message(template, shell=shell, path=files.script))
    if files.rc is not None and files.lines:
        target = _inside(files.rc, home, shell)
        before = _read(target)
        after = _with_lines(before, files.lines)
        if before == after:
            output.note_data(Message("{path} has what it needs already.", path=files.rc))
        else:
            _write(target, after)
            said = Message("Added to {path}, since {why}:", path=files.rc, why=files.why)
            output.note_data(said)
            for line in files.lines:
                output.note_data(Message("  {line}", line=line))
        output.result(str(files.rc))
    output.note(Message("It holds for shells that are started from now on."))


def uninstall(output: Output, shell: str) -> None:
    """Remove the script and the lines that `install` added; print the paths that were changed."""
    home = _home(shell)
    files = _files(shell, home, ask=False)
    found = False
    data = _read(_inside(files.script, home, shell))
    if data is not None and TITLE.encode() in data[:200]:
        _remove(files.script)
        for folder in files.folders:
            try:
                folder.rmdir()
            except OSError:
                break
        found = True
        output.result(str(files.script))
        output.note_data(Message("Removed {path}", path=files.script))
    elif data is not None:
        output.warn(Message("{path} is not of zimage's making, and stays", path=files.script))
    if files.rc is not None:
        target = _inside(files.rc, home, shell)
        before = _read(target)
        after, made_by_us = _without_lines(before or b"")
        if before is not None and after != before:
            if made_by_us and not after:
                _remove(files.rc)
            else:
                _write(target, after)
            found = True
            output.result(str(files.rc))
            output.note_data(Message("Removed zimage's lines from {path}", path=files.rc))
    if not found:
        output.note(
            Message("There is no completion for {shell} of zimage's installing.", shell=shell)
        )


# -- which shell, and where ---------------------------------------------------------------------


def current_shell() -> str:
    """Return the shell that this was typed in: the nearest ancestor that is one, else $SHELL.

    Raises UsageError where neither is one that we know.
    """
    names = [*_ancestors(), os.environ.get("SHELL", "")]
    if sys.platform == "win32":
        names.append("powershell")
    for text in names:
        name = Path(text).name.lstrip("-").removesuffix(".exe")
        name = {"pwsh": "powershell"}.get(name, name)
        if name in SCRIPTS:
            return name
    raise UsageError(
        "which shell this is cannot be told; allowed: {allowed}",
        hint="Name it: zimage completions install bash",
        field="shell",
        allowed=Listing(", ", SCRIPTS),
    )


def _ancestors() -> list[str]:
    """Return the names of the processes above this one, nearest first; none where nobody says."""
    found: list[str] = []
    number = os.getppid()
    while number > 1 and len(found) < _ANCESTORS:
        try:
            # `pid (name) state parent …`, and the name may hold anything.
            text = Path(f"/proc/{number}/stat").read_text(errors="replace")
        except OSError:
            return found or _ancestors_by_ps()
        found.append(text[text.index("(") + 1 : text.rindex(")")])
        number = int(text[text.rindex(")") + 2 :].split()[1])
    return found


def _ancestors_by_ps() -> list[str]:
    found: list[str] = []
    number = str(os.getppid())
    while number not in {"", "0", "1"} and len(found) < _ANCESTORS:
        words = _ask(["ps", "-o", "ppid=,comm=", "-p", number], os.environ).split(None, 1)
        if len(words) < 2:
            break
        number, name = words[0], words[1].strip()
        found.append(name)
    return found


def _home(shell: str) -> Path:
    text = os.environ.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    if not text or not Path(text).is_absolute() or not Path(text).is_dir():
        raise ConfigurationError(
            "there is no home folder to install into: HOME names none",
            hint="Set HOME, or put it in place yourself: zimage completions show {shell} > FILE",
            shell=shell,
        )
    return Path(text)


def _files(shell: str, home: Path, *, ask: bool) -> ShellFiles:
    """Return where a shell's script goes; `ask` has the shell say whether it needs more."""
    find = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}[shell]
    return find(home, Environment(dict(os.environ), home), ask)


def _bash(home: Path, environment: Environment, ask: bool) -> ShellFiles:
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    # Later versions of bash-completion take a list.
    named = (environment.get("BASH_COMPLETION_USER_DIR") or "").split(":")[0]
    folder = Path(named) if named else data / "bash-completion"
    script = folder / "completions" / "zimage"
    rc = home / ".bashrc"
    if sys.platform == "darwin" and (home / ".bash_profile").exists():
        rc = home / ".bash_profile"  # its Terminal starts login shells
    lines: tuple[str, ...] = ()
    if ask:
        # An interactive bash says whether it loads completions from the user's folder on demand.
        words = "declare -F _completion_loader _comp_complete_load _comp_load; :"
        if "_comp" not in _ask(["bash", "-ic", words], environment.variables, apart=True):
            quoted = shlex.quote(str(script))
            lines = (f"[ ! -r {quoted} ] || . {quoted}",)
    why = Message("bash-completion is not loaded")
    return ShellFiles(script, (script.parent, folder), rc, lines, why)


def _zsh(home: Path, environment: Environment, ask: bool) -> ShellFiles:
    dot = Path(environment.get("ZDOTDIR") or home)
    folder = dot / ".zfunc"
    lines: tuple[str, ...] = ()
    if ask:
        # An interactive zsh says whether its completion system is on and looks into the folder.
        words = "(( ${+functions[compdef]} )) && print -rl -- $fpath; :"
        told = _ask(["zsh", "-ic", words], environment.variables, apart=True)
        if str(folder) not in told.splitlines():
            start = "(( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit; }"
            lines = (
                f"fpath=({shlex.quote(str(folder))} $fpath)",
                f"{start}; autoload -Uz _zimage && compdef _zimage zimage",
            )
    why = Message("zsh does not look into that folder by itself")
    return ShellFiles(folder / SCRIPTS["zsh"], (folder,), dot / ".zshrc", lines, why)


def _fish(home: Path, environment: Environment, ask: bool) -> ShellFiles:  # noqa: ARG001 - one signature
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    folder = config / "fish" / "completions"
    return ShellFiles(folder / SCRIPTS["fish"], (folder,), None, (), Message(""))


def _powershell(home: Path, environment: Environment, ask: bool) -> ShellFiles:
    profile = _profile(home, environment)
    script = profile.parent / SCRIPTS["powershell"]
    quoted = "'" + str(script).replace("'", "''") + "'"
    lines = (f"if (Test-Path -LiteralPath {quoted}) {{ . {quoted} }}",) if ask else ()
    why = Message("PowerShell has no folder for scripts")
    return ShellFiles(script, (script.parent,), profile, lines, why)


def _profile(home: Path, environment: Environment) -> Path:
    """Return the profile of all of the user's PowerShell hosts, asked for where it can be."""
    for command in ("pwsh", "powershell"):
        ask = [command, "-NoProfile", "-NonInteractive", "-Command"]
        told = _ask([*ask, "$PROFILE.CurrentUserAllHosts"], environment.variables).strip()
        if told and Path(told).is_absolute():
            return Path(told)
    if sys.platform == "win32":
        return home / "Documents" / "PowerShell" / "profile.ps1"
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return config / "powershell" / "profile.ps1"


def _ask(command: list[str], variables: Mapping[str, str], *, apart: bool = False) -> str:
    """Return what a command prints, empty where it cannot be run or takes too long.

    `apart`: in a session of its own, so that a start-up file cannot take this terminal over.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_ASK_SECONDS,
            start_new_session=apart,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape")


# -- files --------------------------------------------------------------------------------------


def _inside(path: Path, home: Path, shell: str) -> Path:
    """Return what a path leads to. Raises ConfigurationError where that is outside of `home`."""
    try:
        target, root = path.resolve(), home.resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError("{path} leads nowhere: {why}", path=path, why=str(error)) from None
    if target.is_relative_to(root):
        return target
    if target == path:
        raise ConfigurationError(
            "{path} is outside the home folder {home}: nothing is written there",
            hint=_BY_HAND,
            path=path,
            home=home,
            shell=shell,
        )
    raise ConfigurationError(
        "{path}, which leads to {target}, is outside the home folder {home}: "
        "nothing is written there",
        hint=_BY_HAND,
        path=path,
        target=target,
        home=home,
        shell=shell,
    )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(
            "{path} cannot be read: {why}", path=path, why=reason(error)
        ) from None


def _write(path: Path, data: bytes) -> bool:
    """Write a file as a whole, its mode kept; False where it held that already."""
    if _read(path) == data:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o7777 if path.exists() else None
        # Of a zimage that was killed.
        remove_abandoned(path.parent)
        write_whole(path, data, mode=mode)
    except OSError as error:
        raise ConfigurationError(
            "{path} cannot be written: {why}", path=path, why=reason(error)
        ) from None
    return True


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise ConfigurationError(
            "{path} cannot be removed: {why}", path=path, why=reason(error)
        ) from None


def _with_lines(before: bytes | None, lines: tuple[str, ...]) -> bytes:
    """Return a start-up file with our lines at its end, once."""
    rest, made_by_us = _without_lines(before or b"")
    note = _NEW_FILE if before is None or made_by_us else ""
    start = b""
    if rest and not rest.endswith(b"\n"):
        start, note = b"\n", note + _NEW_LINE
    marked = "".join(f"{line}  {MARK}{note}\n" for line in lines)
    return rest + start + os.fsencode(marked)


def _without_lines(data: bytes) -> tuple[bytes, bool]:
    """Return a start-up file as it was before, and whether it was not there at all."""
    kept: list[bytes] = []
    made_by_us = False
    for line in data.splitlines(keepends=True):
        text, mark, note = line.rpartition(MARK.encode())
        if not mark or not text.endswith(b"  "):
            kept.append(line)
            continue
        made_by_us = made_by_us or _NEW_FILE.encode() in note
        if _NEW_LINE.encode() in note and kept:
            kept[-1] = kept[-1].removesuffix(b"\n")
    return b"".join(kept), made_by_us
