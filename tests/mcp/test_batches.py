"""Batches: begun by a program, gone on with by anybody, and nothing paid twice."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from stand_in import Hold, kept_port

from zimage_cli.client import Client
from zimage_cli.errors import RequestInvalid, UsageError
from zimage_cli.mcp.batch_state import standing
from zimage_cli.mcp.batches import BATCHES
from zimage_cli.mcp.bounds import Bounds
from zimage_cli.mcp.desk import Desk
from zimage_cli.mcp.prompts import MOST, checked
from zimage_cli.mcp.results import MOST_BYTES
from zimage_cli.sandbox.faults import Fault

RICH = ("--max-cost", "10", "--confirm-above", "10")
IN_FLIGHT = 16


def told(result: Any, *, wrong: bool = False) -> Any:
    """Return what an answer says: the same twice, in 4 kB."""
    assert bool(result.is_error) is wrong, result.content
    assert len(result.model_dump_json(by_alias=True, exclude_none=True)) <= MOST_BYTES
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def data_of(answer: Any) -> Any:
    """Return what an answer on the pipes says."""
    assert not answer["result"].get("isError"), answer
    return answer["result"]["structuredContent"]


async def ended(client: Any, name: str) -> Any:
    """Ask until a batch does not run any more."""
    import anyio

    while True:
        found = told(await client.call_tool("batch_status", {"id": name}))
        if found["status"] != "running":
            return found
        await anyio.sleep(0.1)


def asked(service: Any) -> Counter[str]:
    """Return how often the service was asked for each prompt."""
    posts = service.books.calls
    return Counter(
        one.json()["input"]["messages"][0]["content"][0]["text"]
        for one in posts
        if one.method == "POST"
    )


def test_from_its_begin_to_its_end(
    priced: Callable[..., Any], talk: Any, unpaced: None, work: Path
) -> None:
    """It returns at once; what is held is in the purse's hands, and then what was billed is."""
    hold = Hold()
    service = priced(log=hold)
    service.script(*["ok"] * 3, "DataInspectionFailed")
    fox = {"prompt": "a fox", "size": "512*512", "seed": 3, "count": 2, "name": "Fö"}
    prompts = ["a kite", fox]

    async def meet(client: Any) -> None:
        begun = told(await client.call_tool("start_batch", {"prompts": prompts}))
        assert (begun["pictures"], begun["status"]) == (3, "running")
        assert begun["cost"] == {"amount": "0.30", "currency": "CNY"}
        assert begun["left"] == {"amount": "9.70", "currency": "CNY"}
        name = begun["id"]
        found = told(await client.call_tool("batch_status", {"id": name}))
        assert (found["status"], found["saved"], found["to_make"]) == ("running", 0, 3)
        assert "go_on" not in found
        hold.release()
        found = await ended(client, name)
        assert (found["status"], found["saved"], found["to_make"]) == ("done", 3, 0)
        assert found["cost"] == {"amount": "0.30", "currency": "CNY", "up_to": "0.30"}
        folder = Path(found["folder"])
        assert folder.is_relative_to(work / "output")
        assert {"fö.png", "fö-2.png"} < set(found["newest_files"])
        assert all((folder / file).is_file() for file in found["newest_files"])
        lines = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
        assert lines[1] == {**fox, "name": "fö", "prompt_extend": False}
        assert isinstance(lines[0]["seed"], int)

        begun = told(await client.call_tool("start_batch", {"prompts": ["a refused kite"]}))
        found = await ended(client, begun["id"])
        assert (found["status"], found["refused"]) == ("ended", 1)
        [cause] = found["causes"]
        assert (cause["status"], cause["prompts"]) == ("refused", [1])
        assert cause["cause"] == "DataInspectionFailed"
        # What was not billed was not spent.
        assert found["spent"] == {"amount": "0.30", "currency": "CNY"}
        assert found["left"] == {"amount": "9.70", "currency": "CNY"}

    talk(service, meet, *RICH)
    assert service.books.billed_count == 3


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_sent(
    priced: Callable[..., Any], talk: Any, work: Path
) -> None:
    service = priced()
    prompts = [
        "a kite",
        {"prompt": "a fox", "size": "9*9", "seed": -1},
        7,
        {"prompt": " "},
        {"prompt": "a fox", "output": "../x.png", "base_url": "https://example.com"},
        {"prompt": "a fox", "preset": "none"},
        {"prompt": "a fox", "name": "../../x"},
        {"prompt": "a fox", "size": "9*9", "seed": None},
    ]

    async def meet(client: Any) -> None:
        said = told(await client.call_tool("start_batch", {"prompts": prompts}), wrong=True)
        assert said["billed"] == "no"
        # It takes no list of prompts.
        assert "Of those of generate_image check_request tells" in said["hint"]
        problems = [one["message"] for one in said["errors"]]
        for place, word in (
            ("2, 8", "size"),
            ("2", "seed"),
            ("3", "neither text nor a request"),
            ("4", "prompt"),
            ("5", '"output" is no field'),
            ("5", '"base_url" is no field'),
            ("6", "preset"),
            ("7", "name"),
        ):
            assert any(one.startswith(f"prompt {place}: ") and word in one for one in problems)
        said = told(await client.call_tool("start_batch", {"prompts": '["a", 5]'}), wrong=True)
        assert said["message"].startswith("prompt 2: 5 is neither")
        many = [{"prompt": "a", "count": MOST + 1}]
        for wrong in ([], "a kite", "7", None, {}, ["a"] * (MOST + 1), many):
            said = told(await client.call_tool("start_batch", {"prompts": wrong}), wrong=True)
            assert said["message"].startswith("prompts: ")
        said = told(
            await client.call_tool("start_batch", {"prompts": ["a"], "max_cost": 50}), wrong=True
        )
        assert "no argument of this tool" in said["message"]
        assert not (work / "output").exists()
        # A link in the output folder leads out of it.
        (work / "elsewhere").mkdir()
        folder = work / "output" / BATCHES
        folder.parent.mkdir(parents=True)
        folder.symlink_to(work / "elsewhere")
        said = told(await client.call_tool("start_batch", {"prompts": ["a kite"]}), wrong=True)
        assert "leads out of the output folder" in said["message"]
        assert said["left"]["amount"] == "10.00"
        assert not [*(work / "elsewhere").iterdir()]

    talk(service, meet, *RICH)
    assert not asked(service)


def test_the_whole_price_is_bounded_and_asked_about(
    priced: Callable[..., Any], talk: Any, work: Path, person: Any
) -> None:
    service = priced()

    whom = person("decline", "accept")

    async def meet(client: Any) -> None:
        async def begin(count: int, *, wrong: bool = True) -> Any:
            prompts = {"prompts": ["a kite"] * count}
            return told(await client.call_tool("start_batch", prompts), wrong=wrong)

        said = await begin(11)
        assert "over what is left" in said["message"]
        said = await begin(2)
        assert "declined" in said["message"]
        assert said["spent"]["amount"] == "0.00"
        assert not asked(service)
        assert not (work / "output").exists()
        begun = await begin(2, wrong=False)
        assert (await ended(client, begun["id"]))["status"] == "done"

    talk(service, meet, person=whom)
    for question in whom.asked:
        price = "Make 2 pictures of 1024*1024 in beijing for CNY 0.20?"
        assert question.message.startswith(price)
    assert len(whom.asked) == 2
    assert asked(service) == {"a kite": 2}


@pytest.mark.parametrize("way", ["killed", "closed"])
def test_the_command_line_goes_on_and_pays_nothing_twice(
    priced: Callable[..., Any],
    wire: Any,
    unpaced: None,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three are saved, sixteen are being painted and five wait when the server ends."""
    service = priced()
    painted = Fault("no-answer" if way == "killed" else "slow-answer", times=IN_FLIGHT)
    service.script("ok", "ok", "ok", painted)
    server = wire(service, *RICH)
    server.shake_hands()
    prompts = [f"kite {number}" for number in range(24)]
    call = {"name": "start_batch", "arguments": {"prompts": prompts}}
    name = data_of(server.request("tools/call", **call))["id"]
    status = {"name": "batch_status", "arguments": {"id": name}}
    assert service.books.wait_for(
        lambda books: (
            books.post_count >= 3 + IN_FLIGHT
            and data_of(server.request("tools/call", **status))["saved"] >= 3
        )
    )
    for variable, value in service.env.items():
        monkeypatch.setenv(variable, value)
    with Client() as client:
        desk = Desk(client, Bounds())
        top = desk.folder / BATCHES

        def state() -> Any:
            return told(standing(desk, top, {}, name))

        if way == "killed":
            # They are painted for ever: nothing else comes to its end meanwhile.
            assert state()["status"] == "running in another zimage"
            server.kill()
        else:
            assert server.end() == 0
        found = state()
        lost = IN_FLIGHT if way == "killed" else 0
        assert (found["lost"], found["saved"] + found["to_make"]) == (lost, 24 - lost)
        assert found["status"] == ("ended" if lost or found["to_make"] else "done")
        assert found["to_make"] == 5 or way == "closed"
        if "go_on" in found:
            command = shlex.split(found["go_on"])
            # What is lost is left alone.
            service.zimage(*command[1:], "--yes", env=service.env, status=9 if lost else 0)
        found = state()
        assert (found["saved"], found["to_make"], found["lost"]) == (24 - lost, 0, lost)
        assert found["cost"]["up_to"] == "2.40"
        assert Decimal(found["cost"]["amount"]) == Decimal("0.10") * (24 - lost)
    assert asked(service) == Counter(prompts)
    assert len([*Path(found["folder"]).glob("*.png")]) == 24 - lost


def test_a_service_that_cannot_be_reached_is_told_of(
    priced: Callable[..., Any], wire: Any, unpaced: None
) -> None:
    """It waits, and the end of the server does not wait for it."""
    service = priced()
    with kept_port() as port:
        proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{port}"}
        server = wire(service, *RICH, env={**service.env, **proxy})
        server.shake_hands()
        call = {"name": "start_batch", "arguments": {"prompts": ["a kite", "a fox"]}}
        name = data_of(server.request("tools/call", **call))["id"]
        status = {"name": "batch_status", "arguments": {"id": name}}

        def waits(_books: Any) -> bool:
            return "waiting" in data_of(server.request("tools/call", **status))

        assert service.books.wait_for(waits)
        found = data_of(server.request("tools/call", **status))
        assert (found["status"], found["to_make"]) == ("running", 2)
        assert "tries again for up to an hour" in found["waiting"]
        assert server.end() == 0


def test_prompts_that_are_not_named_are_counted(work: Path) -> None:
    sizes = [{"prompt": "a", "size": f"{number}*9"} for number in range(99)]
    with Client(sandbox=True) as client, pytest.raises(RequestInvalid) as caught:
        checked(client, work, [*sizes, 7])
    *named, last = [one.message for one in caught.value.problems]
    assert len(named) == 51
    assert last == "49 more prompts have others"
    with Client(sandbox=True) as client, pytest.raises(RequestInvalid) as caught:
        checked(client, work, [{"prompt": "a", **{f"k{number}": 1 for number in range(5000)}}])
    assert caught.value.problems[-1].message == "prompt 1: 4988 more are no fields here"


def test_what_is_no_batch_is_told_in_words(work: Path) -> None:
    with Client(sandbox=True) as client:
        desk = Desk(client, Bounds())
        top = desk.folder / BATCHES

        def told_of(name: object) -> str:
            with pytest.raises(UsageError) as error:
                standing(desk, top, {}, name)
            return str(error.value.hint)

        assert told_of("nothing") == "start_batch begins one."
        secret = work / "secret"
        for folder in (secret, top / "20260101-000000-a"):
            folder.mkdir(parents=True)
        (secret / "prompts.jsonl").write_text('{"prompt": "a secret", "size": "secret"}\n')
        (top / "linked").symlink_to(secret)
        (top / "20260101-000000-a" / "prompts.jsonl").symlink_to(secret / "prompts.jsonl")
        os.mkfifo(top / "prompts.jsonl")
        up = os.path.relpath(secret, top)
        names = ("linked", up, str(secret), "..", ".", "", "a\0", "prompts.jsonl", None, 5, ["x"])
        for name in (*names, "20260101-000000-a"):
            assert "20260101-000000-a" in told_of(name)
