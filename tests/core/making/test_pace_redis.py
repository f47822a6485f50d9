"""The pace in a Redis: its line, what it forgets, what can be wrong with it, and being without."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import pytest
import redis_server
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_server import PATIENCE, RedisServer, until
from stand_in import kept_port

import zimage_cli
from zimage_cli.core.making.pace import Pace
from zimage_cli.core.making.pace.link import TTL, PaceLost, account_name
from zimage_cli.core.making.pace.rule import MARGIN, PENDING, STALE, Limit
from zimage_cli.core.making.pace.shared import RedisStore
from zimage_cli.core.settings.pace_url import PaceUrl, check_pace_url

RARE = 0.05
"""A turn in 20 seconds: whatever a busy machine takes for a test, the next one is not free yet."""
WHENEVER = 100.0
"""So much too early that only somebody else can be in the way."""
_numbers = count()


def url_of(text: str) -> PaceUrl:
    url = check_pace_url("pace_url", text)
    assert url is not None
    return url


class Account:
    """An account of the test's own in a Redis, and the stores of its processes."""

    def __init__(self, server: RedisServer, stack: ExitStack) -> None:
        self.server = server
        self.name = f"zimage:pace:test-{next(_numbers)}"
        self._stack = stack
        self.db = server.client()
        self.told: queue.Queue[str] = queue.Queue()

    def join(self, rps: float = RARE, url: str | None = None) -> RedisStore:
        store = RedisStore(rps, url_of(url or self.server.url), self.name, self.told.put)
        self._stack.callback(store.close)
        return store

    def now(self) -> float:
        seconds, micros = self.db.time()
        return float(seconds + micros / 1e6)

    def next_told(self) -> str:
        return self.told.get(timeout=PATIENCE)


@pytest.fixture
def account(redis: RedisServer, stack: ExitStack) -> Account:
    return Account(redis, stack)


@pytest.fixture
def own(stack: ExitStack) -> Account:
    """An account in a Redis that the test may stop."""
    return Account(stack.enter_context(redis_server.running()), stack)


# -- whose turn it is ----------------------------------------------------------------------------


def test_all_machines_come_to_the_same_name_and_the_key_is_not_in_it() -> None:
    one = account_name(None, "sk-0123456789abcdef")
    assert (
        one == account_name(None, "sk-0123456789abcdef") == account_name("", "sk-0123456789abcdef")
    )
    assert one != account_name(None, "sk-0123456789abcdee")
    assert "0123456789abcdef" not in one
    assert one.startswith("zimage:pace:")
    assert account_name("team", "sk-0123456789abcdef") == "zimage:pace:team"


def test_who_waits_comes_to_its_turn_in_the_order_of_coming(account: Account) -> None:
    first, second, third = (account.join() for _ in range(3))
    assert first.take("a", 0.0)[0]
    given, wait = second.take("b", 0.0)
    assert not given
    given, more = third.take("c", 0.0)
    assert not given
    assert more > wait + 0.9 * Limit(RARE).window()
    # However early: another stands before it.
    assert not third.take("c", WHENEVER)[0]
    assert not first.take("d", WHENEVER)[0]
    assert second.take("b", WHENEVER)[0]
    assert not first.take("d", WHENEVER)[0]
    assert third.take("c", WHENEVER)[0]
    assert first.take("d", WHENEVER)[0]


def test_who_gives_up_or_leaves_stands_in_nobody_s_way(account: Account) -> None:
    first, second, third = (account.join() for _ in range(3))
    assert first.take("a", 0.0)[0]
    assert not second.take("b", 0.0)[0]
    assert not third.take("c", 0.0)[0]
    second.gave_up()
    third.close()
    assert first.take("d", WHENEVER)[0]


def test_a_pace_that_gives_up_leaves_the_line(account: Account) -> None:
    first, second = account.join(), Pace(RARE, store=account.join())
    assert first.take("a", 0.0)[0]

    def sleep(seconds: float) -> None:
        if seconds:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        second.take(sleep=sleep)
    assert first.take("d", WHENEVER)[0]


@pytest.mark.parametrize(("seen", "till"), [(-3.0, -1.0), (-200.0, -100.0), (3600.0, 7200.0)])
def test_who_does_not_come_to_its_turn_is_not_waited_for(
    account: Account, seen: float, till: float
) -> None:
    """It was killed while it waited; long ago; or the server's clock was set back since."""
    store, now = account.join(), account.now()
    account.db.hset(account.name, "m:dead", f"{now + seen} 1 {now + till}")
    account.db.hset(account.name, "n", 5)
    assert store.take("a", 0.0)[0]


def test_who_was_killed_with_a_turn_is_waited_for_two_seconds_and_no_longer(
    account: Account,
) -> None:
    store = account.join(1.0)
    program = (
        "import sys, time\n"
        "from zimage_cli.core.making.pace.shared import RedisStore\n"
        "from zimage_cli.core.settings.pace_url import check_pace_url\n"
        "url, name = check_pace_url('pace_url', sys.argv[1]), sys.argv[2]\n"
        "store = RedisStore(1.0, url, name, print)\n"
        "assert store.take('of the dead', 0.0)[0]\n"
        "print('taken', flush=True)\n"
        "time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", program, account.server.url, account.name]
    env = {**os.environ, "PYTHONPATH": str(Path(zimage_cli.__file__).parents[1])}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=env) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"taken\n"
        holder.kill()
        holder.wait()
    [at, left] = account.db.hget(account.name, "t:of the dead").split()
    assert left == "0"
    began = account.now()
    given, wait = store.take("a", 0.0)
    ready = float(at) + PENDING + 1 + MARGIN
    # Nothing of the turn is known but that it was given: it may leave at any moment until then.
    assert given or began + wait <= max(ready, began) + 0.1
    account.db.hset(account.name, "t:of the dead", f"{account.now() - PENDING - 1.1} 0")
    assert store.take("a", 0.0)[0]


# -- what is kept, and for how long --------------------------------------------------------------


def test_what_nobody_speaks_of_is_forgotten_after_a_minute_but_not_a_rest(account: Account) -> None:
    store = account.join(2.0)
    store.take("a", 0.0)
    assert 1000 * (TTL - 30) < account.db.pttl(account.name) <= 1000 * (TTL + 2)
    store.failed(STALE)
    assert account.db.pttl(account.name) > 1000 * STALE
    # By whoever speaks next, too.
    account.join(2.0)
    assert account.db.pttl(account.name) > 1000 * (STALE - 30)


def test_how_many_take_turns(account: Account) -> None:
    first, second = account.join(), account.join()
    assert first._last.processes == 1
    assert second._last.processes == 2
    account.db.hset(account.name, "m:dead", f"{account.now() - TTL - 1} 0 0")
    first.take("a", 0.0)
    assert first._last.processes == 2
    second.close()
    first.take("b", 0.0)
    assert first._last.processes == 1


def test_after_a_hash_was_lost_nobody_sends_who_may_have_sent_just_before(account: Account) -> None:
    known = account.join(RARE)
    known.take("a", 0.0)
    known.left("a", time.monotonic())
    account.db.delete(account.name)
    given, wait = known.take("b", 0.0)
    assert not given
    assert Limit(RARE).window() - 5 < wait <= Limit(RARE).window()
    # Who was not there before has nothing to make good.
    known.gave_up()
    account.db.delete(account.name)
    assert account.join(RARE).take("c", 0.0)[0]


def test_after_the_clock_was_set_back_nobody_sends_who_has_sent_just_before(
    account: Account,
) -> None:
    known, now = account.join(RARE), account.now()
    # A hash of long ago, and the clock is set back by half a minute after a turn.
    account.db.hset(account.name, "e", f"{now - 1000:.6f}")
    known.take("a", 0.0)
    known.left("a", time.monotonic())
    account.db.hset(account.name, "t:a", f"{now + 30:.6f} 1")
    given, wait = known.take("b", 0.0)
    assert not given
    assert Limit(RARE).window() - 5 < wait <= Limit(RARE).window()


@settings(max_examples=60)
@given(
    fields=st.dictionaries(
        st.sampled_from(["e", "n", "hold", "factor", "t:a", "t:", "m:", "m:x", "else"]),
        st.one_of(
            st.text(max_size=20),
            st.floats().map(str),
            st.tuples(st.floats(), st.sampled_from("012")).map(lambda two: f"{two[0]} {two[1]}"),
            st.tuples(st.floats(), st.integers(), st.floats()).map(
                lambda three: "{} {} {}".format(*three)
            ),
        ),
        min_size=1,
    )
)
def test_nothing_that_stands_in_the_hash_stops_anybody(
    fields: dict[str, str], redis: RedisServer
) -> None:
    with ExitStack() as stack:
        account = Account(redis, stack)
        store = account.join(2.0)
        account.db.hset(
            account.name, mapping={k: v.encode("utf-8", "replace") for k, v in fields.items()}
        )
        for event in (lambda: store.failed(0.0), store.succeeded, lambda: None):
            event()
            given, wait = store.take("a", 0.0)
            assert given or wait <= STALE
        assert store._link is not None
        assert account.told.empty()


# -- what can be wrong with it -------------------------------------------------------------------

SECRET = "h/unter2 of all"
QUOTED = "h%2Funter2%20of%20all"


def refused(url: str) -> PaceLost:
    with pytest.raises(PaceLost) as caught:
        RedisStore(2.0, url_of(url), "zimage:pace:team", print)
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
    assert "unter2" not in shown
    return caught.value


def test_a_password_that_is_missing_or_wrong(stack: ExitStack) -> None:
    server = stack.enter_context(redis_server.running("--requirepass", SECRET))
    for url in (server.url, server.url.replace("://", f"://:{QUOTED}x@")):
        error = refused(url)
        assert "refuses the user or the password" in str(error)
        assert str(error.hint).startswith("Correct pace_url")
    store = RedisStore(
        2.0, url_of(server.url.replace("://", f"://:{QUOTED}@")), "zimage:pace:team", print
    )
    assert "unter2" not in repr(store) + repr(store._link)
    assert store.take("a", 0.0)[0]
    store.close()


def test_a_user_who_may_not(redis: RedisServer) -> None:
    db = redis.client()
    db.execute_command("ACL", "SETUSER", "reader", "on", ">pw-of-reader", "~*", "+@read", "+auth")
    error = refused(redis.url.replace("://", "://reader:pw-of-reader@"))
    assert "does not allow its user what is needed" in str(error)
    assert str(error).endswith(".")
    # What the hint says is enough.
    assert str(error.hint).startswith("Allow it: ACL SETUSER NAME ")
    rights = str(error.hint).removeprefix("Allow it: ACL SETUSER NAME ").split()
    db.execute_command("ACL", "SETUSER", "zimage", "on", ">pw-of-zimage", *rights)
    # A database of its own is chosen by a command of its own.
    url = url_of(redis.url.replace("://", "://zimage:pw-of-zimage@") + "?db=1")
    store = RedisStore(2.0, url, "zimage:pace:allowed", print)
    assert store.take("a", 0.0)[0]
    store.close()


@pytest.mark.parametrize(
    ("options", "spoil", "said"),
    [
        (("--replicaof", "127.0.0.1", "1"), (), "is a replica, and cannot be written to."),
        (("--maxmemory", "1"), (), "has no memory left."),
        (("--cluster-enabled", "yes"), (), "is a node of a cluster, and not the one that keeps"),
        ((), ("SET", "zimage:pace:team", "x"), "is not a pace of zimage."),
        ((), ("HSET", "zimage:pace:team", "v", "2"), "its format is 2, and this one's is 1."),
    ],
)
def test_a_redis_that_refuses(
    stack: ExitStack, options: tuple[str, ...], spoil: tuple[str, ...], said: str
) -> None:
    server = stack.enter_context(redis_server.running(*options))
    if spoil:
        server.client().execute_command(*spoil)
    error = refused(server.url)
    assert said in str(error)
    assert server.url in str(error)
    assert error.hint


@pytest.mark.parametrize(
    "answer",
    [
        b"*7\r\n+ok\r\n:1\r\n+nan\r\n:1\r\n+1\r\n+0\r\n+1\r\n",
        b"*7\r\n+ok\r\n:1\r\n+inf\r\n:1\r\n+1\r\n+0\r\n+1\r\n",
        b"*7\r\n+ok\r\n:1\r\n+0\r\n:1\r\n+0\r\n+0\r\n+1\r\n",
        b"*7\r\n+ok\r\n:1\r\n+-9\r\n:1\r\n+1\r\n+0\r\n+1\r\n",
        b"*1\r\n" * 5000,
    ],
)
def test_what_answers_with_nonsense_is_not_waited_for(stack: ExitStack, answer: bytes) -> None:
    redis_server.needed()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            near, _ = door.accept()
            with near:
                while near.recv(100_000):
                    near.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        refused(f"redis://127.0.0.1:{door.getsockname()[1]}")
        thread.join()


def test_what_is_no_redis_or_not_there(stack: ExitStack) -> None:
    redis_server.needed()
    port = stack.enter_context(kept_port())
    with socket.create_server(("127.0.0.1", port)) as door:

        def answer() -> None:
            near, _ = door.accept()
            with near:
                near.recv(1000)
                near.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = refused(f"redis://:{QUOTED}@127.0.0.1:{port}")
        assert f"redis://:…@127.0.0.1:{port} refuses: " in str(error)
        thread.join()
    gone = refused(f"redis://:{QUOTED}@127.0.0.1:{port}/3")
    assert str(gone).startswith(f"The Redis at redis://:…@127.0.0.1:{port}/3 cannot be reached: ")
    assert "cannot be reached" in str(refused("unix:///no/such/socket"))
    # What answers in the clear speaks no TLS.
    server = stack.enter_context(redis_server.running("--port", str(port)))
    assert server.url
    assert f"rediss://127.0.0.1:{port} " in str(refused(f"rediss://127.0.0.1:{port}"))


def test_a_connection_by_tls_is_for_the_right_host_only(stack: ExitStack, tmp_path: Path) -> None:
    redis_server.needed()
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, ca = tmp_path / "key.pem", tmp_path / "ca.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*words, "-keyout", key, "-out", ca], check=True, capture_output=True)
    port = stack.enter_context(kept_port())
    files = ("--tls-cert-file", str(ca), "--tls-key-file", str(key), "--tls-ca-cert-file", str(ca))
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    stack.enter_context(redis_server.running(*options))
    url = url_of(f"rediss://localhost:{port}/?ssl_ca_certs={ca}")
    store = RedisStore(2.0, url, "zimage:pace:team", print)
    assert store.take("a", 0.0)[0]
    store.close()
    for wrong in (f"rediss://localhost:{port}", f"rediss://127.0.0.1:{port}/?ssl_ca_certs={ca}"):
        assert "certificate verify failed" in str(refused(wrong))


def test_one_that_hangs_is_given_up_soon(own: Account) -> None:
    own.server.hold()
    began = time.monotonic()
    assert "does not answer within 1 s" in str(refused(own.server.url))
    assert time.monotonic() - began < PATIENCE / 2
    own.server.go_on()


def test_an_answer_that_comes_drop_by_drop_is_given_up_too() -> None:
    redis_server.needed()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            near, _ = door.accept()
            with near, suppress(OSError):
                while b"EVALSHA" not in (asked := near.recv(100_000)):
                    near.sendall(b"+OK\r\n" * asked.count(b"*"))
                # Never a second without a byte, and never a whole answer.
                for _ in range(60):
                    near.sendall(b"+")
                    time.sleep(0.2)

        thread = threading.Thread(target=answer)
        thread.start()
        error = refused(f"redis://127.0.0.1:{door.getsockname()[1]}")
        thread.join()
    assert "does not answer within 1 s" in str(error)


# -- lost in mid-run -----------------------------------------------------------------------------


def test_without_the_redis_each_goes_on_at_its_share_and_comes_back(own: Account) -> None:
    first, *others = (own.join(RARE) for _ in range(3))
    assert first.take("a", 0.0)[0]
    left = time.monotonic()
    first.left("a", left)
    for other in others:
        assert not other.take("b", 0.0)[0]
    own.server.stop()
    given, wait = first.take("c", 0.0)
    now = time.monotonic()
    # A third of the limit, counted from what this process had sent itself.
    assert not given
    assert abs(left + Limit(RARE / 3).window() - (now + wait)) < 5
    told = own.next_told()
    assert told.startswith(f"The Redis at {own.server.url} ")
    assert "The run goes on at its own last pace" in told
    assert own.told.empty()
    own.server.start()
    assert own.next_told() == "The Redis answers again: turns are taken there again."
    # It keeps its own pace too until the others have had the time to come back.
    assert not first.take("d", 0.0)[0]
    first._gathered = 0.0
    first.take("d", 0.0)
    assert first._own is None


def test_a_429_while_alone_slows_this_process_down(own: Account) -> None:
    store = own.join(RARE)
    store.take("a", 0.0)
    own.server.stop()
    store.failed(0.0)
    store.failed(0.0)
    _, slower = store.take("b", 0.0)
    assert slower > 1.5 * Limit(RARE).window()
    for _ in range(20):
        store.succeeded()
    # Sums of times are as exact as a clock that may be old.
    assert store.take("b", 0.0)[1] < Limit(RARE).window() + 0.001
    store.left("a", None)
    store.gave_up()


def test_a_rest_outlasts_the_redis(own: Account) -> None:
    store = own.join(2.0)
    store.failed(STALE)
    own.server.stop()
    given, wait = store.take("a", 0.0)
    assert not given
    assert STALE / 2 < wait <= STALE


def test_one_that_hangs_in_mid_run_holds_no_turn_up_for_long(own: Account) -> None:
    store = own.join(RARE)
    own.server.hold()
    began = time.monotonic()
    assert store.take("a", 0.0)[0]
    assert time.monotonic() - began < PATIENCE / 2
    assert "does not answer within 1 s" in own.next_told()
    own.server.go_on()
    assert "again" in own.next_told()


def test_a_connection_that_is_cut_is_not_worth_a_word(account: Account) -> None:
    store = account.join(RARE)
    account.db.execute_command("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
    store.take("a", 0.0)
    until(lambda: store._link is not None)
    store._gathered = 0.0
    until(lambda: store.take("b", 0.0) and store._own is None)
    assert account.told.empty()


def test_another_version_that_comes_later(own: Account) -> None:
    store = own.join(RARE)
    own.db.hset(own.name, "v", 2)
    store.take("a", 0.0)
    assert "Another version of zimage keeps the pace" in own.next_told()


def test_a_store_that_is_closed_stops_trying(own: Account) -> None:
    before = {*threading.enumerate()}
    store = own.join(RARE)
    own.server.stop()
    store.take("a", 0.0)
    own.next_told()
    assert not {*threading.enumerate()} <= before
    store.close()
    until(lambda: {*threading.enumerate()} <= before)
