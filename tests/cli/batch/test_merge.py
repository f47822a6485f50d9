"""Shards of a file on machines that share nothing, and what brings their folders together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.batch.conftest import kites
from stand_in import Hold

from zimage_cli.core.run.journal import alone_in
from zimage_cli.sandbox.faults import Fault

FAST = ("--rps", "0", "--size", "512*512", "--no-evidence", "-q")
SIZE = ("--size", "512*512")


@pytest.fixture
def make_shard(service: Any, work: Path) -> Callable[..., Any]:
    """Make the I-th of N parts in a folder of its own, on a machine with a home of its own."""

    def make(file: str, part: int, parts: int = 3, *more: str, **options: Any) -> Any:
        env = {"ZIMAGE_HOME": str(work / f"home{part}")}
        words = ("batch", file, "-o", f"s{part}", "--shard", f"{part}/{parts}", *FAST, *more)
        return service(*words, env=env, **options)

    return make


def objects(count: int) -> list[dict[str, str]]:
    return [{"prompt": kite} for kite in kites(count)]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_bytes().splitlines()]


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file that is not hidden, and is no lock."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def pictures(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name.endswith(".png")}


# -- all is well -----------------------------------------------------------------------------------


def test_shards_come_together_and_nothing_is_made_again(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(20))
    for part in (1, 2, 3):
        make_shard(file, part)
    before = [files(work / f"s{part}") for part in (1, 2, 3)]
    merged = service("batch", file, "--merge", "s1", "s2/", "s3", "-o", "all", *SIZE)
    counts = [len(pictures(work / f"s{part}")) for part in (1, 2, 3)]
    assert sum(counts) == 20
    assert merged.stdout == ""
    assert merged.stderr.splitlines() == [
        f"s1/: {counts[0]} taken",
        f"s2/: {counts[1]} taken",
        f"s3/: {counts[2]} taken",
        "✓ all 20 pictures are in all/",
    ]
    # What a shard has stays as it is; no byte of it is there twice.
    assert [files(work / f"s{part}") for part in (1, 2, 3)] == before
    assert sorted(pictures(work / "all").values()) == sorted(
        data for part in before for name, data in part.items() if name.endswith(".png")
    )
    assert all((work / "all" / name).stat().st_nlink == 2 for name in pictures(work / "all"))
    for record in records(work / "all"):
        assert record["path"] == str(work / "all" / record["file"])
        assert Path(record["path"]).is_file()
        # They are numbers of other machines' histories.
        assert record["history_id"] is None
    again = service("batch", file, "-o", "all", *SIZE)
    assert again.stderr.splitlines() == ["nothing to do: all 20 are in all/"]
    assert service.books.billed_count == 20


def test_what_is_missing_is_named_and_made_by_the_command_that_is_shown(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*objects(12), {"prompt": "wrong", "size": "9999*1"})
    for part in (1, 2):
        make_shard(file, part, 3, "--skip-invalid", status=9)
    made = {record["line"] for part in (1, 2) for record in records(work / f"s{part}")}
    left = sorted({*range(1, 13)} - made)
    words = ("batch", file, *SIZE, "--rps", "0", "--merge", "s1", "s2", "-o", "all")
    merged = service(*words, "--skip-invalid", status=9)
    assert merged.stderr.splitlines()[2:] == [
        f"{len(made)} of 12 pictures are in all/",
        f"missing: lines {', '.join(map(str, left))}",
        "To go on:",
        f"  zimage batch {file} --size '512*512' --rps 0 -o all --skip-invalid",
    ]
    document = service(*words, "--json", status=9).json
    assert document == {
        "type": "summary",
        "schema": 1,
        "status": "partial",
        "folder": str(work / "all"),
        "folders": [
            {
                **dict.fromkeys(("linked", "copied", "others", "gone", "ends"), 0),
                "folder": str(work / f"s{part}"),
                "before": len(pictures(work / f"s{part}")),
            }
            for part in (1, 2)
        ],
        "lines": 13,
        "invalid": 1,
        "pictures": 12,
        "saved": len(made),
        **dict.fromkeys(("made", "refused", "failed", "lost"), 0),
        "missing": len(left),
        "missing_lines": left,
        "of_no_line": 0,
        "commands": {
            "go_on": f"zimage batch {file} --size '512*512' --rps 0 -o all --json",
            **dict.fromkeys(("retry_failed", "retry_lost")),
        },
        "errors": [],
    }
    service("batch", file, *SIZE, "--rps", "0", "-o", "all", "--skip-invalid", status=9)
    assert sorted(bill.prompt for bill in service.books.billed) == sorted(kites(12))
    # The third machine is back: what it made was made here meanwhile.
    make_shard(file, 3, 3, "--skip-invalid", status=9)
    merged = service("batch", file, *SIZE, "--merge", "s3", "-o", "all", status=9)
    assert merged.stderr.splitlines()[0] == (
        f"s3/: 0 taken, {len(left)} left there: another folder has pictures of their lines"
    )


def test_names_that_are_taken_get_a_number_and_no_file_is_replaced(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    lines = [{"prompt": f"kite {n}", "output": "sub/kite.png", "seed": n} for n in range(9)]
    file = write(*lines)
    for part in (1, 2, 3):
        make_shard(file, part)
    (work / "all" / "sub").mkdir(parents=True)
    (work / "all" / "sub" / "kite.png").write_bytes(b"mine")
    service("batch", file, "--merge", "s1", "s2", "s3", "-o", "all", *SIZE)
    found = pictures(work / "all")
    assert found.pop("sub/kite.png") == b"mine"
    assert len(found) == 9
    made = [data for part in (1, 2, 3) for data in pictures(work / f"s{part}").values()]
    assert sorted(found.values()) == sorted(made)
    assert {record["file"] for record in records(work / "all")} == {*found}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="a second file system")
def test_pictures_of_another_disk_are_copied_with_their_times(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(4))
    make_shard(file, 1, 1)
    other = Path("/dev/shm") / f"zimage-{os.getpid()}"
    shutil.copytree(work / "s1", other)
    try:
        document = service("batch", file, "--merge", str(other), "-o", "all", "--json", *SIZE).json
        assert document["folders"][0] | {"folder": ""} == {
            **dict.fromkeys(("linked", "before", "others", "gone", "ends"), 0),
            "folder": "",
            "copied": 4,
        }
        assert pictures(work / "all") == pictures(other)
        for name in pictures(other):
            times = [(folder / name).stat().st_mtime_ns for folder in (other, work / "all")]
            assert times[0] == times[1]
        # A merge was killed between the name of the last one and its record.
        journal = work / "all" / "results.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[:-1]))
        service("batch", file, "--merge", str(other), "-o", "all", *SIZE)
        assert pictures(work / "all") == pictures(other)
        assert len(records(work / "all")) == 4
    finally:
        shutil.rmtree(other)


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system, as root"
)
def test_a_shard_that_can_only_be_read_is_merged_unless_it_runs(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(3))
    make_shard(file, 1, 1)
    (work / "read").mkdir()
    mount = ["mount", "--bind", "-o", "ro", str(work / "s1"), str(work / "read")]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted")
    words = ("batch", file, "--merge", "read", "-o", "all", *SIZE)
    try:
        with alone_in(work / "s1"):
            refused = service(*words, status=2)
        assert refused.stderr.startswith("error: another zimage batch is writing to read\n")
        service(*words)
    finally:
        subprocess.run(["umount", str(work / "read")], check=True)
    assert pictures(work / "all") == pictures(work / "s1")


def test_a_merge_that_was_killed_before_a_record_goes_on(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    # Two pictures, byte for byte the same, of two lines: each has its own file.
    file = write(*objects(3), *2 * [{"prompt": "twin", "seed": 7, "output": "twin.png"}])
    make_shard(file, 1, 1, "--no-metadata")
    words = ("batch", file, "--merge", "s1", "-o", "all", *SIZE)
    service(*words)
    journal = work / "all" / "results.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for number in range(len(lines)):
        journal.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
        service(*words)
        assert pictures(work / "all") == pictures(work / "s1")
        assert sorted(one["file"] for one in records(work / "all")) == sorted(
            one["file"] for one in records(work / "s1")
        )


def test_rows_and_evidence_are_those_of_this_machine_or_none(
    service: Any, work: Path, write: Any
) -> None:
    file = write(*kites(8))
    homes = {"ZIMAGE_HOME": str(work / "other"), "OUTPUT_DIR": str(work / "other")}
    for part, env in ((1, homes), (2, {})):
        words = ("--shard", f"{part}/2", "--rps", "0", "-q", *SIZE)
        service("batch", file, "-o", f"s{part}", *words, env=env)
    shutil.rmtree(work / "other")
    service("batch", file, "--merge", "s1", "s2", "-o", "all", *SIZE)
    own = {one["line"]: one for one in records(work / "s2")}
    assert 0 < len(own) < 8
    for record in records(work / "all"):
        known = own.get(record["line"], {})
        for name in ("history_id", "evidence_path"):
            assert record[name] == known.get(name), name


def test_a_merge_that_did_not_end_makes_and_pays_nothing_again(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*({"prompt": f"kite {n}", "output": f"sub/{n}.png"} for n in range(6)))
    for part in (1, 2):
        make_shard(file, part, 2)
    merge = ("batch", file, "--merge", "s1", "s2", "-o", "all", *SIZE)
    # What it has then of a folder that it cannot make: a file is in the way.
    (work / "all").mkdir()
    (work / "all" / "sub").touch()
    service(*merge, status=2)
    (work / "all" / "sub").unlink()
    for words in ((), ("--shard", "1/2")):
        refused = service("batch", file, "-o", "all", *words, *FAST, status=2)
        assert refused.stderr == (
            "error: A merge into all did not end: what the other folders have would be made, and "
            "paid, here again. Nothing was sent.\n"
            "  next: Run the same command with --merge again: it goes on.\n"
        )
    # Nor is it taken for all that the two have.
    refused = service("batch", file, "--merge", "all", "-o", "other", *SIZE, status=2)
    assert refused.stderr == (
        "error: A merge into all did not end: what it did not take would be made, and paid, "
        "again.\n"
        "  next: Run the command with --merge that fills it again: it goes on.\n"
    )
    assert not (work / "other").exists()
    # Of a killed one, which copied.
    (work / "all" / "sub").mkdir()
    (work / "all" / "sub" / ".zimage-0123456789ab.part").write_bytes(b"half")
    service(*merge)
    assert sorted(path.name for path in (work / "all" / "sub").iterdir()) == [
        f"{n}.png" for n in range(6)
    ]
    service("batch", file, "-o", "all", *FAST)
    assert service.books.billed_count == 6


# -- what was not saved ----------------------------------------------------------------------------


def test_what_was_paid_and_not_fetched_is_fetched_afterwards(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(5))
    late = Fault("picture-404", count=1)
    service.script("ok", "DataInspectionFailed", "close", late, "InvalidParameter")
    make_shard(file, 1, 1, "-j", "1", "--retries", "0", status=9)
    kinds = Counter(record["status"] for record in records(work / "s1"))
    assert kinds == {"saved": 1, "refused": 1, "lost": 1, "made": 1, "failed": 1}
    words = ("batch", file, "--merge", "s1", "-o", "all", *SIZE)
    merged = service(*words, status=9)
    go_on = f"zimage batch {file} -o all --size '512*512'"
    assert merged.stderr.splitlines() == [
        "s1/: 1 taken, 4 not saved",
        "1 of 5 pictures are in all/",
        "1 to fetch, paid before",
        "1 refused",
        "1 failed",
        "1 lost, may be billed",
        "To go on:",
        f"  {go_on}",
        "What was refused needs other words: a changed line is made like a new one.",
        "To try again what failed:",
        f"  {go_on} --retry-failed",
        "What was lost may have been billed; to make it again and pay it:",
        f"  {go_on} --retry-lost",
    ]
    assert service(*words, "--json", status=9).json["commands"] == {
        "go_on": f"{go_on} --json",
        "retry_failed": f"{go_on} --json --retry-failed",
        "retry_lost": f"{go_on} --json --retry-lost",
    }
    billed = service.books.billed_count
    service("batch", file, "-o", "all", *FAST, status=9)
    assert service.books.billed_count == billed
    assert len(pictures(work / "all")) == 2
    # What is saved now is more than a shard knows.
    service("batch", file, "--merge", "s1", "-o", "all", *SIZE, status=9)
    assert [one["status"] for one in records(work / "all")][-1] == "saved"


def test_what_is_paid_is_fetched_before_anything_is_made(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    # The address is good for a day, and what is missing may take longer.
    file = write("kite 9")
    service.script(Fault("picture-404", count=1))
    make_shard(file, 1, 1, "--retries", "0", status=9)
    file = write(*kites(9))
    service("batch", file, "--merge", "s1", "-o", "all", *SIZE, status=9)
    service("batch", file, "-o", "all", "-j", "1", *FAST)
    assert service.books.billed_count == 9
    assert records(work / "all")[1]["prompt"] == "kite 9"


def test_what_only_the_history_knows_is_written_down_first(
    serve: Any, work: Path, write: Any
) -> None:
    hold = Hold()
    service = serve(log=hold)
    file = write("kite")
    words = ("batch", file, "-o", "s1", *FAST)
    with service.popen(*words) as run:
        assert service.books.wait_for(lambda books: books.post_count, 60)
        run.kill()
    hold.release()
    merged = service("batch", file, "--merge", "s1", "-o", "all", *SIZE, status=2)
    assert merged.stderr == (
        "error: s1 was left in mid-run: what became of 1 of its pictures, only the history knows.\n"
        "  next: Run the command that fills it once more, then merge.\n"
    )
    assert not (work / "all").exists()
    service(*words, status=9)
    merged = service("batch", file, "--merge", "s1", "-o", "all", *SIZE, status=9)
    assert "1 lost, may be billed" in merged.stderr


def test_another_machine_takes_over_with_both_folders(serve: Any, work: Path, write: Any) -> None:
    hold = Hold()
    service = serve(log=hold)
    file = write(*kites(4))
    words = ("batch", file, "-o", "s1", "--shard", "1/1", "-j", "1", *FAST)
    env = {"ZIMAGE_HOME": str(work / "home1")}
    with service.popen(*words, env=env) as run:
        assert service.books.wait_for(lambda books: books.post_count, 60)
        run.kill()
    hold.release()
    # Its disk, at the same path.
    for name in ("home1", "s1"):
        shutil.copytree(work / name, work / "disk" / name)
        shutil.rmtree(work / name)
        shutil.copytree(work / "disk" / name, work / name)
    service(*words, env=env, status=9)
    assert Counter(one["status"] for one in records(work / "s1")) == {"lost": 1, "saved": 3}
    assert service.books.post_count == 4


def test_a_picture_that_is_not_there_is_told(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(3))
    make_shard(file, 1, 1)
    [first, *_] = records(work / "s1")
    (work / "s1" / first["file"]).unlink()
    merged = service("batch", file, "--merge", "s1", "-o", "all", *SIZE, status=9)
    assert merged.stderr.splitlines()[:3] == [
        "s1/: 2 taken, 1 in its results.jsonl and not on disk",
        "2 of 3 pictures are in all/",
        f"missing: line {first['line']}",
    ]


def test_a_shard_without_a_line_is_one_too(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write("kite")
    for part in (1, 2, 3):
        make_shard(file, part)
    assert service.books.billed_count == 1
    service("batch", file, "--merge", "s1", "s2", "s3", "-o", "all", *SIZE)


def test_other_options_are_other_pictures(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write("kite")
    make_shard(file, 1, 1)
    merged = service("batch", file, "--merge", "s1", "-o", "all", status=9)
    assert merged.stderr.splitlines()[1:3] == [
        f"1 picture is of no line of {file}: was it made with other options?",
        "0 of 1 pictures are in all/",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_journal_names_only_pictures_of_its_own_folder(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write("kite")
    make_shard(file, 1, 1)
    (work / "secret.png").write_bytes(b"secret")
    (work / "s1" / "link.png").symlink_to(work / "secret.png")
    (work / "s1" / "up").symlink_to(work)
    (work / "s1" / "folder.png").mkdir()
    names = ["../secret.png", str(work / "secret.png"), "link.png", "up/secret.png", "folder.png"]
    names += ["results.jsonl", ".zimage-batch.salt", "", "a\0.png"]
    [record] = records(work / "s1")
    with (work / "s1" / "results.jsonl").open("a", encoding="utf-8") as journal:
        for number, name in enumerate([*names, None, 7]):
            journal.write(json.dumps(record | {"job": f"{number:032x}", "file": name}) + "\n")
    merged = service("batch", file, "--merge", "s1", "-o", "all", *SIZE)
    assert merged.stderr.splitlines()[0] == (
        f"s1/: 1 taken, {len(names) + 2} in its results.jsonl and not on disk"
    )
    assert {*pictures(work / "all")} == {record["file"]}


# -- refused ---------------------------------------------------------------------------------------


def test_folders_that_are_in_use_are_refused(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(2))
    make_shard(file, 1, 1)
    words = ("batch", file, "--merge", "s1", "-o", "all", *SIZE)
    with alone_in(work / "s1"):
        refused = service(*words, status=2)
    assert refused.stderr == (
        "error: another zimage batch is writing to s1\n  next: Wait for it to end, then merge.\n"
    )
    service(*words)
    with alone_in(work / "all"):
        refused = service(*words, status=2)
    assert refused.stderr.startswith("error: another zimage batch is writing to all\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--merge"], "--merge needs the folders of the shards."),
        (["--merge", "s1", "s1/"], "s1 is given twice."),
        (["--merge", "all"], "all is given twice."),
        (["--merge", "none"], "none has no pictures of a batch: there is no results.jsonl."),
        (
            ["--merge", "s1", "--shard", "1/2"],
            "--merge makes no picture: --shard has no meaning beside it.",
        ),
        (
            ["--merge", "s1", "--dry-run"],
            "--merge makes no picture: --dry-run has no meaning beside it.",
        ),
        (["s1"], "zimage batch takes only FILE: 's1' is too many."),
    ],
)
def test_what_cannot_be_merged(service: Any, write: Any, words: list[str], said: str) -> None:
    file = write("kite")
    service("batch", file, "-o", "s1", *FAST)
    refused = service("batch", file, *words, "-o", "all", *SIZE, status=2)
    assert refused.stderr.splitlines()[0] == f"error: {said}"


def test_a_shard_that_cannot_be_locked_is_not_waited_for(service: Any, work: Path) -> None:
    (work / "p.txt").write_text("a kite\n")
    (work / "s1").mkdir()
    (work / "s1" / "results.jsonl").touch()
    (work / "s1" / ".zimage-batch.lock").mkdir()
    run = service("batch", "p.txt", "--merge", "s1", "-o", "all", *SIZE, status=2)
    assert "is no lock file of zimage\n" in run.stderr
    assert "next: Look where it leads, then remove it, " in run.stderr


def test_nothing_is_put_together_below_a_shard_that_may_be_removed(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(4))
    make_shard(file, 1)
    before = sorted(work.rglob("*"))
    for words in (["-o", "s1/all"], ["-o", "s1/sub/../all", "--json"]):
        run = service("batch", file, "--merge", "s1", *words, *SIZE, status=2)
        assert " lies in s1: whoever removes the shard removes it too.\n" in run.stderr
    assert sorted(work.rglob("*")) == before


def test_another_shard_in_a_folder_is_refused_before_it_is_paid(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(12))
    make_shard(file, 1)
    billed = service.books.billed_count

    def refused(*words: str) -> str:
        run = service("batch", file, *words, *FAST, status=2)
        assert service.books.billed_count == billed
        said: str = run.stderr.splitlines()[0]
        return said

    twice = "lines would be made, and paid, twice. Nothing was sent."
    assert refused("-o", "s1", "--shard", "1/4") == (
        f"error: s1 has shard 1/3, and this is 1/4: {twice}"
    )
    assert refused("-o", "s1", "--shard", "2/3", "--dry-run") == (
        f"error: s1 has shard 1/3, and this is 2/3: {twice}"
    )
    assert refused("-o", "s1") == (
        "error: s1 has shard 1/3 of a file: without --shard, what other folders have would be "
        "made, and paid, here again. Nothing was sent."
    )
    # Unless all of it is to be made anew.
    service("batch", file, "-o", "s1", "--fresh", "--dry-run", *FAST)
    make_shard(file, 2)
    service("batch", file, "--merge", "s1", "s2", "-o", "all", *SIZE, status=9)
    billed = service.books.billed_count
    assert refused("-o", "all", "--shard", "1/2") == (
        "error: all has pictures of this file that no shard was noted for: other shards may make "
        "them, and they would be paid, again. Nothing was sent."
    )
    # All in one of the shards' own folders.
    service("batch", file, "--merge", "s2", "-o", "s1", *SIZE, status=9)
    service("batch", file, "-o", "s1", *FAST)
    assert service.books.billed_count == 12


def test_a_folder_that_is_begun_anew_has_no_shard_any_more(
    service: Any, write: Any, make_shard: Any
) -> None:
    make_shard(write(*kites(4)), 1)
    service("batch", write(*kites(4)), "-o", "s1", "--fresh", *FAST)
    billed = service.books.billed_count
    service("batch", write(*kites(5)), "-o", "s1", *FAST)
    assert service.books.billed_count == billed + 1


def test_another_n_in_other_folders_pays_twice_and_the_merge_says_so(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*kites(12))
    make_shard(file, 1, 1)
    make_shard(file, 2, 2)
    twice = len(pictures(work / "s2"))
    assert service.books.billed_count == 12 + twice
    merged = service("batch", file, "--merge", "s1", "s2", "-o", "all", *SIZE)
    assert merged.stderr.splitlines()[1] == (
        f"s2/: 0 taken, {twice} left there: another folder has pictures of their lines"
    )
    assert len(pictures(work / "all")) == 12


# -- seeds -----------------------------------------------------------------------------------------


def test_words_of_a_line_share_a_seed_although_each_folder_draws_its_own(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*(f"{{red|blue|green}} kite {number}" for number in range(8)))
    for part in (1, 2, 3):
        make_shard(file, part, 3, "--expand", "--count", "2")
    service("batch", file, "--merge", "s1", "s2", "s3", "-o", "all", "--expand", "-n", "2", *SIZE)
    seeds: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for record in records(work / "all"):
        seeds[record["line"]][record["prompt"]].add(record["seed"])
    assert len(seeds) == 8
    for line in seeds.values():
        red, blue, green = line.values()
        assert red == blue == green
        assert len(red) == 2


def test_what_is_missing_of_a_line_shares_the_seed_of_what_is_there(
    service: Any, work: Path, write: Any, make_shard: Any
) -> None:
    file = write(*(f"{{red|blue|green}} kite {number}" for number in range(8)))
    expanded = ("--expand", "--count", "2")
    for part in (1, 2):
        make_shard(file, part, 2, *expanded)
        # It died in the middle of its lines, and its disk had no more of them.
        journal = work / f"s{part}" / "results.jsonl"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[::4]))
    service("batch", file, "--merge", "s1", "s2", "-o", "all", *expanded, *SIZE, status=9)
    there = {one["job"]: one for one in records(work / "all")}
    assert service.books.billed_count == 48
    service("batch", file, "-o", "all", *expanded, *FAST)
    assert service.books.billed_count == 2 * 48 - len(there)
    drawn: dict[tuple[int, int], set[int]] = defaultdict(set)
    for record in records(work / "all"):
        drawn[record["line"], record["variant"] % 2].add(record["seed"])
        assert str(record["seed"]) in record["file"]
        if record["job"] in there:
            assert record["seed"] == there.pop(record["job"])["seed"]
    assert not there
    assert len(drawn) == 16
    assert {len(seeds) for seeds in drawn.values()} == {1}
    assert len(set.union(*drawn.values())) == 16
