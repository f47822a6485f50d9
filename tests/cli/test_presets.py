"""`zimage config preset`, and presets and files of words where pictures are made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from zimage_cli import Client
from zimage_cli.core.request.sweep import Sweep
from zimage_cli.errors import UsageError

INK = '[preset.ink]\nprompt = "{prompt}, 水墨画"\nsize = "512*512"\nseed = 7\n'
NIGHT = '[preset.night]\nprompt = "at night"\nprompt_extend = true\n'
LIST = """\
name   size     seed  prompt_extend  prompt
───────────────────────────────────────────────────────────────────────────────
ink    512×512  7     -              {prompt}, 水墨画
night  -        -     true           at night
"""
STYLES = """\
name,prompt,negative_prompt
Film Noir,"film noir, {prompt}",colour
ink,"ink,
{prompt}",
Film Noir,again,blurry
none,,
"""


@pytest.fixture
def presets(config_file: Path) -> Path:
    """A config file with two presets, and without the account's limit."""
    config_file.parent.mkdir(parents=True)
    config_file.write_text(f"rps = 0\n{INK}{NIGHT}", encoding="utf-8")
    config_file.chmod(0o600)
    return config_file


# -- config preset --------------------------------------------------------------------------------


def test_a_preset_is_stored_shown_and_removed(zimage: Any, config_file: Path) -> None:
    run = zimage("config", "preset")
    assert run.stdout == ""
    assert run.stderr == (
        "There is no preset. Make one:\n"
        "zimage config preset set ink --prompt '{prompt}, ink wash, blank space'\n"
    )
    words = ("--prompt", "{prompt}, 水墨画", "--size", "16:9")
    run = zimage("config", "preset", "set", "ink", *words)
    assert (run.stdout, run.stderr) == ("", f"preset ink stored in {config_file}\n")
    zimage("config", "preset", "set", "ink", "--seed", "7", "--no-prompt-extend")
    shown = "name\tink\nprompt\t{prompt}, 水墨画\nsize\t1280*720\nseed\t7\nprompt_extend\tfalse\n"
    assert zimage("config", "preset", "show", "ink").stdout == f"field\tvalue\n{shown}"
    assert zimage("config", "preset", "list").stdout == (
        "name\tsize\tseed\tprompt_extend\tprompt\nink\t1280*720\t7\tfalse\t{prompt}, 水墨画\n"
    )
    run = zimage("config", "preset", "unset", "ink")
    assert run.stderr == f"preset ink removed from {config_file}\n"
    run = zimage("config", "preset", "unset", "ink")
    assert run.stderr == f"preset ink was not in {config_file}\n"


@pytest.mark.parametrize("args", [("config", "preset"), ("config", "preset", "list")])
def test_the_list_on_a_terminal(presets: Path, terminal: Any, args: tuple[str, ...]) -> None:
    screen = terminal(*args)
    assert screen.end() == 0
    assert [line.rstrip("─") for line in screen.lines] == [
        line.rstrip("─") for line in LIST.splitlines()
    ]


def test_documents(presets: Path, zimage: Any, work: Path) -> None:
    def found(*args: str, status: int = 0) -> Any:
        return zimage("config", "preset", *args, "--json", status=status).json

    ink = {"name": "ink", "prompt": "{prompt}, 水墨画", "size": "512*512", "seed": 7}
    ink["prompt_extend"] = None
    ok = {"schema": 1, "status": "ok"}
    assert [one["name"] for one in found("list")["presets"]] == ["ink", "night"]
    assert found("show", "ink") == {**ok, "preset": ink, "errors": []}
    file = str(presets)
    changed = {**ok, "preset": {**ink, "seed": 8}, "config_file": file, "errors": []}
    assert found("set", "ink", "--seed", "8") == changed
    removed = {**ok, "removed": True, "config_file": file, "errors": []}
    assert found("unset", "ink") == removed
    assert found("unset", "ink") == {**removed, "removed": False}
    (work / "styles.csv").write_text(STYLES)
    assert found("import", "styles.csv") == {
        **ok,
        "stored": ["Film-Noir", "ink"],
        "kept": [],
        "replaced": [],
        "renamed": {"Film Noir": "Film-Noir"},
        "twice": ["Film-Noir"],
        "skipped": [{"line": 6, "message": '"none" has no prompt'}],
        "negative_prompts_dropped": 2,
        "config_file": file,
        "errors": [],
    }
    failed = found("show", "inc", status=2)
    assert (failed["preset"], failed["errors"][0]["nearest"]) == (None, "ink")
    failed = found("set", "ink", status=2)
    assert (failed["preset"], failed["config_file"]) == (None, None)
    assert found("import", "none.csv", status=2)["stored"] == []


def test_styles_are_imported(presets: Path, zimage: Any, work: Path) -> None:
    (work / "styles.csv").write_bytes(b"\xef\xbb\xbf" + STYLES.replace("\n", "\r\n").encode())
    run = zimage("config", "preset", "import", "styles.csv")
    assert run.stdout == ""
    assert run.stderr == (
        f"1 preset stored in {presets}\n"
        "kept as they were, --overwrite replaces them: ink\n"
        "under another name: Film Noir → Film-Noir\n"
        "more than once in the file, the last one counts: Film-Noir\n"
        'warning: line 6: "none" has no prompt\n'
        "warning: negative prompts left out, because the model has none: 2\n"
    )
    run = zimage("config", "preset", "import", "styles.csv", "--overwrite")
    assert f"2 presets stored in {presets}\nreplaced: Film-Noir, ink\n" in run.stderr
    assert zimage("config", "preset", "show", "ink", "--json").json["preset"] == {
        "name": "ink",
        "prompt": "ink,\n{prompt}",
        "size": None,
        "seed": None,
        "prompt_extend": None,
    }
    (work / "gbk.csv").write_bytes("name,prompt\n水墨,水墨画留白，山水之间\n".encode("gbk"))
    run = zimage("config", "preset", "import", "gbk.csv", status=2)
    assert "If that is right: --encoding gb18030" in run.stderr
    zimage("config", "preset", "import", "gbk.csv", "--encoding", "gb18030")
    assert "水墨画留白，山水之间" in zimage("config", "preset", "show", "水墨").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["set", "ink"], "ink: nothing was given to store"),
        (["set", "a b", "--seed", "1"], '"a b" is no name of a preset; allowed: letters, digits,'),
        (["set", "x", "--size", "9:99"], 'size: "9:99" is not a recommended ratio'),
        (["set", "x", "--prompt", " "], 'prompt: " " is blank.'),
        (["show", "nite"], 'preset: "nite" is no preset; did you mean night?; allowed: ink, night'),
        (["import", "."], ".: is a directory"),
    ],
)
def test_what_is_refused(presets: Path, zimage: Any, args: list[str], said: str) -> None:
    before = presets.read_bytes()
    assert zimage("config", "preset", *args, status=2).stderr.startswith(f"error: {said}")
    assert presets.read_bytes() == before


def test_a_wrong_preset_is_like_any_wrong_setting(presets: Path, zimage: Any) -> None:
    presets.write_text('[preset.ink]\nseed = "7"\n')
    said = f'error: {presets}, line 2: [preset.ink] seed: "7" has the wrong type; allowed: '
    for args in (("config", "show"), ("config", "preset"), ("generate", "kite", "--sandbox")):
        assert zimage(*args, status=2).stderr.startswith(said)
    zimage("config", "preset", "set", "ink", "--seed", "7")
    assert zimage("config", "preset").stdout.splitlines()[1] == "ink\t-\t7\t-\t-"


def test_the_help_of_a_command_three_words_deep(zimage: Any) -> None:
    helped = zimage("help", "config", "preset", "set").stdout
    assert helped == zimage("config", "preset", "set", "--help").stdout
    assert "import" in zimage("config", "preset", "-h").stdout


# -- generate -------------------------------------------------------------------------------------


def texts(service: Any) -> list[str]:
    """Return the prompts that were sent."""
    return [
        asked.body["input"]["messages"][0]["content"][0]["text"] for asked in service.books.requests
    ]


def test_a_picture_with_presets_around_its_prompt(presets: Path, service: Any) -> None:
    run = service("generate", "a fox", "--preset", "ink", "--preset", "night", "--no-prompt-extend")
    assert "prompt: a fox, 水墨画, at night\n" in run.stderr
    assert "request: 512×512 · seed 7 · presets ink, night · " in run.stderr
    (row,) = service.history()
    assert row["prompt"] == "a fox, 水墨画, at night"
    assert (row["preset"], row["typed_prompt"]) == ("ink,night", "a fox")
    assert (row["size"], row["seed"], row["prompt_extend"]) == ("512*512", 7, 0)
    (evidence,) = service.evidence
    assert (evidence["preset"], evidence["typed_prompt"]) == ("ink,night", "a fox")
    asked = evidence["request"]["input"]["messages"][0]["content"][0]["text"]
    assert asked == "a fox, 水墨画, at night"
    service("generate", "a kite", "--size", "512*512")
    _, plain = service.evidence
    assert not plain.keys() & {"preset", "typed_prompt"}
    assert service.history()[1]["preset"] is None


def test_options_and_requests_win_over_presets(presets: Path, service: Any) -> None:
    request = json.dumps({"prompt": "a fox", "seed": 3})
    args = ("--request", request, "--preset", "ink", "--dry-run", "--json")

    def body(*more: str) -> Any:
        document = service("generate", *args, *more).json
        return json.loads(document["requests"][0]["body"])

    found = body()
    assert found["parameters"] == {"size": "512*512", "prompt_extend": False, "seed": 3}
    assert body("--size", "1:1", "--seed", "4")["parameters"]["size"] == "1024*1024"
    assert "seed" not in body("--no-seed")["parameters"]


def test_an_unknown_preset_sends_nothing(presets: Path, service: Any, work: Path) -> None:
    said = 'error: preset: "inc" is no preset; did you mean ink?; allowed: ink, night\n'
    (work / "p.txt").write_text("a\nb\n")
    for args in (("generate", "a fox"), ("batch", "p.txt")):
        run = service(*args, "--preset", "inc", status=2)
        assert run.stderr == f"{said}  next: See them: zimage config preset list\n"
    assert service.history() == []


def test_the_whole_prompt_is_counted(presets: Path, zimage: Any) -> None:
    run = zimage("generate", "a" * 798, "--preset", "ink", "--sandbox", "--dry-run")
    assert "the prompt has 803 characters" in run.stderr
    run = zimage("validate", "a" * 798, "--preset", "ink", "--sandbox")
    assert "the prompt has 803 characters" in run.stderr
    assert "request\tok\t512*512, seed 7, preset ink\n" in run.stderr
    # Of alternatives, what they come to counts.
    long = "{" + "|".join(["a" * 700] * 3) + "}"
    run = zimage("generate", long, "--expand", "--sandbox", "--dry-run")
    assert "characters" not in run.stderr


def test_validate_names_a_preset_that_there_is_not(presets: Path, zimage: Any) -> None:
    run = zimage("validate", "a", "--preset", "inc", "--sandbox", "--json", status=2)
    assert run.json["errors"][0]["field"] == "preset"


def test_words_of_a_file(presets: Path, service: Any, work: Path) -> None:
    (work / "c.txt").write_text("# sea\nteal\n{a|b}\n", encoding="utf-8")
    service("generate", "a {@c.txt} kite", "--expand", "--preset", "ink")
    assert sorted(row["prompt"] for row in service.history()) == [
        "a teal kite, 水墨画",
        "a {a|b} kite, 水墨画",
    ]
    assert {row["typed_prompt"] for row in service.history()} == {"a {@c.txt} kite"}
    run = service("generate", "a {@d.txt} kite", "--expand", status=2)
    assert run.stderr == (
        'error: prompt: "{@d.txt}" names a file that cannot be used: no such file or directory\n'
        "  next: Correct it; for the characters themselves, without a file: \\{@…\\}\n"
    )
    # Without --expand it is text.
    assert "a {@d.txt}" in service("generate", "a {@d.txt}", "--dry-run").stdout


# -- batch ----------------------------------------------------------------------------------------


def test_presets_of_a_batch(presets: Path, service: Any, work: Path) -> None:
    (work / "p.csv").write_text("提示词,预设\na,\nb,night\n", encoding="utf-8")
    run = service("batch", "p.csv", "--preset", "ink", "-o", "out", "--size", "512*512")
    assert len(run.lines) == 2
    found = {row["typed_prompt"]: row for row in service.history()}
    assert found["a"]["prompt"] == "a, 水墨画"
    assert (found["b"]["prompt"], found["b"]["prompt_extend"]) == ("b, at night", 1)
    # The same again makes nothing; with another preset its lines are new.
    again = ("batch", "p.csv", "--preset", "ink", "-o", "out", "--size", "512*512", "--dry-run")
    assert service(*again, "--json").json["to_make"] == 0
    presets.write_text(presets.read_text("utf-8").replace("水墨画", "ink"), encoding="utf-8")
    assert service(*again, "--json").json["to_make"] == 1


def test_a_batch_reads_words_beside_its_file_alone(
    presets: Path, service: Any, work: Path, tmp_path: Path
) -> None:
    (work / "lists").mkdir()
    (work / "lists" / "p.txt").write_text("a {@c.txt}\n")
    (work / "lists" / "c.txt").write_text("red\nblue\n")
    dry = ("--expand", "--dry-run", "--json")
    assert service("batch", "lists/p.txt", *dry).json["pictures"] == 2
    secret = tmp_path / "secret.txt"
    secret.write_text("secret\n")
    (work / "lists" / "p.txt").write_text(f"a {{@{secret}}}\n")
    run = service("batch", "lists/p.txt", *dry, status=2)
    assert "a batch reads only files in the folder of its own file, or below" in run.stderr
    (work / "c.txt").write_text("green\n")
    piped = service("batch", "-", *dry, stdin="a {@c.txt}\n")
    assert piped.json["pictures"] == 1


# -- Python ---------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the home of a process")
def test_presets_in_python(presets: Path, work: Path) -> None:
    with Client(sandbox=True) as client:
        picture = client.generate("a fox", preset="ink")
        assert (picture.prompt, picture.seed) == ("a fox, 水墨画", 7)
        plan = client.plan({"prompt": "a fox"}, preset=["night", "ink"])
        assert plan.requests[0].prompt == "a fox, at night, 水墨画"
        with pytest.raises(UsageError, match="is no preset"):
            client.plan({"prompt": "a fox"}, preset="none")
        # What a program expands may be anybody's: it says itself whether files are read.
        with pytest.raises(UsageError, match="none is read here"):
            client.plan({"prompt": "{@/etc/passwd}"}, sweep=Sweep(expand=True))
    with Client(sandbox=True, size="1:1") as client:
        assert client.plan({"prompt": "a"}, preset="ink").requests[0].size == "1024*1024"
