"""Each fault does on the wire what its name says."""

from __future__ import annotations

import http.client
import json
import socket
import time

import pytest

from zimage_cli.errors import UsageError
from zimage_cli.sandbox.faults import (
    ANSWERS,
    ERRORS,
    PICTURES,
    Fault,
    Faults,
    groups,
    kinds,
    parse_fault,
)

# The table of the service's reference, written out again on purpose.
DOCUMENTED = {
    400: "InvalidParameter DataInspectionFailed data_inspection_failed IPInfringementSuspect "
    "Arrearage",
    401: "InvalidApiKey invalid_api_key",
    403: "AccessDenied AccessDenied.Unpurchased Model.AccessDenied Workspace.AccessDenied "
    "AllocationQuota.FreeTierOnly",
    404: "ModelNotFound model_not_found WorkSpaceNotFound",
    429: "Throttling Throttling.RateQuota LimitRequests limit_requests Throttling.BurstRate "
    "limit_burst_rate Throttling.AllocationQuota insufficient_quota CommodityNotPurchased "
    "PrepaidBillOverdue PostpaidBillOverdue",
    500: "InternalError internal_error SystemError ModelServiceFailed RequestTimeOut "
    "ModelServingError",
    503: "ModelUnavailable",
}
CODES = [(code, status) for status, codes in DOCUMENTED.items() for code in codes.split()]
FAMILIES = [("InvalidParameter.Size", 400), ("BadRequest.Odd", 400), ("InternalError.Algo", 500)]


@pytest.fixture
def server(sandbox, small_png):
    return sandbox(picture_bytes=small_png)


def raw_answer(client, server):
    """Return every byte of the answer to one call, and how the connection ended."""
    with client.connect(server.origin) as sock:
        sock.sendall(client.raw_post(server))
        return read_all(sock)


def read_all(sock):
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data, "reset"
        if not piece:
            return data, "closed"
        data += piece


@pytest.mark.parametrize(("code", "status"), [*CODES, *FAMILIES])
def test_error_codes(server, client, code, status):
    server.script(Fault(code, retry_after="7"), Fault(code, status=418, message="said so"))
    reply = client.post(server)
    assert reply.status == status
    assert reply.code == code
    assert reply.json["message"]
    assert reply.json["request_id"] == server.books.posts[0].request_id
    assert reply.headers["retry-after"] == "7"
    second = client.post(server)
    assert (second.status, second.json["message"]) == (418, "said so")
    assert "retry-after" not in second.headers
    assert server.books.billed == []
    assert client.post(server).status == 200


@pytest.mark.parametrize(
    "kind",
    ["html-502", "html-503", "html-504", "empty-500", "empty-502", "empty-503", "empty-504"],
)
def test_gateways(server, client, kind):
    form, _, status = kind.partition("-")
    server.script(Fault(kind, retry_after="3"))
    reply = client.post(server)
    assert reply.status == int(status)
    assert reply.headers["retry-after"] == "3"
    assert reply.body.startswith(b"<html>") if form == "html" else reply.body == b""
    assert server.books.billed == []


@pytest.mark.parametrize(
    ("kind", "start"),
    [("empty-200", b""), ("html-200", b"<html>"), ("not-json", b'{"output"'), ("json-list", b"[")],
)
def test_success_without_an_answer_is_billed(server, client, kind, start):
    server.script(kind)
    reply = client.post(server)
    assert reply.status == 200
    assert reply.body.startswith(start)
    if kind in {"empty-200", "html-200", "not-json"}:
        with pytest.raises(ValueError):
            json.loads(reply.body)
    assert server.books.billed_count == 1
    assert server.books.posts[0].billed


def test_bent_bodies(server, client):
    steps = ["no-image", "no-choices", "no-output", "no-usage", "no-request-id", "error-in-200"]
    server.script(*steps, "reasoning-in-content", "wrong-usage", "foreign-url")
    replies = {step: client.post(server) for step in steps}
    assert {reply.status for reply in replies.values()} == {200}
    assert replies["no-image"].message["content"] == [{"text": "a red fox"}]
    assert replies["no-choices"].json["output"] == {"choices": []}
    assert set(replies["no-output"].json) == {"usage", "request_id"}
    assert set(replies["no-usage"].json) == {"output", "request_id"}
    assert set(replies["no-request-id"].json) == {"output", "usage"}
    assert set(replies["error-in-200"].json) == {"code", "message", "request_id"}
    older = client.post(server, prompt_extend=True).message
    assert older["content"][2]["reasoning_content"]
    assert "reasoning_content" not in older
    usage = client.post(server, size="512*512").json["usage"]
    assert (usage["width"], usage["height"]) == (576, 544)
    assert client.post(server).url.startswith("http://example.invalid/")
    assert server.books.billed_count == 8


def test_foreign_url_may_be_given(server, client):
    server.script(Fault("foreign-url", url="file:///etc/passwd"))
    assert client.post(server).url == "file:///etc/passwd"


def test_wrong_size(sandbox, client):
    server = sandbox()
    server.script("wrong-size")
    reply = client.post(server, size="512*512")
    assert (reply.json["usage"]["width"], reply.json["usage"]["height"]) == (512, 512)
    data = client.get(reply.url).body
    assert data[16:24] == (256).to_bytes(4) + (528).to_bytes(4)


def test_hostile_texts(server, client):
    server.script("hostile-text", "hostile-error")
    reply = client.post(server, prompt_extend=True)
    texts = (
        reply.message["content"][1]["text"],
        reply.message["reasoning_content"],
        reply.json["request_id"],
    )
    refused = client.post(server)
    assert refused.status == 400
    for text in (*texts, refused.code, refused.json["message"], refused.json["request_id"]):
        assert {"\x1b", "\x07", "\x9b", "\u202e", "\u200b", "\x00", "\r"} <= set(text)
    assert client.get(reply.url).status == 200


@pytest.mark.parametrize(
    ("kind", "end", "billed"),
    [("reset", "reset", 1), ("close", "closed", 1), ("reset-early", "reset", 0)],
)
def test_broken_connections(server, client, kind, end, billed):
    server.script(kind)
    assert raw_answer(client, server) == (b"", end)
    assert server.books.billed_count == billed
    (post,) = server.books.posts
    assert (post.status, post.faults) == (0, (kind,))
    assert server.books.summary()["in_flight"] == 0


def test_reset_early_comes_before_the_body(server, client):
    server.script("reset-early")
    with client.connect(server.origin) as sock:
        head, _, _ = client.raw_post(server).partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert read_all(sock) == (b"", "reset")


def test_cut_answer(server, client):
    server.script("cut-answer")
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.post(server)
    assert len(caught.value.partial) > 100
    assert server.books.billed_count == 1


def test_slow_answer(server, client):
    server.script(Fault("slow-answer", seconds=0.15))
    start = time.monotonic()
    assert client.post(server).status == 200
    assert time.monotonic() - start >= 0.15


def test_drip_answer(server, client):
    server.script(Fault("drip-answer", seconds=1.5))
    with client.connect(server.origin) as sock:
        start, rest = time.monotonic(), b""
        sock.sendall(client.raw_post(server))
        first = sock.recv(65536)
        length = int(first.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = first.partition(b"\r\n\r\n")[2]
        assert len(body) < length
        while len(body) + len(rest) < length:
            rest += sock.recv(65536)
        assert time.monotonic() - start >= 1.4
    assert json.loads(body + rest)["request_id"]


def test_no_answer(server, client):
    server.script("no-answer")
    with client.connect(server.origin) as sock:
        sock.settimeout(0.15)
        sock.sendall(client.raw_post(server))
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert server.books.billed_count == 1


def test_redirect_leads_to_another_origin(server, client):
    server.script("redirect", Fault("redirect", url="http://example.invalid/x", status=301))
    reply = client.post(server)
    assert reply.status == 307
    location = reply.headers["location"]
    assert location.startswith(server.picture_origin + "/api/v1/services/")
    assert not location.startswith(server.origin + "/")
    # Who follows and carries the key is found out.
    client.request("POST", location, b"{}", {"Authorization": f"Bearer {client.key}"})
    assert server.books.summary()["picture_requests_with_authorization"] == 1
    assert server.books.pictures[0].headers["authorization"] == f"Bearer {client.key}"
    second = client.post(server)
    assert (second.status, second.headers["location"]) == (301, "http://example.invalid/x")
    assert server.books.billed_count == 0


def test_faults_of_the_list_of_models(server, client):
    headers = {"Authorization": f"Bearer {client.key}"}
    server.script_models("InvalidApiKey", "html-503", "redirect", "not-json", "ok")
    url = f"{server.api_root}/models"
    replies = [client.get(url, headers) for _ in range(5)]
    assert [reply.status for reply in replies] == [401, 503, 307, 200, 200]
    server.script_models("reset")
    with pytest.raises(ConnectionResetError):
        client.get(url, headers)
    assert client.post(server).status == 200


def test_every_answer_fault_is_known_here(server):
    assert {code for code, _ in CODES} <= set(ERRORS)
    assert all(ERRORS[code][0] == status for code, status in CODES)
    assert set(kinds()) == {*ERRORS, *ANSWERS, *PICTURES}
    # Every one stands in one group, in the same order, with what it does.
    assert [kind for _, of_it in groups() for kind in of_it] == [*kinds()]
    assert all(about for _, of_it in groups() for about in of_it.values())
    for kind in kinds():
        server.script(kind)
    assert server.steps_left == len(kinds())
    server.clear_script()
    assert server.steps_left == 0


def test_billed_can_be_overridden(server, client):
    server.script(Fault("html-504", billed=True), Fault("reset", billed=False))
    assert client.post(server).status == 504
    assert server.books.billed_count == 1
    with pytest.raises(ConnectionResetError):
        client.post(server)
    assert server.books.billed_count == 1


def test_script_is_one_step_a_call(server, client):
    server.script(Fault("InternalError", times=2), "ok", ("wrong-usage", "picture-404"))
    assert [client.post(server).status for _ in range(3)] == [500, 500, 200]
    reply = client.post(server, size="512*512")
    assert reply.json["usage"]["width"] == 576
    assert client.get(reply.url).status == 404
    assert server.books.posts[3].faults == ("wrong-usage", "picture-404")
    assert server.steps_left == 0


def test_a_bad_request_is_refused_whatever_the_script_says(server, client):
    server.script("html-502", "ok")
    assert client.post(server, size="1*1").code == "InvalidParameter"
    assert server.steps_left == 1


def test_rates_follow_from_the_seed(sandbox, client, small_png):
    def run(seed, faults):
        server = sandbox(faults=faults, fault_seed=seed, picture_bytes=small_png)
        return [client.post(server).status for _ in range(40)]

    mixed = {"InternalError": 0.3, Fault("Throttling", retry_after="1"): 0.2}
    first = run(1, mixed)
    assert first == run(1, mixed)
    assert first != run(2, mixed)
    assert 3 <= first.count(500) <= 25
    assert first.count(429)
    alone = run(1, {"InternalError": 0.3})
    assert [i for i, status in enumerate(first) if status == 500] == [
        i for i, status in enumerate(alone) if status == 500
    ]


def test_rates_zero_and_one():
    assert Faults({"InternalError": 0.0}).next() == ()
    both = Faults({"picture-404": 1.0, "InternalError": 1.0, "reset": 1.0}).next()
    assert [fault.kind for fault in both] == ["InternalError", "picture-404"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("InternalError:0.1", ("InternalError", 0.1)),
        ("reset", ("reset", 1.0)),
        (" picture-cut : 25% ", ("picture-cut", 0.25)),
        ("Throttling.RateQuota:1", ("Throttling.RateQuota", 1.0)),
        ("InternalError.Algo:0", ("InternalError.Algo", 0.0)),
    ],
)
def test_parse_fault(text, found):
    assert parse_fault(text) == found


@pytest.mark.parametrize("text", ["reset:2", "reset:-0.1", "reset:", "reset:x", "reset:nan"])
def test_parse_fault_says_what_is_wrong_with_the_rate(text):
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert "reset" in caught.value.message
    assert "reset:0.1" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["rest:0.1", "", ":0.1", "InternalError.", "Reset"])
def test_parse_fault_lists_the_kinds(text):
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    hint = caught.value.hint or ""
    assert all(kind in hint for kind in kinds())


def test_an_unknown_kind_in_a_script_is_refused(server):
    with pytest.raises(UsageError):
        server.script("ok", "nonsense")
    assert server.steps_left == 0


def test_socket_is_usable_after_ordinary_faults(server, client):
    server.script(
        "InternalError", "html-502", "empty-200", "not-json", Fault("drip-answer", seconds=0.1)
    )
    with client.connect(server.origin) as sock:
        for _ in range(6):
            sock.sendall(client.raw_post(server))
            _, goes_on = client.read_reply(sock)
            assert goes_on
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1, socket.MSG_PEEK)
