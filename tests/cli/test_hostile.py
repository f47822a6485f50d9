"""Text from outside is data: it acts on no terminal and leaves no folder."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from as_served import as_served

from zimage_cli.text import is_safe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names and terminals")

# CSI, OSC title and link, C1, BEL, bidi, isolates, zero width, BOM, DEL, soft hyphen, tag, markup.
HOSTILE = (
    "\x1b[2J\x1b]0;title\x07\x1b]8;;http://x.invalid\x1b\\link\x9b31m\u202egnp.exe\u202c\u2066"
    "\u200b\ufeff\x7f\u00ad\U000e0041[bold]x[/bold]:smile:"
)
UNSEEN = "\u202egnp.exe\u202c\u2066\u200b\ufeff\u00ad\U000e0041 fox [bold]x[/bold] :smile:"
SLUGS = (
    "../../../etc/passwd",
    ".hidden",
    "con",
    "-rf --no-preserve-root",
    "$(id) `id` ; rm -rf *",
    "🦊" * 100,
    "狐" * 300,
)


def unsafe(text: str) -> list[str]:
    return sorted({f"U+{ord(char):04X}" for char in text if char != "\n" and not is_safe(char)})


def untabbed(text: str) -> str:
    """Return text without the tabs of a table: as many on each of its lines as in its header."""
    header, *rest = text.split("\n")
    assert {line.count("\t") for line in rest} <= {0, header.count("\t")}
    return text.replace("\t", "")


def shown(run: Any) -> str:
    """Return what a run wrote, having checked that nothing of it is unsafe."""
    assert unsafe(untabbed(run.stdout) + untabbed(run.stderr)) == []
    assert "Traceback" not in run.stderr
    assert "bug" not in run.stderr
    return run.stdout + run.stderr


def test_unseen_characters_of_a_prompt_are_sent_and_shown(service: Any) -> None:
    run = service.generate(UNSEEN, "--prompt-extend", "--json")
    shown(run)
    assert service.books.billed[0].prompt == UNSEEN
    assert run.json["images"][0]["prompt"] == UNSEEN
    assert service.history()[0]["prompt"] == UNSEEN
    for args in (("list",), ("show", "1"), ("show", "1", "--json"), ("list", "--json")):
        run = service("history", *args)
        # A pipe gets a prompt exactly only in JSON, where it is escaped.
        assert "\\u202e" in shown(run)
    assert "\\u202e" in shown(service.generate(UNSEEN, "--dry-run"))
    (evidence,) = (service.work / "output" / "aliyun-zimage-turbo").iterdir()
    assert unsafe(evidence.read_text()) == []


def test_control_characters_in_a_prompt_are_a_usage_error(service: Any) -> None:
    for args, stdin in (((HOSTILE,), None), (("-",), HOSTILE), (("-",), "a\0b")):
        run = service.generate(*args, "--json", stdin=stdin, status=2)
        assert "control character" in shown(run) or "NUL" in shown(run)
    request = json.dumps({"prompt": HOSTILE, HOSTILE: HOSTILE, "size": HOSTILE})
    assert "3 problems" in shown(service("generate", "--request", request, status=2))
    assert service.books.post_count == 0


def test_undecodable_bytes_are_an_error_and_no_crash(service: Any) -> None:
    for name in ("prompt", "--size", "--file", "--request", "--name"):
        args = ("\udcff\udcfe",) if name == "prompt" else ("a", name, "\udcff\udcfe")
        shown(service("generate", *args, status=2))
    shown(service("history", "show", "\udcff", status=2))
    assert service.books.post_count == 0


def test_undecodable_folder_names_work(service: Any, png: bytes) -> None:
    run = service.generate("a fox", "-o", "\udcff/\udcfe.png")
    assert run.stdout_bytes == b"\xff/\xfe.png\n"
    data = (service.work / os.fsdecode(b"\xff") / os.fsdecode(b"\xfe.png")).read_bytes()
    assert as_served(data) == png
    (row,) = service.history()
    assert row["status"] == "saved"
    run = service.generate("a fox", "-o", "\udcff/\udcfe.png", "--json")
    assert run.json["images"][0]["path"].endswith("/\udcff/\udcfe-2.png")
    shown(service("history", "show", "1"))
    shown(service("history", "list"))


def test_hostile_answers(unpaced: None, service: Any, terminal: Any) -> None:
    service.script("hostile-text", "hostile-error", "hostile-text", "hostile-error")
    run = service.generate("a fox", "--prompt-extend", "--json")
    shown(run)
    assert "\x1b]0;title\x07" in run.json["images"][0]["rewritten_prompt"]
    assert "\\x1b]0;title" in shown(service.generate("a fox", status=2))
    for args in (("show", "1"), ("show", "2"), ("list",), ("show", "2", "--json")):
        shown(service("history", *args))
    for path in (service.work / "output" / "aliyun-zimage-turbo").iterdir():
        assert unsafe(path.read_text()) == []
    # On a dumb terminal not one escape sequence is ours.
    env = {**service.env, "TERM": "dumb"}
    for status in (0, 2):
        screen = terminal("generate", "a fox", "--prompt-extend", env=env, columns=100)
        assert screen.end() == status
        assert unsafe(screen.raw.replace("\r\n", "\n")) == []
    for args in (("show", "1"), ("list",)):
        screen = terminal("history", *args, env=env)
        assert screen.end() == 0
        assert unsafe(screen.raw.replace("\r\n", "\n")) == []


def test_no_prompt_leads_out_of_the_folder(unpaced: None, service: Any, files: Any) -> None:
    before = files(service.work.parent)
    for prompt in SLUGS:
        run = service.generate("--size", "512x512", "--", prompt)
        (path,) = (service.work / line for line in run.lines)
        assert path.parent == service.images
        assert path.is_file()
        assert len(os.fsencode(path.name)) <= 200
        assert not path.name.startswith((".", "-"))
    made = files(service.work.parent) - before
    assert {name.split("/")[0] for name in made} == {"home", "work"}
    assert {name.split("/")[1] for name in made if name.startswith("work")} == {"output"}


def test_hostile_names(service: Any, terminal: Any) -> None:
    for template in (HOSTILE, "../{slug}", "/tmp/{slug}", "a\\b", ".{slug}", "{slug.__class__}"):
        shown(service.generate("a fox", "--name", template, status=2))
    shown(service.generate("a fox", "-o", f"{HOSTILE}.gif", status=2))
    shown(service.generate("a fox", "-o", f"missing\x1b[31m{'x' * 300}/y.png", status=2))
    assert service.books.post_count == 0
    name = "\x1b]0;t\x07\u202egnp.png"
    screen = terminal(
        "generate", "a fox", "-o", name, env={**service.env, "TERM": "dumb"}, columns=100
    )
    assert screen.end() == 0
    assert unsafe(screen.raw.replace("\r\n", "\n")) == []
    assert (service.work / name).is_file()
    # A pipe gets the path as it is, or nobody could open the file.
    run = service.generate("a fox", "-o", name)
    assert (service.work / run.stdout[:-1]).is_file()
    assert unsafe(run.stderr) == []


@pytest.mark.parametrize(
    "variable",
    [
        "ZIMAGE_REGION",
        "DASHSCOPE_API_REGION",
        "ZIMAGE_ENDPOINT",
        "DASHSCOPE_WORKSPACE_ID",
        "DASHSCOPE_BASE_URL",
        "DASHSCOPE_API_KEY",
        "DASHSCOPE_API_KEY_FILE_PATH",
        "OUTPUT_DIR",
        "ZIMAGE_HOME",
        "HOME",
        "XDG_CONFIG_HOME",
        "COLUMNS",
        "TERM",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ],
)
def test_hostile_environment(service: Any, variable: str) -> None:
    run = service.generate("a fox", "--retries", "0", env={variable: HOSTILE}, status=(0, 2, 3, 6))
    assert shown(run)
    # A picture, or an error that says why not.
    assert ("error: " in run.stderr) == (run.status != 0)
    assert len(service.pictures()) <= (run.status == 0)


def test_a_hostile_home_that_cannot_be_used(service: Any) -> None:
    run = service.generate("a fox", env={"ZIMAGE_HOME": f"/dev/null/{HOSTILE}"}, status=(0, 2))
    assert "\\x1b[2J" in shown(run)


def test_hostile_settings(service: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    for text in (
        f"size = {json.dumps(HOSTILE)}\n",
        f"{json.dumps(HOSTILE)} = 1\n",
        f"size = {HOSTILE}\n",
        f"[keys]\n{json.dumps(HOSTILE)} = {json.dumps(HOSTILE)}\n",
        f"output_dir = {json.dumps(HOSTILE)}\n",
        f"region = {json.dumps(HOSTILE)}\n",
    ):
        config_file.write_text(text)
        config_file.chmod(0o600)
        run = service.generate("a fox", status=(0, 2))
        assert ("error: " in shown(run)) == (run.status == 2)
    assert "error: " in shown(service("validate", status=2))


def test_a_history_that_others_wrote(service: Any, home: Path) -> None:
    import sqlite3

    service.generate("a fox")
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        db.execute(
            "UPDATE generation SET prompt=?, path=?, region=?, endpoint=?, reasoning=?, size=?, "
            "request_id=?, error=?, evidence_path=?",
            [*[HOSTILE] * 7, json.dumps({"message": HOSTILE, "code": HOSTILE}), HOSTILE],
        )
    for args, escape in (
        (("list",), "\\x1b[2J"),
        (("show", "1"), "\\x1b[2J"),
        (("show", "1", "--json"), "\\u001b[2J"),
    ):
        assert escape in shown(service("history", *args))
    assert "\x1b" not in shown(service("history", "recover"))
