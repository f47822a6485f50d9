"""Ctrl-C once, twice and more: every line is noted as it stands, and everything is closed."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

RUN = ("-j", "4", "--size", "512*512", "--no-evidence")
FAST = ("--rps", "0", *RUN)


def stop(run: Any, *, number: int = signal.SIGINT, times: int = 2) -> str:
    """Send a signal, and again once that was heard; return what was said."""
    run.send_signal(number)
    said = b""
    for line in run.stderr:
        said += line
        if b"stopping" in line:
            break
    for _ in range(times - 1):
        run.send_signal(number)
    said += run.stderr.read()
    run.communicate(timeout=60)
    return said.decode()


def statuses(service: Any) -> Counter[str]:
    return Counter(row["status"] for row in service.history())


def told(folder: Path) -> Counter[str]:
    lines = (folder / "results.jsonl").read_bytes().splitlines()
    return Counter(json.loads(line)["status"] for line in lines)


def clean(text: str) -> bool:
    return not any(word in text for word in ("Traceback", "Exception", "bug"))


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_painting_is_noted_as_lost(
    number: int, times: int, serve: Any, prompts: Any, work: Path
) -> None:
    service = serve(latency=60.0)
    with service.popen("batch", prompts(20), "-o", "out", *FAST) as run:
        assert service.books.wait_for(lambda books: books.post_count == 4, 60)
        text = stop(run, number=number, times=times)
    assert run.returncode == 128 + number
    assert clean(text)
    left = "left at once: 4 pictures were left in flight: they may have been made and billed\n"
    assert left in text
    assert "✗ 4 lost (lines 1, 2, 3, 4)\n" in text
    assert "16 left; to go on:" in text
    assert "--retry-lost" in text
    assert statuses(service) == told(work / "out") == {"lost": 4}
    assert not any("sending" in row["status"] for row in service.history())


def test_what_was_downloading_is_fetched_by_the_next_run(
    serve: Any, prompts: Any, work: Path
) -> None:
    service = serve()
    service.script(*[Fault("picture-slow", seconds=60.0, count=1)] * 4)
    args = ("batch", prompts(4), "-o", "out", *FAST)
    with service.popen(*args) as run:
        assert service.books.wait_for(lambda books: len(books.pictures) == 4, 60)
        text = stop(run)
    assert run.returncode == 130
    assert clean(text)
    assert "4 paid and not fetched: for 24 hours that costs nothing" in text
    assert statuses(service) == {"made": 4}
    again = service(*args)
    assert "4 saved" in again.stderr
    assert statuses(service) == {"saved": 4}
    assert service.books.post_count == service.books.billed_count == 4


def test_what_waits_between_two_tries_of_a_download_does_not_hold_it_up(
    serve: Any, prompts: Any, work: Path
) -> None:
    service = serve()
    service.script(*[Fault("picture-503", count=3)] * 4)
    args = ("batch", prompts(4), "-o", "out", *FAST)
    with service.popen(*args) as run:
        assert service.books.wait_for(lambda books: len(books.pictures) >= 6, 60)
        text = stop(run)
    assert run.returncode == 130
    assert clean(text)
    assert set(statuses(service)) <= {"made", "saved"}
    service(*args)
    assert service.books.billed_count == 4


def test_who_waits_for_a_turn_leaves_no_trace(serve: Any, prompts: Any, work: Path) -> None:
    service = serve(latency=60.0)
    with service.popen("batch", prompts(20), "-o", "out", "--rps", "0.2", *RUN) as run:
        assert service.books.wait_for(lambda books: books.post_count == 1, 60)
        text = stop(run)
    assert run.returncode == 130
    assert clean(text)
    assert statuses(service) == {"lost": 1}
    # What waited is not counted as in flight.
    left = "left at once: 1 picture was left in flight: it may have been made and billed\n"
    assert left in text
    assert "19 left" in text


def test_signals_at_random_instants_leave_nothing_half_done(
    serve: Any, prompts: Any, work: Path
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    service = serve(latency=(0.02, 0.3), picture_latency=0.05)
    args = ("batch", prompts(60), "-o", "out", *FAST)
    for _ in range(10):
        before = service.books.post_count
        with service.popen(*args) as run:
            ended = _Begun(run, before)
            assert service.books.wait_for(ended, 60)
            for _ in range(dice.randint(1, 3)):
                time.sleep(dice.uniform(0.0, 0.15))
                run.send_signal(dice.choice((signal.SIGINT, signal.SIGTERM)))
            _, errors = run.communicate(timeout=60)
        assert clean(errors.decode()), errors
        assert run.returncode in {0, 9, 128 + signal.SIGINT, 128 + signal.SIGTERM} | {
            -signal.SIGINT,
            -signal.SIGTERM,
        }
        assert "sending" not in statuses(service)
    service(*args, "--retry-lost")
    assert told(work / "out")["saved"] == 60
    lost = statuses(service)["lost"]
    assert 60 <= service.books.billed_count <= 60 + lost


class _Begun:
    def __init__(self, run: Any, posts: int) -> None:
        self.run = run
        self.posts = posts

    def __call__(self, books: Any) -> bool:
        return books.post_count > self.posts or self.run.poll() is not None
