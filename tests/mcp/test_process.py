"""The process of a server: how it begins, what goes over its pipes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold

FOX = {"name": "generate_image", "arguments": {"prompt": "a fox", "size": "512*512"}}
CLIENT = {"name": "test", "version": "1"}
CHECK = {"name": "check_request", "arguments": {"prompt": "a fox"}}

PRINTER = """
import atexit, os, subprocess, threading, time

atexit.register(lambda: os.write(1, b"at the end, by its number\\n"))
atexit.register(lambda: print("at the end"))
wire = os.fstat(1).st_ino

def prints():
    while os.fstat(1).st_ino == wire:
        time.sleep(0.001)
    print("kept in a buffer", end="")
    for _ in range(100):
        os.write(1, b"by its number\\n")
        print("by print", flush=True)
    subprocess.run(["/bin/echo", "by a child"], check=True)
    os.write(2, b"all is printed\\n")

threading.Thread(target=prints, daemon=True).start()
"""
"""Prints by every way, once the server has taken the pipes."""


def painting(service: Any, wire: Any, *args: str) -> Any:
    """Return a server that is asked for a picture, whose answer is held back."""
    server = wire(service, *args)
    server.shake_hands()
    server.ask("tools/call", **FOX)
    assert service.books.wait_for(lambda books: books.post_count == 1)
    return server


@pytest.fixture
def held(priced: Callable[..., Any]) -> Any:
    """A service that keeps its answers back until it is let go."""
    hold = Hold()
    service = priced(log=hold)
    yield service, hold
    hold.release()


# -- what goes over its pipes -----------------------------------------------------------------


def test_only_the_protocol_is_on_stdout(priced: Any, wire: Any, shim: Any) -> None:
    server = wire(priced(), env=shim(PRINTER))
    server.shake_hands()
    for _ in range(3):
        made = server.request("tools/call", **FOX)
        assert made["result"]["structuredContent"]["status"] == "ok"
    server.hear("all is printed")
    assert server.end() == 0
    for line in server.lines:
        assert json.loads(line)["jsonrpc"] == "2.0"
    for said in ("by its number", "by print", "by a child", "kept in a buffer", "at the end"):
        assert said in server.stderr


def test_what_is_no_message_is_passed_over(priced: Any, wire: Any) -> None:
    service = priced()
    server = wire(service)
    call = {"jsonrpc": "2.0", "id": 99, "method": "tools/call"}
    prompts = ('"' + "x" * 5_000_000 + '"', "[" * 5000 + "]" * 5000, r'"\ud83d"', "NaN", "")
    for rubbish in (
        *(b"hello", b"", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff\xfe\x00\xe9", b"\x00" * 9),
        *(bytes(range(256)).replace(b"\n", b""), b'{"jsonrpc":"1.0","id":1,"method":"ping"}'),
        *(b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}'),
        *(json.dumps({**call, "params": wrong}).encode() for wrong in (7, [1], {}, {"name": 5})),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 5}).encode(),
        json.dumps({"jsonrpc": "2.0", "id": 5, "result": {}}).encode(),
    ):
        server.write(rubbish + b"\n")
    server.shake_hands()
    for number, prompt in enumerate(prompts, 100):
        server.write(
            b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"check_request",'
            b'"arguments":{"prompt":%s}}}\n' % (number, prompt.encode())
        )
    half = server.answer(102)
    assert half["result"]["structuredContent"]["prompt"] == "?"
    server.send({"id": 97, "method": "tools/call", "params": {"name": "rm", "arguments": {}}})
    server.send({"id": 96, "method": "tools/destroy"})
    told = server.request("tools/call", **CHECK)
    assert told["result"]["structuredContent"]["status"] == "valid"
    # Half a message, and the end.
    server.write(b'{"jsonrpc":"2.0","id":95,"meth')
    assert server.end() == 0
    for line in server.lines:
        assert json.loads(line)["jsonrpc"] == "2.0"
        assert len(line) < 20_000
    assert b"Traceback" not in b"".join(server.lines)
    assert "Traceback" not in server.stderr
    assert service.books.posts == []


# -- how it begins ----------------------------------------------------------------------------


def test_nobody_asks_anything(service: Any) -> None:
    # `zimage` itself is told where to look for files, and has not been asked for any.
    server = service.popen("mcp", stdin=subprocess.DEVNULL)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, b"", b"")
    assert service.history() == []


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_without_standard_streams(service: Any) -> None:
    command = [*service.zimage.command, "mcp"]
    for closed in ("<&-", ">&- </dev/null", "2>&- </dev/null"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command],
            env=service.zimage.environment(service.env),
            cwd=service.work,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), closed


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_in_a_folder_that_is_gone_without_a_home(priced: Any, wire: Any, work: Path) -> None:
    service = priced()
    program = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    command = ["/bin/sh", "-c", program, "sh", *service.zimage.command, "mcp"]
    made = work / "made"
    nowhere = {"HOME": None, "XDG_DATA_HOME": "/nowhere", "XDG_CONFIG_HOME": None}
    server = wire(service, "--output-dir", str(made), command=command, env=nowhere)
    server.shake_hands()
    told = server.request("tools/call", **FOX)["result"]["structuredContent"]
    assert told["status"] == "ok"
    assert Path(told["pictures"][0]["path"]).is_relative_to(made)
    assert server.end() == 0


def test_without_a_key(priced: Any, wire: Any) -> None:
    service = priced()
    server = wire(service, env={"DASHSCOPE_API_KEY": None})
    server.shake_hands()
    assert server.request("tools/call", **CHECK)["result"]["isError"] is False
    told = server.request("tools/call", **FOX)["result"]
    assert told["isError"] is True
    assert "zimage config set-key" in told["content"][0]["text"]
    assert server.end() == 0
    assert service.books.posts == []


def test_settings_that_cannot_be_used(service: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text("region = mars\n")
    server = service.popen("mcp")
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (2, b"")
    assert b"config.toml" in err


def test_on_a_terminal_it_says_what_it_is(terminal: Any) -> None:
    screen = terminal("mcp", "--sandbox")
    screen.until(lambda shown: "  next: zimage mcp --print-config claude" in shown.lines, 60)
    assert "zimage mcp speaks MCP to the program that starts it; Ctrl-D ends it." in screen.text
    screen.child.sendeof()
    assert screen.end(60) == 0


@pytest.mark.usefixtures("unpaced")
def test_two_servers_share_one_history(priced: Any, wire: Any) -> None:
    service = priced()
    servers = [wire(service, "--confirm-above", "1") for _ in range(2)]
    for server in servers:
        server.shake_hands()
    fox = {**FOX["arguments"], "count": 4}
    asked = [(one, one.ask("tools/call", name=FOX["name"], arguments=fox)) for one in servers]
    told = [one.answer(number)["result"]["structuredContent"] for one, number in asked]
    assert [one["status"] for one in told] == ["ok", "ok"], told
    pictures = [picture for one in told for picture in one["pictures"]]
    assert [server.end() for server in servers] == [0, 0]
    assert len({picture["path"] for picture in pictures}) == 8
    assert len({picture["history_id"] for picture in pictures}) == 8
    assert [row["status"] for row in service.history()] == ["saved"] * 8
    assert service.books.billed_count == 8


# -- how it ends ------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(service: Any, wire: Any, number: int) -> None:
    server = wire(service)
    server.shake_hands()
    server.process.send_signal(number)
    assert server.wait() == 128 + number
    assert "Traceback" not in server.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_picture_that_is_being_painted_is_saved_at_a_signal(held: Any, wire: Any) -> None:
    service, hold = held
    server = painting(service, wire)
    server.process.send_signal(signal.SIGTERM)
    hold.release()
    assert server.wait() == 128 + signal.SIGTERM
    assert [row["status"] for row in service.history()] == ["saved"]
    assert len(service.pictures()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_hosts_close_the_input_and_then_send_sigterm(held: Any, wire: Any) -> None:
    service, hold = held
    server = painting(service, wire)
    server.process.stdin.close()
    server.process.send_signal(signal.SIGTERM)
    hold.release()
    assert server.wait() in {0, 128 + signal.SIGTERM}
    assert [row["status"] for row in service.history()] == ["saved"]


def test_nobody_reads_the_answer(held: Any) -> None:
    service, hold = held
    server = service.popen("mcp", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
    for message in (
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": FOX},
    ):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        server.stdin.flush()
    try:
        assert service.books.wait_for(lambda books: books.post_count == 1)
        server.stdout.close()
        hold.release()
        assert service.books.wait_for(lambda books: len(books.pictures) == 1)
        server.stdin.close()
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert [row["status"] for row in service.history()] == ["saved"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_signal_leaves_at_once(held: Any, wire: Any) -> None:
    service, _hold = held
    server = painting(service, wire)
    server.process.send_signal(signal.SIGTERM)
    server.hear("stopping")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 128 + signal.SIGTERM
    assert "zimage history list" in server.stderr
    # Whoever looks next finds out what became of it.
    (row,) = service("history", "list", "--json").json["entries"]
    assert row["status"] == "lost"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_it_ends_with_the_program_that_started_it(service: Any) -> None:
    program = """
import subprocess, sys, time
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
server.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\\n')
server.stdin.flush()
server.stdout.readline()
print(flush=True)
time.sleep(600)
"""
    host = subprocess.Popen(
        [sys.executable, "-c", program, *service.zimage.command, "mcp"],
        env=service.zimage.environment(service.env),
        cwd=service.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert host.stdout.readline() == b"\n"
        host.kill()
        # The server has the other end of it too: this is its end.
        assert host.communicate(timeout=60) == (b"", b"")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
