"""README and docs: commands run, links lead somewhere, pictures are up to date."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import screens
from PIL import Image, ImageChops, ImageStat

SOURCE = Path(__file__).resolve().parent.parent
PAGES = (SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md")))
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = [
    (page.name, block.splitlines())
    for page, text in TEXTS.items()
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
]
# The commands in a text's sentences, without what follows a name: `zimage history recover`.
INLINE = sorted(
    {
        found
        for text in TEXTS.values()
        for found in re.findall(
            r"`zimage((?: [a-z][a-z-]*)+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        )
    }
)
# The console's pages for keys: all that is linked outside of the project.
CONSOLES = ("https://bailian.console.aliyun.com", "https://modelstudio.console.aliyun.com/")

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and terminals")


@pytest.fixture
def shell(tmp_path: Path, work: Path) -> dict[str, str]:
    """The environment of a shell with a viewer; `zimage` asks the sandbox, whatever config says."""
    (work / "prompts.txt").write_text("a red kite\na calm lake\n", encoding="utf-8")
    request = '{"prompt": "a red kite", "size": "1:1", "seed": 7}'
    (work / "request.json").write_text(request, encoding="utf-8")
    env = {**screens.environment(tmp_path / "shell"), "ZIMAGE_REGION": "sandbox", "DISPLAY": ":99"}
    viewer = tmp_path / "viewer" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\n", encoding="utf-8")
    viewer.chmod(0o755)
    return {**env, "PATH": f"{viewer.parent}{os.pathsep}{env['PATH']}"}


def run(line: str, work: Path, env: dict[str, str], typed: str = "") -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=work,
        env=env,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def serve(line: str, work: Path, env: dict[str, str]) -> None:
    """Run a line that serves until Ctrl-C, at a port that is free."""
    words = [*shlex.split(line, comments=True), "--port", "0"]
    with subprocess.Popen(words, cwd=work, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        server.send_signal(signal.SIGINT)
        assert server.wait(60) in {0, 130}


@posix
@pytest.mark.parametrize(("page", "lines"), BLOCKS, ids=[f"{p}: {b[0][:40]}" for p, b in BLOCKS])
def test_every_command_runs(
    page: str, lines: list[str], work: Path, shell: dict[str, str], zimage: Any
) -> None:
    # What the page's reader has done before needs no shell.
    before = dataclasses.replace(zimage, env=shell)
    before("config", "set", "rps", "0", env={"DISPLAY": None})
    before("generate", "a red kite", "--size", "512x512", env={"DISPLAY": None})
    if page == "presets.md":
        # Its blocks use what its first one stores.
        before("config", "preset", "set", "ink", "--size", "1:1", env={"DISPLAY": None})
        before("config", "preset", "set", "night", "--seed", "7", env={"DISPLAY": None})
    for line in lines:
        if line.startswith("python3 -m venv "):
            # The test below, and .ci/run, which runs one and the other in the wheel's environment.
            continue
        if "sandbox serve" in line and "list" not in line:
            serve(line, work, shell)
        else:
            run(
                line,
                work,
                shell,
                typed=f"sk-{'0123456789abcdef' * 2}\n" if "set-key" in line else "",
            )


def test_the_commands_are_found() -> None:
    assert len(BLOCKS) > 12
    assert len(INLINE) > 3


@pytest.mark.parametrize("command", INLINE)
def test_every_command_in_a_sentence_exists(zimage: Any, command: str) -> None:
    words = command.split()
    parent, last = words[:-1], words[-1]
    if parent in (["config", "unset"], ["config", "set"]):
        zimage("config", "get", last, env={"ZIMAGE_REGION": "sandbox"})
        words = parent
    assert "Usage" in zimage(*words, "--help").stdout


def test_the_opening_commands_are_one_line_each_and_need_only_python() -> None:
    [first], [second] = (lines for _, lines in BLOCKS[:2])
    assert first == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && "
        '.venv/bin/zimage generate "A calm lake at dawn" --sandbox'
    )
    # .ci/run finds the tests' command by this form.
    assert re.fullmatch(r"python3 -m venv \.venv && .* -m pytest\b.*", second)
    assert TEXTS[SOURCE / "README.md"].index(second) < 2500


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = TEXTS[page]
    links = re.findall(r'\]\(([^)]+)\)|(?:src|srcset)="([^"]+)"', text)
    for link in ("".join(pair) for pair in links):
        assert (page.parent / link.partition("#")[0]).is_file(), link
    for address in re.findall(r"\bhttps?://[^\s>)`]+", text):
        assert address.startswith(CONSOLES), address


def test_the_package_names_no_address() -> None:
    assert "://" not in (SOURCE / "pyproject.toml").read_text(encoding="utf-8")


@posix
@pytest.mark.parametrize("scene", screens.SCENES, ids=lambda scene: scene.stem)
def test_the_screens_are_up_to_date(scene: screens.Scene) -> None:
    pytest.importorskip("pexpect")
    pytest.importorskip("pyte")
    files, picture = screens.rendered(scene)
    for file, text in files.items():
        assert file.read_text(encoding="utf-8") == text, "python docs/screens.py makes it anew"
    if scene.kept:
        assert scene.kept.stat().st_size < 200_000
        # Not its bytes: another Pillow may smooth and compress in another way.
        with Image.open(scene.kept) as kept, Image.open(io.BytesIO(picture)) as drawn:
            assert kept.info["Software"] == "zimage sandbox"
            apart = ImageStat.Stat(ImageChops.difference(kept, drawn)).mean
        assert max(apart) < 1, "python docs/screens.py makes it anew"


def test_all_screens_are_on_their_page() -> None:
    pages = {"": "screens.md", "zh": "zh-CN/screens.md"}
    names = set()
    for scene in screens.SCENES:
        page = (SOURCE / "docs" / pages[scene.folder]).read_text(encoding="utf-8")
        for theme in screens.COLOURS:
            assert f"screens/{scene.stem}-{theme}.svg" in page
            names.add(f"{scene.stem}-{theme}.svg")
    files = screens.FOLDER.rglob("*.svg")
    assert {file.relative_to(screens.FOLDER).as_posix() for file in files} == names
