"""Everything that waits is ended from another thread."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from zimage_cli.api.download import fetch
from zimage_cli.api.lines import KEPT, Pool
from zimage_cli.api.wire import Wire, open_pool
from zimage_cli.errors import Stopped

FAR = "https://api.invalid/api/v1"
BODY = json.dumps(
    {"output": {"choices": [{"message": {"content": [{"image": "https://a.invalid/b.png"}]}}]}}
).encode()
SOON = 30.0
"""Seconds. Far below the timeout of 60 s that every client here has, for a machine under load."""


@pytest.fixture
def client(clients: Callable[..., Wire]) -> Wire:
    return clients(timeout=60)


@pytest.fixture
def start() -> Iterator[Callable[..., Future[Any]]]:
    """Call in a thread of its own."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


class Mute:
    """A server's script: do the first part, tell, and say nothing until the visitor is gone."""

    def __init__(self, *first: Callable[[Any], object]) -> None:
        self.first = first
        self.reached = threading.Event()
        self.gone = threading.Event()

    def __call__(self, visit: Any) -> None:
        visit.sock.settimeout(60)
        for step in self.first:
            step(visit)
        self.reached.set()
        visit.drain()
        self.gone.set()


def root(server: Any, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/api/v1"


def ends(client: Wire, call: Future[Any], mute: Mute) -> None:
    """Cancel once the server is silent: the call is stopped at once, and its connection closed."""
    assert mute.reached.wait(SOON)
    assert not call.done()
    assert not client.cancelled
    client.cancel()
    with pytest.raises(Stopped):
        call.result(SOON)
    assert client.cancelled
    assert mute.gone.wait(SOON)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
PHASES: dict[str, Callable[[Any], object]] = {
    "status": lambda visit: None,
    "header": lambda visit: visit.sock.sendall(HEAD),
    "body": lambda visit: visit.sock.sendall(HEAD + b"Content-Length: 999\r\n\r\n\x89PNG"),
    "endless-body": lambda visit: visit.sock.sendall(HEAD + b"\r\n\x89PNG"),
    "chunk": lambda visit: visit.sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{"),
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("phase", PHASES)
def test_a_call_that_was_sent(
    listen: Any,
    client: Wire,
    wire: Any,
    key: str,
    start: Any,
    certificate: Any,
    monkeypatch: Any,
    phase: str,
    tls: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    mute, left = Mute(lambda visit: visit.request(), PHASES[phase]), []
    server = listen(mute, certificate[1] if tls else None)
    request = wire(root(server, "https" if tls else "http"))
    call = start(client.generate, request, key, on_sent=lambda: left.append(1))
    ends(client, call, mute)
    # The caller knows by this that it may be billed.
    assert left == [1]
    assert request.body in server.seen


def test_the_read_only_call(listen: Any, client: Wire, key: str, start: Any) -> None:
    mute = Mute(lambda visit: visit.request())
    server = listen(mute)
    ends(client, start(client.models, root(server), key), mute)
    assert server.count == 1
    assert server.seen.startswith(b"GET /api/v1/models")


@pytest.mark.parametrize("phase", PHASES)
def test_a_download(listen: Any, client: Wire, start: Any, phase: str) -> None:
    mute = Mute(lambda visit: visit.head(), PHASES[phase])
    server, file = listen(mute), io.BytesIO()
    url = f"http://127.0.0.1:{server.port}/a.png"
    ends(client, start(fetch, client, url, file, loopback=True), mute)
    assert server.count == 1
    assert server.seen.startswith(b"GET /a.png")


@pytest.mark.parametrize("phase", PHASES)
def test_a_download_over_a_connection_of_an_earlier_one(
    listen: Any, client: Wire, start: Any, small_png: bytes, phase: str
) -> None:
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(small_png) + small_png
    mute = Mute(
        lambda visit: visit.head(),
        lambda visit: visit.sock.sendall(whole),
        lambda visit: visit.head(),
        PHASES[phase],
    )
    server = listen(mute)
    url = f"http://127.0.0.1:{server.port}/a.png"
    fetch(client, url, io.BytesIO(), loopback=True)
    ends(client, start(fetch, client, url, io.BytesIO(), loopback=True), mute)
    assert server.count == 1


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_call_whose_proxy_is_mute(
    listen: Any,
    client: Wire,
    wire: Any,
    key: str,
    start: Any,
    monkeypatch: Any,
    scheme: str,
) -> None:
    mute, told = Mute(lambda visit: visit.take(3)), []
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{listen(mute).port}")
    call = start(
        client.generate,
        wire(FAR),
        key,
        on_ready=lambda: told.append("ready"),
        on_sent=lambda: told.append("sent"),
    )
    ends(client, call, mute)
    assert told == []


def test_what_has_not_left_does_not_leave(
    listen: Any, client: Wire, wire: Any, key: str, start: Any
) -> None:
    mute, told = Mute(), []
    server = listen(mute)

    def ready() -> None:
        told.append("ready")
        client.cancel()

    with pytest.raises(Stopped):
        client.generate(
            wire(root(server)), key, on_ready=ready, on_sent=lambda: told.append("sent")
        )
    assert told == ["ready"]
    assert mute.gone.wait(SOON)
    assert server.seen == b""


def test_a_call_that_still_connects_goes_no_further(
    listen: Any,
    client: Wire,
    wire: Any,
    key: str,
    start: Any,
    certificate: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    reached, cancelled, told = threading.Event(), threading.Event(), []

    def talk(visit: Any) -> None:
        visit.sock.recv(1, socket.MSG_PEEK)
        reached.set()
        assert cancelled.wait(SOON)
        visit.sock = certificate[1].wrap_socket(visit.sock, server_side=True)
        visit.drain()

    server = listen(talk)
    call = start(
        client.generate, wire(root(server, "https")), key, on_ready=lambda: told.append("ready")
    )
    assert reached.wait(SOON)
    client.cancel()
    cancelled.set()
    with pytest.raises(Stopped):
        call.result(SOON)
    assert told == []
    assert server.seen == b""


def test_nothing_begins_after_it(
    sandbox: Any, listen: Any, client: Wire, wire: Any, key: str, start: Any
) -> None:
    server, ready = listen(Mute()), []
    client.cancel()
    client.cancel()
    for ask in (
        lambda: client.generate(wire(root(server)), key, on_ready=lambda: ready.append(1)),
        lambda: client.models(root(server), key),
        lambda: fetch(client, root(server), io.BytesIO(), loopback=True),
        lambda: client.sleep(60),
        lambda: client.sleep(0),
    ):
        with pytest.raises(Stopped):
            ask()
    assert server.count == 0
    assert not ready


def test_an_answer_that_has_arrived_is_given(
    listen: Any, client: Wire, wire: Any, key: str
) -> None:
    answered = threading.Event()
    server = listen(lambda visit: (visit.request(), visit.answer(BODY), answered.set()))

    def sent() -> None:
        assert answered.wait(SOON)
        client.cancel()

    answer = client.generate(wire(root(server)), key, on_sent=sent)
    assert answer.image_url == "https://a.invalid/b.png"


def test_sixteen_calls_at_once(listen: Any, client: Wire, wire: Any, key: str) -> None:
    reached = threading.Semaphore(0)

    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        visit.request()
        reached.release()
        visit.drain()

    server = listen(talk)
    with ThreadPoolExecutor(16) as threads:
        calls = [threads.submit(client.generate, wire(root(server)), key) for _ in range(16)]
        for _ in calls:
            assert reached.acquire(timeout=SOON)
        client.cancel()
        for call in calls:
            with pytest.raises(Stopped):
                call.result(SOON)


def test_a_sleep(client: Wire, start: Any) -> None:
    began = time.monotonic()
    client.sleep(0.05)
    assert time.monotonic() - began >= 0.05
    asleep = [start(client.sleep, 60) for _ in range(3)]
    client.cancel()
    for call in asleep:
        with pytest.raises(Stopped):
            call.result(SOON)


def test_a_flood_does_not_outlast_a_cancel(listen: Any, clients: Any, wire: Any, key: str) -> None:
    client, flooding = clients(timeout=300), threading.Event()

    def flood(visit: Any) -> None:
        visit.head()
        with contextlib.suppress(OSError):
            while True:
                visit.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500)
                flooding.set()

    server = listen(flood)
    threading.Thread(target=lambda: (flooding.wait(60), client.cancel()), daemon=True).start()
    with pytest.raises(Stopped):
        client.generate(wire(root(server)), key)


def keeping(png: bytes) -> Callable[[Any], None]:
    """Give the picture for every request, and keep the connection open for the next."""

    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        while visit.head():
            visit.sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(png) + png)

    return talk


def get(client: Wire, server: Any) -> None:
    fetch(client, f"http://127.0.0.1:{server.port}/a.png", io.BytesIO(), loopback=True)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with open_pool() as shared:
        yield shared


def test_a_wire_that_shares_its_pool_ends_nothing_of_another(
    listen: Any, clients: Any, pool: Pool, wire: Any, key: str, start: Any, small_png: bytes
) -> None:
    ours, theirs = clients(timeout=60, pool=pool), clients(timeout=60, pool=pool)
    mute, asked, go = Mute(lambda visit: visit.request()), threading.Event(), threading.Event()

    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        visit.request()
        asked.set()
        assert go.wait(60)
        visit.answer(BODY)

    call = start(ours.generate, wire(root(listen(mute))), key)
    other = start(theirs.generate, wire(root(listen(talk))), key)
    asleep = start(theirs.sleep, 60)
    assert asked.wait(SOON)
    ends(ours, call, mute)
    assert not theirs.cancelled
    assert not other.done()
    go.set()
    assert other.result(SOON).image_url == "https://a.invalid/b.png"
    # Nor is anything ended that begins later.
    get(theirs, listen(keeping(small_png)))
    assert not asleep.done()
    theirs.cancel()
    with pytest.raises(Stopped):
        asleep.result(SOON)


def test_the_next_run_takes_the_connections_of_the_one_before(
    listen: Any, pool: Pool, small_png: bytes
) -> None:
    server = listen(keeping(small_png))
    for _ in range(3):
        with Wire(timeout=60, pool=pool) as one:
            get(one, server)
            get(one, server)
    assert server.count == 1
    pool.close()
    assert wait_until(lambda: ended(server.visits[0]))
    with Wire(timeout=60, pool=pool) as one:
        # A pool that is closed keeps nothing.
        get(one, server)
    assert server.count == 2
    assert wait_until(lambda: ended(server.visits[1]))


def test_a_wide_run_leaves_a_pool_no_more_than_it_keeps(
    listen: Any, pool: Pool, small_png: bytes
) -> None:
    width, together = KEPT + 6, threading.Barrier(KEPT + 6)

    def talk(visit: Any) -> None:
        visit.sock.settimeout(60)
        visit.head()
        together.wait(60)
        visit.sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(small_png) + small_png)
        visit.drain()

    server = listen(talk)
    with Wire(timeout=60, pool=pool, connections=width) as one:
        with ThreadPoolExecutor(width) as threads:
            for call in [threads.submit(get, one, server) for _ in range(width)]:
                call.result(60)
        assert not [visit for visit in server.visits if ended(visit)]
    assert wait_until(lambda: sum(ended(visit) for visit in server.visits) == 6)


def test_what_a_cancel_has_shut_is_not_used_again(
    listen: Any, pool: Pool, small_png: bytes
) -> None:
    server, cancelled, failed = listen(keeping(small_png)), list[int](), list[Exception]()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            with Wire(timeout=60, pool=pool) as one:
                waker = threading.Timer(0.005, one.cancel)
                waker.start()
                try:
                    while True:
                        get(one, server)
                except Stopped:
                    cancelled.append(1)
                except Exception as error:  # noqa: BLE001
                    failed.append(error)
                waker.join()

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for thread in asking:
        thread.start()
    with Wire(timeout=60, pool=pool) as steady:
        for _ in range(60):
            get(steady, server)
    done.set()
    for thread in asking:
        thread.join(60)
    assert failed == []
    assert cancelled


def ended(visit: Any) -> bool:
    """Tell whether the visitor has closed its side: then the listener has closed its own."""
    return bool(visit.sock.fileno() < 0)


def wait_until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()
