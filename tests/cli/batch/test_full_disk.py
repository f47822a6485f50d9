"""A disk that fills while pictures are in flight: no address that is paid is nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from noise import noise
from stand_in import Hold

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tmpfs and RLIMIT_FSIZE")

ARGS = ("-o", "out", "-j", "16", "--rps", "0", "--size", "512*512", "--no-evidence")
LINES = 40


@pytest.fixture(scope="module")
def large() -> bytes:
    """A picture of about 600 kB: it fits into no gap."""
    return noise(512, 512, 600_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small file system of its own at a folder."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str = "160m") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte on a folder's disk."""
    path = folder / "filler"
    with path.open("ab", buffering=0) as file:
        for block in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(block)):
                    continue
            except OSError:
                continue
    return path


def prompts(work: Path) -> str:
    (work / "prompts.txt").write_text("".join(f"kite {number}\n" for number in range(LINES)))
    return "prompts.txt"


def records(folder: Path) -> list[dict[str, Any]]:
    path = folder / "results.jsonl"
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def nowhere(service: Any, folder: Path, printed: str, *, history: bool = True) -> set[str]:
    """Return the prompts of pictures that are billed and can neither be seen nor fetched."""
    rows = service.history() if history else []
    written = [row for row in rows if row["status"] in {"saved", "made"}]
    written += [row for row in records(folder) if row["status"] in {"saved", "made"}]
    saved = {row["prompt"] for row in written if row["status"] == "saved"}
    known = {row.get("image_url") for row in written}
    return {
        bill.prompt
        for bill in service.books.billed
        if bill.prompt not in saved and bill.url not in known and bill.url not in printed
    }


def stopped_by(
    service: Any, hold: Hold, work: Path, fault: Callable[[], object], *more: str
) -> Any:
    """Start a batch, break something when 16 are in flight, and return how it ended."""
    args = ("batch", prompts(work), *ARGS, *more)
    with service.popen(*args) as run:
        assert service.books.wait_for(lambda books: books.post_count >= 16, 60)
        fault()
        hold.release()
        out, errors = run.communicate(timeout=60)
    return run.returncode, out.decode(), errors.decode()


@pytest.mark.parametrize("quiet", [(), ("--quiet",)], ids=["loud", "quiet"])
def test_a_full_folder_costs_nothing_twice(
    quiet: tuple[str, ...],
    serve: Any,
    work: Path,
    home: Path,
    small_disk: Any,
    large: bytes,
) -> None:
    hold = Hold()
    service = serve(log=hold, picture_bytes=large)
    out = small_disk(work / "out")
    status, _, errors = stopped_by(service, hold, work, lambda: fill(out), *quiet)
    assert status == 8, errors
    books = service.books
    paid = books.billed_count
    assert books.post_count == paid < LINES
    assert nowhere(service, out, errors) == set()
    assert "could not be saved" in errors
    assert "Traceback" not in errors
    # Those that came after the first are not fetched into a disk that is full.
    assert Counter(row["status"] for row in service.history()) == {"made": paid}
    assert len(books.pictures) < paid
    if not quiet:
        assert f"{paid} paid and not fetched: for 24 hours that costs nothing" in errors
        assert "printed above" not in errors
    (out / "filler").unlink()
    service("batch", "prompts.txt", *ARGS)
    assert books.billed_count == books.post_count == LINES
    assert len(list(out.glob("*.png"))) == LINES


@pytest.mark.parametrize("where", ["folder", "both"])
def test_without_a_history_the_journal_knows_or_it_is_printed(
    where: str, serve: Any, work: Path, home: Path, small_disk: Any, large: bytes
) -> None:
    hold = Hold()
    service = serve(log=hold, picture_bytes=large)
    out = small_disk(work / "out")
    broken = home / ".local" / "share" / "zimage" / "history.db"
    if where == "folder":
        broken.mkdir(parents=True)
    else:
        # What is written ahead of the history may come to 4 MiB.
        small_disk(broken.parent, "8m")
    faults = [out] if where == "folder" else [out, broken.parent]
    status, _, errors = stopped_by(
        service, hold, work, lambda: [fill(folder) for folder in faults], "--quiet"
    )
    # A history that takes no row ends it as well.
    assert status in ({8} if where == "folder" else {2, 8}), errors
    paid = service.books.billed_count
    assert service.books.post_count == paid < LINES
    assert nowhere(service, out, errors, history=where == "both") == set()
    known = {record.get("image_url") for record in records(out)}
    if where == "folder":
        alone = sum(bill.url not in known for bill in service.books.billed)
        assert errors.count("made and paid") == alone
        assert (f"{alone} paid, and the address is printed above" in errors) == bool(alone)
    else:
        known |= {row["image_url"] for row in service.history() if row["status"] == "made"}
        alone = sum(bill.url not in known for bill in service.books.billed)
    # With room again, only those are paid again whose address no file could take.
    for folder in faults:
        (folder / "filler").unlink()
    service("batch", "prompts.txt", *ARGS, "--retry-lost")
    assert service.books.billed_count == LINES + alone
    assert len(list(out.glob("*.png"))) == LINES


def test_the_journal_alone_is_enough_to_fetch_what_was_paid(
    serve: Any, work: Path, home: Path, large: bytes
) -> None:
    """A file may not be larger than so much: the record fits, and the picture does not."""
    import resource

    service = serve(picture_bytes=large)
    (home / ".local" / "share" / "zimage" / "history.db").mkdir(parents=True)
    args = ("batch", prompts(work), *ARGS)
    limit = (300_000, 300_000)
    result = service.popen(
        *args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    with result as run:
        _, errors = run.communicate(timeout=60)
    text = errors.decode()
    assert run.returncode == 8, text
    assert "file too large" in text
    paid = service.books.billed_count
    found = records(work / "out")
    assert len(found) == paid
    assert {record["status"] for record in found} == {"made"}
    assert {record["image_url"] for record in found} == {bill.url for bill in service.books.billed}
    assert all(record["answered_at"] and record["request_id"] for record in found)
    assert f"{paid} paid and not fetched: for 24 hours that costs nothing" in text
    # The same command fetches them; it pays for the others alone.
    again = service(*args)
    assert f"to fetch, paid before  {paid}" in again.stderr
    assert service.books.billed_count == service.books.post_count == LINES
    final = {record["job"]: record for record in records(work / "out")}
    assert Counter(record["status"] for record in final.values()) == {"saved": LINES}
    seeds = {bill.prompt: bill.seed for bill in service.books.billed}
    assert {record["prompt"]: record["seed"] for record in final.values()} == seeds
    assert len(list((work / "out").glob("*.png"))) == LINES
    saved = [record for record in records(work / "out") if record["status"] == "saved"]
    assert not any("?" in record["image_url"] for record in saved)


def test_a_file_size_limit_loses_nothing_with_a_history(
    serve: Any, work: Path, home: Path, large: bytes
) -> None:
    import resource

    service = serve(picture_bytes=large)
    limit = (300_000, 300_000)
    args = ("batch", prompts(work), *ARGS)
    with service.popen(
        *args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    ) as run:
        _, errors = run.communicate(timeout=60)
    text = errors.decode()
    assert "Traceback" not in text
    assert "bug" not in text
    assert nowhere(service, work / "out", text) == set()
    service(*args)
    assert service.books.billed_count == service.books.post_count == LINES
    assert len(list((work / "out").glob("*.png"))) == LINES


def test_what_is_printed_is_in_the_stream_too(
    serve: Any, work: Path, home: Path, small_disk: Any, large: bytes
) -> None:
    hold = Hold()
    service = serve(log=hold, picture_bytes=large)
    out = small_disk(work / "out")
    (home / ".local" / "share" / "zimage" / "history.db").mkdir(parents=True)
    # The journal is whole pages long, so that a full disk takes no byte of it.
    (out / "results.jsonl").write_bytes(b"\n" * os.sysconf("SC_PAGE_SIZE"))
    status, stdout, errors = stopped_by(service, hold, work, lambda: fill(out), "--json")
    assert status == 8
    *told, summary = [json.loads(line) for line in stdout.splitlines()]
    assert summary["status"] == "error"
    assert len(told) == service.books.billed_count < LINES
    assert {record["image_url"] for record in told} == {bill.url for bill in service.books.billed}
    assert nowhere(service, out, errors, history=False) == set()
    known = {record["image_url"] for record in records(out)}
    assert known != {record["image_url"] for record in told}
    for record in told:
        assert f"'{record['image_url']}'" in errors or record["image_url"] in known
        assert f"'{record['image_url']}'" in record["hint"]


def test_a_merge_that_fills_the_disk_pays_nothing_and_goes_on(
    serve: Any, work: Path, small_disk: Any, large: bytes
) -> None:
    service = serve(picture_bytes=large)
    file = prompts(work)
    service("batch", file, "-o", "s1", *ARGS[2:], "-q")
    merge = ("batch", file, "--merge", "s1", "-o", "all", "--size", "512*512")
    out = small_disk(work / "all", size="18m")
    full = service(*merge, status=8)
    assert full.stderr == (
        "error: all cannot take all pictures: no space left on device. What is there stays, and so "
        "do the folders that they come from.\n"
        "  next: Make room, then run the same command again: it goes on.\n"
    )
    assert 0 < len(records(out)) < LINES
    subprocess.run(["mount", "-o", "remount,size=60m", str(out)], check=True)
    refused = service("batch", file, "-o", "all", *ARGS[2:], status=2)
    assert "A merge into all did not end" in refused.stderr
    service(*merge)
    assert len([*out.glob("*.png")]) == len(records(out)) == service.books.billed_count == LINES
    assert not [*out.glob(".*.part")]
