"""The server itself: books, rate limit, many clients at once, odd HTTP, log, start and stop."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from noise import noise
from stand_in import Sandbox, kept_port

from zimage_cli.errors import UsageError
from zimage_cli.sandbox.books import Books, Call, mask
from zimage_cli.sandbox.limit import SlidingLimit
from zimage_cli.sandbox.server import SANDBOX_KEY
from zimage_cli.sandbox.wire import Request

SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(sandbox, small_png):
    return sandbox(picture_bytes=small_png)


# Books.


def test_books_hold_what_was_sent(server, client):
    before, clock = time.time(), time.monotonic()
    reply = client.post(server, "a red fox", seed=5, headers={"X-Probe": "Ä"})
    (call,) = server.books.posts
    assert (call.method, call.target) == (
        "POST",
        server.api_root[len(server.origin) :] + ("/services/aigc/multimodal-generation/generation"),
    )
    assert before <= call.at <= time.time()
    assert clock <= call.clock <= time.monotonic()
    assert call.headers["authorization"] == f"Bearer {client.key}"
    assert call.headers["x-probe"] == "Ä"
    assert call.json()["parameters"] == {"seed": 5}
    assert (call.status, call.code, call.billed) == (200, None, True)
    assert call.request_id == reply.json["request_id"]
    (billed,) = server.books.billed
    assert (billed.prompt, billed.seed, billed.size) == ("a red fox", 5, "1024*1536")
    assert (billed.key, billed.url, billed.request_id) == (client.key, reply.url, call.request_id)


def test_books_can_be_read_by_another_process(server, client):
    server.script("ok", "Throttling.RateQuota", "ok")
    for _ in range(3):
        client.post(server, seed=1)
    client.get(server.books.billed[0].url)
    found = client.get(f"{server.origin}/sandbox/books").json
    assert (found["posts"], found["billed"], found["throttled"]) == (3, 2, 1)
    assert found["statuses"] == {"200": 2, "429": 1}
    assert found["codes"] == {"Throttling.RateQuota": 1}
    assert (found["picture_requests"], found["picture_requests_with_authorization"]) == (1, 0)
    assert len(found["post_times"]) == len(found["post_clocks"]) == 3
    assert "billed_pictures" not in found
    full = client.get(f"{server.origin}/sandbox/books?billed=1")
    assert [one["seed"] for one in full.json["billed_pictures"]] == [1, 1]
    assert client.key not in full.body.decode()
    assert server.books.post_count == 3
    assert server.books.gets == []


def test_a_call_is_in_the_books_while_it_is_answered(sandbox, client, small_png):
    server = sandbox(picture_bytes=small_png)
    server.books.free = 0
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(client.post, server)
        assert server.books.wait_for(lambda books: books.post_count == 1)
        assert server.books.posts[0].status == 0
        assert server.books.billed_count == 0
        assert server.books.summary()["in_flight"] == 1
        server.books.let_go.set()
        assert future.result().status == 200
    assert server.books.billed_count == 1
    assert not server.books.wait_for(lambda books: books.post_count == 2, timeout=0.05)


def test_books_stay_small_in_a_long_run():
    books = Books()
    tracemalloc.start()
    for n in range(25_000):
        request = Request("POST", "/", "HTTP/1.1", b"", {}, 0.0, float(n), body=bytes(1000))
        call = Call(request, "sk-a")
        books.arrived(call)
        books.answered(call, status=200)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = books.summary()
    assert found["posts"] == len(found["post_clocks"]) == 25_000
    assert found["statuses"] == {"200": 25_000}
    assert found["post_clocks"][-1] == 24_999
    # Two numbers a call, and nothing of what it said.
    assert kept < 1_000_000


@pytest.mark.parametrize(
    ("key", "shown"),
    [(None, None), ("sk-0123456789abcdef", "sk-…cdef"), ("sk-short", "sk-…")],
)
def test_mask(key, shown):
    assert mask(key) == shown


# The rate limit.


def test_more_than_the_limit_in_a_second_is_refused(sandbox, client, small_png):
    server = sandbox(rps=3, retry_after="1", picture_bytes=small_png)
    replies = [client.post(server) for _ in range(5)]
    # Five within a second; on a busy machine the clocks of their arrival say what is right.
    limit, clocks = SlidingLimit(3), server.books.post_clocks
    right = [200 if limit.admit("", clock) else 429 for clock in clocks]
    assert [reply.status for reply in replies] == right
    assert server.books.throttled_count == right.count(429)
    assert server.books.billed_count == right.count(200)
    time.sleep(max(0.0, 1.0 - (time.monotonic() - clocks[-1])))
    assert client.post(server).status == 200


def test_what_is_refused_says_why_and_when_to_ask_again(sandbox, client, small_png):
    server = sandbox(rps=0.01, retry_after="1", picture_bytes=small_png)
    replies = [client.post(server) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 429, 429]
    assert replies[1].code == "Throttling.RateQuota"
    assert replies[1].headers["retry-after"] == "1"
    assert server.books.throttled_count == 2
    assert server.books.billed_count == 1
    assert server.books.most_in(60.0) == 3


def test_the_window_slides():
    limit = SlidingLimit(2)
    times = (0.0, 0.75, 0.875, 1.0, 1.5, 1.734375, 1.75)
    assert [limit.admit("", t) for t in times] == [True, True, False, True, False, False, True]


def test_a_rate_below_one_a_second():
    limit = SlidingLimit(0.5)
    assert [limit.admit("", t) for t in (0.0, 1.9, 2.0)] == [True, False, True]


def test_all_keys_are_one_account_unless_said_otherwise(sandbox, client, small_png):
    accounts = {"sk-a": "one", "sk-b": "two"}
    apart = sandbox(rps=0.01, accounts=accounts, picture_bytes=small_png)
    assert [client.post(apart, key=key).status for key in ("sk-a", "sk-b", "sk-a")] == [
        200,
        200,
        429,
    ]
    together = sandbox(rps=0.01, picture_bytes=small_png)
    assert [client.post(together, key=key).status for key in ("sk-a", "sk-b")] == [200, 429]


def test_read_only_calls_are_not_limited(sandbox, client):
    server = sandbox(rps=1)
    headers = {"Authorization": f"Bearer {client.key}"}
    statuses = [client.get(f"{server.api_root}/models", headers).status for _ in range(4)]
    assert statuses == [200] * 4


# Many at once, and how long it takes.


def test_latency_is_not_in_a_queue(sandbox, client, small_png):
    server = sandbox(latency=0.3, picture_bytes=small_png)
    start = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        replies = list(pool.map(lambda n: client.post(server, seed=n), range(64)))
    # One after the other would take 19.2 s.
    assert 0.3 <= time.monotonic() - start < 9.6
    assert {reply.status for reply in replies} == {200}
    assert len({reply.url for reply in replies}) == 64
    assert sorted(one.seed for one in server.books.billed) == list(range(64))


def test_as_many_as_come_are_in_flight_at_once(sandbox, client, small_png):
    server = sandbox(latency=600, picture_bytes=small_png)
    with ExitStack() as opened:
        for _ in range(64):
            call = opened.enter_context(client.connect(server.origin))
            call.sendall(client.raw_post(server))
        assert server.books.wait_for(lambda books: books.peak_in_flight == 64)


@pytest.mark.parametrize(
    ("config", "extend", "least"),
    [
        ({"latency": 0.1}, False, 0.1),
        ({"latency": 0.1}, True, 0.2),
        ({"latency": (0.1, 0.12)}, False, 0.1),
        ({"extend_latency": 0.15}, True, 0.15),
    ],
)
def test_latency(sandbox, client, config, extend, least):
    server = sandbox(**config)
    start = time.monotonic()
    client.post(server, prompt_extend=extend)
    assert time.monotonic() - start >= least


def test_errors_do_not_take_as_long_as_a_picture(sandbox, client):
    server = sandbox(latency=30)
    server.script("Throttling.RateQuota", "html-503")
    assert [client.post(server).status for _ in range(2)] == [429, 503]
    assert client.post(server, size="1*1").status == 400


def test_script_is_shared_by_threads_without_loss(server, client):
    server.script(*["InternalError", "ok"] * 20)
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: client.post(server).status, range(40)))
    assert (statuses.count(200), statuses.count(500)) == (20, 20)
    assert server.steps_left == 0


# HTTP as clients other than ours speak it.


def exchange(client, origin, data):
    """Send bytes, say that no more will come, and return all that is answered."""
    with client.connect(origin) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def test_pipelined_calls_are_answered_in_order(server, client):
    data = client.raw_post(server, "one") + client.raw_post(server, "two")
    answer = exchange(client, server.origin, data)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b'"one"') < answer.index(b'"two"')


def test_a_call_may_come_byte_by_byte(server, client):
    with client.connect(server.origin) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.raw_post(server):
            sock.send(bytes([byte]))
        body, goes_on = client.read_reply(sock)
    assert goes_on
    assert json.loads(body)["request_id"]


def test_chunked_bodies(server, client):
    head, _, body = client.raw_post(server, "in chunks").partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    answer = exchange(client, server.origin, head + b"\r\n\r\n" + chunks + b"0\r\nX: y\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.books.billed[0].prompt == "in chunks"


def test_expect_continue(server, client):
    head, _, body = client.raw_post(server).partition(b"\r\n\r\n")
    with client.connect(server.origin) as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert b'"request_id"' in client.read_reply(sock)[0]


@pytest.mark.parametrize(
    ("extra", "version", "goes_on"),
    [
        ("", "HTTP/1.1", True),
        ("Connection: close\r\n", "HTTP/1.1", False),
        ("", "HTTP/1.0", False),
        ("Connection: keep-alive\r\n", "HTTP/1.0", True),
    ],
)
def test_keep_alive(server, client, extra, version, goes_on):
    request = f"GET /sandbox/books {version}\r\nHost: x\r\n{extra}\r\n".encode()
    with client.connect(server.origin) as sock:
        sock.sendall(request)
        assert client.read_reply(sock)[1] is goes_on
        if not goes_on:
            assert sock.recv(1) == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_not_http(server, client, data, status):
    with client.connect(server.origin) as sock:
        sock.sendall(data)
        assert sock.recv(65536).startswith(b"HTTP/1.1 %d " % status)
    assert client.post(server).status == 200


def test_a_client_that_goes_away_does_no_harm(sandbox, client, small_png):
    server = sandbox(latency=0.05, picture_bytes=small_png)
    for cut in (1, 60, -5):
        with client.connect(server.origin) as sock:
            sock.sendall(client.raw_post(server)[:cut])
    assert server.books.billed_count == 0
    with client.connect(server.origin) as sock:
        sock.sendall(client.raw_post(server))
        assert server.books.wait_for(lambda books: books.post_count == 1)
    assert server.books.wait_for(lambda books: books.billed_count == 1)
    assert client.post(server).status == 200


# The log.


def test_log_has_a_line_a_request_and_no_key(sandbox, client, small_png):
    lines = []
    server = sandbox(log=lines.append, region="beijing", picture_bytes=small_png)
    server.script("ok", "InternalError")
    url = client.post(server).url
    client.post(server)
    client.get(url)
    assert server.books.wait_for(lambda _: len(lines) == 3)
    assert [line["origin"] for line in lines] == ["api", "api", "pictures"]
    assert [line["status"] for line in lines] == [200, 500, 200]
    assert lines[0]["key"] == "sk-…cdef"
    assert (lines[0]["region"], lines[0]["billed"], lines[1]["code"]) == (
        "beijing",
        True,
        "InternalError",
    )
    assert client.key not in json.dumps(lines)
    assert "Signature" not in json.dumps(lines)


def test_a_log_that_fails_does_no_harm(sandbox, client, small_png):
    def fail(_line):
        raise OSError(32, "Broken pipe")

    assert client.post(sandbox(log=fail, picture_bytes=small_png)).status == 200


# Start and stop.


def test_stop_is_prompt_with_hanging_connections(client, small_png):
    before = set(threading.enumerate())
    server = Sandbox(latency=60, picture_bytes=small_png, picture_latency=60).start()
    with client.connect(server.origin) as idle, client.connect(server.origin) as waiting:
        waiting.sendall(client.raw_post(server))
        assert server.books.wait_for(lambda books: books.post_count == 1)
        own = set(threading.enumerate()) - before
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 30
        assert idle.recv(1) == b""
        assert waiting.recv(1) == b""
        with pytest.raises(OSError):
            client.connect(server.origin)
        with pytest.raises(OSError):
            client.connect(server.picture_origin)
    server.stop()
    for thread in own:
        thread.join(60)
    assert not any(thread.is_alive() for thread in own)
    assert server.books.billed_count == 0


def test_stop_is_prompt_when_nothing_happened():
    start = time.monotonic()
    with Sandbox() as server:
        assert server.port
    assert time.monotonic() - start < 30


def test_one_description_may_run_twice(client):
    config = Sandbox(region="beijing")
    with config as one, config as two:
        assert one.origin != two.origin
        client.post(one)
        assert (one.books.post_count, two.books.post_count) == (1, 0)


def test_fixed_ports_and_taken_ones():
    with Sandbox() as server:
        with pytest.raises(UsageError) as caught:
            Sandbox(port=server.port).start()
        assert str(server.port) in caught.value.message
        assert "already in use" in caught.value.message
    with kept_port() as free, Sandbox(port=free) as again:
        assert again.api_root == f"http://127.0.0.1:{free}/api/v1"


@pytest.mark.parametrize(
    "config",
    [{"host": "0.0.0.0"}, {"host": "example.invalid"}, {"rps": 0}, {"rps": -1}, {"port": 70_000}],
)
def test_senseless_settings_are_refused(config):
    with pytest.raises(UsageError):
        Sandbox(**config).start()


def test_the_stand_in_key_is_accepted(sandbox, client):
    assert client.post(sandbox(), key=SANDBOX_KEY).status == 200


def test_starting_loads_neither_pillow_nor_http_server():
    code = (
        "import sys; from zimage_cli.sandbox.server import Sandbox\n"
        "with Sandbox() as server:\n"
        "    heavy = {'PIL', 'http', 'asyncio', 'email', 'logging', 'ssl', 'httpx', 'random'}\n"
        "    print(sorted(heavy & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_many_large_pictures(sandbox, client):
    payload = noise(1024, 1024, 1_400_000)
    server = sandbox(picture_bytes=payload)

    def one(seed):
        return client.get(client.post(server, seed=seed).url).body == payload

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(40)))
    assert server.books.summary()["picture_statuses"] == {"200": 40}
