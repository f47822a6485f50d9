from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zimage_cli
from zimage_cli.api.payload import (
    MODEL,
    WireRequest,
    curl_command,
    encode,
    generation_body,
    generation_request,
)
from zimage_cli.text import visible

ROOT = "https://dashscope.aliyuncs.com/api/v1"
KEY = "sk-0123456789abcdef"

NASTY = [
    "a calm lake at dawn",
    "it's a \"lake\" 'quoted' `id` $(id) $HOME ${PATH}",
    "back\\slash \\\\ two \\n \\' \\\" end\\",
    "one\ntwo\n\n\tthree\nEOF\n",
    "wow! !! !$ !lake ^a^b",
    "100% %s *?[a-z] {a,b} ~ # ; & | > < ( ) =",
    "渔夫与日出，电影感 — é 🎨 ❤\ufe0f 👩\u200d👧",
    "\u202eright to left\u2066 \ufeff",
    "-dash @file --data",
    "'",
    "\\",
]
PROMPTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t'\"\\!$`"))


def request_for(prompt: str, root: str = ROOT) -> WireRequest:
    return generation_request(root, prompt=prompt, size="1024*1024", seed=1234, prompt_extend=False)


def test_the_body_is_the_documented_one() -> None:
    assert generation_body("a lake", "1024*1024", 1234, False) == {
        "model": "z-image-turbo",
        "input": {"messages": [{"role": "user", "content": [{"text": "a lake"}]}]},
        "parameters": {"size": "1024*1024", "prompt_extend": False, "seed": 1234},
    }
    assert generation_body("a lake", "1024*1024", None, True)["parameters"] == {
        "size": "1024*1024",
        "prompt_extend": True,
    }
    assert generation_body("a lake", "1024*1024", 0, False)["parameters"]["seed"] == 0


def test_the_request_has_no_key() -> None:
    request = request_for("a lake")
    assert request.method == "POST"
    assert request.url == f"{ROOT}/services/aigc/multimodal-generation/generation"
    assert dict(request.headers) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"zimage-cli/{zimage_cli.__version__}",
        "Connection": "close",
    }
    assert json.loads(request.body) == generation_body("a lake", "1024*1024", 1234, False)
    assert json.loads(request.body)["model"] == MODEL


def test_letters_stay_as_they_are() -> None:
    assert encode({"text": "湖 é 🎨"}) == '{"text": "湖 é 🎨"}'.encode()
    assert encode({"text": "a\\b\u200b\n"}) == rb'{"text": "a\u005cb\u200b\n"}'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_body_can_be_shown_and_read_back(text: str) -> None:
    body = encode({"text": text})
    assert json.loads(body) == {"text": text}
    assert visible(body.decode()) == body.decode()
    assert b"\\\\" not in body


# -- the curl command, in real shells -------------------------------------------------------------

# Prints each argument, so that what the shell made of the command can be compared byte for byte.
STAND_IN = """#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done
"""
SHELLS = ["bash", "sh", "dash", "zsh", "fish"]


def run_in(shell: str, script: str, path: str) -> list[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    environment = {
        "PATH": path,
        "HOME": os.environ["HOME"],
        "LC_ALL": "C.UTF-8",
        "DASHSCOPE_API_KEY": KEY,
    }
    done = subprocess.run(
        [program, "-c", script], env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_the_command_as_it_is_meant(shell: str, tmp_path: os.PathLike) -> None:
    stand_in = tmp_path / "curl"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    for prompt in NASTY:
        request = request_for(prompt)
        assert run_in(shell, curl_command(request), path) == [
            "-sS",
            "-X",
            "POST",
            request.url,
            *(
                word
                for name, value in request.headers.items()
                for word in ("-H", f"{name}: {value}")
            ),
            "-H",
            f"Authorization: Bearer {KEY}",
            "--data-binary",
            request.body.decode(),
        ]


def test_the_command_shows_no_key_and_hides_nothing() -> None:
    for prompt in NASTY:
        command = curl_command(request_for(prompt))
        assert '-H "Authorization: Bearer $DASHSCOPE_API_KEY"' in command
        assert visible(command, newlines=True) == command


@given(PROMPTS)
def test_the_command_is_one_line_of_words_and_continuations(prompt: str) -> None:
    import shlex

    request = request_for(prompt)
    command = curl_command(request)
    assert all(line.endswith(" \\") for line in command.split("\n")[:-1])
    words = shlex.split(command)
    assert words[-1].encode() == request.body
    assert words[-2] == "--data-binary"


@dataclass
class Catcher:
    """A loopback server that keeps what arrives."""

    root: str
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            caught.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            caught.headers.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    caught = Catcher(f"http://127.0.0.1:{server.server_port}/api/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield caught
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sends_the_very_bytes_of_the_real_call(catcher: Catcher) -> None:
    requests = [request_for(prompt, catcher.root) for prompt in NASTY]
    script = "\n".join(curl_command(request) for request in requests)
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": os.environ["PATH"], "DASHSCOPE_API_KEY": KEY, "NO_PROXY": "*"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"{}" * len(requests)
    assert catcher.bodies == [request.body for request in requests]
    for headers in catcher.headers:
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert headers["Content-Type"] == "application/json"
        assert headers["User-Agent"] == f"zimage-cli/{zimage_cli.__version__}"
