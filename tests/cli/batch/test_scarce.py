"""A machine that gives few threads, files and little memory: fewer lines at a time, and no bug."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="POSIX limits")

ARGS = ("-o", "out", "-j", "64", "--rps", "0", "--size", "512*512", "--no-evidence")
LINES = 30


def limited(
    service: Any, name: str, value: int, work: Path, *, stack: int | None = None
) -> tuple[int, str]:
    import resource

    def limit() -> None:
        if stack is not None:
            resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))
        resource.setrlimit(getattr(resource, name), (value, value))

    (work / "prompts.txt").write_text("".join(f"kite {number}\n" for number in range(LINES)))
    with service.popen("batch", "prompts.txt", *ARGS, preexec_fn=limit) as run:
        _, errors = run.communicate(timeout=60)
    text = errors.decode()
    assert "bug" not in text, text
    assert "Traceback" not in text, text
    return run.returncode, text


def rows(service: Any) -> Counter[str]:
    return Counter(row["status"] for row in service.history())


@pytest.mark.parametrize("files", [24, 48])
def test_few_open_files_mean_fewer_lines_at_a_time(files: int, serve: Any, work: Path) -> None:
    service = serve(latency=0.1)
    status, text = limited(service, "RLIMIT_NOFILE", files, work)
    assert status == 0, text
    assert "at a time instead of 64: too few files may be open" in text
    assert rows(service) == {"saved": LINES}
    assert service.books.billed_count == LINES


def test_a_soft_limit_of_files_is_raised(serve: Any, work: Path) -> None:
    import resource

    service = serve()
    service.books.free, service.books.last = 0, 9
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    (work / "prompts.txt").write_text("".join(f"kite {number}\n" for number in range(LINES)))
    with service.popen(
        *("batch", "prompts.txt", *ARGS),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, hard)),
    ) as run:
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert b"instead of" not in errors
    assert service.books.peak_in_flight > 8


@pytest.mark.parametrize("megabytes", [400, 250])
def test_little_memory_means_fewer_threads(megabytes: int, serve: Any, work: Path) -> None:
    service = serve(latency=0.1)
    status, text = limited(service, "RLIMIT_AS", megabytes << 20, work)
    assert "no more threads can be started" in text
    assert status in {0, 2}, text
    assert set(rows(service)) <= {"saved", "made"}
    # With room again, the rest is made, and nothing twice.
    service("batch", "prompts.txt", *ARGS)
    assert rows(service) == {"saved": LINES}
    assert service.books.billed_count == LINES


@pytest.mark.parametrize(("megabytes", "threads"), [(1_300, 1), (2_400, 3)])
def test_few_threads_are_enough(megabytes: int, threads: int, serve: Any, work: Path) -> None:
    """A thread takes 512 MiB here: so many of them have room."""
    service = serve(latency=0.02)
    status, text = limited(service, "RLIMIT_AS", megabytes << 20, work, stack=512 << 20)
    assert status == 0, text
    assert "pictures are made" in text
    assert "no more threads can be started" in text
    assert rows(service) == {"saved": LINES}
    assert service.books.peak_in_flight <= threads


def test_without_a_thread_nothing_is_sent(serve: Any, work: Path) -> None:
    service = serve()
    status, text = limited(service, "RLIMIT_AS", 500 << 20, work, stack=512 << 20)
    assert status == 2, text
    assert "no more threads" in text
    assert "Nothing was sent." in text
    assert service.books.post_count == 0
    assert service.history() == []
