"""What `generate` and `batch` do alike, because one engine does it: each is tried with both."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from noise import noise

SIZE = ("--size", "512*512")
BOTH = pytest.mark.parametrize("command", ["generate", "batch"])


@pytest.fixture
def four(work: Path) -> Callable[..., tuple[str, ...]]:
    """Return the arguments that ask for four pictures of one prompt."""

    def args(command: str, *more: str) -> tuple[str, ...]:
        (work / "kite.txt").write_text("a kite\n")
        given = "a kite" if command == "generate" else "kite.txt"
        folder = "out/" if command == "generate" else "out"
        return (command, given, "-o", folder, "-n", "4", *more)

    return args


def one(work: Path, command: str, prompt: str, *more: str) -> tuple[str, ...]:
    """Return the arguments that ask for a prompt, on the command line or in a file."""
    (work / "prompt.jsonl").write_text(json.dumps({"prompt": prompt}) + "\n")
    return (command, prompt if command == "generate" else "prompt.jsonl", *more)


@BOTH
@pytest.mark.parametrize("latency", [0.0, 1.5])
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE")
def test_a_disk_that_takes_no_picture_costs_one(
    serve: Any, four: Any, zimage: Any, command: str, latency: float
) -> None:
    service = serve(latency=latency, picture_bytes=noise(512, 512, 600_000))
    words = shlex.join([*zimage.command, *four(command, *SIZE)])
    run = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -f 400; exec {words}"],
        env=zimage.environment(service.env),
        cwd=zimage.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 8, run.stderr.decode()
    assert service.books.billed_count == 1
    assert service.books.post_count == 1


@BOTH
def test_four_pictures_are_painted_at_once(
    unpaced: None, serve: Any, four: Any, command: str
) -> None:
    service = serve()
    # One after the other, they would never come to the fourth.
    service.books.free, service.books.last = 0, 4
    service(*four(command, *SIZE))
    assert service.books.billed_count == 4
    assert service.books.peak_in_flight == 4


@BOTH
def test_variants_of_a_line_share_a_seed(
    unpaced: None, service: Any, work: Path, command: str
) -> None:
    words = one(work, command, "a {red|blue} kite", "--expand", *SIZE, "-o", "out/")
    service(*words)
    bodies = [post.json() for post in service.books.posts]
    assert len({body["parameters"]["seed"] for body in bodies}) == 1
    assert len({json.dumps(body["input"]) for body in bodies}) == 2


@BOTH
@pytest.mark.parametrize(
    "wrong",
    [
        ("--sizes", ""),
        ("--seeds", ""),
        ("--seeds", "1-2", "--no-seed"),
        ("--seed", "1", "--no-seed"),
        ("--size", "16:9", "--sizes", "1:1"),
        ("--seed", "1", "--seeds", "3"),
        ("--count", "0"),
    ],
)
def test_contradictions_and_empty_lists_are_refused(
    service: Any, work: Path, command: str, wrong: tuple[str, ...]
) -> None:
    result = service(*one(work, command, "a kite", *wrong), status=2)
    assert wrong[0] in result.stderr or wrong[0].strip("-") in result.stderr
    assert service.books.post_count == 0
    assert not (work / "output").exists()


@BOTH
def test_a_dry_run_is_a_document(service: Any, four: Any, work: Path, command: str) -> None:
    document = service(*four(command, "--dry-run", "--json")).json
    assert (document["schema"], document["status"], document["errors"]) == (1, "dry-run", [])
    assert document["pictures"] == 4
    assert document["cost"] == {"amount": None, "currency": None}
    assert service.books.post_count == 0
    assert not (work / "out").exists()


@BOTH
def test_saved_paths_are_the_standard_output(
    unpaced: None, service: Any, four: Any, work: Path, command: str
) -> None:
    result = service(*four(command, *SIZE))
    saved = sorted(str(path.relative_to(work)) for path in (work / "out").glob("*.png"))
    assert sorted(result.lines) == saved
    assert len(saved) == 4


@BOTH
def test_evidence_is_one_file_a_run(
    unpaced: None, service: Any, four: Any, work: Path, command: str
) -> None:
    service(*four(command, *SIZE))
    [evidence] = service.runs
    assert [one["status"] for one in evidence["pictures"]] == ["saved"] * 4
    assert {one["history_id"] for one in evidence["pictures"]} == {1, 2, 3, 4}
    service(*four(command, *SIZE, *(("--fresh",) if command == "batch" else ())))
    assert [len(run["pictures"]) for run in service.runs] == [4, 4]


@BOTH
def test_pictures_of_two_sizes_have_places_that_say_so(
    unpaced: None, service: Any, work: Path, command: str
) -> None:
    words = one(work, command, "a kite", "--sizes", "512*512,512*768", "-o", "out/")
    service(*words)
    names = sorted(path.name for path in (work / "out").glob("*.png"))
    assert [name.endswith(("-512x512.png", "-512x768.png")) for name in names] == [True, True]
    assert names[0] != names[1]


@BOTH
def test_more_than_the_bound_is_refused_before_anything_is_sent(
    zimage: Any, four: Any, command: str
) -> None:
    env = {"DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"}
    for more in ((), ("--dry-run",)):
        result = zimage(*four(command, "--max-cost", "0.39", *more), env=env, status=2)
        assert "4 pictures at CNY 0.40 would go over --max-cost 0.39" in result.stderr


@BOTH
def test_what_costs_much_is_asked_about(zimage: Any, work: Path, command: str) -> None:
    env = {"DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"}
    result = zimage(*one(work, command, "a kite", "-n", "11"), env=env, status=2)
    assert "CNY 1.10" in result.stderr
    assert "--yes" in result.stderr
