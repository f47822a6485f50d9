"""Sizes and regions as people type them, at every place that takes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

KEY = "sk-0123456789abcdef0123456789abcdef"


def sent(run: Any) -> dict[str, Any]:
    """Return the parameters of the request that a dry run shows."""
    body = json.loads(run.json["requests"][0]["body"])
    return dict(body["parameters"])


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("1920 x 1080", "1920*1080"),
        ("1080p", "1920*1080"),
        ("１０２４＊１０２４", "1024*1024"),
        ("16：9@1536", "2048*1152"),
        ("横图", "1248*832"),
    ],
)
def test_a_size_is_understood_wherever_one_is_taken(
    zimage: Any, service: Any, typed: str, size: str
) -> None:
    request = json.dumps({"prompt": "kite", "size": typed})
    (zimage.cwd / "request.json").write_text(request)
    dry = ("--dry-run", "--json")
    for args in (
        ("kite", "--size", typed),
        ("kite", "--sizes", typed),
        ("--request", request),
        ("--file", "request.json"),
    ):
        assert sent(zimage("generate", *args, *dry))["size"] == size
    zimage("config", "set", "size", typed)
    assert zimage("config", "get", "size").stdout == f"{size}\n"
    assert sent(zimage("generate", "kite", *dry))["size"] == size
    lines = {"lines.jsonl": request, "lines.csv": f"prompt,size\nkite,{typed}", "lines.txt": "kite"}
    for name, text in lines.items():
        (zimage.cwd / name).write_text(text + "\n")
        args = ("--size", typed) if name == "lines.txt" else ()
        service("batch", name, *args, "-o", name.replace(".", "-"))
        assert json.loads(service.books.posts[-1].body)["parameters"]["size"] == size


@pytest.mark.parametrize(("typed", "name"), [("北京", "beijing"), ("新加坡", "singapore")])
def test_a_region_is_understood_wherever_one_is_taken(
    zimage: Any, config_file: Path, typed: str, name: str
) -> None:
    def host(run: Any) -> str:
        return str(run.json["requests"][0]["url"])

    wanted = {"beijing": "//dashscope.aliyuncs.com/", "singapore": "//dashscope-intl."}[name]
    dry = ("generate", "kite", "--dry-run", "--json")
    assert wanted in host(zimage(*dry, "--region", typed))
    for variable in ("ZIMAGE_REGION", "DASHSCOPE_API_REGION"):
        assert wanted in host(zimage(*dry, env={variable: typed}))
    assert zimage("regions", "show", typed).stdout == zimage("regions", "show", name).stdout
    zimage("config", "set-key", "--region", typed, stdin=KEY)
    zimage("config", "set-workspace", "ws-1", "--region", typed)
    zimage("config", "set-region", typed)
    zimage("config", "set", "region", typed)
    assert zimage("config", "get", "region").stdout == f"{name}\n"
    text = config_file.read_text("utf-8")
    assert text.isascii()
    assert f'region = "{name}"' in text
    config_file.write_text(f'region = "{typed}"\n', "utf-8")
    assert wanted in host(zimage(*dry))


@pytest.mark.parametrize("args", [("--size", "5:4"), ("-n", "4", "-s", "5:4"), ("--sizes", "5:4")])
def test_a_wrong_size_is_told_once(zimage: Any, args: tuple[str, ...]) -> None:
    run = zimage("generate", "kite", *args, status=2)
    assert run.stderr == (
        'error: size: "5:4" is not a recommended ratio; allowed: 1:1, 2:3, 3:2, 3:4, 4:3, 7:9, '
        "9:7, 9:16, 9:21, 16:9, 21:9, or W*H; nearest valid size: 9:7 (1152*896)\n"
        "  next: See the recommended sizes: zimage sizes\n"
    )


def test_a_wrong_size_is_told_once_beside_a_missing_prompt(zimage: Any) -> None:
    run = zimage("generate", "--size", "huge", status=2)
    assert run.stderr == (
        "error: the request has 2 problems:\n"
        "- No prompt.\n"
        '- size: "huge" is not a size; allowed: W*H such as 1024*1024 or 1280x720, a ratio such '
        "as 16:9 or 16:9@1536, square, portrait or landscape; nearest valid size: 1024*1024\n"
        "  next: See the recommended sizes: zimage sizes\n"
    )
