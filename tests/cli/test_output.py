"""Streams that are closed, full, or without a reader; and what each of them may cost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and devices")

FULL = "error: The standard output cannot be written to: no space left on device.\n"
RESULTS = ["--version", "--help", "sizes --json", "generate --help", "config show", "sizes"]


def shell(zimage: Any, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a bash script in which `z` is the command."""
    command = f'z() {{ "{sys.executable}" -m zimage_cli "$@"; }}\n{script}'
    return subprocess.run(
        ["bash", "-c", command],
        env=zimage.environment(env),
        cwd=zimage.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_results_on_a_full_disk_are_an_error(zimage: Any) -> None:
    script = "\n".join(f"z {args} > /dev/full; echo $?" for args in RESULTS)
    for unbuffered in ("", "1"):
        done = shell(zimage, script, PYTHONUNBUFFERED=unbuffered)
        assert done.stdout.split() == ["2"] * len(RESULTS)
        assert done.stderr.count(FULL) == len(RESULTS)
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr


def test_results_without_a_reader_end_like_any_program_in_a_pipe(zimage: Any) -> None:
    # The reader is gone before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    running = [zimage.popen(*args.split(), stdout=writing) for args in RESULTS]
    os.close(writing)
    for one in running:
        assert one.communicate(timeout=60) == (None, b"")
        assert one.returncode == 141


@pytest.mark.parametrize("args", ["sizes --nonsense", "history show 99", "batch nothing.txt"])
def test_a_failure_whose_document_nobody_takes_stays_that_failure(zimage: Any, args: str) -> None:
    reads, broken = os.pipe()
    os.close(reads)
    said = "error: " + zimage(*args.split(), status=2).stderr.partition("error: ")[2]
    with Path("/dev/full").open("wb") as full, os.fdopen(broken, "wb") as broken_pipe:
        for stdout, more in ((full, FULL), (broken_pipe, "")):
            ended = zimage.popen(*args.split(), "--json", stdout=stdout)
            _, stderr = ended.communicate(timeout=60)
            assert (stderr.decode(), ended.returncode) == (said + more, 2)


def test_an_interrupt_whose_document_nobody_takes_stays_one(serve: Any) -> None:
    service = serve(latency=60)
    with Path("/dev/full").open("wb") as full:
        run = service.popen("generate", "lake", "--json", stdout=full, start_new_session=True)
        assert service.books.wait_for(lambda books: books.post_count >= 1, 60)
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert stderr.decode().endswith(FULL)


def test_closed_streams(zimage: Any) -> None:
    script = """
    z --version >&-; echo $?
    z sizes --json >&-; echo $?
    z generate --help >&- 2>&-; echo $?
    z sizes --nonsense 2>&-; echo $?
    z sizes --json <&- | wc -l
    z generate - <&-; echo $?
    """
    done = shell(zimage, script)
    assert done.stdout.split() == ["0", "0", "0", "2", "1", "2"]
    assert done.stderr == "error: the prompt on standard input: standard input is closed\n"


@pytest.mark.parametrize(
    ("streams", "status"),
    [
        (">&-", 0),
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 2),
        ("--json >/dev/full", 2),
        ("--print-response >/dev/full 2>&-", 2),
        ("2>&1 >/dev/null | true", 0),
    ],
)
def test_no_stream_costs_a_picture(service: Any, streams: str, status: int) -> None:
    done = shell(
        service.zimage,
        f"z generate lake --size 512x512 -n 1 -o lake.png {streams}; echo ${{PIPESTATUS[0]}} > st",
        **service.env,
    )
    assert (service.work / "st").read_text() == f"{status}\n", done
    assert (service.work / "lake.png").read_bytes().startswith(b"\x89PNG")
    assert [row["status"] for row in service.history()] == ["saved"]
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("report", ["", "--json", "--print-response"])
def test_a_picture_is_told_also_where_its_result_cannot_be(service: Any, report: str) -> None:
    script = f"z generate lake --size 512x512 -q {report} >/dev/full"
    done = shell(service.zimage, script, **service.env)
    [path] = service.pictures()
    assert service.books.post_count == 1
    saved = f"  next: These pictures are saved: {path.relative_to(service.work)}\n"
    assert (done.stderr, done.returncode) == (FULL + saved, 2)


def test_what_was_forgotten_is_told_also_where_its_document_cannot_be(zimage: Any) -> None:
    zimage("generate", "lake", "--sandbox", "--size", "512x512")
    done = shell(zimage, "z history forget last --yes --json >/dev/full")
    told = "1 picture forgotten. The files stay: pictures, evidence, and what a batch wrote.\n"
    assert (done.stderr, done.returncode) == (told + FULL, 2)


def test_a_lost_stderr_does_not_stop_the_run(unpaced: None, service: Any) -> None:
    script = "(sleep 0.3; z generate lake --size 512x512 -n 3 >out; echo $? >st) 2>&1 | true"
    shell(service.zimage, script, **service.env)
    assert (service.work / "st").read_text() == "0\n"
    assert len((service.work / "out").read_text().splitlines()) == 3
    assert len(service.pictures()) == 3


@pytest.mark.parametrize("streams", [">/dev/full", ">&3"])
def test_picture_bytes_that_nobody_took_are_recoverable(service: Any, streams: str) -> None:
    # 3 is a pipe whose reader has ended.
    script = f"exec 3> >(true); wait $!; z generate lake --size 512x512 -o - {streams}; echo $? >st"
    done = shell(service.zimage, script, **service.env)
    assert (service.work / "st").read_text() == "8\n"
    assert "The picture was made and could not be saved to the standard output: " in done.stderr
    assert "zimage history recover" in done.stderr
    assert [row["status"] for row in service.history()] == ["made"]
    path = service("history", "recover").lines[0]
    assert (service.work / path).read_bytes().startswith(b"\x89PNG")
    assert service.books.post_count == 1


def test_no_picture_is_bought_for_a_closed_stdout(service: Any) -> None:
    done = shell(service.zimage, "z generate lake -o - >&-; echo $? >st", **service.env)
    assert (service.work / "st").read_text() == "2\n"
    assert done.stderr == "error: -o -: the standard output is closed\n"
    assert service.books.post_count == 0


def test_a_pipe_that_does_not_block_gets_all_of_the_result(zimage: Any) -> None:
    whole = zimage("--help", "--json").stdout_bytes
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    run = zimage.popen("--help", "--json", stdout=writes)
    os.close(writes)
    with os.fdopen(reads, "rb", buffering=0) as reading:
        # So slowly that it is full again and again.
        found = b"".join(iter(lambda: reading.read(1), b""))
    _, stderr = run.communicate(timeout=60)
    assert (found, stderr, run.returncode) == (whole, b"", 0)
    assert len(whole) > 65_536


@pytest.mark.parametrize(
    "command",
    ["generate - --dry-run --json --seed 7 -o a.png", "batch - --input-format txt --dry-run"],
)
def test_a_pipe_that_does_not_block_is_read_to_its_end(zimage: Any, command: str) -> None:
    import fcntl
    import termios

    pieces = b"a calm ", b"lake\na red ", b"kite\n"
    whole = zimage(*command.split(), stdin=b"".join(pieces))
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    run = zimage.popen(*command.split(), stdin=reads)
    with os.fdopen(writes, "wb", buffering=0) as writing:
        for piece in pieces:
            writing.write(piece)
            # Until it has taken that, or ended.
            while any(fcntl.ioctl(reads, termios.FIONREAD, bytes(4))) and run.poll() is None:
                time.sleep(0.01)
    os.close(reads)
    stdout, stderr = run.communicate(timeout=60)
    assert (stdout, stderr, run.returncode) == (whole.stdout_bytes, whole.stderr_bytes, 0)


@pytest.mark.parametrize("command", ["", "sandbox", "skill"])
def test_the_help_of_a_missing_command_has_the_styles_of_stderr(
    terminal: Any, zimage: Any, command: str
) -> None:
    plain = zimage(*command.split(), status=2).stderr
    assert "\nCommands:\n" in plain
    shown = terminal(*command.split(), shell='"$@" 2>err')
    assert shown.end() == 2
    assert shown.raw == ""
    assert (zimage.cwd / "err").read_text() == plain
    shown = terminal(*command.split(), shell='"$@" >out')
    assert shown.end() == 2
    assert "\x1b[1mCommands\x1b[0m:" in shown.raw
    assert (zimage.cwd / "out").read_text() == ""


def test_what_is_no_number_of_columns_or_lines_is_none(terminal: Any) -> None:
    def screen(**env: str) -> str:
        words = ("generate", "lake", "--sandbox", "--prompt-extend", "--seed", "7", "-o", "a.png")
        shown = terminal(*words, "--overwrite", "--size", "512x512", env=env)
        assert shown.end() == 0, shown.text
        return re.sub(r"\d+\.\d s|history \d+", "N", shown.text)

    usual = screen()
    for value in ("0", "²", "9" * 5000):
        assert screen(COLUMNS=value, LINES=value) == usual


def test_stdout_is_the_result_and_nothing_else(unpaced: None, service: Any, png: bytes) -> None:
    run = service.generate("lake", "-n", "2", "--seed", "7", "-o", "pictures/")
    assert len(run.lines) == 2
    assert all(Path(service.work / line).is_file() for line in run.lines)
    raw = service.generate("lake", "-o", "-")
    assert as_served(raw.stdout_bytes) == png
    assert service.generate("lake", "--json", "-q").stderr == ""
    quiet = service.generate("lake", "-q")
    assert quiet.stderr == ""
    assert len(quiet.lines) == 1
