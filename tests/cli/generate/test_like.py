"""`generate --like`: the recorded request of a picture, asked for again or changed."""

from __future__ import annotations

import json
import sqlite3
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from zimage_cli.core.history.file import MIGRATIONS
from zimage_cli.core.recipe.finish import Wish, finish
from zimage_cli.core.recipe.recipe import Recipe

ODD = [
    "a 'red' \"kite\" \\ {a|b} <b> & $HOME !! %s `x`",
    "--seed 5\n\tline two\n\nline three",
    "一只狐狸 🦊 café cafe\u0301 \u200d\u202e ﻿ ＦＯＸ",
    "-",
    "Negative prompt: x\nSteps: 5, Seed: 6",
    "a" * 801,
]


def bodies(service: Any) -> list[bytes]:
    return [post.body for post in service.books.posts]


def parameters(service: Any) -> list[dict[str, Any]]:
    return [json.loads(body)["parameters"] for body in bodies(service)]


@pytest.mark.parametrize("prompt", ODD)
def test_without_a_change_the_body_is_the_same(unpaced: None, service: Any, prompt: str) -> None:
    request = json.dumps({"prompt": prompt, "seed": 7, "size": "512x768", "prompt_extend": True})
    service("generate", "--request", request)
    service("generate", "--like", "1", "--json", env={"ZIMAGE_REGION": "singapore"})
    shown = service("generate", "--like", "2", "--dry-run", "--json").json
    first, second = bodies(service)
    assert first == second == shown["requests"][0]["body"].encode()
    one, other = service.history()
    assert (one["parent"], other["parent"]) == (None, 1)


def test_settings_change_nothing(service: Any, config_file: Path) -> None:
    service.generate("a fox", "--seed", "7")
    config_file.parent.mkdir(parents=True)
    config_file.write_text('size = "16:9"\nprompt_extend = true\nrps = 0\n')
    config_file.chmod(0o600)
    run = service("generate", "--like", "1")
    assert "request: 512×512 · seed 7 · like history 1 · " in run.stderr
    first, second = bodies(service)
    assert first == second


@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS)))
def test_a_row_of_an_older_history(unpaced: None, service: Any, home: Path, schema: int) -> None:
    path = home / ".local/share/zimage/history.db"
    path.parent.mkdir(parents=True)
    db = sqlite3.connect(path)
    for migration in MIGRATIONS[:schema]:
        db.executescript(migration)
    db.execute(f"PRAGMA user_version = {schema}")
    db.execute(
        "INSERT INTO generation (id, status, created_at, updated_at, prompt, size, seed, "
        "prompt_extend, region, endpoint) VALUES (42, 'saved', '2026-01-01', '2026-01-01', ?, "
        "'512*512', 7, 0, 'beijing', 'https://dashscope.aliyuncs.com')",
        (ODD[0],),
    )
    db.commit()
    db.close()
    service("generate", ODD[0], "--seed", "7", "--size", "512*512")
    run = service("generate", "--like", "42")
    first, second = bodies(service)
    assert first == second
    assert "history 42 was made in beijing\n" in run.stderr
    assert service.history()[-1]["parent"] == 42


def test_options_win(unpaced: None, service: Any) -> None:
    service.generate("a fox", "--seed", "7", "--prompt-extend")
    service.generate("a hare", "--like", "1", "--no-prompt-extend")
    service("generate", "-", "--like", "1", "--size", "512*768", "--no-seed", stdin="a bear")
    sent = [json.loads(body) for body in bodies(service)]
    words = [body["input"]["messages"][0]["content"][0]["text"] for body in sent]
    assert words == ["a fox", "a hare", "a bear"]
    assert parameters(service)[1:] == [
        {"size": "512*512", "prompt_extend": False, "seed": 7},
        {"size": "512*768", "prompt_extend": True},
    ]
    assert [row["parent"] for row in service.history()] == [None, 1, 1]


def test_another_seed_and_several(unpaced: None, service: Any) -> None:
    service.generate("a fox", "--seed", "7")
    service("generate", "--like", "last", "--seed", "new")
    service("generate", "--like", "1", "-n", "3")
    service("generate", "--like", "1", "--sizes", "512*512,512*768", "--seeds", "1,2")
    first, new, *others = parameters(service)
    assert new["seed"] != first["seed"]
    assert sorted(one["seed"] for one in others[:3]) == [7, 8, 9]
    assert sorted((one["size"], one["seed"]) for one in others[3:]) == [
        *(("512*512", 1), ("512*512", 2)),
        *(("512*768", 1), ("512*768", 2)),
    ]
    assert {row["parent"] for row in service.history()[1:]} == {1}


def test_a_new_seed_wins_over_that_of_a_request(zimage: Any) -> None:
    args = ("--request", '{"prompt": "a fox", "seed": 7}', "--dry-run", "--json")
    seeds = set()
    for _ in range(2):
        (request,) = zimage("generate", *args, "--seed", "new").json["requests"]
        seeds.add(json.loads(request["body"])["parameters"]["seed"])
    assert len(seeds | {7}) == 3
    run = zimage("validate", "a fox", "--seed", "new", "--json", status=(0, 3))
    assert run.json["checks"][-1]["detail"] == "1024*1024, seed drawn when sent"


def test_alternatives_are_multiplied_only_when_asked_for(unpaced: None, service: Any) -> None:
    service.generate("a {red|blue} kite", "--seed", "7")
    service("generate", "--like", "1")
    service("generate", "--like", "1", "--expand")
    assert [row["prompt"] for row in service.history()][:2] == ["a {red|blue} kite"] * 2
    rows = service.history()[2:]
    assert {(row["prompt"], row["seed"], row["parent"]) for row in rows} == {
        ("a red kite", 7, 1),
        ("a blue kite", 7, 1),
    }


def test_presets_are_put_around_the_prompt_as_it_was_sent(service: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text(
        "rps = 0\n[preset.ink]\nprompt = 'in ink'\nseed = 5\n[preset.night]\nprompt = 'at night'\n"
    )
    config_file.chmod(0o600)
    service.generate("a fox", "--seed", "7", "--preset", "ink")
    service("generate", "--like", "1")
    service("generate", "--like", "1", "--preset", "night")
    service("generate", "--like", "1", "a hare")
    service("generate", "--like", "1", "a hare", "--preset", "night,ink")
    rows = service.history()
    assert [(row["prompt"], row["preset"], row["typed_prompt"]) for row in rows] == [
        *[("a fox, in ink", "ink", "a fox")] * 2,
        ("a fox, in ink, at night", "night", "a fox, in ink"),
        ("a hare", None, None),
        ("a hare, at night, in ink", "night,ink", "a hare"),
    ]
    # As with any request, its own fields win over those of a preset.
    assert {(row["seed"], row["size"]) for row in rows} == {(7, "512*512")}
    assert [row["parent"] for row in rows] == [None, 1, 1, 1, 1]


def test_a_seed_that_nobody_knows_is_not_made_up(unpaced: None, service: Any) -> None:
    service.generate("a fox", "--no-seed")
    run = service("generate", "--like", "1")
    assert run.stderr.startswith("history 1 has no recorded seed, so this picture will differ\n")
    service("generate", "--like", "1", "-n", "2")
    assert len(set(bodies(service))) == 1
    for option in (("--seed", "7"), ("--seed", "new"), ("--seeds", "7")):
        run = service("generate", "--like", "1", *option)
        assert "recorded seed" not in run.stderr
    assert all("seed" in one for one in parameters(service)[4:])


def test_the_rewritten_prompt_costs_half(unpaced: None, service: Any) -> None:
    service.generate("a fox", "--seed", "7", "--prompt-extend")
    run = service("generate", "--like", "1", "--rewritten")
    assert run.stderr.startswith("the rewritten prompt is sent, with prompt_extend off\n")
    rewritten = service.history()[0]["rewritten_prompt"]
    second = json.loads(bodies(service)[1])
    assert second["input"]["messages"][0]["content"] == [{"text": rewritten}]
    assert second["parameters"] == {"size": "512*512", "prompt_extend": False, "seed": 7}
    env = {"DASHSCOPE_BASE_URL": None}
    for region, price in (("singapore", "USD 0.015"), ("beijing", "CNY 0.10")):
        args = ("--like", "1", "--rewritten", "--seed", "new", "--region", region)
        run = service("generate", *args, "--dry-run", env=env)
        double = {"USD 0.015": "USD 0.03", "CNY 0.10": "CNY 0.20"}[price]
        costs = f"{price} a picture instead of {double}"
        assert run.stderr.splitlines() == [
            f"the rewritten prompt is sent: {costs}",
            f"history 1 was made at {service.server.origin}",
        ]
        assert f"price: {price}" in run.lines


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--like", "1", "--rewritten", "other"),
            "prompt and the rewritten prompt contradict each other: give only one",
        ),
        (
            ("--like", "1", "--rewritten", "--prompt-extend"),
            "prompt_extend and the rewritten prompt contradict each other: give only one",
        ),
        (("--like", "2", "--rewritten"), "history 2 has no rewritten prompt"),
        (
            ("fox", "--rewritten"),
            "--rewritten sends the rewritten prompt of a picture: say of which",
        ),
        (
            ("--like", "1", "--request", "{}"),
            "--like and --request both give the request: give only one",
        ),
        (
            ("--like", "1", "--file", "x.json"),
            "--like and --file both give the request: give only one",
        ),
        (("--like", "1", "--seed", "7", "--no-seed"), "--seed and --no-seed contradict each other"),
        (("--like", "1", "--seed", "new", "--seeds", "1"), "--seed and --seeds contradict"),
        (("--like", "99"), "99"),
        (("--like", "1-2"), "1-2"),
        (("--like", "missing.png"), "missing.png"),
        (("--like", ""), ""),
    ],
)
def test_what_cannot_be_meant_sends_nothing(
    unpaced: None, service: Any, args: tuple[str, ...], said: str
) -> None:
    service.generate("a fox", "--prompt-extend")
    service.generate("a hare")
    run = service("generate", *args, "--json", status=2)
    (error,) = run.json["errors"]
    assert said in error["message"]
    assert list(run.json) == ["schema", "status", "images", "errors"]
    assert service.books.post_count == 2


def test_without_a_history(zimage: Any) -> None:
    run = zimage("generate", "--like", "1", "--json", status=2)
    assert run.json["errors"][0]["type"] == "usage"


def test_the_other_options_work_beside_it(service: Any, work: Path) -> None:
    service.generate("a fox", "--seed", "7", "-o", "fox.png")
    run = service("generate", "--like", "fox.png", "-o", "fox.png", "--json")
    (image,) = run.json["images"]
    assert (image["prompt"], image["seed"], Path(image["path"]).name) == ("a fox", 7, "fox-2.png")
    run = service("generate", "--like", "1", "-o", "-")
    assert run.stdout_bytes.startswith(b"\x89PNG")
    run = service("generate", "--like", "1", "--print-response", "--quiet")
    assert (json.loads(run.stdout)["prompt"], run.stderr) == ("a fox", "")
    run = service("generate", "--like", "1", "-n", "2", "--dry-run")
    assert run.lines[0] == "prompt: a fox"
    # Two a second: three are paid, and the rest sent nothing.
    assert len(set(bodies(service))) == 1
    assert [row["parent"] for row in service.history()] == [None, 1, 1, 1]


def written(path: Path, png: bytes, **changes: Any) -> None:
    """Write a picture with the recipe of another machine."""
    recipe = Recipe(
        prompt=ODD[2],
        size="512*512",
        seed=7,
        prompt_extend=True,
        model="z-image-turbo",
        region="singapore",
        request_id="r-1",
        rewritten_prompt="a longer fox",
        time="2026-11-01T00:00:00+00:00",
        version="1",
    )
    with path.open("wb") as file:
        finish(BytesIO(png), file, Wish(), recipe._replace(**changes))


def test_a_file_of_another_machine(unpaced: None, service: Any, work: Path, png: bytes) -> None:
    written(work / "fox.png", png)
    told = "the history does not know fox.png: its own recipe is taken"
    run = service("generate", "--like", "fox.png")
    assert run.stderr.splitlines()[:2] == [told, "fox.png was made in singapore"]
    service("generate", "--like", "./fox.png", "--rewritten", "--seed", "8", "--size", "1:1")
    service.generate(ODD[2], "--seed", "7", "--prompt-extend")
    first, other, direct = bodies(service)
    assert first == direct
    assert json.loads(other)["parameters"] == {
        "size": "1024*1024",
        "prompt_extend": False,
        "seed": 8,
    }
    assert [row["parent"] for row in service.history()] == [None] * 3


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"prompt": " "}, "prompt"), ({"prompt": "a\x1b[31m"}, "prompt"), ({"size": "9*9"}, "size")],
)
def test_what_a_file_says_is_checked_as_any_request(
    service: Any, work: Path, png: bytes, changes: dict[str, Any], field: str
) -> None:
    written(work / "fox.png", png, **changes)
    run = service("generate", "--like", "fox.png", "--json", status=2)
    assert [error["field"] for error in run.json["errors"]] == [field]
    assert "\x1b" not in run.stderr
    assert service.books.post_count == 0


def test_a_file_that_does_not_say_how_it_was_made(service: Any, work: Path, png: bytes) -> None:
    (work / "fox.png").write_bytes(png)
    (work / "fox.txt").write_text("a fox")
    for name in ("fox.png", "fox.txt"):
        run = service("generate", "--like", name, status=2)
        assert name in run.stderr
    assert service.books.post_count == 0
