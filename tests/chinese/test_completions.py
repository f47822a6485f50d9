"""Completion scripts in Chinese: what stands beside a word, in real shells."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import CHINESE
from screens import end

from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.completions import script

SECONDS = 60
ABOUT = "种子由服务端决定，服务端不会告知其值。"
"""What is said of `--no-seed`."""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_a_script_has_the_language_of_who_asks_for_it(zimage: Any) -> None:
    for shell in SCRIPTS:
        said = zimage("completions", "show", shell, env=CHINESE).stdout_bytes
        english = script(shell)
        assert zimage("completions", "show", shell).stdout_bytes == english
        # The same words in the same lines; bash shows none of what they mean.
        assert (said == english) is (shell == "bash")
        assert said.count(b"\n") == english.count(b"\n")
        assert said.splitlines()[:2] == english.splitlines()[:2]
        # PowerShell 5.1 takes a file of letters that are not ASCII for another code page.
        assert said.isascii() is (shell in {"bash", "powershell"})


def test_the_scripts_that_are_made_for_everybody_are_english(zimage: Any, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "zimage_cli.cli.completion", str(tmp_path)],
        env=zimage.environment({**CHINESE, "LANG": "zh_CN.UTF-8"}),
        stdout=subprocess.DEVNULL,
        timeout=SECONDS,
        check=True,
    )
    for shell, name in SCRIPTS.items():
        assert (tmp_path / name).read_bytes() == script(shell)


def test_powershell_is_given_escapes_that_say_the_same(zimage: Any) -> None:
    text = zimage("completions", "show", "powershell", env=CHINESE).stdout
    found = re.findall(r"\[regex\]::Unescape\('((?:[^']|'')*)'\)", text)
    said = [one.replace("''", "'").encode().decode("unicode_escape") for one in found]
    assert ABOUT in said
    assert text.count("Unescape") == len(found) > 300
    assert not any(map(str.isascii, said))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
def test_the_script_of_another_language_is_ours_too(zimage: Any, home: Path) -> None:
    place = home / ".config/fish/completions/zimage.fish"
    zimage("completions", "install", "fish")
    english = place.read_bytes()
    run = zimage("completions", "install", "fish", env=CHINESE)
    assert run.stderr == f"已写入 fish 的脚本：{place}\n在新启动的 Shell 中生效。\n"
    assert place.read_bytes() != english
    again = zimage("completions", "install", "fish", env=CHINESE)
    assert again.stderr.startswith(f"fish 的脚本已存在：{place}\n")
    assert zimage("completions", "uninstall", "fish").stdout == f"{place}\n"
    assert not place.exists()


def test_fish_shows_chinese(zimage: Any, home: Path) -> None:
    fish = program("fish")
    zimage("completions", "install", "fish", env=CHINESE)
    ask = (
        f"source {home}/.config/fish/completions/zimage.fish; complete -C 'zimage generate --no-s'"
    )
    done = subprocess.run(
        [fish, "-N", "-c", ask],
        env=zimage.environment(),
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.decode("utf-8") == f"--no-seed\t{ABOUT}\n"


def test_zsh_shows_chinese(zimage: Any, home: Path) -> None:
    pexpect = pytest.importorskip("pexpect")
    zsh = program("zsh")
    zimage("completions", "install", "zsh", env=CHINESE)
    with (home / ".zshrc").open("a") as file:
        file.write("PROMPT='ready> '\nunsetopt zle_bracketed_paste beep\n")
    shell = pexpect.spawn(
        zsh,
        ["-d"],
        env=zimage.environment({"LC_ALL": "C.UTF-8"}),
        encoding="utf-8",
        dimensions=(60, 200),
        timeout=SECONDS,
    )
    try:
        shell.expect("ready> ")
        shell.send("zimage generate --no-\t\t")
        shell.expect_exact(ABOUT)
    finally:
        end(shell)
