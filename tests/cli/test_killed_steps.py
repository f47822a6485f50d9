"""Killed between any two steps of a picture that is whole: nothing is fetched or paid again.

And a merge of pictures, killed between any two of them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served
from PIL import Image

RUN = ("--size", "512*512", "--no-evidence", "--seed", "7")
PNG: tuple[str, ...] = ()
BARE = ("--no-metadata",)
WEBP = ("--format", "webp")


@pytest.fixture(scope="module")
def strace(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that kills another at a system call of its own."""
    found = shutil.which("strace")
    log = str(tmp_path_factory.mktemp("probe") / "log")
    if not found or subprocess.run([found, "-f", "-o", log, "true"], check=False).returncode:
        pytest.skip("strace is missing, or may not trace here")
    return found


def killed_at(service: Any, strace: str, call: str, number: int, *args: str) -> None:
    """Run the command until one of its threads is about to do a call for so many times."""
    inject = f"inject={call}:signal=KILL:when={number}"
    tracing = [strace, "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*tracing, *service.zimage.command, *args, *RUN],
        env=service.zimage.environment(service.env),
        cwd=service.work,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()


# What is still to be done when it dies: the syncing of what was finished, the row with its hash;
# the name; taking away the hidden name (after that of the probe); syncing the folder;
# taking away what was served.
STEPS = [
    *((call, number, how) for how in (PNG, WEBP) for call, number in [("fsync", 1), ("link", 1)]),
    *(("unlink", 2, WEBP), ("unlink", 2, PNG), ("fsync", 2, PNG), ("unlink", 3, PNG)),
    *(("fsync", 1, BARE), ("link", 1, BARE), ("unlink", 2, BARE)),
]


@pytest.mark.parametrize(("call", "number", "how"), STEPS)
def test_a_picture_that_was_whole_is_not_fetched_again(
    call: str,
    number: int,
    how: tuple[str, ...],
    serve: Any,
    strace: str,
    work: Path,
    png: bytes,
) -> None:
    service = serve()
    service("generate", "the first makes the history", "-o", "first.png", *RUN)
    killed_at(service, strace, call, number, "generate", "a fox", "-o", "out/", *how)
    assert service.history()[1]["status"] == "made"

    done = service("history", "recover")
    [path] = (work / "out").iterdir()
    assert str(path.absolute()) in done.stdout
    assert (service.books.post_count, len(service.books.pictures)) == (2, 2)
    row, data = service.history()[1], path.read_bytes()
    assert (row["status"], row["path"]) == ("saved", str(path))
    assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert row["served_sha256"] == hashlib.sha256(png).hexdigest()
    if how is WEBP:
        with Image.open(path) as image:
            assert (image.format, image.size) == ("WEBP", (512, 512))
    else:
        assert (data if how is BARE else as_served(data)) == png


@pytest.mark.parametrize("number", [1, 4])
def test_a_merge_goes_on(number: int, service: Any, strace: str, work: Path, prompts: Any) -> None:
    file = prompts(5)
    service("batch", file, "-o", "s1", *RUN)
    words = ("batch", file, "--merge", "s1", "-o", "all")
    killed_at(service, strace, "/^link", number, *words)
    assert len([*(work / "all").glob("*.png")]) == number - 1
    done = service(*words, *RUN)
    before = f", {number - 1} taken before" if number > 1 else ""
    assert done.stderr.splitlines() == [
        f"s1/: {6 - number} taken{before}",
        "✓ all 5 pictures are in all/",
    ]
    names = [{path.name for path in (work / name).iterdir()} for name in ("s1", "all")]
    assert names[0] == names[1] | {".zimage-batch.salt"}
