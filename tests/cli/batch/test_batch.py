"""`zimage batch` as a user runs it: preflight, stream, summary, exit status, identity, limit."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cli.batch.conftest import kites

from zimage_cli.sandbox.faults import Fault

FAST = ("--rps", "0", "--size", "512*512", "--no-evidence")
NOWHERE = {
    # A real region's prices, and no way to it.
    "DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


def stream(result: Any) -> list[dict[str, Any]]:
    """Return the objects that tell of a line each; the last one, the summary, agrees with them."""
    *records, summary = [json.loads(line) for line in result.stdout.splitlines()]
    assert summary["type"] == "summary"
    found = statuses(records)
    names = ("saved", "refused", "failed", "made", "lost", "skipped")
    assert {name: summary[name] for name in names if summary[name]} == found
    return records


def statuses(records: list[dict[str, Any]]) -> Counter[str]:
    return Counter(record["status"] for record in records)


def pngs(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}


# -- one run -----------------------------------------------------------------------------------


def test_every_line_becomes_a_picture(service: Any, write: Any, work: Path) -> None:
    result = service("batch", write(*kites(5)), "-o", "out", *FAST)
    assert "5 saved" in result.stderr
    assert {line.removeprefix("out/") for line in result.lines} == pngs(work / "out")
    assert len(result.lines) == 5
    assert sorted(bill.prompt for bill in service.books.billed) == sorted(kites(5))


def test_the_stream_is_an_object_a_line_and_nothing_else(service: Any, write: Any) -> None:
    service.script("ok", "DataInspectionFailed", "close", "ok")
    file = write(*kites(4))
    args = ("batch", file, "-o", "out", "--json", "-j", "1", "--retries", "0", *FAST)
    result = service(*args, status=9)
    records = stream(result)
    assert [(record["line"], record["status"]) for record in records] == [
        (1, "saved"),
        (2, "refused"),
        (3, "lost"),
        (4, "saved"),
    ]
    whole = {
        *(
            "line",
            "variant",
            "job",
            "status",
            "prompt",
            "seed",
            "size",
            "prompt_extend",
            "region",
            "endpoint",
        ),
        *("path", "history_id", "request_id", "cost", "elapsed_seconds", "attempts", "billed"),
    }
    assert set(records[0]) == whole | {
        *("image_url", "width", "height", "rewritten_prompt", "reasoning"),
        *("evidence_path", "bytes", "sha256", "served_sha256"),
    }
    assert set(records[1]) == whole | {
        *("type", "code", "message", "hint", "field", "value", "allowed", "nearest"),
        *("retryable", "http_status"),
    }
    assert [record["billed"] for record in records] == ["yes", "no", "maybe", "yes"]
    # The same command would leave the lost line alone.
    assert "with --retry-lost it is made again" in records[2]["hint"]
    assert [record["attempts"] for record in records] == [1, 1, 1, 1]
    assert [record["history_id"] for record in records] == [1, 2, 3, 4]
    assert Path(records[0]["path"]).is_file()
    assert (records[1]["type"], records[1]["code"]) == ("refused", "DataInspectionFailed")
    assert (records[2]["type"], records[2]["prompt"]) == ("lost", "kite 3")
    # Skipped ones too.
    again = stream(service(*args, status=9))
    assert statuses(again) == {"skipped": 4}
    for before, now in zip(records, sorted(again, key=lambda one: one["line"]), strict=True):
        assert whole <= set(now)
        same = whole - {"status", "elapsed_seconds"}
        assert {name: now[name] for name in same} == {name: before[name] for name in same}
    assert {record["line"]: record["reason"] for record in again} == {
        1: "saved before",
        2: "refused before: --retry-failed",
        3: "lost before, may be billed: --retry-lost",
        4: "saved before",
    }


@pytest.mark.parametrize(
    "spoil",
    [("--concurrency", "0"), ("--shard", "3/2"), ("--input-format", "xml"), ("--nonsense",)],
)
def test_the_stream_is_its_summary_where_nothing_can_begin(
    spoil: tuple[str, ...], service: Any, write: Any
) -> None:
    result = service("batch", write("a"), "--json", *spoil, *FAST, status=2)
    (document,) = [json.loads(line) for line in result.lines]
    assert (document["type"], document["status"]) == ("summary", "error")
    assert [error["type"] for error in document["errors"]] == ["usage"]
    assert "error:" in result.stderr


def test_quiet_says_nothing_where_all_is_well(service: Any, write: Any) -> None:
    args = ("batch", write(*kites(3)), "-o", "out", "--quiet", *FAST)
    result = service(*args)
    assert result.stderr == ""
    result = service(*args)
    assert result.stderr == ""


def test_quiet_still_says_what_failed(service: Any, write: Any) -> None:
    service.script("DataInspectionFailed")
    result = service("batch", write("a"), "-o", "out", "--quiet", *FAST, status=9)
    assert "✗ 1 refused: DataInspectionFailed (line 1)\n" in result.stderr


def test_what_was_refused_is_not_advised_to_be_tried_as_it_is(service: Any, write: Any) -> None:
    service.script("DataInspectionFailed")
    args = ("-o", "out", *FAST)
    result = service("batch", write("a"), *args, status=9)
    assert result.stderr.splitlines()[-2:] == [
        "✗ 1 refused: DataInspectionFailed (line 1)",
        "What was refused needs other words: a changed line is made like a new one.",
    ]
    assert "1 saved in out/" in service("batch", write("a kite"), *args).stderr
    assert service.books.post_count == 2


def test_the_summary_groups_what_failed_and_says_how_to_go_on(service: Any, write: Any) -> None:
    service.script(*["DataInspectionFailed"] * 14, "close", "InvalidParameter")
    service.script(Fault("picture-404", count=1))
    file = write(*kites(20))
    args = ("batch", file, "-o", "out", "-j", "1", "--retries", "0", *FAST)
    result = service(*args, status=9)
    lines = result.stderr.splitlines()
    (head,) = [line for line in lines if line.startswith("✓")]
    # At a host of nobody's nothing has a price.
    assert re.fullmatch(r"✓ 3 saved in out/ · \d+ s", head)
    twelve = ", ".join(map(str, range(1, 13)))
    assert lines[lines.index(head) + 1 :] == [
        f"✗ 14 refused: DataInspectionFailed (lines {twelve} and 2 more)",
        "✗ 1 lost (line 15)",
        "✗ 1 failed: InvalidParameter (line 16)",
        "✗ 1 paid and not saved (line 17)",
        "1 paid and not fetched: for 24 hours that costs nothing; to go on:",
        f"  zimage {_shell(args)}",
        "What was refused needs other words: a changed line is made like a new one.",
        "To try again what failed:",
        f"  zimage {_shell(args)} --retry-failed",
        "What was lost may have been billed; to make it again and pay it:",
        f"  zimage {_shell(args)} --retry-lost",
    ]
    # The commands do what is said of them.
    again = service(*args, "--json", status=9)
    assert statuses(stream(again)) == {"skipped": 19, "saved": 1}
    assert service.books.post_count == 20
    assert "✗ 14 refused before, left (lines 1, 2, 3" in again.stderr
    assert "✗ 1 failed before, left (line 16)\n" in again.stderr
    assert "✗ 1 lost before, left (line 15)\n" in again.stderr
    failed = service(*args, "--json", "--retry-failed", status=9)
    assert statuses(stream(failed)) == {"skipped": 5, "saved": 15}
    lost = service(*args, "--json", "--retry-lost")
    assert statuses(stream(lost)) == {"skipped": 19, "saved": 1}


def test_a_refused_address_is_not_said_to_be_good_for_a_day(service: Any, write: Any) -> None:
    service.script(Fault("picture-expired"))
    args = ("batch", write("a"), "-o", "out", *FAST)
    result = service(*args, status=9)
    assert result.stderr.splitlines()[-3:] == [
        "✗ 1 paid and not saved (line 1)",
        "1 paid and not fetched: storage refuses the address, and one more try is free; to go on:",
        f"  zimage {_shell(args)}",
    ]
    assert service(*args, status=9).stderr.splitlines()[-3:] == [
        "✗ 1 lost (line 1)",
        "What was lost may have been billed; to make it again and pay it:",
        f"  zimage {_shell(args)} --retry-lost",
    ]
    assert service.books.post_count == 1


def _shell(args: tuple[str, ...]) -> str:
    from shlex import join

    return join(args)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidApiKey", 3),
        ("AccessDenied.Unpurchased", 3),
        ("Arrearage", 5),
        ("AllocationQuota.FreeTierOnly", 5),
    ],
)
def test_a_cause_that_ends_it_has_its_own_status(
    code: str, status: int, serve: Any, write: Any, work: Path
) -> None:
    service = serve()
    # None of the three is answered before all are asked for.
    service.books.free, service.books.last = 0, 3
    service.script(Fault("slow-answer", seconds=3, times=2), code)
    result = service(
        "batch", write(*kites(30)), "-o", "out", "-j", "3", "--json", *FAST, status=status
    )
    assert statuses(stream(result)) == {"saved": 2, "failed": 1}
    assert service.books.post_count == 3
    assert len(pngs(work / "out")) == 2
    assert "27 left; to go on:" in result.stderr
    assert code in result.stderr
    assert ("a key belongs to one region" in result.stderr) == (code == "InvalidApiKey")


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system, as root"
)
def test_a_disk_that_fills_up_ends_it(serve: Any, write: Any, work: Path) -> None:
    disk = work / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=17m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    try:
        from noise import noise

        service = serve(picture_bytes=noise(1024, 1024, 3_000_000))
        file = write(*kites(30))
        args = ("--rps", "0", "--size", "1024*1024", "--no-evidence", "-j", "2", "--json")
        result = service("batch", file, "-o", str(disk), *args, status=8)
        made = service.books.billed_count
        # Five fit; two are asked for, two wait to be fetched, two are being saved when it is full.
        assert made <= 5 + 2 + 2 + 2 + 1
        assert "space" in result.stderr
        found = statuses(stream(result))
        assert 3 <= found["saved"] == len(pngs(disk)) < made
        # With room again, what was paid is fetched first and paid once.
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        service("batch", file, "-o", str(disk), *args)
        assert service.books.billed_count == 30
        assert len(pngs(disk)) == 30
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_faults_everywhere_and_the_books_agree(serve: Any, write: Any, work: Path) -> None:
    lines = 1000
    service = serve(
        faults={
            "InternalError": 0.06,
            Fault("Throttling.RateQuota", retry_after="0"): 0.06,
            "DataInspectionFailed": 0.06,
            "close": 0.04,
            "html-502": 0.04,
            "no-choices": 0.02,
            "error-in-200": 0.02,
            Fault("picture-404", count=1): 0.1,
            Fault("picture-corrupt", count=5): 0.1,
            Fault("picture-expired", count=1): 0.1,
        },
        fault_seed=7,
    )
    file = write(*kites(lines))
    args = ("batch", file, "-o", "out", "--json", "--retries", "1", "-j", "128", *FAST)
    result = service(*args, status=9)
    records = stream(result)
    found = statuses(records)
    books = service.books
    assert sorted(record["line"] for record in records) == list(range(1, lines + 1))
    assert found.total() == lines
    assert 500 < found["saved"] < 900
    assert found["refused"] > 30
    assert found["failed"] > 10
    assert found["made"] > 30
    assert found["lost"] > 30

    # Stream, journal, folder, history and books say the same.
    journal = [
        json.loads(line) for line in (work / "out" / "results.jsonl").read_bytes().splitlines()
    ]
    assert statuses(journal) == found
    assert {record["file"] for record in journal if record["file"]} == pngs(work / "out")
    assert len(pngs(work / "out")) == found["saved"]
    history = Counter(row["status"] for row in service.history())
    assert history == found
    unsaved = found["made"]
    assert unsaved == sum(record.get("type") == "not-saved" for record in records)
    # Nothing is billed that is not told, and nothing is told as billed that is not.
    assert books.billed_count == found["saved"] + found["lost"] + unsaved
    assert f"✓ {found['saved']:,} saved in out/ · " in result.stderr
    told = re.findall(
        r"^✗ ([\d,]+) (refused|failed|lost|paid and not saved)", result.stderr, re.MULTILINE
    )
    words = {"paid and not saved": "made"}
    summed: Counter[str] = Counter()
    for count, word in told:
        summed[words.get(word, word)] += int(count.replace(",", ""))
    assert summed == {kind: found[kind] for kind in ("refused", "failed", "made", "lost")}

    # What was made and not saved is fetched, nothing else is sent.
    before = books.post_count
    second = service(*args, status=9)
    assert books.post_count == before
    assert statuses(stream(second))["saved"] == unsaved > 50
    # Failed ones, and no others, as often as it takes; lost ones stay.
    for _ in range(20):
        result = service(*args, "--retry-failed", status=9)
        again = statuses(stream(result))
        if not again["failed"] and not again["refused"] and not again["made"]:
            break
    rows = service.history()
    jobs = Counter(row["job"] for row in rows if row["status"] == "saved")
    assert set(jobs.values()) == {1}
    lost = {row["job"] for row in rows if row["status"] == "lost"}
    assert lost.isdisjoint(jobs)
    assert len(jobs) + len(lost) == lines
    assert books.billed_count == lines
    assert len(pngs(work / "out")) == len(jobs)


# -- before anything is paid ---------------------------------------------------------------------


def test_every_problem_is_told_before_anything_is_sent(service: Any, write: Any) -> None:
    lines: list[Any] = [{"prompt": "fine"}] * 3
    lines += [{"prompt": "", "size": "1*1"}, {"prompt": "x", "colour": 1}]
    file = write(*lines)
    with Path(file).open("a") as more:
        more.write("{not json\n")
    result = service("batch", file, "-o", "out", *FAST, status=2)
    assert service.books.post_count == 0
    told = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert [line.partition(":")[0] for line in told] == ["line 4", "line 4", "line 5", "line 6"]
    assert f"3 of 6 lines of {file} cannot be used. Nothing was sent." in result.stderr
    assert "--skip-invalid" in result.stderr
    result = service("batch", file, "-o", "out", "--skip-invalid", "--json", *FAST, status=9)
    assert statuses(stream(result)) == {"saved": 3}
    assert "3 invalid" in result.stderr


def test_fifty_problems_are_told_and_the_others_counted(service: Any, write: Any) -> None:
    file = write(*[{"prompt": ""}] * 120)
    result = service("batch", file, "-o", "out", *FAST, status=2)
    first = ", ".join(map(str, range(1, 13)))
    assert result.stderr.startswith(f"lines {first} and 108 more: prompt: ")
    # Different ones are told as they are, fifty of them.
    file = write(*[{"prompt": "kite", "seed": -n} for n in range(1, 121)])
    result = service("batch", file, "-o", "out", *FAST, status=2)
    told = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert [line.partition(":")[0] for line in told] == [f"line {n}" for n in range(1, 51)]
    assert "and 70 more lines" in result.stderr
    assert "120 of 120 lines" in result.stderr


def test_a_dry_run_checks_prices_and_touches_nothing(
    zimage: Any, write: Any, work: Path, home: Path
) -> None:
    file = write(*kites(30))
    result = zimage("batch", file, "-o", "out", "--dry-run", "--prompt-extend", env=NOWHERE)
    assert result.stderr.splitlines() == [
        "pictures               30",
        "size                   1024×1024",
        "prompt_extend          on",
        "price                  CNY 6.00, CNY 0.20 a picture",
        "takes about            21 s",
        "region                 beijing",
        "folder                 out/",
        "nothing was sent",
    ]
    assert not (work / "out").exists()
    result = zimage("batch", file, "--dry-run", "--region", "singapore", env=NOWHERE)
    assert "USD 0.45" in result.stderr
    assert not list(home.rglob("history.db"))


def test_a_price_is_agreed_to_beforehand_without_a_terminal(zimage: Any, write: Any) -> None:
    file = write(*kites(11))
    result = zimage("batch", file, "-o", "out", env=NOWHERE, status=2)
    assert "This costs up to CNY 1.10. Nothing was sent." in result.stderr
    assert "--yes" in result.stderr
    result = zimage("batch", file, "-o", "out", "--region", "singapore", env=NOWHERE, status=2)
    assert "USD 0.165" in result.stderr
    # Ten are within what is not asked about: they are tried.
    few = write(*kites(10), name="few")
    args = ("--patience", "0", "--rps", "0")
    tried = zimage("batch", few, "-o", "out", *args, env=NOWHERE, status=6)
    assert "dashscope.aliyuncs.com could not be reached" in tried.stderr
    tried = zimage("batch", file, "-o", "o2", "--yes", *args, env=NOWHERE, status=6)
    assert "dashscope.aliyuncs.com could not be reached" in tried.stderr


def test_max_cost_refuses_to_start(zimage: Any, service: Any, write: Any, work: Path) -> None:
    file = write(*kites(20))
    args = ("batch", file, "-o", "out", "--yes")
    result = zimage(*args, "--max-cost", "1.99", env=NOWHERE, status=2)
    assert "20 pictures at CNY 2.00 would go over --max-cost 1.99. Nothing" in result.stderr
    assert not (work / "out" / "results.jsonl").exists()
    for bad in ("", "x", "-1", "nan", "inf", "5 CNY"):
        zimage(*args, f"--max-cost={bad}", env=NOWHERE, status=2)
    # Where no price is known, none can be kept.
    result = service(*args, "--max-cost", "5", *FAST, status=2)
    assert "no list price is known at 127.0.0.1" in result.stderr
    assert service.books.post_count == 0


def test_without_a_key_nothing_begins(zimage: Any, write: Any, work: Path) -> None:
    file = write(*kites(3))
    zimage("batch", file, "-o", "out", "--fresh", status=3)
    assert not (work / "out" / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("option", "end", "status"),
    [("--fresh", "ok", 0), ("--retry-failed", "InvalidParameter", 9), ("--retry-lost", "close", 9)],
)
def test_what_a_run_could_not_begin_stands_in_the_command_that_goes_on(
    service: Any, write: Any, option: str, end: str, status: int
) -> None:
    service.script(end)
    args = ("batch", write("a kite"), "-o", "out", "--retries", "0", "--no-evidence")
    service(*args, status=status)
    stopped = service(*args, option, "--json", env={"DASHSCOPE_API_KEY": None}, status=3)
    go_on = stopped.json["commands"]["go_on"]
    assert f"1 left; to go on:\n  {go_on}\n" in stopped.stderr
    # It does what is said of it.
    assert statuses(stream(service(*shlex.split(go_on)[1:]))) == {"saved": 1}


def test_a_line_does_not_decide_where_the_key_goes(
    serve: Any, service: Any, write: Any, zimage: Any
) -> None:
    other = serve()
    lines = [{"prompt": "here"}, {"prompt": "there", "base_url": other.server.api_root}]
    file = write(*lines)
    result = service("batch", file, "-o", "out", *FAST, status=2)
    assert "line 2: base_url: a file does not decide" in result.stderr
    assert other.books.post_count == 0
    # Trusted, it does, and nothing else goes there.
    result = service("batch", file, "-o", "out", "--trust-base-url", "--json", *FAST)
    assert [bill.prompt for bill in service.books.billed] == ["here"]
    assert [bill.prompt for bill in other.books.billed] == ["there"]
    endpoints = {record["prompt"]: record["endpoint"] for record in stream(result)}
    assert endpoints == {"here": service.server.origin, "there": other.server.origin}
    # A flag wins over a line, as it does everywhere.
    flag = ("--base-url", service.server.api_root)
    service("batch", file, "-o", "flag", "--trust-base-url", *flag, *FAST)
    assert other.books.post_count == 1
    # A key is of one region, and so is a run.
    far = write({"prompt": "x", "base_url": "https://dashscope-intl.aliyuncs.com"}, name="far")
    result = zimage("batch", far, "--trust-base-url", "--dry-run", env=NOWHERE, status=2)
    assert "of the region singapore, and this run is of beijing" in result.stderr


def test_a_price_that_is_not_known_is_not_kept(zimage: Any, write: Any) -> None:
    file = write({"prompt": "a"}, {"prompt": "b", "base_url": "https://example.org"})
    result = zimage(
        "batch", file, "--trust-base-url", "--max-cost", "5", "--dry-run", env=NOWHERE, status=2
    )
    assert "no list price is known at a base_url" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_no_line_gets_out_of_the_folder(service: Any, write: Any, work: Path) -> None:
    outside = work / "outside"
    outside.mkdir()
    (work / "out").mkdir()
    (work / "out" / "link").symlink_to(outside)
    hostile = ["../x.png", "/tmp/x.png", "link/x.png", "link/a/b.png", "a/../../x.png", ".x.png"]
    file = write(*({"prompt": "x", "output": output} for output in hostile))
    result = service("batch", file, "-o", "out", *FAST, status=2)
    assert "6 of 6 lines" in result.stderr
    names = write(*({"prompt": "x", "name": name} for name in ("../x", "a/b", ".x", "a\\b")))
    assert "4 of 4 lines" in service("batch", names, "-o", "out", *FAST, status=2).stderr
    assert service.books.post_count == 0
    assert list(outside.iterdir()) == []
    # The folder itself may be a link: that is its owner's word.
    (work / "in").symlink_to(outside)
    service("batch", write({"prompt": "x", "output": "a/x.png"}), "-o", "in", *FAST)
    assert pngs(outside) == {"a/x.png"}


def test_a_file_that_changes_after_it_was_checked_is_not_worked_through(
    serve: Any, write: Any, work: Path
) -> None:
    service = serve()
    service.books.free = 2
    file = write(*kites(60))
    run = service.popen("batch", file, "-o", "out", "-j", "2", *FAST)
    with run:
        assert service.books.wait_for(lambda books: books.post_count >= 2)
        with Path(file).open("a") as more:
            more.write("one more kite\n")
        service.books.let_go.set()
        _, errors = run.communicate()
    assert run.returncode == 2
    assert b"was changed after it was checked" in errors
    assert service.books.post_count < 60
    service("batch", file, "-o", "out", "-j", "32", *FAST)
    assert service.books.billed_count == 61


# -- what a line is ------------------------------------------------------------------------------


def test_lines_may_be_added_removed_and_moved(service: Any, write: Any, work: Path) -> None:
    service("batch", write(*kites(6)), "-o", "out", *FAST)
    moved = write("new", *reversed(kites(6)), "kite 1")
    result = service("batch", moved, "-o", "out", "--json", *FAST)
    assert statuses(stream(result)) == {"skipped": 6, "saved": 2}
    assert Counter(bill.prompt for bill in service.books.billed)["kite 1"] == 2
    service("batch", write("kite 3", "kite 3"), "-o", "out", *FAST)
    assert service.books.billed_count == 9


def test_a_picture_that_still_cannot_be_fetched_keeps_its_request_id(
    service: Any, write: Any
) -> None:
    service.script("picture-404")
    args = ("batch", write("kite"), "-o", "out", "--json", *FAST, "--retries", "0")
    [first], [again] = [stream(service(*args, status=9)) for _ in range(2)]
    assert first["status"] == again["status"] == "made"
    assert first["request_id"] == again["request_id"] == service.books.billed[0].request_id


def test_a_changed_line_is_another_and_a_deleted_picture_is_made_again(
    service: Any, write: Any, work: Path
) -> None:
    def run(line: dict[str, Any]) -> list[dict[str, Any]]:
        return stream(service("batch", write(line), "-o", "out", "--json", *FAST))

    (one,) = run({"prompt": "kite"})
    (two,) = run({"prompt": "kite", "seed": 4})
    assert run({"prompt": "kite"})[0]["status"] == "skipped"
    assert service.books.billed_count == 2
    Path(one["path"]).unlink()
    (again,) = run({"prompt": "kite"})
    assert again["status"] == "saved"
    assert again["seed"] == one["seed"]
    assert Path(two["path"]).is_file()


def test_shards_make_each_picture_once(service: Any, write: Any) -> None:
    file = write(*kites(40))
    for part in (1, 2, 3):
        service("batch", file, "-o", f"out{part}", "--shard", f"{part}/3", *FAST)
    assert sorted(bill.prompt for bill in service.books.billed) == sorted(kites(40))


def test_fresh_makes_all_again_and_touches_no_file(service: Any, write: Any, work: Path) -> None:
    file = write({"prompt": "a", "output": "a.png"}, {"prompt": "b"})
    service.script("ok", "DataInspectionFailed")
    service("batch", file, "-o", "out", "-j", "1", *FAST, status=9)
    before = {path: path.read_bytes() for path in (work / "out").glob("*.png")}
    records = (work / "out" / "results.jsonl").read_bytes()
    result = service("batch", file, "-o", "out", "--fresh", "--json", *FAST)
    assert statuses(stream(result)) == {"saved": 2}
    assert all(path.read_bytes() == data for path, data in before.items())
    assert len(pngs(work / "out")) == 3
    assert (work / "out" / "results.jsonl").read_bytes().startswith(records)
    # The next run goes on with the new ones.
    result = service("batch", file, "-o", "out", "--json", *FAST)
    assert statuses(stream(result)) == {"skipped": 2}


def test_a_sweep_over_a_file(service: Any, write: Any) -> None:
    file = write("a {red|blue} kite", "a plain kite")
    result = service(
        *("batch", file, "-o", "out", "--expand", "--sizes", "512*512,1:1", "--seeds", "1-2"),
        *("--count", "1", "--json", "--rps", "0"),
    )
    records = stream(result)
    assert len(records) == 12
    assert Counter(record["line"] for record in records) == {1: 8, 2: 4}
    found = sorted((record["line"], record["variant"]) for record in records)
    assert found == [*((1, n) for n in range(1, 9)), *((2, n) for n in range(1, 5))]
    assert {record["seed"] for record in records} == {1, 2}
    assert {record["size"] for record in records} == {"512*512", "1024*1024"}


def test_standard_input_and_other_formats(service: Any, work: Path) -> None:
    csv = 'prompt,size,seed,output\n"two\nlines",512*512,5,a.png\nkite,,,b.png\n'
    args = ("batch", "-", "--input-format", "csv", "-o", "out", "--json", *FAST)
    records = stream(service(*args, stdin=csv))
    assert {(record["line"], record["prompt"]) for record in records} == {
        (2, "two\nlines"),
        (4, "kite"),
    }
    assert pngs(work / "out") == {"a.png", "b.png"}
    # Piped, it says by its header what it is.
    again = service("batch", "-", "-o", "out", "--json", *FAST, stdin=csv)
    assert statuses(stream(again)) == {"skipped": 2}


def test_the_sandbox_of_its_own_needs_no_key(zimage: Any, write: Any, work: Path) -> None:
    result = zimage("batch", write(*kites(3)), "--sandbox", "-o", "out", "--size", "512*512")
    told = result.stderr.splitlines()
    assert told[:-1] == [
        "pictures               3",
        "size                   512×512",
        "price                  free",
        "takes about            2 s",
        "region                 sandbox",
        "folder                 out/",
    ]
    assert re.fullmatch(r"✓ 3 saved in out/ · \d+ s", told[-1])
    assert len(pngs(work / "out")) == 3
    (evidence,) = (work / "output" / "aliyun-zimage-turbo").glob("*.json")
    assert len(json.loads(evidence.read_bytes())["pictures"]) == 3


# -- two at once ---------------------------------------------------------------------------------


def test_a_folder_takes_one_run_at_a_time(serve: Any, write: Any) -> None:
    service = serve()
    service.books.free = 0
    file = write(*kites(40))
    args = ("batch", file, "-o", "out", "-j", "2", *FAST)
    with service.popen(*args) as first:
        assert service.books.wait_for(lambda books: books.post_count >= 2)
        result = service(*args, status=2)
        assert "another zimage batch is writing to out" in result.stderr
        # Looking is free.
        assert "nothing was sent" in service(*args, "--dry-run").stderr
        first.kill()
        first.communicate()
    service.books.let_go.set()
    service(*args[:-1], "-j", "32", "--retry-lost", "--no-evidence")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_long_batch_stays_small(zimage: Any, work: Path) -> None:
    def peak(lines: int) -> int:
        path = work / f"{lines}.jsonl"
        path.write_text(
            "".join(
                json.dumps({"prompt": f"A kite of many colours over the sea, number {number}"})
                + "\n"
                for number in range(lines)
            )
        )
        # The children's peak is of the largest one so far: each is measured by a parent of its own.
        code = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        command = [*zimage.command, "batch", str(path), "--dry-run", "-o", "out"]
        done = subprocess.run(
            [sys.executable, "-c", code, *command],
            env=zimage.environment(NOWHERE),
            cwd=work,
            capture_output=True,
            check=True,
        )
        unit = 1 if sys.platform == "darwin" else 1024
        return int(done.stdout) * unit

    few, many = peak(100), peak(10_000)
    print(f"peak memory: {few / 2**20:.1f} MiB of 100 lines, {many / 2**20:.1f} MiB of 10,000")
    assert many <= 1.3 * few
    assert many < 90 * 2**20


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ten_thousand_saved_lines_are_not_worked_through_again(
    service: Any, write: Any, work: Path
) -> None:
    file = write(*kites(10_000))
    args = ("batch", file, "-o", "out", "-j", "8", *FAST)
    # A first run, ended after a few; the others are told to be saved as a run of them would have.
    service("batch", write(*kites(1), name="one"), "-o", "out", *FAST)
    _pretend_saved(work / "out", file)
    before = service.books.post_count
    with Path(file).open("a") as more:
        more.write("the last kite\n")
    began = time.monotonic()
    with service.popen(*args) as run:
        assert service.books.wait_for(lambda books: books.post_count > before, 60)
        print(f"10,000 saved lines: first call after {time.monotonic() - began:.2f} s")
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0
    assert service.books.post_count == before + 1
    assert "✓ 1 saved in out/ · 10,000 saved before · " in errors.decode()


def _pretend_saved(folder: Path, file: str) -> None:
    from zimage_cli.core.batch.reader import Invalid, JobReader, LineDefaults
    from zimage_cli.core.batch.source import open_source
    from zimage_cli.core.request.names import NameTemplate

    planner = JobReader(
        LineDefaults({"size": "512*512", "prompt_extend": False}, NameTemplate.parse())
    )
    (record,) = (json.loads(line) for line in (folder / "results.jsonl").read_bytes().splitlines())
    with open_source(file, None) as source, (folder / "results.jsonl").open("a") as journal:
        for item in planner.plan(source):
            assert not isinstance(item, Invalid)
            name = f"{item.number}.png"
            if item.id != record["job"]:
                (folder / name).write_bytes(b"")
                line = {**record, "line": item.line, "job": item.id, "file": name}
                journal.write(json.dumps(line) + "\n")


# -- the files -----------------------------------------------------------------------------------


def test_each_line_may_have_a_format_of_its_own(service: Any, write: Any, work: Path) -> None:
    from PIL import Image

    lines = [
        {"prompt": "a", "output": "sub/a.jpg"},
        {"prompt": "b", "output": "b.png"},
        {"prompt": "c", "name": "c.jpeg"},
        {"prompt": "d", "name": "d"},
        {"prompt": "e"},
    ]
    run = service("batch", write(*lines), "-o", "out", "--format", "webp", "--quality", "70", *FAST)
    assert sorted(Path(line).suffix for line in run.lines) == [
        *(".jpeg", ".jpg", ".png", ".webp", ".webp"),
    ]
    rows = {row["prompt"]: row for row in service.history()}
    assert [rows[name]["finish"] for name in "abcde"] == [
        *("jpeg 70", "png", "jpeg 70", "webp 70", "webp 70"),
    ]
    for row in rows.values():
        data = Path(row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        with Image.open(row["path"]) as image:
            assert image.format == row["finish"].split()[0].upper()
    # Another format makes no other picture of a line that is saved.
    run = service("batch", write(*lines), "-o", "out", "--no-metadata", *FAST)
    assert (run.lines, service.books.post_count) == ([], 5)


def test_a_format_that_no_line_can_have_is_refused(service: Any, write: Any, work: Path) -> None:
    lines = [{"prompt": "a", "output": "a.png"}, {"prompt": "b"}]
    run = service("batch", write(*lines), "-o", "out", "--quality", "70", *FAST, status=2)
    assert "--quality is for JPEG and WebP, and this makes PNG. Nothing was sent." in run.stderr
    args = ("-o", "out", "--name", "{seed}.png", "--format", "webp", *FAST)
    run = service("batch", write(*lines), *args, status=2)
    assert "--format webp and the file's name contradict each other" in run.stderr
    assert service.books.post_count == 0
    assert not (work / "out").exists()


def test_pictures_that_are_signed_are_told_of_once(serve: Any, write: Any) -> None:
    service = serve(picture_bytes=None, labels=("c2pa",))
    lines = [{"prompt": f"kite {number}"} for number in range(4)]
    run = service("batch", write(*lines), "-o", "out", *FAST)
    assert run.stderr.count("C2PA") == 1
    rows = service.history()
    assert [row["sha256"] for row in rows] == [row["served_sha256"] for row in rows]
