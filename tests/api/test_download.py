from __future__ import annotations

import hashlib
import io
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.api import limits
from zimage_cli.api.download import AddressOver, check_picture_url, fetch
from zimage_cli.api.retry import Policy, run
from zimage_cli.api.wire import Wire
from zimage_cli.errors import AddressRefused, NotSavedError, ZimageError
from zimage_cli.sandbox.faults import Fault

SECRET = "Signature=geheim%2bSecret"


@pytest.fixture
def made(sandbox: Any, client: Wire, wire: Any, key: str) -> Callable[..., tuple[Any, str]]:
    """Make a picture with a fault, and return the server and the picture's URL."""

    def make(*faults: Any, **config: Any) -> tuple[Any, str]:
        server = sandbox(**config)
        if faults:
            server.script(faults)
        return server, client.generate(wire(server.api_root), key).image_url

    return make


def get(client: Wire, url: str, file: Any = None, **options: Any) -> Any:
    return fetch(client, url, io.BytesIO() if file is None else file, loopback=True, **options)


def test_a_picture_arrives_byte_for_byte(made: Any, client: Wire, small_png: bytes) -> None:
    server, url = made()
    file, steps = io.BytesIO(b"what stood here before" * 1000), []
    fetched = get(client, url, file, on_progress=lambda done, total: steps.append((done, total)))
    assert file.getvalue() == small_png
    assert fetched.bytes == len(small_png)
    assert fetched.sha256 == hashlib.sha256(small_png).hexdigest()
    assert (fetched.info.width, fetched.info.height) == (512, 512)
    assert steps[0] == (0, len(small_png))
    assert steps[-1] == (len(small_png), len(small_png))
    [call] = server.books.pictures
    assert url == server.picture_origin + call.target
    assert call.headers["accept-encoding"] == "identity"
    for name in ("authorization", "cookie", "referer"):
        assert name not in call.headers


@pytest.mark.parametrize(
    "target",
    [
        "/a.png?Expires=1&Signature=a%2bB%2Fc%3d%3D",
        "/a.png?Signature=a+b/c==&x=%E7%8B%90&y='q'&z=(1)*!~",
        '/a.png?q="<>`{}|^[]',
        "/a%20b/%2e%2E/c.png?x=%%zz%",
        "/a.png?a?b?c=/d",
        "/a.png",
        "/?x",
        "//double//slash.png?x=1",
    ],
)
def test_the_target_goes_over_the_wire_as_it_stands(
    listen: Any, client: Wire, small_png: bytes, target: str
) -> None:
    server = listen(lambda visit: (visit.head(), visit.answer(small_png)))
    get(client, f"http://127.0.0.1:{server.port}{target}")
    assert server.seen.startswith(f"GET {target} HTTP/1.1\r\n".encode())


def test_cookies_of_the_host_are_not_kept(listen: Any, client: Wire, small_png: bytes) -> None:
    server = listen(
        lambda visit: (visit.head(), visit.answer(small_png, "200 OK", "Set-Cookie: a=b"))
    )
    for _ in range(2):
        get(client, f"http://127.0.0.1:{server.port}/a.png")
    assert server.count == 2
    assert b"cookie:" not in server.seen.lower()


# -- addresses ---------------------------------------------------------------------------------

NEVER = [
    "file:///etc/passwd",
    "ftp://host/a.png",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "//host/a.png",
    "/a.png",
    "a.png",
    "",
    "https://",
    "https:///a.png",
    "https://user@host/a.png",
    "https://user:word@host/a.png",
    "https://@host/a.png",
    "https://host:port/a.png",
    "https://host:99999/a.png",
    "https://[::1/a.png",
    "https://ho st/a.png",
    "https://host/a b.png",
    "https://host\\@other/a.png",
    "https://host/a.png\r\nX: y",
    " https://host/a.png",
    "https://host/\x00",
    "http://host/a.png",
    "http://10.0.0.1/a.png",
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1.evil.example/a.png",
    "http://localhost.evil.example/a.png",
    "http://127.1/a.png",
    "http://2130706433/a.png",
    "http://[::ffff:10.0.0.1]/a.png",
]


@pytest.mark.parametrize("url", NEVER)
def test_addresses_that_are_never_fetched(client: Wire, url: str) -> None:
    for loopback in (True, False):
        with pytest.raises(AddressRefused) as caught:
            check_picture_url(f"{url}?{SECRET}", loopback=loopback)
        assert caught.value.pace is None
        assert "geheim" not in caught.value.message
    with pytest.raises(AddressRefused):
        get(client, url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10:80", "localhost", "[::1]:8080"])
def test_http_is_for_loopback_from_loopback_alone(host: str) -> None:
    check_picture_url(f"http://{host}/a.png", loopback=True)
    check_picture_url("https://any.example/a.png", loopback=True)
    check_picture_url("https://any.example/a.png", loopback=False)
    with pytest.raises(NotSavedError):
        check_picture_url(f"http://{host}/a.png", loopback=False)


# What a header can say, and what is no place on the same host.
REDIRECTS = [url for url in NEVER if ":" in url and url.isprintable() and url == url.strip()]


@pytest.mark.parametrize("url", [*REDIRECTS, "//user@host/a.png"])
def test_no_redirect_leads_where_no_picture_may_come_from(
    listen: Any, client: Wire, url: str
) -> None:
    server = listen(
        lambda visit: (visit.head(), visit.answer(b"", "302 Found", f"Location: {url}"))
    )
    with pytest.raises(NotSavedError) as caught:
        get(client, f"http://127.0.0.1:{server.port}/a.png?{SECRET}")
    # The address that the service gave may lead somewhere else the next time.
    assert not isinstance(caught.value, AddressRefused)
    assert server.count == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("relative", [True, False])
def test_a_redirect_is_followed(
    listen: Any, client: Wire, small_png: bytes, status: int, relative: bool
) -> None:
    def talk(visit: Any) -> None:
        if b"GET /a.png?x=%2f " in visit.head():
            origin = "" if relative else f"http://127.0.0.1:{server.port}"
            visit.answer(b"", f"{status} Moved", f"Location: {origin}/b.png?y=%2f%2F")
        else:
            visit.answer(small_png)

    server = listen(talk)
    assert get(client, f"http://127.0.0.1:{server.port}/a.png?x=%2f").bytes == len(small_png)
    assert b"GET /b.png?y=%2f%2F HTTP/1.1\r\n" in server.seen
    assert b"referer" not in server.seen.lower()


@pytest.mark.parametrize("answer", [("304 Not Modified", ()), ("300 Multiple Choices", ())])
@pytest.mark.parametrize("location", [True, False])
def test_other_answers_of_the_300s_are_errors(
    listen: Any, client: Wire, answer: Any, location: bool
) -> None:
    lines = ["Location: /b.png"] if location else []
    server = listen(lambda visit: (visit.head(), visit.answer(b"", answer[0], *lines)))
    with pytest.raises(NotSavedError, match=answer[0][:3]):
        get(client, f"http://127.0.0.1:{server.port}/a.png")
    assert server.count == 1


@pytest.mark.parametrize("hops", [0, 1, 4])
def test_up_to_five_redirects(made: Any, client: Wire, small_png: bytes, hops: int) -> None:
    # The sandbox redirects once to its first hop, and from each hop to the next.
    server, url = made(Fault("picture-redirect", hops=hops + 1))
    assert get(client, url).bytes == len(small_png)
    assert len(server.books.pictures) == hops + 2


def test_a_sixth_redirect_is_not_followed(made: Any, client: Wire) -> None:
    for fault in (Fault("picture-redirect", hops=6), Fault("picture-redirect-loop")):
        server, url = made(fault)
        with pytest.raises(NotSavedError, match="redirected more than 5 times") as caught:
            get(client, url)
        assert caught.value.pace is None
        assert len(server.books.pictures) == limits.MAX_REDIRECTS + 1


def test_a_foreign_picture_is_not_fetched(made: Any, client: Wire) -> None:
    server, url = made("foreign-url")
    with pytest.raises(NotSavedError, match="https only"):
        get(client, url)
    assert not server.books.pictures


# -- faults ------------------------------------------------------------------------------------

PASSING = {
    "picture-cut": "broke off",
    "picture-cut-chunked": "broke off",
    "picture-reset": "broke off",
    "picture-corrupt": "no sound PNG",
    "picture-undecodable": "no sound PNG",
    "picture-truncated": "no sound PNG",
    "picture-html": "no sound PNG",
    "picture-jpeg": "no sound PNG",
    "picture-empty": "no sound PNG",
    "picture-404": "HTTP 404",
    "picture-500": "HTTP 500",
    "picture-503": "HTTP 503",
}
FINAL = {
    "picture-expired": "HTTP 403",
    "picture-too-large": "larger than 64 MiB",
    "picture-redirect-loop": "redirected",
}


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes(made: Any, client: Wire, small_png: bytes, kind: str) -> None:
    server, url = made(Fault(kind, count=2))
    file, sizes = io.BytesIO(), []

    def attempt() -> Any:
        sizes.append(len(file.getvalue()))
        return get(client, url, file)

    fetched = run(attempt, Policy(4), sleep=lambda _: None)
    assert file.getvalue() == small_png
    assert fetched.sha256 == hashlib.sha256(small_png).hexdigest()
    assert len(sizes) == len(server.books.pictures) == 3
    assert server.books.post_count == 1


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_stays(made: Any, client: Wire, kind: str) -> None:
    server, url = made(kind)
    with pytest.raises(NotSavedError, match=PASSING[kind]) as caught:
        run(lambda: get(client, url), Policy(4), sleep=lambda _: None)
    assert caught.value.pace == "normal"
    assert len(server.books.pictures) == 5
    assert server.books.post_count == 1


@pytest.mark.parametrize("kind", FINAL)
def test_a_fault_that_no_second_try_cures(made: Any, client: Wire, kind: str) -> None:
    server, url = made(kind)
    with pytest.raises(NotSavedError, match=FINAL[kind]):
        run(lambda: get(client, url), Policy(4), sleep=lambda _: None)
    expected = 1 + limits.MAX_REDIRECTS if kind == "picture-redirect-loop" else 1
    assert len(server.books.pictures) == expected


def test_more_than_64_mib_are_not_taken_even_unannounced(
    listen: Any, client: Wire, small_png: bytes
) -> None:
    """The whole of a good picture, and then bytes without end."""
    step = bytes(1 << 20)

    def talk(visit: Any) -> None:
        visit.head()
        visit.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + small_png)
        for _ in range(80):
            visit.sock.sendall(step)

    server = listen(talk)

    class Counting(io.RawIOBase):
        taken = 0

        def write(self, data: Any) -> int:
            self.taken += len(data)
            return len(data)

        def seek(self, *_: Any) -> int:
            return 0

        def truncate(self, *_: Any) -> int:
            return 0

    file = Counting()
    with pytest.raises(NotSavedError, match="larger than 64 MiB") as caught:
        get(client, f"http://127.0.0.1:{server.port}/a.png", file)
    assert caught.value.pace is None
    assert file.taken <= limits.PICTURE_MAX_BYTES


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1e3", ""])
def test_odd_lengths_are_typed_errors(
    listen: Any, client: Wire, small_png: bytes, length: str
) -> None:
    server = listen(
        lambda visit: (visit.head(), visit.answer(small_png, "200 OK", f"Content-Length: {length}"))
    )
    with pytest.raises(NotSavedError):
        get(client, f"http://127.0.0.1:{server.port}/a.png")


def test_bytes_behind_the_end_are_kept(made: Any, client: Wire, small_png: bytes) -> None:
    _, url = made("picture-trailing")
    file = io.BytesIO()
    assert get(client, url, file).bytes == len(file.getvalue()) > len(small_png)
    assert file.getvalue().startswith(small_png)


def test_a_slow_picture_comes_whole(made: Any, client: Wire, small_png: bytes) -> None:
    _, url = made(Fault("picture-slow", seconds=0.2))
    steps: list[int] = []
    assert get(client, url, on_progress=lambda done, _: steps.append(done)).bytes == len(small_png)
    assert len(steps) > 5
    assert steps == sorted(steps)


def test_a_host_that_is_gone(client: Wire, dead_port: int) -> None:
    with pytest.raises(NotSavedError, match="broke off") as caught:
        get(client, f"http://127.0.0.1:{dead_port}/a.png?{SECRET}")
    assert caught.value.pace == "normal"
    assert "geheim" not in caught.value.message


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".invalid", "no-such.invalid", "xn--a.invalid", "ü.invalid"]
)
def test_a_host_that_no_resolver_knows(client: Wire, host: str) -> None:
    with pytest.raises(NotSavedError):
        get(client, f"https://{host}/a.png")


def test_a_disk_that_is_full_is_the_callers_affair(made: Any, client: Wire) -> None:
    _, url = made()
    with Path("/dev/full").open("r+b", buffering=0) as full:

        class Full(io.RawIOBase):
            def write(self, data: Any) -> int:
                return full.write(data)

            def seek(self, *_: Any) -> int:
                return 0

            def truncate(self, *_: Any) -> int:
                return 0

        with pytest.raises(OSError, match="No space left") as caught:
            get(client, url, Full())
    assert not isinstance(caught.value, ZimageError)


# -- TLS and proxies ---------------------------------------------------------------------------


def test_https_with_a_certificate_that_nobody_trusts(
    listen: Any, client: Wire, small_png: bytes, certificate: Any
) -> None:
    server = listen(lambda visit: (visit.head(), visit.answer(small_png)), certificate[1])
    with pytest.raises(NotSavedError, match="certificate"):
        get(client, f"https://127.0.0.1:{server.port}/a.png?{SECRET}")
    assert b"geheim" not in server.seen


def test_a_picture_through_an_http_proxy(
    listen: Any, client: Wire, small_png: bytes, certificate: Any, monkeypatch: Any
) -> None:
    """The proxy gets a CONNECT for the host; path and signature stay inside the tunnel."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = listen(lambda visit: (visit.head(), visit.answer(small_png)), certificate[1])

    def tunnel(visit: Any) -> None:
        heads.append(visit.head())
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as inner:
            visit.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(inner, visit.sock))
            back.start()
            pump(visit.sock, inner)
            back.join()

    heads: list[bytes] = []
    proxy = listen(tunnel)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    url = f"https://pictures.invalid/a.png?{SECRET}&x='<>'"
    file = io.BytesIO()
    fetch(client, url, file, loopback=False)
    assert file.getvalue() == small_png
    [head] = heads
    assert head.startswith(b"CONNECT pictures.invalid:443 HTTP/1.1\r\nHost: pictures.invalid:443")
    assert b"geheim" not in head
    assert (
        f"GET /a.png?{SECRET}&x='<>' HTTP/1.1\r\nHost: pictures.invalid\r\n".encode() in server.seen
    )


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_proxy_that_talks_nonsense_is_a_broken_download(listen: Any, monkeypatch: Any) -> None:
    for scheme in ("socks5", "http"):
        proxy = listen(
            lambda visit: (visit.take(3), visit.sock.sendall(b"\x05\x77nonsense\r\n\r\n"))
        )
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        with Wire(timeout=5) as fresh, pytest.raises(NotSavedError, match="broke off"):
            fetch(fresh, "https://pictures.invalid/a.png", io.BytesIO(), loopback=False)
        assert proxy.count == 1


def test_loopback_pictures_are_asked_for_directly(
    made: Any, listen: Any, client: Wire, monkeypatch: Any
) -> None:
    proxy = listen(lambda visit: visit.drain())
    for name in ("ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    _, url = made()
    get(client, url)
    assert proxy.count == 0


def test_tls_context_is_the_systems() -> None:
    from zimage_cli.api.wire import tls_context

    context = tls_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


XML = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>'


@pytest.mark.parametrize(
    ("body", "over"),
    [
        (XML % (b"AccessDenied", b"Request has expired."), True),
        (XML % (b"SignatureDoesNotMatch", b"The request signature does not match."), True),
        # A policy may let others in, or the same later.
        (XML % (b"AccessDenied", b"You have no right to access this object."), False),
        (XML % (b"UserDisable", b"UserDisable"), False),
        (b"<html>Request has expired</html>", False),
        (b"", False),
        (b" " * 1_000_000 + XML % (b"SignatureDoesNotMatch", b""), False),
    ],
)
def test_only_storage_itself_says_that_an_address_is_over(
    listen: Any, client: Wire, body: bytes, over: bool
) -> None:
    server = listen(lambda visit: (visit.head(), visit.answer(body, "403 Forbidden")))
    with pytest.raises(NotSavedError, match="answered HTTP 403") as caught:
        get(client, f"http://127.0.0.1:{server.port}/x.png")
    assert isinstance(caught.value, AddressOver) == over
    assert ("or a proxy before it" in caught.value.message) != over
    assert (caught.value.pace, caught.value.http_status) == (None, 403)
