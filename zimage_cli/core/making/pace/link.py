"""A Redis that an account's zimages share: one connection, one script, and what its errors mean."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zimage_cli.api import threads
from zimage_cli.core.making.pace import rule
from zimage_cli.errors import ConfigurationError
from zimage_cli.text import redact

if TYPE_CHECKING:
    from zimage_cli.core.settings.pace_url import PaceUrl

T = TypeVar("T")

SECONDS = 1.0
"""How long a connection, and each answer, is waited for."""

WHOLE = 3 * SECONDS
"""Seconds for all that is read and sent for one answer. redis-py bounds each of it, not the sum."""

_CONNECTED = 10.0
"""Seconds until a connection can be used: the name may be looked up at a second server."""

FORMAT = 1
"""Of what stands in the hash: zimages of another format do not share it."""

TTL = 60.0
"""Seconds after which a process that was not heard of counts no more, and the hash is gone."""

GRACE = 0.5
"""Seconds for which who waits in the line keeps its place beyond the time that it was told."""

_PREFIX = "zimage:pace:"
_MOST_WORDS = 200


class PaceLost(ConfigurationError):
    """The Redis cannot be used: it is not reached, or refuses."""


class Reply(NamedTuple):
    """What the Redis said. Times in seconds; the answer took `trip` and was here at `heard`.

    `given` tells whether a turn was taken: it may leave in `wait` seconds, counted from the answer,
    which is never too early. Else one asks again after so many. `processes` is how many take turns,
    `made` the hash's own mark.
    """

    given: bool
    wait: float
    processes: int
    factor: float
    held: float
    made: str
    trip: float
    heard: float


def account_name(account: str | None, key: str) -> str:
    """Return the name of an account's hash: its own, or one made from the key, which it hides.

    All machines must come to the same, so there is no salt.
    """
    if account:
        return _PREFIX + account
    from hashlib import blake2b

    text = key.encode("utf-8", "surrogatepass")
    return _PREFIX + blake2b(text, digest_size=16, person=b"zimage pace").hexdigest()


class Link:
    """An open connection, for one thread at a time. It is never made anew by itself.

    Raises PaceLost where the Redis is not reached or refuses, ConfigurationError without redis-py.
    """

    def __init__(self, url: PaceUrl, name: str, process: str, rps: float) -> None:
        self._url = url
        self._name = name
        self._asked = (process, f"{rps:.6f}")
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ConfigurationError(
                "pace_url needs the package redis, which cannot be loaded: {why}.",
                hint="Install it: pip install 'zimage-cli[redis]'",
                why=error,
            ) from None
        self._errors = (redis.RedisError, OSError, ValueError, RecursionError)
        # Not all versions of it do so by themselves.
        secure = {"ssl_check_hostname": True} if url.is_secure else {}
        self._pool = self._call(
            lambda: redis.ConnectionPool.from_url(
                url.reveal(),
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                decode_responses=True,
                **secure,
            )
        )
        try:
            # One connection, and none in its place within a turn: making it may take long.
            db = self._call(
                lambda: redis.Redis(connection_pool=self._pool, single_connection_client=True),
                _CONNECTED,
            )
            self._script = db.register_script(_script())
            self.greeting = self.say("hello")
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Link({self._url})"

    def say(self, event: str, *facts: object) -> Reply:
        """Tell what happened, and return what the Redis says to it. Raises PaceLost."""
        began = time.monotonic()
        arguments = (event, *self._asked, *map(str, facts))
        found = self._call(lambda: self._script(keys=[self._name], args=arguments))
        heard = time.monotonic()
        with suppress(TypeError, ValueError, IndexError):
            if found[0] == "format":
                raise self._lost(
                    "Another version of zimage keeps the pace in the Redis at {where}: its format "
                    "is {format}, and this one's is {own}.",
                    hint="Use one version of zimage everywhere, or another pace_account.",
                    format=found[1],
                    own=FORMAT,
                )
            _, given, wait, processes, factor, held, made = found
            numbers = (float(wait), int(processes), float(factor), float(held))
            if all(map(isfinite, numbers)) and min(numbers) >= 0 and 0 < numbers[2] <= 1:
                return Reply(bool(given), *numbers, str(made), heard - began, heard)
        raise self._lost("{where} answers what no Redis does.")

    def close(self) -> None:
        """Close the connection."""
        try:
            self._pool.disconnect()
        except self._errors:
            return

    def _call(self, call: Callable[[], T], seconds: float = WHOLE) -> T:
        try:
            return _within(seconds, call)
        except self._errors as error:
            raise self._why(error) from None

    def _why(self, error: Exception) -> PaceLost:
        """Return what an error of redis-py means."""
        import redis

        said = redact(self._url.without_password(str(error)))[:_MOST_WORDS].rstrip(".")
        # redis-py tells most codes by a class alone, and Redis 6 has other words before them where
        # it is a script that fails.
        words = [type(error).__name__, *(word.strip("-") for word in said.split())]
        code = next((_SAME.get(one, one) for one in words if one in _CODES), "")
        if code:
            return self._lost(_REFUSALS.get(code, ""), hint=_HINTS.get(code), why=said)
        if isinstance(error, redis.TimeoutError | TimeoutError):
            return self._lost(
                "The Redis at {where} does not answer within {seconds:g} s.", seconds=SECONDS
            )
        if isinstance(error, redis.ConnectionError | OSError):
            return self._lost("The Redis at {where} cannot be reached: {why}.", why=said)
        return self._lost("The Redis at {where} refuses: {why}.", why=said)

    def _lost(self, template: str, *, hint: str | None = None, **facts: Any) -> PaceLost:
        return PaceLost(template, hint=hint, where=str(self._url), name=self._name, **facts)


_REFUSALS = {
    "NOAUTH": "The Redis at {where} refuses the user or the password.",
    "NOPERM": "The Redis at {where} does not allow its user what is needed: {why}.",
    "READONLY": "The Redis at {where} is a replica, and cannot be written to.",
    "OOM": "The Redis at {where} has no memory left.",
    "WRONGTYPE": "{name} in the Redis at {where} is not a pace of zimage.",
    "MOVED": "The Redis at {where} is a node of a cluster, and not the one that keeps {name}.",
}
"""By the code in its answer."""
_HINTS = {
    "NOAUTH": "Correct pace_url: both stand before the host, as USER:PASSWORD@HOST:PORT",
    "NOPERM": "Allow it: ACL SETUSER NAME ~zimage:pace:* +@hash +@scripting +pexpire +time +select",
    "READONLY": "Name its primary in pace_url.",
    "OOM": "Give it more (maxmemory), or name another one in pace_url.",
    "WRONGTYPE": "Remove it, or choose another pace_account.",
    "MOVED": "Name one in pace_url that is no cluster.",
}
_SAME = {
    "AuthenticationError": "NOAUTH",
    "WRONGPASS": "NOAUTH",
    "NoPermissionError": "NOPERM",
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    **dict.fromkeys(("MovedError", "AskError", "ClusterDownError", "CLUSTERDOWN"), "MOVED"),
    **dict.fromkeys(("ClusterCrossSlotError", "ASK", "CROSSSLOT"), "MOVED"),
}
_CODES = frozenset({*_REFUSALS, *_SAME})


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises, or TimeoutError after so many seconds.

    It goes on in a thread of its own then, until its connection is closed.
    """
    found: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    try:
        threads.start(thread)
    except (RuntimeError, MemoryError):
        return call()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]


def _script() -> str:
    """Return the script, with the constants of the rule."""
    names = ("MARGIN", "EVEN", "SLOWEST", "PENDING", "MOST_LEAD", "DROP", "RECOVER", "STALE")
    constants = {name: getattr(rule, name) for name in (*names, "KEPT")}
    constants |= {"TTL": TTL, "GRACE": GRACE, "FORMAT": f"'{FORMAT}'"}
    text = Path(__file__).with_name("turns.lua").read_text("utf-8")
    return "".join(f"local {name} = {value}\n" for name, value in constants.items()) + text
