from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import Sandbox

KEY = "sk-0123456789abcdef0123456789abcdef"
OTHER = "sk-fedcba9876543210fedcba9876543210"


def store_keys(config_file: Path, **keys: str) -> None:
    config_file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f'{region} = "{key}"\n' for region, key in keys.items())
    config_file.write_text(f"[keys]\n{lines}")
    config_file.chmod(0o600)


# -- list and show -------------------------------------------------------------------------------

LIST_80 = """\
  region     id              price      extended  key
             host
─────────────────────────────────────────────────────────────
  beijing    cn-beijing      CNY 0.10   CNY 0.20  none
             dashscope.aliyuncs.com
✓ singapore  ap-southeast-1  USD 0.015  USD 0.03  sk-…cdef
             dashscope-intl.aliyuncs.com
  sandbox    -               free       free      none needed
             inside this process
The active region is singapore (the one region with a stored key).
"""
LIST_200 = """\
  region     id              price      extended  key          host
──────────────────────────────────────────────────────────────────────────────────────────
  beijing    cn-beijing      CNY 0.10   CNY 0.20  none         dashscope.aliyuncs.com
✓ singapore  ap-southeast-1  USD 0.015  USD 0.03  sk-…cdef     dashscope-intl.aliyuncs.com
  sandbox    -               free       free      none needed  inside this process
The active region is singapore (the one region with a stored key).
"""


@pytest.mark.parametrize("args", [(), ("list",)])
@pytest.mark.parametrize(("columns", "expected"), [(80, LIST_80), (200, LIST_200)])
def test_list_on_a_terminal(
    args: tuple[str, ...], columns: int, expected: str, terminal: Any, config_file: Path
) -> None:
    store_keys(config_file, singapore=KEY)
    screen = terminal("regions", *args, columns=columns)
    assert screen.end() == 0
    assert screen.text + "\n" == expected


def test_list_in_a_pipe(zimage: Any) -> None:
    run = zimage("regions")
    assert run.stdout == (
        "region\tid\tprice\textended\tkey\tactive\thost\n"
        "beijing\tcn-beijing\tCNY 0.10\tCNY 0.20\tnone\tyes\tdashscope.aliyuncs.com\n"
        "singapore\tap-southeast-1\tUSD 0.015\tUSD 0.03\tnone\tno\tdashscope-intl.aliyuncs.com\n"
        "sandbox\t-\tfree\tfree\tnone needed\tno\tinside this process\n"
    )
    assert run.stderr == "The active region is beijing (default).\n"
    assert zimage("regions", "--json").stdout == zimage("regions", "list", "--json").stdout


def test_list_as_json(zimage: Any, config_file: Path) -> None:
    store_keys(config_file, beijing=KEY, singapore=OTHER)
    document = zimage("regions", "list", "--json", env={"ZIMAGE_ENDPOINT": "trial"}).json
    assert list(document) == [
        *("schema", "status", "active", "active_source", "api_root", "regions", "errors")
    ]
    assert (document["status"], document["errors"]) == ("ok", [])
    assert (document["schema"], document["active"]) == (1, "beijing")
    beijing, singapore, sandbox = document["regions"]
    assert beijing == {
        "name": "beijing",
        "id": "cn-beijing",
        "active": True,
        "active_source": "default",
        "endpoint": "trial",
        "host": "trial.cn-beijing.maas.aliyuncs.com",
        "hosts": {
            "shared": "dashscope.aliyuncs.com",
            "workspace": "{WorkspaceId}.cn-beijing.maas.aliyuncs.com",
            "trial": "trial.cn-beijing.maas.aliyuncs.com",
        },
        "price": {"amount": "0.10", "currency": "CNY"},
        "price_prompt_extend": {"amount": "0.20", "currency": "CNY"},
        "key": "sk-…cdef",
        "key_source": "config file",
        "key_problem": None,
        "key_stored": True,
        "data": "inference and data stay in mainland China",
        "key_page": "https://bailian.console.aliyun.com",
    }
    assert singapore["key"] == "sk-…3210"
    assert singapore["price"] == {"amount": "0.015", "currency": "USD"}
    assert (sandbox["name"], sandbox["active"], sandbox["price"]) == ("sandbox", False, None)


def test_list_tells_what_is_wrong_with_one_region(
    zimage: Any, terminal: Any, config_file: Path
) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('endpoint = "workspace"\n[workspaces]\nbeijing = "llm-1"\n')
    rows = {line.split("\t")[0]: line.split("\t")[-1] for line in zimage("regions").lines}
    assert rows["beijing"] == "llm-1.cn-beijing.maas.aliyuncs.com"
    assert rows["singapore"] == (
        "the endpoint is workspace (config file), and no workspace is set for singapore"
    )
    screen = terminal("regions", columns=80)
    assert screen.end() == 0
    assert screen.lines[5:8] == [
        "  singapore  ap-southeast-1  USD 0.015  USD 0.03  -",
        "             the endpoint is workspace (config file), and no workspace is set",
        "             for singapore",
    ]


def test_list_tells_of_a_key_that_cannot_be_used(zimage: Any) -> None:
    run = zimage("regions", env={"DASHSCOPE_API_KEY": "sk-sp-0123456789abcdef"})
    assert run.lines[1].split("\t")[4:6] == ["not usable", "yes"]
    assert "warning: the key from environment DASHSCOPE_API_KEY is a Coding Plan" in run.stderr


def test_list_says_when_calls_go_elsewhere(zimage: Any) -> None:
    run = zimage("regions", env={"DASHSCOPE_BASE_URL": "https://gateway.example"})
    assert run.stderr == (
        "Calls go to https://gateway.example/api/v1 (environment DASHSCOPE_BASE_URL), "
        "in no region.\n"
    )
    assert [line.split("\t")[5] for line in run.lines] == ["active", "no", "no", "no"]
    run = zimage("regions", env={"ZIMAGE_REGION": "sandbox"})
    assert [line.split("\t")[5] for line in run.lines] == ["active", "no", "no", "yes"]
    assert run.stderr == "The active region is the sandbox (environment ZIMAGE_REGION).\n"


SHOWN = """\
region              singapore
id                  ap-southeast-1
active              no
endpoint in use     shared: dashscope-intl.aliyuncs.com
shared host         dashscope-intl.aliyuncs.com
workspace host      {WorkspaceId}.ap-southeast-1.maas.aliyuncs.com
trial host          trial.ap-southeast-1.maas.aliyuncs.com
price a picture     USD 0.015
with prompt_extend  USD 0.03
key                 none
data                inference anywhere but mainland China
keys are made at    https://modelstudio.console.aliyun.com/ap-southeast-1
"""


@pytest.mark.parametrize("name", ["singapore", "AP-Southeast-1"])
def test_show(name: str, zimage: Any, terminal: Any) -> None:
    screen = terminal("regions", "show", name, columns=80)
    assert screen.end() == 0
    assert screen.text + "\n" == SHOWN
    piped = zimage("regions", "show", name).lines
    assert piped == ["name\tvalue", *(re.sub("  +", "\t", line) for line in SHOWN.splitlines())]


def test_show_the_sandbox_and_json(zimage: Any) -> None:
    assert "key\tnone needed" in zimage("regions", "show", "sandbox").lines
    document = zimage("regions", "show", "cn-beijing", "--json").json
    assert (document["schema"], document["name"], document["active"]) == (1, "beijing", True)
    empty = zimage("regions", "show", "mars", "--json", status=2).json
    assert (
        list(empty) == list(document) == list(zimage("regions", "show", "sandbox", "--json").json)
    )


def test_show_an_unknown_region(zimage: Any) -> None:
    run = zimage("regions", "show", "mars", status=2)
    assert "'mars' is not a region; allowed: beijing (cn-beijing), singapore" in run.stderr
    assert "(from the argument NAME)" in run.stderr
    assert "orrect" not in run.stderr


# -- ping ----------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Any]:
    with Sandbox(keys=frozenset({KEY, OTHER}), denied_keys=frozenset({OTHER})) as running:
        yield running


def ping(zimage: Any, root: str, *args: str, key: str | None = KEY, status: int = 0) -> Any:
    env = {"DASHSCOPE_BASE_URL": root, "DASHSCOPE_API_KEY": key}
    return zimage("regions", "ping", *args, env=env, status=status)


def test_ping_asks_once_and_says_all(zimage: Any, server: Any) -> None:
    document = ping(zimage, server.api_root, "--json").json
    (answer,) = document["regions"]
    assert (document["status"], document["errors"]) == ("ok", [])
    assert answer["region"] == "custom"
    assert answer["key"] == "sk-…cdef"
    assert answer["key_source"] == "environment DASHSCOPE_API_KEY"
    assert (answer["reachable"], answer["key_accepted"], answer["model_visible"]) == (
        True,
        True,
        True,
    )
    assert 0 < answer["connect_ms"] < 10_000
    assert 0 < answer["answer_ms"] < 10_000
    (call,) = server.books.calls
    assert call.method == "GET"
    assert call.target == "/api/v1/models?model=z-image-turbo&page_no=1&page_size=1"
    assert server.books.billed_count == 0


@pytest.mark.parametrize("columns", [80, 200])
def test_ping_on_a_terminal(terminal: Any, server: Any, columns: int) -> None:
    env = {"DASHSCOPE_BASE_URL": server.api_root, "DASHSCOPE_API_KEY": KEY}
    screen = terminal("regions", "ping", columns=columns, env=env)
    assert screen.end() == 0
    header, rule, row = screen.lines
    assert header.split() == ["region", "reachable", "key", "model", "connect", "answer", "host"]
    assert set(rule) == {"─"}
    shape = r"custom  ✓ yes      ✓ accepted  ✓ visible +\d+ ms +\d+ ms  127\.0\.0\.1"
    assert re.fullmatch(shape, row)
    assert [header.index(name) for name in ("key", "model", "host")] == [
        row.index(text) for text in ("✓ accepted", "✓ visible", "127.0.0.1")
    ]
    assert KEY not in screen.raw


def test_ping_with_a_refused_key(zimage: Any, server: Any) -> None:
    run = ping(zimage, server.api_root, "--json", key="sk-wrong-0123456789", status=3)
    (answer,) = run.json["regions"]
    assert (answer["reachable"], answer["key_accepted"]) == (True, False)
    assert run.json["errors"][0]["code"] == "InvalidApiKey"
    assert "127.0.0.1 (custom) was asked" in run.stderr


def test_ping_when_the_model_is_not_visible(zimage: Any, server: Any) -> None:
    run = ping(zimage, server.api_root, "--json", key=OTHER, status=3)
    (answer,) = run.json["regions"]
    assert (answer["key_accepted"], answer["model_visible"]) == (True, False)
    said = (
        "127.0.0.1 accepts the key (environment DASHSCOPE_API_KEY), but it does not see the model"
    )
    assert f"error: {said} z-image-turbo.\n" in run.stderr


@pytest.mark.parametrize(
    ("fault", "status", "reachable", "accepted"),
    [
        ("AccessDenied.Unpurchased", 3, True, True),
        ("Throttling.RateQuota", 5, True, None),
        ("InternalError", 7, True, None),
        ("reset", 6, False, None),
    ],
)
def test_ping_exits_by_what_went_wrong(
    fault: str, status: int, reachable: bool, accepted: bool | None, zimage: Any, server: Any
) -> None:
    server.script_models(fault)
    run = ping(zimage, server.api_root, "--json", status=status)
    (answer,) = run.json["regions"]
    assert (answer["reachable"], answer["key_accepted"]) == (reachable, accepted)
    assert run.json["status"] == "error"
    assert len(server.books.calls) == 1


def test_ping_where_nothing_listens(zimage: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        run = ping(zimage, f"http://127.0.0.1:{port}", status=6)
    assert run.lines[1] == "custom\tno\t-\t-\t-\t-\t127.0.0.1"


def test_ping_without_a_key_names_both_ways_out(zimage: Any, server: Any) -> None:
    run = ping(zimage, server.api_root, key=None, status=3)
    assert "--sandbox" in run.stderr
    run = zimage("regions", "ping", "singapore", status=3)
    assert "zimage config set-key --region singapore" in run.stderr
    assert (
        "zimage config set-key --region beijing"
        in zimage("regions", "ping", "--all", status=3).stderr
    )
    assert server.books.calls == []


def test_ping_all_asks_no_region_with_anothers_key(
    zimage: Any, server: Any, config_file: Path
) -> None:
    store_keys(config_file, singapore=OTHER)
    document = ping(zimage, server.api_root, "--all", "--json").json
    assert [one["region"] for one in document["regions"]] == ["custom"]
    assert [call.key for call in server.books.calls] == [KEY]


def test_ping_of_a_name_does_not_ask_somebody_else(zimage: Any, server: Any) -> None:
    run = ping(zimage, server.api_root, "singapore", status=2)
    assert "the argument region singapore and the base URL" in run.stderr
    assert "Unset DASHSCOPE_BASE_URL" in run.stderr
    assert server.books.calls == []


@pytest.mark.parametrize("args", [("sandbox",), ()])
def test_ping_the_sandbox_needs_nothing(args: tuple[str, ...], zimage: Any) -> None:
    run = zimage("regions", "ping", *args, "--json", env={"ZIMAGE_REGION": "sandbox"})
    (answer,) = run.json["regions"]
    assert (answer["region"], answer["model_visible"], answer["key"]) == ("sandbox", True, None)


def test_ping_a_name_or_all(zimage: Any) -> None:
    assert "contradict" in zimage("regions", "ping", "beijing", "--all", status=2).stderr


@pytest.fixture
def refusing_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through, and the hosts that it was asked for."""
    asked: list[str] = []

    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().split()[1])
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}", asked
        proxy.shutdown()


def test_ping_all_asks_every_region_with_its_own_key(
    zimage: Any, config_file: Path, refusing_proxy: tuple[str, list[str]]
) -> None:
    store_keys(config_file, beijing=KEY, singapore=OTHER)
    url, asked = refusing_proxy
    env = {"HTTPS_PROXY": url, "ZIMAGE_REGION": "singapore"}
    run = zimage("regions", "ping", "--all", "--json", env=env, status=6)
    assert asked == ["dashscope-intl.aliyuncs.com:443", "dashscope.aliyuncs.com:443"]
    found = [(one["region"], one["key"], one["reachable"]) for one in run.json["regions"]]
    assert found == [("singapore", "sk-…3210", False), ("beijing", "sk-…cdef", False)]
    assert run.json["status"] == "error"
    assert [error["type"] for error in run.json["errors"]] == ["connection"] * 2


def test_ping_all_tells_of_a_region_that_cannot_be_asked(
    zimage: Any, config_file: Path, refusing_proxy: tuple[str, list[str]]
) -> None:
    store_keys(config_file, beijing=KEY, singapore=OTHER)
    text = config_file.read_text()
    config_file.write_text(f'endpoint = "workspace"\n{text}[workspaces]\nbeijing = "llm-1"\n')
    url, asked = refusing_proxy
    run = zimage(
        "regions",
        *("ping", "--all", "--json"),
        env={"HTTPS_PROXY": url, "ZIMAGE_REGION": "beijing"},
        status=6,
    )
    assert asked == ["llm-1.cn-beijing.maas.aliyuncs.com:443"]
    _, singapore = run.json["regions"]
    assert (singapore["region"], singapore["host"], singapore["reachable"]) == (
        "singapore",
        None,
        None,
    )
    assert "no workspace is set for singapore" in run.json["errors"][1]["message"]


@pytest.mark.parametrize("command", ["", "list", "show", "ping"])
def test_every_help_has_examples_and_fits(command: str, zimage: Any) -> None:
    run = zimage("regions", *([command] if command else []), "--help", env={"COLUMNS": "80"})
    assert 2 <= run.stdout.partition("Examples:")[2].count("zimage regions") <= 4
    assert max(map(len, run.lines)) <= 80
