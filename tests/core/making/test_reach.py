"""Whether a service can be reached: who waits, who tries, when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from zimage_cli.core.making.reach import REFUSED, Reach
from zimage_cli.errors import ConnectionFailed, ServiceError, Stopped


def refused(**facts: Any) -> ConnectionFailed:
    return ConnectionFailed("no route", pace="normal", **facts)


@dataclass
class Service:
    """Refuses the first connections; keeps what was told."""

    refusals: int
    patience: float = 3600.0
    told: list[str] = field(default_factory=list)
    tries: int = 0
    again: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.reach = Reach(
            self.patience,
            on_out=lambda _, error: self.told.append(f"out: {error.message}"),
            on_back=lambda _: self.told.append("back"),
            on_end=self._end,
        )

    def _end(self, error: ConnectionFailed) -> None:
        self.told.append(f"end: {error.message}")
        self.reach.stop()

    def attempt(self) -> str:
        with self.lock:
            self.tries += 1
            if self.tries <= self.refusals:
                raise refused()
        self.reach.passed()
        return "made"

    def never_sent(self, _error: object) -> None:
        with self.lock:
            self.again += 1

    def run(self, attempt: Callable[[], str] | None = None) -> str:
        return self.reach.run(attempt or self.attempt, self.never_sent)


def test_a_few_refusals_are_no_outage() -> None:
    service = Service(REFUSED - 1)
    assert service.run() == "made"
    assert service.told == []
    assert service.again == REFUSED - 1


def test_an_outage_is_told_once_and_nobody_fails() -> None:
    service = Service(REFUSED + 1)
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(service.run())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made == ["made"] * 8
    assert service.told == ["out: no route", "back"]
    assert service.again == REFUSED + 1


def test_without_patience_it_ends_as_soon_as_it_is_known() -> None:
    service = Service(100, patience=0)
    with pytest.raises(Stopped):
        service.run()
    assert service.told == ["end: no route"]
    assert service.tries == REFUSED
    with pytest.raises(Stopped):
        service.run()
    assert service.tries == REFUSED


def test_patience_bounds_an_outage() -> None:
    service = Service(100, patience=1.5)
    with pytest.raises(Stopped):
        service.run()
    assert service.told == ["out: no route", "end: no route"]
    # After a second, and when it ends.
    assert service.tries == REFUSED + 2


def test_a_certificate_that_is_not_trusted_is_no_outage() -> None:
    service = Service(0)

    def attempt() -> str:
        raise ConnectionFailed("no trust")

    with pytest.raises(ConnectionFailed):
        service.run(attempt)
    assert service.again == 0


def test_who_tried_and_failed_otherwise_lets_another_try() -> None:
    """The one that tries is told no; the next one may, and the wait of the others ends."""
    service = Service(REFUSED)
    answers = iter([ServiceError("down for good"), Stopped()])

    def attempt() -> str:
        if service.tries >= REFUSED:
            for error in answers:
                raise error
        return service.attempt()

    for kind in (ServiceError, Stopped):
        with pytest.raises(kind):
            service.run(attempt)
    assert service.run(attempt) == "made"


def test_what_was_connected_before_does_not_end_an_outage() -> None:
    service = Service(REFUSED)
    late = threading.Event()

    def attempt() -> str:
        if service.tries == REFUSED and not late.is_set():
            # Another thread's request leaves only now.
            other = threading.Thread(target=service.reach.passed)
            other.start()
            other.join()
            assert service.told == ["out: no route"]
            late.set()
        return service.attempt()

    assert service.run(attempt) == "made"
    assert late.is_set()
    assert service.told == ["out: no route", "back"]


def test_stopping_ends_every_wait() -> None:
    service = Service(100)
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            service.run()
        except Stopped:
            ended.append(Stopped)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    service.reach.stop()
    for thread in threads:
        thread.join(60)
    assert ended == [Stopped] * 4


def test_what_was_about_to_be_sent_when_nothing_more_was_taken_is_sent() -> None:
    service = Service(0)
    service.reach.stop()
    assert service.run() == "made"
