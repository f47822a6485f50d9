"""File names, sizes of answers and bugs: what holds whatever comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from apart import apart
from hypothesis import example, given
from hypothesis import strategies as st

from zimage_cli.client import Client
from zimage_cli.core.advice import error_documents
from zimage_cli.core.request.names import NameTemplate, is_reserved
from zimage_cli.core.request.request import Request
from zimage_cli.errors import (
    AnswerLost,
    AuthenticationError,
    Billed,
    ConnectionFailed,
    NotSavedError,
    QuotaError,
    RefusedError,
    RequestInvalid,
    ServiceError,
    UsageError,
    ZimageError,
)
from zimage_cli.mcp.arguments import file_name, plan
from zimage_cli.mcp.errors import failed
from zimage_cli.mcp.results import result
from zimage_cli.mcp.watching import Painting

KITE = Request("a kite", "512*512", 1, prompt_extend=False)


@given(st.one_of(st.text(), st.text(alphabet="./\\:~ CONconaxNUL\0\u202e风筝-_0{}*")))
@example("../x")
@example("/etc/x")
@example("a/b")
@example("C:\\x")
@example("C:x")
@example(".hidden")
@example("CON")
@example("con.png")
@example("x\0y")
@example("k" * 300)
@example("红色的风筝" * 60)
@example("{slug}-{n}")
@example("kite.png.exe")
@example("kite.jpg")
@example("..")
@example(" . ")
@example("")
def test_a_name_is_a_safe_file_name_or_refused(text: str) -> None:
    try:
        name = file_name(text)
    except UsageError as error:
        assert error.facts["field"] == "name"
        return
    assert name == Path(name).name == name.strip(". ")
    assert not set(name) & set('/\\:*?"<>|{}~\0')
    assert name.isprintable()
    assert not is_reserved(name)
    assert len(name.encode()) <= 90
    # And it is what the file is called, before any number.
    made = NameTemplate.parse(name).render(KITE, region="beijing")
    assert Path(made).stem == Path(name).stem if "." in name else made == f"{name}.png"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Red Kite", "red-kite"),
        ("Red Kite.JPG", "red-kite.jpg"),
        ("红色的风筝", "红色的风筝"),
        ("CON", "con-picture"),
        ("kite.gif", "kite-gif"),
        ("{slug}", "slug"),
        ("~root", "root"),
    ],
)
def test_what_a_name_becomes(text: str, name: str) -> None:
    assert file_name(text) == name


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("../x", "x"), ("/etc/x", "etc-x"), ("C:\\x", "c-x"), (".hidden", "hidden"), ("a\0b", "ab")],
)
def test_a_path_is_refused_and_a_name_proposed(text: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        file_name(text)
    assert caught.value.facts["nearest"] == nearest
    assert file_name(nearest) == nearest


@pytest.mark.parametrize(
    ("count", "nearest"),
    [(0, 1), (5, 4), (-1, 1), (2.0, 2), ("3", 3), ("many", 1), ([], 1), (True, 1), (1e999, 1)],
)
def test_a_wrong_count_is_refused_and_a_right_one_proposed(count: object, nearest: int) -> None:
    with Client(sandbox=True) as client, pytest.raises(UsageError) as caught:
        plan(client, {"prompt": "a kite", "count": count})
    [problem] = error_documents(caught.value)
    assert (problem["field"], problem["nearest"]) == ("count", nearest)
    assert "; for more: start_batch;" in problem["message"]


def test_thousands_of_unknown_arguments_are_counted() -> None:
    given = {f"k{number}": 1 for number in range(5000)}
    with Client(sandbox=True) as client, pytest.raises(RequestInvalid) as caught:
        plan(client, {"prompt": "a kite", **given})
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].message == "4980 more are no arguments of this tool"


def test_words_say_what_is_furthest() -> None:
    with Client(sandbox=True) as client:
        jobs = [*plan(client, {"prompt": "a kite", "count": 2, "seed": 7}).jobs()]
    painting = Painting(2)
    said = [painting.words()]
    first, second = map(painting.started, jobs)
    for step in (
        lambda: first.pacing(1.0),
        lambda: first.sending(1),
        first.sent,
        lambda: second.sending(1),
    ):
        step()
        said.append(painting.words())
    assert said == [
        "waiting for a turn, 0 of 2 done",
        "waiting for a turn, 0 of 2 done",
        "sending, 0 of 2 done",
        "painting, 0 of 2 done",
        "painting, 0 of 2 done",
    ]


def made(rewritten: str, folder: str, count: int = 4) -> Any:
    paths = [Path(folder) / f"20261123-134500-a-red-kite-{2**31 - 1 - n}.png" for n in range(count)]
    cost = {"amount": "0.20", "currency": "CNY"}
    pictures = [
        {
            "path": str(path),
            "seed": 2**31 - 1,
            "size": "1024*1024",
            "width": 1024,
            "height": 1024,
            "cost": cost,
            "history_id": 123_456,
            "request_id": "a9dbad93-047b-44fc-a64b-9890758bf267",
            "rewritten_prompt": rewritten,
        }
        for path in paths
    ]
    document = {
        "status": "ok",
        "pictures": pictures,
        "warnings": [f"the prompt has 8,000 characters: {rewritten}"],
        "region": "beijing",
        **dict.fromkeys(("cost", "spent", "left"), cost),
    }
    return paths, result(document, paths)


@given(
    st.one_of(
        st.text(max_size=8000), st.sampled_from(["k" * 8000, "风筝" * 4000, '"\\' * 4000, "\u202e"])
    ),
    st.integers(1, 4),
)
def test_an_answer_has_4_kb_whatever_is_written_in_it(rewritten: str, count: int) -> None:
    paths, answer = made(rewritten, "/home/someone/Pictures/ai-image-zimage-turbo/images", count)
    assert len(answer.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 4096
    said = answer.structured_content
    assert json.loads(answer.content[0].text) == said
    assert [one["path"] for one in said["pictures"]] == list(map(str, paths))
    assert [link.uri for link in answer.content[1:]] == [path.as_uri() for path in paths]
    for one in said["pictures"]:
        whole = one["rewritten_prompt"] == rewritten
        assert whole or said["notes"] == ["texts that end in … are cut"]


def test_long_paths_are_whole_and_links_are_left_out() -> None:
    paths, answer = made("k" * 8000, f"/{'d' * 250}")
    assert len(answer.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 4096
    assert [one["path"] for one in answer.structured_content["pictures"]] == list(map(str, paths))
    assert len(answer.content) == 1


def test_a_thousand_problems_are_counted() -> None:
    errors = [{"field": f"field{n}", "message": "is no argument"} for n in range(1000)]
    answer = result({"status": "error", "errors": errors}, is_error=True)
    said = answer.structured_content
    assert len(answer.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 4096
    assert len(said["errors"]) + said["more_errors"] == 1000


def test_problems_that_are_told_can_be_read() -> None:
    words = "size: 3 has the wrong type; allowed: a text: W*H such as 1024*1024, or a ratio; "
    problems = [
        UsageError("{words}", field="prompts", words=f"prompt {n}: {words}{words}")
        for n in range(60)
    ]
    answer = failed(RequestInvalid(tuple(problems)))
    assert len(answer.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 4096
    said = answer.structured_content
    assert said["message"] == "The arguments have 60 problems."
    told = [one["message"] for one in said["errors"]]
    assert len(told) >= 4
    assert told == [one.message for one in problems[: len(told)]]
    assert said["more_errors"] == 60 - len(told)


def test_long_prompts_cut_no_other_words() -> None:
    note = "SANDBOX: the pictures are labelled stand-ins, and nothing was billed."
    pictures = [
        {"path": f"/p/{n}.png", "seed": n, "rewritten_prompt": "风筝" * 4000} for n in range(4)
    ]
    errors = [{"history_id": 9, "message": "The service says no. " * 9, "billed": "maybe"}]
    answer = result({"status": "partial", "pictures": pictures, "errors": errors, "notes": [note]})
    said = answer.structured_content
    assert said["notes"] == [note, "texts that end in … are cut"]
    assert said["errors"] == errors


def test_what_looks_like_a_key_is_masked_but_in_paths() -> None:
    key = "sk-0123456789abcdef0123456789abcdef"
    answer = result({"status": "ok", "prompt": key, "path": f"/p/{key}", "notes": [key]})
    masked = "sk-…cdef"
    assert answer.structured_content == {
        "status": "ok",
        "prompt": masked,
        "path": f"/p/{key}",
        "notes": [masked],
    }


@pytest.mark.parametrize(
    ("error", "billed", "repeat", "hint"),
    [
        (AnswerLost("Lost."), "maybe", "it may be billed already", "search_history shows it"),
        (NotSavedError("Not saved."), "yes", "would be paid twice", "zimage history recover"),
        (RefusedError("Refused."), "no", "word it differently", "Word the prompt differently."),
        (QuotaError("Used up."), "no", "before the person has changed", "billing"),
        (AuthenticationError("No key."), "no", "before the person has changed", "Set a key"),
        (ConnectionFailed("Not reached."), "no", "again in a minute", "zimage validate --online"),
        (ServiceError("Failed."), "no", "again in a minute", "Try again in a minute."),
        (ServiceError("What?", billed=Billed.MAYBE), "maybe", "Ask the person", "search_history"),
        (UsageError("{field}", field="seed"), "no", "change them first", ""),
        (UsageError("{field}", hint="zimage", field="preset"), "no", "them first", "Correct the"),
        (UsageError("{path}", hint="--output", path="/x"), "no", "before the person", "set up."),
        (UsageError("Wrong.", hint="--dry-run", http_status=400), "no", "them first", "by that."),
    ],
)
def test_every_error_says_whether_to_call_again(
    error: ZimageError, billed: str, repeat: str, hint: str
) -> None:
    said = failed(error).structured_content
    assert said["billed"] == billed
    assert repeat in said["repeat"]
    assert hint in (said["hint"] or "")
    assert said["message"] == error.message


def test_a_bug_says_that_it_is_one_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    import anyio
    from mcp import Client as Host
    from mcp.server import MCPServer
    from mcp_types import ToolAnnotations

    from zimage_cli.mcp.tools import Call, tool

    async def broken(call: Call) -> Any:
        call.billed = Billed.MAYBE
        raise RuntimeError("sk-0123456789abcdef0123456789abcdef")

    async def talk() -> Any:
        made = tool(
            broken,
            name="broken",
            title="Broken",
            description="Fails.",
            input_schema={"type": "object"},
            output_schema=None,
            annotations=ToolAnnotations(),
        )
        async with Host(MCPServer("test", tools=[made], log_level="WARNING")) as host:
            return await host.call_tool("broken", {"any": "thing"})

    answer = apart(lambda: anyio.run(talk))
    assert answer.is_error
    assert answer.structured_content == {
        "status": "error",
        "message": "This is a bug in zimage (RuntimeError).",
        "hint": "Tell the person. ZIMAGE_DEBUG=1 shows on the server's stderr where it is.",
        "billed": "maybe",
        "repeat": "Do not repeat this call: it may be billed already. "
        "Ask the person before paying again.",
    }
    assert caplog.messages == ["a bug in zimage: RuntimeError"]
    assert caplog.records[0].exc_info in {None, False}
