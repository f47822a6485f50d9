"""What is said of a command line that cannot be run: what is wrong, and what was meant."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from zimage_cli.cli.main import COMMANDS, app
from zimage_cli.cli.meant import from_typer
from zimage_cli.core.history.ref import ALLOWED
from zimage_cli.core.request.lacking import lacking
from zimage_cli.core.request.sizes import ALLOWED as SIZES
from zimage_cli.text import visible

KEY = "sk-0123456789abcdef0123456789abcdef"
CONFIG = "show, get, set, unset, path, edit, set-region, set-key, unset-key, set-workspace, preset"
HYPHENS = "begins with a long dash: an option begins with hyphens."
BEHIND = "is an option of zimage generate: it stands behind that."
ONE_PROMPT = "zimage generate takes one prompt: put its words in quotes."
NO_KEY = (
    "--api-key: zimage takes no key on the command line, where everybody on this machine could "
    "read it."
)
NO_NEGATIVE = "Z-Image Turbo takes no negative prompt: say in the prompt what is to be seen."


# The words that were typed, the error, what to do next.
PROMPTS = [
    (
        ["A calm lake"],
        "zimage has no command 'A calm lake'.",
        'Is it a prompt? Then: zimage generate "A calm lake"',
    ),
    (["kite"], "zimage has no command 'kite'.", "Is it a prompt? Then: zimage generate kite"),
    ([" "], "zimage has no command ' '.", "zimage --help"),
    (
        ["一只", "风筝", "-s", "横图"],
        "zimage has no command '一只'.",
        'Is it a prompt? Then: zimage generate "一只 风筝" -s "横图"',
    ),
    (
        ["many", "sizes", "of", "kites"],
        "zimage has no command 'many'.",
        'Is it a prompt? Then: zimage generate "many sizes of kites"',
    ),
    (
        ["--sandbox", "A kite's tail"],
        f"--sandbox {BEHIND}",
        'zimage generate --sandbox "A kite\'s tail"',
    ),
    (["-n", "4", "a kite"], f"-n {BEHIND}", 'zimage generate -n 4 "a kite"'),
    (
        ["generate", "a", "red", "kite", "--size", "16:9", "-n4"],
        ONE_PROMPT,
        'zimage generate "a red kite" --size 16:9 -n4',
    ),
    (
        ["generate", "-q", "a", "--size=1:1", "$5", "kite!", "--sandbox"],
        ONE_PROMPT,
        "zimage generate -q 'a $5 kite!' --size=1:1 --sandbox",
    ),
    (
        ["generate", "-", "a", "kite", "--sandbox"],
        ONE_PROMPT,
        'zimage generate --sandbox -- "- a kite"',
    ),
    (["generate", "“a", "kite”"], ONE_PROMPT, 'zimage generate "a kite"'),
    (["generate", "a lake", "—misty"], ONE_PROMPT, 'zimage generate "a lake —misty"'),
    (
        ["validate", "a", "kite"],
        "zimage validate takes one prompt: put its words in quotes.",
        'zimage validate "a kite"',
    ),
    (["generate", "a", "\x1b[31m"], ONE_PROMPT, 'zimage generate "…"'),
    (["generate", "a", "x" * 400], ONE_PROMPT, 'zimage generate "…"'),
    (["generate", "a", KEY], ONE_PROMPT, 'zimage generate "…"'),
    (
        ["generate", "--prompt", "a kite", "-s", "1:1"],
        "--prompt: the prompt is given without an option, in quotes.",
        'zimage generate "a kite" -s 1:1',
    ),
    (
        ["generate", "-- a kite", "--sandbox"],
        "A prompt that begins with a hyphen stands behind --, as the last word.",
        'zimage generate --sandbox -- "-- a kite"',
    ),
]
DASHES = [
    (
        ["generate", "kite", "—sandbox", "–n", "4"],
        f"'—sandbox' {HYPHENS}",
        "zimage generate kite --sandbox -n 4",
    ),
    (
        ["generate", "a", "kite", "––size=1:1", "–n4"],
        f"'––size=1:1' {HYPHENS}",
        'zimage generate "a kite" --size=1:1 -n4',
    ),
    (
        ["generate", "kite", "-−sise", "1:1"],
        f"'-−sise' {HYPHENS}",
        "zimage generate kite --size 1:1",
    ),
    (["—version"], f"'—version' {HYPHENS}", "zimage --version"),
    (["—sandbox", "a kite"], f"'—sandbox' {HYPHENS}", 'zimage generate --sandbox "a kite"'),
    (
        ["history", "—limit", "5"],
        f"'—limit' {HYPHENS}",
        "Write --limit",
    ),
    (["sizes", "—json"], f"'—json' {HYPHENS}", "zimage sizes --json"),
    (
        ["generate", "—sandbox"],
        '"—sandbox" begins with a long dash: an option begins with hyphens.',
        "Write --sandbox; or a space before it, where it is to be painted.",
    ),
]
OPTIONS = [
    (
        ["generate", "kite", "--sise", "1:1"],
        "zimage generate has no option --sise. Did you mean --size?",
        "zimage generate kite --size 1:1",
    ),
    (
        ["generate", "a", "kite", "--OUTPUT=x.png", "--prompt_extend"],
        "zimage generate has no option --OUTPUT. Did you mean --output?",
        'zimage generate "a kite" --output=x.png --prompt-extend',
    ),
    (
        ["generate", "kite", "-N", "3"],
        "zimage generate has no option -N. Did you mean -n?",
        "zimage generate kite -n 3",
    ),
    (
        ["generate", "kite", "--ar", "16:9", "--out", "x.png", "--num-images", "2"],
        "zimage generate has no option --ar. Did you mean --size?",
        "zimage generate kite --size 16:9 --output x.png --count 2",
    ),
    (
        ["generate", "kite", "--wide"],
        "zimage generate has no option --wide.",
        "zimage generate --help",
    ),
    (["generate", "kite", "-x"], "zimage generate has no option -x.", "zimage generate --help"),
    (["--wide"], "zimage has no option --wide.", "zimage --help"),
    (["--nonsense", "generate"], "zimage has no option --nonsense.", "zimage --help"),
    (
        ["sizes", "--jsn"],
        "zimage sizes has no option --jsn. Did you mean --json?",
        "zimage sizes --json",
    ),
    (["sizes", "--model", "x"], "zimage sizes has no option --model.", "zimage sizes --help"),
    (
        ["--sise", "1:1", "generate", "kite"],
        "zimage has no option --sise. Did you mean --size?",
        "zimage generate kite --size 1:1",
    ),
    (
        ["--sandbox", "generate", "kite"],
        f"--sandbox {BEHIND}",
        "zimage generate kite --sandbox",
    ),
    (
        ["generate", "--\x1b[31m"],
        "zimage generate has no option --\\x1b[31m.",
        "zimage generate --help",
    ),
    (
        ["generate", "kite", "--api-key", KEY],
        NO_KEY,
        "Store it: zimage config set-key; or set the variable DASHSCOPE_API_KEY.",
    ),
    (
        ["generate", "kite", "--sandbox=yes", "-n", "2"],
        "--sandbox takes no value, and 'yes' was given.",
        "zimage generate kite --sandbox -n 2",
    ),
    (
        ["generate", "kite", "--size"],
        f"--size: the value is missing; allowed: {SIZES}",
        "zimage generate kite --size SIZE",
    ),
    (["generate", "kite", "-o"], "-o: the value is missing.", "zimage generate kite -o FILE|DIR|-"),
]
LACKING = [
    (
        ["generate", "kite", "--negative-prompt", "ugly, bad", "--steps=20", "-s", "1:1"],
        f"--negative-prompt: {NO_NEGATIVE}",
        "Without it: zimage generate kite -s 1:1",
    ),
    (
        ["generate", "--cfg-scale", "7", "kite"],
        "--cfg-scale: Z-Image Turbo takes no guidance scale: the service sets it.",
        "Without it: zimage generate kite",
    ),
    (
        ["generate", "--watermark", "kite"],
        "--watermark: Z-Image Turbo has no setting for a watermark.",
        "Without it: zimage generate kite",
    ),
    (
        ["--model", "wan", "a kite"],
        "--model: zimage has one model, z-image-turbo: it needs no name.",
        'Without it: zimage generate "a kite"',
    ),
    (
        ["batch", "x.txt", "--steps", "20"],
        "--steps: Z-Image Turbo takes no number of steps: the service sets it.",
        "Without it: zimage batch x.txt",
    ),
]
VALUES = [
    (
        ["generate", "kite", "--seed", "abc"],
        "--seed: 'abc' is not a whole number; allowed: 0 … 2147483647, or new",
        "zimage generate --help",
    ),
    (
        ["generate", "kite", "--seed", "new", "--seed", "1.0"],
        "--seed: '1.0' is not a whole number; allowed: 0 … 2147483647, or new",
        "zimage generate --help",
    ),
    (
        ["batch", "x.txt", "--seed", "new"],
        "--seed: 'new' is not a whole number; allowed: 0 … 2147483647",
        "zimage batch --help",
    ),
    (
        ["generate", "kite", "-n4x", "--seed=1"],
        "--count: '4x' is not a whole number; allowed: 1 … 10000",
        "zimage generate --help",
    ),
    (
        ["history", "show", "abc"],
        f'"abc" is no picture of the history; allowed: {ALLOWED}',
        "To search for words: zimage history list WORDS",
    ),
    (
        ["history", "export", "-o", "a.png"],
        "--output: a.png does not tell the format; allowed: a name that ends in .jsonl or .csv",
        "Or name it: --format jsonl, --format csv",
    ),
    (
        ["history", "--limit", "x"],
        "--limit: 'x' is not a whole number.",
        "zimage history list --help",
    ),
    (
        ["sandbox", "serve", "--latency", "soon"],
        "--latency: 'soon' is not a number.",
        "zimage sandbox serve --help",
    ),
    # Of a variable that is not set; Path would make the folder of it in which the command runs.
    (["mcp", "--output-dir", ""], "--output-dir: '' is not a path.", "zimage mcp --help"),
    (["batch", "x.txt", "-o", ""], "--output: '' is not a path.", "zimage batch --help"),
]
ARGUMENTS = [
    (["history", "show"], "zimage history show: REF is missing.", "zimage history show REF"),
    (
        ["config", "set", "size"],
        "zimage config set: VALUE is missing.",
        "zimage config set size VALUE",
    ),
    (["config", "set"], "zimage config set: NAME is missing.", "zimage config set NAME VALUE"),
    (["batch", "--sandbox"], "zimage batch: FILE is missing.", "zimage batch --sandbox FILE"),
    (["sizes", "x"], "zimage sizes takes no argument: 'x' is too many.", "zimage sizes --help"),
    (
        ["batch", "a.txt", "b.txt"],
        "zimage batch takes only FILE: 'b.txt' is too many.",
        "zimage batch --help",
    ),
    (
        ["config", "set", "size", "1:1", KEY],
        "zimage config set takes only NAME, VALUE: 'sk-…cdef' is too many.",
        "zimage config set --help",
    ),
    (
        ["generate", "--dry-run"],
        "No prompt.",
        "Give a prompt: zimage generate 'A calm lake at dawn'",
    ),
]
NAMES = [
    (
        ["generat", "a", "red", "kite", "--sise", "1:1"],
        "zimage has no command 'generat'. Did you mean generate?",
        'zimage generate "a red kite" --size 1:1',
    ),
    (
        ["gen", "kite"],
        "zimage has no command 'gen'. Did you mean generate?",
        "zimage generate kite",
    ),
    (
        ["reginos", "list"],
        "zimage has no command 'reginos'. Did you mean regions?",
        "zimage regions list",
    ),
    (
        ["histroy", "lst"],
        "zimage has no command 'histroy'. Did you mean history?",
        "zimage history list lst",
    ),
    (
        ["regions", "lst"],
        "zimage regions has no command 'lst'. Did you mean list?",
        "zimage regions list",
    ),
    (
        ["regions", "nonsense"],
        "zimage regions has no command 'nonsense'; allowed: list, show, ping",
        "zimage regions --help",
    ),
    (
        ["help", "generat"],
        "zimage has no command 'generat'. Did you mean generate?",
        "zimage generate --help",
    ),
    (
        ["help", "config", "foo"],
        f"zimage config has no command 'foo'; allowed: {CONFIG}",
        "zimage config --help",
    ),
    (["help", "a", "kite"], "zimage has no command 'a'.", "zimage --help"),
    (["a kite", "--help"], "zimage has no command 'a kite'.", "zimage --help"),
    (["recover", "4"], "zimage has no command 'recover'.", "Did you mean: zimage history recover"),
    (
        ["\x1b[31m"],
        "zimage has no command '\\x1b[31m'.",
        'Is it a prompt? Then: zimage generate "…"',
    ),
    (["version"], "zimage has no command 'version'.", "Did you mean: zimage --version"),
    (
        ["--"],
        f"zimage: no command was given; allowed: {', '.join(COMMANDS)}",
        "zimage --help",
    ),
]


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [*PROMPTS, *DASHES, *OPTIONS, *LACKING, *VALUES, *ARGUMENTS, *NAMES],
    ids=lambda one: " ".join(one)[:60] if isinstance(one, list) else "",
)
def test_what_is_wrong_and_what_was_meant(
    zimage: Any, words: list[str], said: str, hint: str
) -> None:
    run = zimage(*words, status=2)
    assert (run.stdout, run.stderr) == ("", f"error: {said}\n  next: {hint}\n")


def test_on_a_terminal_the_command_to_type_can_be_copied(terminal: Any) -> None:
    words = ["a", "red", "kite"] * 8
    shown = terminal("generate", *words, "—sandbox", columns=80)
    assert shown.end() == 2
    line = f'zimage generate "{" ".join(words)}" --sandbox'
    # The terminal wraps it; what was written is one line.
    assert f"next:\x1b[0m {line}\r\n" in shown.raw
    whole = f"  next: {line}"
    assert shown.lines == [
        "error: '—sandbox' begins with a long dash: an option begins with hyphens.",
        whole[:80].rstrip(),
        whole[80:],
    ]


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["kite", "--sise", "1:1"], ("option", "--sise", None, "--size")),
        (["kite", "--wide"], ("option", "--wide", None, None)),
        (["kite", "--steps", "20"], ("option", "--steps", None, None)),
        (["a", "red", "kite"], ("prompt", "a red kite", None, None)),
        (["kite", "--seed", "abc"], ("seed", "abc", "0 … 2147483647, or new", None)),
        (["kite", "--seed", KEY], ("seed", "sk-…cdef", "0 … 2147483647, or new", None)),
        (["kite", "--size"], ("size", None, str(SIZES), None)),
        ([], ("prompt", None, "a text that is not blank", None)),
        (["—sandbox"], ("prompt", "—sandbox", None, None)),
    ],
)
def test_the_document_names_what_is_known(
    zimage: Any, words: list[str], facts: tuple[object, ...]
) -> None:
    # `--json` first: behind an option without its value it would be that.
    run = zimage("generate", "--json", *words, status=2)
    (error,) = run.json["errors"]
    assert tuple(error[name] for name in ("field", "value", "allowed", "nearest")) == facts
    assert error["type"] == "usage"


def test_what_the_model_lacks_is_said_of_a_field_too(zimage: Any) -> None:
    fields = '{"prompt": "kite", "negative_prompt": "ugly"}'
    run = zimage("generate", "--request", fields, status=2)
    assert run.stderr == (
        "error: negative_prompt: is not a field of a request; allowed: prompt, size, seed, "
        f"prompt_extend, base_url. {NO_NEGATIVE}\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("--negative-prompt", "--steps", "--num-inference-steps", "--cfg", "--cfg-scale"),
        *("--guidance", "--guidance-scale", "--model", "--sampler", "--scheduler", "--strength"),
        *("--image", "--watermark", "--style"),
    ],
)
def test_what_the_model_does_not_have_is_said(zimage: Any, name: str) -> None:
    run = zimage("generate", "kite", name, "x", status=2)
    assert run.stderr == (
        f"error: {name}: {lacking(name)}\n  next: Without it: zimage generate kite\n"
    )


def test_nothing_of_this_is_loaded_without_an_error(zimage: Any) -> None:
    program = """
import sys
from zimage_cli.cli.main import main
main(["generate", "kite", "-s", "横图", "-r", "北京", "--dry-run", "--json"])
names = ["cli.meant", "cli.command_line", "core.request.lacking"]
print([name for name in names if f"zimage_cli.{name}" in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=zimage.environment(),
        cwd=zimage.cwd,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b"[]\n"


# -- any words at all -----------------------------------------------------------------------------

TREE: Any = typer.main.get_command(app)
WORDS = st.sampled_from(
    [
        *("generate", "generat", "history", "list", "config", "set", "batch", "sizes", "kite"),
        *("a kite", "—sandbox", "–n4", "--sandbox", "--sise", "--size", "-n", "-qx", "4", "1:1"),
        *(
            "--steps",
            "--prompt",
            "--",
            "-",
            "",
            "--size=1:1",
            "--sandbox=1",
            "-- a",
            "“a”",
            "=",
            "—",
        ),
    ]
)


def refusal(path: list[str], words: list[str]) -> Exception | None:
    """Return what typer says of the words behind a command; None where it takes them."""
    command = TREE
    for name in path:
        command = command.get_command(typer.Context(command), name)
    try:
        command.make_context(path[-1], list(words), resilient_parsing=False)
    except typer.TyperException as error:
        return error
    except typer.Exit:
        pass
    return None


@given(
    st.sampled_from([["generate"], ["batch"], ["history", "list"], ["config", "set"], ["sizes"]]),
    st.lists(WORDS | st.text(max_size=6), max_size=6),
)
@example(["generate"], ["a", "--sise", "--steps", "--", "--b"])
@example(["generate"], ["-", "generate"])
@example(["generate"], ["-", "generate", "--sise"])
@example(["generate"], ["--sandbox=1", "--sise"])
@example(["generate"], ["-s", "1:1", "--", "--a", "b"])
@example(["generate"], ["--steps", "4", "kite", "--size"])
@example(["generate"], ["-- a", "--sise"])
def test_any_words_are_taken_or_told(path: list[str], words: list[str]) -> None:
    words = [word for word in words if word not in {"--help", "-h"}]
    error = refusal(path, words)
    if error is None:
        return
    said = from_typer(error, TREE, [*path, *words])
    assert said.message
    assert said.hint
    assert visible(said.message) == said.message
    before, _, line = said.hint.rpartition("zimage ")
    if "…" in line or before not in {"", "Without it: "}:
        return
    # What is told to be typed is taken, or it is something else that is wrong.
    again = refusal(path, shlex.split(line)[len(path) :])
    assert not hasattr(again, "possibilities")


@given(st.lists(WORDS | st.text(max_size=6), min_size=1, max_size=6))
def test_any_words_may_stand_where_a_command_is_expected(words: list[str]) -> None:
    error = typer.TyperException("no such command")
    said = from_typer(error, TREE, words)
    assert said.message
    assert said.hint
