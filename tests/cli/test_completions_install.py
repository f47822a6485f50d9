"""`completions install` and `uninstall`: where, what is said, and that all of it can be undone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.completion.install import MARK

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
LOADS_IT = f". {BASH_COMPLETION}\n"

BASH = Path(".local/share/bash-completion/completions/zimage")
ZSH = Path(".zfunc/_zimage")
FISH = Path(".config/fish/completions/zimage.fish")
PROFILE = Path(".config/powershell/profile.ps1")
POWERSHELL = Path(".config/powershell/zimage.ps1")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def files(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and ".zcompdump" not in path.name
    }


def script(zimage, shell: str) -> bytes:
    return zimage("completions", "show", shell).stdout_bytes


# -- each shell ---------------------------------------------------------------------------------


@needs("bash")
def test_bash_without_bash_completion_gets_one_marked_line(zimage, home: Path) -> None:
    (home / ".bashrc").write_text("alias ll='ls -l'\n")
    result = zimage("completions", "install", "bash")
    assert result.lines == [str(home / BASH), str(home / ".bashrc")]
    assert "bash-completion is not loaded" in result.stderr
    assert (home / BASH).read_bytes() == script(zimage, "bash")
    alias, line = (home / ".bashrc").read_text().splitlines()
    assert alias == "alias ll='ls -l'"
    assert line == f"[ ! -r {home / BASH} ] || . {home / BASH}  {MARK}"


@needs("bash")
def test_what_a_killed_install_left_goes_with_the_next(zimage, home: Path) -> None:
    left = home / ".zimage-0123456789ab.part"
    left.write_text("half of a start-up file")
    zimage("completions", "install", "bash")
    assert not left.exists()


@needs("bash")
@pytest.mark.skipif(not BASH_COMPLETION.exists(), reason="bash-completion is not installed")
def test_bash_with_bash_completion_gets_the_file_alone(zimage, home: Path) -> None:
    (home / ".bashrc").write_text(LOADS_IT)
    result = zimage("completions", "install", "bash")
    assert result.lines == [str(home / BASH)]
    assert (home / ".bashrc").read_text() == LOADS_IT


@needs("bash")
def test_bash_looks_where_the_variables_say(zimage, home: Path) -> None:
    first = zimage("completions", "install", "bash", env={"XDG_DATA_HOME": str(home / "data")})
    assert first.lines[0] == str(home / "data/bash-completion/completions/zimage")
    env = {"BASH_COMPLETION_USER_DIR": f"{home}/mine:/opt/other"}
    second = zimage("completions", "install", "bash", env=env)
    assert second.lines[0] == str(home / "mine/completions/zimage")


@needs("zsh")
def test_zsh_gets_fpath_and_compinit_once(zimage, home: Path) -> None:
    result = zimage("completions", "install", "zsh")
    assert result.lines == [str(home / ZSH), str(home / ".zshrc")]
    assert (home / ZSH).read_bytes() == script(zimage, "zsh")
    assert (home / ".zshrc").read_text().count(MARK) == 2
    assert f"fpath=({home / '.zfunc'} $fpath)" in result.stderr
    assert "compinit" in result.stderr


@needs("zsh")
def test_zsh_that_looks_there_already_gets_the_file_alone(zimage, home: Path) -> None:
    # However long its start takes: on a busy machine that is seconds.
    text = "sleep 6\nfpath=(~/.zfunc $fpath)\nautoload -Uz compinit && compinit -u -D\n"
    (home / ".zshrc").write_text(text)
    assert zimage("completions", "install", "zsh").lines == [str(home / ZSH)]
    assert (home / ".zshrc").read_text() == text


@needs("zsh")
def test_zsh_has_its_files_in_zdotdir(zimage, home: Path) -> None:
    (home / "dot").mkdir()
    result = zimage("completions", "install", "zsh", env={"ZDOTDIR": str(home / "dot")})
    assert result.lines == [str(home / "dot" / ZSH), str(home / "dot/.zshrc")]


def test_fish_needs_nothing_but_the_file(zimage, home: Path) -> None:
    result = zimage("completions", "install", "fish")
    assert result.lines == [str(home / FISH)]
    assert (home / FISH).read_bytes() == script(zimage, "fish")
    result = zimage("completions", "install", "fish", env={"XDG_CONFIG_HOME": str(home / "c")})
    assert result.lines == [str(home / "c/fish/completions/zimage.fish")]


@pytest.mark.skipif(bool(shutil.which("pwsh")), reason="pwsh says where its profile is")
def test_powershell_gets_a_line_in_its_profile(zimage, home: Path) -> None:
    result = zimage("completions", "install", "powershell")
    assert result.lines == [str(home / POWERSHELL), str(home / PROFILE)]
    line = f"if (Test-Path -LiteralPath '{home / POWERSHELL}') {{ . '{home / POWERSHELL}' }}"
    # Where there was no profile, the mark says so: uninstall takes the file away too.
    assert (home / PROFILE).read_text() == f"{line}  {MARK} (and this file)\n"


# -- twice, and undone --------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SCRIPTS)
def test_twice_is_once(zimage, home: Path, shell: str) -> None:
    first = zimage("completions", "install", shell)
    after = files(home)
    second = zimage("completions", "install", shell)
    assert files(home) == after
    assert second.lines[0] == first.lines[0]
    assert "is there already" in second.stderr


RC = {"bash": ".bashrc", "zsh": ".zshrc", "powershell": str(PROFILE)}


@pytest.mark.parametrize("before", [None, b"", b"x=1\n", b"x=1", b"x='\xff'\r\ny=2\r\n"])
@pytest.mark.parametrize("shell", SCRIPTS)
def test_uninstall_leaves_everything_as_it_was(
    zimage, home: Path, shell: str, before: bytes | None
) -> None:
    if before is not None and shell in RC:
        rc = home / RC[shell]
        rc.parent.mkdir(parents=True, exist_ok=True)
        rc.write_bytes(before)
    was = files(home)
    zimage("completions", "install", shell)
    zimage("completions", "install", shell)
    assert files(home) != was
    result = zimage("completions", "uninstall", shell)
    assert files(home) == was
    assert result.lines
    again = zimage("completions", "uninstall", shell)
    assert again.lines == []
    assert "no completion" in again.stderr


def test_uninstall_keeps_what_was_written_behind_our_lines(zimage, home: Path) -> None:
    rc = home / ".zshrc"
    rc.write_text("a=1")
    zimage("completions", "install", "zsh")
    rc.write_text(rc.read_text() + f"b=2\necho '{MARK}'\n")
    zimage("completions", "uninstall", "zsh")
    assert rc.read_text().endswith(f"b=2\necho '{MARK}'\n")
    assert rc.read_text().startswith("a=1")
    assert "compinit" not in rc.read_text()


def test_uninstall_keeps_a_script_that_is_not_ours(zimage, home: Path) -> None:
    (home / FISH).parent.mkdir(parents=True)
    (home / FISH).write_text("complete -c zimage -a mine\n")
    result = zimage("completions", "uninstall", "fish")
    assert result.lines == []
    assert "stays" in result.stderr
    assert (home / FISH).exists()


# -- links, modes, and the fence around the home folder -----------------------------------------


def test_a_linked_start_up_file_stays_a_link_with_its_mode(zimage, home: Path) -> None:
    (home / "dotfiles").mkdir()
    real = home / "dotfiles" / "zshrc"
    real.write_text("a=1\n")
    real.chmod(0o600)
    (home / ".zshrc").symlink_to("dotfiles/zshrc")
    zimage("completions", "install", "zsh")
    assert (home / ".zshrc").is_symlink()
    assert MARK in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600
    zimage("completions", "uninstall", "zsh")
    assert (home / ".zshrc").is_symlink()
    assert real.read_text() == "a=1\n"


def test_a_start_up_file_outside_the_home_folder_is_left_alone(
    zimage, home: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "zshrc"
    outside.write_text("a=1\n")
    (home / ".zshrc").symlink_to(outside)
    result = zimage("completions", "install", "zsh", status=2)
    assert "outside the home folder" in result.stderr
    assert outside.read_text() == "a=1\n"


@pytest.mark.parametrize(
    ("shell", "variable"),
    [("bash", "XDG_DATA_HOME"), ("zsh", "ZDOTDIR"), ("fish", "XDG_CONFIG_HOME")],
)
def test_a_folder_outside_the_home_folder_is_refused(
    zimage, home: Path, tmp_path: Path, shell: str, variable: str
) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    result = zimage("completions", "install", shell, status=2, env={variable: str(outside)})
    assert "outside the home folder" in result.stderr
    assert f"zimage completions show {shell}" in result.stderr
    assert list(outside.iterdir()) == []
    assert files(home) == {}


def test_a_home_folder_behind_a_link_is_one(zimage, home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    result = zimage("completions", "install", "fish", env={"HOME": str(tmp_path / "link")})
    assert result.lines == [str(tmp_path / "link" / FISH)]
    assert (home / FISH).exists()


@pytest.mark.parametrize("value", [None, "", "relative", "/nowhere/at/all"])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_without_a_home_folder_it_says_so(zimage, command: str, value: str | None) -> None:
    result = zimage("completions", command, "fish", env={"HOME": value}, status=2)
    assert result.stdout == ""
    assert "no home folder" in result.stderr
    assert "zimage completions show fish > FILE" in result.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(zimage, home: Path) -> None:
    (home / ".config").mkdir(mode=0o500)
    assert "cannot be written" in zimage("completions", "install", "fish", status=2).stderr


def test_a_file_in_the_way_is_an_error(zimage, home: Path) -> None:
    (home / ".config").write_text("")
    result = zimage("completions", "install", "fish", status=2)
    assert "cannot be written: a file is in the way" in result.stderr


def test_a_quote_in_the_path_does_no_harm(zimage, tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME"
    odd.mkdir()
    env = {"HOME": str(odd)}
    zimage("completions", "install", "bash", env=env)
    done = subprocess.run(
        ["bash", "--norc", "-c", f". '{tmp_path}'/it*/.bashrc; complete -p zimage"],
        env=zimage.environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "complete -F _zimage zimage\n", done.stderr


# -- which shell --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_the_shell_that_one_is_in_is_found(zimage, home: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    command = " ".join(f"'{word}'" for word in zimage.command)
    # The second command keeps the shell from turning into the first.
    done = subprocess.run(
        [shell, "-c", f"{command} completions install; true"],
        env=zimage.environment({"SHELL": "/bin/other"}),
        cwd=zimage.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    expected = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    assert done.stdout.splitlines()[0] == str(home / expected), done.stderr
