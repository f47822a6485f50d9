from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from zimage_cli.core import evidence

WHEN = datetime(2026, 10, 5, 23, 30, 1, 2345, tzinfo=timezone(timedelta(hours=8)))


def test_a_file_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    facts = {"prompt": "狐 \x1b\u202e\ud800", "n": 1}
    path = evidence.write(folder, facts, started=WHEN, number=42)
    # UTC, to the millisecond, with the number that history knows it by.
    assert path.name.startswith("20261005T153001.002Z-42-")
    assert path.suffix == ".json"
    assert json.loads(path.read_bytes()) == facts
    text = path.read_text("utf-8")
    assert "狐" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.endswith("}\n")


def test_runs_of_the_same_instant_have_files_of_their_own(tmp_path: Path) -> None:
    def write() -> None:
        for number in (None, 7):
            evidence.write(tmp_path / "e", {}, started=WHEN, number=number)

    threads = [threading.Thread(target=write) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list((tmp_path / "e").iterdir())) == 20


def test_an_update_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    path = evidence.write(tmp_path, {"a": 1, "b": 2}, started=datetime.now(UTC), number=1)
    evidence.update(path, b=3, c="狐")
    assert json.loads(path.read_bytes()) == {"a": 1, "b": 3, "c": "狐"}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"null", b"\xff", b"[" * 9999])
def test_what_is_no_evidence_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        evidence.update(path, a=1)
    assert path.read_bytes() == content
    with pytest.raises(OSError):
        evidence.update(tmp_path / "gone.json", a=1)


@pytest.mark.skipif(os.name == "nt", reason="links and named pipes are POSIX's")
def test_what_was_planted_in_the_place_of_evidence_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("other.json")
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("link.json", "pipe.json"):
        failed: list[OSError] = []

        def update(path: Path = tmp_path / name, failed: list[OSError] = failed) -> None:
            with pytest.raises(OSError) as caught:
                evidence.update(path, a=1)
            failed.append(caught.value)

        thread = threading.Thread(target=update, daemon=True)
        thread.start()
        thread.join(30)
        assert failed, "it hangs, or writes"
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "other.json").read_text() == "{}"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_it_is_nobody_elses_business(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = evidence.write(tmp_path, {}, started=WHEN, number=1)
        assert path.stat().st_mode & 0o777 == 0o600
        # One of an earlier zimage, when it is written again.
        path.chmod(0o644)
        evidence.update(path, a=1)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
