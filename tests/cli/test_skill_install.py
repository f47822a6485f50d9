"""`zimage skill install`: where it goes, and that nothing of a person's is overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.cli.skill.files import AGENTS, FILES, shipped
from zimage_cli.cli.skill.install import MANIFEST, hashes_in

ALL = [*FILES, MANIFEST]
COMMON, CLAUDE = ".agents/skills/zimage", ".claude/skills/zimage"


def tables(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.just("files") | st.text(), values)


def actions(run: Any, folder: Path) -> dict[str, str]:
    return {str(Path(one["path"]).relative_to(folder)): one["action"] for one in run.json["files"]}


def is_whole(folder: Path) -> bool:
    return all((folder / name).read_bytes() == shipped(name) for name in FILES)


def test_a_project_gets_it_at_its_root(zimage: Any, work: Path, home: Path, files: Any) -> None:
    (work / ".git").mkdir()
    below = work / "src" / "deep"
    below.mkdir(parents=True)
    run = zimage("skill", "install", cwd=below)
    assert run.lines == [str(work / COMMON / name) for name in ALL]
    assert run.stderr == "Agents that are started from now on find it.\n"
    assert is_whole(work / COMMON)
    assert files(work) == {f"{COMMON}/{name}" for name in ALL}
    assert files(home) == set()


def test_without_git_the_current_folder_is_the_project(zimage: Any, work: Path) -> None:
    zimage("skill", "install", "--project")
    assert is_whole(work / COMMON)


def test_again_nothing_is_written(zimage: Any, work: Path) -> None:
    zimage("skill", "install")
    before = {name: (work / COMMON / name).stat().st_mtime_ns for name in ALL}
    run = zimage("skill", "install")
    assert run.stdout == ""
    assert all(f"{work / COMMON / name} is there already\n" in run.stderr for name in FILES)
    assert before == {name: (work / COMMON / name).stat().st_mtime_ns for name in ALL}


def test_agents_that_are_there_get_it_too(zimage: Any, work: Path, home: Path) -> None:
    for name in (".claude", ".qwen", ".cursor"):
        (work / name).mkdir()
        (home / name).mkdir()
    told = actions(zimage("skill", "install", "--json"), work)
    # In a project, Cursor looks into the common folder.
    assert {str(Path(name).parents[0]) for name in told if name.endswith("SKILL.md")} == {
        *(COMMON, CLAUDE, ".qwen/skills/zimage")
    }
    assert set(told.values()) == {"written"}
    assert not list(home.rglob("SKILL.md"))
    told = actions(zimage("skill", "install", "--user", "--json"), home)
    assert {str(Path(name).parents[0]) for name in told if name.endswith("SKILL.md")} == {
        *(COMMON, CLAUDE, ".qwen/skills/zimage", ".cursor/skills/zimage")
    }


def test_an_agent_that_is_named_gets_it_alone(zimage: Any, work: Path, home: Path) -> None:
    (work / ".qwen").mkdir()
    run = zimage("skill", "install", "--agent", "claude", "--agent", "claude")
    assert run.lines == [str(work / CLAUDE / name) for name in ALL]
    run = zimage("skill", "install", "--agent", "codex", "--agent", "cursor", "--user")
    places = [home / COMMON, home / ".cursor/skills/zimage"]
    assert run.lines == [str(place / name) for place in places for name in ALL]


def test_an_edited_file_stays_unless_it_is_forced(zimage: Any, work: Path) -> None:
    zimage("skill", "install")
    skill, errors = work / COMMON / "SKILL.md", work / COMMON / "references" / "errors.md"
    skill.write_text("mine")
    errors.unlink()
    run = zimage("skill", "install", "--json", status=2)
    assert actions(run, work / COMMON) == {
        "SKILL.md": "kept",
        "references/commands.md": "unchanged",
        "references/errors.md": "written",
        "agents/openai.yaml": "unchanged",
    }
    assert run.json["status"] == "partial"
    [error] = run.json["errors"]
    assert error["message"] == f"{skill} is not as zimage wrote it, and stays."
    assert "--force" in error["hint"]
    assert skill.read_text() == "mine"
    assert errors.read_bytes() == shipped("references/errors.md")
    run = zimage("skill", "install", "--force")
    assert run.lines == [str(skill)]
    assert is_whole(work / COMMON)


def test_what_an_older_zimage_wrote_is_updated(zimage: Any, work: Path) -> None:
    from hashlib import sha256

    zimage("skill", "install")
    folder = work / COMMON
    manifest = json.loads((folder / MANIFEST).read_text())
    for name in ("SKILL.md", "agents/openai.yaml"):
        (folder / name).write_text("of an older version")
        manifest["files"][name] = sha256(b"of an older version").hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / "agents" / "openai.yaml").write_text("of an older version, and edited")
    run = zimage("skill", "install", "--json", status=2)
    assert actions(run, folder) == {
        "SKILL.md": "updated",
        "references/commands.md": "unchanged",
        "references/errors.md": "unchanged",
        "agents/openai.yaml": "kept",
        MANIFEST: "updated",
    }
    # It is still known what the edited one was.
    after = json.loads((folder / MANIFEST).read_text())["files"]
    assert after["agents/openai.yaml"] == manifest["files"]["agents/openai.yaml"]
    assert after["SKILL.md"] == sha256(shipped("SKILL.md")).hexdigest()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 7}', '{"files": {"SKILL.md": 7}}'])
def test_a_manifest_that_says_nothing_makes_every_other_file_an_edited_one(
    zimage: Any, work: Path, text: str
) -> None:
    folder = work / COMMON
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(text)
    (folder / "SKILL.md").write_text("of somebody")
    told = actions(zimage("skill", "install", "--json", status=2), folder)
    assert (told["SKILL.md"], told["agents/openai.yaml"]) == ("kept", "written")
    assert (folder / "SKILL.md").read_text() == "of somebody"


@given(st.binary() | st.recursive(st.none() | st.text(), lambda of: st.lists(of) | tables(of)))
def test_any_manifest_is_hashes_or_nothing(found: object) -> None:
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    told = hashes_in(data)
    assert all(isinstance(one, str) for pair in told.items() for one in pair)
    assert hashes_in(json.dumps({"files": told}).encode()) == told


def test_other_line_ends_are_no_edit(zimage: Any, work: Path) -> None:
    zimage("skill", "install")
    skill = work / COMMON / "SKILL.md"
    skill.write_bytes(shipped("SKILL.md").replace(b"\n", b"\r\n"))
    assert zimage("skill", "install").stdout == ""
    assert b"\r\n" in skill.read_bytes()


def test_two_at_once_leave_it_whole(zimage: Any, work: Path, files: Any) -> None:
    running = [zimage.popen("skill", "install", "--json") for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    assert is_whole(work / COMMON)
    assert files(work / COMMON) == {*ALL}


def test_what_a_killed_one_left_is_finished_and_cleared_away(
    zimage: Any, work: Path, files: Any
) -> None:
    zimage("skill", "install")
    folder = work / COMMON
    (folder / MANIFEST).unlink()
    for name in FILES[2:]:
        (folder / name).unlink()
    (folder / "references" / ".zimage-0123456789ab.part").write_text("hal")
    told = actions(zimage("skill", "install", "--json"), folder)
    assert [*told.values()] == ["unchanged"] * 2 + ["written"] * 3
    assert is_whole(folder)
    assert files(folder) == {*ALL}


def test_folders_that_are_linked_in_the_project_are_one(zimage: Any, work: Path) -> None:
    (work / ".claude").mkdir()
    (work / ".claude" / "skills").symlink_to("../.agents/skills")
    (work / ".agents" / "skills").mkdir(parents=True)
    told = actions(zimage("skill", "install", "--json"), work)
    assert told[f"{COMMON}/SKILL.md"] == "written"
    assert told[f"{CLAUDE}/SKILL.md"] == "unchanged"


def test_nothing_is_written_through_a_link_that_leads_outside(
    zimage: Any, work: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (work / ".agents").symlink_to(outside)
    (work / ".claude").mkdir()
    run = zimage("skill", "install", "--force", "--json", status=2)
    assert list(outside.iterdir()) == []
    assert is_whole(work / CLAUDE)
    assert run.json["status"] == "partial"
    assert f"leads to {outside.resolve()}" in run.json["errors"][0]["message"]


def test_a_linked_file_is_kept_or_replaced_and_never_written_through(
    zimage: Any, work: Path, tmp_path: Path
) -> None:
    folder, mine = work / COMMON, tmp_path / "mine.md"
    folder.mkdir(parents=True)
    mine.write_bytes(b"mine")
    (folder / "SKILL.md").symlink_to(mine)
    zimage("skill", "install", status=2)
    assert (folder / "SKILL.md").is_symlink()
    zimage("skill", "install", "--force")
    assert not (folder / "SKILL.md").is_symlink()
    assert is_whole(folder)
    assert mine.read_bytes() == b"mine"


def test_a_folder_that_takes_no_file_is_told(zimage: Any, work: Path) -> None:
    (work / ".agents").write_text("a file")
    run = zimage("skill", "install", "--json", status=2)
    assert (run.json["status"], run.json["files"]) == ("error", [])
    # One cause is told once.
    [error] = run.json["errors"]
    assert error["message"].startswith(f"{work / COMMON / 'SKILL.md'} cannot be written: ")
    assert error["type"] == "configuration"
    assert error["hint"] == "Put it in place yourself: zimage skill show"


def test_what_could_not_be_updated_is_still_known_as_ours(zimage: Any, work: Path) -> None:
    from hashlib import sha256

    zimage("skill", "install")
    folder = work / COMMON
    old = dict.fromkeys(FILES, b"of an older version")
    for name, data in old.items():
        (folder / name).write_bytes(data)
    hashes = {name: sha256(data).hexdigest() for name, data in old.items()}
    (folder / MANIFEST).write_text(json.dumps({"files": hashes}))
    references = folder / "references"
    references.rename(work / "aside")
    references.write_text("a file")
    assert len(zimage("skill", "install", "--json", status=2).json["errors"]) == 1
    references.unlink()
    (work / "aside").rename(references)
    told = actions(zimage("skill", "install", "--json"), folder)
    assert (told["SKILL.md"], told["references/errors.md"]) == ("unchanged", "updated")
    assert is_whole(folder)


@pytest.mark.skipif(os.name == "nt", reason="POSIX homes")
def test_without_a_home_folder_nothing_is_written(zimage: Any, work: Path, files: Any) -> None:
    for home in (None, "", "relative", str(work / "gone")):
        run = zimage("skill", "install", "--user", env={"HOME": home}, status=2)
        assert "there is no home folder to install into" in run.stderr
        assert run.stdout == ""
    assert files(work) == set()


def test_what_cannot_be_meant_is_refused(zimage: Any, work: Path, files: Any) -> None:
    run = zimage("skill", "install", "--agent", "emacs", "--json", status=2)
    [error] = run.json["errors"]
    assert (error["field"], error["value"]) == ("agent", "emacs")
    assert error["allowed"] == ", ".join(AGENTS)
    assert run.json["files"] == []
    assert "two places" in zimage("skill", "install", "--project", "--user", status=2).stderr
    assert files(work) == set()
