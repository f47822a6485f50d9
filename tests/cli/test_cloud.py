"""The real hosts' names, answered by stand-ins: regions, prices, and which key goes where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import BEIJING, KEYS, PICTURES, SINGAPORE, WORKSPACE, Cloud, certificate, clouds

from zimage_cli.sandbox.faults import Fault

__all__ = ["certificate"]


@pytest.fixture
def cloud(certificate: Path, png: bytes) -> Iterator[Cloud]:
    with clouds(certificate, picture_bytes=png) as found:
        yield found


def store(config_file: Path, **keys: str) -> None:
    config_file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f'{region} = "{key}"\n' for region, key in keys.items())
    config_file.write_text(f"rps = 0\n[keys]\n{lines}")
    config_file.chmod(0o600)


@pytest.mark.parametrize(
    ("region", "host", "extend", "amount", "currency"),
    [
        ("beijing", BEIJING, False, "0.10", "CNY"),
        ("beijing", BEIJING, True, "0.20", "CNY"),
        ("singapore", SINGAPORE, False, "0.015", "USD"),
        ("singapore", SINGAPORE, True, "0.03", "USD"),
    ],
)
def test_a_picture_of_a_region(
    zimage: Any,
    cloud: Cloud,
    config_file: Path,
    region: str,
    host: str,
    extend: bool,
    amount: str,
    currency: str,
) -> None:
    store(config_file, **KEYS)
    args = ("--region", region, "--size", "512x512", *(("--prompt-extend",) if extend else ()))
    run = zimage("generate", "a fox", *args, "--json", env=cloud.env)
    (image,) = run.json["images"]
    assert image["region"] == region
    assert image["endpoint"] == f"https://{host}"
    assert image["cost"] == {"amount": amount, "currency": currency}
    assert image["image_url"].startswith(f"https://{PICTURES}/")
    assert f"{currency} {amount}" in run.stderr
    assert (zimage.cwd / image["path"]).is_file()
    entry = zimage("history", "show", "1", "--json").json["entry"]
    assert (entry["cost_amount"], entry["cost_currency"]) == (amount, currency)
    # Each host saw what it is for: the key only the API.
    assert cloud.asked == [host, PICTURES]
    server = cloud.beijing if region == "beijing" else cloud.singapore
    assert [post.key for post in server.books.posts] == [KEYS[region]]


def test_a_picture_host_over_tls_never_sees_the_key(
    zimage: Any, cloud: Cloud, config_file: Path
) -> None:
    store(config_file, beijing=KEYS["beijing"])
    zimage("generate", "a fox", "--size", "512x512", env=cloud.env)
    (picture,) = cloud.beijing.books.pictures
    assert b"uthorization" not in picture.head
    assert KEYS["beijing"].encode() not in picture.head
    assert picture.headers["host"] == PICTURES
    assert picture.target in cloud.beijing.books.billed[0].url


def test_the_one_stored_key_chooses_the_region(
    zimage: Any, cloud: Cloud, config_file: Path
) -> None:
    store(config_file, singapore=KEYS["singapore"])
    zimage("generate", "a fox", "--size", "512x512", env=cloud.env)
    assert cloud.asked[0] == SINGAPORE


def test_a_workspace_endpoint(zimage: Any, cloud: Cloud, config_file: Path) -> None:
    store(config_file, beijing=KEYS["beijing"])
    args = ("--workspace", "ws-1", "--size", "512x512", "--json")
    image = zimage("generate", "a fox", *args, env=cloud.env).json["images"][0]
    assert image["endpoint"] == f"https://{WORKSPACE}"
    assert image["region"] == "beijing"


def test_a_key_of_the_wrong_region(zimage: Any, cloud: Cloud, config_file: Path) -> None:
    store(config_file, singapore=KEYS["singapore"])
    env = {**cloud.env, "DASHSCOPE_API_KEY": KEYS["singapore"], "ZIMAGE_REGION": "beijing"}
    run = zimage("generate", "a fox", env=env, status=3)
    assert f"{BEIJING} (beijing) was asked; a key belongs to one region." in run.stderr
    assert "--region singapore" in run.stderr
    assert cloud.asked == [BEIJING]
    assert cloud.beijing.books.post_count == 1


def test_online_asks_the_other_region_with_its_own_key(
    zimage: Any, cloud: Cloud, config_file: Path
) -> None:
    store(config_file, beijing="sk-expired0123456789abcdef", singapore=KEYS["singapore"])
    args = ("validate", "--online", "--region", "beijing", "--json")
    run = zimage(*args, env=cloud.env, status=3)
    assert [(check["name"], check["status"]) for check in run.json["checks"][-2:]] == [
        ("online", "failed"),
        ("online singapore", "ok"),
    ]
    assert run.json["checks"][-1]["hint"] == "zimage config set-region singapore"
    assert [get.key for get in cloud.beijing.books.gets] == ["sk-expired0123456789abcdef"]
    assert [get.key for get in cloud.singapore.books.gets] == [KEYS["singapore"]]


def test_online_never_asks_the_other_region_with_this_ones_key(
    zimage: Any, cloud: Cloud, config_file: Path
) -> None:
    store(config_file, beijing=KEYS["singapore"])
    run = zimage("validate", "--online", "--json", env=cloud.env, status=3)
    assert run.json["checks"][-1]["name"] == "online"
    assert cloud.asked == [BEIJING]
    # Not with a key of the environment either, though that would have been right there.
    env = {**cloud.env, "DASHSCOPE_API_KEY": KEYS["singapore"], "ZIMAGE_REGION": "beijing"}
    zimage("validate", "--online", env=env, status=3)
    assert cloud.asked == [BEIJING, BEIJING]
    assert cloud.singapore.books.gets == []


def test_online_with_a_good_key_asks_once(zimage: Any, cloud: Cloud, config_file: Path) -> None:
    store(config_file, **KEYS)
    zimage("validate", "--online", "--region", "singapore", env=cloud.env)
    assert cloud.asked == [SINGAPORE]


def test_a_certificate_that_nobody_trusts(zimage: Any, cloud: Cloud, config_file: Path) -> None:
    store(config_file, beijing=KEYS["beijing"])
    env = {**cloud.env, "SSL_CERT_FILE": None}
    run = zimage("generate", "a fox", env=env, status=6)
    assert "certificate" in run.stderr.lower()
    assert cloud.beijing.books.calls == []
    assert cloud.asked == [BEIJING]


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_a_lost_try_that_is_made_again_counts_against_the_bound(
    zimage: Any, cloud: Cloud, config_file: Path, command: str
) -> None:
    """Three pictures at CNY 0.10 are within the bound, and one of them may be paid twice."""
    store(config_file, **KEYS)
    # One after the other, so that the others are answered before the first is asked for again.
    config_file.write_text(config_file.read_text().replace("rps = 0", "rps = 2"))
    cloud.beijing.script(Fault("slow-answer", seconds=60.0))
    (zimage.cwd / "kite.txt").write_text("a kite\n")
    args = ("-n", "3", "--retry-lost", "--max-cost", "0.30", "--timeout", "3", "--size", "512x512")
    given = ("a kite",) if command == "generate" else ("kite.txt", "-o", "out")
    run = zimage(
        command, *given, *args, "--json", "--region", "beijing", env=cloud.env, status=(6, 9)
    )
    # Two are saved, and the lost one is not asked for again: that would be over the bound.
    assert cloud.beijing.books.post_count == 3
    documents = [json.loads(line) for line in run.lines]
    assert documents[-1]["errors"][-1]["type"] == "max-cost"
    assert "--max-cost 0.30" in run.stderr
    if command == "batch":
        summary = documents[-1]
        assert (summary["saved"], summary["lost"], summary["left"]) == (2, 1, 0)
        assert summary["billed"] == {"yes": 2, "maybe": 1}
        assert summary["cost"] == {"amount": "0.30", "currency": "CNY"}
        assert "--retry-lost" in summary["commands"]["retry_lost"]
    else:
        assert len(documents[0]["images"]) == 2
        assert [error["type"] for error in documents[0]["errors"]] == ["lost", "max-cost"]
        # It draws other seeds, and would buy the two that are saved once more.
        assert "zimage generate would pay for all of it again" in run.stderr
