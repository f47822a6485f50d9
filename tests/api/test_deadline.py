"""No other side can hold a call for longer than it was told to wait."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
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
FEW = 20.0
"""Seconds, for a machine under load; every deadline here is of two seconds or less."""

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


@pytest.fixture
def client(clients: Callable[..., Wire]) -> Wire:
    return clients(timeout=1)


def drip(prefix: bytes, piece: bytes) -> Callable[[Any], None]:
    """Return a server's script: after a head a beginning, then a piece 20 times a second."""

    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        visit.head()
        visit.sock.settimeout(0.05)
        visit.sock.sendall(prefix)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            visit.sock.sendall(piece)
            if visit.gone():
                return

    return talk


def root(server: Any, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/api/v1"


@pytest.fixture
def soon() -> Any:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < FEW


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", [*DRIPS, *BODY_DRIPS])
def test_an_answer_that_drips(listen: Any, client: Wire, wire: Any, key: str, kind: str) -> None:
    server = listen(drip(*{**DRIPS, **BODY_DRIPS}[kind]))
    with pytest.raises(AnswerLost, match="no answer within 1 s"):
        client.generate(wire(root(server)), key)
    assert server.count == 1


@pytest.mark.usefixtures("soon")
def test_an_answer_that_drips_in_tls(
    listen: Any, client: Wire, wire: Any, key: str, certificate: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = listen(drip(*DRIPS["header"]), certificate[1])
    with pytest.raises(AnswerLost, match="no answer within 1 s"):
        client.generate(wire(root(server, "https")), key)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", ["header", "early-hints", "body"])
def test_a_check_that_drips(listen: Any, client: Wire, key: str, kind: str) -> None:
    server = listen(drip(*{**DRIPS, **BODY_DRIPS}[kind]))
    with pytest.raises(ConnectionFailed, match="did not answer"):
        client.models(root(server), key)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", DRIPS)
def test_a_picture_that_drips_without_a_byte_of_it(listen: Any, client: Wire, kind: str) -> None:
    server = listen(drip(*DRIPS[kind]))
    with pytest.raises(NotSavedError, match="nothing of the picture came for 1 s") as caught:
        fetch(client, f"http://127.0.0.1:{server.port}/a.png", io.BytesIO(), loopback=True)
    assert caught.value.pace == "normal"
    assert server.count == 1


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", DRIPS)
def test_a_picture_that_drips_over_a_connection_of_an_earlier_one(
    listen: Any, client: Wire, small_png: bytes, kind: str
) -> None:
    dripping = drip(*DRIPS[kind])

    def talk(visit: Any) -> None:
        visit.head()
        visit.sock.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(small_png) + small_png)
        dripping(visit)

    server = listen(talk)
    url = f"http://127.0.0.1:{server.port}/a.png"
    fetch(client, url, io.BytesIO(), loopback=True)
    with pytest.raises(NotSavedError, match="nothing of the picture came for 1 s") as caught:
        fetch(client, url, io.BytesIO(), loopback=True)
    assert caught.value.pace == "normal"
    assert server.count == 1


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", ["status-line", "header", "headers", "early-hints", "nothing"])
def test_a_proxy_that_drips(
    listen: Any, client: Wire, wire: Any, key: str, monkeypatch: Any, kind: str
) -> None:
    proxy, told = listen(drip(*DRIPS[kind])), []
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectionFailed, match="could not be reached: no answer within 1 s"):
        client.generate(wire(FAR), key, on_ready=lambda: told.append(1))
    with pytest.raises(NotSavedError, match="nothing of the picture came for 1 s") as caught:
        fetch(client, "https://pictures.invalid/a.png", io.BytesIO(), loopback=False)
    assert caught.value.pace == "normal"
    assert proxy.count == 2
    assert not told
    assert key.encode() not in proxy.seen


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("reply", [b"", b"\x05\x00"])
def test_a_mute_socks_proxy(
    listen: Any, client: Wire, wire: Any, key: str, monkeypatch: Any, reply: bytes
) -> None:
    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        visit.take(3)
        visit.sock.sendall(reply)
        visit.drain()

    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{listen(talk).port}")
    with pytest.raises(ConnectionFailed, match="no answer within 1 s"):
        client.generate(wire(FAR), key)
    with pytest.raises(NotSavedError, match="nothing of the picture came for 1 s"):
        fetch(client, "https://pictures.invalid/a.png", io.BytesIO(), loopback=False)


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
            assert begun.acquire(timeout=FEW)
        took = [call.result() for call in calls]
    assert min(took) >= 2
    assert max(took) < FEW


def test_the_time_of_the_caller_is_not_the_services(
    listen: Any, clients: Any, wire: Any, key: str
) -> None:
    client = clients(timeout=0.5)
    server = listen(lambda visit: (visit.request(), visit.answer(BODY)))
    # Twice as long as the service has.
    answer = client.generate(wire(root(server)), key, on_ready=lambda: time.sleep(2))
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
        assert reached.wait(FEW)
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
with Wire(timeout=1) as client:
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
    assert "nothing of the picture came for 1 s" in said[3]


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
    assert time.monotonic() - began < FEW
