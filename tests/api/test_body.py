"""What a server sends costs little memory, hides no picture, and brings no key back."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.api import limits
from zimage_cli.api.answer import models_visible, parse_answer
from zimage_cli.api.body import read_json, without_key
from zimage_cli.api.codes import error_fields
from zimage_cli.api.download import fetch
from zimage_cli.api.wire import Wire
from zimage_cli.errors import AnswerLost, NotSavedError, ServiceError, ZimageError

URL = "https://a.invalid/b.png"
ANSWER = json.dumps(
    {
        "output": {"choices": [{"message": {"content": [{"image": URL}]}}]},
        "usage": {"width": 512, "odd": "@"},
        "request_id": "r-1",
    }
).encode()
MODELS = b'{"odd": "@", "output": {"models": [{"model": "z-image-turbo"}]}}'


def with_odd(odd: str, body: bytes = ANSWER) -> bytes:
    return body.replace(b'"@"', odd.encode())


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def root(server: Any) -> str:
    return f"http://127.0.0.1:{server.port}/api/v1"


# -- packed answers ----------------------------------------------------------------------------

ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "upper": (" GZIP ", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw-deflate": ("deflate", raw_deflate),
}
REFUSED = {
    "br": b"Content-Encoding: br",
    "two": b"Content-Encoding: gzip, gzip",
    "two-lines": b"Content-Encoding: gzip\r\nContent-Encoding: gzip",
    "mixed": b"Content-Encoding: deflate, gzip",
    "ten": b"Content-Encoding: " + b", ".join([b"gzip"] * 10),
    "odd": b"Content-Encoding: gzip;q=1",
}


@pytest.mark.parametrize("pieces", [1, 7, 1 << 20])
@pytest.mark.parametrize("kind", ENCODINGS)
def test_one_layer_is_taken_off(
    listen: Any, client: Wire, wire: Any, key: str, small_png: bytes, kind: str, pieces: int
) -> None:
    name, pack = ENCODINGS[kind]

    def talk(visit: Any) -> None:
        packed = pack(ANSWER if visit.request().startswith(b"POST") else small_png)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding:{name}\r\nTransfer-Encoding: chunked\r\n\r\n"
        visit.sock.sendall(head.encode())
        for at in range(0, len(packed), pieces):
            piece = packed[at : at + pieces]
            visit.sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        visit.sock.sendall(b"0\r\n\r\n")

    server, file = listen(talk), io.BytesIO()
    assert client.generate(wire(root(server)), key).image_url == URL
    fetch(client, root(server), file, loopback=True)
    assert file.getvalue() == small_png


@pytest.mark.parametrize("kind", REFUSED)
def test_any_other_packing_is_refused(
    listen: Any, client: Wire, wire: Any, key: str, small_png: bytes, kind: str
) -> None:
    server = listen(
        lambda visit: (visit.request(), visit.answer(small_png, "200 OK", REFUSED[kind].decode()))
    )
    with pytest.raises(ServiceError, match="packed in a way") as caught:
        client.generate(wire(root(server)), key)
    assert (caught.value.maybe_billed, caught.value.http_status) == (True, 200)
    with pytest.raises(ServiceError, match="packed in a way") as caught:
        client.models(root(server), key)
    assert not caught.value.maybe_billed
    with pytest.raises(NotSavedError, match="packed in a way") as refused:
        fetch(client, root(server), io.BytesIO(), loopback=True)
    assert refused.value.pace is None


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-9], lambda packed: b"x" + packed])
def test_packed_data_that_are_damaged(
    listen: Any, client: Wire, wire: Any, key: str, small_png: bytes, spoil: Any
) -> None:
    def talk(visit: Any) -> None:
        body = ANSWER if visit.request().startswith(b"POST") else small_png
        visit.answer(spoil(gzip.compress(body)), "200 OK", "Content-Encoding: gzip")

    server = listen(talk)
    with pytest.raises(AnswerLost):
        client.generate(wire(root(server)), key)
    with pytest.raises(NotSavedError, match="broke off") as caught:
        fetch(client, root(server), io.BytesIO(), loopback=True)
    assert caught.value.pace == "normal"


# -- memory ------------------------------------------------------------------------------------

PROGRAM = """
import sys, tempfile
from zimage_cli.api.wire import Wire
from zimage_cli.api.download import fetch
from zimage_cli.errors import ZimageError
from zimage_cli.api.payload import generation_request

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

def calls(root):
    wire = generation_request(root, prompt="a", size="512*512", seed=1, prompt_extend=False)
    for call in (
        lambda: client.generate(wire, "sk-0123456789abcdef"),
        lambda: client.models(root, "sk-0123456789abcdef"),
        lambda: fetch(client, root, file, loopback=True),
    ):
        try:
            call()
            print("ok")
        except ZimageError as error:
            print(type(error).__name__)

with Wire(timeout=60) as client, tempfile.TemporaryFile() as file:
    calls(sys.argv[1])
    usual = peak()
    calls(sys.argv[2])
    print(peak() - usual)
"""
MIB = 1024 * 1024


def packed(start: bytes, filler: bytes, mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    step = filler * (MIB // len(filler))
    return b"".join(
        [packer.compress(start), *(packer.compress(step) for _ in range(mebibytes)), packer.flush()]
    )


@pytest.fixture(scope="session")
def bomb(small_png: bytes) -> bytes:
    """Half a gibibyte in half a mebibyte, that begins like a picture."""
    return packed(small_png, b" ", 512)


def filled(opening: str, item: str, closing: str) -> str:
    """Return JSON of as many equal items as an answer holds."""
    room = limits.ANSWER_MAX_BYTES - len(ANSWER) - len(opening) - len(closing)
    return opening + item * (room // len(item)) + closing


HOSTILE = {
    "lists": filled("[", "[],", "0]"),
    "lists-in-lists": filled("[", "[[]],", "0]"),
    "objects": filled("[", "{},", "0]"),
    "objects-in-objects": filled("[", '{"":{"":{"":{}}}},', "0]"),
    "names": "{" + "".join(f'"{number:x}":[],' for number in range(90_000)) + '"":0}',
    "texts": filled("[", '"狐",'.encode().decode("latin-1"), "0]"),
    "escapes": filled('"', "\\ud83d\\ude00", '"'),
    "integers": filled("[", "999,", "0]"),
    "open": filled("", "[", ""),
    "open-objects": filled("", '{"":', ""),
    "closed": filled("[", "]", ""),
    "one-integer": filled("", "9", ""),
}


def growth(
    zimage: Any, listen: Any, small_png: bytes, answer: Callable[[Any], object]
) -> tuple[list[str], int]:
    """Return how the calls end that a hostile server answers, and what they add to the peak."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc")

    def usual(visit: Any) -> None:
        head = visit.request()
        body = ANSWER if head.startswith(b"POST") else MODELS if b"/models" in head else small_png
        visit.answer(body)

    roots = [root(listen(usual)), root(listen(lambda visit: (visit.request(), answer(visit))))]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *roots],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *ends, kibibytes = run.stdout.split()
    assert ends[:3] == ["ok"] * 3, run.stderr
    return ends[3:], int(kibibytes)


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_packed_bombs_take_no_memory(
    zimage: Any, listen: Any, small_png: bytes, bomb: bytes, layers: int
) -> None:
    body = bomb
    for _ in range(layers - 1):
        body = gzip.compress(body)
    encoding = "Content-Encoding: " + ", ".join(["gzip"] * layers)
    ends, kibibytes = growth(
        zimage, listen, small_png, lambda visit: visit.answer(body, "200 OK", encoding)
    )
    assert ends == ["ServiceError", "ServiceError", "NotSavedError"]
    assert kibibytes < 64 * 1024


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_takes_little_memory(
    zimage: Any, listen: Any, small_png: bytes, kind: str
) -> None:
    odd = HOSTILE[kind].encode("latin-1")

    def answer(visit: Any) -> None:
        body = MODELS if visit.seen.startswith(b"GET") else ANSWER
        visit.answer(body.replace(b'"@"', odd))

    ends, kibibytes = growth(zimage, listen, small_png, answer)
    readable = not kind.startswith(("open", "closed"))
    expected = ["ok", "ok"] if readable else ["ServiceError", "ServiceError"]
    assert ends == [*expected, "NotSavedError"]
    assert kibibytes < 64 * 1024


# -- JSON that would hide a picture ------------------------------------------------------------

ODD = {
    "integer": "9" * 5000,
    "negative": "-" + "9" * 5000,
    "endless-integer": "9" * 900_000,
    "float": "0." + "9" * 900_000,
    "exponent": "1e" + "9" * 5000,
    "lists": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "both": '[{"a":' * 50_000 + "1" + "}]" * 50_000,
    "twice": "[" + ("[" * 300 + '"]\\"["' + "]" * 300 + ",") * 2 + "0]",
    "brackets-in-text": '"' + "[" * 300 + '\\\\\\"' + "{" * 300 + '"',
}


@pytest.mark.parametrize("odd", ODD)
def test_nothing_odd_hides_what_stands_beside_it(
    listen: Any, client: Wire, wire: Any, key: str, odd: str
) -> None:
    def talk(visit: Any) -> None:
        models = visit.request().startswith(b"GET")
        visit.answer(with_odd(ODD[odd], MODELS if models else ANSWER))

    server = listen(talk)
    answer = client.generate(wire(root(server)), key)
    assert (answer.image_url, answer.request_id, answer.width) == (URL, "r-1", 512)
    assert client.models(root(server), key).visible
    json.dumps(answer.usage, allow_nan=False)


@pytest.mark.parametrize("odd", ODD)
def test_every_reader_reads_it(odd: str) -> None:
    assert parse_answer(with_odd(ODD[odd])).image_url == URL
    assert models_visible(with_odd(ODD[odd], MODELS))
    error = b'{"code": "Arrearage", "odd": "@", "message": "m", "request_id": "r"}'
    expected = {"code": "Arrearage", "message": "m", "request_id": "r"}
    assert error_fields(with_odd(ODD[odd], error)) == expected


def test_what_is_not_too_deep_is_read_as_it_stands() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep, {"[": "]", "\\": '"'}]
    assert read_json(json.dumps(deep).encode()) == deep
    wide = [[[]]] * 200
    assert read_json(json.dumps({"a": wide, "b": [1, -2, 10**19, 0.5, True]}).encode()) == {
        "a": wide,
        "b": [1, -2, 10**19, 0.5, True],
    }
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-be"):
        assert read_json('{"狐": "🎨"}'.encode(encoding)) == {"狐": "🎨"}


@pytest.mark.parametrize("body", [b"", b"[" * 65, b"]" * 65, b'["' * 65, b"\xff", b"[1" + b"}" * 9])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_json(body)


# -- a key that is sent back -------------------------------------------------------------------


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04X}" for char in text)


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "first": lambda key: escaped(key[0]) + key[1:],
    "some": lambda key: "".join(escaped(c) if i % 3 else c for i, c in enumerate(key)),
    "all": escaped,
}


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "500 Internal Server Error"])
@pytest.mark.parametrize("form", FORMS)
def test_an_echoed_key_is_hidden(
    listen: Any, client: Wire, wire: Any, key: str, form: str, status: str
) -> None:
    echo = FORMS[form](key)
    body = '{"code": "C @", "message": "M @", "request_id": "R @", "@": ["@"]}'.replace("@", echo)
    server = listen(
        lambda visit: (
            visit.request(),
            visit.answer(body.encode(), status, f"X-Request-Id: {key}", f"Retry-After: {key}"),
        )
    )
    for ask in (
        lambda: client.generate(wire(root(server)), key),
        lambda: client.models(root(server), key),
    ):
        with pytest.raises(ZimageError) as caught:
            ask()
        error = caught.value
        assert key not in repr(vars(error)) + str(error)
        assert (error.code, error.service_message, error.request_id) == ("C ***", "M ***", "R ***")


@pytest.mark.parametrize("form", FORMS)
def test_an_echoed_key_is_hidden_in_a_good_answer(
    listen: Any, client: Wire, wire: Any, key: str, form: str
) -> None:
    body = (
        '{"output": {"choices": [{"message": {"content": [{"image": "https://a.invalid/b?@"}, '
        '{"text": "T @"}], "reasoning_content": "@ why @"}}]}, "request_id": "R @", '
        '"usage": {"width": 5, "@": "@", "more": {"u@": 1}}}'
    ).replace("@", FORMS[form](key))
    server = listen(lambda visit: (visit.request(), visit.answer(body.encode())))
    answer = client.generate(wire(root(server)), key)
    assert key not in repr(answer)
    assert (answer.text, answer.reasoning, answer.request_id) == ("T ***", "*** why ***", "R ***")
    assert answer.usage == {"width": 5, "***": "***", "more": {"u***": 1}}


@pytest.mark.parametrize("text", ["no-id", "{key}"])
def test_an_echoed_key_is_hidden_in_headers(
    listen: Any, client: Wire, wire: Any, key: str, text: str
) -> None:
    line = "X-Request-Id: id-" + text.format(key=key)
    server = listen(
        lambda visit: (
            visit.request(),
            visit.answer(MODELS if visit.seen.startswith(b"GET") else b"", "200 OK", line),
        )
    )
    expected = "id-" + text.format(key="***")
    assert client.models(root(server), key).request_id == expected
    with pytest.raises(ServiceError) as caught:
        client.generate(wire(root(server)), key)
    assert caught.value.request_id in {None, expected}


@pytest.mark.parametrize(
    "reply",
    ["HTTP/1.1 2x0 {key}\r\n\r\n", "{key}\r\n\r\n", "HTTP/1.1 200 OK\r\n{key} : {key}\r\n\r\n"],
)
def test_what_the_libraries_quote_of_the_other_side_has_no_key(
    listen: Any, client: Wire, wire: Any, key: str, monkeypatch: Any, reply: str
) -> None:
    text = reply.format(key=key).encode()
    server = listen(lambda visit: (visit.request(), visit.sock.sendall(text)))
    with pytest.raises(AnswerLost) as caught:
        client.generate(wire(root(server)), key)
    assert key not in caught.value.message
    refusing = listen(lambda visit: (visit.head(), visit.answer(b"", f"403 No {key}")))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{refusing.port}")
    with pytest.raises(ZimageError, match=r"refused: 403 No \*\*\*") as refused:
        client.generate(wire("https://api.invalid/api/v1"), key)
    assert key not in refused.value.message


def test_a_body_that_is_no_json_has_no_key(key: str) -> None:
    assert without_key(f"<p>{key}</p>".encode(), key) == b"<p>***</p>"
