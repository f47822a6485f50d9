from __future__ import annotations

import json
import ssl
import struct
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_in import kept_port

from zimage_cli.api import limits
from zimage_cli.api.retry import Policy, Wait, run
from zimage_cli.api.wire import Wire
from zimage_cli.errors import (
    AnswerLost,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    QuotaError,
    RefusedError,
    ServiceError,
    ThrottledError,
    ZimageError,
)
from zimage_cli.sandbox.faults import ERRORS, Fault

PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
FAR = "https://api.invalid/api/v1"


def generate(
    client: Wire, request: Any, key: str, policy: Policy | None = None, **more: Any
) -> Any:
    """Ask as the job does, with waits that cost nothing."""
    return run(
        lambda: client.generate(request, key),
        policy or Policy(wait_base=0.01),
        sleep=lambda _: None,
        **more,
    )


def whole_text(error: BaseException) -> str:
    """Everything that an error could show to anyone."""
    return "\n".join(
        [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    )


# -- a call that goes well ---------------------------------------------------------------------


def test_one_call(sandbox: Any, client: Wire, wire: Any, key: str) -> None:
    server, left = sandbox(), []
    answer = client.generate(wire(server.api_root), key, on_sent=lambda: left.append(1))
    [post] = server.books.posts
    assert answer.request_id == post.request_id
    assert answer.image_url == server.books.billed[0].url
    assert (answer.width, answer.height, answer.text) == (512, 512, "a red fox")
    assert left == [1]
    assert post.key == key
    assert post.body == wire(server.api_root).body
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"].startswith("zimage-cli/")
    assert "cookie" not in post.headers
    assert "x-dashscope-async" not in post.headers
    assert answer.image_url.startswith(server.picture_origin)
    assert not server.books.pictures


def test_a_rewritten_prompt_and_its_reasoning(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    server.script("ok", "reasoning-in-content")
    for _ in range(2):
        answer = client.generate(wire(server.api_root, extend=True), key)
        assert answer.rewritten_prompt(prompt_extend=True) not in {None, "a red fox"}
        assert answer.reasoning


def test_one_client_serves_many_threads(sandbox: Any, client: Wire, wire: Any, key: str) -> None:
    server, found, errors = sandbox(), [], []

    def ask() -> None:
        try:
            found.extend(client.generate(wire(server.api_root), key).request_id for _ in range(5))
        except ZimageError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(found)) == 40 == server.books.post_count


def test_a_picture_beside_a_code_is_a_picture(
    listen: Any, client: Wire, wire: Any, key: str
) -> None:
    message = {"content": [{"image": "https://h.invalid/a.png"}]}
    body = {"code": "Success", "message": "", "output": {"choices": [{"message": message}]}}
    server = listen(lambda visit: (visit.request(), visit.answer(json.dumps(body).encode())))
    root = f"http://127.0.0.1:{server.port}/api/v1"
    assert client.generate(wire(root), key).image_url == "https://h.invalid/a.png"


def test_the_client_is_prepared_and_closed_at_any_time(clients: Any) -> None:
    for _ in range(5):
        client = clients()
        thread = threading.Thread(target=client.prepare, args=(FAR,), kwargs={"pictures": True})
        thread.start()
        client.close()
        thread.join(60)
        assert not thread.is_alive()
        client.close()


# -- errors that the service answers -----------------------------------------------------------


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_every_documented_error(sandbox: Any, client: Wire, wire: Any, key: str, code: str) -> None:
    server = sandbox()
    server.script(*[code] * 10)
    with pytest.raises(ZimageError) as caught:
        generate(client, wire(server.api_root), key)
    error = caught.value
    assert (error.code, error.http_status) == (code, ERRORS[code][0])
    assert error.service_message == ERRORS[code][1]
    assert error.request_id == server.books.posts[-1].request_id
    tries = {None: 1, "quota": 1 + limits.QUOTA_RETRIES}.get(error.pace, 5)
    assert server.books.post_count == tries
    assert server.books.billed_count == 0


@pytest.mark.parametrize(
    "kind", ["html-502", "html-503", "html-504", "empty-502", "empty-503", "empty-504"]
)
def test_a_gateway_in_trouble_is_asked_again(
    sandbox: Any, client: Wire, wire: Any, key: str, kind: str
) -> None:
    server = sandbox()
    server.script(kind, kind)
    assert generate(client, wire(server.api_root), key).request_id
    assert server.books.post_count == 3
    server.script(*[kind] * 5)
    with pytest.raises(ServiceError) as caught:
        generate(client, wire(server.api_root), key)
    assert not caught.value.maybe_billed
    assert server.books.post_count == 3 + 5


@pytest.mark.parametrize(
    "kind",
    [
        *("empty-500", "empty-200", "html-200", "not-json", "json-list"),
        *("no-choices", "no-image", "no-output"),
    ],
)
def test_an_answer_that_may_have_been_billed_is_not_asked_for_again(
    sandbox: Any, client: Wire, wire: Any, key: str, kind: str
) -> None:
    server = sandbox()
    server.script(kind)
    with pytest.raises(ServiceError) as caught:
        generate(client, wire(server.api_root), key, Policy(4, retry_lost=True))
    assert caught.value.maybe_billed
    assert server.books.post_count == 1


def test_an_error_in_a_200_is_what_its_code_says(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    server.script("error-in-200")
    with pytest.raises(RefusedError) as caught:
        generate(client, wire(server.api_root), key)
    assert (caught.value.code, caught.value.http_status) == ("DataInspectionFailed", 200)


def test_the_code_decides_between_quota_and_permission(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    server.script("AllocationQuota.FreeTierOnly", "AccessDenied")
    with pytest.raises(QuotaError):
        generate(client, wire(server.api_root), key)
    with pytest.raises(AuthenticationError):
        generate(client, wire(server.api_root), key)


def test_retry_after_reaches_the_wait(sandbox: Any, client: Wire, wire: Any, key: str) -> None:
    server, waits = sandbox(), list[Wait]()
    server.script(
        Fault("Throttling", retry_after="3"),
        Fault("html-503", retry_after="11"),
        Fault("InternalError", retry_after="nonsense"),
    )
    generate(client, wire(server.api_root), key, on_wait=waits.append)
    assert [wait.seconds for wait in waits[:2]] == [3.0, 11.0]
    server.script(Fault("Throttling", retry_after="121"))
    with pytest.raises(ThrottledError):
        generate(client, wire(server.api_root), key)
    assert server.books.post_count == 5


def test_the_hostile_texts_of_an_error_are_passed_on_and_nothing_breaks(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    server.script("hostile-error")
    with pytest.raises(ZimageError) as caught:
        generate(client, wire(server.api_root), key)
    assert "\x1b" in (caught.value.service_message or "")
    assert "\x1b" not in caught.value.message


# -- connections that break --------------------------------------------------------------------


def test_a_refused_connection_is_tried_again(
    client: Wire, dead_port: int, wire: Any, key: str
) -> None:
    waits = list[Wait]()
    with pytest.raises(ConnectionFailed, match="could not be reached") as caught:
        generate(client, wire(f"http://127.0.0.1:{dead_port}/api/v1"), key, on_wait=waits.append)
    assert [wait.next_try for wait in waits] == [2, 3, 4, 5]
    assert f"http://127.0.0.1:{dead_port}" in caught.value.message
    assert key not in whole_text(caught.value)


def test_a_service_that_comes_up_meanwhile_is_reached(
    sandbox: Any, clients: Any, dead_port: int, wire: Any, key: str
) -> None:
    client = clients()
    with kept_port() as port:
        answer = run(
            lambda: client.generate(wire(f"http://127.0.0.1:{port}/api/v1"), key),
            Policy(2),
            sleep=lambda _: sandbox(port=port) and None,
        )
    assert answer.request_id


LOST = [("reset", 10.0), ("close", 10.0), ("cut-answer", 10.0)]
SLOW = [("no-answer", 0.9), (Fault("drip-answer", seconds=60), 0.9)]


@pytest.mark.parametrize(("fault", "timeout"), [*LOST, *SLOW], ids=str)
def test_a_lost_answer_is_not_asked_for_again(
    sandbox: Any, clients: Any, wire: Any, key: str, fault: Any, timeout: float
) -> None:
    server = sandbox()
    server.script(fault)
    client, left = clients(timeout=timeout), []
    with pytest.raises(AnswerLost, match="may have been made and billed") as caught:
        run(
            lambda: client.generate(wire(server.api_root), key, on_sent=lambda: left.append(1)),
            Policy(4),
        )
    assert server.books.post_count == 1
    assert server.books.billed_count == 1
    assert left == [1]
    assert caught.value.pace is None
    assert key not in whole_text(caught.value)
    if timeout < 1:
        assert f"no answer within {timeout:g} s" in caught.value.message


@pytest.mark.parametrize("kind", [kind for kind, _ in LOST])
def test_a_lost_answer_is_asked_for_again_where_the_user_says_so(
    sandbox: Any, client: Wire, wire: Any, key: str, kind: str
) -> None:
    server = sandbox()
    server.script(kind, kind)
    assert generate(client, wire(server.api_root), key, Policy(4, retry_lost=True)).request_id
    assert server.books.post_count == 3
    server.script(*[kind] * 3)
    with pytest.raises(AnswerLost):
        generate(client, wire(server.api_root), key, Policy(1, retry_lost=True))
    assert server.books.post_count == 5


def test_a_reset_while_the_request_is_sent_is_typed(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    server.script(*["reset-early"] * 5)
    # Whether the body had left when the reset came is the kernel's affair.
    with pytest.raises((AnswerLost, ConnectionFailed)):
        generate(client, wire(server.api_root), key)
    assert server.books.billed_count == 0


def test_a_server_that_takes_the_connection_and_leaves(
    listen: Any, client: Wire, wire: Any, key: str
) -> None:
    server = listen(lambda visit: visit.request())
    with pytest.raises(AnswerLost):
        generate(client, wire(f"http://127.0.0.1:{server.port}/api/v1"), key)
    assert server.count == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_answer_is_lost(
    listen: Any, client: Wire, wire: Any, key: str, reply: bytes
) -> None:
    server = listen(lambda visit: (visit.request(), visit.sock.sendall(reply)))
    with pytest.raises(AnswerLost) as caught:
        generate(client, wire(f"http://127.0.0.1:{server.port}/api/v1"), key)
    assert server.count == 1
    assert key not in whole_text(caught.value)


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_over_a_mebibyte_is_refused(
    listen: Any, client: Wire, wire: Any, key: str, announced: bool
) -> None:
    size = limits.ANSWER_MAX_BYTES + 1
    lines = ["Content-Length: " + str(10**12)] if announced else []
    server = listen(lambda visit: (visit.request(), visit.answer(b" " * size, "200 OK", *lines)))
    with pytest.raises(ServiceError, match="larger than any answer") as caught:
        generate(client, wire(f"http://127.0.0.1:{server.port}/api/v1"), key)
    assert caught.value.maybe_billed
    assert server.count == 1


def test_the_next_call_after_a_broken_one_gets_a_connection_of_its_own(
    sandbox: Any, client: Wire, wire: Any, key: str
) -> None:
    server = sandbox()
    for kind in ("ok", "reset", "ok", "close", "ok", "cut-answer", "ok"):
        server.script(kind)
        if kind == "ok":
            assert client.generate(wire(server.api_root), key).request_id
        else:
            with pytest.raises(AnswerLost):
                client.generate(wire(server.api_root), key)


# -- the key goes nowhere else -----------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_api_is_not_followed(
    sandbox: Any, listen: Any, client: Wire, wire: Any, key: str, status: int
) -> None:
    server, other = sandbox(), listen(lambda visit: (visit.request(), visit.answer()))
    url = f"http://127.0.0.1:{other.port}/api/v1/elsewhere"
    server.script(Fault("redirect", url=url, status=status))
    with pytest.raises(ServiceError, match="redirect"):
        generate(client, wire(server.api_root), key)
    assert (server.books.post_count, other.count) == (1, 0)
    server.script_models(Fault("redirect", url=url, status=status))
    with pytest.raises(ServiceError, match="redirect"):
        client.models(server.api_root, key)
    assert other.count == 0


def test_cookies_are_not_kept(listen: Any, client: Wire, wire: Any, key: str) -> None:
    server = listen(
        lambda visit: (visit.request(), visit.answer(b"{}", "200 OK", "Set-Cookie: a=b; Path=/"))
    )
    for _ in range(2):
        with pytest.raises(ServiceError):
            client.generate(wire(f"http://127.0.0.1:{server.port}/api/v1"), key)
    assert server.count == 2
    assert b"cookie" not in server.seen.lower()


@pytest.mark.parametrize(
    "bad", ["sk-line\nfeed-0123456789", "sk-\x00nul-0123456789", "sk-钥匙0123456789"]
)
def test_a_key_that_no_header_takes_is_a_typed_error_that_does_not_show_it(
    sandbox: Any, client: Wire, wire: Any, bad: str
) -> None:
    server = sandbox()
    for ask in (
        lambda: client.generate(wire(server.api_root), bad),
        lambda: client.models(server.api_root, bad),
    ):
        with pytest.raises(ZimageError) as caught:
            ask()
        assert "0123456789" not in whole_text(caught.value)
    assert server.books.calls == []


# -- proxies -----------------------------------------------------------------------------------


@pytest.fixture
def set_proxy(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def set_all(url: str) -> None:
        for name in PROXY_NAMES:
            monkeypatch.setenv(name, url)
            monkeypatch.setenv(name.lower(), url)

    return set_all


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_loopback_is_asked_directly_whatever_the_proxy(
    sandbox: Any,
    listen: Any,
    client: Wire,
    wire: Any,
    key: str,
    set_proxy: Any,
    host: str,
    scheme: str,
) -> None:
    proxy = listen(lambda visit: visit.drain())
    set_proxy(f"{scheme}://127.0.0.1:{proxy.port}")
    try:
        server = sandbox(host="::1") if host == "[::1]" else sandbox()
    except ZimageError:
        pytest.skip("no IPv6 loopback here")
    root = f"http://{host}:{server.port}/api/v1"
    assert client.generate(wire(root), key).request_id
    assert client.models(root, key).visible
    assert proxy.count == 0


ABANDONS_SOCKETS = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def socks_server(visit: Any) -> None:
    """Take any connection, remember its first bytes, and leave."""
    _, count = visit.take(2)
    visit.take(count)
    visit.sock.sendall(b"\x05\x00")
    kind = visit.take(4)[3]
    visit.take({1: 4, 4: 16}.get(kind) or visit.take(1)[0])
    visit.take(2)
    visit.sock.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", 1))
    visit.take(5)


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY"])
def test_a_socks_proxy_is_used_and_never_sees_the_key(
    listen: Any, client: Wire, wire: Any, key: str, monkeypatch: Any, scheme: str, name: str
) -> None:
    proxy = listen(socks_server)
    monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{proxy.port}")
    left: list[int] = []
    with pytest.raises(ConnectionFailed) as caught:
        client.generate(wire(FAR), key, on_sent=lambda: left.append(1))
    assert proxy.count == 1
    # The name is resolved by the proxy; what follows is a TLS handshake.
    assert b"\x03\x0bapi.invalid\x01\xbb\x16\x03" in proxy.seen
    assert key.encode() not in proxy.seen
    assert not left
    assert key not in whole_text(caught.value)


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_socks_proxy_is_asked_again(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any
) -> None:
    proxy = listen(socks_server)
    set_proxy(f"socks5h://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectionFailed):
        generate(client, wire(FAR), key, Policy(2))
    assert proxy.count == 3


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x05",
        b"\x05\xff",
        b"\x05\x02",
        b"\x05\x77",
        b"\x04\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x05\x00\x05\x00",
        b"\x05\x00" + b"\xff" * 60,
    ],
)
def test_a_socks_proxy_that_talks_nonsense_is_a_typed_error(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any, reply: bytes
) -> None:
    proxy = listen(lambda visit: (visit.take(3), visit.sock.sendall(reply)))
    set_proxy(f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectionFailed):
        client.generate(wire(FAR), key)
    with pytest.raises(ConnectionFailed):
        client.models(FAR, key)
    assert proxy.count == 2


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
@pytest.mark.parametrize("code", [1, 2, 5, 8, 99])
def test_a_socks_proxy_that_refuses(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any, code: int
) -> None:
    def refuse(visit: Any) -> None:
        visit.take(3)
        visit.sock.sendall(b"\x05\x00")
        visit.take(5 + 11 + 2)
        visit.sock.sendall(b"\x05" + bytes([code]) + b"\x00\x01" + bytes(6))

    proxy = listen(refuse)
    set_proxy(f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectionFailed):
        client.generate(wire(FAR), key)
    assert proxy.count == 1


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_dead_proxy_is_a_failed_connection(
    client: Wire, dead_port: int, wire: Any, key: str, set_proxy: Any
) -> None:
    for scheme in ("http", "socks5h"):
        set_proxy(f"{scheme}://127.0.0.1:{dead_port}")
        with pytest.raises(ConnectionFailed) as caught:
            client.generate(wire(FAR), key)
        assert caught.value.pace == "normal"


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 200 Connection established\r\n\r\n", b"junk\r\n\r\n"]
)
def test_a_tunnel_that_breaks_has_not_sent_the_request(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any, reply: bytes
) -> None:
    proxy = listen(
        lambda visit: (visit.head(), visit.sock.sendall(reply), visit.take(5 if reply else 0))
    )
    set_proxy(f"http://127.0.0.1:{proxy.port}")
    left: list[int] = []
    with pytest.raises(ConnectionFailed) as caught:
        client.generate(wire(FAR), key, on_sent=lambda: left.append(1))
    assert caught.value.pace == "normal"
    assert not left
    assert proxy.seen.startswith(b"CONNECT api.invalid:443 HTTP/1.1\r\n")
    assert key.encode() not in proxy.seen
    assert b"authorization" not in proxy.seen.lower()


@ABANDONS_SOCKETS
@pytest.mark.usefixtures("abandoned_sockets")
def test_a_proxy_that_wants_a_password(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any
) -> None:
    proxy = listen(
        lambda visit: (visit.head(), visit.answer(b"", "407 Proxy Authentication Required"))
    )
    set_proxy(f"http://user:secretword@127.0.0.1:{proxy.port}")
    with pytest.raises(ConnectionFailed, match="407") as caught:
        client.generate(wire(FAR), key)
    assert "HTTPS_PROXY" in (caught.value.hint or "")
    assert b"Proxy-Authorization: Basic" in proxy.seen
    assert key.encode() not in proxy.seen
    assert "secretword" not in whole_text(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "foo://127.0.0.1:1",
        "http://[::1",
        "http://127.0.0.1:port",
        "socks4://127.0.0.1:1",
        "http://user:secretword@[::1",
        "ftp://user:secretword@127.0.0.1",
    ],
)
def test_a_proxy_setting_that_cannot_be_used_is_a_configuration_error(
    client: Wire, wire: Any, key: str, set_proxy: Any, url: str
) -> None:
    set_proxy(url)
    for ask in (lambda: client.generate(wire(FAR), key), lambda: client.models(FAR, key)):
        with pytest.raises(ConfigurationError, match="proxy settings") as caught:
            ask()
        assert "ALL_PROXY" in (caught.value.hint or "")
        assert "secretword" not in whole_text(caught.value)


def test_no_proxy_is_honoured(
    listen: Any, client: Wire, wire: Any, key: str, set_proxy: Any, monkeypatch: Any
) -> None:
    proxy = listen(lambda visit: visit.drain())
    set_proxy(f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "api.invalid")
    with pytest.raises(ConnectionFailed):
        client.generate(wire(FAR), key)
    assert proxy.count == 0


# -- names and certificates --------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".invalid", ".".join(["a" * 60] * 5), "no-such.invalid"]
)
def test_a_name_that_no_resolver_knows(client: Wire, wire: Any, key: str, host: str) -> None:
    with pytest.raises(ConnectionFailed):
        client.generate(wire(f"https://{host}/api/v1"), key)


def test_a_certificate_that_nobody_trusts_ends_it(
    listen: Any, client: Wire, wire: Any, key: str, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    server = listen(lambda visit: (visit.request(), visit.answer()), certificate[1])
    with pytest.raises(ConnectionFailed, match="certificate verify failed") as caught:
        generate(client, wire(f"https://127.0.0.1:{server.port}/api/v1"), key)
    assert server.count == 1
    assert key.encode() not in server.seen
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


def test_a_certificate_that_the_user_names_is_trusted(
    listen: Any, client: Wire, wire: Any, key: str, certificate: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    message = {"content": [{"image": "https://h.invalid/a.png"}]}
    body = json.dumps({"output": {"choices": [{"message": message}]}}).encode()
    server = listen(lambda visit: (visit.request(), visit.answer(body)), certificate[1])
    answer = client.generate(wire(f"https://127.0.0.1:{server.port}/api/v1"), key)
    assert answer.image_url == "https://h.invalid/a.png"
    # The right certificate under a wrong name is as bad as a wrong one.
    with pytest.raises(ConnectionFailed, match="certificate"):
        client.generate(wire(f"https://localhost:{server.port}/api/v1"), key)


def test_tls_spoken_to_a_plain_server(listen: Any, client: Wire, wire: Any, key: str) -> None:
    server = listen(lambda visit: (visit.take(5), visit.answer()))
    with pytest.raises(ConnectionFailed):
        client.generate(wire(f"https://127.0.0.1:{server.port}/api/v1"), key)
    assert key.encode() not in server.seen


# -- the read-only call ------------------------------------------------------------------------


def test_models(sandbox: Any, client: Wire, key: str) -> None:
    server = sandbox(denied_keys=frozenset({"sk-denied-0123456789"}))
    found = client.models(server.api_root, key)
    assert found.visible
    assert found.connect_ms > 0
    assert found.answer_ms > 0
    assert not client.models(server.api_root, "sk-denied-0123456789").visible
    [first, _] = server.books.gets
    assert first.target == "/api/v1/models?model=z-image-turbo&page_no=1&page_size=1"
    assert first.key == key
    assert server.books.post_count == 0


def test_models_with_a_key_of_another_region(sandbox: Any, client: Wire, key: str) -> None:
    server = sandbox(keys=frozenset({"sk-only-this-0123456789"}))
    with pytest.raises(AuthenticationError) as caught:
        client.models(server.api_root, key)
    assert (caught.value.code, caught.value.http_status) == ("InvalidApiKey", 401)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("reset", ConnectionFailed),
        ("close", ConnectionFailed),
        ("cut-answer", ConnectionFailed),
        ("no-answer", ConnectionFailed),
        ("html-502", ServiceError),
        ("html-200", ServiceError),
        ("not-json", ServiceError),
        ("json-list", ServiceError),
        ("empty-200", ServiceError),
        ("error-in-200", RefusedError),
        ("Throttling", ThrottledError),
        ("AccessDenied", AuthenticationError),
    ],
)
def test_models_that_go_wrong(
    sandbox: Any, clients: Any, key: str, fault: str, cause: type[ZimageError]
) -> None:
    server = sandbox()
    server.script_models(fault)
    with pytest.raises(cause) as caught:
        clients(timeout=0.3 if fault == "no-answer" else 10).models(server.api_root, key)
    # Nothing was bought, so nothing can be lost.
    assert not isinstance(caught.value, AnswerLost)
    assert not getattr(caught.value, "maybe_billed", False)
    assert len(server.books.gets) == 1


def test_models_of_a_dead_host(client: Wire, dead_port: int, key: str) -> None:
    with pytest.raises(ConnectionFailed):
        client.models(f"http://127.0.0.1:{dead_port}/api/v1", key)


def test_a_paid_call_never_goes_over_a_used_connection(
    listen: Any, client: Wire, wire: Any, key: str
) -> None:
    # The other side may close an idle connection while a request is on its way: it would be lost.
    body = json.dumps(
        {"output": {"choices": [{"message": {"content": [{"image": "https://a.invalid/b.png"}]}}]}}
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body)

    def talk(visit: Any) -> None:
        while visit.request():
            visit.sock.sendall(head + body)

    server = listen(talk)
    root = f"http://127.0.0.1:{server.port}/api/v1"
    for _ in range(3):
        client.generate(wire(root), key)
        with pytest.raises(ServiceError, match="no list of models"):
            client.models(root, key)
    assert server.count == 6
    # The other side is told, and closes too; nothing else is said of the connection.
    assert server.seen.count(b"\r\nConnection: close\r\n") == 6
    assert server.seen.lower().count(b"connection:") == 6
