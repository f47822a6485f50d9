"""Every sentence is translated, and none can be printed that is not: the catalogue and the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import translations
from translations import MO, PACKAGE, PO, faults, mo_of, po_of, without_commands

ALL = {
    "Saved {path}, {cost:.2f}.": "已保存 {path}，{cost:.2f}。",
    ", ": "，",
    "No key yet": "没有 API Key",
}


@pytest.fixture(scope="module")
def sentences() -> dict[str, list[str]]:
    return translations.sentences()


# -- the catalogue ------------------------------------------------------------------------------


def test_every_sentence_has_a_translation_that_can_be_right(
    sentences: dict[str, list[str]],
) -> None:
    known = {one.id: one.string for one in translations.read() if one.id}
    assert [*faults(known, sentences)] == []


def test_the_files_are_as_the_tool_writes_them() -> None:
    assert po_of(translations.merged()) == PO.read_bytes(), "python tests/translations.py"
    assert mo_of(translations.read()) == MO.read_bytes(), "python tests/translations.py"


def test_another_translation_makes_other_files() -> None:
    before, catalogue = translations.read(), translations.read()
    next(one for one in catalogue if one.id == "error:").string = "错："
    assert po_of(catalogue) != po_of(before) == PO.read_bytes()
    assert mo_of(catalogue) != mo_of(before)


@pytest.mark.parametrize(
    ("text", "its", "fault"),
    [
        ("No key yet", "", "no translation"),
        ("Saved {path}, {cost:.2f}.", "已保存 {path}。", "other placeholders"),
        ("Saved {path}, {cost:.2f}.", "已保存 {path}，{cost}。", "other placeholders"),
        ("Saved {path}, {cost:.2f}.", "已保存 {file}，{cost:.2f}。", "other placeholders"),
        ("No key yet", "没有 Key: 请设置", ""),
        ("No key yet", "没有密钥: 请设置", "half-width mark in Chinese"),
        ("No key yet", "没有密钥.", "half-width mark in Chinese"),
        ("Saved {path}", "已保存 {path}.", "half-width mark in Chinese"),
        ("No key yet", "No API key so far", "not in Chinese"),
        ("its EXIF UserComment", "EXIF UserComment", ""),
        ("{command} --help", "{command} --help", ""),
        ("zimage schema request --for {target}", "zimage schema request --for {target}", ""),
        ("1 made · {lost} lost", "已生成 1 张，丢失 {lost} 张", "not as many ' · '"),
        ("run zimage config show", "用 config show 查看", "lacks zimage config"),
        ("square or --size", "方图或 --size", "lacks square"),
        ("see --count and size_of", "见 --size 和 size", "lacks --count, size_of"),
        ("stopped:\n{lines}", "已停止：{lines}", "not as many '\\n'"),
    ],
)
def test_what_a_translation_may_not_be(text: str, its: str, fault: str) -> None:
    found = [*faults({**ALL, text: its}, {**ALL, text: ""})]
    assert [one.partition(": ")[0] for one in found] == ([fault] if fault else [])


def test_a_sentence_that_nobody_says_any_more_is_told() -> None:
    assert [*faults(ALL, {**ALL, "No key yet": ""})] == []
    gone = {text: "" for text in ALL if text != "No key yet"}
    assert [*faults(ALL, gone)] == ["nothing says this any more: 'No key yet'"]
    assert [*faults({}, {"No key yet": ""})] == ["no translation: 'No key yet'"]


# -- the code ----------------------------------------------------------------------------------

SAID = {"help", "epilog", "hint"}
"""Keywords whose texts are extracted with the help, or are templates."""
SPEAKS_ENGLISH = ("completion/", "skill/references.py", "tree.py")
"""What writes scripts, references and JSON: they are English."""
NAMED = {
    "command_line.py": {
        "width height ratio aspect-ratio aspect ar resolution dimensions",
        "num number num-images num-outputs batch-size images-per-prompt samples",
        "out outfile output-file save save-as",
        "url api-url api-base host",
        "extend rewrite enhance enhance-prompt magic-prompt",
    },
    "errors.py": {"start new thread", "allocate lock", "failed to map", "many open"},
    # The file's comments are in English.
    "config/edit.py": {
        "# Settings of zimage. A flag or an environment variable wins over what stands here.",
        '# prompt = "{prompt}, ink wash"',
    },
    "config/preset.py": {"zimage config preset set ink --prompt '{prompt}, ink wash, blank space'"},
    "generate/printer.py": {"history show"},
    "generate/prompting.py": {"set enable-bracketed-paste on"},
    # The head of a table that has one only in a pipe.
    "sandbox.py": {"what it does"},
}
"""File → English in it that no person reads as a sentence."""


def english(path: Path, said: set[str]) -> Iterator[str]:
    """Yield the texts in a module that are English sentences, and that nothing translates."""
    tree = ast.parse(path.read_text("utf-8"))
    spared: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            # Docstrings: those of commands are extracted as help.
            spared |= {id(node.value)}
        elif isinstance(node, ast.Call):
            texts = [one.value for one in node.keywords if one.arg in SAID]
            if translations._name_of(node.func) == "option":
                texts += node.args
            spared |= {id(part) for text in texts for part in ast.walk(text)}
        elif isinstance(node, ast.JoinedStr):
            spared |= {id(part) for part in node.values}
            if id(node) not in spared:
                parts = [getattr(one, "value", "{}") for one in node.values]
                text = "".join(one if isinstance(one, str) else "{}" for one in parts)
                if is_sentence(text):
                    yield text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            known = id(node) in spared or node.value in said or node.value.startswith("Examples:")
            if not known and is_sentence(node.value):
                yield node.value


SAMPLE = '''
"""A docstring of a module."""
app.command(epilog="Examples:\\n\\nzimage sizes of a thing")
WIDE = Message("a whole sentence")
style, command, name = "bold red", "zimage config set-key --region beijing", "results.jsonl"
def run(out, count):
    """Say what there is."""
    option(PANEL, "--count", "How many there are.")
    out.note(Message("said before", count=count))
    out.write("never said before")
    out.write(f"saved {count} in there")
'''


def test_english_that_escapes_translation_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE, "utf-8")
    said = {"a whole sentence", "said before"}
    assert {*english(path, said)} == {"never said before", "saved {} in there"}
    assert {*english(path, {"said before"})} > {"a whole sentence"}


def is_sentence(text: str) -> bool:
    """Tell whether two words of letters stand side by side, and are no command of ours."""
    words = without_commands(text)
    style = {*text.split()} <= {"bold", "dim", "italic", "red", "green", "yellow", "cyan"}
    return not style and bool(re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", words))


def modules() -> list[str]:
    folder = PACKAGE / "cli"
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.py")))
    return [name for name in names if not name.startswith(SPEAKS_ENGLISH)]


def test_no_screen_escapes_translation(sentences: dict[str, list[str]]) -> None:
    found = {name: {*english(PACKAGE / "cli" / name, {*sentences})} for name in modules()}
    assert {name: texts for name, texts in found.items() if texts} == NAMED
