"""`generate` with `--expand`, `--sizes`, `--seeds`: many pictures of one prompt, priced first."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

NOWHERE = {
    "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


def sent(service: Any) -> list[tuple[str, str, int | None]]:
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
    assert sent(service) == list(product)
    assert len(result.lines) == 18 == len(list((work / "out").glob("*.png")))
    assert "18 pictures" in result.stderr


def test_the_same_text_gives_the_same_list(quick: None, service: Any) -> None:
    text = "{a|{b|c} d|\\{e\\}} f{g|}"
    args = (text, "--expand", "--seeds", "5", "--size", "512*512")
    sweep(service, *args)
    first = sent(service)
    sweep(service, *args)
    assert sent(service)[len(first) :] == first
    assert [prompt for prompt, _, _ in first] == [
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
    assert [seed for _, _, seed in sent(service)[4:]] == [4, 5, 4, 5]


def test_number_and_price_come_before_anything_is_paid(zimage: Any) -> None:
    args = ("generate", "{a|b|c} kite", "--expand", "--seeds", "1-4")
    result = zimage(*args, env=NOWHERE, status=2)
    assert "12 pictures" in result.stderr
    assert "CNY 1.20" in result.stderr
    assert "Nothing was sent" in result.stderr
    assert "--yes" in result.stderr
    result = zimage(*args, "--yes", "--max-cost", "1.19", env=NOWHERE, status=2)
    assert "12 pictures at CNY 1.20 are over --max-cost 1.19. Nothing was sent." in result.stderr
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
    assert "2 pictures, free" in result.stderr
    assert len(list((work / "out").glob("*.png"))) == 2


def test_a_terminal_is_asked(terminal: Any) -> None:
    screen = terminal("generate", "{a|b} kite", "--expand", "--seeds", "1-6", env=NOWHERE)
    screen.until(lambda it: "Go on? [y/N]" in it.text)
    assert "12 pictures" in screen.text
    assert "CNY 1.20" in screen.text
    screen.child.send("n\r")
    assert screen.end() == 130
    assert "Nothing was sent." in screen.text


def test_a_dry_run_shows_every_variant(zimage: Any) -> None:
    result = zimage("generate", "{a|b} kite", "--expand", "--dry-run", env=NOWHERE)
    text = result.stdout + result.stderr
    assert "a kite" in text
    assert "b kite" in text
