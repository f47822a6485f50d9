"""--dry-run: the exact request, and nothing sent or written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KEY = "sk-0123456789abcdef0123456789abcdef"
HARD = 'it\'s "quoted" \\ back\\\\slash $HOME `id` !! 狐狸 \u202e\u200b [b]x[/b] %s\nline\ttab é'


def body_of(stdout: str) -> str:
    return stdout.split("\n\n")[1]


def curl_of(stdout: str) -> str:
    return stdout.split("\n\n")[2]


def test_the_whole_of_it(zimage: Any, files: Any) -> None:
    args = ("--size", "16:9", "--seed", "7", "-o", "fox.png", "--region", "singapore")
    run = zimage("generate", "a fox", *args, "--prompt-extend", "--dry-run")
    body = (
        '{"model": "z-image-turbo", "input": {"messages": [{"role": "user", "content": '
        '[{"text": "a fox"}]}]}, "parameters": {"size": "1280*720", "prompt_extend": true, '
        '"seed": 7}}'
    )
    url = (
        "https://dashscope-intl.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation"
    )
    version = zimage("--version").stdout.split()[1]
    assert run.stdout == (
        f"POST {url}\n"
        "Content-Type: application/json\n"
        "Accept: application/json\n"
        f"User-Agent: zimage-cli/{version}\n"
        "Connection: close\n"
        "Authorization: Bearer $DASHSCOPE_API_KEY\n"
        f"\n{body}\n\n"
        f"curl -sS -X POST '{url}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'Accept: application/json' \\\n"
        f"  -H 'User-Agent: zimage-cli/{version}' \\\n"
        "  -H 'Connection: close' \\\n"
        '  -H "Authorization: Bearer $DASHSCOPE_API_KEY" \\\n'
        f"  --data-binary '{body}'\n\n"
        "saves to: fox.png\n"
        "price: USD 0.03\n"
        "nothing was sent\n"
    )
    assert run.stderr == ""
    # No folder, no history, no evidence, no settings.
    assert files(zimage.cwd.parent) == set()
    assert list(zimage.cwd.iterdir()) == []
    assert list((zimage.cwd.parent / "home").iterdir()) == []


def test_the_key_is_masked(zimage: Any) -> None:
    run = zimage("generate", "a fox", "--dry-run", env={"DASHSCOPE_API_KEY": KEY})
    assert "Authorization: Bearer sk-…cdef" in run.stdout
    assert KEY not in run.stdout


def test_a_key_that_cannot_be_used_is_not_needed(zimage: Any) -> None:
    env = {"DASHSCOPE_API_KEY": "sk-sp-0123456789abcdef0123"}
    assert "$DASHSCOPE_API_KEY" in zimage("generate", "a fox", "--dry-run", env=env).stdout


def test_the_body_is_what_is_sent(service: Any) -> None:
    args = (HARD, "--seed", "3")
    shown = service.generate(*args, "--dry-run")
    service.generate(*args)
    assert body_of(shown.stdout).encode() == service.books.posts[0].body
    document = service.generate(*args, "--dry-run", "--json").json
    assert document["requests"][0]["body"].encode() == service.books.posts[0].body
    assert service.books.post_count == 1


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_the_curl_command_sends_the_same(service: Any, shell: str) -> None:
    if shutil.which("curl") is None or shutil.which(shell) is None:
        pytest.skip(f"needs curl and {shell}")
    shown = service.generate(HARD, "--seed", "3", "--dry-run")
    environment = service.zimage.environment(service.env)
    subprocess.run(
        [shell, "-c", curl_of(shown.stdout)],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (post,) = service.books.posts
    assert post.body == body_of(shown.stdout).encode()
    assert post.key == KEY
    assert post.status == 200


def test_json(zimage: Any) -> None:
    run = zimage("generate", "a fox", "-n", "2", "--seed", "7", "--dry-run", "--json")
    document = run.json
    assert list(document) == ["schema", "status", "pictures", "requests", "cost", "errors"]
    assert document["status"] == "dry-run"
    assert document["cost"] == {"amount": "0.20", "currency": "CNY"}
    assert [request["cost"]["amount"] for request in document["requests"]] == ["0.10", "0.10"]
    assert document["requests"][0]["path"].endswith("-a-fox-7.png")
    assert document["requests"][1]["path"].endswith("-a-fox-8.png")


def test_of_very_many_the_first_are_shown(zimage: Any) -> None:
    run = zimage("generate", "a fox", "-n", "500", "--dry-run", "--json")
    assert run.json["pictures"] == 500
    assert len(run.json["requests"]) == 20
    assert run.json["cost"] == {"amount": "50.00", "currency": "CNY"}
    run = zimage("generate", "a fox", "-n", "500", "--dry-run")
    assert run.lines[0] == "prompt: a fox"
    assert run.lines[1] == "n\tsize\tseed\tfile"
    assert run.lines[22:25] == ["and 480 more", "", "The first of them:"]
    assert run.lines[-2:] == ["price of all 500: CNY 50.00", "nothing was sent"]
    zimage("generate", "a fox", "-n", "500", "--dry-run", "--max-cost", "49.99", status=2)


def test_a_sweep_is_a_list_and_the_call_of_the_first(zimage: Any, terminal: Any) -> None:
    prompt = "a {red|very, very, very, very, very long blue} kite"
    args = ("generate", prompt, "--expand", "--sizes", "1:1,16:9", "--seed", "7", "--dry-run")
    name = ("--output-dir", "out", "--name", "{seed}-{n}.png")
    lines = zimage(*args, *name).lines
    curl = curl_of(zimage("generate", "a red kite", "--seed", "7", "--dry-run").stdout)
    ending = ["", "The first of them:", *curl.split("\n"), "", "price of all 4: CNY 0.40"]
    folder = "out/ai-image-zimage-turbo/images"
    long = "a very, very, very, very, very long blue kite"
    assert lines == [
        "n\tsize\tseed\tprompt\tfile",
        f"1\t1024*1024\t7\ta red kite\t{folder}/7-1.png",
        f"2\t1280*720\t7\ta red kite\t{folder}/7-2.png",
        f"3\t1024*1024\t7\t{long}\t{folder}/7-3.png",
        f"4\t1280*720\t7\t{long}\t{folder}/7-4.png",
        *ending,
        "nothing was sent",
    ]
    for columns in (80, 200):
        screen = terminal(*args, *name, columns=columns, rows=60)
        assert screen.end() == 0
        # Of the words those that differ.
        cut = "…" + long[2:40] + "…"
        assert screen.lines[:7] == [
            f"folder: {folder}",
            f"n  size       seed  {'prompt':<40}  file",
            "─" * 69,
            f"1  1024×1024     7  {'…red kite':<40}  7-1.png",
            f"2  1280×720      7  {'…red kite':<40}  7-2.png",
            f"3  1024×1024     7  {cut}  7-3.png",
            f"4  1280×720      7  {cut}  7-4.png",
        ]
        assert screen.lines[-2:] == ["price of all 4: CNY 0.40", "nothing was sent"]
    # Where there is no room a file stands whole below its row.
    screen = terminal(*args, *name, columns=60, rows=60)
    assert screen.end() == 0
    rows = screen.lines[1:5]
    assert rows == [
        "n  size       seed  prompt",
        "   file",
        "─" * 60,
        "1  1024×1024     7  …red kite",
    ]
    assert screen.lines[5] == "   7-1.png"


def test_where_it_would_go(service: Any) -> None:
    (service.work / "there.png").write_text("")
    run = service.generate("a fox", "-o", "there.png", "--dry-run")
    assert "saves to: there.png (exists: a number is added, or --overwrite)" in run.stdout
    run = service.generate("a fox", "-o", "-", "--dry-run")
    assert "saves to: standard output" in run.stdout
    run = service.generate("a fox", "-o", "x" * 300 + ".png", "--dry-run", status=(0, 2))
    assert "bug" not in run.stderr


def test_problems_are_found_too(zimage: Any) -> None:
    run = zimage("generate", "a fox", "--size", "1*1", "--dry-run", "--json", status=2)
    assert run.json["errors"][0]["message"].startswith("size: ")


def test_a_home_that_cannot_be_used_is_no_matter(zimage: Any, work: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX")
    run = zimage("generate", "a fox", "--dry-run", env={"HOME": "/dev/null/home"})
    assert "saves to: " in run.stdout
    assert run.stderr == ""
    assert list(work.iterdir()) == []
