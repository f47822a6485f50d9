"""What a picture is known by, and which lines no batch takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.batch.reader import Invalid, JobReader, LineDefaults
from zimage_cli.core.batch.records import Record
from zimage_cli.core.making.save import within
from zimage_cli.core.request.jobs import Job
from zimage_cli.core.request.names import NameTemplate
from zimage_cli.core.request.presets import Preset
from zimage_cli.core.request.request import Origin
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.core.wordfiles import WordFiles
from zimage_cli.errors import UsageError

DEFAULTS = LineDefaults({"size": "1024*1024"}, NameTemplate.parse())
EXPAND = Sweep(expand=True)


def plan(lines: Iterable[dict[str, Any]], **own: Any) -> list[Job | Invalid]:
    records = (Record(number, dict(line), None) for number, line in enumerate(lines, 1))
    return list(JobReader(replace(DEFAULTS, **own)).plan(records))


def items(lines: Iterable[dict[str, Any]], **own: Any) -> list[Job]:
    found = plan(lines, **own)
    assert not [entry for entry in found if isinstance(entry, Invalid)]
    return [entry for entry in found if isinstance(entry, Job)]


def keys(lines: Iterable[dict[str, Any]], **own: Any) -> list[bytes]:
    return [item.key for item in items(lines, **own)]


def problem(line: dict[str, Any], **own: Any) -> str:
    (found,) = plan([line], **own)
    assert isinstance(found, Invalid)
    return "; ".join(found.problems)


LINES = [{"prompt": "red"}, {"prompt": "blue", "seed": 3}, {"prompt": "red"}, {"prompt": "green"}]


def test_every_line_has_a_key_of_its_own_and_keeps_it() -> None:
    assert len(set(keys(LINES))) == 4
    assert keys(LINES) == keys(LINES)
    # Adding, removing and re-ordering lines moves nobody's.
    assert set(keys(reversed(LINES))) == set(keys(LINES))
    assert set(keys(LINES[1:])) < set(keys(LINES))
    assert set(keys([{"prompt": "new"}, *LINES])) > set(keys(LINES))


def test_equal_lines_are_told_apart_by_their_number() -> None:
    one, two, three = keys([{"prompt": "red"}] * 3)
    assert keys([{"prompt": "red"}] * 2) == [one, two]
    assert three not in {one, two}


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "red!"},
        {"prompt": "red", "seed": 1},
        {"prompt": "red", "size": "512*512"},
        {"prompt": "red", "prompt_extend": True},
        {"prompt": "red", "name": "{seed}.png"},
        {"prompt": "red", "output": "red.png"},
    ],
)
def test_a_line_that_asks_for_something_else_is_another_line(other: dict[str, Any]) -> None:
    assert keys([{"prompt": "red"}]) != keys([other])


@pytest.mark.parametrize(
    "same",
    [
        {"prompt": " red "},
        {"prompt": "red", "size": "1:1"},
        {"prompt": "red", "size": "1024x1024"},
        {"prompt": "red", "prompt_extend": False},
        {"prompt": "red", "count": 1},
        {"prompt": "red", "model": "z-image-turbo"},
    ],
)
def test_a_line_that_asks_for_the_same_is_the_same(same: dict[str, Any]) -> None:
    assert keys([{"prompt": "red"}]) == keys([same])


def test_fields_cannot_run_into_each_other() -> None:
    lines = [
        {"prompt": "red", "output": "a.png"},
        {"prompt": "red", "name": "a.png"},
        {"prompt": "red\n\tNone"},
        {"prompt": "red None"},
    ]
    assert len(set(keys(lines))) == len(lines)


def test_defaults_hold_for_lines_that_do_not_say() -> None:
    fields = {"size": "512*512", "seed": 9, "prompt_extend": True}
    silent, loud = items(
        [{"prompt": "red"}, {"prompt": "red", "size": "1:1", "seed": 1, "prompt_extend": False}],
        fields=fields,
    )
    request = silent.request
    assert (request.size, request.seed, request.prompt_extend) == ("512*512", 9, True)
    request = loud.request
    assert (request.size, request.seed, request.prompt_extend) == ("1024*1024", 1, False)


def test_count_multiplies_and_seeds_go_up() -> None:
    lines = [{"prompt": "red", "seed": 5, "count": 3}, {"prompt": "blue"}]
    found = items(lines, sweep=Sweep(count=2, no_seed=True))
    assert [(item.request.prompt, item.request.seed) for item in found] == [
        ("red", 5),
        ("red", 6),
        ("red", 7),
        ("blue", None),
        ("blue", None),
    ]
    assert [item.number for item in found] == [1, 2, 3, 4, 5]
    assert [item.line for item in found] == [1, 1, 1, 2, 2]
    assert len({item.key for item in found}) == 5


def test_a_sweep_multiplies_every_line() -> None:
    sweep = Sweep(expand=True, sizes=("512*512", "1024*1024"), seeds=(1, 2))
    found = items([{"prompt": "{red|blue} kite"}], sweep=sweep)
    assert len(found) == 8
    assert len({(i.request.prompt, i.request.size, i.request.seed) for i in found}) == 8
    # Braces are text without --expand.
    assert [item.request.prompt for item in items([{"prompt": "{red|blue} kite"}])] == [
        "{red|blue} kite"
    ]


def test_a_sweep_that_cannot_be_meant_is_a_problem_of_its_line() -> None:
    assert "1,048,576 pictures" in problem({"prompt": "{a|b}" * 20}, sweep=EXPAND)
    assert "closed" in problem({"prompt": "{a|b"}, sweep=EXPAND)
    # As many as are allowed, and one count more.
    prompt = "{" + "|".join("abcdefghij") + "}"
    assert (
        len(items([{"prompt": prompt, "count": 100}], sweep=Sweep(expand=True, seeds=(1, 2, 3))))
        == 3000
    )
    line = {"prompt": prompt * 4, "count": 101}
    assert "1,010,000 pictures" in problem(line, sweep=EXPAND)
    assert next(iter_plan({**line, "count": 100}, sweep=EXPAND)).request.prompt == "aaaa"


def iter_plan(line: dict[str, Any], **own: Any) -> Any:
    return JobReader(replace(DEFAULTS, **own)).plan(iter([Record(1, dict(line), None)]))


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_shards_are_disjoint_and_complete(shards: int) -> None:
    lines = [{"prompt": f"kite {number % 150}"} for number in range(200)]
    parts = [keys(lines, shard=(part, shards)) for part in range(1, shards + 1)]
    together = [key for part in parts for key in part]
    assert len(together) == len(set(together))
    assert set(together) == set(keys(lines))
    assert all(parts)


def test_problems_are_all_told_with_their_lines() -> None:
    lines = [
        {"prompt": "fine"},
        {"prompt": "", "size": "1*1", "seed": -1},
        {"prompt": "red", "colour": "red"},
        {"prompt": "red", "count": 0},
        {"prompt": "red", "count": True},
        {"prompt": "red", "name": 7},
        {"prompt": "red", "name": "{nothing}.png"},
        {"prompt": "red", "model": "other"},
    ]
    bad = [entry for entry in plan(lines) if isinstance(entry, Invalid)]
    assert [entry.line for entry in bad] == [2, 3, 4, 5, 6, 7, 8]
    assert len(bad[0].problems) == 3


HOSTILE_OUTPUTS = [
    "../out.png",
    "a/../../out.png",
    "..\\out.png",
    "a\\..\\..\\out.png",
    "/etc/out.png",
    "//host/share/out.png",
    "\\\\host\\share\\out.png",
    "C:out.png",
    "C:\\out.png",
    "~/../out.png/../../x.png ",
    ".hidden.png",
    ".git/x.png",
    "a/.hidden/x.png",
    "x.png\0.png",
    "x\n.png",
    "x\u202egnp.png",
    "x\ud800.png",
    "con.png",
    "sub/NUL.png",
    "sub./x.png",
    "sub /x.png",
    " x.png",
    "x.png:stream.png",
    "x.gif",
    "x.png.avif",
    "x",
    "",
    " ",
    "a" * 300 + ".png",
    "a/" * 40 + "x.png",
    7,
    None.__class__.__name__,
    ["x.png"],
    {"a": 1},
    True,
]


@pytest.mark.parametrize("output", HOSTILE_OUTPUTS, ids=repr)
def test_an_output_that_could_leave_the_folder_is_refused(output: object) -> None:
    assert problem({"prompt": "red", "output": output}).startswith("output: ")


@given(st.text(max_size=40) | st.text(alphabet="./\\ ~abc:C%0\0", max_size=20).map("{}.png".format))
def test_whatever_an_output_says_it_stays_in_the_folder(output: str) -> None:
    (found,) = plan([{"prompt": "red", "output": output}])
    if isinstance(found, Job):
        assert found.output is not None
        path = os.path.normpath(f"/base/folder/{found.output}")
        assert path.startswith("/base/folder/")
        assert path.endswith((".png", ".PNG", ".Png", ".pNg", ".pnG", ".PNg", ".pNG", ".PnG"))


def test_an_output_may_name_folders() -> None:
    found = items(
        [
            {"prompt": "red", "output": "a/b/c.png"},
            {"prompt": "red", "output": "a\\b.PNG"},
            {"prompt": "red", "output": "图 片/纸鸢.png"},
        ]
    )
    assert [item.output for item in found] == ["a/b/c.png", "a/b.PNG", "图 片/纸鸢.png"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for made in (folder / "real", elsewhere):
        made.mkdir(parents=True)
    (folder / "link").symlink_to(elsewhere)
    (folder / "inner").symlink_to("real")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / "file.png").write_bytes(b"")
    for output in (
        "link/x.png",
        "link/deep/er/x.png",
        "real/../link/x.png",
        "up/x.png",
        "loop/x.png",
        "file.png/x.png",
    ):
        message = problem({"prompt": "red", "output": output}, folder=folder)
        assert message.startswith("output: ")
        if ".." not in output:
            with pytest.raises(UsageError):
                within(folder, output, make=True)
    assert list(elsewhere.iterdir()) == []
    for output in ("loop/deep/x.png", "pair/x.png", "nowhere/x.png"):
        (folder / "nowhere").unlink(missing_ok=True)
        (folder / "nowhere").symlink_to(folder / "gone")
        (folder / "pair").unlink(missing_ok=True)
        (folder / "riap").unlink(missing_ok=True)
        (folder / "pair").symlink_to("riap")
        (folder / "riap").symlink_to("pair")
        message = problem({"prompt": "red", "output": output}, folder=folder)
        assert message.startswith("output: ")
        assert "cannot be a folder" in message
        with pytest.raises(UsageError, match="cannot be a folder"):
            within(folder, output, make=True)
    assert not (folder / "gone").exists()
    lines = [{"prompt": "red", "output": "inner/x.png"}, {"prompt": "red", "output": "new/x.png"}]
    assert len(items(lines, folder=folder)) == 2
    assert within(folder, "new/x.png", make=True).parent.is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode elsewhere")
def test_a_folder_that_the_locale_cannot_spell_is_a_problem_of_its_line(
    zimage: Any, work: Path
) -> None:
    (work / "lines.jsonl").write_text('{"prompt": "red", "output": "图/x.png"}\n', "utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = zimage("batch", "lines.jsonl", "--sandbox", "--dry-run", env=env, status=2).stderr
    assert "cannot be a folder: no such name is possible" in said


def test_a_base_url_is_refused_unless_somebody_looks_at_it() -> None:
    line = {"prompt": "red", "base_url": "https://example.org"}
    assert "--trust-base-url" in problem(line)

    def check(base_url: str) -> None:
        if "bad" in base_url:
            raise UsageError("base_url: not that one")

    (item,) = items([line], check_base_url=check)
    assert item.request.base_url == "https://example.org/api/v1"
    assert item.key != keys([{"prompt": "red"}])[0]
    assert problem({**line, "base_url": "https://bad.example"}, check_base_url=check) == (
        "base_url: not that one"
    )


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "size", "seed", "name", "output", "count", "base_url", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.lists(st.none()),
        max_size=6,
    )
)
def test_no_line_is_too_strange_to_be_planned(fields: dict[str, Any]) -> None:
    if isinstance(fields.get("count"), int) and fields["count"] > 50:
        fields["count"] = 50
    for entry in plan([fields], sweep=EXPAND):
        assert isinstance(entry, Job | Invalid)
        if isinstance(entry, Invalid):
            assert all(entry.problems)


# -- presets --------------------------------------------------------------------------------------


PRESETS = {
    "ink": Preset("ink", "{prompt}, ink", size="512*512", seed=7),
    "night": Preset("night", "{prompt} at {noon|night}"),
}


def test_a_preset_is_put_around_the_lines_that_name_none() -> None:
    lines = [{"prompt": "a"}, {"prompt": "b", "preset": "night, ink"}, {"prompt": "c", "seed": 1}]
    found = [job.request for job in items(lines, presets=PRESETS, preset=["ink"])]
    assert [(one.prompt, one.size, one.seed) for one in found] == [
        ("a, ink", "512*512", 7),
        ("b at {noon|night}, ink", "512*512", 7),
        ("c, ink", "512*512", 1),
    ]
    assert [one.origin for one in found] == [
        Origin(None, "ink", "a"),
        Origin(None, "night,ink", "b"),
        Origin(None, "ink", "c"),
    ]


def test_what_the_command_line_says_wins_over_a_preset() -> None:
    outright = {"size": "16:9", "seed": 3}
    (job,) = items([{"prompt": "a"}], presets=PRESETS, preset="ink", outright=outright)
    assert (job.request.size, job.request.seed) == ("1280*720", 3)
    (job,) = items([{"prompt": "a"}], presets=PRESETS, preset="ink", sweep=Sweep(no_seed=True))
    assert job.request.seed is None


def test_a_key_follows_from_the_request_that_is_sent() -> None:
    line = {"prompt": "a", "preset": "ink"}
    (inked,) = keys([line], presets=PRESETS)
    assert [inked] == keys([{"prompt": "a, ink", "size": "512*512", "seed": 7}])
    assert [inked] != keys([line], presets={"ink": Preset("ink", "{prompt}, wash")})
    # Presets that are there and not used change nobody's.
    assert keys(LINES, presets=PRESETS) == keys(LINES)


def test_alternatives_of_a_preset_multiply_only_where_all_do() -> None:
    lines = [{"prompt": "{a|b}", "preset": "night"}]
    assert [job.request.prompt for job in items(lines, presets=PRESETS, sweep=EXPAND)] == [
        "a at noon",
        "a at night",
        "b at noon",
        "b at night",
    ]
    assert len(items(lines, presets=PRESETS)) == 1


def test_a_line_may_name_none_whatever_the_command_line_says() -> None:
    (job,) = items([{"prompt": "a", "preset": ""}], presets=PRESETS, preset=["ink"])
    assert (job.request.prompt, job.request.origin) == ("a", Origin())


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        (3, "preset: 3 is not text"),
        (["ink"], "preset: an array is not text"),
        ("inc", 'preset: "inc" is no preset; did you mean ink?; allowed: ink, night'),
    ],
)
def test_a_line_with_a_preset_that_there_is_not(preset: Any, said: str) -> None:
    assert problem({"prompt": "a", "preset": preset}, presets=PRESETS) == said


def test_the_lines_of_a_file_have_keys_of_their_own(work: Path) -> None:
    def found(text: str) -> list[bytes]:
        (work / "c.txt").write_text(text)
        sweep = Sweep(expand=True, lines=WordFiles(work))
        return keys([{"prompt": "a {@c.txt}"}], sweep=sweep)

    red, blue = found("red\nblue\n")
    assert found("# new\nblue\n\ngreen\nred\n")[::2] == [blue, red]
    assert {red, blue} == {*keys([{"prompt": "a red"}, {"prompt": "a blue"}])}
