"""Every way in which the service, its picture host and the network fail, as a user meets it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

from zimage_cli.sandbox.faults import ERRORS, Fault

ERROR_KEYS = [
    "type",
    "code",
    "message",
    "hint",
    "field",
    "value",
    "allowed",
    "nearest",
    "retryable",
    "billed",
    "http_status",
    "request_id",
    "prompt",
]

# The service's error table: code → (exit status, type, whether the call is sent again).
TABLE = {
    "InvalidParameter": (2, "usage", False),
    "InvalidParameter.DataInspection": (2, "usage", False),
    "BadRequest.TooLarge": (2, "usage", False),
    "DataInspectionFailed": (4, "refused", False),
    "data_inspection_failed": (4, "refused", False),
    "IPInfringementSuspect": (4, "refused", False),
    "Arrearage": (5, "billing", False),
    "InvalidApiKey": (3, "authentication", False),
    "invalid_api_key": (3, "authentication", False),
    "AccessDenied": (3, "authentication", False),
    "AccessDenied.Unpurchased": (3, "authentication", False),
    "Model.AccessDenied": (3, "authentication", False),
    "Workspace.AccessDenied": (3, "authentication", False),
    "AllocationQuota.FreeTierOnly": (5, "quota", False),
    "ModelNotFound": (3, "authentication", False),
    "model_not_found": (3, "authentication", False),
    "WorkSpaceNotFound": (3, "authentication", False),
    "Throttling": (5, "throttled", True),
    "Throttling.RateQuota": (5, "throttled", True),
    "LimitRequests": (5, "throttled", True),
    "limit_requests": (5, "throttled", True),
    "Throttling.BurstRate": (5, "throttled", True),
    "limit_burst_rate": (5, "throttled", True),
    "Throttling.AllocationQuota": (5, "quota", True),
    "insufficient_quota": (5, "quota", True),
    "CommodityNotPurchased": (5, "billing", False),
    "PrepaidBillOverdue": (5, "billing", False),
    "PostpaidBillOverdue": (5, "billing", False),
    "InternalError": (7, "service", True),
    "internal_error": (7, "service", True),
    "InternalError.Algo": (7, "service", True),
    "InternalError.Timeout": (7, "service", True),
    "SystemError": (7, "service", True),
    "ModelServiceFailed": (7, "service", True),
    "RequestTimeOut": (7, "service", True),
    "ModelServingError": (7, "service", True),
    "ModelUnavailable": (7, "service", True),
}


def test_the_table_has_every_code_of_the_service() -> None:
    assert set(TABLE) == set(ERRORS)


@pytest.mark.parametrize("code", TABLE)
def test_an_error_code(unpaced: None, service: Any, code: str) -> None:
    status, kind, again = TABLE[code]
    http_status, words = ERRORS[code]
    service.script(Fault(code, times=9, retry_after="0"))
    run = service.generate("a red fox", "--retries", "1", "--json", status=status)

    posts = service.books.posts
    assert len(posts) == (2 if again else 1)
    # What the service said, word for word, with what its support asks for.
    said = f"  service: {words} ({code}, HTTP {http_status}, request id {posts[-1].request_id})\n"
    assert said in run.stderr
    assert run.stderr.count("error: ") == 1
    assert ("waiting 0.0 s (try 2 of 2)" in run.stderr) is again

    document = run.json
    assert list(document) == ["schema", "status", "images", "errors"]
    assert document["schema"] == 1
    assert document["status"] == "error"
    assert document["images"] == []
    (error,) = document["errors"]
    assert list(error) == ERROR_KEYS
    assert error["type"] == kind
    assert error["code"] == code
    assert error["http_status"] == http_status
    assert error["request_id"] == posts[-1].request_id
    assert error["prompt"] == "a red fox"
    assert error["message"].endswith(f" The service said: {words}")
    assert error["hint"] is None or f"  next: {error['hint']}\n" in run.stderr

    # Nothing was made, nothing is billed, and the history says so.
    assert service.pictures() == []
    assert service.books.billed_count == 0
    (row,) = service.history()
    assert row["status"] == ("refused" if kind == "refused" else "failed")
    assert row["attempts"] == len(posts)
    assert row["image_url"] is None
    (evidence,) = service.evidence
    assert evidence["status"] == row["status"]
    assert evidence["error"]["code"] == code
    assert evidence["request_id"] == posts[-1].request_id
    assert evidence["picture"] is None


def test_what_to_do_next_is_always_said(unpaced: None, service: Any) -> None:
    for code in ("DataInspectionFailed", "AccessDenied", "AllocationQuota.FreeTierOnly"):
        service.script(code)
        run = service.generate("a red fox", status=(3, 4, 5))
        assert "\n  next: " in run.stderr


@pytest.mark.parametrize(
    ("code", "tries"),
    [("Throttling.RateQuota", 5), ("ModelUnavailable", 5), ("Throttling.AllocationQuota", 3)],
)
def test_default_tries(unpaced: None, service: Any, code: str, tries: int) -> None:
    service.script(Fault(code, times=20, retry_after="0"))
    service.generate("a red fox", status=(5, 7))
    assert service.books.post_count == tries


def test_no_retries(service: Any) -> None:
    service.script(Fault("Throttling", times=2))
    service.generate("a red fox", "--retries", "0", status=5)
    assert service.books.post_count == 1


def test_success_after_retries_is_success(unpaced: None, service: Any) -> None:
    service.script(
        Fault("Throttling.RateQuota", retry_after="0"),
        Fault("html-503", retry_after="0"),
        Fault("InternalError", retry_after="0"),
    )
    run = service.generate("a red fox", "--json")
    assert run.json["images"][0]["attempts"] == 4
    assert service.books.billed_count == 1
    assert service.history()[0]["attempts"] == 4
    # All tries ask for the same picture.
    assert len({post.body for post in service.books.posts}) == 1


def test_a_long_retry_after_is_not_waited_out(service: Any) -> None:
    service.script(Fault("Throttling", retry_after="121"))
    service.generate("a red fox", status=5)
    assert service.books.post_count == 1


def test_by_code_before_status(unpaced: None, service: Any) -> None:
    service.script(
        Fault("Arrearage", status=500),
        Fault("Throttling.RateQuota", status=400, retry_after="0"),
        "ok",
    )
    service.generate("a red fox", status=5)
    assert service.books.post_count == 1
    service.generate("a red fox")
    assert service.books.post_count == 3


# -- answers that are none -------------------------------------------------------------------------

# Fault → (exit status, POSTs with one retry allowed, row in the history).
ANSWERS = {
    "html-502": (7, 2, "failed"),
    "html-503": (7, 2, "failed"),
    "html-504": (7, 2, "failed"),
    "empty-502": (7, 2, "failed"),
    "empty-503": (7, 2, "failed"),
    "empty-504": (7, 2, "failed"),
    "empty-500": (7, 1, "lost"),
    "empty-200": (7, 1, "lost"),
    "html-200": (7, 1, "lost"),
    "not-json": (7, 1, "lost"),
    "json-list": (7, 1, "lost"),
    "no-choices": (7, 1, "lost"),
    "no-image": (7, 1, "lost"),
    "no-output": (7, 1, "lost"),
    "error-in-200": (4, 1, "refused"),
    "hostile-error": (2, 1, "failed"),
    "redirect": (7, 1, "failed"),
    "reset": (6, 1, "lost"),
    "close": (6, 1, "lost"),
    "cut-answer": (6, 1, "lost"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_none(unpaced: None, service: Any, kind: str) -> None:
    status, posts, row_status = ANSWERS[kind]
    service.script(Fault(kind, times=9, retry_after="0"))
    run = service.generate("a red fox", "--retries", "1", "--json", status=status)
    assert service.books.post_count == posts
    assert service.pictures() == []
    (row,) = service.history()
    assert row["status"] == row_status
    assert row["attempts"] == posts
    (error,) = run.json["errors"]
    assert run.json["status"] == "error"
    # A user hears of money exactly where some may be gone.
    assert ("may have been made and billed" in error["message"]) is (row_status == "lost")
    assert ("may have been made and billed" in run.stderr) is (row_status == "lost")
    assert error["hint"]
    assert "Traceback" not in run.stderr


def test_answers_that_only_look_strange(unpaced: None, service: Any) -> None:
    for kind in ("no-usage", "no-request-id", "reasoning-in-content"):
        service.script(kind)
        run = service.generate("a red fox", "--prompt-extend", "--print-response")
        assert (run.json["width"], run.json["height"]) == (512, 512)
        assert run.json["reasoning"].startswith("The subject is")
        assert (run.json["request_id"] is None) is (kind == "no-request-id")
    assert [row["status"] for row in service.history()] == ["saved"] * 3


def test_other_dimensions_are_saved_with_a_warning(serve: Any) -> None:
    service = serve(picture_bytes=None)
    service.script("wrong-size", "wrong-usage")
    run = service.generate("a red fox", "-o", "one.png", "--json")
    assert "warning: the picture is 256*528, not 512*512 as asked for; saved as it is" in run.stderr
    assert (run.json["images"][0]["width"], run.json["images"][0]["height"]) == (512, 512)
    run = service.generate("a red fox", "-o", "two.png")
    assert "warning: the service said 576*544, the picture is 512*512; saved as it is" in run.stderr
    assert [row["status"] for row in service.history()] == ["saved", "saved"]
    assert [(row["width"], row["height"]) for row in service.history()] == [(256, 528), (512, 512)]


def test_slow_answers_are_waited_for(unpaced: None, service: Any) -> None:
    service.script(Fault("slow-answer", seconds=0.6), Fault("drip-answer", seconds=0.6))
    for _ in range(2):
        assert service.generate("a red fox", "--json").json["images"][0]["elapsed_seconds"] > 0.6


def test_a_timeout_loses_the_answer_and_does_not_pay_twice(service: Any) -> None:
    service.script("no-answer")
    run = service.generate("a red fox", "--timeout", "1", status=6)
    assert service.books.post_count == 1
    assert service.history()[0]["status"] == "lost"
    assert "no answer within 1 s" in run.stderr
    assert "--retry-lost" in run.stderr


def test_retry_lost(service: Any) -> None:
    service.script("reset")
    run = service.generate("a red fox", "--retry-lost", "--json")
    assert service.books.post_count == 2
    assert run.json["images"][0]["attempts"] == 2
    assert [row["status"] for row in service.history()] == ["saved"]


def test_a_connection_that_broke_before_the_request_left_is_tried_again(service: Any) -> None:
    # The body is larger than what the sockets on the way can hold, so it cannot have left.
    service.script("reset-early")
    prompt = "a red fox " * 550_000
    service("generate", "-", "--size", "512x512", stdin=prompt)
    assert service.books.post_count == 2
    assert service.books.billed_count == 1
    assert service.history()[0]["attempts"] == 2


def test_nobody_listens(zimage: Any, home: Path) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets the port, and who connects is refused.
        taken.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
        env = {"DASHSCOPE_BASE_URL": origin, "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123"}
        run = zimage("generate", "a red fox", "--retries", "0", "--json", env=env, status=6)
    (error,) = run.json["errors"]
    assert error["type"] == "connection"
    assert error["message"].startswith(f"{origin} could not be reached: ")
    assert "billed" not in run.stderr
    assert "zimage validate --online" in run.stderr


def test_401_names_region_and_host_and_the_other_key(service: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('[keys]\nsingapore = "sk-fedcba9876543210fedcba9876543210"\n')
    config_file.chmod(0o600)
    service.script("InvalidApiKey")
    run = service.generate("a red fox", status=3)
    assert "127.0.0.1" in run.stderr
    assert "a key belongs to one region" in run.stderr


def test_no_key(zimage: Any) -> None:
    run = zimage("generate", "a red fox", status=3)
    assert "config set-key --region beijing" in run.stderr
    assert "--sandbox" in run.stderr
    document = zimage("generate", "a red fox", "--json", status=3).json
    assert document["errors"][0]["type"] == "authentication"
    assert not (zimage.cwd / "output").exists()


# -- pictures that cannot be had -------------------------------------------------------------------

# Fault → requests to the picture's host with one retry allowed.
PICTURES = {
    "picture-cut": 2,
    "picture-cut-chunked": 2,
    "picture-reset": 2,
    "picture-corrupt": 2,
    "picture-undecodable": 2,
    "picture-truncated": 2,
    "picture-html": 2,
    "picture-jpeg": 2,
    "picture-empty": 2,
    "picture-404": 2,
    "picture-500": 2,
    "picture-503": 2,
    "picture-expired": 1,
    "picture-too-large": 1,
    "picture-redirect-loop": 6,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_cannot_be_had(service: Any, kind: str) -> None:
    service.script(Fault(kind, count=PICTURES[kind]))
    run = service.generate("a red fox", "--seed", "5", "--retries", "1", "--json", status=8)
    assert service.books.post_count == 1
    assert len(service.books.pictures) == PICTURES[kind]
    # Nothing under the name, nothing half-done beside it.
    assert service.pictures() == []
    (error,) = run.json["errors"]
    assert error["type"] == "not-saved"
    assert error["hint"] == (
        "It cannot be fetched any more: to make it again is to pay again."
        if kind == "picture-expired"
        else "Within 24 hours of making it: zimage history recover"
    )
    assert f"  next: {error['hint']}\n" in run.stderr
    (row,) = service.history()
    assert row["status"] == "made"
    assert row["image_url"] == service.books.billed[0].url
    assert row["request_id"] == service.books.billed[0].request_id
    (evidence,) = service.evidence
    assert evidence["status"] == "made"
    assert "?" not in evidence["answer"]["image_url"]

    # The host has come round: the picture is fetched, and nothing is paid again.
    recovered = service("history", "recover")
    path = Path(recovered.lines[0])
    assert [path] == service.pictures()
    assert path.name.endswith("-a-red-fox-5.png")
    assert service.books.post_count == 1
    (row,) = service.history()
    assert row["status"] == "saved"
    assert row["path"] == str(path)
    assert "?" not in row["image_url"]
    (evidence,) = service.evidence
    assert evidence["status"] == "saved"
    assert evidence["picture"]["path"] == str(path)


def test_too_much_that_was_not_announced(service: Any) -> None:
    service.script("picture-too-large-chunked")
    run = service.generate("a red fox", status=8)
    assert "larger than 64 MiB" in run.stderr
    assert service.pictures() == []


@pytest.mark.parametrize("kind", ["picture-cut", "picture-503", "picture-corrupt"])
def test_a_picture_that_comes_at_the_second_try(service: Any, kind: str) -> None:
    service.script(Fault(kind, count=1))
    run = service.generate("a red fox")
    assert service.books.post_count == 1
    assert len(service.books.pictures) == 2
    assert "(try 2 of 5)" in run.stderr
    assert len(service.pictures()) == 1


@pytest.mark.parametrize("kind", ["picture-redirect", "picture-trailing", "picture-slow"])
def test_pictures_that_only_come_strangely(service: Any, kind: str) -> None:
    service.script(Fault(kind, seconds=0.4))
    service.generate("a red fox")
    assert [row["status"] for row in service.history()] == ["saved"]


def test_a_host_that_falls_silent(service: Any) -> None:
    service.script(Fault("picture-stall", count=1))
    service.generate("a red fox", "--timeout", "3")
    assert len(service.books.pictures) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.invalid/a.png?Signature=x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://user:word@example.invalid/a.png",
        "//example.invalid/a.png",
        "https://\x1b[31m.invalid/\u202e",
        "http://[::1",
    ],
)
def test_an_address_that_is_not_fetched(service: Any, url: str) -> None:
    service.script(Fault("foreign-url", url=url))
    run = service.generate("a red fox", "--retries", "0", status=8)
    assert "The picture's address is " in run.stderr
    assert "\x1b" not in run.stderr
    assert "Signature" not in run.stderr
    assert service.books.pictures == []
    assert service.pictures() == []
    # Nobody will ever fetch it, and so nobody is told to.
    assert "history recover" not in run.stderr
    assert service.history()[0]["status"] == "lost"


def test_a_redirect_off_loopback_to_http_is_not_followed(service: Any) -> None:
    service.script(Fault("picture-redirect", url="http://example.invalid/a.png"))
    service.generate("a red fox", status=8)
    assert service.pictures() == []


# -- disks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("-o", "file/x.png"),
        ("-o", "file/"),
        ("--output-dir", "file"),
        ("-o", "x" * 252 + ".png"),
        ("-o", "x" * 300 + "/x.png"),
        ("--output-dir", "x" * 300),
        ("-o", "/dev/null"),
        ("-o", "/dev/stdout"),
        ("-o", "pipe"),
        ("-o", ""),
        ("-o", "x.gif"),
        ("-o", "x.png", "--format", "webp"),
        ("--name", "{seed}.jpg", "--format", "webp"),
        ("--format", "gif"),
        ("--quality", "80"),
        ("--quality", "0", "--format", "webp"),
        ("--quality", "80", "-o", "x.png"),
        ("--name", "../{seed}"),
        ("--name", "{nonsense}"),
    ],
)
def test_what_cannot_be_saved_is_not_bought(service: Any, args: tuple[str, ...]) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX devices")
    (service.work / "file").write_text("kept")
    os.mkfifo(service.work / "pipe")
    run = service.generate("a red fox", *args, "--json", status=2)
    assert service.books.post_count == 0
    assert service.history() == []
    assert run.json["errors"]
    assert (service.work / "file").read_text() == "kept"


def test_a_folder_that_goes_while_the_service_paints(serve: Any) -> None:
    hold = Hold()
    service = serve(log=hold)
    process = service.popen("generate", "a red fox", "--size", "512x512", "-o", "there/x.png")
    assert service.books.wait_for(lambda books: books.post_count == 1)
    (service.work / "there").rmdir()
    (service.work / "there").write_text("a file now")
    hold.release()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 8
    assert b"zimage history recover" in stderr
    assert service.history()[0]["status"] == "made"
    (service.work / "there").unlink()
    run = service("history", "recover")
    assert run.lines == [str(service.work / "there" / "x.png")]
    assert service.books.post_count == 1
