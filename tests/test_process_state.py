"""The look at a process sees what could be changed: else a test that uses it could not fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from process_state import *
before = process_state()
assert changes(before, process_state()) == {}
exec(sys.argv[2])
print(sorted(changes(before, process_state())))
"""


def run(program: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, str(HERE), *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("sys.modules['click'] = None", "stand-ins"),
        ("from types import ModuleType; sys.modules['click'] = ModuleType('click')", "stand-ins"),
        ("sys.path.append('x')", "import"),
        ("sys.meta_path.insert(0, object())", "import"),
        ("gc.set_threshold(5)", "gc"),
        ("gc.freeze()", "gc"),
        ("gc.disable()", "gc"),
        ("gc.callbacks.append(lambda *_: None)", "gc callbacks"),
        ("sys.stdout.reconfigure(errors='replace')", "streams"),
        ("sys.stderr = sys.stdout", "streams"),
        ("os.environ['A'] = 'b'", "environment"),
        ("os.chdir('/')", "folder"),
        ("os.umask(0o123)", "umask"),
        ("sys.excepthook = print", "hooks"),
        ("threading.excepthook = print", "hooks"),
        ("sys.setrecursionlimit(999)", "interpreter"),
        ("warnings.simplefilter('error')", "warnings"),
        ("logging.getLogger('httpx').setLevel(50)", "logging"),
        ("logging.basicConfig()", "logging"),
        ("logging.disable()", "logging"),
        ("socket.setdefaulttimeout(9)", "sockets"),
        ("class A(ssl.SSLContext): pass\nssl.SSLContext = A", "tls"),
        ("decimal.getcontext().prec = 5", "decimal"),
        ("signal.signal(signal.SIGINT, print)", "signals"),
        pytest.param(
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))",
            "limits",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's"),
        ),
        pytest.param(
            "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})",
            "blocked signals",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="POSIX's"),
        ),
        ("a, b = socket.socketpair(); a.setblocking(False); signal.set_wakeup_fd(a.fileno())",
         "wake-up fd"),
    ],
)  # fmt: skip
def test_a_change_is_seen(change: str, name: str) -> None:
    assert run(PROGRAM, change) == str([name])


def test_a_stand_in_is_seen_by_those_who_import_meanwhile() -> None:
    program = """
import sys, time
sys.path.insert(0, sys.argv[1])
from process_state import importing
with importing("colorsys", "shelve") as wrong:
    time.sleep(0.05)
print(wrong)
with importing("colorsys", "shelve") as wrong:
    until = time.monotonic() + 30
    while not wrong and time.monotonic() < until:
        sys.modules["shelve"] = None
        sys.modules["colorsys"] = type(sys)("colorsys")
print(bool(wrong))
"""
    assert run(program).split("\n") == ["[]", "True"]


def test_the_library_leaves_the_process_as_it_is() -> None:
    program = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from process_state import *
before = process_state()
with importing("click", "socksio", "certifi", "idna") as wrong:
    from zimage_cli.errors import ConnectionFailed
    from zimage_cli.api.wire import Wire
    with Wire(timeout=1) as wire:
        wire.prepare("https://a.invalid/", pictures=True)
        try:
            wire.models("http://127.0.0.1:9/api/v1", "sk-0123456789abcdef0123456789abcdef")
        except ConnectionFailed as error:
            print(error)
print(wrong, changes(before, process_state()))
"""
    said = run(program, str(HERE.parent)).split("\n")
    assert said[0].startswith("http://127.0.0.1:9 could not be reached")
    assert said[1] == "[] {}"
