"""zimage inspect: as a card, as lines, as JSON, and as the command that makes it again."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from zimage_cli.api.payload import generation_body
from zimage_cli.core.recipe.finish import Wish, finish
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.sandbox.labels import labelled

RECIPE = Recipe(
    prompt="A fox in the snow: “red”, 狐狸",
    size="1024*1024",
    seed=7,
    prompt_extend=True,
    model="z-image-turbo",
    region="beijing",
    request_id="4a1f",
    rewritten_prompt="A fox, mist",
    time="2026-11-23T06:00:00Z",
    version="0.1.0",
)
SHA = re.compile(r"[0-9a-f]{64}")


def plain(**texts: str) -> io.BytesIO:
    """Return a PNG with these texts, as another program writes it."""
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    for keyword, text in texts.items():
        info.add_itxt(keyword, text)
    Image.new("L", (24, 16)).save(file, "PNG", pnginfo=info)
    return file


@pytest.fixture
def saved(work: Path) -> Callable[..., Path]:
    """Save a finished picture as `fox.png`, with other facts in its recipe."""

    def save(
        name: str = "fox.png",
        *labels: str,
        form: str = "png",
        texts: dict[str, str] | None = None,
        **changes: Any,
    ) -> Path:
        served = io.BytesIO(labelled(plain(**(texts or {})).getvalue(), labels))
        with (work / name).open("w+b") as file:
            finish(served, file, Wish(form), RECIPE._replace(width=24, height=16, **changes))
        return work / name

    return save


LINES = """path: fox.png
format: PNG
dimensions: 24×16
bytes: N
sha256: X
prompt: A fox in the snow: “red”, 狐狸
size: 1024*1024
seed: 7
prompt_extend: on
model: z-image-turbo
region: beijing
request id: 4a1f
rewritten prompt: A fox, mist
made: 2026-11-23T06:00:00Z
version: 0.1.0
recipe from: its zimage text
XMP source: http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia
"""


def generalized(text: str) -> str:
    return SHA.sub("X", re.sub(r"bytes: \d+", "bytes: N", text))


def test_lines_in_a_pipe(zimage: Any, saved: Any) -> None:
    saved()
    run = zimage("inspect", "fox.png")
    assert generalized(run.stdout) == LINES
    assert run.stderr == ""


def test_the_document(zimage: Any, saved: Any, work: Path) -> None:
    import hashlib

    path = saved("fox.png", "aigc", texts={"Software": "x"})
    data = path.read_bytes()
    run = zimage("inspect", "fox.png", "--json")
    [label] = run.json["pictures"][0].pop("aigc")
    assert label["source"] == "AIGC, XMP"
    assert label["label"]["Label"] == "1"
    assert (
        run.json["pictures"][0].items()
        >= {
            "path": str(work / "fox.png"),
            "format": "png",
            "width": 24,
            "height": 16,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "whole": True,
            "source": "zimage",
            "recipe": RECIPE.document(),
            "parameters": None,
            "comfyui": None,
            "c2pa": None,
            "texts": [{"keyword": "Software", "text": "x"}],
            "unread": [],
            "command": "zimage generate --size 1024x1024 --seed 7 --prompt-extend -- "
            f"'{RECIPE.prompt}'",
        }.items()
    )
    assert {name: run.json[name] for name in ("schema", "status", "errors")} == {
        "schema": 1,
        "status": "ok",
        "errors": [],
    }
    assert run.stderr == ""


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal(terminal: Any, saved: Any, columns: int) -> None:
    saved("fox.png", "aigc")
    screen = terminal("inspect", "fox.png", columns=columns, env={"TZ": "UTC"})
    assert screen.end() == 0
    width = min(columns, 100)
    facts = "1024×1024 · seed 7 · prompt_extend on · z-image-turbo · beijing · zimage 0.1.0"
    lines = ["A fox in the snow: “red”, 狐狸", "rewritten prompt", "A fox, mist"]
    # One line of facts at 200 columns; at 80 the last words go to the next.
    lines += [facts] if columns == 200 else [facts.rpartition(" ")[0], "0.1.0"]
    screen_lines = [line.replace(" ", "") for line in screen.lines]
    framed = [f"│{line}│".replace(" ", "") for line in lines]
    assert screen.lines[0] == "fox.png"
    assert screen.lines[1] == f"╭─ recipe {'─' * (width - 11)}╮"
    assert screen_lines[2 : 2 + len(framed)] == framed
    rest = SHA.sub("X", "\n".join(screen.lines[3 + len(framed) :]))
    label = "Label 1, ContentProducer zimage-sandbox, ProduceID"
    number = re.search(r"sandbox-[0-9a-f]{8} ", screen.text)
    assert number is not None
    assert rest == (
        "picture        PNG · 24×16 · 1 kB\n"
        "sha256         X\n"
        "request id     4a1f\n"
        "made           2026-11-23 06:00:00\n"
        "recipe from    its zimage text\n"
        f"AIGC label     {label}{' ' if columns == 200 else chr(10) + 15 * ' '}"
        f"{number[0]}(in AIGC, XMP)\n"
        "to make again  zimage inspect fox.png --command"
    )


def test_no_colour_no_escapes(terminal: Any, saved: Any) -> None:
    saved()
    screen = terminal("inspect", "fox.png", env={"NO_COLOR": "1"})
    assert screen.end() == 0
    assert "\x1b" not in screen.raw
    screen = terminal("inspect", "fox.png", env={"TERM": "dumb"})
    assert screen.end() == 0
    assert "\x1b" not in screen.raw


def test_hostile_texts_are_shown_as_data(zimage: Any, terminal: Any, work: Path) -> None:
    evil = "\x1b[2J\x1b]0;t\x07\u202e[bold]\r\n"
    texts = {"parameters": f"{evil}x\nNegative prompt: {evil}\nSteps: 1, a{evil}b: 1, Seed: 2"}
    texts |= {
        "Evil": evil,
        "AIGC": json.dumps({evil: evil}),
        "zimage": json.dumps({"prompt": evil}),
    }
    (work / "x.png").write_bytes(plain(**texts).getvalue())
    run = zimage("inspect", "x.png")
    assert {*run.stdout} & {"\x1b", "\u202e", "\x07", "\r"} == set()
    assert "\\x1b[2J\\x1b]0;t\\x07\\u202e[bold]" in run.stdout
    screen = terminal("inspect", "x.png", env={"NO_COLOR": "1"})
    assert screen.end() == 0
    assert {*screen.raw} & {"\x1b", "\u202e", "\x07"} == set()
    assert "\\u202e[bold]" in screen.raw
    assert zimage("inspect", "x.png", "--json").json["pictures"][0]["recipe"]["prompt"] == evil


def test_texts_of_other_programs(zimage: Any, work: Path) -> None:
    texts = {
        "parameters": "a cat\nNegative prompt: ugly\nSteps: 20, Sampler: Euler, Model: sdxl",
        "prompt": '{"3": {"class_type": "KSampler"}}',
    }
    (work / "x.png").write_bytes(plain(**texts).getvalue())
    assert generalized(zimage("inspect", "x.png").stdout).splitlines()[5:] == [
        "parameters: a cat",
        "negative prompt: ugly",
        'settings: {"Steps": "20", "Sampler": "Euler", "Model": "sdxl"}',
        'ComfyUI prompt: {"3": {"class_type": "KSampler"}}',
    ]


def test_c2pa_and_a_picture_that_says_nothing(zimage: Any, work: Path) -> None:
    (work / "x.png").write_bytes(labelled(plain().getvalue(), ["c2pa"]))
    (work / "y.png").write_bytes(plain().getvalue()[:-4])
    run = zimage("inspect", "x.png", "y.png", "y.png")
    first, second, third = generalized(run.stdout.rstrip("\n")).split("\n\n")
    assert second == third
    assert first.splitlines()[5:] == ["C2PA: present, not verified", "recipe: none"]
    assert second.splitlines()[5:] == [
        "whole: no: it is cut off or damaged, or holds more than is read",
        "recipe: none",
    ]


def test_the_others_are_shown_where_one_is_none(zimage: Any, saved: Any, work: Path) -> None:
    saved()
    (work / "a.txt").write_text("no picture")
    files = ["a.txt", "fox.png", "none.png", "."]
    run = zimage("inspect", *files, status=2)
    assert generalized(run.stdout) == LINES
    assert run.stderr == (
        "error: a.txt is no picture in PNG, JPEG or WebP.\n"
        "error: none.png cannot be read: no such file or directory.\n"
        "error: . is a folder; give a picture.\n"
    )
    run = zimage("inspect", *files, "--json", status=2)
    assert run.json["status"] == "partial"
    assert [one["path"] for one in run.json["pictures"]] == [str(work / "fox.png")]
    assert [one["value"] for one in run.json["errors"]] == ["a.txt", "none.png", "."]
    run = zimage("inspect", "a.txt", "--json", status=2)
    assert (run.json["status"], run.json["pictures"]) == ("error", [])
    run = zimage("inspect", "--json", status=2)
    assert (run.json["status"], run.json["pictures"]) == ("error", [])


def test_standard_input(zimage: Any, saved: Any) -> None:
    data = saved().read_bytes()
    run = zimage("inspect", "-", stdin=data)
    assert generalized(run.stdout) == LINES.replace("path: fox.png", "path: -")
    assert zimage("inspect", "-", "--json", stdin=data).json["pictures"][0]["path"] == "-"
    run = zimage("inspect", "-", stdin=b"", status=2)
    assert run.stderr == "error: Standard input is no picture in PNG, JPEG or WebP.\n"


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_other_formats_say_the_same(zimage: Any, saved: Any, form: str) -> None:
    saved("fox.x", form=form)
    lines = generalized(zimage("inspect", "fox.x").stdout).splitlines()
    assert lines[1].lower() == f"format: {form}"
    assert lines[3:] == LINES.splitlines()[3:]


def test_a_picture_that_was_just_made(zimage: Any, work: Path) -> None:
    zimage("generate", "a fox", "--seed", "3", "--size", "512x512", "--sandbox", "-o", "x.png")
    run = zimage("inspect", "x.png", "--command")
    assert run.lines == [
        "zimage generate --sandbox --size 512x512 --seed 3 --no-prompt-extend -- 'a fox'"
    ]


def test_many_texts_are_counted(zimage: Any, work: Path) -> None:
    texts = {f"k{number}": "x" for number in range(25)}
    (work / "-x.png").write_bytes(plain(**texts).getvalue())
    lines = zimage("inspect", "--", "-x.png").lines
    assert lines[-3:] == ["text: k19: x", "text: and 5 more; --json has them", "recipe: none"]
    assert len(zimage("inspect", "--json", "./-x.png").json["pictures"][0]["texts"]) == 25
    run = zimage("inspect", "--command", "--", "-x.png", status=2)
    assert run.stderr.endswith("\n  next: See what it says: zimage inspect ./-x.png\n")


def test_a_closed_standard_input(zimage: Any) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" inspect - <&-', "sh", *zimage.command],
        env=zimage.environment(None),
        cwd=zimage.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (2, b"error: Standard input is closed.\n")


# -- the command, in a shell -------------------------------------------------------------------

PROMPTS = (
    "A fox",
    "-s 1024 --seed",
    "--",
    "-",
    'it\'s “two” "quotes" and \\ and `date` and $HOME and $(id)',
    "wow!! !$ !1",
    "two\nlines\n\n  and\ttabs",
    "一只狐狸，水墨画",
    "👩\u200d🚀 ZWJ, \u202eright to left",
    "* ? [a-z] {a|b} ~ # ; & | < >",
    "ends with \\",
)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_the_command_asks_for_the_same_in_a_shell(
    zimage: Any, saved: Any, work: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    names = [saved(f"{at}.png", prompt=prompt).name for at, prompt in enumerate(PROMPTS)]
    commands = zimage("inspect", *names, "--command").lines
    assert len(commands) == len(PROMPTS)
    # It prints its arguments; what they ask for is the dry run's to say.
    (work / "zimage").write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\nprintf '\\0'\n")
    (work / "zimage").chmod(0o755)
    history = "set -o history -o histexpand" if shell == "bash" else ":"
    done = subprocess.run(
        [shell],
        input="\n".join((history, *commands, "")),
        env={"PATH": f"{work}:/usr/bin:/bin", "HOME": str(work), "LC_ALL": "C.UTF-8"},
        cwd=work,
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stderr == ""
    calls = [call.split("\0") for call in done.stdout.removesuffix("\0\0").split("\0\0")]
    assert len(calls) == len(PROMPTS)
    assert [["zimage", *call] for call in calls] == [*map(shlex.split, commands)]
    if shell != "sh":
        # Every shell gives the same words: what is asked with them need not be looked at again.
        return
    for prompt, call in zip(PROMPTS, calls, strict=True):
        [request] = zimage("generate", "--dry-run", "--json", *call[1:]).json["requests"]
        body = generation_body(prompt, "1024*1024", 7, prompt_extend=True)
        assert json.loads(request["body"]) == body


def test_the_command_of_what_does_not_say_enough(zimage: Any, saved: Any, work: Path) -> None:
    saved()
    (work / "x.png").write_bytes(
        plain(parameters="a cat\nSteps: 20, Seed: 1, Size: 1x1").getvalue()
    )
    run = zimage("inspect", "x.png", "fox.png", "--command", status=2)
    assert len(run.lines) == 1
    assert run.stderr == (
        "error: x.png does not say that zimage made it: no command makes it again.\n"
        "  next: See what it says: zimage inspect x.png\n"
    )
    run = zimage("inspect", "fox.png", "--command", "--json", status=2)
    assert run.stderr.startswith("error: --command and --json contradict each other.\n")
    assert run.json["pictures"] == []
