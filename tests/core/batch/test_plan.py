"""A batch's plan: the seeds that are drawn, for ever, and what it says before anything is paid."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from zimage_cli.client import Client
from zimage_cli.core.batch.plan import SALT_NAME, FilePlan
from zimage_cli.core.batch.reader import LineDefaults
from zimage_cli.core.batch.source import open_source
from zimage_cli.core.observer import Watcher
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.core.run.journal import NAME
from zimage_cli.core.run.run import Run
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.errors import UsageError

EXPANDED = Sweep(expand=True)


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(sandbox=True, size="512*512") as made:
        yield made


@pytest.fixture
def plan(client: Client, tmp_path: Path) -> Iterator[Callable[..., FilePlan]]:
    """Plan the lines of a file in a folder: `plan(["a", "b"], sweep=…, fresh=True)`."""
    with contextlib.ExitStack() as opened:

        def build(
            lines: list[str], *, sweep: Sweep = EXPANDED, folder: str = "out", **wishes: Any
        ) -> FilePlan:
            file = tmp_path / "prompts.txt"
            file.write_text("".join(line + "\n" for line in lines), "utf-8")
            source = opened.enter_context(open_source(str(file), None))
            template = NameTemplate.parse("{slug}-{seed}.png")
            defaults = LineDefaults({"size": "512*512"}, template, sweep=sweep)
            options = RunOptions(concurrency=2)
            found = client.plan_file(source, defaults, options, folder=tmp_path / folder, **wishes)
            opened.callback(found.close)
            return found

        yield build


def seeds(plan: FilePlan) -> dict[str, int | None]:
    return {job.request.prompt: job.request.seed for job in plan.jobs()}


LINES = ["{red|blue} kite", "{red|blue} fox"]


def test_variants_of_one_line_share_a_seed_and_lines_do_not(plan: Any) -> None:
    found = seeds(plan(LINES))
    assert found["red kite"] == found["blue kite"]
    assert found["red fox"] == found["blue fox"]
    assert found["red kite"] != found["red fox"]
    assert None not in found.values()


def test_equal_lines_are_drawn_for_one_by_one(plan: Any) -> None:
    first, second = (job.request.seed for job in plan(["kite", "kite"]).jobs())
    assert first != second


def test_a_count_goes_up_from_the_line_s_seed(plan: Any) -> None:
    found = [job.request.seed for job in plan(["kite"], sweep=Sweep(count=3)).jobs()]
    assert found == [found[0], found[0] + 1, found[0] + 2]


def test_no_seed_draws_none(plan: Any) -> None:
    found = seeds(plan(LINES, sweep=Sweep(expand=True, no_seed=True)))
    assert set(found.values()) == {None}


def test_a_shard_draws_what_the_whole_would(plan: Any, client: Client, tmp_path: Path) -> None:
    whole = plan(LINES)
    whole.begin()
    expected = seeds(whole)
    whole.close()
    parts: dict[str, int | None] = {}
    for part in (1, 2):
        with open_source(str(tmp_path / "prompts.txt"), None) as source:
            template = NameTemplate.parse("{slug}-{seed}.png")
            fields = {"size": "512*512"}
            defaults = LineDefaults(fields, template, sweep=EXPANDED, shard=(part, 2))
            sharded = client.plan_file(source, defaults, RunOptions(), folder=tmp_path / "out")
            with contextlib.closing(sharded):
                parts |= seeds(sharded)
    assert parts == expected


class StopAtFirst(Watcher):
    """Ends the run as its first picture begins."""

    def __init__(self) -> None:
        self.run: Queue[Run] = Queue()
        self.outcomes: list[Outcome] = []

    def started(self, job: Job) -> Any:
        run = self.run.get(timeout=60)
        self.run.put(run)
        run.stop()
        return super().started(job)

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def test_a_batch_that_was_stopped_goes_on_with_the_same_seeds(
    plan: Any, client: Client, tmp_path: Path
) -> None:
    first = plan(LINES)
    expected = seeds(first)
    watcher = StopAtFirst()
    run = client.start(first, watcher)
    watcher.run.put(run)
    assert run.wait(60)
    run.join()
    first.close()
    assert 0 < len(watcher.outcomes) < len(expected)

    second = plan(LINES)
    assert seeds(second) == expected
    run = client.start(second)
    assert run.wait(60)
    run.join()
    second.close()
    records = [json.loads(line) for line in (tmp_path / "out" / NAME).read_text().splitlines()]
    saved = {record["prompt"]: record["seed"] for record in records}
    assert saved == expected
    assert {(tmp_path / "out" / record["file"]).is_file() for record in records} == {True}


def test_another_folder_and_a_fresh_start_draw_others(plan: Any) -> None:
    first = plan(LINES)
    first.begin()
    drawn = seeds(first)
    first.close()
    other = seeds(plan(LINES, folder="other"))
    fresh = plan(LINES, fresh=True)
    fresh.begin()
    anew = seeds(fresh)
    fresh.close()
    assert set(drawn.values()).isdisjoint({*other.values(), *anew.values()})
    # And it stays with them.
    assert seeds(plan(LINES)) == anew


def begun(plan: FilePlan) -> dict[str, int | None]:
    """Begin a batch, make nothing, and return its seeds."""
    plan.begin()
    found = seeds(plan)
    plan.close()
    return found


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 17, b"x" * 4096])
def test_what_is_no_salt_is_replaced(content: bytes, plan: Any, tmp_path: Path) -> None:
    drawn = begun(plan(LINES))
    salt = tmp_path / "out" / SALT_NAME
    salt.write_bytes(content)
    anew = begun(plan(LINES))
    assert anew != drawn
    assert begun(plan(LINES)) == anew


@pytest.mark.skipif(os.name == "nt", reason="links and modes are POSIX's")
def test_a_salt_is_private_and_no_link_is_followed(plan: Any, tmp_path: Path) -> None:
    drawn = begun(plan(LINES))
    salt, target = tmp_path / "out" / SALT_NAME, tmp_path / "target"
    assert salt.stat().st_mode & 0o777 == 0o600
    target.write_bytes(salt.read_bytes())
    salt.unlink()
    salt.symlink_to(target)
    assert begun(plan(LINES)) != drawn
    assert target.read_bytes() != salt.read_bytes()
    assert not salt.is_symlink()


def test_a_seed_that_a_line_names_is_taken(plan: Any, tmp_path: Path) -> None:
    found = plan(["kite"], sweep=Sweep(seeds=(7, 8)))
    assert [job.request.seed for job in found.jobs()] == [7, 8]


def test_a_dry_plan_writes_nothing_and_holds_nothing(plan: Any, tmp_path: Path) -> None:
    held = plan(LINES)
    dry = plan(LINES, dry=True, folder="dry")
    assert not (tmp_path / "dry").exists()
    # The folder of another batch may be looked at too.
    assert plan(LINES, dry=True).estimate.pictures == 4
    with pytest.raises(UsageError, match="another zimage batch"):
        plan(LINES)
    assert dry.document["to_make"] == held.document["to_make"] == 4


def test_a_plan_says_how_much_it_is_and_what_is_wrong_with_which_line(plan: Any) -> None:
    found = plan(["{a|b} kite", "{a|b", "fox"])
    document = found.document
    assert (document["lines"], document["pictures"], document["invalid"]) == (3, 3, 1)
    ((line, text),) = found.preflight.problems
    assert line == 2
    assert "closed" in text
    assert (found.estimate.pictures, found.estimate.free) == (3, True)


def test_a_file_that_was_changed_after_it_was_checked_is_not_made(
    plan: Any, tmp_path: Path
) -> None:
    found = plan(["kite", "fox"])
    with (tmp_path / "prompts.txt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(UsageError, match="was changed after it was checked"):
        list(found.jobs())
