"""The AsyncClient: the Client for programs that have a loop.

What may block is done in threads, and what ends there wakes the loop. Whoever is cancelled goes on
at once: nothing more is sent, and the threads save what was sent by then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

from zimage_cli.client import Client, Ref, asked
from zimage_cli.core.observer import Telling, Watcher
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.sweep import ONE, Sweep
from zimage_cli.core.run.run import Run, begin, not_asked_for
from zimage_cli.core.settings.settings import Flags

if TYPE_CHECKING:
    from zimage_cli.core.history.history import History
    from zimage_cli.core.making.recovery import Recovered
    from zimage_cli.core.outcome import Outcome
    from zimage_cli.core.picture import Picture
    from zimage_cli.core.run.money import Estimate
    from zimage_cli.core.run.plan import RequestPlan
    from zimage_cli.core.run.tally import RunOptions
    from zimage_cli.core.validate.ping import Ping
    from zimage_cli.core.validate.report import Asked, Report
    from zimage_cli.messages import Message

T = TypeVar("T")
Requests = Sequence[str | Mapping[str, object] | Request]

AT_ONCE = 32
"""Calls of `generate` with threads of their own, a loop: 2 requests a second and 10 s for a picture
are 20 in flight. More of them wait without a thread."""


async def in_thread(work: Callable[[], T]) -> T:
    """Do what may block in a thread of its own; that goes on where the caller is cancelled.

    Not in the loop's own pool: pings and downloads would keep it from everyone else.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def note(end: Callable[[], None]) -> None:
        if not done.done():
            end()

    def run() -> None:
        try:
            result = work()
        except StopIteration as error:
            # Of a function that was given to us. No future takes it.
            stopped = RuntimeError("what was called raised StopIteration")
            stopped.__cause__ = error
            wake(loop, note, partial(done.set_exception, stopped))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            wake(loop, note, partial(done.set_exception, error))
        else:
            wake(loop, note, partial(done.set_result, result))

    begin(threading.Thread(target=run, name="zimage-async", daemon=False))
    return await done


def wake(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> bool:
    """Have a loop call something soon; False where it is closed, so that nobody waits any more."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


class AsyncClient:
    """A Client whose calls are awaited; arguments, settings and errors are those of `Client`.

    `on_warning` and a `watcher` are called from other threads. `close` waits for what is in flight;
    an async context manager. It may be used in several loops.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        sandbox: bool = False,
        output_dir: str | Path | None = None,
        flags: Flags | None = None,
        on_warning: Callable[[Message], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        self._client = Client(
            region,
            api_key=api_key,
            base_url=base_url,
            sandbox=sandbox,
            output_dir=output_dir,
            flags=flags,
            on_warning=on_warning,
            **settings,
        )
        self._gates = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]()

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close everything; pictures that are in flight are waited for and saved first."""
        await in_thread(self._client.close)

    aclose = close

    # -- pictures ------------------------------------------------------------------------------

    async def generate(
        self,
        prompt: str | None = None,
        *,
        size: str | None = None,
        seed: int | Literal["new"] | None = None,
        prompt_extend: bool | None = None,
        like: Ref | None = None,
        rewritten: bool = False,
        preset: str | Sequence[str] = (),
        output: str | Path | None = None,
    ) -> Picture:
        """Make one picture, save it and return it, as `Client.generate` does.

        Where it is cancelled before the request is sent, nothing is sent. Afterwards the picture is
        saved all the same, or `recover` gets it.
        """
        plan = partial(
            self._client.plan,
            {},
            overrides=asked(prompt, size, seed, prompt_extend),
            like=like,
            rewritten=rewritten,
            preset=preset,
            output=output,
        )
        loop = asyncio.get_running_loop()
        async with self._gates.setdefault(loop, asyncio.Semaphore(AT_ONCE)):
            [outcome] = [one async for one in self._outcomes(plan, None)]
        return outcome.take()

    def run(
        self, requests: RequestPlan | Requests, watcher: Watcher | None = None
    ) -> AsyncGenerator[Outcome, None]:
        """Make pictures, several at once, and yield what became of each as it ends.

        Who leaves the loop early, or is cancelled, sends nothing more; what is in flight is saved.
        """

        def plan() -> RequestPlan:
            from zimage_cli.core.run.plan import RequestPlan

            if isinstance(requests, RequestPlan):
                return requests
            return self._client.plan_all(requests)

        return self._outcomes(plan, watcher)

    async def estimate(self, requests: Requests, sweep: Sweep = ONE) -> Estimate:
        """Return how many pictures these are and what they cost at list price."""
        return await in_thread(partial(self._client.estimate, requests, sweep))

    # -- what was made, and what there is ------------------------------------------------------

    @staticmethod
    @asynccontextmanager
    async def history() -> AsyncIterator[History | None]:
        """Open the history to look at it; None where nothing was ever made."""

        def enter() -> tuple[AbstractContextManager[History | None], History | None]:
            opened = Client.history()
            return opened, opened.__enter__()

        opened, book = await in_thread(enter)
        try:
            yield book
        finally:
            await in_thread(partial(opened.__exit__, None, None, None))

    async def recover(self, pictures: Sequence[int | str] = ()) -> list[Recovered]:
        """Fetch what was made and not saved; nothing is paid again."""
        return await in_thread(partial(self._client.recover, pictures))

    async def ping(self, *, every: bool = False) -> list[Ping]:
        """Ask this client's region, read-only and free, or `every` one that has a key of its own.

        Raises AuthenticationError where there is no key.
        """
        return await in_thread(partial(self._client.ping, every=every))

    @staticmethod
    async def validate(
        flags: Flags | None = None,
        *,
        request: Callable[[], Asked] | None = None,
        preset: str | Sequence[str] = (),
        online: bool = False,
    ) -> Report:
        """Check installation and settings; where asked for, a request and the service too."""
        check = partial(Client.validate, flags, request=request, preset=preset, online=online)
        return await in_thread(check)

    # -- plans ---------------------------------------------------------------------------------

    async def plan(
        self,
        fields: Mapping[str, object],
        *,
        overrides: Mapping[str, object] | None = None,
        like: Ref | None = None,
        rewritten: bool = False,
        preset: str | Sequence[str] = (),
        sweep: Sweep = ONE,
        **wishes: Any,
    ) -> RequestPlan:
        """Return what a request would make, where and for how much; nothing is sent."""
        plan = partial(self._client.plan, fields, overrides=overrides, like=like)
        return await in_thread(
            partial(plan, rewritten=rewritten, preset=preset, sweep=sweep, **wishes)
        )

    async def plan_all(
        self,
        requests: Requests,
        sweep: Sweep = ONE,
        *,
        output: str | Path | None = None,
        stream: Callable[[Iterator[bytes]], None] | None = None,
        name: str | None = None,
        overwrite: bool = False,
        options: RunOptions | None = None,
    ) -> RequestPlan:
        """Return what requests would make, each of them multiplied by `sweep`; nothing is sent."""
        plan = partial(self._client.plan_all, requests, sweep, output=output, stream=stream)
        return await in_thread(partial(plan, name=name, overwrite=overwrite, options=options))

    # -- inside --------------------------------------------------------------------------------

    async def _outcomes(
        self, planned: Callable[[], RequestPlan], watcher: Watcher | None
    ) -> AsyncGenerator[Outcome, None]:
        """Begin the run of a plan and yield its outcomes; on the way out nothing more is sent."""
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Outcome | None] = asyncio.Queue()
        left, runs = threading.Event(), list[Run]()

        def leave() -> None:
            left.set()
            for run in runs:
                run.stop()

        def tell(outcome: Outcome | None = None) -> None:
            if not wake(loop, news.put_nowait, outcome):
                leave()

        def start() -> RequestPlan:
            plan = planned()
            if not left.is_set():
                runs.append(self._client.start(plan, Telling(watcher or Watcher(), tell), tell))
            if left.is_set():
                leave()
            return plan

        told: set[int] = set()
        try:
            plan = await in_thread(start)
            while (outcome := await news.get()) is not None:
                told.add(outcome.job.number)
                yield outcome
            runs[0].wait()
        except BaseException:
            leave()
            raise
        if len(told) < len(plan.requests):
            for outcome in await in_thread(lambda: [*not_asked_for(runs[0], plan, told)]):
                yield outcome
