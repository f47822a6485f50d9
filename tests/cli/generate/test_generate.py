"""One prompt, one picture: what users and scripts rely on when all goes well."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served

RESPONSE_KEYS = [
    "image_url",
    "width",
    "height",
    "prompt",
    "rewritten_prompt",
    "reasoning",
    "request_id",
]
IMAGE_KEYS = [
    *RESPONSE_KEYS,
    "path",
    "history_id",
    "evidence_path",
    "seed",
    "size",
    "prompt_extend",
    "region",
    "endpoint",
    "bytes",
    "sha256",
    "served_sha256",
    "cost",
    "elapsed_seconds",
    "attempts",
]
PNG = b"\x89PNG\r\n\x1a\n"


def type_in_bash(zimage: Any, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a user types it, with `zimage` on the path."""
    shim = zimage.cwd.parent / "bin" / "zimage"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zimage_cli "$@"\n')
    shim.chmod(0o755)
    environment = zimage.environment(env)
    environment["PATH"] = f"{shim.parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=zimage.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        stdin=subprocess.DEVNULL,
    )


# -- the examples that everybody tries first -------------------------------------------------------


def test_a_size_with_a_star_as_typed(service: Any) -> None:
    run = type_in_bash(service.zimage, 'zimage generate "prompt" --size 1280*720', **service.env)
    (path,) = run.stdout.splitlines()
    assert re.fullmatch(
        r"output/ai-image-zimage-turbo/images/\d{8}-\d{6}-prompt-\d{1,10}\.png", path
    )
    assert service.books.posts[0].json()["parameters"]["size"] == "1280*720"
    assert service.books.posts[0].json()["input"]["messages"][0]["content"] == [{"text": "prompt"}]


def test_a_star_that_the_shell_expanded_is_explained(service: Any) -> None:
    (service.work / "1280x720").write_text("")
    (service.work / "1280-small-720").write_text("")
    run = service.generate("prompt", "--size", "1280-small-720", status=2)
    assert "1280-small-720" in run.stderr
    assert "shell" in run.stderr
    assert service.books.post_count == 0


def test_set_region_singapore_then_generate(zimage: Any) -> None:
    run = type_in_bash(
        zimage,
        'zimage config set-region singapore && zimage generate "prompt" --size 1280*720 --dry-run',
    )
    assert "POST https://dashscope-intl.aliyuncs.com/api/v1/services/" in run.stdout
    assert "price: USD 0.015" in run.stdout
    failed = zimage("generate", "prompt", status=3)
    assert "no API key was found for singapore" in failed.stderr


def test_the_request_example_as_typed(zimage: Any) -> None:
    line = """zimage generate --request '{"prompt":"a fishing scene at dawn, cinematic, realistic",\
"size":"1024*1024"}' --output output/ai-image-zimage-turbo/images/fishing.png --print-response"""
    run = type_in_bash(zimage, line, ZIMAGE_REGION="sandbox")
    response = json.loads(run.stdout)
    assert run.stdout.count("\n") == 1
    assert list(response) == RESPONSE_KEYS
    assert response["width"] == response["height"] == 1024
    assert response["prompt"] == "a fishing scene at dawn, cinematic, realistic"
    assert response["rewritten_prompt"] is None
    assert response["reasoning"] is None
    assert response["image_url"].startswith("http://127.0.0.1:")
    assert re.fullmatch(r"[0-9a-f-]{36}", response["request_id"])
    picture = zimage.cwd / "output/ai-image-zimage-turbo/images/fishing.png"
    assert picture.read_bytes().startswith(PNG)


# -- what is sent ----------------------------------------------------------------------------------


def test_the_request_on_the_wire(service: Any) -> None:
    service.generate("  a red\nfox  ", "--seed", "7")
    (post,) = service.books.posts
    assert post.json() == {
        "model": "z-image-turbo",
        "input": {"messages": [{"role": "user", "content": [{"text": "a red\nfox"}]}]},
        "parameters": {"size": "512*512", "prompt_extend": False, "seed": 7},
    }
    assert post.headers["content-type"] == "application/json"
    assert post.headers["authorization"] == f"Bearer {service.key}"
    assert "x-dashscope-async" not in post.headers


def test_a_seed_is_drawn_sent_and_recorded(service: Any) -> None:
    image = service.generate("fox", "--json").json["images"][0]
    sent = service.books.posts[0].json()["parameters"]["seed"]
    assert image["seed"] == sent == service.history()[0]["seed"]
    assert f"-{sent}.png" in image["path"]
    assert service.evidence[0]["request"]["parameters"]["seed"] == sent


def test_no_seed_leaves_it_to_the_service(service: Any) -> None:
    request = '{"prompt": "fox", "seed": 3}'
    image = service.generate("--request", request, "--no-seed", "--json").json["images"][0]
    assert "seed" not in service.books.posts[0].json()["parameters"]
    assert image["seed"] is None
    assert image["path"].endswith("-fox-random.png")
    assert service.history()[0]["seed"] is None


def test_count_takes_seeds_in_a_row(unpaced: None, service: Any) -> None:
    run = service.generate("fox", "-n", "3", "--seed", "2147483646", "--json")
    assert [image["seed"] for image in run.json["images"]] == [2147483646, 2147483647, 0]
    assert run.json["status"] == "ok"
    assert len(service.pictures()) == 3
    assert [len(run["pictures"]) for run in service.runs] == [3]
    run = service.generate("fox", "-n", "2", "--print-response", "-q")
    assert [list(json.loads(line)) for line in run.lines] == [RESPONSE_KEYS] * 2
    first, second = (post.json()["parameters"]["seed"] for post in service.books.posts[3:])
    assert abs(second - first) == 1


def test_count_with_a_failure_in_the_middle(unpaced: None, service: Any) -> None:
    service.script("ok", "DataInspectionFailed", "ok", "picture-expired")
    run = service.generate("fox", "-n", "4", "--seed", "1", "--json", status=(4, 8))
    assert run.json["status"] == "partial"
    # They are asked for at once: which of them meets which fault is chance, but not the order told.
    seeds = [image["seed"] for image in run.json["images"]]
    assert seeds == sorted(seeds)
    assert set(seeds) < {1, 2, 3, 4}
    assert sorted(error["type"] for error in run.json["errors"]) == ["not-saved", "refused"]
    assert sorted(error["billed"] for error in run.json["errors"]) == ["no", "yes"]
    statuses = sorted(row["status"] for row in service.history())
    assert statuses == ["made", "refused", "saved", "saved"]


def test_count_stops_where_going_on_is_pointless(service: Any) -> None:
    service.script("ok", "InvalidApiKey")
    run = service.generate("fox", "-n", "5", status=3)
    assert service.books.post_count == 2
    assert len(run.lines) == 1


def test_prompt_from_stdin(service: Any) -> None:
    service.generate("-", stdin="\ufeff  狐狸在雪地里\n第二行 \n")
    assert service.books.billed[0].prompt == "狐狸在雪地里\n第二行"
    run = service.generate("-", stdin=b"caf\xe9", status=2)
    assert "byte 4 is not UTF-8" in run.stderr
    run = service.generate("-", stdin=" \n", status=2)
    assert "prompt" in run.stderr
    assert service.books.post_count == 1


def test_request_from_a_file_and_options_win(service: Any) -> None:
    path = service.work / "request 1.json"
    path.write_text(
        '{"prompt": "in the file", "size": "1:1", "seed": 1, "prompt_extend": true, '
        '"model": "z-image-turbo"}',
        encoding="utf-8-sig",
    )
    args = ("--file", "request 1.json", "--seed", "2", "--no-prompt-extend", "the option")
    image = service.generate(*args, "--json").json["images"][0]
    assert (image["prompt"], image["size"], image["seed"]) == ("the option", "512*512", 2)
    assert image["prompt_extend"] is False
    image = service("generate", "--file", "-", "--json", stdin=path.read_bytes()).json["images"][0]
    assert (image["prompt"], image["size"], image["seed"]) == ("in the file", "1024*1024", 1)
    assert image["prompt_extend"] is True


def test_base_url_of_the_request(zimage: Any, service: Any) -> None:
    request = json.dumps({"prompt": "fox", "size": "512x512", "base_url": service.server.origin})
    env = {"DASHSCOPE_API_KEY": service.key, "DASHSCOPE_BASE_URL": "https://example.invalid"}
    image = zimage("generate", "--request", request, "--json", env=env).json["images"][0]
    assert image["endpoint"] == service.server.origin
    assert image["region"] == "custom"
    assert service.books.billed_count == 1


def test_all_problems_at_once(service: Any) -> None:
    request = '{"prompt": " ", "size": "100*100", "seed": "12", "prompt_extend": 1, "n": 2}'
    run = service("generate", "--request", request, "--json", status=2)
    assert "the request has 5 problems" in run.stderr
    assert [error["message"].split(":")[0] for error in run.json["errors"]] == [
        "prompt",
        "size",
        "seed",
        "prompt_extend",
        "n",
    ]
    assert {error["type"] for error in run.json["errors"]} == {"usage"}
    assert service.books.post_count == 0


@pytest.mark.parametrize(
    "args",
    [
        ("a", "--json", "--print-response"),
        ("a", "--json", "-o", "-"),
        ("a", "--print-response", "-o", "-"),
        ("a", "-n", "2", "-o", "-"),
        ("a", "-n", "0"),
        ("a", "-n", "x"),
        ("a", "--seed", "1", "--no-seed"),
        ("a", "--seed", "1.0"),
        ("a", "--seed", "-1"),
        ("a", "--name", "{n}", "-o", "x.png"),
        ("a", "--dry-run", "--print-response"),
        ("a", "--sandbox", "--region", "beijing"),
        ("a", "--sandbox", "--base-url", "https://example.invalid"),
        ("a", "--request", "{}", "--file", "x"),
        ("-", "--file", "-"),
        ("a", "--file", "missing.json"),
        ("a", "--request", "{"),
        ("a", "--request", "[1]"),
        ("a", "--timeout", "0"),
        ("a", "--retries", "-1"),
        ("a", "--endpoint", "nowhere"),
        ("a", "--region", "paris"),
        ("a", "--workspace", "a/b"),
        ("a", "--base-url", "http://example.invalid"),
        ("a", "b"),
        (),
        ("--nonsense",),
    ],
)
def test_contradictions_and_nonsense_are_usage_errors(zimage: Any, args: tuple[str, ...]) -> None:
    as_json = () if "--json" in args else ("--json",)
    if {"--print-response", "-o"} & set(args) and "--json" not in args:
        as_json = ()
    run = zimage("generate", *args, *as_json, status=2)
    assert run.stderr.startswith("error: ")
    assert "Traceback" not in run.stderr
    if "--json" in (*args, *as_json):
        assert list(run.json) == ["schema", "status", "images", "errors"]
        assert (run.json["status"], run.json["images"]) == ("error", [])
        assert run.json["errors"][0]["type"] == "usage"
    assert not (zimage.cwd / "output").exists()


# -- what comes out --------------------------------------------------------------------------------


def test_json(service: Any) -> None:
    run = service.generate("一只红狐狸", "--seed", "7", "--prompt-extend", "--json")
    assert run.stdout.count("\n") == 1
    document = run.json
    assert list(document) == ["schema", "status", "images", "errors"]
    assert (document["schema"], document["status"], document["errors"]) == (1, "ok", [])
    (image,) = document["images"]
    assert list(image) == IMAGE_KEYS
    data = Path(service.work / image["path"]).read_bytes()
    assert image["bytes"] == len(data)
    assert image["sha256"] == hashlib.sha256(data).hexdigest()
    assert image["served_sha256"] == hashlib.sha256(as_served(data)).hexdigest()
    assert (image["width"], image["height"], image["size"]) == (512, 512, "512*512")
    assert image["prompt"] == "一只红狐狸"
    assert image["rewritten_prompt"].startswith("一只红狐狸。")
    assert image["reasoning"]
    assert (image["seed"], image["prompt_extend"], image["attempts"]) == (7, True, 1)
    # A host of nobody's has no list price, and is no region.
    assert image["region"] == "custom"
    assert image["endpoint"] == service.server.origin
    assert image["cost"] == {"amount": None, "currency": None}
    assert 0 < image["elapsed_seconds"] < 60
    # Han letters stand there as they are.
    assert "一只红狐狸" in run.stdout


def test_the_rewritten_prompt_only_where_one_was_asked_for(service: Any) -> None:
    image = service.generate("fox", "--json").json["images"][0]
    assert image["rewritten_prompt"] is None
    assert image["reasoning"] is None


def test_the_sandbox_says_everywhere_that_it_is_one(zimage: Any, home: Path) -> None:
    run = zimage("generate", "fox", "--size", "512x512", "--sandbox", "--json")
    (image,) = run.json["images"]
    assert image["region"] == "sandbox"
    assert image["cost"] == {"amount": None, "currency": None}
    assert "sandbox, free" in run.stderr
    (evidence,) = (zimage.cwd / "output" / "aliyun-zimage-turbo").glob("*.json")
    assert json.loads(evidence.read_bytes())["region"] == "sandbox"
    assert zimage("history", "show", "1", "--json").json["entry"]["region"] == "sandbox"
    plan = zimage("generate", "fox", "--sandbox", "--dry-run").stdout
    assert "price: sandbox, free" in plan


def test_the_evidence(service: Any) -> None:
    image = service.generate("fox", "--seed", "7", "--prompt-extend", "--json").json["images"][0]
    (evidence,) = service.evidence
    (row,) = service.history()
    assert evidence["status"] == "saved"
    assert evidence["started"].endswith("+00:00")
    assert evidence["started"] < evidence["finished"]
    (run,) = service.runs
    assert run["zimage"]
    assert run["started"] <= evidence["started"] < evidence["finished"] <= run["finished"]
    for facts in (evidence, run):
        assert facts["region"] == "custom"
        assert facts["endpoint"] == service.server.origin
        assert facts["workspace"] is None
    assert run["model"] == "z-image-turbo"
    assert evidence["request"] == service.books.posts[0].json()
    assert evidence["request_id"] == image["request_id"]
    assert evidence["answer"]["rewritten_prompt"] == image["rewritten_prompt"]
    assert evidence["picture"]["sha256"] == image["sha256"]
    assert evidence["picture"]["served_sha256"] == image["served_sha256"]
    assert evidence["picture"]["path"] == image["path"]
    assert evidence["attempts"] == 1
    assert evidence["error"] is None
    assert row["evidence_path"]
    text = Path(row["evidence_path"]).read_text()
    assert "Signature" not in text
    assert service.key not in text
    assert "Signature" not in row["image_url"]


def test_no_evidence(service: Any) -> None:
    service.generate("fox", "--no-evidence")
    assert not (service.work / "output" / "aliyun-zimage-turbo").exists()
    assert service.history()[0]["evidence_path"] is None


# -- where it goes ---------------------------------------------------------------------------------


def test_places(unpaced: None, service: Any, png: bytes) -> None:
    run = service.generate("fox", "-o", "deep/er/one.png")
    assert run.lines == ["deep/er/one.png"]
    run = service.generate("fox", "-o", "deep/er/one.png")
    assert run.lines == ["deep/er/one-2.png"]
    before = (service.work / "deep/er/one-2.png").stat().st_mtime_ns
    run = service.generate("fox", "-o", "deep/er/one.png", "--overwrite")
    assert run.lines == ["deep/er/one.png"]
    assert (service.work / "deep/er/one-2.png").stat().st_mtime_ns == before
    run = service.generate("fox", "-o", "deep", "--name", "{slug}-{n:02}-{size}")
    assert run.lines == ["deep/fox-01-512x512.png"]
    run = service.generate("fox", "-o", "new/", "--seed", "1", "-n", "2")
    assert [Path(line).parent.name for line in run.lines] == ["new", "new"]
    run = service.generate("fox", "--output-dir", "base 图", env={"OUTPUT_DIR": "other"})
    assert run.lines[0].startswith("base 图/ai-image-zimage-turbo/images/")
    run = service.generate("fox", env={"OUTPUT_DIR": "my 图 folder"})
    assert run.lines[0].startswith("my 图 folder/ai-image-zimage-turbo/images/")
    assert all(as_served((service.work / line).read_bytes()) == png for line in run.lines)
    # Several pictures under one name, and none replaces another of the same run.
    run = service.generate("fox", "-o", "deep/er/one.png", "-n", "2", "--overwrite")
    assert sorted(run.lines) == ["deep/er/one-2.png", "deep/er/one.png"]


def test_a_new_file_has_the_mode_of_any_new_file(service: Any) -> None:
    if sys.platform == "win32":
        pytest.skip("POSIX modes")
    old = os.umask(0o027)
    try:
        service.generate("fox", "-o", "x.png")
    finally:
        os.umask(old)
    assert (service.work / "x.png").stat().st_mode & 0o777 == 0o640


def test_picture_to_stdout(service: Any, png: bytes, files: Any) -> None:
    run = service.generate("fox", "-o", "-")
    assert as_served(run.stdout_bytes) == png
    assert "saved to standard output: 512×512" in run.stderr
    assert {name.rpartition("/")[0] for name in files(service.work)} == {
        "output/aliyun-zimage-turbo"
    }
    assert service.history()[0]["path"] == "-"


def test_ten_at_once(service: Any, zimage: Any, files: Any) -> None:
    args = ("generate", "fox", "--sandbox", "--size", "512x512", "-o", "x.png")
    running = [zimage.popen(*args) for _ in range(5)]
    running += [zimage.popen(*args[:-2]) for _ in range(5)]
    results = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 10, results
    paths = [stdout.decode().strip() for stdout, _ in results]
    assert len(set(paths)) == 10
    assert set(paths[:5]) == {"x.png", *(f"x-{n}.png" for n in range(2, 6))}
    for path in paths:
        assert (zimage.cwd / path).read_bytes().startswith(PNG)
    assert len(service.evidence) == 10
    assert {document["picture"]["path"] for document in service.evidence} == {
        str(zimage.cwd / path) for path in paths
    }
    rows = service.history()
    assert [row["id"] for row in rows] == list(range(1, 11))
    assert {row["status"] for row in rows} == {"saved"}
    assert not [name for name in files(zimage.cwd) if ".part" in name or name.endswith(".tmp")]
    for _, stderr in results:
        assert b"warning" not in stderr


def test_a_prompt_too_long_is_sent_and_what_is_cut_off_is_shown(service: Any) -> None:
    run = service.generate("狐" * 799 + "!TAIL")
    assert "has 804 characters; the service reads the first 800" in run.stderr
    assert '"TAIL"' in run.stderr
    quiet = service.generate("狐" * 799 + "!TAIL", "-q")
    assert quiet.stderr == ""


# -- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "suffix", "format", "finish"),
    [
        ((), ".png", "PNG", "png"),
        (("-o", "x"), "", "PNG", "png"),
        (("--format", "webp"), ".webp", "WEBP", "webp"),
        (("--format", "JPG", "--quality", "60", "--no-metadata"), ".jpg", "JPEG", "jpeg 60 bare"),
        (("-o", "x.JPEG", "--quality", "60"), ".JPEG", "JPEG", "jpeg 60"),
        (("-o", "x.webp"), ".webp", "WEBP", "webp"),
        (("-o", "x", "--format", "webp"), "", "WEBP", "webp"),
        (("-o", "x/", "--name", "{slug}.jpg"), ".jpg", "JPEG", "jpeg"),
        (("-o", "x/", "--name", "{slug}", "--format", "jpeg"), ".jpg", "JPEG", "jpeg"),
        (("-o", "x.png", "--format", "png"), ".png", "PNG", "png"),
        (("--no-metadata",), ".png", "PNG", "png bare"),
    ],
)
def test_formats(
    unpaced: None,
    service: Any,
    png: bytes,
    args: tuple[str, ...],
    suffix: str,
    format: str,  # noqa: A002
    finish: str,
) -> None:
    from PIL import Image

    dry = service.generate("a fox", "--seed", "7", *args, "--dry-run", "--json")
    run = service.generate("a fox", "--seed", "7", *args, "--json")
    path = Path(run.json["images"][0]["path"])
    assert path.suffix == suffix
    data = path.read_bytes()
    with Image.open(path) as image:
        assert (image.format, image.size) == (format, (512, 512))
    assert (data == png) == (finish == "png bare")
    (row,) = service.history()
    assert (row["finish"], row["path"]) == (finish, str(path))
    assert row["sha256"] == hashlib.sha256(data).hexdigest()
    assert row["served_sha256"] == hashlib.sha256(png).hexdigest()
    # What was shown before is where it went: names differ by their time.
    shown = Path(dry.json["requests"][0]["path"])
    assert (shown.parent.absolute(), shown.suffix) == (path.parent, path.suffix)


def test_the_name_wins_over_the_settings_and_not_over_the_option(
    unpaced: None, service: Any
) -> None:
    for name, value in (("format", "webp"), ("quality", "70"), ("metadata", "false")):
        service("config", "set", name, value)
    service.generate("a fox", "-o", "x.png")
    service.generate("a fox", "-o", "y.jpg")
    service.generate("a fox", "-o", "z/")
    assert [row["finish"] for row in service.history()] == [
        *("png bare", "jpeg 70 bare", "webp 70 bare"),
    ]
    run = service.generate("a fox", "-o", "x.png", "--format", "jpg", status=2)
    assert run.stderr == (
        "error: --format jpeg and the file's name contradict each other: that ends like png. "
        "Nothing was sent.\n  next: Give only one of them.\n"
    )
    run = service.generate("a fox", "-o", "x.gif", status=2)
    assert run.stderr == (
        "error: --output: x.gif ends in .gif, and pictures are PNG, JPEG or WebP\n"
        "  next: Name it x.png, or end it in .jpg or .webp.\n"
    )
    assert service.books.post_count == 3


def test_quality_is_for_formats_that_have_one(service: Any) -> None:
    run = service.generate("a fox", "--quality", "80", status=2)
    assert run.stderr == (
        "error: --quality is for JPEG and WebP, and this makes PNG. Nothing was sent.\n"
        "  next: Say so too: --format jpeg or --format webp\n"
    )
    assert service.books.post_count == 0


def test_another_format_to_stdout(service: Any) -> None:
    run = service.generate("fox", "-o", "-", "--format", "webp")
    assert run.stdout_bytes[:4] + run.stdout_bytes[8:12] == b"RIFFWEBP"
    (row,) = service.history()
    assert (row["path"], row["finish"]) == ("-", "webp")
    assert row["sha256"] == hashlib.sha256(run.stdout_bytes).hexdigest()
