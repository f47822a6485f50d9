"""What `--json` says of each wrong option: which it is, what was given, and what would be right."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--count", "0"], ("count", 0, "1 … 10000", 1)),
        (["--count", "10001"], ("count", 10001, "1 … 10000", 10000)),
        (["--seed", "-1"], ("seed", -1, "a whole number, 0 to 2147483647", 0)),
        (["--sizes", " "], ("sizes", "", "sizes with commas between them, such as 1:1,16:9", None)),
        (
            ["--seeds", "3-1"],
            ("seeds", "3-1", "numbers and ranges, 0 to 2147483647, such as 1-4,9", "1-3"),
        ),
        (
            ["--region", "mars"],
            ("region", "mars", "beijing (cn-beijing), singapore (ap-southeast-1), sandbox", None),
        ),
        (["--base-url", "ftp://h"], ("base_url", "ftp://h", None, None)),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(
    zimage: Any, options: list[str], told: tuple[object, ...]
) -> None:
    run = zimage("generate", "A kite", *options, "--dry-run", "--json", status=2)
    (error,) = run.json["errors"]
    assert (error["field"], error["value"], error["allowed"], error["nearest"]) == told
    assert error["type"] == "usage"


def test_every_wrong_option_has_its_own_next_step(zimage: Any) -> None:
    run = zimage("generate", " ", "--seed", "-1", "--size", "5:4", "--dry-run", "--json", status=2)
    assert [(error["field"], error["hint"]) for error in run.json["errors"]] == [
        ("prompt", "Give a prompt: zimage generate 'A calm lake at dawn'"),
        ("size", "See the recommended sizes: zimage sizes"),
        ("seed", None),
    ]
