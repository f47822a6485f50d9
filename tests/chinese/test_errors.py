"""Every error in Chinese: no sentence of it is left in English, and programs read the same."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import CHINESE, KEY, unvarying
from test_errors_are_templates import all_classes

from zimage_cli import Client
from zimage_cli.api.codes import CODES, error_for
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.output import Output
from zimage_cli.core.advice import EXIT_STATUSES, exit_status, hint_for
from zimage_cli.errors import RequestInvalid, UsageError, ZimageError
from zimage_cli.sandbox.faults import ANSWERS, ERRORS, PICTURES, Fault

KEYED = {"DASHSCOPE_API_KEY": KEY}
ENGLISH = re.compile(r"(?<![\w/.'\"@-])[A-Za-z]+ [a-z]+(?![\w/.=@-])")
NOT_OURS = re.compile(
    # The words of the service, and of the network on Windows, commands, and values in quotes.
    r"^  服务端：.*$|\[WinError -?\d+\] [^。]*"
    r"|zimage(?: [a-z][a-z-]*)+|\"[^\"\n]*\"|'[^'\n]*'",
    re.MULTILINE,
)
SLOW = {"no-answer", "slow-answer", "drip-answer", "picture-stall", "picture-slow"}
SLOW |= {"picture-too-large", "picture-too-large-chunked"}


def english_in(text: str) -> list[str]:
    """Return every two words of English that stand one after another."""
    return ENGLISH.findall(NOT_OURS.sub("", text))


def screen_of(error: ZimageError) -> str:
    """Return what a person who reads Chinese sees of an error."""
    stderr = io.StringIO()
    print_error(Output(stderr=stderr, environ=CHINESE), error)
    return stderr.getvalue()


def service_error(status: int, code: str | None, words: str) -> ZimageError:
    body = {"code": code, "message": words, "request_id": "r-1"} if code else None
    return error_for(status, json.dumps(body).encode() if body else b"", {})


@pytest.mark.parametrize("text", ["No such file.", "无法连接：timed out", "请求 the key 中"])
def test_english_is_found(text: str) -> None:
    assert english_in(text)


def test_every_code_of_the_service() -> None:
    named = {code.lower(): code for code in ERRORS}
    for code in {**CODES, **named}:
        status, words = ERRORS.get(named.get(code, ""), (400, "Something about it."))
        said = screen_of(service_error(status, code, words))
        first, service, *following = said.splitlines()
        assert re.fullmatch("错误：.*[\u4e00-\u9fff].*。", first)
        assert service == f"  服务端：{words}（{code}、HTTP {status}、请求 ID r-1）"
        assert not following or following[0].startswith("  下一步：")
        assert english_in(said) == []


def test_every_status_without_a_code() -> None:
    for status in (200, 301, 307, *range(400, 430), *range(500, 512), 599):
        first, *following = screen_of(service_error(status, None, "")).splitlines()
        assert first.startswith("错误：")
        assert english_in("\n".join([first, *following])) == []


@pytest.mark.parametrize("cls", [cls for cls in all_classes() if cls is not ZimageError])
def test_every_class_has_a_next_step_in_chinese(cls: type[ZimageError]) -> None:
    if issubclass(cls, RequestInvalid):
        problem = UsageError("{field}: {value} is blank.", field="prompt", value='""')
        error: ZimageError = cls((problem, problem))
    else:
        error = cls("{cause}; allowed: {allowed}", cause="1", allowed="2", nearest="3")
    said = screen_of(error)
    assert said.startswith("错误：")
    assert (hint_for(error) is None) == ("\n  下一步：" not in said)
    assert english_in(said) == []
    assert exit_status(error) in EXIT_STATUSES


@pytest.mark.parametrize("kinds", [ANSWERS, PICTURES])
def test_every_answer_and_picture_that_is_none(serve: Any, kinds: Any) -> None:
    service, told = serve(), {}
    options = {"size": "512*512", "rps": 0, "retries": 0, "evidence": False}
    with Client(api_key=KEY, base_url=service.server.api_root, **options) as client:
        for kind in kinds.keys() - SLOW:
            service.script(Fault(kind, count=9))
            try:
                client.generate("a red fox", seed=7)
            except ZimageError as error:
                told[kind] = screen_of(error)
    assert len(told) > len(kinds) / 2
    assert {kind: english_in(said) for kind, said in told.items() if english_in(said)} == {}


FAULTS = {
    "InvalidParameter": 2,
    "InvalidApiKey": 3,
    "DataInspectionFailed": 4,
    "Throttling": 5,
    "AllocationQuota.FreeTierOnly": 5,
    "Arrearage": 5,
    "close": 6,
    "InternalError": 7,
    "empty-200": 7,
    "hostile-error": 2,
    "picture-404": 8,
    "foreign-url": 8,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_failure_is_the_same_for_programs(unpaced: None, service: Any, kind: str) -> None:
    told = []
    for env in ({}, CHINESE):
        service.script(Fault(kind, count=9))
        args = ("狐狸", "--seed", "7", "--retries", "0", "--no-evidence", "--json")
        run = service.generate(*args, env=env, status=FAULTS[kind])
        told.append(unvarying(run.stdout))
        assert bool(english_in(run.stderr)) is (env is not CHINESE)
    assert told[0] == told[1]


MISTAKES = [
    ("generate", "a", "--count", "0"),
    ("generate", " ", "--seed", "-1", "--size", "5:4"),
    ("generate", "--request", '{"prompt": "a", "steps": 3, "size": []}'),
    ("generate", "--request", '{"prompt": '),
    ("generate", "a", "--region", "mars"),
    ("generate", "a", "--seeds", "3-1"),
    ("generate", "a", "--preset", "ink"),
    ("generate", "a", "--name", "{colour}.png"),
    ("generate", "a {red|blue kite", "--expand"),
    ("generate", "a {@colours.txt} kite", "--expand"),
    ("generate", "a", "--max-cost", "much"),
    ("generate", "a", "--like", "77"),
    ("batch", "nowhere.txt"),
    ("batch", "list.txt", "--shard", "5/4"),
    ("batch", "list.txt", "--patience", "long"),
    ("batch", "list.txt", "--encoding", "latin-99"),
    ("batch", "list.csv"),
    ("batch", "list.jsonl"),
    ("history", "show", "77"),
    ("inspect", "list.txt"),
    ("gallery", "nowhere"),
]


@pytest.mark.parametrize("args", MISTAKES)
def test_a_mistake_is_the_same_for_programs(zimage: Any, work: Path, args: tuple[str, ...]) -> None:
    (work / "list.txt").write_text("a kite\n")
    (work / "list.csv").write_text("prompts,colour\na kite,red\n")
    (work / "list.jsonl").write_text('{"prompt": "a", "count": 0}\n{"prompt": ""}\n3\n')
    told = [
        zimage(*args, "--json", env=env, status=(2, 3)) for env in (KEYED, {**KEYED, **CHINESE})
    ]
    assert told[0].status == told[1].status
    assert unvarying(told[0].stdout) == unvarying(told[1].stdout)
    assert english_in(told[0].stderr)
    assert english_in(told[1].stderr) == []


@pytest.mark.parametrize(
    ("env", "status"),
    [({}, 3), ({**KEYED, "HTTPS_PROXY": "http://127.0.0.1:9"}, 6)],
    ids=["no key", "no way"],
)
def test_what_never_reaches_the_service_is_the_same_for_programs(
    zimage: Any, env: dict[str, str], status: int
) -> None:
    args = ("generate", "狐狸", "--seed", "7", "--retries", "0", "--json")
    told = [zimage(*args, env={**env, **more}, status=status) for more in ({}, CHINESE)]
    assert unvarying(told[0].stdout) == unvarying(told[1].stdout)
    assert english_in(told[0].stderr)
    assert english_in(told[1].stderr) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_the_faults_of_the_sandbox_are_explained(terminal: Any) -> None:
    screen = terminal("sandbox", "serve", "--fault", "list", rows=160, env=CHINESE)
    assert screen.end() == 0
    # The words of the service stand above.
    service, title, ours = screen.text.partition("\n响应不正常\n")
    assert title
    assert service.startswith("请求被拒绝；不计费\n")
    assert "  empty-200             200，没有响应体；已计费\n" in ours
    assert english_in(ours) == []
