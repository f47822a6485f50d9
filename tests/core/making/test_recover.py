from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served

from zimage_cli.core.history.history import History
from zimage_cli.core.making.recover import TakenError, recover
from zimage_cli.core.making.recovery import (
    BUSY,
    CLAIMED,
    EXPIRED,
    GONE,
    LOST,
    READY,
    RECOVERED,
    Candidate,
    Recovery,
    candidates,
    pick,
)
from zimage_cli.core.status import Status
from zimage_cli.errors import AddressRefused, NotSavedError, Stopped, UsageError
from zimage_cli.sandbox.faults import Fault


@pytest.fixture
def recovering() -> Iterator[Callable[..., Path]]:
    """Recover as `zimage history recover` does."""
    with contextlib.ExitStack() as opened:

        def run(one: Any, folder: Path | None = None, **options: Any) -> Path:
            book = History(one.history)
            opened.callback(book.close)
            [found] = candidates(book)
            assert found.state == READY
            return recover(
                book,
                one.maker.wire,
                found.entry,
                folder,
                default_folder=one.base / "default",
                sleep=lambda _: None,
                **options,
            )

        yield run


def states(one: Any) -> list[Candidate]:
    book = History(one.history)
    try:
        return candidates(book)
    finally:
        book.close()


def change(one: Any, **columns: Any) -> None:
    sets = ", ".join(f"{name} = ?" for name in columns) or "id = id"
    with contextlib.closing(sqlite3.connect(one.history)) as db, db:
        db.execute(f"UPDATE generation SET {sets}", [*columns.values()])


def once(fault: str) -> tuple[Fault]:
    return (Fault(fault, count=1),)


@pytest.fixture
def unsaved(studio: Any) -> Callable[..., Any]:
    """A studio with one picture that was made and not fetched, for a fault that is over."""

    def build(fault: str = "picture-500", **config: Any) -> Any:
        one = studio(retries=0, **config)
        one.server.script(once(fault))
        with pytest.raises(NotSavedError):
            one.make()
        assert one.files == []
        return one

    return build


@pytest.mark.parametrize(
    "fault", ["picture-cut", "picture-corrupt", "picture-html", "picture-503", "picture-expired"]
)
def test_a_picture_is_saved_where_it_was_meant_to_go_without_being_paid_again(
    unsaved: Any, recovering: Any, small_png: bytes, fault: str
) -> None:
    one = unsaved(fault)
    before = one.entry
    path = recovering(one)
    assert str(path) == before.wanted_path
    finished = path.read_bytes()
    assert as_served(finished) == small_png
    assert one.files == [path.name]
    assert one.server.books.post_count == one.server.books.billed_count == 1
    entry = one.entry
    assert (entry.status, entry.path, entry.error) == (Status.SAVED, str(path), None)
    assert (entry.bytes, entry.width) == (len(finished), 512)
    assert entry.sha256 == hashlib.sha256(finished).hexdigest()
    assert entry.served_sha256 == hashlib.sha256(small_png).hexdigest()
    assert "Signature=" not in (entry.image_url or "")
    assert states(one) == []
    [evidence] = one.evidence
    [facts] = json.loads(evidence.read_bytes())["pictures"]
    assert (facts["status"], facts["error"]) == (Status.SAVED, None)
    assert facts["picture"] == {
        "path": str(path),
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "served_sha256": entry.served_sha256,
        "width": 512,
        "height": 512,
    }
    assert datetime.fromisoformat(facts["recovered"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize("event", ["answered", "asked", "receiving"])
def test_an_interrupted_download_is_made_good(
    studio: Any, heard: Any, recovering: Any, small_png: bytes, event: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    one = studio()
    with pytest.raises(KeyboardInterrupt):
        one.make(on=heard(**{event: interrupt}))
    assert as_served(recovering(one).read_bytes()) == small_png
    assert one.server.books.post_count == 1


def test_a_folder_may_be_given(unsaved: Any, recovering: Any, tmp_path: Path) -> None:
    one = unsaved()
    path = recovering(one, tmp_path / "elsewhere")
    assert path.parent == tmp_path / "elsewhere"
    assert path.name == Path(one.entry.wanted_path).name
    assert one.files == []


def test_nothing_is_overwritten(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    wanted = Path(one.entry.wanted_path)
    wanted.write_bytes(b"precious")
    assert recovering(one) == wanted.with_name(f"{wanted.stem}-2.png")
    assert wanted.read_bytes() == b"precious"


def test_a_picture_for_a_stream_goes_to_the_default_folder(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    change(one, wanted_path="-")
    path = recovering(one)
    assert path.parent == one.base / "default"
    assert path.name.endswith("-a-red-fox-7.png")


def test_the_bytes_are_reported(unsaved: Any, recovering: Any, small_png: bytes) -> None:
    steps: list[tuple[int, int | None]] = []
    recovering(unsaved(), on_progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (len(small_png), len(small_png))


def test_what_still_fails_stays_as_it_was(studio: Any, recovering: Any) -> None:
    one = studio(retries=0)
    one.server.script(("picture-404",))
    with pytest.raises(NotSavedError):
        one.make()
    before = one.entry
    with pytest.raises(NotSavedError, match="HTTP 404"):
        recovering(one)
    assert one.entry == before
    assert one.files == []
    assert [found.state for found in states(one)] == [READY]


def test_a_folder_that_cannot_be_written(unsaved: Any, recovering: Any, tmp_path: Path) -> None:
    one = unsaved()
    (tmp_path / "taken").write_text("x")
    asked = len(one.server.books.pictures)
    with pytest.raises(UsageError, match="a file is in the way"):
        recovering(one, tmp_path / "taken")
    assert len(one.server.books.pictures) == asked
    assert one.entry.status == Status.MADE


@pytest.mark.parametrize("content", [None, b"", b"[1, 2]", b"\xff"])
def test_evidence_that_its_owner_moved_or_changed_is_left_alone(
    unsaved: Any, recovering: Any, content: bytes | None
) -> None:
    one = unsaved()
    [evidence] = one.evidence
    if content is None:
        evidence.unlink()
    else:
        evidence.write_bytes(content)
    assert recovering(one).is_file()
    assert one.entry.status == Status.SAVED
    assert [path.read_bytes() for path in one.evidence] == ([] if content is None else [content])


# -- what can be had ---------------------------------------------------------------------------


def old(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("columns", "state", "words"),
    [
        ({}, READY, "can be fetched for 23 h 59 min more"),
        ({"answered_at": timedelta(hours=23.5)}, READY, "can be fetched for 0 h 29 min more"),
        (
            {"answered_at": timedelta(hours=24.01)},
            EXPIRED,
            "over 24 h old: the service has dropped it",
        ),
        (
            {"answered_at": timedelta(hours=5000)},
            EXPIRED,
            "over 24 h old: the service has dropped it",
        ),
        ({"answered_at": None}, EXPIRED, "over 24 h old: the service has dropped it"),
        ({"region": "sandbox"}, GONE, "made by the sandbox, which has ended"),
        ({"error": None}, BUSY, "is still saving it"),
        (
            {"error": None, "updated_at": timedelta(hours=7), "owner": None},
            READY,
            "can be fetched for 23 h 59 min more",
        ),
        ({"error": None, "pid": None, "owner": None}, READY, "can be fetched for 23 h 59 min more"),
    ],
)
def test_states(unsaved: Any, columns: dict[str, Any], state: str, words: str) -> None:
    one = unsaved()
    ages = {name: age for name, age in columns.items() if isinstance(age, timedelta)}
    change(
        one, **{**columns, **{name: old(age / timedelta(hours=1)) for name, age in ages.items()}}
    )
    [found] = states(one)
    assert found.state == state
    assert words in str(found.words)


@pytest.mark.parametrize("status", ["sending", "saved", "failed", "lost"])
def test_only_what_was_made_and_not_saved_is_a_candidate(unsaved: Any, status: str) -> None:
    one = unsaved()
    change(one, status=status)
    assert states(one) == []


def test_an_address_that_was_lost_is_a_clear_error(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    change(one, image_url=None)
    with pytest.raises(NotSavedError, match="address"):
        recovering(one)


def test_a_http_address_of_a_real_endpoint_is_not_fetched(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    asked = len(one.server.books.pictures)
    change(one, endpoint="https://dashscope.aliyuncs.com")
    with pytest.raises(NotSavedError, match="https only"):
        recovering(one)
    assert len(one.server.books.pictures) == asked


def test_picking(unsaved: Any) -> None:
    one = unsaved()
    one.server.script(once("picture-500"), once("picture-500"))
    for _ in range(2):
        with pytest.raises(NotSavedError):
            one.make()
    found = states(one)
    assert [candidate.entry.id for candidate in found] == [1, 2, 3]
    assert pick(found, []) == found
    assert [candidate.entry.id for candidate in pick(found, [3, 1])] == [3, 1]
    with pytest.raises(UsageError, match="nothing to recover under 9, 7"):
        pick(found, [9, 1, 7])


@pytest.fixture
def three_unsaved(unsaved: Any) -> Any:
    """A studio with three pictures that were not fetched; the second is too old."""
    one = unsaved()
    one.server.script(once("picture-500"), once("picture-500"))
    for _ in range(2):
        with pytest.raises(NotSavedError):
            one.make()
    with contextlib.closing(sqlite3.connect(one.history)) as db, db:
        db.execute("UPDATE generation SET answered_at = ? WHERE id = 2", (old(24.5),))
    return one


# -- several at once, and what will never be had -----------------------------------------------


def both_ways(book: History, one: Any, entry: Any) -> list[Callable[[], Path]]:
    """As `history recover` fetches a picture, and as a batch does."""
    return [
        lambda: recover(book, one.maker.wire, entry, None, default_folder=one.base),
        lambda: recover(book, one.maker.wire, entry, None, default_folder=one.base, looked=True),
    ]


def test_a_picture_is_fetched_by_one_at_a_time(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    with contextlib.closing(History(one.history)) as other:
        assert other.claim(1)
        # Not even twice by the same.
        assert not other.claim(1)
        [found] = states(one)
        assert found.state == CLAIMED
        assert str(found.words) == "another zimage is fetching it right now"
        with contextlib.closing(History(one.history)) as book:
            for run in both_ways(book, one, found.entry):
                with pytest.raises(TakenError, match="Another zimage is fetching 1 right now"):
                    run()
        other.release(1)
    assert one.files == []
    assert recovering(one).is_file()


def test_a_claim_of_a_dead_process_counts_for_nothing(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    change(one, claim="0123456789ab")
    assert recovering(one).is_file()
    with contextlib.closing(sqlite3.connect(one.history)) as db:
        assert db.execute("SELECT status, claim FROM generation").fetchall() == [
            (Status.SAVED, None)
        ]


def test_a_failure_gives_the_picture_back(studio: Any, recovering: Any) -> None:
    one = studio(retries=0)
    one.server.script("picture-404")
    with pytest.raises(NotSavedError):
        one.make()
    with pytest.raises(NotSavedError):
        recovering(one)
    assert states(one)[0].state == READY


def test_what_another_has_saved_meanwhile_is_found(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    [before] = states(one)
    path = recovering(one)
    with contextlib.closing(History(one.history)) as book:
        assert [run() for run in both_ways(book, one, before.entry)] == [path, path]
    assert one.files == [path.name]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"image_url": "file:///etc/passwd"}, "https only"),
        ({"image_url": "http://example.org/x.png"}, "https only"),
        ({"image_url": None}, "https only"),
        ({"answered_at": timedelta(hours=25.5)}, "over 24 h ago"),
    ],
)
def test_what_will_never_be_fetched_ends_as_lost(
    unsaved: Any, columns: dict[str, Any], why: str
) -> None:
    one = unsaved()
    ages = {k: old(v / timedelta(hours=1)) for k, v in columns.items() if isinstance(v, timedelta)}
    change(one, **{**columns, **ages})
    with contextlib.closing(History(one.history)) as book:
        assert book.settle_abandoned() == 1
        assert book.settle_abandoned() == 0
        assert candidates(book) == []
    entry = one.entry
    assert entry.status == Status.LOST
    assert why in entry.error["message"]
    # Its address stays, for who wants to try.
    assert entry.image_url == columns.get("image_url", one.server.books.billed[0].url)


@pytest.mark.parametrize(
    "columns",
    [
        {"answered_at": timedelta(hours=24.5)},
        {"answered_at": timedelta(hours=5000), "region": "sandbox"},
        {"answered_at": "no date"},
        {"answered_at": "9999-12-31T23:59:59"},
    ],
)
def test_what_may_still_be_had_is_left(unsaved: Any, columns: dict[str, Any]) -> None:
    one = unsaved()
    ages = {k: old(v / timedelta(hours=1)) for k, v in columns.items() if isinstance(v, timedelta)}
    change(one, **{**columns, **ages})
    with contextlib.closing(History(one.history)) as book:
        assert book.settle_abandoned() == 0
    assert one.entry.status == Status.MADE


def test_what_somebody_saves_right_now_is_left(studio: Any) -> None:
    one = studio()
    with contextlib.closing(History(one.history)) as book:
        row = book.begin(
            prompt="x",
            size="1*1",
            prompt_extend=False,
            region="beijing",
            endpoint="https://h",
        )
        change(one, status=Status.MADE, answered_at=old(30), image_url="https://h/x.png")
        assert book.settle_abandoned() == 0
        assert states(one)[0].state == BUSY
        change(one, error="{}")
        assert book.claim(row)
        assert book.settle_abandoned() == 0
        book.release(row)
        assert book.settle_abandoned() == 1


def test_an_address_that_is_refused_ends_as_lost(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    change(one, image_url="http://example.org/x.png")
    with pytest.raises(AddressRefused, match="https only"):
        recovering(one)
    assert one.entry.status == Status.LOST


@pytest.mark.parametrize(("hours", "status"), [(23.0, Status.MADE), (24.5, Status.LOST)])
def test_a_picture_that_its_host_has_no_more_ends_as_lost_after_its_day(
    studio: Any, hours: float, status: str
) -> None:
    one = studio(retries=0)
    one.server.script("picture-404")
    with pytest.raises(NotSavedError):
        one.make()
    change(one, answered_at=old(hours))
    with contextlib.closing(History(one.history)) as book:
        [found] = candidates(book, [1])
        with pytest.raises(NotSavedError, match="HTTP 404"):
            recover(
                book,
                one.maker.wire,
                found.entry,
                None,
                default_folder=one.base,
                sleep=lambda _: None,
            )
        assert one.entry.status == status
        # By its number it can be tried again.
        assert [each.entry.id for each in candidates(book, [1])] == [1]


@pytest.mark.parametrize(
    ("fault", "said", "over"),
    [
        # Storage itself says so, whatever the clocks say.
        ("picture-expired", "The address has expired or its signature was refused.", True),
        ("picture-404", "The picture's host answered HTTP 404.", False),
    ],
)
def test_what_storage_has_given_up_is_over_on_its_first_day(
    studio: Any, fault: str, said: str, over: bool
) -> None:
    one = studio(retries=0)
    one.server.script(fault)
    with pytest.raises(NotSavedError):
        one.make()
    with contextlib.closing(History(one.history)) as book:
        [result] = opened(one, book).fetch()
        assert (result.state, result.over, result.failed) == (LOST if over else READY, over, True)
        error = result.error
        assert isinstance(error, AddressRefused) == over
        assert error is not None
        assert said in error.message
        hint = "To pay for another: zimage generate --like 1"
        assert (error.hint == hint) == over
        # It is offered no more, and by its number it is still tried.
        assert [each.state for each in candidates(book)] == ([] if over else [READY])
        assert [each.state for each in candidates(book, [1])] == [LOST if over else READY]
    assert one.entry.status == (Status.LOST if over else Status.MADE)
    assert one.entry.image_url == one.server.books.billed[0].url


class Forbidden(BaseHTTPRequestHandler):
    """Answers as a proxy that lets nobody through."""

    def do_GET(self) -> None:
        self.send_error(403, explain="Request has expired")

    def log_message(self, *_: Any) -> None:
        pass


def test_a_proxy_that_refuses_everything_loses_nothing(studio: Any) -> None:
    one = studio(retries=0)
    one.server.script("picture-expired")
    with pytest.raises(NotSavedError):
        one.make()
    with HTTPServer(("127.0.0.1", 0), Forbidden) as proxy:
        threading.Thread(target=proxy.handle_request, daemon=True).start()
        change(one, image_url=f"http://127.0.0.1:{proxy.server_port}/x.png")
        with contextlib.closing(History(one.history)) as book:
            [result] = opened(one, book).fetch()
            assert "or a proxy before it, answered HTTP 403." in str(result.error)
            assert not result.over
            assert [each.state for each in candidates(book)] == [READY]


def test_a_path_that_no_file_can_have_is_told(unsaved: Any, recovering: Any) -> None:
    one = unsaved()
    change(one, wanted_path=f"{one.base}/a\0b.png")
    with pytest.raises(NotSavedError, match="no such name is possible"):
        recovering(one)
    assert one.entry.status == Status.MADE


# -- all of them -------------------------------------------------------------------------------


def opened(one: Any, book: History | None, *ids: int) -> Recovery:
    return Recovery(book, one.maker.wire, ids, folder=None, default_folder=one.base)


def test_all_that_are_ready_are_fetched_and_each_is_told(three_unsaved: Any) -> None:
    one = three_unsaved
    with contextlib.closing(History(one.history)) as book:
        every = opened(one, book)
        assert book.claim(3)
        told = list(every.fetch())
        assert [result.state for result in told] == [RECOVERED, EXPIRED, CLAIMED]
        assert [result.failed for result in told] == [False, False, False]
        assert isinstance(told[2].error, TakenError)
        assert told[0].document == {
            "id": 1,
            "state": "recovered",
            "path": str(told[0].path),
            "errors": [],
        }
        # By its number it is tried whatever its state, and a failure where it is not had.
        told = list(opened(one, book, 3, 2).fetch())
        assert [(result.entry.id, result.state) for result in told] == [
            (3, CLAIMED),
            (2, RECOVERED),
        ]
        assert [result.failed for result in told] == [True, False]
        assert told[0].document["errors"][0]["message"] == (
            "It was not fetched: another zimage is fetching it right now."
        )


def test_a_cancelled_one_ends(three_unsaved: Any) -> None:
    one = three_unsaved
    with contextlib.closing(History(one.history)) as book:
        recovery = opened(one, book)
        running = recovery.fetch()
        assert next(running).state == RECOVERED
        recovery.cancel()
        assert next(running).state == EXPIRED
        with pytest.raises(Stopped):
            next(running)
        assert book.claim(3)


def test_without_a_history_there_is_nothing(studio: Any) -> None:
    one = studio()
    assert opened(one, None).found == []
    with pytest.raises(UsageError, match="nothing to recover under 7"):
        opened(one, None, 7)
