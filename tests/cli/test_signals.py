"""Signals are noted and taken when the main thread is ready; the fourth ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import zimage_cli
from zimage_cli.cli.signals import Signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

CHILD = """
import signal
from zimage_cli.cli.signals import Signals

signal.signal(signal.SIGINT, signal.SIG_DFL)
with Signals() as signals:
    print("ready", flush=True)
    while True:
        print(signals.wait(), signals.numbers, flush=True)
"""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back what this process does at a signal."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_without_a_signal_what_was_before_comes_back(handlers: None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


QUESTION = """
import _thread, signal, threading
from zimage_cli.cli.signals import raising

signal.signal(signal.SIGINT, signal.SIG_DFL)
with raising():
    try:
        # As if it had come in the instant before the read: nothing wakes that.
        threading.Timer(0.3, _thread.interrupt_main).start()
        input("Prompt: ")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
"""


def test_a_question_sees_a_signal_that_came_just_before_it() -> None:
    command = [sys.executable, "-c", QUESTION]
    # Nobody types, and nobody closes.
    near, far = os.pipe()
    try:
        done = subprocess.run(command, stdin=near, capture_output=True, timeout=60, check=True)
    finally:
        os.close(near)
        os.close(far)
    assert done.stdout == b"Prompt: interrupted\n"


def test_each_is_taken_once_and_the_end_is_not_cut_off(handlers: None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Signals() as signals:
        assert signals.wait(0) is None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
        assert signals.wait(0) == signal.SIGINT
        assert signals.wait() == signal.SIGTERM
        assert signals.wait(0.01) is None
        assert signals.numbers == [signal.SIGINT, signal.SIGTERM]
    # What the process says at its end is not cut off by one more.
    signal.raise_signal(signal.SIGINT)
    assert signals.numbers == [signal.SIGINT, signal.SIGTERM, signal.SIGINT]


def test_another_thread_wakes_it_and_a_signal_interrupts_the_wait(handlers: None) -> None:
    with Signals() as signals:
        threading.Timer(0.05, signals.wake).start()
        began = time.monotonic()
        assert signals.wait(600) is None
        assert time.monotonic() - began < 300
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGHUP)).start()
        # At its time-out it would return None.
        assert signals.wait(60) == signal.SIGHUP


def test_a_signal_in_the_instant_before_a_wait_ends_it(handlers: None) -> None:
    """One that arrives when nothing more is looked at, and nothing is waited on yet."""
    main, turns = threading.get_ident(), 20_000
    go = threading.Semaphore(0)

    def send() -> None:
        for turn in range(turns):
            go.acquire()
            for _ in range(turn % 200):
                pass
            signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()
    for _ in range(turns):
        with Signals() as signals:
            go.release()
            # One that does not end the wait leaves it to its time-out, which returns None.
            assert signals.wait(60) == signal.SIGINT


def test_what_is_ignored_stays_ignored(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Signals() as signals:
        signal.raise_signal(signal.SIGHUP)
        assert signals.wait(0) is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_three_are_noted_and_the_fourth_ends_the_process() -> None:
    source = Path(zimage_cli.__file__).parent.parent
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, cwd=source, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        for count in (1, 2, 3):
            run.send_signal(signal.SIGINT)
            assert run.stdout.readline() == f"2 {[2] * count}\n"
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == -signal.SIGINT
