"""No other side can hold a call for longer than it was told to wait."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zimage_cli.api.download import fetch
from zimage_cli.api.wire import Wire
from zimage_cli.errors import AnswerLost, ConnectionFailed, NotSavedError

FAR = "https://api.invalid/api/v1"
BODY = json.dumps(
    {"output": {"choices": [{"message": {"content": [{"image": "https://a.invalid/b.png"}]}}]}}
).encode()
ALWAYS = 120.0
"""Seconds for which the other side goes on, where no deadline ends it."""

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "version": (b"", b"H"),
    "status-line": (b"HTTP/1.1 200 ", b"x"),
    "header": (OK + b"X: ", b"y"),
    "headers": (OK, b"X: y\r\n"),
    "early-hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "chunk-extension": (CHUNKED + b"2;", b"x"),
    "chunk-trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"y"),
    "nothing": (b"", b""),
    "nothing-more": (OK + b"Content-Length: 9\r\n\r\n{", b""),
}
BODY_DRIPS = {
    "body": (OK + b"Content-Length: 99999\r\n\r\n", b" "),
    "chunks": (CHUNKED, b"1\r\n \r\n"),
    "body-without-length": (OK + b"\r\n", b" "),
}


LIMIT = 1
"""Seconds for which the service may be silent here; all in all a call may take twice as long."""


@pytest.fixture
def client(clients: Callable[..., Wire]) -> Wire:
    return clients(timeout=LIMIT)


def drip(prefix: bytes, piece: bytes) -> Callable[[Any], None]:
    """Return a server's script: after a head a beginning, then a piece 20 times a second."""

    def talk(visit: Any) -> None:
        visit.sock.settimeout(ALWAYS)
        visit.head()
        visit.sock.settimeout(0.05)
        visit.sock.sendall(prefix)
        give_up = time.monotonic() + ALWAYS
        while time.monotonic() < give_up:
            visit.sock.sendall(piece)
            if visit.gone():
                return

    return talk


def root(server: Any, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/api/v1"


def at_once(kinds: Iterable[str], check: Callable[[str], None]) -> None:
    """Check every kind, all at the same time: each waits until its deadline has passed.

    It ends long before the other side gives up.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(20) as threads:
        for kind, done in [(kind, threads.submit(check, kind)) for kind in kinds]:
            try:
                done.result()
            except BaseException as error:
                error.add_note(f"kind: {kind}")
                raise
    assert time.monotonic() - began < ALWAYS / 2


def test_an_answer_that_drips(listen: Any, clients: Any, wire: Any, key: str) -> None:
    drips = {**DRIPS, **BODY_DRIPS}

    def check(kind: str) -> None:
        server, client = listen(drip(*drips[kind])), clients(timeout=LIMIT)
        with pytest.raises(AnswerLost, match=f"no answer within {LIMIT} s"):
            client.generate(wire(root(server)), key)
        assert server.count == 1

    at_once(drips, check)


def test_an_answer_that_drips_in_tls(
    listen: Any, client: Wire, wire: Any, key: str, certificate: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = listen(drip(*DRIPS["header"]), certificate[1])
    with pytest.raises(AnswerLost, match=f"no answer within {LIMIT} s"):
        client.generate(wire(root(server, "https")), key)


def test_a_check_that_drips(listen: Any, clients: Any, key: str) -> None:
    def check(kind: str) -> None:
        server = listen(drip(*{**DRIPS, **BODY_DRIPS}[kind]))
        with pytest.raises(ConnectionFailed, match="did not answer"):
            clients(timeout=LIMIT).models(root(server), key)

    at_once(("header", "early-hints", "body"), check)


def test_a_picture_that_drips_without_a_byte_of_it(listen: Any, clients: Any) -> None:
    def check(kind: str) -> None:
        server, client = listen(drip(*DRIPS[kind])), clients(timeout=LIMIT)
        with pytest.raises(NotSavedError, match=f"nothing of the picture came for {LIMIT} s") as it:
            fetch(client, f"http://127.0.0.1:{server.port}/a.png", io.BytesIO(), loopback=True)
        assert it.value.pace == "normal"
        assert server.count == 1

    at_once(DRIPS, check)


def test_a_picture_that_drips_over_a_connection_of_an_earlier_one(
    listen: Any, clients: Any, small_png: bytes
) -> None:
    def check(kind: str) -> None:
        dripping = drip(*DRIPS[kind])

        def talk(visit: Any) -> None:
            visit.head()
            visit.sock.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(small_png) + small_png)
            dripping(visit)

        # Time enough for the picture that does come.
        server, client = listen(talk), clients(timeout=3)
        url = f"http://127.0.0.1:{server.port}/a.png"
        fetch(client, url, io.BytesIO(), loopback=True)
        with pytest.raises(NotSavedError, match="nothing of the picture came for 3 s") as it:
            fetch(client, url, io.BytesIO(), loopback=True)
        assert it.value.pace == "normal"
        assert server.count == 1

    at_once(DRIPS, check)


@pytest.mark.parametrize("kind", ["status-line", "header", "headers", "early-hints", "nothing"])
def test_a_proxy_that_drips(
    listen: Any, clients: Any, wire: Any, key: str, monkeypatch: Any, kind: str
) -> None:
    proxy, told = listen(drip(*DRIPS[kind])), list[int]()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")

    def check(what: str) -> None:
        client = clients(timeout=LIMIT)
        if what == "call":
            with pytest.raises(
                ConnectionFailed, match=f"could not be reached: no answer within {LIMIT} s"
            ):
                client.generate(wire(FAR), key, on_ready=lambda: told.append(1))
            return
        with pytest.raises(NotSavedError, match=f"nothing of the picture came for {LIMIT} s") as it:
            fetch(client, "https://pictures.invalid/a.png", io.BytesIO(), loopback=False)
        assert it.value.pace == "normal"

    at_once(("call", "picture"), check)
    assert proxy.count == 2
    assert not told
    assert key.encode() not in proxy.seen


@pytest.mark.parametrize("reply", [b"", b"\x05\x00"])
def test_a_mute_socks_proxy(
    listen: Any, clients: Any, wire: Any, key: str, monkeypatch: Any, reply: bytes
) -> None:
    def talk(visit: Any) -> None:
        visit.sock.settimeout(ALWAYS)
        visit.take(3)
        visit.sock.sendall(reply)
        visit.drain()

    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{listen(talk).port}")

    def check(what: str) -> None:
        client = clients(timeout=LIMIT)
        if what == "call":
            with pytest.raises(ConnectionFailed, match=f"no answer within {LIMIT} s"):
                client.generate(wire(FAR), key)
            return
        with pytest.raises(NotSavedError, match=f"nothing of the picture came for {LIMIT} s"):
            fetch(client, "https://pictures.invalid/a.png", io.BytesIO(), loopback=False)

    at_once(("call", "picture"), check)


def test_every_call_has_a_deadline_of_its_own(
    listen: Any, client: Wire, wire: Any, key: str
) -> None:
    """A call that begins late is not ended with the one before, and none is forgotten."""
    dripping, begun = drip(*DRIPS["header"]), threading.Semaphore(0)

    def talk(visit: Any) -> None:
        begun.release()
        dripping(visit)

    server = listen(talk)

    def ask() -> float:
        began = time.monotonic()
        with pytest.raises(AnswerLost):
            client.generate(wire(root(server)), key)
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as threads:
        calls = []
        for _ in range(8):
            calls.append(threads.submit(ask))
            assert begun.acquire(timeout=ALWAYS)
        took = [call.result() for call in calls]
    assert min(took) >= 2 * LIMIT
    assert max(took) < ALWAYS / 2


def test_the_time_of_the_caller_is_not_the_services(
    listen: Any, clients: Any, wire: Any, key: str
) -> None:
    client = clients(timeout=1)
    server = listen(lambda visit: (visit.request(), visit.answer(BODY)))
    # Longer than connection and answer may take together.
    answer = client.generate(wire(root(server)), key, on_ready=lambda: time.sleep(2.5))
    assert answer.image_url == "https://a.invalid/b.png"


def test_nobody_waits_for_the_handshake_of_another(
    listen: Any, clients: Any, wire: Any, key: str, certificate: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    client, reached, end = clients(timeout=60), threading.Event(), threading.Event()

    def mute(visit: Any) -> None:
        visit.take(5)
        reached.set()
        end.wait(60)

    dead = listen(mute)
    server = listen(lambda visit: (visit.request(), visit.answer(BODY)), certificate[1])
    with ThreadPoolExecutor(1) as threads:
        stuck = threads.submit(client.generate, wire(root(dead, "https")), key)
        assert reached.wait(60)
        assert client.generate(wire(root(server, "https")), key).image_url
        assert not stuck.done()
        end.set()
        with pytest.raises(ConnectionFailed):
            stuck.result(60)


def test_where_no_thread_can_be_had_calls_are_made_all_the_same(
    zimage: Any, listen: Any, small_png: bytes
) -> None:
    """Only the time limit of each single read is left then."""

    def talk(visit: Any) -> None:
        head = visit.request()
        if head.startswith(b"GET /mute"):
            visit.drain()
        visit.answer(BODY if head.startswith(b"POST") else small_png)

    program = """
import io, sys, threading
from zimage_cli.api.wire import Wire
from zimage_cli.api.download import fetch
from zimage_cli.errors import NotSavedError
from zimage_cli.api.payload import generation_request
threading.stack_size(1 << 46)
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no thread")
root = sys.argv[1]
wire = generation_request(root, prompt="a", size="512*512", seed=1, prompt_extend=False)
with Wire(timeout=2) as client:
    print(client.generate(wire, "sk-0123456789abcdef").image_url)
    print(fetch(client, root, io.BytesIO(), loopback=True).info.width)
    try:
        fetch(client, root.replace("api", "mute"), io.BytesIO(), loopback=True)
    except NotSavedError as error:
        print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program, root(listen(talk))],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = run.stdout.splitlines()
    if said[0] != "no thread":
        pytest.skip("threads of any size can be had here")
    assert said[1:3] == ["https://a.invalid/b.png", "512"]
    assert "nothing of the picture came for 2 s" in said[3]


@pytest.mark.parametrize("times", [1, 100, 500, 2000])
def test_a_flood_of_early_hints_ends_at_the_deadline(
    listen: Any, client: Wire, wire: Any, key: str, times: int
) -> None:
    """They come faster than they are read: a socket that is shut still has something to give."""

    def flood(visit: Any) -> None:
        visit.head()
        with contextlib.suppress(OSError):
            while True:
                visit.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * times)

    server = listen(flood)
    began = time.monotonic()
    with pytest.raises(AnswerLost, match="no answer within"):
        client.generate(wire(root(server)), key)
    # Without an end the flood would go on for as long as it is read.
    assert time.monotonic() - began < ALWAYS / 2
