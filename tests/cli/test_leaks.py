"""The key goes to the API's origin and nowhere else."""

from __future__ import annotations

import subprocess
import sys
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
