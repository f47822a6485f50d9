"""The account's limit: what it lets through, who shares it, and what cannot stand in its way."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.making.pace import Pace
from zimage_cli.core.making.pace.rule import MARGIN, PENDING, SLOWEST, speaks_of_rate
from zimage_cli.errors import ServiceError, ThrottledError, UsageError, ZimageError

Open = Callable[..., Pace]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "pace.db"


@pytest.fixture
def pace(path: Path) -> Iterator[Open]:
    """Open a limiter on the test's file, as another process would."""
    with ExitStack() as opened:

        def start(rps: float, *, key: str = "sk-one", path: Path | None = path) -> Pace:
            one = Pace(rps, key=key, path=path)
            opened.callback(one.close)
            return one

        yield start


RARE = 0.01
"""A turn in 100 seconds: whatever a busy machine takes for a test, the next one is not free yet."""


CLOCKS_DIFFER = 1.0
"""Seconds by which the two clocks that keep the end of a hold may run apart in a test."""


class Waits(Exception):
    """Raised instead of waiting."""


def wait_for(one: Pace) -> float:
    """Return how long the next turn would be waited for, in seconds; it is taken where it is 0."""
    heard: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds:
            raise Waits

    try:
        one.take(sleep=sleep, on_wait=heard.append).sent()
    except Waits:
        return heard[0]
    return 0.0


@dataclass(frozen=True)
class Next:
    """When the next turn would be: asked for between two looks at the clock, `wait` seconds ahead.

    However long the machine takes for anything between, both answers are right.
    """

    before: float
    wait: float
    after: float

    def not_before(self, instant: float) -> bool:
        return self.after + self.wait >= instant - 0.001

    def by(self, instant: float) -> bool:
        """It is at most then, or was already possible when it was asked for."""
        return self.wait == 0 or self.before + self.wait <= instant + 0.001


def next_turn(one: Pace) -> Next:
    """Ask for the next turn; it is taken where it need not be waited for."""
    before = time.monotonic()
    return Next(before, wait_for(one), time.monotonic())


def throttled(pace: Any = "normal", retry_after: float | None = None) -> ThrottledError:
    return ThrottledError("Too many requests.", pace=pace, retry_after=retry_after)


def set_state(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE pace SET state = ?", (text,))
    db.close()


def state_of(**values: object) -> str:
    return json.dumps({"turns": [], "hold": 0.0, "hold_clock": 0.0, "factor": 1.0, **values})


def test_the_first_turn_is_free_and_the_next_one_is_not(pace: Open) -> None:
    one = pace(1.0)
    first = next_turn(one)
    second = next_turn(one)
    assert first.wait == 0
    assert second.not_before(first.before + 1 + MARGIN)
    # Nor is more of the limit left unused than the margin.
    assert second.by(first.after + 1 + MARGIN)


def test_processes_of_one_account_share_and_others_do_not(pace: Open) -> None:
    assert wait_for(pace(RARE)) == 0
    assert wait_for(pace(RARE)) > 0
    assert wait_for(pace(RARE, key="sk-two")) == 0


def test_the_key_is_nowhere_in_the_file(pace: Open, path: Path) -> None:
    pace(1.0, key="sk-0123456789abcdef").take()
    assert b"0123456789abcdef" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_no_limit_never_waits_and_needs_no_file(pace: Open, path: Path) -> None:
    one = pace(0)
    assert all(wait_for(one) == 0 for _ in range(100))
    assert not path.exists()


def test_turns_of_several_threads_and_limiters_keep_a_strict_window(pace: Open) -> None:
    rate, sent, lock = 20, [], threading.Lock()
    limiters = [pace(rate) for _ in range(3)]

    def work(one: Pace) -> None:
        for _ in range(6):
            turn = one.take()
            with lock:
                sent.append(time.monotonic())
            turn.sent()

    threads = [threading.Thread(target=work, args=(one,)) for one in limiters for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.sort()
    assert len(sent) == 36
    assert min(late - early for early, late in zip(sent, sent[rate:], strict=False)) > 1.0


def test_a_process_with_a_lower_limit_does_not_make_others_forget(pace: Open) -> None:
    fast, slow = pace(2.0), pace(1.0)
    began = time.monotonic()
    fast.take().sent()
    first_sent = time.monotonic()
    assert next_turn(slow).not_before(began + 1 + MARGIN)
    time.sleep(max(0.0, first_sent + 0.47 - time.monotonic()))
    assert wait_for(fast) == 0
    # Two have left within the second, whoever sent them: the third waits for the first one's end.
    third = next_turn(fast)
    assert third.not_before(began + 1 + MARGIN)
    assert third.wait <= 1 + MARGIN - 0.47


def test_a_request_that_has_not_left_holds_its_place(pace: Open) -> None:
    one, window = pace(1.9), 1 / 1.9 + MARGIN
    taken = time.monotonic()
    slow = one.take()
    time.sleep(0.6)
    # Its window would be over, had it left at once.
    late = next_turn(one)
    assert late.not_before(min(late.before, taken + PENDING) + window)
    left = time.monotonic()
    slow.sent()
    after = next_turn(one)
    assert after.not_before(left + window)
    assert after.by(after.before + window)
    time.sleep(0.6)
    assert wait_for(one) == 0


def test_a_request_that_never_leaves_gives_its_place_back(pace: Open) -> None:
    one = pace(1.9)
    refused = one.take()
    time.sleep(0.6)
    refused.dropped()
    assert wait_for(one) == 0


def test_a_turn_is_given_early_and_leaves_on_time(pace: Open) -> None:
    """What must be done before sending is done while waiting, and costs nothing of the limit."""
    one, waited = pace(1.0), list[float]()
    began = time.monotonic()
    one.take().sent()
    turn = one.take(on_wait=waited.append, lead=0.3)
    assert sum(waited) < 1 + MARGIN - 0.3
    assert turn.at >= began + 1 + MARGIN
    # The next one is counted from when this one leaves, not from when it was given.
    assert next_turn(one).not_before(turn.at + 1 + MARGIN)


def test_who_gives_up_takes_no_turn(pace: Open) -> None:
    one = pace(RARE)

    def sleep(_seconds: float) -> None:
        raise Waits

    with pytest.raises(Waits):
        one.take(sleep=sleep)
    assert wait_for(one) == 0


def test_retry_after_holds_everybody(pace: Open) -> None:
    one, other = pace(2.0), pace(2.0)
    one.take().sent()
    began = time.monotonic()
    one.failed(throttled(retry_after=140.0))
    for held in (one, other):
        assert next_turn(held).not_before(began + 140 - CLOCKS_DIFFER)
        assert wait_for(held) <= 140
    # A shorter one does not end it early.
    other.failed(throttled(retry_after=1.0))
    assert next_turn(one).not_before(began + 140 - CLOCKS_DIFFER)
    assert wait_for(pace(2.0, key="sk-two")) == 0


def test_the_pace_drops_after_429_and_comes_back(pace: Open, path: Path) -> None:
    one = pace(RARE)
    one.take().sent()
    full = wait_for(one)
    one.failed(throttled(retry_after=0.0))
    dropped = wait_for(one)
    assert full * 1.5 < dropped
    for _ in range(4):
        one.succeeded()
    assert full < wait_for(one) < dropped
    for _ in range(4):
        one.succeeded()
    assert wait_for(one) <= full
    for _ in range(50):
        one.failed(throttled(retry_after=0.0))
    assert wait_for(one) <= (1 / RARE + MARGIN) / SLOWEST
    # Another process that joins meanwhile recovers it as well.
    other = pace(RARE)
    wait_for(other)
    for _ in range(30):
        other.succeeded()
    assert wait_for(one) <= full


@pytest.mark.parametrize(
    ("error", "slower"),
    [
        (throttled("normal"), True),
        (throttled("burst"), True),
        (throttled("quota"), False),
        (ServiceError("No capacity.", code="ModelServingError"), True),
        (ServiceError("Broken.", code="InternalError"), False),
        (UsageError("Wrong."), False),
    ],
)
def test_what_speaks_of_the_rate(error: ZimageError, slower: bool, pace: Open) -> None:
    assert speaks_of_rate(error) is slower
    one = pace(100.0)
    began = time.monotonic()
    one.failed(error)
    turn = next_turn(one)
    assert turn.not_before(began + 0.95) if slower else turn.wait == 0


def test_a_clock_that_began_anew_blocks_nobody(pace: Open, path: Path) -> None:
    one = pace(1.0)
    one.take()
    ahead = time.monotonic() + 100
    set_state(path, state_of(turns=[[ahead, ""], [ahead, "x"]], hold=ahead, hold_clock=5.0))
    assert wait_for(one) == 0
    set_state(path, state_of(hold=1e300, hold_clock=1e300))
    assert wait_for(one) == 0


@given(
    state=st.one_of(
        st.text(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["turns", "hold", "hold_clock", "factor"]), inner, max_size=4
                )
            ),
        ).map(json.dumps),
        st.just("[" * 100_000),
        st.just(state_of(hold=10**400)),
    )
)
def test_nothing_that_stands_in_the_file_stops_anybody(
    state: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pace") / "pace.db"
    one = Pace(2.0, path=path)
    try:
        one.take().sent()
        set_state(path, state)
        assert wait_for(one) <= 150
        one.failed(throttled())
        one.succeeded()
        assert wait_for(one) <= 150
    finally:
        one.close()


def _folder_in_the_way(path: Path) -> None:
    path.mkdir(parents=True)


def _no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 500)


def _torn(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE salt (salt BLOB NOT NULL)")
        db.execute("CREATE TABLE other (x)")
    db.close()
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(len(data) - 100))


def _half_made(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE salt (salt BLOB NOT NULL)")
    db.close()


def _no_salt(path: Path) -> None:
    _half_made(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO salt VALUES (7)")
    db.close()


def _file_above(path: Path) -> None:
    path.parent.write_text("not a folder")


@pytest.mark.parametrize(
    "spoil", [_folder_in_the_way, _no_database, _torn, _half_made, _no_salt, _file_above]
)
def test_a_file_that_cannot_be_used_is_no_obstacle(
    spoil: Callable[[Path], None], pace: Open, path: Path
) -> None:
    spoil(path)
    one = pace(RARE)
    assert wait_for(one) == 0
    # The limit is kept all the same.
    assert wait_for(one) > 0
    one.failed(throttled())
    one.succeeded()


def test_a_damaged_file_is_made_anew_and_shared(pace: Open, path: Path) -> None:
    _no_database(path)
    assert wait_for(pace(RARE)) == 0
    assert wait_for(pace(RARE)) > 0


def test_a_file_that_breaks_meanwhile_is_no_obstacle(pace: Open, path: Path) -> None:
    one = pace(RARE)
    one.take().sent()
    path.write_bytes(b"broken" * 2000)
    for _ in range(3):
        wait_for(one)
    assert wait_for(one) > 0


def test_a_killed_process_that_held_the_file_blocks_nobody(pace: Open, path: Path) -> None:
    pace(RARE).take().sent()
    holder = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\n"
        "db.execute('UPDATE pace SET state = 7')\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        process.kill()
        process.wait()
    # What it had begun to write is not there, and the file can be read: the turn before it counts.
    # A limiter that cannot have the file would go on alone, and its first turn is free.
    assert wait_for(pace(RARE)) > 0
