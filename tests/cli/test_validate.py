"""zimage validate: is everything well, and if not, what to do."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli.sandbox.faults import Fault

KEY = "sk-0123456789abcdef0123456789abcdef"
REPORT = Path("output") / "aliyun-zimage-turbo" / "validate.txt"
NO_KEY = "Not ready: no key for beijing. zimage config set-key --region beijing"
CHECKS = ["code", "config", "region", "endpoint", "key", "output", "history"]


def report(service: Any) -> list[str]:
    text: str = (service.cwd / REPORT).read_text(encoding="utf-8")
    assert text.endswith("\n")
    return text.splitlines()


def test_a_fresh_machine_is_well_but_for_the_key(zimage: Any, home: Path) -> None:
    run = zimage("validate")
    assert run.stdout == ""
    header, *rows, verdict = run.stderr.splitlines()
    assert header == "check\tstatus\tfound"
    assert [row.split("\t")[0] for row in rows] == CHECKS
    assert verdict == NO_KEY
    lines = report(zimage)
    assert (lines[0], lines[-1]) == ("py_compile_ok", NO_KEY)
    assert [line.split(":")[0] for line in lines[1:-1]] == [
        "ok code",
        "ok config",
        "ok region",
        "ok endpoint",
        "warning key",
        "ok output",
        "ok history",
    ]
    assert "https://dashscope.aliyuncs.com/api/v1" in lines[4]
    assert (home / ".local/share/zimage/history.db").exists()


def test_json(zimage: Any) -> None:
    run = zimage("validate", "--json", "-q", env={"DASHSCOPE_API_KEY": KEY})
    assert run.stderr == ""
    assert list(run.json) == ["schema", "status", "checks", "errors"]
    assert run.json["status"] == "ok"
    assert run.json["errors"] == []
    assert [check["name"] for check in run.json["checks"]] == CHECKS
    assert {check["status"] for check in run.json["checks"]} == {"ok"}
    key = run.json["checks"][4]
    assert key["detail"] == "sk-…cdef (environment DASHSCOPE_API_KEY)"
    assert KEY not in run.stdout


def test_it_says_which_zimage_and_which_python(zimage: Any) -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    found = f"zimage {zimage_cli.__version__}, Python {python}"
    assert zimage("validate", "--json").json["checks"][0]["detail"] == found


def test_the_verdict(zimage: Any, config_file: Path) -> None:
    def verdict(*args: str, status: int = 0, key: str | None = KEY) -> str:
        run = zimage("validate", *args, status=status, env={"DASHSCOPE_API_KEY": key})
        last: str = run.stderr.splitlines()[-1]
        assert report(zimage)[-1] == last
        return last

    assert verdict() == "Ready."
    assert verdict("--sandbox", key=None) == "Ready."
    assert verdict("a fox", "--size", "1*1", status=2) == "Not ready: the check of request failed."
    config_file.parent.mkdir(parents=True)
    config_file.write_text("size = [\n")
    assert verdict(status=2) == "Not ready: the check of config failed."
    assert verdict("a fox", "--size", "1*1", status=2) == "Not ready: 2 checks failed."


def test_a_corrupt_config(zimage: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('region = "beijing"\nsize = [\n')
    run = zimage("validate", "--json", status=2)
    assert run.json["status"] == "error"
    assert [check["status"] for check in run.json["checks"]] == ["ok", "failed"]
    assert str(config_file) in run.json["errors"][0]["message"]
    assert "line " in run.json["errors"][0]["message"]
    assert report(zimage)[0] == "py_compile_ok"
    assert report(zimage)[2].startswith("failed config: ")
    # The request is looked at all the same.
    run = zimage("validate", "a fox", "--size", "1*1", "--json", status=2)
    assert [check["name"] for check in run.json["checks"]] == ["code", "config", "request"]


def test_a_folder_that_cannot_be_written_to(zimage: Any) -> None:
    (zimage.cwd / "output").write_text("a file")
    run = zimage("validate", status=2)
    assert "a file is in the way" in run.stderr
    assert "warning: validate.txt could not be written" in run.stderr
    run = zimage("validate", "--json", "-q", status=2)
    (error,) = run.json["errors"]
    assert (error["type"], run.json["status"]) == ("usage", "error")
    assert run.stderr.startswith(f"error: {error['message']}\n  next: ")
    run = zimage("validate", "--json", "--output-dir", "elsewhere")
    assert (zimage.cwd / "elsewhere" / "aliyun-zimage-turbo" / "validate.txt").is_file()


@pytest.mark.parametrize("command", ["validate", "generate"])
def test_the_same_problems_as_generate(zimage: Any, command: str) -> None:
    request = '{"prompt": "", "size": "10x10", "seed": true, "sede": 1, "model": "other"}'
    run = zimage(command, "--request", request, "--json", status=2)
    messages = [error["message"] for error in run.json["errors"]]
    assert [message.split(":")[0] for message in messages] == [
        "prompt",
        "size",
        "seed",
        "model",
        "sede",
    ]
    assert "nearest valid size: 512*512" in messages[1]
    assert "did you mean seed?" in messages[4]
    assert all(f"- {message}\n" in run.stderr for message in messages)


def test_a_request_that_is_well(zimage: Any) -> None:
    run = zimage("validate", "一只狐狸", "--size", "16:9@1536", "--seed", "3", "--json")
    assert run.json["checks"][-1] == {
        "name": "request",
        "status": "ok",
        "detail": "2048*1152, seed 3",
        "hint": None,
    }
    (zimage.cwd / "r.json").write_text('{"prompt": "x", "prompt_extend": true}')
    run = zimage("validate", "--file", "r.json", "--json")
    assert run.json["checks"][-1]["detail"] == "1024*1024, seed drawn when sent, prompt_extend"
    run = zimage("validate", "-", "--json", stdin="a" * 900)
    assert run.json["checks"][-1]["name"] == "prompt"
    assert "cuts off the last 100" in run.json["checks"][-1]["detail"]
    run = zimage("validate", "--size", "16:9", status=2)
    assert "\nerror: No prompt.\n" in run.stderr


# -- the service, read-only ------------------------------------------------------------------------


def test_online(service: Any) -> None:
    run = service("validate", "--online", "--json")
    assert run.json["checks"][-1]["name"] == "online"
    assert run.json["checks"][-1]["detail"].startswith(
        f"{service.server.origin}: reachable, key accepted, model visible; connect "
    )
    (get,) = service.books.gets
    assert get.target == "/api/v1/models?model=z-image-turbo&page_no=1&page_size=1"
    assert get.key == service.key
    assert service.books.post_count == 0
    assert any(line.startswith("ok online: ") for line in report(service.zimage))


def test_online_in_the_sandbox(zimage: Any) -> None:
    run = zimage("validate", "--online", "--sandbox", "--json")
    assert run.json["checks"][-1]["status"] == "ok"


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("InvalidApiKey", 3, "authentication"),
        ("AccessDenied", 3, "authentication"),
        ("Throttling.RateQuota", 5, "throttled"),
        ("InternalError", 7, "service"),
        ("html-502", 7, "service"),
        ("not-json", 7, "service"),
        ("json-list", 7, "service"),
        ("reset", 6, "connection"),
        ("cut-answer", 6, "connection"),
        ("redirect", 7, "service"),
    ],
)
def test_online_failures(service: Any, fault: str, status: int, kind: str) -> None:
    service.server.script_models(Fault(fault, times=5))
    run = service("validate", "--online", "--json", status=status)
    assert run.json["errors"][0]["type"] == kind
    assert run.json["checks"][-1]["status"] == "failed"
    assert len(service.books.gets) == 1
    # Nothing was bought, and nobody says so.
    assert "billed" not in run.stderr
    assert run.json["errors"][0]["billed"] == "no"
    if fault == "InvalidApiKey":
        assert "127.0.0.1" in run.stderr
        assert "belongs to one region" in run.stderr


def test_online_without_the_right_to_the_model(serve: Any) -> None:
    service = serve(denied_keys=frozenset({KEY}))
    run = service("validate", "--online", status=3)
    assert "does not see the model z-image-turbo" in run.stderr


def test_online_without_a_key(zimage: Any) -> None:
    run = zimage("validate", "--online", "--json", status=3)
    assert run.json["errors"][0]["type"] == "authentication"
    assert "--sandbox" in run.json["errors"][0]["hint"]


def test_online_where_nobody_listens(zimage: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        env = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": url}
        run = zimage("validate", "--online", env=env, status=6)
    assert f"{url} could not be reached" in run.stderr


def test_local_trouble_outranks_the_services(service: Any) -> None:
    service.server.script_models("InvalidApiKey")
    (service.work / "output").write_text("")
    run = service("validate", "--online", "--json", status=2)
    failed = {check["name"] for check in run.json["checks"] if check["status"] == "failed"}
    assert {"output", "online"} <= failed, run.stdout


def test_the_other_region_is_never_asked_with_this_ones_key(
    service: Any, config_file: Path
) -> None:
    # A host of nobody's has no other region, whatever keys are stored.
    config_file.parent.mkdir(parents=True)
    config_file.write_text('[keys]\nsingapore = "sk-fedcba9876543210fedcba9876543210"\n')
    config_file.chmod(0o600)
    service.server.script_models("InvalidApiKey")
    run = service("validate", "--online", "--json", status=3)
    assert [check["name"] for check in run.json["checks"]] == [*CHECKS, "online"]
    assert [get.key for get in service.books.gets] == [service.key]


@pytest.mark.parametrize("columns", [80, 200])
def test_the_whole_screen(terminal: Any, home: Path, work: Path, columns: int) -> None:
    screen = terminal("validate", "a fox", "--size", "1*1", columns=columns)
    assert screen.end() == 2
    python = ".".join(map(str, sys.version_info[:3]))
    first, rest = screen.raw.replace("\r\n", "\n").split("error:", 1)
    # A long path stands on a line of its own, whole.
    assert re.sub(r"\n {12}", " ", plain(first)) == (
        f"✓ code      zimage {zimage_cli.__version__}, Python {python}\n"
        "✓ config    no config file; defaults and environment\n"
        "✓ region    beijing (default)\n"
        "✓ endpoint  shared: https://dashscope.aliyuncs.com/api/v1 (default)\n"
        "! key       none for beijing\n"
        f"✓ output    {work}/output/ai-image-zimage-turbo/images is writable\n"
        f"✓ history   {home}/.local/share/zimage/history.db\n"
        "✗ request   see below\n"
    )
    assert "1 pixels" in rest
    assert screen.lines[-1] == "Not ready: the check of request failed."


def plain(text: str) -> str:
    """Return text without its styles."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_console_of_ascii_gets_stand_ins(terminal: Any) -> None:
    env = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    screen = terminal("validate", env=env)
    assert screen.end() == 0
    assert screen.raw.isascii()
    assert [line.split()[:2] for line in screen.lines[:5]] == [
        *(["+", name] for name in CHECKS[:4]),
        ["!", "key"],
    ]


def test_without_evidence_nothing_is_written(zimage: Any, work: Path) -> None:
    zimage("config", "set", "evidence", "false")
    zimage("validate", status=0)
    assert not list(work.rglob("validate.txt"))
