"""A recorded request is the request again, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zimage_cli.api.payload import generation_request
from zimage_cli.core.history.history import History
from zimage_cli.core.history.like import like
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.request import Origin, Request, parse_request
from zimage_cli.errors import RequestInvalid, UsageError


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    history = History(tmp_path_factory.mktemp("data") / "history.db")
    yield history
    history.close()


def record(book: History, request: Request, **columns: object) -> int:
    return book.begin(
        prompt=request.prompt,
        size=request.size,
        seed=request.seed,
        prompt_extend=request.prompt_extend,
        region="beijing",
        endpoint="https://dashscope.aliyuncs.com",
        **columns,
    )


def body(request: Request) -> bytes:
    fields = {name: getattr(request, name) for name in ("prompt", "size", "seed", "prompt_extend")}
    return generation_request("https://host/api/v1", **fields).body


@settings(max_examples=50)
@given(
    prompt=st.text(min_size=1),
    size=st.sampled_from(["1:1", "16:9@1536", "512×768", "2048*2048"]),
    seed=st.none() | st.integers(0, MAX_SEED),
    extend=st.booleans(),
)
def test_whatever_was_sent_is_sent_again(
    book: History, prompt: str, size: str, seed: int | None, extend: bool
) -> None:
    fields = {"prompt": prompt, "size": size, "seed": seed, "prompt_extend": extend}
    try:
        request = parse_request({k: v for k, v in fields.items() if v is not None})
    except RequestInvalid:
        assume(False)
    number = record(book, request)
    found = like(book, str(number), rewritten=False)
    again = found.request({})
    assert (again, body(again)) == (request, body(request))
    assert again.origin == Origin(number)


@pytest.mark.parametrize("seed", [-1, 2**31, 2**62])
def test_what_somebody_else_wrote_there_is_checked(book: History, seed: int) -> None:
    row = record(book, Request("a\x07 kite", "1*1", seed, prompt_extend=False))
    with pytest.raises(RequestInvalid) as caught:
        like(book, str(row), rewritten=False).request({})
    assert [one.facts["field"] for one in caught.value.problems] == ["prompt", "size", "seed"]
    # What is said anew is not looked at.
    changed = like(book, str(row), rewritten=False).request(
        {"prompt": "a kite", "size": "1:1", "seed": None}
    )
    assert (changed.prompt, changed.size, changed.seed) == ("a kite", "1024*1024", None)


@pytest.mark.parametrize(
    ("region", "notes"),
    [("beijing", ()), ("singapore", ("made in beijing",)), ("sandbox", ("made in beijing",))],
)
def test_another_region_is_said(book: History, region: str, notes: tuple[str, ...]) -> None:
    row = record(book, Request("a kite", "512*512", 7, prompt_extend=True))
    found = like(book, str(row), rewritten=False)
    said = found.notes(found.request({}), region)
    assert said == tuple(f"history {row} was {note}" for note in notes)


def test_without_a_picture_there_is_nothing_rewritten(book: History) -> None:
    with pytest.raises(UsageError, match="say of which"):
        like(book, None, rewritten=True)
