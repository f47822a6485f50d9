"""`generate` with `--expand`, `--sizes`, `--seeds`: many pictures of one prompt, priced first."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.client import Client
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.core.run.plan import MAX_PICTURES
from zimage_cli.errors import UsageError

NOWHERE = {
    "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


def sent(service: Any) -> list[tuple[str, str, int | None]]:
    """Return prompt, size and seed of every request, as they came: several are in flight."""
    found = []
    for call in service.books.posts:
        body = call.json()
        (message,) = body["input"]["messages"]
        (content,) = message["content"]
        parameters = body["parameters"]
        found.append((content["text"], parameters["size"], parameters.get("seed")))
    return found


@pytest.fixture
def quick(zimage: Any) -> None:
    zimage("config", "set", "rps", "0")


def sweep(service: Any, *args: str, **options: Any) -> Any:
    return service("generate", *args, "--no-evidence", "-o", "out/", **options)


def test_alternatives_sizes_and_seeds_multiply(quick: None, service: Any, work: Path) -> None:
    result = sweep(
        service,
        *("a {red|blue|} kite", "--expand", "--sizes", "512*512,1:1", "--seeds", "1-2,9"),
    )
    prompts = ("a red kite", "a blue kite", "a  kite")
    product = itertools.product(prompts, ("512*512", "1024*1024"), (1, 2, 9))
    assert sorted(sent(service)) == sorted(product)
    assert len(result.lines) == 18 == len(list((work / "out").glob("*.png")))
    assert "18 pictures" in result.stderr


def test_the_same_text_gives_the_same_list(quick: None, service: Any) -> None:
    text = "{a|{b|c} d|\\{e\\}} f{g|}"
    args = (text, "--expand", "--seeds", "5", "--size", "512*512")
    sweep(service, *args)
    first = sent(service)
    sweep(service, *args)
    assert sorted(sent(service)[len(first) :]) == sorted(first)
    planned = service(*("generate", *args, "--dry-run", "--json")).json["requests"]
    prompts = [json.loads(one["body"])["input"]["messages"][0]["content"][0] for one in planned]
    assert [prompt["text"] for prompt in prompts] == [
        "a fg",
        "a f",
        "b d fg",
        "b d f",
        "c d fg",
        "c d f",
        "{e} fg",
        "{e} f",
    ]


def test_braces_are_text_unless_asked_for(service: Any) -> None:
    sweep(service, "a {red|blue} kite", "--size", "512*512")
    assert [prompt for prompt, _, _ in sent(service)] == ["a {red|blue} kite"]


def test_variants_share_the_seed_that_was_drawn(quick: None, service: Any) -> None:
    sweep(service, "{red|blue} kite", "--expand", "--size", "512*512")
    (_, _, one), (_, _, two) = sent(service)
    assert one == two is not None
    sweep(service, "{red|blue} kite", "--expand", "--size", "512*512", "--no-seed")
    assert [seed for _, _, seed in sent(service)[2:]] == [None, None]
    sweep(service, "{red|blue} kite", "--expand", "--size", "512*512", "-n", "2", "--seed", "4")
    assert sorted(seed or 0 for _, _, seed in sent(service)[4:]) == [4, 4, 5, 5]


def test_number_and_price_come_before_anything_is_paid(zimage: Any) -> None:
    args = ("generate", "{a|b|c} kite", "--expand", "--seeds", "1-4")
    result = zimage(*args, env=NOWHERE, status=2)
    assert "12 pictures" in result.stderr
    assert "CNY 1.20" in result.stderr
    assert "Nothing was sent" in result.stderr
    assert "--yes" in result.stderr
    result = zimage(*args, "--yes", "--max-cost", "1.19", env=NOWHERE, status=2)
    assert "12 pictures at CNY 1.20 would go over --max-cost 1.19. Nothing" in result.stderr
    result = zimage(*args, "--prompt-extend", "--max-cost", "2.39", env=NOWHERE, status=2)
    assert "CNY 2.40" in result.stderr


def test_max_cost_holds_for_one_picture_too(zimage: Any) -> None:
    result = zimage("generate", "a kite", "--max-cost", "0.05", env=NOWHERE, status=2)
    assert "1 picture at CNY 0.10" in result.stderr
    assert "over --max-cost 0.05" in result.stderr
    result = zimage("generate", "a kite", "-n", "3", "--max-cost", "0.2", env=NOWHERE, status=2)
    assert "CNY 0.30" in result.stderr


def test_max_cost_needs_a_price(service: Any) -> None:
    result = sweep(service, "a kite", "--max-cost", "5", status=2)
    assert "no list price is known" in result.stderr
    assert service.books.post_count == 0


@pytest.mark.parametrize(
    "args",
    [
        ("{a|b", "--expand"),
        ("a} b", "--expand"),
        ("{a|b}" * 30, "--expand"),
        ("kite", "--sizes", ""),
        ("kite", "--sizes", "1*1"),
        ("kite", "--sizes", "1:1,,2:3"),
        ("kite", "--seeds", "4-1"),
        ("kite", "--seeds", "x"),
        ("kite", "--seeds", "0-99999999999"),
        ("kite", "--seeds", "1-3", "--no-seed"),
    ],
)
def test_what_cannot_be_meant_is_refused(args: tuple[str, ...], service: Any) -> None:
    result = sweep(service, *args, status=2)
    assert "error:" in result.stderr
    assert service.books.post_count == 0


def test_a_sweep_in_the_sandbox_is_free(zimage: Any, work: Path) -> None:
    result = zimage(
        *("generate", "{red|blue} kite", "--expand", "--sandbox", "--size", "512*512"),
        *("-o", "out/"),
    )
    assert result.stderr.splitlines()[0] == "prompt: red kite (and 1 more)"
    assert re.fullmatch(
        r"request: 2 pictures · 512×512 · seed \d+ · sandbox, free", result.stderr.splitlines()[1]
    )
    assert len(list((work / "out").glob("*.png"))) == 2


def test_a_terminal_is_asked(terminal: Any, serve: Any) -> None:
    args = ("generate", "{a|b} kite", "--expand", "--seeds", "1-6", "--region", "singapore")
    screen = terminal(*args, "--yes", "--dry-run", env=NOWHERE)
    assert screen.end() == 0
    assert "Go on?" not in screen.text
    screen = terminal(*args, "--prompt-extend", env=NOWHERE)
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    # The price is said once.
    assert screen.lines == [
        f"╭─ 12 pictures {'─' * 64}╮",
        f"│ {'a kite':<76} │",
        f"│ {'b kite':<76} │",
        f"│ {'1024×1024 · seeds 1 … 6 · prompt_extend · singapore · USD 0.36 in all':<76} │",
        f"╰{'─' * 78}╯",
        "Go on? [y/N]:",
    ]
    screen.child.send("n\r")
    assert screen.end() == 130
    assert screen.lines[5:] == ["Go on? [y/N]: n", "Nothing was sent."]


def test_a_dry_run_shows_every_variant(zimage: Any) -> None:
    result = zimage("generate", "{a|b} kite", "--expand", "--dry-run", env=NOWHERE)
    text = result.stdout + result.stderr
    assert "a kite" in text
    assert "b kite" in text


# -- too many: known before any is listed ----------------------------------------------------------

HINT = "A batch makes up to 1,000,000 of each line of a file, with the same options"


def bounded(zimage: Any, *args: str) -> str:
    """Run the command with little memory and time; return what it says."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        resource.setrlimit(resource.RLIMIT_CPU, (15, 15))

    process = zimage.popen(*args, env=NOWHERE, preexec_fn=limit)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said.decode()
    return str(said.decode())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("{a|b}" * 19, "--expand", "-n", "100"),
            "52,428,800 pictures are too many: 524,288 prompts × 100 of each; allowed: 10,000",
        ),
        (
            ("kite", "--seeds", "1-100000", "--sizes", "1:1,16:9", "-n", "10000"),
            (
                "2,000,000,000 pictures are too many: 2 sizes × 100,000 seeds × 10,000 of each; "
                "allowed: 10,000"
            ),
        ),
        (
            ("{a|b}" * 200, "--expand", "-n", "10000"),
            (
                "about 10^64 pictures are too many: about 10^60 prompts × 10,000 of each; "
                "allowed: 10,000"
            ),
        ),
        (
            # 8,192 prompts are allowed, a gigabyte of text is not.
            ("{a|b}" * 13 + "x" * 120_000, "--expand"),
            "8,192 pictures are too many: 8,192 prompts; allowed: 266",
        ),
    ],
)
def test_too_many_pictures_are_refused_in_little_memory(
    args: tuple[str, ...], message: str, zimage: Any
) -> None:
    said = bounded(zimage, "generate", *args)
    assert f"error: {message}\n" in said
    assert HINT in said


def test_a_count_that_is_too_large_says_how_to_have_it(zimage: Any) -> None:
    said = zimage("generate", "kite", "-n", "10001", env=NOWHERE, status=2).stderr
    assert "error: --count: 10001 is not allowed; allowed: 1 … 10000\n" in said
    assert "zimage batch FILE" in said
    assert "zimage batch" not in zimage("generate", "kite", "-n", "0", status=2).stderr


def test_so_they_are_in_a_line_of_a_batch(zimage: Any, work: Path) -> None:
    lines = [{"prompt": "{a|b}" * 19}, {"prompt": "{a|b}" * 7, "count": 1000}]
    (work / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = bounded(zimage, "batch", "lines.jsonl", "--expand", "--count", "10000", "--dry-run")
    assert (
        "line 1: 5,242,880,000 pictures are too many: "
        "524,288 prompts × 10,000 of each; allowed: 1,000,000\n" in said
    )
    assert "1 of 2 lines of lines.jsonl cannot be used" in said


def test_as_many_as_are_allowed() -> None:
    request = Request("a {red|blue} kite", "512*512", None, prompt_extend=False)
    sizes, seeds = ("1024*1024", "1280*720"), tuple(range(50))
    client = Client("beijing", api_key="sk-0123456789abcdef")
    listed = client.plan_all([request], Sweep(50, expand=True, sizes=sizes, seeds=seeds))
    assert len(listed.requests) == MAX_PICTURES
    with pytest.raises(UsageError, match="10,200 pictures"):
        client.plan_all([request], Sweep(50, expand=True, sizes=sizes, seeds=tuple(range(51))))
    with pytest.raises(UsageError, match="10,200 pictures"):
        client.plan_all([request], Sweep(51, expand=True, sizes=sizes, seeds=seeds))
