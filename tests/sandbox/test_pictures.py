"""The picture origin: signed URLs, storage's errors, and each way for a picture to be broken."""

from __future__ import annotations

import http.client
import io
import re
import socket
import time
import zlib

import pytest
from PIL import Image

from zimage_cli.sandbox.faults import PICTURES, Fault

URL = re.compile(
    r"http://127\.0\.0\.1:\d+/[a-z0-9/-]+/[0-9a-f-]{36}\.png"
    r"\?Expires=\d{10}&OSSAccessKeyId=\w+&Signature=[A-Za-z0-9%]+"
)


@pytest.fixture
def server(sandbox, small_png):
    return sandbox(picture_bytes=small_png)


def made(server, client, *steps, **parameters):
    server.script(steps if len(steps) > 1 else steps[0] if steps else "ok")
    return client.post(server, **parameters).url


def checksums_hold(data):
    """Say whether the PNG's chunks are all whole, with their checksums, up to IEND."""
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        end = at + 12 + length
        if zlib.crc32(data[at + 4 : end - 4]).to_bytes(4) != data[end - 4 : end]:
            return False
        if data[at + 4 : at + 8] == b"IEND":
            return end == len(data)
        at = end
    return False


def decodes(data):
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True


def test_a_picture_can_be_fetched_again_and_again(sandbox, client):
    server = sandbox()
    reply = client.post(server, "山水画", size="512*640", seed=9)
    assert URL.fullmatch(reply.url)
    assert reply.url.startswith(server.picture_origin + "/")
    assert server.picture_origin != server.origin
    first, second = client.get(reply.url), client.get(reply.url)
    assert first.status == 200
    assert first.headers["content-type"] == "image/png"
    assert int(first.headers["content-length"]) == len(first.body)
    assert first.body == second.body
    with Image.open(io.BytesIO(first.body)) as image:
        assert image.size == (512, 640)
    other = client.get(client.post(server, "山水画", size="512*640", seed=9).url)
    assert other.body == first.body
    head = client.request("HEAD", reply.url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]


def test_the_signature_holds_escapes_of_both_cases(server, client):
    for _ in range(5):
        signature = made(server, client).partition("Signature=")[2]
        assert {"%2B", "%2f", "%3D"} <= set(re.findall("%..", signature))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url.replace("%2f", "%2F"),
        lambda url: url.replace("%2f", "/"),
        lambda url: url.replace("%2B", "+"),
        lambda url: url.replace("%2B", "%2b"),
        lambda url: url.replace("%", "%25"),
        lambda url: url.partition("?")[0],
        lambda url: url + "&x=1",
        lambda url: url.replace("Expires=1", "Expires=2"),
    ],
)
def test_the_query_must_come_back_as_it_was_given(server, client, spoil):
    url = made(server, client)
    assert spoil(url) != url
    reply = client.get(spoil(url))
    assert reply.status == 403
    assert reply.headers["content-type"] == "application/xml"
    assert b"<Code>SignatureDoesNotMatch</Code>" in reply.body
    assert client.get(url).status == 200


def test_a_key_is_no_business_of_storage(server, client):
    url = made(server, client)
    reply = client.get(url, {"Authorization": f"Bearer {client.key}"})
    assert reply.status == 400
    assert [("authorization" in call.headers) for call in server.books.pictures] == [True]
    client.get(url)
    assert server.books.summary()["picture_requests_with_authorization"] == 1
    assert "authorization" not in server.books.pictures[1].headers


def test_unknown_pictures_and_methods(server, client):
    assert client.get(f"{server.picture_origin}/x.png").status == 404
    assert client.get(f"{server.picture_origin}/hop/1/x.png").status == 404
    assert client.request("PUT", made(server, client), b"x").status == 405


def test_urls_expire(sandbox, client, small_png):
    server = sandbox(expires=0.1, picture_bytes=small_png)
    url = client.post(server).url
    time.sleep(0.12)
    reply = client.get(url)
    assert reply.status == 403
    assert b"Request has expired." in reply.body


def test_default_life_is_24_hours(server, client):
    expires = int(re.search(r"Expires=(\d+)", made(server, client))[1])
    assert abs(expires - time.time() - 86400) < 60


def test_cut(server, client, small_png):
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.get(made(server, client, "picture-cut"))
    assert caught.value.partial == small_png[: len(small_png) // 2]
    assert caught.value.expected == len(small_png) - len(small_png) // 2


def test_cut_chunked(server, client):
    with pytest.raises(http.client.IncompleteRead):
        client.get(made(server, client, "picture-cut-chunked"))


def test_reset(server, client):
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)) as caught:
        client.get(made(server, client, "picture-reset"))
    assert caught.type is ConnectionResetError


def test_stall(server, client):
    with pytest.raises(TimeoutError):
        client.get(made(server, client, "picture-stall"), timeout=0.15)


def test_slow(server, client, small_png):
    start = time.monotonic()
    reply = client.get(made(server, client, Fault("picture-slow", seconds=0.2)))
    assert reply.body == small_png
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("kind", "whole", "decodable"),
    [
        ("picture-corrupt", False, None),
        ("picture-undecodable", True, False),
        ("picture-truncated", False, False),
        ("picture-trailing", False, True),
        ("picture-jpeg", False, True),
        ("picture-html", False, False),
        ("picture-empty", False, False),
    ],
)
def test_broken_contents(sandbox, client, kind, whole, decodable):
    server = sandbox()
    url = made(server, client, kind, size="512*512", seed=1)
    good = client.get(client.post(server, size="512*512", seed=1).url).body
    assert checksums_hold(good)
    reply = client.get(url)
    assert reply.status == 200
    assert reply.body != good
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert checksums_hold(reply.body) is whole
    assert decodable is None or decodes(reply.body) is decodable
    signature = reply.body.startswith(b"\x89PNG")
    assert signature is (kind not in {"picture-jpeg", "picture-html", "picture-empty"})
    if kind == "picture-corrupt":
        assert sum((a ^ b).bit_count() for a, b in zip(reply.body, good, strict=True)) == 1
    if kind == "picture-jpeg":
        assert reply.body.startswith(b"\xff\xd8")
        assert reply.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("picture-expired", 403, b"AccessDenied"),
        ("picture-404", 404, b"NoSuchKey"),
        ("picture-500", 500, b"InternalError"),
        ("picture-503", 503, b"SlowDown"),
    ],
)
def test_errors_of_storage(server, client, kind, status, code):
    reply = client.get(made(server, client, Fault(kind, retry_after="2")))
    assert reply.status == status
    assert b"<Code>" + code + b"</Code>" in reply.body
    assert reply.headers["retry-after"] == "2"
    assert server.books.pictures[0].fault == kind


@pytest.mark.parametrize("kind", ["picture-too-large", "picture-too-large-chunked"])
def test_too_large(server, client, kind):
    url = made(server, client, kind)
    parts = http.client.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.request("GET", url.partition(parts.netloc)[2])
        with connection.getresponse() as answer:
            length = answer.getheader("Content-Length")
            assert (int(length) > 64 * 1024 * 1024) if length else kind.endswith("chunked")
            buffer, total = bytearray(1 << 20), 0
            while count := answer.readinto(buffer):
                total += count
    finally:
        connection.close()
    assert total > 64 * 1024 * 1024


def follow(client, url, most=10):
    seen = [url]
    while (reply := client.get(seen[-1])).status == 302 and len(seen) <= most:
        seen.append(reply.headers["location"])
    return reply, seen


@pytest.mark.parametrize("hops", [1, 2, 5, 6])
def test_redirects(server, client, small_png, hops):
    reply, seen = follow(client, made(server, client, Fault("picture-redirect", hops=hops)))
    assert reply.body == small_png
    assert len(seen) == hops + 1
    assert len(set(seen)) == hops + 1


def test_redirect_to_elsewhere(server, client):
    url = made(server, client, Fault("picture-redirect", url="file:///etc/passwd"))
    reply = client.get(url)
    assert (reply.status, reply.headers["location"]) == (302, "file:///etc/passwd")


def test_redirect_loop(server, client):
    reply, seen = follow(client, made(server, client, "picture-redirect-loop"))
    assert reply.status == 302
    assert len(set(seen)) == 1


def test_a_fault_may_happen_so_many_times_only(server, client, small_png):
    url = made(server, client, Fault("picture-503", count=2))
    assert client.request("HEAD", url).status == 200
    assert [client.get(url).status for _ in range(4)] == [503, 503, 200, 200]
    forever = made(server, client, "picture-503")
    assert [client.get(forever).status for _ in range(4)] == [503] * 4


def test_every_picture_fault_is_billed_and_answered_well(server, client):
    for kind in PICTURES:
        server.script(kind)
        assert client.post(server).status == 200
    assert server.books.billed_count == len(PICTURES)


def test_latency_and_bandwidth(sandbox, client, small_png):
    server = sandbox(picture_bytes=small_png * 8, picture_latency=0.05, bandwidth=400_000)
    url = client.post(server).url
    start = time.monotonic()
    assert client.get(url).body == small_png * 8
    assert time.monotonic() - start >= 0.05 + len(small_png * 8) / 400_000


def test_raw_target_is_recorded(server, client):
    url = made(server, client)
    client.get(url, {"X-Probe": "1"})
    (call,) = server.books.pictures
    assert server.picture_origin + call.target == url
    assert call.headers["x-probe"] == "1"
    assert call.status == 200


def test_pictures_are_drawn_again_and_not_kept(sandbox, client):
    server = sandbox()
    urls = [client.post(server, size="512*512", seed=seed).url for seed in range(6)]
    first = [client.get(url).body for url in urls]
    assert [client.get(url).body for url in urls] == first
    assert len(set(first)) == 6


def test_keep_alive(server, client, small_png):
    url = made(server, client)
    target = url[len(server.picture_origin) :]
    with client.connect(server.picture_origin) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        for _ in range(20):
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.read_reply(sock) == (small_png, True)
