from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served

from zimage_cli.api import limits
from zimage_cli.core.making.evidence import FOLDER as EVIDENCE
from zimage_cli.core.making.save import FolderPlace, StreamPlace
from zimage_cli.core.observer import Observer
from zimage_cli.core.status import Status
from zimage_cli.errors import (
    AnswerLost,
    ConnectionFailed,
    NotSavedError,
    RefusedError,
    ServiceError,
    ThrottledError,
    ZimageError,
)
from zimage_cli.sandbox import words
from zimage_cli.sandbox.faults import ERRORS, Fault

SIGNED = ("Signature=", "Expires=")


def evidence_of(studio: Any) -> dict[str, Any]:
    [found] = pictures_of(studio)
    return found


def pictures_of(studio: Any) -> list[dict[str, Any]]:
    """Return what the one evidence file of a run says of its pictures."""
    [path] = studio.evidence
    found: list[dict[str, Any]] = json.loads(path.read_bytes())["pictures"]
    return found


def interrupt() -> None:
    raise KeyboardInterrupt


# -- a picture ---------------------------------------------------------------------------------


def test_a_picture_is_made_and_everything_is_written_down(studio: Any, small_png: bytes) -> None:
    one = studio()
    picture = one.make("a red fox", prompt_extend=True)
    [name] = one.files
    path = one.pictures / name
    data = path.read_bytes()
    assert as_served(data) == small_png
    assert name.endswith("-a-red-fox-7.png")
    sha256, served = (hashlib.sha256(one).hexdigest() for one in (data, small_png))

    [billed], [post] = one.server.books.billed, one.server.books.posts
    unsigned = billed.url.partition("?")[0]
    rewritten, reasoning = words.rewrite("a red fox")
    assert picture.document == {
        "image_url": billed.url,
        "width": 512,
        "height": 512,
        "prompt": "a red fox",
        "rewritten_prompt": rewritten,
        "reasoning": reasoning,
        "request_id": post.request_id,
        "path": str(path),
        "history_id": 1,
        "evidence_path": str(one.evidence[0]),
        "seed": 7,
        "size": "512*512",
        "prompt_extend": True,
        "region": "custom",
        "endpoint": one.server.origin,
        "bytes": len(data),
        "sha256": sha256,
        "served_sha256": served,
        "cost": {"amount": None, "currency": None},
        "elapsed_seconds": picture.elapsed_seconds,
        "attempts": 1,
    }
    assert 0 < picture.elapsed_seconds < 60

    entry = one.entry
    assert entry.id == 1
    assert (entry.status, entry.path, entry.wanted_path) == (Status.SAVED, str(path), str(path))
    assert (entry.prompt, entry.size, entry.seed) == ("a red fox", "512*512", 7)
    assert (entry.prompt_extend, entry.attempts, entry.pid) == (True, 1, os.getpid())
    assert (entry.bytes, entry.sha256) == (len(data), sha256)
    assert (entry.served_sha256, entry.finish) == (served, "png")
    assert (entry.width, entry.height) == (512, 512)
    assert (entry.region, entry.endpoint) == ("custom", one.server.origin)
    assert (entry.request_id, entry.image_url) == (post.request_id, unsigned)
    assert (entry.rewritten_prompt, entry.reasoning) == (rewritten, reasoning)
    assert entry.usage is not None
    assert (entry.usage["width"], entry.usage["height"]) == (512, 512)
    assert entry.error is None
    assert entry.evidence_path == str(one.evidence[0])

    facts = evidence_of(one)
    started, finished = (datetime.fromisoformat(facts.pop(n)) for n in ("started", "finished"))
    assert started <= finished
    assert started.utcoffset() == finished.utcoffset() == started.utcoffset()
    assert started.isoformat().endswith("+00:00")
    assert facts == {
        "status": "saved",
        "region": "custom",
        "endpoint": one.server.origin,
        "workspace": None,
        "request": post.json(),
        "answer": {
            "request_id": post.request_id,
            "image_url": unsigned,
            "width": 512,
            "height": 512,
            "rewritten_prompt": rewritten,
            "reasoning": reasoning,
            "usage": entry.usage,
        },
        "request_id": post.request_id,
        "picture": {
            "path": str(path),
            "bytes": len(data),
            "sha256": sha256,
            "served_sha256": served,
            "width": 512,
            "height": 512,
        },
        "price": {"amount": None, "currency": None},
        "attempts": 1,
        "history_id": entry.id,
        "error": None,
    }
    assert one.heard.events == ["sending", "sent", "answered", "asked", "receiving", "saved"]
    assert one.heard.warnings == one.warnings == []


def test_the_price_of_a_region_is_written_down(studio: Any) -> None:
    one = studio(region="beijing")
    picture = one.make(prompt_extend=True)
    assert picture.document["cost"] == {"amount": "0.20", "currency": "CNY"}
    assert evidence_of(one)["price"] == {"amount": "0.20", "currency": "CNY"}
    assert (one.entry.cost_amount, one.entry.cost_currency) == ("0.20", "CNY")


def test_the_history_knows_each_step_before_it_is_taken(studio: Any, tmp_path: Path) -> None:
    """Read by another connection while the server answers: what a power cut would leave."""
    seen: list[tuple[str, Any, Any]] = []

    def log(line: dict[str, Any]) -> None:
        db = sqlite3.connect(tmp_path / "history.db", timeout=60)
        with contextlib.closing(db):
            seen.append(
                (line["origin"], *db.execute("SELECT status, image_url FROM generation").fetchone())
            )

    one = studio(log=log)
    one.make()
    assert one.server.books.wait_for(lambda _: len(seen) == 2)
    [billed] = one.server.books.billed
    # A line is written before its answer is sent.
    assert seen == [("api", Status.SENDING, None), ("pictures", Status.MADE, billed.url)]


def test_a_stream_gets_a_picture_whole_or_not_at_all(studio: Any, small_png: bytes) -> None:
    taken = io.BytesIO()

    def write(pieces: Iterator[bytes]) -> None:
        taken.writelines(pieces)

    one = studio(place=StreamPlace(write), retries=0)
    assert one.make().document["path"] is None
    whole = taken.getvalue()
    assert as_served(whole) == small_png
    assert one.entry.sha256 == hashlib.sha256(whole).hexdigest()
    assert (one.entry.status, one.entry.path, one.entry.wanted_path) == (Status.SAVED, "-", "-")
    one.server.script(("picture-cut",))
    with pytest.raises(NotSavedError):
        one.make()
    assert taken.getvalue() == whole
    assert one.read()[0].status == Status.MADE


def test_a_stream_that_is_gone_leaves_a_picture_that_can_be_had(studio: Any) -> None:
    def write(_: Iterator[bytes]) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    one = studio(place=StreamPlace(write))
    with pytest.raises(NotSavedError, match="standard output: broken pipe"):
        one.make()
    assert one.entry.status == Status.MADE
    assert "Signature=" in (one.entry.image_url or "")


# -- what is not as it was asked for -----------------------------------------------------------


def test_a_picture_of_another_size_is_saved_with_a_warning(studio: Any) -> None:
    one = studio(picture_bytes=None)
    one.server.script("wrong-size")
    picture = one.make()
    assert (picture.response["width"], picture.response["height"]) == (512, 512)
    with picture.image as image:
        assert image.size == (256, 528)
    assert one.heard.warnings == [
        "the picture is 256*528, not 512*512 as asked for; saved as it is",
        "the service said 512*512, the picture is 256*528; saved as it is",
    ]
    assert (one.entry.status, one.entry.width, one.entry.height) == (Status.SAVED, 256, 528)


def test_usage_that_is_wrong_is_a_warning(studio: Any) -> None:
    one = studio()
    one.server.script("wrong-usage")
    picture = one.make()
    assert one.heard.warnings == [
        "the service said 576*544, the picture is 512*512; saved as it is"
    ]
    assert (picture.response["width"], picture.response["height"]) == (576, 544)


@pytest.mark.parametrize("fault", ["no-usage", "no-request-id"])
def test_what_the_answer_does_not_say_is_taken_from_the_picture(studio: Any, fault: str) -> None:
    one = studio()
    one.server.script(fault)
    picture = one.make()
    assert one.heard.warnings == []
    assert (picture.response["width"], picture.response["height"]) == (512, 512)
    assert (one.entry.status, one.entry.width) == (Status.SAVED, 512)
    if fault == "no-request-id":
        assert picture.response["request_id"] is one.entry.request_id is None


def test_hostile_texts_are_kept_and_do_no_harm(studio: Any) -> None:
    one = studio()
    one.server.script("hostile-text")
    picture = one.make(prompt_extend=True)
    assert "\x1b" in picture.response["rewritten_prompt"]
    assert one.entry.rewritten_prompt == picture.response["rewritten_prompt"]
    [path] = one.evidence
    assert path.read_text("utf-8").replace("\n", "").isprintable()
    assert evidence_of(one)["answer"]["reasoning"] == picture.response["reasoning"]


# -- faults of the answer ----------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_documented_error_is_a_row_that_is_not_billed(studio: Any, code: str) -> None:
    one = studio(retries=0)
    one.server.script(code)
    with pytest.raises(ZimageError) as caught:
        one.make()
    assert one.server.books.post_count == 1
    entry = one.entry
    refused = isinstance(caught.value, RefusedError)
    status = Status.REFUSED if refused else Status.FAILED
    assert refused == (code.lower().startswith("data") or code.startswith("IPInfringement"))
    assert (entry.status, entry.attempts, one.files) == (status, 1, [])
    assert entry.error is not None
    assert entry.error["code"] == code
    assert entry.error["type"] == caught.value.kind
    facts = evidence_of(one)
    assert (facts["status"], facts["answer"], facts["picture"]) == (status, None, None)
    assert facts["error"] == entry.error
    assert facts["request_id"] == one.server.books.posts[0].request_id


@pytest.mark.parametrize(
    ("fault", "cause", "status"),
    [
        ("reset", AnswerLost, Status.LOST),
        ("close", AnswerLost, Status.LOST),
        ("cut-answer", AnswerLost, Status.LOST),
        ("empty-500", ServiceError, Status.LOST),
        ("empty-200", ServiceError, Status.LOST),
        ("html-200", ServiceError, Status.LOST),
        ("not-json", ServiceError, Status.LOST),
        ("no-choices", ServiceError, Status.LOST),
        ("no-image", ServiceError, Status.LOST),
        ("error-in-200", RefusedError, Status.REFUSED),
        ("html-503", ServiceError, Status.FAILED),
        ("redirect", ServiceError, Status.FAILED),
        ("hostile-error", ZimageError, Status.FAILED),
    ],
)
def test_what_became_of_an_answer_that_is_none(
    studio: Any, fault: str, cause: type[ZimageError], status: str
) -> None:
    one = studio(retries=0)
    one.server.script(fault)
    with pytest.raises(cause):
        one.make()
    assert (one.entry.status, one.files) == (status, [])
    assert one.server.books.post_count == 1
    assert evidence_of(one)["status"] == status


def test_retries_are_counted_and_announced(studio: Any) -> None:
    one = studio(retries=4)
    one.server.script("Throttling", "html-503", "InternalError")
    picture = one.make()
    assert picture.attempts == one.entry.attempts == evidence_of(one)["attempts"] == 4
    assert [wait.next_try for wait in one.heard.waits] == [2, 3, 4]
    assert len(one.read()) == 1


def test_a_try_that_was_lost_is_not_forgotten_when_the_next_fails(studio: Any) -> None:
    one = studio(retries=4, retry_lost=True)
    one.server.script("reset", "DataInspectionFailed")
    with pytest.raises(RefusedError):
        one.make()
    assert (one.entry.status, one.entry.attempts) == (Status.LOST, 2)
    assert one.entry.error["type"] == "lost"
    assert "may have been made and billed" in one.entry.error["message"]
    assert one.server.books.billed_count == 1


def test_a_service_that_is_not_there_is_a_failed_row(studio: Any) -> None:
    one = studio(retries=1)
    one.server.stop()
    with pytest.raises(ConnectionFailed):
        one.make()
    assert (one.entry.status, one.entry.attempts) == (Status.FAILED, 2)


# -- faults of the picture ---------------------------------------------------------------------

PICTURE_FAULTS = [
    *("picture-cut", "picture-cut-chunked", "picture-reset", "picture-corrupt"),
    *("picture-undecodable", "picture-truncated", "picture-html", "picture-jpeg"),
    *("picture-empty", "picture-expired", "picture-404", "picture-500", "picture-503"),
    *("picture-too-large", "picture-redirect-loop"),
]


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_a_picture_that_cannot_be_had_leaves_nothing_but_its_address(
    studio: Any, fault: str
) -> None:
    one = studio(retries=0)
    one.server.script((fault,))
    with pytest.raises(NotSavedError, match="was made and is not saved") as caught:
        one.make()
    assert one.files == []
    assert one.server.books.post_count == one.server.books.billed_count == 1
    [billed] = one.server.books.billed
    entry = one.entry
    assert (entry.status, entry.image_url) == (Status.MADE, billed.url)
    assert (entry.path, entry.bytes) == (None, None)
    assert entry.answered_at is not None
    assert entry.error is not None
    assert entry.error["type"] == "not-saved"
    facts = evidence_of(one)
    assert (facts["status"], facts["picture"]) == ("made", None)
    assert facts["answer"]["image_url"] == billed.url.partition("?")[0]
    for text in (json.dumps(facts), caught.value.message, json.dumps(entry.error)):
        assert not any(word in text for word in SIGNED)


def test_an_address_that_is_not_fetched_from(studio: Any) -> None:
    one = studio()
    one.server.script("foreign-url")
    with pytest.raises(NotSavedError, match="https only"):
        one.make()
    assert (one.entry.status, one.files) == (Status.LOST, [])


def test_a_picture_that_comes_at_the_second_try(studio: Any, small_png: bytes) -> None:
    one = studio()
    one.server.script((Fault("picture-corrupt", count=1),))
    picture = one.make()
    assert as_served(Path(picture.path).read_bytes()) == small_png
    assert one.files == [Path(picture.path).name]
    assert [call.fault for call in one.server.books.pictures] == ["picture-corrupt", None]
    assert (one.entry.status, one.entry.attempts) == (Status.SAVED, 1)


# -- interrupts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "script", "status"),
    [
        ("sent", [], Status.LOST),
        ("waiting", ["Throttling"], Status.FAILED),
        ("answered", [], Status.MADE),
        ("asked", [], Status.MADE),
        ("receiving", [], Status.MADE),
        ("warning", ["wrong-usage"], Status.SAVED),
        ("saved", [], Status.SAVED),
    ],
)
def test_an_interrupt_at_any_step(
    studio: Any, heard: Any, event: str, script: list[str], status: str
) -> None:
    one = studio()
    one.server.script(*script)
    with pytest.raises(KeyboardInterrupt):
        one.make(on=heard(**{event: interrupt}))
    entry = one.entry
    assert entry.status == status
    assert len(one.files) == (status == Status.SAVED)
    if status == Status.SAVED:
        assert entry.path == str(one.pictures / one.files[0])
        assert "Signature=" not in (entry.image_url or "")
        assert entry.error is None
    else:
        assert entry.error == {"type": "interrupted", "message": "interrupted"}
        assert evidence_of(one)["status"] == status
    if status == Status.MADE:
        assert entry.image_url == one.server.books.billed[0].url


def test_an_interrupt_before_anything_is_sent_leaves_no_row(studio: Any, heard: Any) -> None:
    one = studio()
    with pytest.raises(KeyboardInterrupt):
        one.make(on=heard(sending=interrupt))
    assert (one.read(), one.files, one.server.books.post_count) == ([], [], 0)


def test_an_interrupt_while_waiting_after_a_lost_try_is_lost(studio: Any, heard: Any) -> None:
    one = studio(retries=4, retry_lost=True)
    one.server.script("reset")
    with pytest.raises(KeyboardInterrupt):
        one.make(on=heard(waiting=interrupt))
    assert one.entry.status == Status.LOST


def test_an_interrupt_in_the_instant_between_answer_and_note_loses_nothing(
    studio: Any, tmp_path: Path
) -> None:
    """The answer is here, its note waits for the disk, and the user presses Ctrl-C."""
    holders: list[sqlite3.Connection] = []

    def log(line: dict[str, Any]) -> None:
        # Called before the answer is sent: from now on nobody else can write.
        if line["origin"] == "api":
            db = sqlite3.connect(tmp_path / "history.db", check_same_thread=False)
            db.execute("BEGIN IMMEDIATE")
            holders.append(db)

    main = threading.get_ident()

    def press() -> None:
        pause = threading.Event()
        for _ in range(2000):
            frame, names = sys._current_frames().get(main), set()
            while frame is not None:
                names.add(frame.f_code.co_name)
                frame = frame.f_back
            if holders and "_commit" in names:
                break
            pause.wait(0.005)
        import _thread

        _thread.interrupt_main()
        holders[0].rollback()
        holders[0].close()

    one = studio(log=log)
    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        one.make()
    thread.join()
    entry = one.entry
    assert entry.status == Status.MADE
    assert entry.image_url == one.server.books.billed[0].url
    assert entry.request_id == one.server.books.posts[0].request_id
    assert entry.error == {"type": "interrupted", "message": "interrupted"}


def test_a_bug_in_the_display_costs_no_picture(studio: Any, heard: Any) -> None:
    def crash() -> None:
        raise RuntimeError("a bug")

    one = studio()
    with pytest.raises(RuntimeError):
        one.make(on=heard(answered=crash))
    assert (one.entry.status, one.entry.image_url) == (Status.MADE, one.server.books.billed[0].url)


# -- disks -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, with just enough room for the probe."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_while_the_service_paints(
    studio: Any, small_disk: Path, heard: Any, small_png: bytes
) -> None:
    def fill() -> None:
        with (small_disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(65536)):
                continue

    one = studio(place=FolderPlace(small_disk / "pictures"))
    with pytest.raises(NotSavedError, match="no space left on device"):
        one.make(on=heard(sent=fill))
    assert list((small_disk / "pictures").iterdir()) == []
    assert (one.entry.status, one.entry.image_url) == (Status.MADE, one.server.books.billed[0].url)
    assert one.server.books.post_count == 1


def test_a_folder_that_turns_into_a_file_while_the_service_paints(studio: Any, heard: Any) -> None:
    one = studio()

    def replace() -> None:
        one.pictures.rmdir()
        one.pictures.write_text("in the way")

    with pytest.raises(NotSavedError, match="a file is in the way"):
        one.make(on=heard(sent=replace))
    assert one.entry.status == Status.MADE


def test_a_folder_that_is_removed_while_the_service_paints_is_made_again(
    studio: Any, heard: Any
) -> None:
    one = studio()
    one.make(on=heard(sent=one.pictures.rmdir))
    assert len(one.files) == 1


def test_evidence_that_cannot_be_written_is_said_once(studio: Any) -> None:
    one = studio()
    one.base.mkdir(exist_ok=True)
    (one.base / EVIDENCE).write_text("in the way")
    warnings = []
    for seed in range(3):
        one.make(seed=seed)
        warnings += one.heard.warnings
    assert warnings == ["evidence could not be written: a file is in the way"]
    assert len(one.files) == 3
    assert {entry.status for entry in one.read()} == {Status.SAVED}


def test_a_history_that_cannot_be_opened_costs_no_picture(studio: Any, tmp_path: Path) -> None:
    history = tmp_path / "folder.db"
    history.mkdir()
    one = studio(history=history)
    for seed in range(2):
        assert one.make(seed=seed).history_id is None
    assert len(one.files) == len(pictures_of(one)) == 2
    assert len(one.warnings) == 1


def test_without_a_history_the_error_says_where_the_picture_is(studio: Any, tmp_path: Path) -> None:
    history = tmp_path / "folder.db"
    history.mkdir()
    one = studio(history=history, retries=0)
    one.server.script(("picture-expired",))
    with pytest.raises(NotSavedError) as caught:
        one.make()
    hint = caught.value.hint or ""
    option, name, url = shlex.split(hint.partition("curl ")[2])
    assert (option, url) == ("-o", one.server.books.billed[0].url)
    # As it would have been called: several are pasted together.
    assert "fox" in name


def test_so_it_does_where_the_history_broke_meanwhile(studio: Any, heard: Any) -> None:
    one = studio(retries=0)
    one.server.script(("picture-expired",))

    def breaks() -> None:
        db = sqlite3.connect(one.history)
        with contextlib.closing(db):
            db.execute("DROP TABLE generation")

    with pytest.raises(NotSavedError) as caught:
        one.make(on=heard(sent=breaks))
    assert one.server.books.billed[0].url in (caught.value.hint or "")
    assert len(one.warnings) == 1


def test_a_hostile_address_cannot_leave_its_quotes(studio: Any, tmp_path: Path) -> None:
    history = tmp_path / "folder.db"
    history.mkdir()
    one = studio(history=history, retries=0)
    url = f"http://127.0.0.1:1/a.png?x=';touch {tmp_path}/owned;'".replace(" ", "${IFS}")
    one.server.script(Fault("foreign-url", url=url))
    with pytest.raises(NotSavedError) as caught:
        one.make()
    words = shlex.split((caught.value.hint or "").partition("curl ")[2])
    assert (words[0], words[2:]) == ("-o", [url])


def test_a_folder_whose_name_is_no_valid_text(studio: Any, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk takes only valid text")
    one = studio(place=FolderPlace(folder))
    picture = one.make()
    assert picture.path.is_file()
    assert (one.entry.status, one.entry.path) == (Status.SAVED, str(picture.path))
    assert evidence_of(one)["picture"]["path"] == str(picture.path)
    assert one.warnings == []


# -- many at once ------------------------------------------------------------------------------


def test_threads_share_a_maker(studio: Any) -> None:
    one = studio(retries=4, latency=0.01)
    one.server.script("Throttling", "ok", ("picture-cut-chunked",), "ok")
    errors: list[BaseException] = []

    def work() -> None:
        for _ in range(3):
            try:
                one.make("the same prompt")
            except NotSavedError as error:
                errors.append(error)

    one.maker.policy = type(one.maker.policy)(1)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = one.read()
    assert len(entries) == 24
    assert len(errors) == 1
    assert [entry.status for entry in entries].count(Status.SAVED) == 23
    assert len(one.files) == 23
    assert {entry.path for entry in entries if entry.path} == {
        str(one.pictures / name) for name in one.files
    }
    assert len(pictures_of(one)) == 24


# -- the key -----------------------------------------------------------------------------------


def test_the_key_is_nowhere_but_in_the_call(
    studio: Any, heard: Any, tmp_path: Path, caplog: Any, capfd: Any
) -> None:
    key = "sk-leaktest-distinctive-5f3a9c71"
    lines: list[Any] = []
    one = studio(key=key, retries=1, log=lines.append, keys=frozenset({key}))
    texts: list[str] = [repr(one.maker), repr(one.maker.account), str(one.maker.account)]
    steps: list[Any] = [
        *("ok", "InvalidApiKey", "AccessDenied", "Throttling", "reset", "close", "cut-answer"),
        *("empty-500", "html-502", "not-json", "no-image", "hostile-error", "hostile-text"),
        *("redirect", "foreign-url", ("picture-expired",), ("picture-corrupt",)),
        *(("picture-redirect",), ("picture-redirect-loop",), "wrong-size"),
    ]
    with caplog.at_level(logging.DEBUG):
        for step in steps:
            one.server.clear_script()
            one.server.script(step, step)
            try:
                picture = one.make()
                texts += [repr(picture), json.dumps(picture.document)]
            except ZimageError as error:
                texts += [str(error), repr(error), repr(vars(error))]
                texts += traceback.format_exception(error)
        for event in ("sent", "answered", "receiving"):
            one.server.clear_script()
            with pytest.raises(KeyboardInterrupt) as caught:
                one.make(on=heard(**{event: interrupt}))
            texts += traceback.format_exception(caught.value)
    assert {call.key for call in one.server.books.posts} == {key}
    texts += [caplog.text, *capfd.readouterr(), repr(lines), *one.warnings]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    assert len(pictures_of(one)) == len(steps) + 3
    assert not [text for text in texts if key in text]
    assert not [path for path in files if key.encode() in path.read_bytes()]
    for call in one.server.books.pictures:
        assert key.encode() not in call.head
        assert b"authorization" not in call.head.lower()


def test_throttling_that_stays_is_a_failed_row(studio: Any) -> None:
    one = studio(retries=2)
    one.server.script(*["Throttling"] * 3)
    with pytest.raises(ThrottledError):
        one.make()
    assert (one.entry.status, one.entry.attempts) == (Status.FAILED, 3)


def test_a_connection_that_waited_for_the_history_is_not_used(studio: Any, tmp_path: Path) -> None:
    """The other side may have closed it: the request would leave, and nobody could tell."""
    one = studio(retries=0)
    db = sqlite3.connect(tmp_path / "history.db", check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    asked: list[float] = []

    def sleep(seconds: float) -> None:
        # Between its tries for the history: let it wait longer than a connection may be idle.
        if seconds:
            asked.append(seconds)
            time.sleep(seconds)
            if time.monotonic() > until:
                db.rollback()

    one.maker.sleep = sleep
    until = time.monotonic() + limits.IDLE_BEFORE_REQUEST + 1
    tries: list[str] = []

    class Tries(Observer):
        def sending(self, attempt: int) -> None:
            tries.append("connecting")

        def sent(self) -> None:
            tries.append("sent")

    one.make(on=Tries())
    db.close()
    assert asked
    assert (one.entry.status, one.entry.attempts) == (Status.SAVED, 1)
    assert one.server.books.post_count == 1
    # The first connection ended without a request.
    assert tries == ["connecting", "connecting", "sent"]
