"""A batch's plan: the seeds that are drawn, for ever, and what it says before anything is paid."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zimage_cli.client import Client
from zimage_cli.core.batch.plan import SALT_NAME, FilePlan
from zimage_cli.core.batch.reader import LineDefaults
from zimage_cli.core.batch.source import open_source
from zimage_cli.core.observer import Watcher
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.core.run.journal import NAME, Journal
from zimage_cli.core.run.run import Run
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.errors import UsageError

EXPANDED = Sweep(expand=True)
Lines = Sequence[str] | Sequence[dict[str, Any]]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(sandbox=True, size="512*512") as made:
        yield made


@pytest.fixture
def plan(client: Client, tmp_path: Path) -> Iterator[Callable[..., FilePlan]]:
    """Plan the lines of a file in a folder: `plan(["a", "b"], sweep=…, fresh=True)`."""
    with contextlib.ExitStack() as opened:

        def build(lines: Lines, *, folder: str = "out", **wishes: Any) -> FilePlan:
            return opened.enter_context(planned(client, tmp_path, lines, folder, **wishes))

        yield build


@contextlib.contextmanager
def planned(
    client: Client,
    top: Path,
    lines: Lines,
    folder: str,
    *,
    sweep: Sweep = EXPANDED,
    shard: tuple[int, int] = (1, 1),
    retry: bool = False,
    **wishes: Any,
) -> Iterator[FilePlan]:
    """Plan a file: texts are prompts of a .txt, objects lines of a .jsonl."""
    text = all(isinstance(line, str) for line in lines)
    file = top / ("prompts.txt" if text else "prompts.jsonl")
    words = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    file.write_text("".join(f"{word}\n" for word in words), "utf-8")
    template = NameTemplate.parse("{slug}-{seed}.png")
    defaults = LineDefaults({"size": "512*512"}, template, sweep=sweep, shard=shard)
    options = RunOptions(concurrency=2, retry_failed=retry, retry_lost=retry)
    with open_source(str(file), None) as source:
        found = client.plan_file(source, defaults, options, folder=top / folder, **wishes)
        with contextlib.closing(found):
            yield found


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


def stopped_at_first(client: Client, plan: FilePlan) -> list[Outcome]:
    """Run a batch until its first picture begins; return what was made all the same."""
    watcher = StopAtFirst()
    run = client.start(plan, watcher)
    watcher.run.put(run)
    assert run.wait(60)
    run.join()
    plan.close()
    return watcher.outcomes


def test_a_batch_that_was_stopped_goes_on_with_the_same_seeds(
    plan: Any, client: Client, tmp_path: Path
) -> None:
    first = plan(LINES)
    expected = seeds(first)
    assert 0 < len(stopped_at_first(client, first)) < len(expected)

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


# -- the seed of what is there ---------------------------------------------------------------------


def note(folder: Path, job: Job, status: str = "saved", **fields: Any) -> None:
    """Write in the journal of a folder how a picture ended."""
    folder.mkdir(exist_ok=True)
    (folder / "a.png").touch()
    with contextlib.closing(Journal(folder)) as journal:
        record = {"job": job.id, "status": status, "seed": job.request.seed, "file": "a.png"}
        journal.append(record | fields)


SOON = {"image_url": "https://a/b.png", "answered_at": "2100-01-01T00:00:00Z", "region": "beijing"}


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("saved", {}),
        ("saved", {"file": "gone.png"}),
        ("made", SOON),
        ("made", {"region": "sandbox"}),
        ("failed", {}),
        ("failed", {"type": "connection"}),
        ("refused", {}),
        ("lost", {}),
    ],
)
@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_is_new_of_a_line_shares_the_seed_of_what_there_is_of_it(
    plan: Any, tmp_path: Path, status: str, fields: dict[str, Any], retry: bool, which: int
) -> None:
    lines = ["{red|green|blue} kite", "{red|green|blue} fox"]
    job = [*plan(lines, folder="shard", dry=True).jobs()][which]
    note(tmp_path / "out", job, status, **fields)
    found = seeds(plan(lines, retry=retry))
    assert {found[f"{colour} kite"] for colour in ("red", "green", "blue")} == {job.request.seed}
    # What nobody began is drawn here, for all its words.
    assert len({*found.values()}) == 2


def gone_on(
    plan: Any, folder: Path, lines: Lines, *there: int, sweep: Sweep = EXPANDED, **fields: Any
) -> tuple[list[int | None], list[int | None]]:
    """Return the seeds of a shard's folder, and of one that has these pictures from there."""
    drawn = [*plan(lines, folder="shard", sweep=sweep, dry=True).jobs()]
    for number in there:
        note(folder, drawn[number], **fields)
    found = plan(lines, folder=folder.name, sweep=sweep).jobs()
    return [job.request.seed for job in drawn], [job.request.seed for job in found]


def test_each_number_of_a_count_has_its_own_seed_that_all_words_and_sizes_share(
    plan: Any, tmp_path: Path
) -> None:
    sweep = Sweep(expand=True, count=2, sizes=("512*512", "1024*1024"))
    drawn, found = gone_on(plan, tmp_path / "out", ["{a|b} kite"], 5, sweep=sweep)
    assert found[1::2] == [drawn[5]] * 4
    assert found[::2] == [found[0]] * 4
    assert found[0] != drawn[0]


def test_equal_lines_go_on_with_a_seed_each(plan: Any, tmp_path: Path) -> None:
    drawn, found = gone_on(plan, tmp_path / "out", ["{a|b} kite"] * 3, 1, 2)
    assert found[:4] == drawn[:4]
    assert found[4] == found[5] != drawn[5]


def test_a_further_word_of_a_line_shares_the_seed_of_the_others(plan: Any) -> None:
    batch = plan(["{red|blue} kite"])
    batch.begin()
    [red, blue] = batch.jobs()
    note(batch.folder, blue)
    batch.close()
    # Its first word, of which seeds are drawn, is another one now.
    found = seeds(plan(["{black|blue} kite"]))
    assert set(found.values()) == {red.request.seed}


@pytest.mark.parametrize(
    ("line", "sweep", "expected"),
    [
        ({"prompt": "{a|b} kite", "seed": 7}, EXPANDED, [7, 7]),
        ({"prompt": "{a|b} kite"}, Sweep(expand=True, seeds=(3, 4)), [3, 4, 3, 4]),
        ({"prompt": "{a|b} kite"}, Sweep(expand=True, no_seed=True), [None, None]),
    ],
)
def test_seeds_that_are_given_and_those_that_are_not_wished_for_stay(
    plan: Any, tmp_path: Path, line: dict[str, Any], sweep: Sweep, expected: list[int | None]
) -> None:
    # It is not what was asked for, whoever wrote that.
    _, found = gone_on(plan, tmp_path / "out", [line], 0, sweep=sweep, seed=9)
    assert found == expected


@pytest.mark.parametrize("seed", [None, "7", True, -1, 2**31, 1.5, [7]])
def test_what_is_no_seed_is_none_to_share(plan: Any, tmp_path: Path, seed: Any) -> None:
    first = begun(plan(LINES))
    [job, *_] = plan(LINES).jobs()
    note(tmp_path / "out", job, seed=seed)
    assert seeds(plan(LINES, dry=True)) == first


def test_a_seed_that_only_the_history_has_is_shared(
    client: Client, plan: Any, tmp_path: Path
) -> None:
    ended = stopped_at_first(client, plan(LINES))
    made = {one.request.prompt: one.request.seed for one in ended}
    for name in (NAME, SALT_NAME):
        (tmp_path / "out" / name).unlink()
    found = seeds(plan(LINES))
    assert made.items() <= found.items()
    assert found["red kite"] == found["blue kite"]
    assert found["red fox"] == found["blue fox"]


ALTERNATIVES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("|".join)
FILES = st.lists(
    st.fixed_dictionaries(
        {"prompt": ALTERNATIVES.map("{{{}|x}} kite".format)},
        optional={"seed": st.sampled_from([3, 4]), "count": st.sampled_from([1, 2])},
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    lines=FILES,
    shards=st.integers(1, 3),
    sizes=st.sampled_from([(), ("512*512", "1024*1024")]),
    data=st.data(),
)
def test_whatever_of_shards_is_there_words_share_a_seed_and_nothing_gets_another_key(
    lines: list[dict[str, Any]], shards: int, sizes: tuple[str, ...], data: st.DataObject
) -> None:
    sweep = Sweep(expand=True, sizes=sizes)
    with tempfile.TemporaryDirectory() as text, Client(sandbox=True, size="512*512") as client:
        top, there = Path(text), dict[bytes, Job]()
        for part in range(1, shards + 1):
            with planned(
                client, top, lines, f"s{part}", sweep=sweep, shard=(part, shards), dry=True
            ) as shard:
                drawn = [*shard.jobs()]
            for job in data.draw(st.lists(st.sampled_from(drawn), unique=True)) if drawn else ():
                note(top / "all", job)
                there[job.key] = job
        with planned(client, top, lines, "all", sweep=sweep, dry=True) as whole:
            jobs = [*whole.jobs()]
        with planned(client, top, lines, "none", sweep=sweep, dry=True) as whole:
            assert [job.key for job in jobs] == [job.key for job in whole.jobs()]
    together: dict[bytes, set[int | None]] = {}
    for job in jobs:
        given = lines[job.line - 1].get("seed")
        if given is not None:
            assert (job.shared, job.request.seed in {given, given + 1}) == (b"", True)
            continue
        # What is there is not made again.
        seed = there.get(job.key, job).request.seed
        together.setdefault(job.shared, set()).add(seed)
    assert {len(found) for found in together.values()} <= {1}
    assert len(set().union(*together.values())) == len(together)
