"""generate_image and check_request: what they take, what they answer, and what a cancel leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import rows_of
from cloud import KEYS
from mcp_inside import MODES, Inside, inside, make
from stand_in import Hold

from zimage_cli.sandbox.faults import Fault

__all__ = ["inside"]

VERSIONS = tuple(MODES)
BIG = "9"
"""More than any call here costs: nobody is asked."""


def check(answer: Any, *, is_error: bool = False) -> Any:
    """Return what an answer says: the same as data and as text, in 4 kB."""
    assert answer.is_error is is_error, answer.content[0].text
    assert json.loads(answer.content[0].text) == answer.structured_content
    assert len(answer.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 4096
    return answer.structured_content


@pytest.mark.parametrize("version", VERSIONS)
def test_pictures_are_files_with_links(inside: Any, version: str) -> None:
    server = inside()

    async def talk(host: Any) -> Any:
        return await make(host, 2, name="Red Kite.PNG", seed=7), await make(host, name="red kite")

    several, one = server(talk, version=version, confirm_above=BIG)
    said = check(several)
    folder = server.service.images
    assert [one["path"] for one in said["pictures"]] == [
        str(folder / "red-kite.png"),
        str(folder / "red-kite-2.png"),
    ]
    first = said["pictures"][0]
    assert {name: first[name] for name in ("seed", "size", "width", "height", "cost")} == {
        "seed": 7,
        "size": "512*512",
        "width": 512,
        "height": 512,
        "cost": {"amount": "0.10", "currency": "CNY"},
    }
    assert said["pictures"][1]["seed"] == 8
    assert (said["status"], said["region"]) == ("ok", "beijing")
    assert (said["cost"]["amount"], said["spent"]["amount"]) == ("0.20", "0.20")
    for link, picture in zip(several.content[1:], said["pictures"], strict=True):
        path = Path(picture["path"])
        assert (link.type, link.uri, link.mime_type) == (
            "resource_link",
            path.as_uri(),
            "image/png",
        )
        assert (link.name, link.size) == (path.name, path.stat().st_size)
    # Nothing is overwritten.
    assert check(one)["pictures"][0]["path"] == str(folder / "red-kite-3.png")
    rows = {row["id"]: row for row in rows_of(server.service.home)}
    assert rows[first["history_id"]]["request_id"] == first["request_id"]


def test_some_that_fail_do_not_hide_the_others(inside: Any) -> None:
    server = inside()
    server.service.script("ok", "DataInspectionFailed", "html-200", "ok")

    async def talk(host: Any) -> Any:
        return await make(host, 4, seed=1)

    said = check(server(talk, confirm_above=BIG))
    assert said["status"] == "partial"
    assert len(said["pictures"]) == 2
    assert sorted((one["status"], one["billed"]) for one in said["errors"]) == [
        ("lost", "maybe"),
        ("refused", "no"),
    ]
    seeds = {one["seed"] for one in (*said["pictures"], *said["errors"])}
    assert seeds == {1, 2, 3, 4}
    assert (said["billed"], said["cost"]["amount"]) == ("maybe", "0.30")
    assert said["repeat"].startswith("Do not repeat this call")


def test_what_some_were_made_of_is_not_called_again(inside: Any) -> None:
    """Nothing was billed of what failed, but the same call would pay again for the others."""
    server = inside()
    server.service.script("ok", "InternalError", "ok")

    async def talk(host: Any) -> Any:
        return await make(host, 3, seed=1)

    said = check(server(talk, confirm_above=BIG, retries=0))
    assert (said["billed"], said["cost"]["amount"]) == ("no", "0.20")
    assert said["repeat"].startswith("Do not repeat this call: the pictures it made would be paid")
    [missing] = said["errors"]
    assert missing["seed"] in {1, 2, 3} - {one["seed"] for one in said["pictures"]}


def test_what_would_fail_again_is_not_asked_for(inside: Any) -> None:
    server = inside()
    server.service.script("Arrearage")

    async def talk(host: Any) -> Any:
        return await make(host, 4)

    # A second one would be sent after a minute and more.
    said = check(server(talk, confirm_above=BIG, rps=0.01), is_error=True)
    assert (said["status"], said["pictures"], said["billed"]) == ("error", [], "no")
    assert said["spent"]["amount"] == "0.00"
    assert said["notes"][0].startswith("3 of 4 were not asked for: ")
    assert len(server.service.books.posts) == 1


def test_what_is_left_out_is_what_the_person_has_set(inside: Any) -> None:
    """A rewritten prompt costs twice as much: a model that leaves it out is to know it."""
    server = inside()

    async def talk(host: Any) -> Any:
        return {tool.name: tool.input_schema for tool in (await host.list_tools()).tools}

    schemas = server(talk, size="1280*720", prompt_extend=True)
    batch = schemas["start_batch"]["properties"]["prompts"]["items"]["anyOf"][1]
    for schema in (schemas["generate_image"], schemas["check_request"], batch):
        properties = schema["properties"]
        assert properties["size"]["default"] == "1280*720"
        assert properties["prompt_extend"]["default"] is True


def test_all_that_is_wrong_with_the_arguments_comes_at_once(inside: Any) -> None:
    server = inside()
    wrong = {
        "prompt": " ",
        "size": "100*100",
        "seed": "12",
        "count": 9,
        "name": "../x",
        "preset": 1,
        "negative_prompt": "rain",
        "base_url": "https://elsewhere.example",
        "promt": "a kite",
    }

    async def talk(host: Any) -> Any:
        return [
            await host.call_tool(name, wrong) for name in ("generate_image", "check_request")
        ] + [await host.call_tool("generate_image", {"prompt": "[1]", "seed": None, "size": True})]

    made, checked, other = server(talk)
    fields = [one["field"] for one in check(made, is_error=True)["errors"]]
    assert sorted(fields) == sorted(wrong)
    assert made.structured_content["message"] == "The arguments have 9 problems."
    assert check(checked)["status"] == "invalid"
    assert checked.structured_content["errors"] == made.structured_content["errors"]
    by_field = {one["field"]: one for one in made.structured_content["errors"]}
    assert by_field["seed"]["nearest"] == 12
    assert by_field["promt"]["nearest"] == "prompt"
    assert by_field["name"]["nearest"] == "x"
    assert "no negative prompt" in by_field["negative_prompt"]["message"]
    assert check(other, is_error=True)["message"].startswith("size: true has the wrong type")
    assert server.service.books.calls == []


def test_check_request_needs_no_key_and_sends_nothing(
    inside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = inside()
    monkeypatch.delenv("DASHSCOPE_API_KEY")

    async def talk(host: Any) -> Any:
        cheap = await host.call_tool("check_request", {"prompt": "a kite", "size": "16x9"})
        long = {"prompt": "k" * 801, "count": 4, "prompt_extend": True}
        much = await host.call_tool("check_request", long)
        return cheap, much, await make(host)

    cheap, much, made = server(talk, max_cost="0.50")
    assert check(cheap)["status"] == "invalid"
    said = check(much)
    assert (said["status"], said["cost"]["amount"], said["asks"]) == ("refused", "0.80", False)
    assert said["message"].startswith("4 pictures at CNY 0.80 would go over what is left: CNY 0.50")
    assert said["warnings"][0].startswith("the prompt has 801 characters")
    assert "key" in check(made, is_error=True)["message"]
    assert server.service.books.calls == []


def test_it_says_what_would_be_asked(inside: Any) -> None:
    server = inside()

    async def talk(host: Any) -> Any:
        return await host.call_tool("check_request", {"prompt": "a kite", "count": 2})

    assert check(server(talk)) == {
        "status": "valid",
        "pictures": 2,
        "size": "1024*1024",
        "prompt": "a kite",
        "prompt_extend": False,
        "region": "beijing",
        "cost": {"amount": "0.20", "currency": "CNY"},
        "asks": True,
        "spent": {"amount": "0.00", "currency": "CNY"},
        "left": {"amount": "1.00", "currency": "CNY"},
    }


def test_the_sandbox_says_that_it_is_one() -> None:
    async def talk(host: Any) -> Any:
        tools = await host.list_tools()
        return tools.tools[0].description, await make(host, 2)

    described, made = Inside(None)(talk, max_cost="0", confirm_above="0", sandbox=True)
    assert "SANDBOX" in described
    said = check(made)
    assert (said["status"], said["region"]) == ("ok", "sandbox")
    assert said["notes"] == [
        "SANDBOX: the pictures are labelled stand-ins, and nothing was billed."
    ]
    assert said["spent"] == said["cost"] == {"amount": None, "currency": None}


def test_no_key_reaches_a_model(inside: Any) -> None:
    key = KEYS["beijing"]
    server = inside()
    server.service.script(
        Fault("InvalidParameter", message=f"wrong: {key}"),
        Fault("InvalidApiKey", message=f"Incorrect API key provided: {key}"),
    )

    async def talk(host: Any) -> Any:
        return [
            await make(host),
            await make(host),
            await make(host, **{key: key}),
            await make(host, name=key, preset=key),
        ]

    for answer in server(talk):
        check(answer, is_error=True)
        assert key not in answer.model_dump_json()


def test_a_link_that_leads_out_is_not_followed(inside: Any, tmp_path: Path) -> None:
    server = inside()
    outside = tmp_path / "outside"
    outside.mkdir()
    server.service.images.parent.parent.mkdir(parents=True)
    server.service.images.parent.symlink_to(outside)

    async def talk(host: Any) -> Any:
        return await make(host)

    said = check(server(talk), is_error=True)
    assert "leads out of the output folder" in said["message"]
    assert said["repeat"] == "Do not repeat this call before the person has changed something."
    assert server.service.books.calls == []
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_progress_rises_until_the_end(inside: Any, version: str) -> None:
    hold = Hold()
    server = inside(log=hold)
    told: list[tuple[float, str | None]] = []

    async def heard(progress: float, _total: float | None, message: str | None) -> None:
        told.append((progress, message))
        if message is not None and message.startswith("painting") and len(told) > 1:
            hold.release()

    async def talk(host: Any) -> Any:
        arguments = {"prompt": "a kite", "size": "512*512"}
        return await host.call_tool("generate_image", arguments, progress_callback=heard)

    check(server(talk, version=version))
    numbers = [progress for progress, _ in told]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 2
    assert all(re.fullmatch(r"[a-z ]+, [0-9]+ s", message or "") for _, message in told)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cancelled_call_sends_no_more_and_saves_what_is_paid(inside: Any, version: str) -> None:
    import anyio

    hold = Hold()
    server = inside(log=hold)
    books = server.service.books

    async def talk(host: Any) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make, host, 4)
            await anyio.to_thread.run_sync(books.wait_for, lambda seen: seen.post_count)
            tasks.cancel_scope.cancel()
        check(await host.call_tool("check_request", {"prompt": "a kite"}))
        hold.release()

    # A second one would be sent after a minute and more.
    server(talk, version=version, confirm_above=BIG, rps=0.01)
    assert books.post_count == 1
    [row] = rows_of(server.service.home)
    assert row["status"] == "saved"
    assert Path(row["path"]).is_file()
    assert server.desk.purse.document == {
        "spent": {"amount": "0.10", "currency": "CNY"},
        "left": {"amount": "0.90", "currency": "CNY"},
    }
