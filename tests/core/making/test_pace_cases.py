"""The rule of the pace, and each place where it is kept: the same cases, and the same answers."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis_server
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zimage_cli.core.making.pace import rule
from zimage_cli.core.making.pace.file import FileStore
from zimage_cli.core.making.pace.rule import AFTER_429, PENDING, STALE, Limit, State

ONE = Limit(1.0).window()
TWO = Limit(2.0).window()
EVEN = rule.EVEN
SHORT = 0.001
"""Seconds to which two computers of floating numbers agree."""

Event = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """Turns are (seconds ago, id while pending); then events; then how long the next one waits.

    `floats`: the wait is counted from when it is asked for, and not from when the state was.
    """

    name: str
    wait: float
    rps: float = 1.0
    turns: Sequence[tuple[float, str]] = ()
    hold: float | None = None
    factor: float = 1.0
    events: Sequence[Event] = ()
    floats: bool = False
    lead: float = 0.0


SUCCEEDED = ("succeeded",)
FAILED = ("failed", AFTER_429)
AT_ONCE = ("failed", 0.0)
CASES = [
    Case("the first is free", 0),
    Case("the second waits for the end of the window", ONE - 0.2, turns=[(0.2, "")]),
    Case("half a window, where two may leave in it", EVEN * TWO / 2 - 0.1, 2, [(0.1, "")]),
    Case("the third waits for the first one's end", TWO - 0.7, 2, [(0.7, ""), (0.2, "")]),
    Case("late ones count in any order", TWO - 0.7, 2, [(0.2, ""), (0.7, "")]),
    Case(
        "after a late turn the next may come earlier", EVEN * TWO / 2 - 0.1, 2, [(1, ""), (0.1, "")]
    ),
    Case("less than one a second", 1 / 0.5 + rule.MARGIN - 0.3, 0.5, [(0.3, "")]),
    Case("a lower limit sees what others sent", ONE - 0.1, 1, [(0.5, ""), (0.1, "")]),
    Case("what has not left may leave now", ONE, turns=[(0.5, "a")], floats=True),
    Case("who died is not waited for long", PENDING + ONE - 2.5, turns=[(2.5, "dead")]),
    Case(
        "a turn counts from when it left", ONE - 0.1, turns=[(1, "a")], events=[("left", "a", 0.1)]
    ),
    Case(
        "one that never leaves gives its place back",
        ONE - 0.3,
        turns=[(0.3, "a")],
        events=[("dropped", "a")],
    ),
    Case(
        "one is dropped, another left",
        TWO - 0.6,
        2,
        [(0.6, "a"), (0.4, "b")],
        events=[("dropped", "a"), ("left", "b", 0.2)],
    ),
    Case("a 429 has everybody rest", 5, events=[("failed", 5.0)]),
    Case("a 429 without Retry-After", AFTER_429, events=[FAILED]),
    Case("a shorter rest does not end a longer one", 5, events=[("failed", 5.0), ("failed", 1.0)]),
    Case("a longer one extends it", 7, events=[("failed", 5.0), ("failed", 7.0)]),
    Case("no rest is longer than any can be", STALE, events=[("failed", 500.0)]),
    Case("after a 429 the pace drops", ONE / 0.6 - 0.2, turns=[(0.2, "")], events=[AT_ONCE]),
    Case("and drops again", ONE / 0.36 - 0.2, turns=[(0.2, "")], events=[AT_ONCE] * 2),
    Case("but not below a tenth", ONE / 0.1 - 0.2, turns=[(0.2, "")], events=[AT_ONCE] * 50),
    Case(
        "and comes back a little",
        ONE / 0.75 - 0.2,
        turns=[(0.2, "")],
        events=[AT_ONCE, *[SUCCEEDED] * 3],
    ),
    Case("and altogether", ONE - 0.2, turns=[(0.2, "")], events=[AT_ONCE, *[SUCCEEDED] * 9]),
    Case("a factor that there cannot be is none", ONE - 0.2, turns=[(0.2, "")], factor=7.0),
    Case("a hold that there cannot be is none", 0, hold=1e6),
    Case("a turn far ahead was given by another clock", 0, turns=[(-100, ""), (-100, "a")]),
    Case("a turn is given early, for a time ahead", ONE - 0.2 - 0.3, turns=[(0.2, "")], lead=0.3),
]


class Backend(Protocol):
    def put(self, case: Case) -> None: ...
    def tell(self, event: Event) -> None: ...
    def next(self, case: Case) -> float: ...


class OnPaper:
    """The rule by itself: its clock stands still."""

    NOW = 1000.0

    def put(self, case: Case) -> None:
        turns = tuple((self.NOW - ago, turn) for ago, turn in case.turns if ago >= -rule.MOST_LEAD)
        hold = 0.0 if case.hold is None else self.NOW + case.hold
        # What a store does with what there cannot be.
        self.state = State(turns, hold, case.factor if case.factor <= 1 else 1.0)

    def tell(self, event: Event) -> None:
        match event:
            case ("left", turn, ago):
                self.state = rule.left(self.state, turn, self.NOW - ago)
            case ("dropped", turn):
                self.state = rule.left(self.state, turn, None)
            case ("succeeded",):
                self.state = rule.succeeded(self.state)
            case ("failed", rest):
                self.state = rule.failed(self.state, rest, self.NOW)

    def next(self, case: Case) -> float:
        at = rule.ready(self.state, Limit(case.rps), self.NOW)
        return max(0.0, at - self.NOW - case.lead)


class Kept:
    """A store: what is known is put where it is kept, and times by its clock are not ours."""

    store: Any

    def tell(self, event: Event) -> None:
        match event:
            case ("left", turn, ago):
                self.store.left(turn, time.monotonic() - ago)
            case ("dropped", turn):
                self.store.left(turn, None)
            case ("succeeded",):
                self.store.succeeded()
            case ("failed", rest):
                self.store.failed(rest)

    def next(self, case: Case) -> float:
        given, when = self.store.take("next", case.lead)
        # Given early, it may leave when that is over.
        return 0.0 if given else when


class InFile(Kept):
    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, case: Case) -> None:
        self.store = FileStore(case.rps, "sk-one", self.path)
        self.store.left("nobody", None)
        now, clock = time.monotonic(), time.time()
        hold = -1.0 if case.hold is None else case.hold
        state = {
            "turns": [(now - ago, turn) for ago, turn in case.turns],
            "hold": now + hold,
            "hold_clock": clock + hold,
            "factor": case.factor,
        }
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("UPDATE pace SET state = ?", (json.dumps(state),))
        db.close()
        # As another process that has seen the state: what it says must not hang on who asks.
        self.store.take("seen", -1e9)


class InRedis(Kept):
    NAME = "zimage:pace:case"

    def __init__(self, server: redis_server.RedisServer) -> None:
        self.server = server
        self.db = server.client()

    def put(self, case: Case) -> None:
        from zimage_cli.core.making.pace.shared import RedisStore
        from zimage_cli.core.settings.pace_url import check_pace_url

        url = check_pace_url("pace_url", self.server.url)
        assert url is not None
        self.db.delete(self.NAME)
        self.store = RedisStore(case.rps, url, self.NAME, lambda _: None)
        seconds, micros = self.db.time()
        now = seconds + micros / 1e6
        fields: dict[str, object] = {
            f"t:{turn or number}": f"{now - ago:.6f} {0 if turn else 1}"
            for number, (ago, turn) in enumerate(case.turns)
        }
        if case.hold is not None:
            fields["hold"] = now + case.hold
        self.db.hset(self.NAME, mapping={**fields, "factor": case.factor})
        # As for the file.
        self.store.take("seen", -1e9)
        self.store.gave_up()


@pytest.fixture(params=["rule", "file", "redis"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "rule":
        yield OnPaper()
        return
    kept: Any = InFile(tmp_path / "pace.db")
    if request.param == "redis":
        kept = InRedis(request.getfixturevalue("redis"))
    yield kept
    kept.store.close()


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_each_place_says_the_same(case: Case, backend: Backend) -> None:
    began = time.monotonic()
    backend.put(case)
    known = time.monotonic()
    for event in case.events:
        backend.tell(event)
    # Whoever asks a Redis early asks earlier by the way there and back, as it was last.
    trip = backend.store._last.trip if case.lead and isinstance(backend, InRedis) else 0.0
    asked = time.monotonic()
    wait = backend.next(case)
    answered = time.monotonic()
    if isinstance(backend, OnPaper):
        assert wait == pytest.approx(max(0, case.wait), abs=SHORT)
        return
    if case.floats:
        began = known = asked
    if case.events:
        # What is counted from an event is counted from between the two.
        known = asked
    # However long the machine takes for anything between, it is not too early, and no later.
    assert answered + wait >= began + case.wait - trip - SHORT
    assert wait == 0 or asked + wait <= known + case.wait + (answered - asked) + SHORT


ago = st.floats(-0.5, 30.0)
states = st.builds(
    Case,
    name=st.just("any"),
    wait=st.just(0.0),
    rps=st.sampled_from([0.2, 0.5, 1.0, 1.9, 2.0, 3.7, 5.0, 20.0]),
    turns=st.lists(st.tuples(ago, st.sampled_from(["", "a", "b", "c"])), max_size=8).map(
        lambda turns: [(at, f"{turn}{n}" if turn else "") for n, (at, turn) in enumerate(turns)]
    ),
    hold=st.none() | st.floats(-200.0, 100.0),
    factor=st.floats(0.1, 1.0),
)


@settings(max_examples=60)
@given(case=states)
@example(case=Case("any", 0.0, 2.0, [(0.1, "a0"), (0.2, ""), (0.3, "b2")], 3.0, 0.5))
def test_the_script_says_what_the_rule_says(case: Case, redis: redis_server.RedisServer) -> None:
    paper, kept = OnPaper(), InRedis(redis)
    paper.put(case)
    began = time.monotonic()
    kept.put(case)
    try:
        _, wait = kept.store.take("next", -1e6)
    finally:
        kept.store.close()
    passed = time.monotonic() - began
    limit = Limit(case.rps)
    earliest = rule.ready(paper.state, limit, paper.NOW + passed) - paper.NOW - passed
    latest = rule.ready(paper.state, limit, paper.NOW) - paper.NOW
    assert earliest - SHORT <= wait - 1e6 <= latest + SHORT
