"""zimage from a program with a loop: `from zimage_cli import AsyncClient`."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from apart import apart
from gate import Gate
from noise import noise
from stand_in import Hold, Sandbox

from zimage_cli import AsyncClient, Client, Outcome, errors
from zimage_cli.async_client import AT_ONCE
from zimage_cli.core.observer import Observer, Watcher
from zimage_cli.core.run.run import WORK
from zimage_cli.core.run.tally import RunOptions
from zimage_cli.sandbox.faults import Fault

KEY = "sk-0123456789abcdef0123456789abcdef"
SLOWLY = 0.01
"""Requests a second: the second one waits for 100 s, unless it is given up."""


EARLIER = set[threading.Thread]()


@pytest.fixture(autouse=True)
def earlier() -> None:
    """Note the threads that other tests have left behind."""
    EARLIER.clear()
    EARLIER.update(threading.enumerate())


@pytest.fixture
def server() -> Iterator[Callable[..., Any]]:
    png = noise(512, 512, 20_000)
    with ExitStack() as running:
        yield lambda **config: running.enter_context(Sandbox(**{"picture_bytes": png, **config}))


@pytest.fixture
def service(server: Any) -> Any:
    return server()


def client(service: Any, **options: Any) -> AsyncClient:
    defaults = {"api_key": KEY, "base_url": service.api_root, "size": "512*512", "rps": 0}
    return AsyncClient(**{**defaults, **options})


def in_a_loop(main: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(100):
            return await main

    return apart(lambda: asyncio.run(bounded(), debug=True))


async def posts(service: Any, count: int) -> None:
    """Wait for so many requests; the loop goes on."""
    assert await asyncio.to_thread(service.books.wait_for, lambda books: books.post_count >= count)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def threads(name: str) -> int:
    """Return how many threads of this test have such a name."""
    return sum(one.name == name for one in {*threading.enumerate()} - EARLIER)


def statuses() -> list[str]:
    with Client.history() as book:
        assert book is not None
        return [entry.status for entry in book.newest(100)]


def saved(work: Path) -> int:
    return len(list(work.rglob("*.png")))


class Ear(Watcher, Observer):
    """Tells a loop what it hears."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.paced, self.warned = asyncio.Event(), list[str]()

    def started(self, job: Any) -> Ear:
        return self

    def pacing(self, seconds: float) -> None:
        self._loop.call_soon_threadsafe(self.paced.set)


def names(cls: type) -> set[str]:
    return {name for name, value in vars(cls).items() if name[0] != "_" and value is not None}


def test_it_has_the_same_names_and_parameters() -> None:
    # Those of the commands: a run as an object, the lines of a file, a recovery with progress, and
    # the folders of shards brought together.
    assert names(Client) - names(AsyncClient) == {"start", "plan_file", "recovery", "merge"}
    assert names(AsyncClient) - names(Client) == {"aclose"}
    for name in {"__init__", *names(Client) & names(AsyncClient)}:
        own, other = (inspect.signature(getattr(cls, name)) for cls in (AsyncClient, Client))
        assert list(own.parameters) == list(other.parameters), name
        for one, its in zip(own.parameters.values(), other.parameters.values(), strict=True):
            assert (one.kind, one.default) == (its.kind, its.default) or callable(one.default), name


def test_every_call_is_awaited(service: Any, work: Path) -> None:
    async def main() -> None:
        async with client(service) as one:
            async with one.history() as book:
                assert book is None
            assert (await one.estimate(["a", "b"])).pictures == 2
            assert [ping.key_accepted for ping in await one.ping()] == [True]
            assert (await one.validate()).exit_status == 0
            picture = await one.generate("a fox", seed=7, output=work / "fox.png")
            assert (picture.path, picture.seed) == (work / "fox.png", 7)
            other = await one.generate(like="last", seed="new", prompt_extend=True)
            assert (other.prompt, other.seed == 7) == ("a fox", False)
            plan = await one.plan({"prompt": "a kite"}, overrides={"seed": 3})
            assert [outcome.take().seed async for outcome in one.run(plan)] == [3]
            several = await one.plan_all(["a lake", "a hill"], name="{seed}")
            assert len([outcome.take() async for outcome in one.run(several)]) == 2
            async with one.history() as book:
                assert book is not None
                prompts = [entry.prompt for entry in book.newest(9)]
                assert prompts[2:] == ["a kite", "a fox", "a fox"]
            assert await one.recover() == []
            with pytest.raises(errors.RequestInvalid, match="seed"):
                await one.generate("a fox", seed=-1)
        with pytest.raises(errors.UsageError, match="closed"):
            await one.generate("a fox")
        # An exception that no future takes.
        with pytest.raises(RuntimeError, match="StopIteration"):
            await one.validate(request=iter([]).__next__)

    in_a_loop(main())
    assert service.books.billed_count == saved(work) == 5


def test_a_run_tells_each_as_it_ends_and_what_was_not_asked_for(server: Any) -> None:
    service = server()
    service.script("ok", "DataInspectionFailed", "InvalidApiKey")

    async def main() -> list[Outcome]:
        async with client(service) as one:
            plan = await one.plan_all(list("abcde"), options=RunOptions(concurrency=1))
            return [outcome async for outcome in one.run(plan)]

    found = in_a_loop(main())
    assert [one.status for one in found] == ["saved", "refused", "failed", "skipped", "skipped"]
    assert [one.job.number for one in found] == [1, 2, 3, 4, 5]

    async def wrong() -> None:
        async with AsyncClient(base_url=service.api_root) as one:
            with pytest.raises(TypeError, match="list"):
                await anext(one.run("a red fox"))
            with pytest.raises(errors.AuthenticationError):
                await anext(one.run(["a red fox"]))

    in_a_loop(wrong())


def test_fifty_at_once_have_a_bounded_number_of_threads(server: Any, work: Path) -> None:
    hold = Hold()
    service = server(log=hold)

    async def main() -> None:
        async with client(service) as one:
            tasks = [asyncio.create_task(one.generate(f"kite {n}")) for n in range(50)]
            await posts(service, AT_ONCE)
            assert threads(WORK) == AT_ONCE
            hold.release()
            pictures = await asyncio.gather(*tasks)
            assert {picture.prompt for picture in pictures} == {f"kite {n}" for n in range(50)}

    in_a_loop(main())
    assert saved(work) == service.books.billed_count == 50
    assert statuses() == ["saved"] * 50


def test_who_is_slow_to_listen_holds_nobody_up(service: Any) -> None:
    async def main() -> None:
        async with client(service) as one:
            plan = await one.plan_all(list("abcd"), options=RunOptions(concurrency=1))
            found = one.run(plan)
            first = await anext(found)
            await posts(service, 4)
            assert [outcome.status async for outcome in found] == ["saved"] * 3
            assert first.status == "saved"

    in_a_loop(main())


# -- who leaves --------------------------------------------------------------------------------


async def by_cancel(task: asyncio.Task[Any], *_: object) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(task: asyncio.Task[Any], *_: object) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0)


async def by_group(task: asyncio.Task[Any], sent: Callable[[], Awaitable[None]]) -> None:
    async def fail() -> None:
        await sent()
        raise ValueError

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await task

    with pytest.raises(ExceptionGroup):
        await both()


@pytest.mark.parametrize("leave", [by_cancel, by_timeout, by_group])
def test_who_is_cancelled_goes_on_at_once_and_the_picture_is_saved(
    server: Any, work: Path, leave: Any
) -> None:
    hold = Hold()
    service = server(log=hold)

    async def main() -> None:
        async with client(service) as one:
            task = asyncio.create_task(one.generate("a fox"))
            await posts(service, 1)
            # The service has not answered, and does not before this is over.
            await leave(task, lambda: posts(service, 1))
            assert statuses() == ["sending"]
            hold.release()

    in_a_loop(main())
    assert statuses() == ["saved"]
    assert saved(work) == service.books.billed_count == 1


def test_what_a_cancelled_call_could_not_fetch_is_recovered(server: Any, work: Path) -> None:
    hold = Hold()
    service = server(log=hold)
    service.script(Fault("picture-404", count=1))

    async def main() -> None:
        one = client(service, retries=0)
        task = asyncio.create_task(one.generate("a fox"))
        await posts(service, 1)
        await by_cancel(task)
        hold.release()
        await one.aclose()
        assert statuses() == ["made"]
        [recovered] = await one.recover()
        assert recovered.path.is_file()

    in_a_loop(main())
    assert statuses() == ["saved"]
    assert service.books.billed_count == saved(work) == 1


def test_what_waits_for_its_turn_is_not_sent_when_it_is_cancelled(service: Any) -> None:
    async def main() -> None:
        one = client(service, rps=SLOWLY)
        await one.generate("a fox")
        ear = Ear()
        waiting = asyncio.create_task(anext(one.run(["a kite"], ear)))
        await ear.paced.wait()
        await by_cancel(waiting)
        # Not by `close`, which would stop it too.
        await until(lambda: not threads(WORK))
        await one.close()

    in_a_loop(main())
    assert service.books.post_count == 1
    assert statuses() == ["saved"]


def test_what_is_cancelled_while_it_is_planned_is_never_begun(service: Any) -> None:
    reached, go = threading.Event(), threading.Event()

    class Slow(list[str]):
        def __iter__(self) -> Iterator[str]:
            reached.set()
            assert go.wait(60)
            return super().__iter__()

    async def main() -> None:
        one = client(service)
        task = asyncio.create_task(anext(one.run(Slow(["a fox"]))))
        assert await asyncio.to_thread(reached.wait, 60)
        await by_cancel(task)
        go.set()
        await until(lambda: not threads("zimage-async"))
        assert not threads(WORK)
        await one.close()

    in_a_loop(main())
    assert service.books.post_count == 0


def test_who_breaks_out_sends_nothing_more(service: Any, work: Path) -> None:
    async def main() -> None:
        one = client(service, rps=SLOWLY)
        async for outcome in one.run(list("abc")):
            assert outcome.status == "saved"
            break
        await until(lambda: not threads(WORK))
        await one.close()

    in_a_loop(main())
    assert service.books.post_count == saved(work) == 1


def test_a_loop_that_is_closed_under_a_run_loses_no_picture(
    server: Any, work: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second = Hold()

    def log(line: Any) -> None:
        if service.books.post_count > 1:
            second(line)

    service = server(log=log)
    one = client(service)

    def begin() -> Any:
        loop = asyncio.new_event_loop()
        plan = loop.run_until_complete(one.plan_all(list("abc"), options=RunOptions(concurrency=1)))
        found = one.run(plan)
        assert loop.run_until_complete(anext(found)).status == "saved"
        loop.run_until_complete(posts(service, 2))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        return found

    found = apart(begin)
    second.release()
    # A loop in which nobody waits any more hears of nothing; the rest is not sent.
    in_a_loop(until(lambda: not threads(WORK)))
    assert statuses() == ["saved"] * 2
    assert service.books.post_count == saved(work) == 2
    in_a_loop(one.close())
    del found
    assert capfd.readouterr() == ("", "")


def test_one_client_in_two_loops(service: Any) -> None:
    one = client(service)
    both = [in_a_loop(one.generate(prompt)) for prompt in "ab"]
    assert [picture.prompt for picture in both] == ["a", "b"]
    in_a_loop(one.close())


# -- in a process of its own -------------------------------------------------------------------

START = """
import asyncio, os, signal, sys, threading
from zimage_cli import AsyncClient, errors
client = AsyncClient(base_url=sys.argv[1], api_key=sys.argv[2], size="512*512", rps=0)
"""


def program(code: str, service: Any, zimage: Any) -> str:
    done = subprocess.run(
        [sys.executable, "-c", START + code, service.api_root, KEY],
        env=zimage.environment(),
        cwd=zimage.cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_nothing_blocks_the_loop(service: Any, zimage: Any) -> None:
    code = """
touched = []
def hook(event, args):
    # That threads begin, and what their limits are.
    own = event.startswith("_thread.") or (event, *args[:1]) == ("import", "resource")
    if looking and threading.current_thread() is threading.main_thread() and not own:
        touched.append((event, *args[:1]))
looking = False
async def main():
    global looking
    looking = True
    picture = await client.generate("a fox")
    found = [outcome.status async for outcome in client.run(["a kite", "a lake"])]
    async with client.history() as book:
        pass
    await client.estimate(["a fox"])
    await client.close()
    looking = False
    assert found == ["saved", "saved"]
sys.addaudithook(hook)
asyncio.run(main())
print(touched)
"""
    assert program(code, service, zimage) == "[]\n"


def test_what_takes_long_is_loaded_before_a_turn_is_taken(service: Any, zimage: Any) -> None:
    # Turns whose requests leave too late keep no place: all of them would leave at once.
    code = """
from zimage_cli import Observer, Watcher
class Ear(Watcher, Observer):
    started = lambda self, job: self
    sending = lambda self, attempt: print("httpx" in sys.modules)
async def main():
    async with AsyncClient(base_url=sys.argv[1], api_key=sys.argv[2], size="512*512") as one:
        print("httpx" in sys.modules)
        assert [outcome.status async for outcome in one.run(["a fox"], Ear())] == ["saved"]
asyncio.run(main())
"""
    assert program(code, service, zimage) == "False\nTrue\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and fork")
def test_ctrl_c_costs_no_picture_and_a_fork_uses_nothing_of_its_parent(
    server: Any, zimage: Any, work: Path
) -> None:
    service = server(latency=0.5)
    code = """
import warnings
from zimage_cli import Observer, Watcher
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
class Ear(Watcher, Observer):
    started = lambda self, job: self
    sent = lambda self: os.kill(os.getpid(), signal.SIGINT)
async def main():
    async with client:
        async for outcome in client.run(["a fox"], Ear()):
            print(outcome.status)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
child = os.fork()
if child == 0:
    try:
        asyncio.run(client.generate("child"))
    except errors.UsageError as error:
        os._exit("fork" in str(error))
    os._exit(2)
print(os.waitpid(child, 0)[1] >> 8)
"""
    assert program(code, service, zimage) == "interrupted\n1\n"
    assert saved(work) == service.books.billed_count == 1
    assert statuses() == ["saved"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's kernel clock")
def test_a_batch_and_a_program_beside_it_keep_one_limit_and_one_history(
    service: Any, zimage: Any, work: Path
) -> None:
    door = Gate(service.port, KEY)
    (work / "prompts.txt").write_text("batch 1\nbatch 2\nbatch 3\nbatch 4\n")

    async def main() -> bytes:
        # In a process of its own.
        batch = zimage.popen(
            *("batch", "prompts.txt", "-o", "wall", "--size", "512*512"), env=door.env
        )
        with batch:
            await posts(service, 1)
            url = door.env["DASHSCOPE_BASE_URL"]
            async with AsyncClient(api_key=KEY, base_url=url, size="512*512") as one:
                prompts = [f"program {n}" for n in range(1, 5)]
                pictures = await asyncio.gather(*map(one.generate, prompts))
                assert {picture.prompt for picture in pictures} == {*prompts}
            out, errors = await asyncio.to_thread(batch.communicate, timeout=60)
        assert batch.returncode == 0, errors
        return bytes(out)

    assert len(in_a_loop(main()).splitlines()) == 4
    door.close()
    assert door.most_in(1.0) <= 2
    assert len(door.clocks) == service.books.billed_count == saved(work) == 8
    listed = zimage("history", "list", "--json").json["entries"]
    assert {entry["prompt"] for entry in listed} == {
        f"{who} {n}" for who in ("batch", "program") for n in range(1, 5)
    }
    assert statuses() == ["saved"] * 8
