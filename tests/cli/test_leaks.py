"""The key goes to the API's origin and nowhere else."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.sandbox.faults import Fault

# Shorter pieces of the key would give it away too.
KEY = "sk-leak0123456789abcdef0123456789abcd"
PIECE = KEY[3:20].encode()


def leaks(*texts: bytes, folders: tuple[Path, ...] = ()) -> list[str]:
    """Return where the key shows: a stream's number or a file's path."""
    found = [str(number) for number, text in enumerate(texts) if PIECE in text]
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and PIECE in path.read_bytes():
                found.append(str(path))
            if PIECE.decode() in path.name:
                found.append(path.name)
    return found


@pytest.fixture
def spied(serve: Any, unpaced: None) -> Any:
    service = serve()
    object.__setattr__(service, "key", KEY)
    return service


CASES: dict[str, Any] = {
    "success": "ok",
    "echoed": Fault("InvalidApiKey", message=f"Incorrect API key provided: {KEY}."),
    "echoed-in-debug": Fault("AccessDenied", message=f'{{"key": "Bearer {KEY}"}}'),
    "throttled": Fault("Throttling", times=2, retry_after="0"),
    "server": Fault("InternalError", times=2, retry_after="0"),
    "hostile": "hostile-error",
    "html": "html-200",
    "no-image": "no-image",
    "reset": "reset",
    "cut": "cut-answer",
    "redirect": "redirect",
    "picture-redirect": "picture-redirect",
    "picture-expired": "picture-expired",
    "picture-corrupt": Fault("picture-corrupt", count=2),
    "foreign": "foreign-url",
}


@pytest.mark.parametrize("case", CASES)
def test_the_key_is_nowhere(spied: Any, home: Path, case: str) -> None:
    spied.script(CASES[case])
    run = spied.generate(
        "a fox",
        "--retries",
        "1",
        "--json",
        "--prompt-extend",
        env={"ZIMAGE_DEBUG": "1"},
        status=range(9),
    )
    assert leaks(run.stdout_bytes, run.stderr_bytes, folders=(home, spied.work)) == []
    # The API got it, in one header; the picture's host and whoever it redirects to did not.
    for post in spied.books.posts:
        assert post.head.count(KEY.encode()) == 1
        assert KEY.encode() not in post.body
    for picture in spied.books.pictures:
        assert PIECE not in picture.head
        assert "authorization" not in picture.headers
        assert "cookie" not in picture.headers
    if case == "redirect":
        assert spied.books.pictures == []
        assert spied.books.post_count == 1


ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)
ERROR = '{"code": "C%s", "message": "M%s", "request_id": "R%s"}'
GOOD = (
    '{"output": {"choices": [{"message": {"content": [{"image": "@ORIGIN/a.png?k=%s"}, '
    '{"text": "T%s"}], "reasoning_content": "why %s"}}]}, "request_id": "R%s", '
    '"usage": {"width": 512, "height": 512, "u%s": "%s"}}'
)
ECHOES = {
    "header": ("400 Bad", f"X-Request-Id: {KEY}", "{}"),
    "header-of-an-empty-200": ("200 OK", f"X-Request-Id: {KEY}", ""),
    "reason": (f"400 {KEY}", f"{KEY}: x", "<html>"),
    "plain-error": ("400 Bad", "X: y", ERROR % ((KEY,) * 3)),
    "escaped-error": ("400 Bad", "X: y", ERROR % ((ESCAPED,) * 3)),
    "escaped-error-in-200": ("200 OK", "X: y", ERROR % ((ESCAPED,) * 3)),
    "plain-answer": ("200 OK", "X: y", GOOD % ((KEY,) * 6)),
    "escaped-answer": ("200 OK", "X: y", GOOD % ((ESCAPED,) * 6)),
    "escaped-without-picture": ("200 OK", "X: y", f'{{"request_id": "{ESCAPED}"}}'),
    "no-http": (KEY, KEY, KEY),
}


@pytest.fixture
def echoing(png: bytes) -> Iterator[Callable[[str, str, str], str]]:
    """Start a server that answers every POST as told; return its origin."""
    told: list[tuple[str, str, str]] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked, length = self.rfile.readline(), 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.rfile.read(length)
            status, header, text = told[0]
            body = text.replace("@ORIGIN", origin).encode() if asked.startswith(b"POST") else png
            head = f"HTTP/1.1 {status}\r\n{header}" if body is not png else "HTTP/1.1 200 OK"
            self.wfile.write(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

        def tell(status: str, header: str, text: str) -> str:
            told.append((status, header, text))
            return origin

        yield tell
        server.shutdown()


@pytest.mark.parametrize("form", ECHOES)
def test_a_key_that_the_service_sends_back_is_nowhere(
    zimage: Any, home: Path, work: Path, unpaced: None, echoing: Any, form: str
) -> None:
    env = {
        "DASHSCOPE_BASE_URL": echoing(*ECHOES[form]),
        "DASHSCOPE_API_KEY": KEY,
        "ZIMAGE_DEBUG": "1",
    }
    args = ("a fox", "--size", "512*512", "--retries", "0", "--prompt-extend")
    good = form.endswith("-answer")
    streams = []
    for more in ((), ("--json",)):
        run = zimage("generate", *args, *more, env=env, status=0 if good else range(1, 9))
        streams += [run.stdout_bytes, run.stderr_bytes]
    for command in (("list",), ("show", "1"), ("show", "1", "--json")):
        run = zimage("history", *command, env=env)
        streams += [run.stdout_bytes, run.stderr_bytes]
    assert list((work / "output" / "aliyun-zimage-turbo").iterdir())
    assert leaks(*streams, folders=(home, work)) == []
    assert not any(ESCAPED.encode() in stream for stream in streams)


def test_other_commands_do_not_show_it(spied: Any, home: Path) -> None:
    spied.server.script_models(Fault("InvalidApiKey", message=f"Bad key {KEY}"))
    streams = []
    for args in (
        ("generate", "a fox", "--dry-run"),
        ("generate", "a fox", "--dry-run", "--json"),
        ("validate", "--online"),
        ("validate", "--json"),
        ("config", "show"),
        ("history", "list"),
    ):
        run = spied(*args, status=(0, 3))
        streams += [run.stdout_bytes, run.stderr_bytes]
    assert leaks(*streams, folders=(home, spied.work)) == []


@pytest.mark.parametrize(
    "args",
    [
        ("generate", "a", "--seed", KEY),
        ("generate", "--like", KEY),
        ("generate", "a", "--size", KEY),
        ("generate", "a", "--count", KEY),
        ("generate", "a", "--region", KEY),
        ("generate", "a", "--workspace", KEY),
        ("generate", "a", "--base-url", f"https://x/{KEY}"),
        ("generate", "a", "--request", f'{{"api_key": "{KEY}", "prompt": 1}}'),
        ("generate", "a", "--request", f'{{"{KEY}": 1}}'),
        ("generate", "a", f"--key={KEY}"),
        ("generate", "a", KEY, KEY),
        ("generate", "a", "--timeout", KEY),
        ("generate", "a", "--name", f"{{{KEY}}}"),
        ("history", "show", KEY),
        ("sandbox", "serve", "--fault", KEY),
        ("sandbox", "serve", "--port", KEY),
        (KEY,),
    ],
)
def test_a_key_in_the_wrong_place_is_not_repeated(zimage: Any, args: tuple[str, ...]) -> None:
    run = zimage(*args, status=2)
    assert leaks(run.stdout_bytes, run.stderr_bytes) == []


def test_a_bug_report_has_no_key_and_no_locals(zimage: Any) -> None:
    program = f"""
import sys
from zimage_cli.cli.errors import bug_document, print_bug
from zimage_cli.cli.output import Output

def broken(secret):
    raise LookupError("header Bearer {KEY} is odd")

try:
    broken("{KEY}")
except LookupError as error:
    print_bug(Output(), error)
    Output().json(bug_document(error))
"""
    done = subprocess.run(
        [sys.executable, "-"],
        input=program.encode(),
        env=zimage.environment({"ZIMAGE_DEBUG": "1"}),
        capture_output=True,
        check=True,
    )
    assert b"Traceback" in done.stderr
    assert b"in broken" in done.stderr
    assert leaks(done.stdout, done.stderr) == []
