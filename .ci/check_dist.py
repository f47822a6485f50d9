"""Check that wheel and sdist hold what they should and nothing else.

The measure is what git tracks: a file that is forgotten, or one that was only lying about, shows.
Usage: check_dist.py DIST_FOLDER
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

IN_SDIST = ("benchmarks/", "completions/", "docs/", "tests/", "zimage_cli/")
ALSO_IN_SDIST = {
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "README.zh-CN.md",
    "pyproject.toml",
}
# The completion scripts: beside the code for `zimage completions`, and where the shells look.
SHARED = {
    "completions/zimage.bash": "share/bash-completion/completions/zimage",
    "completions/_zimage": "share/zsh/site-functions/_zimage",
    "completions/zimage.fish": "share/fish/vendor_completions.d/zimage.fish",
    "completions/zimage.ps1": "share/zimage/zimage.ps1",
}
IN_DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
IN_METADATA = (
    "Name: zimage-cli\n",
    "License-Expression: Apache-2.0\n",
    "Requires-Python: >=3.11\n",
    "Provides-Extra: preview\n",
)


def tracked() -> set[str]:
    """Return the paths that git tracks."""
    done = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split("\0")[:-1])


def compare(name: str, found: set[str], expected: set[str]) -> list[str]:
    """Return a line for each path that is missing or too many."""
    return [f"{name}: {path} is missing" for path in sorted(expected - found)] + [
        f"{name}: {path} does not belong there" for path in sorted(found - expected)
    ]


def check_wheel(path: Path, files: set[str]) -> list[str]:
    """Return what is wrong with the wheel."""
    stem = "-".join(path.name.split("-")[:2])
    info, data = f"{stem}.dist-info/", f"{stem}.data/data/"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(info + "METADATA").decode()
        scripts = wheel.read(info + "entry_points.txt").decode()
    problems = compare(
        path.name,
        set(names),
        {file for file in files if file.startswith("zimage_cli/")}
        | {file.replace("completions/", "zimage_cli/completions_data/") for file in SHARED}
        | {data + place for place in SHARED.values()}
        | {info + name for name in IN_DIST_INFO},
    )
    problems += [
        f"{path.name}: METADATA lacks {line!r}" for line in IN_METADATA if line not in metadata
    ]
    if "zimage = zimage_cli.__main__:run" not in scripts:
        problems.append(f"{path.name}: no script zimage")
    if "zimage_cli/py.typed" not in names:
        problems.append(f"{path.name}: no py.typed")
    return problems


def check_sdist(path: Path, files: set[str]) -> list[str]:
    """Return what is wrong with the sdist."""
    with tarfile.open(path) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if not member.isdir()}
    expected = {file for file in files if file.startswith(IN_SDIST)} | ALSO_IN_SDIST
    return compare(path.name, names, expected)


def main(folder: Path) -> int:
    """Check the one wheel and the one sdist of a folder; return the exit status."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    files = tracked()
    problems = check_wheel(wheel, files) + check_sdist(sdist, files)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{wheel.name}, {sdist.name}: {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
