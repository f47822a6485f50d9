"""The skill: its commands run, its facts are those of the code, its references are up to date."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli.api.endpoint import REGIONS
from zimage_cli.api.payload import MODEL
from zimage_cli.cli.skill.files import FILES
from zimage_cli.cli.skill.references import render
from zimage_cli.core.advice import EXIT_STATUSES, error_document
from zimage_cli.core.request import sizes
from zimage_cli.core.request.prices import format_price, list_price
from zimage_cli.core.request.request import FIELDS, MAX_SEED, PROMPT_LIMIT
from zimage_cli.core.run.money import ASK_ABOVE
from zimage_cli.errors import UsageError

FOLDER = Path(zimage_cli.__file__).parent / "skill" / "zimage"
TEXTS = {name: (FOLDER / name).read_text(encoding="utf-8") for name in FILES}
SKILL = TEXTS["SKILL.md"]
KEY = "sk-0123456789abcdef0123456789abcdef"


def command_lines(text: str) -> list[str]:
    """Return every line of the blocks for a shell, and every `zimage …` in a sentence."""
    found = []
    for block, inline in re.findall(r"```(?:sh|bash)\n(.*?)```|`(zimage [^`]+)`", text, re.DOTALL):
        found += [line.strip() for line in (block or inline).splitlines() if line.strip()]
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".md")])
def test_every_command_line_runs(zimage: Any, work: Path, name: str, unpaced: None) -> None:
    lines = command_lines(TEXTS[name])
    assert len(lines) >= {"SKILL.md": 20}.get(name, 3)
    for line in lines:
        if line.startswith("zimage "):
            typed = f"{KEY}\n" if "set-key" in line else None
            zimage(*shlex.split(line)[1:], env={"ZIMAGE_REGION": "sandbox"}, stdin=typed)
        else:
            assert line.startswith(("echo ", "printf ")), line
            subprocess.run(["/bin/sh", "-c", line], cwd=work, check=True)
    if name == "SKILL.md":
        assert (work / "output" / "aliyun-zimage-turbo" / "validate.txt").is_file()
        # Two, one of the file, four of the sweep, and the one like the last.
        assert len([*(work / "output" / "ai-image-zimage-turbo" / "images").glob("*.png")]) == 8
        assert len([*(work / "pictures").glob("*.png")]) == 2


def test_it_is_a_skill_by_the_specification() -> None:
    pytest.importorskip("skills_ref")
    command = Path(sysconfig.get_path("scripts")) / "agentskills"
    done = subprocess.run(
        [command, "validate", FOLDER], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(SKILL.splitlines()) <= 200


def test_it_is_found_by_what_people_say_and_not_by_what_it_cannot_do() -> None:
    strictyaml = pytest.importorskip("strictyaml")
    about = strictyaml.load(SKILL.split("---\n")[1]).data["description"]
    use, never = about.split("Not for ")
    for word in ("文生图", "画图", "生成图片", "draw", "generate", "z-image-turbo"):
        assert word in use
    for word in ("editing", "改图", "video", "other models"):
        assert word in never
    assert len(about) <= 1024
    agent = strictyaml.load(TEXTS["agents/openai.yaml"]).data
    assert 25 <= len(agent["interface"]["short_description"]) <= 64
    assert "$zimage" in agent["interface"]["default_prompt"]
    assert agent["policy"] == {"allow_implicit_invocation": "true"}


@pytest.mark.parametrize("name", ["SKILL.md", "references/errors.md"])
def test_what_is_paid_already_is_not_asked_for_again(name: str) -> None:
    """Every exit status may be that of a run which saved some of its pictures."""
    before, after = TEXTS[name].split("`status` `partial`")
    assert "once more in a minute" in after
    assert "same command once more" not in before


def test_the_references_are_up_to_date() -> None:
    for name, text in render().items():
        assert TEXTS[name] == text, "python -m zimage_cli.cli.skill.references makes it anew"
    for number, meaning in EXIT_STATUSES.items():
        assert f"### {number}: {meaning}\n\n- Do" in TEXTS["references/errors.md"]
    told = TEXTS["references/errors.md"].split("Each of its `errors` has")[1].split(". ")[0]
    assert set(re.findall(r"`(\w+)`", told)) == error_document(UsageError("No.")).keys()


def test_one_command_writes_them(zimage: Any, tmp_path: Path) -> None:
    (tmp_path / "references").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "zimage_cli.cli.skill.references", str(tmp_path)],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == [str(tmp_path / name) for name in render()]
    for name, text in render().items():
        assert (tmp_path / name).read_text("utf-8") == text


def test_no_command_of_it_fills_a_models_memory() -> None:
    for line in (line for text in TEXTS.values() for line in command_lines(text)):
        assert "schema request" not in line or "--for" in line, line


def test_links_lead_to_files_of_the_skill() -> None:
    headings = {
        re.sub(r"[^a-z -]", "", line.lower()).strip().replace(" ", "-")
        for line in SKILL.splitlines()
        if line.startswith("#")
    }
    links = re.findall(r"\]\(([^)]+)\)", SKILL)
    assert {"references/commands.md", "references/errors.md"} <= {*links}
    for link in links:
        assert link in FILES or link.removeprefix("#") in headings, link


def test_prices_and_limits_are_those_of_the_code() -> None:
    for region in REGIONS:
        plain, extended = (format_price(list_price(region.name, wish)) for wish in (False, True))
        assert f"| `{region.name}` | {plain} | {extended} |" in SKILL
    assert f"CNY {ASK_ABOVE['CNY']} or USD {ASK_ABOVE['USD']}" in " ".join(SKILL.split())
    assert f"{sizes.MIN_PIXELS:,} to {sizes.MAX_PIXELS:,}" in SKILL
    assert f"`{' '.join(sizes.RATIOS)}`" in SKILL
    for size in re.findall(r"`(\d+[*]\d+)`", SKILL):
        assert size in {one.text for one in sizes.RECOMMENDED}
    assert f"default `{sizes.DEFAULT_SIZE}`" in SKILL
    assert f"first {PROMPT_LIMIT} characters" in SKILL
    assert f"0 to {MAX_SEED}" in SKILL
    assert f"`{MODEL}`" in SKILL
    rows = re.findall(r"^\| `(\w+)` \| (?:`--|the first)", SKILL, re.MULTILINE)
    assert tuple(rows) == FIELDS
    statuses = [int(number) for number in re.findall(r"^\| (\d+) \|", SKILL, re.MULTILINE)]
    assert statuses == [one for one in EXIT_STATUSES if one not in {0, 1, 130}]


def test_the_fields_of_the_response_are_those_that_are_printed(zimage: Any, unpaced: None) -> None:
    section = SKILL.split("## The response")[1].split("`image.generate`:")[1]
    response, more = (re.findall(r"`(\w+)`", part) for part in section.split("\n\n")[1:3])
    run = zimage("generate", "a lake", "--sandbox", "--print-response")
    assert list(run.json) == response
    run = zimage("generate", "a lake", "--sandbox", "--json")
    assert {*response, *more} <= run.json["images"][0].keys()
    assert {"path", "seed", "cost"} < {*more}


@pytest.mark.parametrize("name", FILES)
def test_show_prints_a_file_as_it_is(zimage: Any, name: str) -> None:
    assert zimage("skill", "show", name).stdout == TEXTS[name]


def test_show_begins_with_the_skill_and_names_the_other_files(zimage: Any) -> None:
    assert zimage("skill", "show").stdout == SKILL
    run = zimage("skill", "show", "README.md", status=2)
    assert run.stdout == ""
    assert ", ".join(FILES) in run.stderr
