"""The sandbox as tests use it: what goes wrong is scripted, and its books can be read."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from zimage_cli.sandbox import server
from zimage_cli.sandbox.books import Billed, Books, Call
from zimage_cli.sandbox.faults import OK, Fault, Faults
from zimage_cli.sandbox.server import SandboxServer

KEPT_CALLS = 20_000


class Sandbox(server.Sandbox):
    """A sandbox that follows a script, and whose books can be read."""

    def start(self) -> Server:
        return Server(self)


class Server(SandboxServer):
    """A running one."""

    books: Records

    def __init__(self, config: server.Sandbox) -> None:
        super().__init__(config, Records())
        self._service.faults = self._script = Script(config.faults, config.fault_seed)
        self._service.models_faults = self._models_script = Script()

    @property
    def port(self) -> int:
        """The API origin's port."""
        return int(self.origin.rpartition(":")[2])

    def script(self, *steps: Step) -> None:
        """Say what happens to the next generation calls, one step a call; later ones go well.

        A step is a kind, a Fault, "ok", or a tuple of a fault of the answer and one of the picture.
        """
        self._script.extend(steps)

    def script_models(self, *steps: Step) -> None:
        """Say what happens to the next calls for the list of models."""
        self._models_script.extend(steps)

    def clear_script(self) -> None:
        """Forget what is left of both scripts."""
        self._script.steps.clear()
        self._models_script.steps.clear()

    @property
    def steps_left(self) -> int:
        """How many steps of the generation script are not used yet."""
        return len(self._script.steps)


Step = str | Fault | tuple[str | Fault, ...]
"""What happens to one call: a kind, a fault, or one of the answer and one of the picture."""


class Script(Faults):
    """Faults one by one, and by rates when none is left."""

    def __init__(self, *rates: Any) -> None:
        super().__init__(*rates)
        self.steps: deque[tuple[Fault, ...]] = deque()

    def extend(self, steps: Iterable[Step]) -> None:
        """Append steps, one a call (`times` of a fault: so many); wrong ones append nothing."""
        found: list[tuple[Fault, ...]] = []
        for step in steps:
            parts = step if isinstance(step, tuple) else (step,)
            faults = [Fault(part) if isinstance(part, str) else part for part in parts]
            times = max(fault.times for fault in faults)
            found += [tuple(fault for fault in faults if fault.kind != OK)] * times
        self.steps.extend(found)

    def next(self) -> tuple[Fault, ...]:
        with suppress(IndexError):
            return self.steps.popleft()
        return super().next()


@contextmanager
def kept_port() -> Iterator[int]:
    """Keep a port at which nobody listens: who connects is refused, and nobody else gets it.

    A server of the test's own may listen there, with SO_REUSEADDR.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


class Hold:
    """Keeps a sandbox from answering until it is released: `Sandbox(log=hold)`."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def __call__(self, _line: object) -> None:
        self._released.wait(120)

    def release(self) -> None:
        self._released.set()


@dataclass(frozen=True)
class Seen:
    """A call: its own attributes, and those of its request."""

    call: Call

    def __getattr__(self, name: str) -> Any:
        return getattr(self.call if hasattr(self.call, name) else self.call.request, name)

    def json(self) -> Any:
        return json.loads(self.call.request.body)

    @property
    def fault(self) -> str | None:
        return next(iter(self.call.faults), None)


class Records(Books):
    """Books that keep the latest calls, and in which one can wait for what is to come.

    `free`: so many POSTs are answered at once; those that come later wait until `let_go` is set, by
    a test or by the POST with the number `last`. Pictures are served meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.free = self.last = math.inf
        self.let_go = threading.Event()
        self._changed = threading.Condition(self._lock)
        self._calls: deque[Seen] = deque(maxlen=KEPT_CALLS)
        self._pictures: deque[Seen] = deque(maxlen=KEPT_CALLS)

    def arrived(self, call: Call) -> None:
        with self._changed:
            self._calls.append(Seen(call))
            super().arrived(call)
            self._changed.notify_all()
            held = call.request.method == "POST" and self.post_count > self.free
            if self.post_count >= self.last:
                self.let_go.set()
        if held:
            self.let_go.wait(120)

    def answered(self, call: Call, *, status: int, billed: Billed | None = None) -> None:
        with self._changed:
            super().answered(call, status=status, billed=billed)
            self._changed.notify_all()

    def picture(self, call: Call) -> None:
        with self._changed:
            self._pictures.append(Seen(call))
            super().picture(call)
            self._changed.notify_all()

    @property
    def calls(self) -> list[Seen]:
        """The requests at the API origin, oldest first."""
        with self._changed:
            return list(self._calls)

    @property
    def posts(self) -> list[Seen]:
        return [call for call in self.calls if call.method == "POST"]

    @property
    def gets(self) -> list[Seen]:
        return [call for call in self.calls if call.method == "GET"]

    @property
    def pictures(self) -> list[Seen]:
        """The requests at the picture origin, oldest first."""
        with self._changed:
            return list(self._pictures)

    @property
    def billed(self) -> list[Billed]:
        """The pictures made, oldest first."""
        with self._changed:
            return list(self._billed)

    @property
    def post_count(self) -> int:
        return len(self._post_clocks)

    @property
    def billed_count(self) -> int:
        return self._billed_count

    @property
    def throttled_count(self) -> int:
        return self._statuses[429]

    @property
    def peak_in_flight(self) -> int:
        """How many POSTs were at most being answered at one time."""
        return self._peak

    @property
    def post_clocks(self) -> list[float]:
        """time.monotonic() of every POST's arrival."""
        with self._changed:
            return list(self._post_clocks)

    def most_in(self, seconds: float = 1.0) -> int:
        """How many POSTs came at most in any window of so many seconds."""
        clocks = sorted(self.post_clocks)
        most = start = 0
        for end, clock in enumerate(clocks):
            while clock - clocks[start] >= seconds:
                start += 1
            most = max(most, end - start + 1)
        return most

    def wait_for(self, condition: Callable[[Records], bool], timeout: float = 60.0) -> bool:
        """Wait until the books satisfy `condition`, at most `timeout` seconds; say whether."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with self._changed:
                self._changed.wait(min(left, 0.02))
        return True
