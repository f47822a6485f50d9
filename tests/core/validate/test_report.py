from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli.core.history.file import MIGRATIONS
from zimage_cli.core.history.history import History
from zimage_cli.core.settings.config_file import read
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, resolve
from zimage_cli.core.validate.report import (
    READY,
    Check,
    check_code,
    check_settings,
    validate,
    verdict,
    write_report,
)
from zimage_cli.errors import UsageError
from zimage_cli.messages import Message

KEY = "sk-0123456789abcdef0123456789abcdef"


def checks(home: Path, config: str | None = None, **variables: str) -> dict[str, Check]:
    folder = home / ".config" / "zimage"
    if config is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(config)
        (folder / "config.toml").chmod(0o600)
    environment = Environment(variables, home)
    path = environment.config_file()
    settings = resolve(environment, Flags(), config=read(path) if path else None)
    return {check.name: check for check in check_settings(settings)}


def statuses(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.status for name, check in found.items()}


def test_the_code_is_this_version_on_this_python() -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    found = f"zimage {zimage_cli.__version__}, Python {python}"
    assert check_code() == Check("code", "ok", found)


def test_the_verdict(home: Path) -> None:
    nowhere = checks(home)["key"]
    assert str(verdict([nowhere])) == (
        "Not ready: no key for beijing. zimage config set-key --region beijing"
    )
    bad = Check("config", "failed", Message("odd"))
    assert str(verdict([bad, nowhere])) == "Not ready: the check of config failed."
    assert str(verdict([bad, nowhere, bad])) == "Not ready: 2 checks failed."
    # What is only worth knowing keeps nobody from a picture.
    assert verdict([Check("history", "warning", Message("read-only"), Message("a hint"))]) == READY
    assert str(READY) == "Ready."


def test_all_is_well(home: Path, work: Path) -> None:
    found = checks(home, DASHSCOPE_API_KEY=KEY)
    assert statuses(found) == dict.fromkeys(
        ("config", "region", "endpoint", "key", "output", "history"), "ok"
    )
    assert found["key"].detail == "sk-…cdef (environment DASHSCOPE_API_KEY)"
    assert str(work / "output") in found["output"].detail
    assert found["history"].detail == str(home / ".local" / "share" / "zimage" / "history.db")
    # Neither a lock nor a reserve of disk: nothing is sent.
    assert [path.name for path in (home / ".local" / "share" / "zimage").iterdir()] == [
        "history.db"
    ]
    assert "https://dashscope.aliyuncs.com/api/v1" in found["endpoint"].detail
    assert KEY not in repr(found)


def test_no_key_is_a_warning_with_a_way_out(home: Path) -> None:
    found = checks(home, DASHSCOPE_API_REGION="ap-southeast-1")
    assert found["key"].status == "warning"
    assert found["key"].hint == "zimage config set-key --region singapore"
    assert "singapore" in found["region"].detail


def test_the_sandbox_needs_no_key(home: Path) -> None:
    assert checks(home, ZIMAGE_REGION="sandbox")["key"].status == "ok"


def test_a_key_that_is_none_fails_without_being_shown(home: Path) -> None:
    found = checks(home, DASHSCOPE_API_KEY="sk-sp-0123456789abcdef0123456789")
    assert found["key"].status == "failed"
    assert "0123456789abcdef" not in repr(found)


def test_a_folder_that_cannot_be_written_fails(home: Path, work: Path) -> None:
    (work / "taken").write_text("x")
    found = checks(home, OUTPUT_DIR="taken")
    assert found["output"].status == "failed"
    assert "a file is in the way" in found["output"].detail
    assert found["output"].hint


def test_an_output_folder_with_spaces_and_han_letters(home: Path, work: Path) -> None:
    found = checks(home, OUTPUT_DIR="mes images 画")
    assert found["output"].status == "ok"
    assert (work / "mes images 画").is_dir()


@pytest.mark.parametrize("kind", ["text", "folder", "newer"])
def test_a_history_that_cannot_be_kept_is_a_warning(home: Path, kind: str) -> None:
    path = home / ".local" / "share" / "zimage" / "history.db"
    path.parent.mkdir(parents=True)
    match kind:
        case "text":
            path.write_text("no database " * 100)
        case "folder":
            path.mkdir()
        case "newer":
            History(path).close()
            with closing(sqlite3.connect(path)) as db:
                db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    found = checks(home)
    assert found["history"].status == "warning"
    assert str(path) in found["history"].detail
    assert found["history"].hint == (
        "Pictures are still made and saved; what is made is not remembered."
    )


def test_a_locked_history_is_a_warning_that_says_so(home: Path) -> None:
    path = home / ".local" / "share" / "zimage" / "history.db"
    path.parent.mkdir(parents=True)
    History(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 2")
        db.execute("BEGIN EXCLUSIVE")
        found = checks(home)["history"]
    assert (found.status, found.detail) == (
        "warning",
        f"The history {path} is locked by another program. Until then nothing is sent.",
    )
    assert "sqlite3" in (found.hint or "")


def test_without_a_home_there_is_no_history() -> None:
    settings = resolve(Environment({}, None), Flags())
    found = {check.name: check for check in check_settings(settings)}
    assert (found["history"].status, found["history"].detail) == (
        "warning",
        "no home folder is known",
    )


def test_a_whole_validation(home: Path, work: Path) -> None:
    environment = Environment({}, home)
    asked = {"prompt": "a fox", "size": "16:9", "seed": 3}
    report = validate(
        environment, Flags(sandbox=True), request=lambda: (asked, {"seed": 4}), online=True
    )
    assert [check.name for check in report.checks[-2:]] == ["request", "online"]
    assert report.checks[-2] == Check("request", "ok", Message("1280*720, seed 4"))
    assert report.checks[-1].detail.startswith("http://127.0.0.1:")
    assert (report.errors, report.exit_status, report.base) == ([], 0, Path("output"))
    report.write()
    assert Path("output/aliyun-zimage-turbo/validate.txt").is_file()


def test_what_cannot_be_read_fails_the_request_and_stops_nothing(home: Path, work: Path) -> None:
    error = UsageError("no such file")

    def read() -> Any:
        raise error

    report = validate(Environment({}, home), Flags(sandbox=True), request=read, online=True)
    assert report.checks[-2] == Check("request", "failed", "no such file", None, error)
    assert report.checks[-1].status == "ok"
    assert (report.errors, report.exit_status) == ([error], 2)


def test_the_service_decides_the_status_where_all_else_is_well(home: Path, work: Path) -> None:
    report = validate(Environment({}, home), Flags(), online=True)
    assert (report.checks[-1].name, report.checks[-1].status) == ("online", "failed")
    assert report.exit_status == 3
    (work / "taken").write_text("")
    assert validate(Environment({}, home), Flags(output_dir="taken"), online=True).exit_status == 2


def test_the_report(work: Path) -> None:
    found = [
        Check("code", "ok", "zimage 1, Python 3"),
        Check("config", "warning", "odd \x1b[31m\u202e\ud800 path\nwith a line", "a hint"),
        Check("output", "failed", "/画: a file is in the way"),
    ]
    path = write_report(work / "base", found)
    assert path == work / "base" / "aliyun-zimage-turbo" / "validate.txt"
    assert path.read_text("utf-8") == (
        "py_compile_ok\n"
        "ok code: zimage 1, Python 3\n"
        "warning config: odd \\x1b[31m\\u202e\\ud800 path\\nwith a line\n"
        "failed output: /画: a file is in the way\n"
        "Not ready: the check of output failed.\n"
    )


@pytest.mark.parametrize("found", [[], [Check("code", "failed", "broken.py: invalid syntax")]])
def test_a_report_of_code_that_does_not_compile(work: Path, found: list[Check]) -> None:
    assert write_report(work, found).read_text().startswith("py_compile_failed\n")


def test_a_report_that_cannot_be_written_leaves_the_old_one(work: Path) -> None:
    path = write_report(work, [])
    before = path.read_bytes()
    (work / "taken").write_text("x")
    with pytest.raises(OSError):
        write_report(work / "taken", [])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["validate.txt"]


def test_what_a_killed_check_left_goes_with_the_next(work: Path) -> None:
    path = write_report(work, [])
    path.with_name(".zimage-0123456789ab.part").write_text("half")
    write_report(work, [])
    assert [file.name for file in path.parent.iterdir()] == ["validate.txt"]


def test_a_module_that_does_not_compile_is_named(zimage: Any, tmp_path: Path) -> None:
    """A copy of the package with one broken module, checked by its own command."""
    import shutil

    copy = tmp_path / "installed"
    shutil.copytree(
        Path(zimage_cli.__file__).parent,
        copy / "zimage_cli",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (copy / "zimage_cli" / "broken.py").write_text("def (:\n")
    done = zimage("validate", status=2, env={"PYTHONPATH": str(copy)})
    assert "broken.py" in done.stderr
    report = zimage.cwd / "output" / "aliyun-zimage-turbo" / "validate.txt"
    assert report.read_text().startswith("py_compile_failed\nfailed code: ")
