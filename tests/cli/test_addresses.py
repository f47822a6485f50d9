"""Where no history is kept, the address of every paid picture is told: nothing else knows it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

FOUR = ("a kite", "-n", "4", "-o", "out/", "--retries", "0")


@pytest.fixture
def alone(unpaced: None, home: Path) -> None:
    """A history that cannot be kept: a folder is in its place."""
    (home / ".local" / "share" / "zimage" / "history.db").mkdir(parents=True)


def hear(process: Any, words: bytes) -> None:
    """Read what a process says until it says these words."""
    assert any(words in line for line in iter(process.stderr.readline, b""))


def check_told(service: Any, stderr: str) -> None:
    """Every picture's address stands there, with a name of its own to save it under."""
    told = [line.partition("curl ")[2] for line in stderr.splitlines() if "curl " in line]
    words = [shlex.split(line) for line in told]
    assert {url for *_, url in words} == {one.url for one in service.books.billed}, stderr
    assert len({name for _, name, _ in words}) == len(words) == 4, stderr


@pytest.mark.skipif(sys.platform != "linux", reason="where the history is")
class TestWithoutAHistory:
    def test_of_pictures_that_all_failed(self, alone: None, serve: Any) -> None:
        service = serve(faults={"picture-404": 1.0})
        check_told(service, service.generate(*FOUR, status=8).stderr)

    def test_of_pictures_that_were_stopped(self, alone: None, serve: Any) -> None:
        service = serve(picture_latency=600)
        process = service.popen("generate", "--size", "512*512", *FOUR)
        assert service.books.wait_for(lambda books: len(books.pictures) == 4, 60)
        process.send_signal(signal.SIGINT)
        hear(process, b"stopping")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130
        check_told(service, stderr.decode())

    def test_of_those_that_failed_before_the_others_were_stopped(
        self, alone: None, serve: Any
    ) -> None:
        service = serve(picture_latency=600)
        service.script("picture-404", "picture-404")
        process = service.popen("generate", "--size", "512*512", *FOUR)
        assert service.books.wait_for(lambda books: len(books.pictures) == 4, 60)
        process.send_signal(signal.SIGINT)
        hear(process, b"stopping")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        check_told(service, stderr.decode())

    def test_although_nobody_reads_the_paths(self, alone: None, serve: Any) -> None:
        service = serve(latency=1.0)
        service.script("ok", *["picture-404"] * 4)
        read, write = os.pipe()
        os.close(read)
        process = service.popen(
            "generate", "--size", "512*512", "a kite", "-n", "5", *FOUR[3:], stdout=write
        )
        os.close(write)
        _, stderr = process.communicate(timeout=60)
        told = stderr.decode()
        unsaved = [one.url for one in service.books.billed if one.url not in told]
        assert process.returncode == 141
        assert len(unsaved) <= 1, told


def test_errors_that_are_alike_say_how_many_pictures_they_cost(unpaced: None, serve: Any) -> None:
    service = serve(faults={"close": 1.0})
    stderr = service.generate("a kite", "-n", "3", "-o", "out/", status=6).stderr
    assert service.books.billed_count == 3
    assert stderr.count("error:") == 1
    assert "pictures: 3 of 3 ended so" in stderr


def test_only_what_is_missing_is_made_again(unpaced: None, serve: Any) -> None:
    service = serve()
    service.script("ok", *["InternalError"] * 2, "ok")
    options = ("--retries", "0", "--size", "512*512", "-o", "out/")
    said = service.generate("a kite", "-n", "4", *options, status=7).stderr
    found = re.search(r"what is missing, for each ID of (\d+), (\d+): (.*) ID\n", said)
    assert found is not None, said
    for number in found[1], found[2]:
        service(*found[3].split()[1:], number, *options)
    seeds = {one["seed"] for one in service("history", "list", "--json").json["entries"]}
    made = list((service.work / "out").iterdir())
    assert len(made) == len(seeds) == service.books.billed_count == 4


def test_what_was_not_asked_for_is_told(unpaced: None, serve: Any) -> None:
    service = serve(latency=0.5, faults={"Arrearage": 1.0})
    stderr = service.generate("a kite", "-n", "40", "-o", "out/", "--yes", status=5).stderr
    asked = service.books.post_count
    assert asked < 40
    assert f"{40 - asked} of 40 pictures were not asked for" in stderr
