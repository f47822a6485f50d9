"""The engine: money, causes that end a run, stopping, and what is told of every picture."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served
from stand_in import kept_port

from zimage_cli.api.retry import Policy
from zimage_cli.core.batch.reader import JobReader, LineDefaults
from zimage_cli.core.batch.records import Record
from zimage_cli.core.drafts import tagged
from zimage_cli.core.making.fetching import part_of
from zimage_cli.core.making.pace import Pace
from zimage_cli.core.making.save import FolderPlace
from zimage_cli.core.observer import Watcher
from zimage_cli.core.outcome import Outcome
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.sweep import ONE, Sweep
from zimage_cli.core.run.engine import ROOM, Engine
from zimage_cli.core.run.folder import FolderEngine
from zimage_cli.core.run.journal import Journal
from zimage_cli.core.run.state import States
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.core.status import Status
from zimage_cli.errors import Billed, ConnectionFailed, UsageError
from zimage_cli.sandbox.faults import Fault


@dataclass
class Seen(Watcher):
    """Keeps what was told."""

    outcomes: list[Outcome] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    on_end: Callable[[], object] = lambda: None

    def ended(self, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes.append(outcome)
        self.on_end()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [outcome.document for outcome in self.outcomes]

    @property
    def statuses(self) -> Counter[str]:
        return Counter(outcome.status.value for outcome in self.outcomes)


SALT = b"s" * 16


def jobs(lines: Iterable[dict[str, Any]], sweep: Sweep = ONE, salt: bytes = SALT) -> Iterator[Job]:
    template = NameTemplate.parse("{slug}-{n}.png")
    planner = JobReader(LineDefaults({"size": "512*512"}, template, sweep=sweep, salt=salt))
    records = (Record(number, dict(line), None) for number, line in enumerate(lines, 1))
    for entry in planner.plan(records):
        assert isinstance(entry, Job)
        yield entry


def kites(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"kite {number}"} for number in range(1, count + 1)]


@dataclass
class Run:
    engine: Engine
    view: Seen

    @property
    def tally(self) -> Any:
        return self.engine.tally

    def end(self, timeout: float = 60) -> Run:
        assert self.engine.wait(timeout)
        return self


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    """Start a run in a studio's folder, as one more process would: `run(studio, lines)`.

    With `journal=False` it is one in memory, as `generate` makes it: no resume, no patience.
    """
    opened: list[Journal] = []

    def start(
        studio: Any,
        lines: Any,
        *,
        view: Seen | None = None,
        sweep: Sweep = ONE,
        journal: bool = True,
        **options: Any,
    ) -> Run:
        folder, maker = studio.pictures, studio.maker
        maker.reach = None
        view = view or Seen()
        if journal:
            written = Journal(folder)
            opened.append(written)
            known = States.load(folder, written, maker.history.book, fresh=False)
            how = RunOptions(**options)
            engine: Engine = FolderEngine(lambda _: maker, how, view, written, known)
        else:
            engine = Engine(lambda _: maker, RunOptions(**{"patience": None, **options}), view)
        engine.start(jobs(lines, sweep) if isinstance(lines, list) else lines)
        return Run(engine, view)

    yield start
    for written in opened:
        written.close()


def line_of(record: dict[str, Any]) -> int:
    return int(record["line"])


def journal_of(studio: Any) -> list[dict[str, Any]]:
    path: Path = studio.pictures / "results.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_line_is_made_and_told_once(studio: Any, run: Any) -> None:
    it = studio(region="beijing")
    done = run(it, kites(20), concurrency=4).end()
    assert done.view.statuses == {"saved": 20}
    assert {record["line"] for record in done.view.records} == set(range(1, 21))
    assert (done.tally.saved, done.tally.sent, done.tally.spent) == (20, 20, Decimal("2.00"))
    assert it.server.books.billed_count == 20
    assert it.server.books.peak_in_flight <= 4
    assert {record["file"] for record in journal_of(it)} == {
        name for name in it.files if name.endswith(".png")
    }
    again = run(it, kites(20)).end()
    assert again.view.statuses == {"skipped": 20}
    assert it.server.books.post_count == 20


def test_the_journal_keeps_no_signature_and_the_stream_does(studio: Any, run: Any) -> None:
    it = studio()
    done = run(it, kites(1)).end()
    assert "?" in done.view.records[0]["image_url"]
    assert "?" not in journal_of(it)[0]["image_url"]
    (written,) = journal_of(it)
    assert written == {
        **done.view.records[0],
        "image_url": written["image_url"],
        "file": Path(done.view.records[0]["path"]).name,
    }


def test_failures_and_losses_are_left_until_asked_for(studio: Any, run: Any) -> None:
    it = studio(retries=0)
    it.server.script("DataInspectionFailed", "close", "ok", "InternalError")
    first = run(it, kites(4), concurrency=1).end()
    assert first.view.statuses == {"refused": 1, "failed": 1, "lost": 1, "saved": 1}
    assert first.tally.causes == {
        (Status.REFUSED, "DataInspectionFailed"): [1],
        (Status.LOST, "lost"): [2],
        (Status.FAILED, "InternalError"): [4],
    }
    seeds = {record["line"]: record["seed"] for record in first.view.records}

    second = run(it, kites(4)).end()
    assert second.view.statuses == {"skipped": 4}
    left = {status: sorted(lines) for status, lines in second.tally.left.items()}
    assert left == {Status.REFUSED: [1], Status.LOST: [2], Status.SAVED: [3], Status.FAILED: [4]}
    assert [record["reason"] for record in sorted(second.view.records, key=line_of)] == [
        "refused before: --retry-failed",
        "lost before, may be billed: --retry-lost",
        "saved before",
        "failed before: --retry-failed",
    ]
    assert it.server.books.post_count == 4

    third = run(it, kites(4), retry_failed=True).end()
    assert third.view.statuses == {"skipped": 2, "saved": 2}
    fourth = run(it, kites(4), retry_lost=True).end()
    assert fourth.view.statuses == {"skipped": 3, "saved": 1}
    # A seed that was drawn for a line stays.
    for record in (*third.view.records, *fourth.view.records):
        if record["status"] == "saved":
            assert record["seed"] == seeds[record["line"]]
    assert len({call.json()["parameters"]["seed"] for call in it.server.books.posts}) == 4


def test_a_seed_stays_where_its_salt_is_gone(studio: Any, run: Any) -> None:
    """As it is in a folder of a release that had no salt."""
    it = studio(retries=0)
    it.server.script("InternalError")
    run(it, kites(1)).end()
    other = b"o" * 16
    again = run(it, jobs(kites(1), salt=other), retry_failed=True).end()
    (outcome,) = again.view.outcomes
    first, second = (call.json()["parameters"]["seed"] for call in it.server.books.posts)
    assert first == second == outcome.request.seed
    assert [job.request.seed for job in jobs(kites(1), salt=other)] != [first]
    # Who wants none drawn gets none.
    outcome.take().path.unlink()
    run(it, kites(1), sweep=Sweep(no_seed=True)).end()
    assert "seed" not in it.server.books.posts[-1].json()["parameters"]


def test_no_seed_leaves_it_to_the_service(studio: Any, run: Any) -> None:
    it = studio()
    lines = [{"prompt": "a"}, {"prompt": "b", "seed": 4}]
    run(it, lines, sweep=Sweep(no_seed=True), concurrency=1).end()
    sent = [call.json()["parameters"] for call in it.server.books.posts]
    assert [parameters.get("seed") for parameters in sent] == [None, 4]


def test_a_picture_that_was_paid_is_fetched_and_not_made_again(studio: Any, run: Any) -> None:
    it = studio()
    it.server.script(*[Fault("picture-404", count=2)] * 3)
    first = run(it, kites(3), concurrency=2).end()
    assert first.view.statuses == {"made": 3}
    assert (first.tally.counts[Status.MADE], first.tally.printed) == (3, 0)
    assert {key: sorted(lines) for key, lines in first.tally.causes.items()} == {
        (Status.MADE, "not-saved"): [1, 2, 3]
    }
    second = run(it, kites(3)).end()
    assert second.view.statuses == {"saved": 3}
    assert second.tally.spent == 0
    assert it.server.books.post_count == it.server.books.billed_count == 3
    assert [record["status"] for record in journal_of(it)] == ["made"] * 3 + ["saved"] * 3


@pytest.mark.parametrize(
    "code",
    [
        "InvalidApiKey",
        "Arrearage",
        "Model.AccessDenied",
        "AllocationQuota.FreeTierOnly",
        "PostpaidBillOverdue",
        "WorkSpaceNotFound",
    ],
)
def test_what_every_line_would_meet_ends_the_run(code: str, studio: Any, run: Any) -> None:
    it = studio()
    it.server.script(Fault("slow-answer", seconds=1.5, times=2), code)
    done = run(it, kites(50), concurrency=3).end()
    # The two beside it were in flight, and are saved.
    assert done.view.statuses == {"saved": 2, "failed": 1}
    assert done.tally.fatal.code == code
    assert it.server.books.post_count == 3
    after = run(it, kites(50)).end()
    assert after.view.statuses == {"saved": 47, "skipped": 3}


def test_what_concerns_one_line_does_not_end_the_run(studio: Any, run: Any) -> None:
    it = studio(retries=0)
    it.server.script("InvalidParameter", "IPInfringementSuspect", "ModelUnavailable", "no-choices")
    done = run(it, kites(10), concurrency=2).end()
    assert done.view.statuses == {"saved": 6, "refused": 1, "failed": 2, "lost": 1}
    assert done.tally.fatal is None


def test_a_disk_that_takes_no_record_ends_the_run(studio: Any, run: Any) -> None:
    it = studio()

    def lines() -> Iterator[Job]:
        # Once the journal is read: a run does not begin with one that cannot be.
        (it.pictures / "results.jsonl").symlink_to("missing/results.jsonl")
        yield from jobs(kites(50))

    done = run(it, lines(), concurrency=2).end()
    assert "results.jsonl" in done.tally.fatal.message
    assert it.server.books.post_count < 10


def test_max_cost_stops_before_it_would_be_passed(studio: Any, run: Any) -> None:
    it = studio(region="beijing")
    done = run(it, kites(50), concurrency=8, max_cost=Decimal("1.05")).end()
    assert done.view.statuses == {"saved": 10}
    assert done.tally.over_budget
    assert done.tally.spent == Decimal("1.00")
    assert it.server.books.billed_count == 10


def test_what_may_be_lost_counts_as_spent(studio: Any, run: Any) -> None:
    it = studio(region="beijing", retries=0)
    it.server.script(*["close"] * 4)
    done = run(it, kites(50), concurrency=1, max_cost=Decimal("1.00")).end()
    assert done.view.statuses == {"lost": 4, "saved": 6}
    assert done.tally.spent == Decimal("1.00")
    assert it.server.books.billed_count == 10


def test_failures_cost_nothing(studio: Any, run: Any) -> None:
    it = studio(region="beijing", retries=0)
    it.server.script(*["InternalError"] * 5)
    done = run(it, kites(15), concurrency=1, max_cost=Decimal("1.00")).end()
    assert done.view.statuses == {"failed": 5, "saved": 10}
    assert not done.tally.over_budget


def test_tries_that_are_lost_on_the_way_count_as_spent(studio: Any, run: Any) -> None:
    it = studio(region="beijing")
    it.maker.policy = Policy(8, retry_lost=True, wait_base=0.01)
    it.server.script(*["close"] * 3)
    done = run(it, kites(2), concurrency=1).end()
    assert done.view.statuses == {"saved": 2}
    assert done.tally.spent == Decimal("0.50")
    assert it.server.books.billed_count == 5


def test_max_cost_holds_while_one_line_is_tried_again(studio: Any, run: Any) -> None:
    it = studio(region="beijing")
    it.maker.policy = Policy(50, retry_lost=True, wait_base=0.01)
    it.server.script(*["close"] * 40)
    done = run(it, kites(2), concurrency=1, max_cost=Decimal("0.30")).end()
    assert done.tally.over_budget
    assert it.server.books.billed_count == 3
    assert done.view.statuses == {"lost": 1}
    # It may be billed: it is not sent again unasked.
    it.server.clear_script()
    after = run(it, kites(2), concurrency=1).end()
    assert after.view.statuses == {"skipped": 1, "saved": 1}


def test_stopping_saves_what_is_in_flight_and_sends_no_more(studio: Any, run: Any) -> None:
    stopped = threading.Event()
    # Nothing is answered before the stop.
    it = studio(log=lambda _line: stopped.wait(60))
    started = run(it, kites(100), concurrency=5)
    assert it.server.books.wait_for(lambda books: books.post_count == 5)
    started.engine.stop()
    stopped.set()
    done = started.end()
    assert done.view.statuses == {"saved": 5}
    assert it.server.books.post_count == 5
    assert all(entry.status == "saved" for entry in it.read())


def test_stopping_ends_waits_and_leaves_no_trace_of_who_waited(studio: Any, run: Any) -> None:
    it = studio()
    # The next turn is in 100 s.
    it.maker.pace = Pace(0.01)
    started = run(it, kites(100), concurrency=5)
    assert it.server.books.wait_for(lambda books: books.billed_count == 1)
    started.engine.stop()
    done = started.end(60)
    assert done.view.statuses == {"saved": 1}
    # One was next and had its row already; the others never had.
    statuses = Counter(entry.status for entry in it.read())
    assert statuses["saved"] == 1
    assert statuses.total() <= 2
    it.maker.pace = None
    assert run(it, kites(100)).end().view.statuses == {"saved": 99, "skipped": 1}


def test_stopping_between_two_tries_of_a_download_still_fetches_it(studio: Any, run: Any) -> None:
    it = studio()
    it.maker.sleep = time.sleep
    it.server.script(Fault("picture-503", count=1))
    started = run(it, kites(1), concurrency=1)
    assert it.server.books.wait_for(lambda books: len(books.pictures) == 1)
    started.engine.stop()
    assert started.end().view.statuses == {"saved": 1}


def test_an_output_that_cannot_be_is_refused_before_it_is_paid(studio: Any, run: Any) -> None:
    it = studio()
    outside = it.base / "outside"
    outside.mkdir()
    (it.pictures / "link").symlink_to(outside)
    (it.pictures / "taken.png").write_bytes(b"mine")
    lines = [
        {"prompt": "a", "output": "link/a.png"},
        {"prompt": "b", "output": "b.png"},
        {"prompt": "c", "output": "taken.png/c.png"},
        {"prompt": "d", "output": "new/d.png"},
    ]
    done = run(it, lines, concurrency=1).end()
    assert done.view.statuses == {"failed": 2, "saved": 2}
    assert done.tally.causes == {(Status.FAILED, "usage"): [1, 3]}
    assert it.server.books.post_count == 2
    assert list(outside.iterdir()) == []


def test_a_name_that_is_taken_is_never_overwritten(studio: Any, run: Any) -> None:
    it = studio()
    (it.pictures / "mine.png").write_bytes(b"mine")
    run(it, [{"prompt": "a", "output": "mine.png"}, {"prompt": "b", "output": "mine.png"}]).end()
    assert (it.pictures / "mine.png").read_bytes() == b"mine"
    assert {"mine-2.png", "mine-3.png"} < set(it.files)


def test_a_file_that_cannot_be_read_on_ends_the_run(studio: Any, run: Any) -> None:
    it = studio()

    def broken() -> Iterator[Job]:
        yield from jobs(kites(3))
        # What was taken and not sent yet would not be sent any more.
        assert it.server.books.wait_for(lambda books: books.post_count == 3)
        raise UsageError("prompts.txt: cannot be read")

    done = run(it, broken(), concurrency=2).end()
    assert done.view.statuses == {"saved": 3}
    assert done.tally.fatal.message == "prompts.txt: cannot be read"


def test_a_bug_ends_the_run_and_is_not_swallowed(studio: Any, run: Any) -> None:
    it = studio(latency=0.1)

    def raises() -> None:
        raise ZeroDivisionError

    started = run(it, kites(50), view=Seen(on_end=raises), concurrency=2)
    with pytest.raises(ZeroDivisionError):
        started.end()
    assert it.server.books.post_count < 10
    assert {entry.status for entry in it.read()} == {"saved"}


def test_without_a_history_the_journal_is_enough(studio: Any, run: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.mkdir()
    it = studio(history=broken, retries=0)
    it.server.script("DataInspectionFailed")
    first = run(it, kites(5), concurrency=1).end()
    assert first.view.statuses == {"saved": 4, "refused": 1}
    second = run(it, kites(5)).end()
    assert second.view.statuses == {"skipped": 5}
    third = run(it, kites(5), retry_failed=True).end()
    assert third.view.statuses == {"skipped": 4, "saved": 1}


def test_what_was_paid_is_still_fetched_after_its_place_was_taken(
    studio: Any, run: Any, tmp_path: Path
) -> None:
    """The journal alone knows the address: its last record has to have it."""
    broken = tmp_path / "broken.db"
    broken.mkdir()
    it, lines = studio(history=broken, retries=0), [{"prompt": "a", "output": "sub/a.png"}]
    it.server.script(Fault("picture-404", count=1))
    assert run(it, lines).end().view.statuses == {"made": 1}
    (it.pictures / "sub").rmdir()
    (it.pictures / "sub").write_bytes(b"mine")
    again = run(it, lines).end()
    assert (again.view.statuses, again.tally.printed) == ({"made": 1}, 0)
    (it.pictures / "sub").unlink()
    assert run(it, lines).end().view.statuses == {"saved": 1}
    assert it.server.books.billed_count == 1


def test_what_a_killed_run_had_fetched_of_the_journal_s_is_not_fetched_again(
    studio: Any, run: Any, tmp_path: Path, small_png: bytes
) -> None:
    broken = tmp_path / "broken.db"
    broken.mkdir()
    it = studio(history=broken, retries=0)
    it.server.script(Fault("picture-404", count=1))
    assert run(it, kites(1)).end().view.statuses == {"made": 1}
    asked = len(it.server.books.pictures)
    tagged(it.pictures, part_of(it.server.books.billed[0].url)).write_bytes(small_png)
    (outcome,) = run(it, kites(1)).end().view.outcomes
    assert as_served(outcome.picture.path.read_bytes()) == small_png
    assert len(it.server.books.pictures) == asked
    assert not list(it.pictures.glob(".zimage-*.part"))


# -- one engine, with a journal and without ------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["batch", "in-memory"])
def both(request: pytest.FixtureRequest, run: Any) -> Callable[..., Run]:
    """`run`, once as a batch and once as a run in memory, whose rules are the same."""

    def start(studio: Any, lines: Any, **options: Any) -> Run:
        started: Run = run(studio, lines, journal=request.param, **options)
        return started

    return start


def test_what_the_next_would_meet_ends_either_run(studio: Any, both: Any) -> None:
    it = studio()
    it.server.script(Fault("slow-answer", seconds=1.5, times=2), "InvalidApiKey")
    done = both(it, kites(50), concurrency=3).end()
    assert done.view.statuses == {"saved": 2, "failed": 1}
    assert done.tally.fatal.code == "InvalidApiKey"
    assert it.server.books.post_count == 3


def test_either_run_counts_lost_tries_towards_its_bound(studio: Any, both: Any) -> None:
    it = studio(region="beijing")
    it.maker.policy = Policy(50, retry_lost=True, wait_base=0.01)
    it.server.script(*["close"] * 40)
    done = both(it, kites(4), concurrency=1, max_cost=Decimal("0.30")).end()
    assert done.tally.over_budget
    assert done.tally.spent == Decimal("0.30")
    assert it.server.books.billed_count == 3
    assert done.view.statuses == {"lost": 1}


def test_either_run_knows_what_is_on_the_bill(studio: Any, both: Any) -> None:
    it = studio(retries=0, region="beijing")
    it.server.script("ok", "DataInspectionFailed", "close", "InternalError")
    done = both(it, kites(4), concurrency=1).end()
    billed = {one.job.line: one.billed for one in done.view.outcomes}
    assert billed == {1: Billed.YES, 2: Billed.NO, 3: Billed.MAYBE, 4: Billed.NO}
    assert done.tally.billed == {Billed.YES: 1, Billed.MAYBE: 1, Billed.NO: 2}
    assert done.tally.spent == Decimal("0.20")


def test_what_the_sandbox_makes_is_on_no_bill(studio: Any, both: Any) -> None:
    it = studio(retries=0, region="sandbox")
    it.server.script("ok", "close", Fault("picture-404", count=1))
    done = both(it, kites(3), concurrency=1).end()
    assert done.view.statuses == {"saved": 1, "lost": 1, "made": 1}
    assert done.tally.billed == {Billed.NO: 3}
    assert {one.billed for one in done.view.outcomes} == {Billed.NO}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for names and for no picture."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk here")
    with (folder / "ballast").open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                continue
        # A page for the line of the journal.
        file.truncate(file.tell() - 4096)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_takes_no_picture_costs_one_however_long_one_takes(
    studio: Any, both: Any, full_disk: Path
) -> None:
    it = studio(latency=3, picture_bytes=None)
    it.maker.place = FolderPlace(full_disk)
    assert (it.maker.place.room() or 0) < ROOM
    done = both(it, kites(4), concurrency=4).end()
    assert done.view.statuses == {"made": 1}
    assert it.server.books.billed_count == 1
    assert "no space left" in done.tally.fatal.message


def test_a_little_room_is_used_by_one_picture_at_a_time(
    studio: Any, both: Any, full_disk: Path
) -> None:
    (full_disk / "ballast").unlink()
    it = studio(latency=0.1)
    it.maker.place = FolderPlace(full_disk)
    done = both(it, kites(4), concurrency=4).end()
    assert done.view.statuses == {"saved": 4}
    assert it.server.books.peak_in_flight == 1


@pytest.fixture
def nobody_s() -> Iterator[str]:
    """An address where nothing listens."""
    with kept_port() as port:
        yield f"http://127.0.0.1:{port}/api/v1"


def test_a_run_without_patience_ends_with_the_first_that_cannot_be_asked_for(
    studio: Any, run: Any, nobody_s: str
) -> None:
    it = studio(retries=0)
    it.maker.account = it.maker.account._replace(api_root=nobody_s)
    done = run(it, kites(20), journal=False, concurrency=1).end()
    assert done.view.statuses == {"failed": 1}
    assert isinstance(done.tally.fatal, ConnectionFailed)
    assert done.tally.spent == 0


def test_a_batch_with_patience_waits_and_one_without_tells_no_line(
    studio: Any, run: Any, nobody_s: str
) -> None:
    it = studio(retries=0)
    it.maker.account = it.maker.account._replace(api_root=nobody_s)
    # Its lines were never sent: they are as new as before.
    done = run(it, kites(20), concurrency=2, patience=None).end()
    assert done.view.statuses == {}
    assert isinstance(done.tally.fatal, ConnectionFailed)
    out = threading.Event()
    view = Seen()
    view.unreachable = lambda *_: out.set()  # type: ignore[method-assign]
    started = run(it, kites(20), view=view, concurrency=2)
    assert out.wait(60)
    assert not started.engine.wait(0)
    started.engine.stop()
    assert started.end().view.statuses == {}


def test_pictures_in_memory_are_made_several_at_once(studio: Any, run: Any) -> None:
    it = studio()
    it.server.books.free, it.server.books.last = 0, 4
    done = run(it, kites(8), journal=False, concurrency=4).end()
    assert done.view.statuses == {"saved": 8}
    assert it.server.books.peak_in_flight == 4
    assert not (it.pictures / "results.jsonl").exists()


# -- what is told of a picture -------------------------------------------------------------------

ALWAYS = {
    *(
        "line",
        "variant",
        "job",
        "status",
        "prompt",
        "seed",
        "size",
        "prompt_extend",
        "path",
        "history_id",
    ),
    *("request_id", "region", "endpoint", "cost", "elapsed_seconds", "attempts", "billed"),
}
OF_PICTURES = {
    *("image_url", "width", "height", "rewritten_prompt", "reasoning"),
    *("evidence_path", "bytes", "sha256", "served_sha256"),
}
OF_ADDRESSES = {"image_url", "answered_at", "width", "height", "rewritten_prompt", "reasoning"}
OF_ERRORS = {
    *("type", "code", "message", "hint", "field", "value", "allowed", "nearest"),
    *("retryable", "http_status"),
}


def test_the_document_of_every_status_says_all_that_is_known(studio: Any, run: Any) -> None:
    it = studio(retries=0, region="beijing")
    it.server.script("ok", "DataInspectionFailed", "InternalError", "close")
    run(it, kites(4), concurrency=1).end()
    it.server.script("ok", Fault("picture-404", count=1))
    lines = [*kites(4), {"prompt": "another", "output": "a/b.png"}, {"prompt": "gone"}]
    done = run(it, lines, concurrency=1).end()
    first, refused, failed, lost, saved, made = sorted(done.view.records, key=line_of)

    assert saved.keys() == ALWAYS | OF_PICTURES
    assert (saved["status"], saved["billed"], saved["attempts"]) == ("saved", "yes", 1)
    assert saved["path"] == str((it.pictures / "a/b.png").absolute())
    assert (saved["history_id"], saved["size"]) == (5, "512*512")
    assert saved["cost"] == {"amount": "0.10", "currency": "CNY"}

    assert made.keys() == ALWAYS | OF_ERRORS | OF_ADDRESSES
    assert (made["status"], made["type"], made["billed"]) == ("made", "not-saved", "yes")
    assert (made["path"], made["history_id"], made["attempts"]) == (None, 6, 1)
    assert made["cost"] == {"amount": "0.10", "currency": "CNY"}

    told = {"status": "skipped", "size": "512*512", "attempts": 1, "region": "beijing"}
    for number, record in enumerate((first, refused, failed, lost), 1):
        assert record.keys() >= ALWAYS | {"reason"}
        assert told.items() <= record.items()
        assert (record["history_id"], record["prompt"]) == (number, f"kite {number}")
        assert record["job"] is not None
    assert first["path"] == str((it.pictures / "kite-1-1.png").absolute())
    assert [one["billed"] for one in (first, refused, failed, lost)] == ["yes", "no", "no", "maybe"]
    assert [one["cost"]["amount"] for one in (first, refused, failed, lost)] == [
        *("0.10", "0.00", "0.00", "0.10")
    ]
    assert (refused["code"], lost["type"]) == ("DataInspectionFailed", "lost")


def test_a_picture_that_is_paid_and_still_not_fetched_keeps_its_facts(
    studio: Any, run: Any
) -> None:
    it = studio(retries=0, region="beijing")
    it.server.script(Fault("picture-404", count=20))
    (first,) = run(it, kites(1)).end().view.records
    (again,) = run(it, kites(1)).end().view.records
    same = ("status", "seed", "history_id", "attempts", "billed", "cost", "region", "endpoint")
    assert [again[name] for name in same] == [first[name] for name in same]
    assert (again["status"], again["history_id"], again["attempts"]) == ("made", 1, 1)


def test_the_document_of_a_picture_that_failed_in_memory_is_the_same(studio: Any, run: Any) -> None:
    it = studio(retries=0)
    it.server.script("DataInspectionFailed", "close")
    done = run(it, kites(2), journal=False, concurrency=1).end()
    refused, lost = done.view.records
    assert refused.keys() == lost.keys() == ALWAYS | OF_ERRORS
    assert (refused["status"], refused["billed"], refused["history_id"]) == ("refused", "no", 1)
    assert (lost["status"], lost["billed"], lost["history_id"]) == ("lost", "maybe", 2)
    # No list price is known at this host.
    assert lost["cost"] == {"amount": None, "currency": None}
