"""The wheel brings the skill, and the scripts: beside the code, and where the shells look."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.skill.files import FILES, shipped

ROOT = Path(__file__).resolve().parents[2]
PLACES = {
    "bash": "share/bash-completion/completions/zimage",
    "zsh": "share/zsh/site-functions/_zimage",
    "fish": "share/fish/vendor_completions.d/zimage.fish",
    "powershell": "share/zimage/zimage.ps1",
}
MISSING = [name for name in ("build", "hatchling", "pip") if find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not a checkout"),
]


def test_an_installed_wheel_has_the_scripts_in_both_places(tmp_path: Path, zimage) -> None:
    def python(*args: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, *args],
            env=zimage.environment({"PYTHONPATH": None, **env}),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    prefix = tmp_path / "prefix"
    quiet = ("--quiet", "--no-deps", "--no-index", "--ignore-installed", "--no-compile")
    python("-m", "pip", "install", *quiet, "--prefix", str(prefix), str(wheel))
    (package,) = prefix.rglob("zimage_cli")
    # What it needs comes from the environment of the test; zimage itself from the wheel alone.
    installed = str(package.parent)
    where = python("-c", "import zimage_cli; print(zimage_cli.__file__)", PYTHONPATH=installed)
    assert Path(where.strip()) == package / "__init__.py"
    for shell, name in SCRIPTS.items():
        script = (ROOT / "completions" / name).read_text("utf-8")
        assert (prefix / PLACES[shell]).read_text("utf-8") == script
        shown = python("-m", "zimage_cli", "completions", "show", shell, PYTHONPATH=installed)
        assert shown == script
    for name in FILES:
        assert (package / "skill" / "zimage" / name).read_bytes() == shipped(name)
    # The catalogue of another language is there, and what a script in it is made from.
    for words in (["-h"], ["completions", "show", "fish"]):
        said = python("-m", "zimage_cli", *words, PYTHONPATH=installed, ZIMAGE_LANG="zh")
        assert "根据提示词生成图片并保存。" in said
