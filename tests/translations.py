"""The sentences of zimage, and their translations: `python tests/translations.py`
brings them up to date.

It finds every sentence in the code, the help and the gallery's page, puts new ones into
`zimage_cli/locale/zh_CN.po` without a translation, drops those that are gone, and compiles
`zh_CN.mo`. With files (`python tests/translations.py new.po`) it takes their translations too. It
ends with 1 where a sentence has no translation, or one that cannot be right.
"""

from __future__ import annotations

import ast
import io
import re
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import zimage_cli

PACKAGE = Path(zimage_cli.__file__).parent
PO = PACKAGE / "locale" / "zh_CN.po"
MO = PO.with_suffix(".mo")

_CALLS = {"Message": (0,), "counted": (1, 2), "but": (0,), "Listing": (0,)}
"""Functions, and which of their arguments are templates."""
_HAN = r"[\u3400-\u9fff]"
_NAME = (
    r"--[a-z][\w-]*|\b[A-Za-z]+_[A-Za-z_]+\b|\w+\.(?:json|toml|txt)\b"
    r"|\b(?:square|portrait|landscape|beijing|singapore)\b"
)
"""What is typed as it is, in every language; and commands."""
_HEADER = "# What zimage says, in Simplified Chinese.\n#\n"


_SYSTEM = (
    "Broken pipe",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Device or resource busy",
    "Directory not empty",
    "Disk quota exceeded",
    "File name too long",
    "File too large",
    "Input/output error",
    "Is a directory",
    "Network is unreachable",
    "No space left on device",
    "No such file or directory",
    "Not a directory",
    "Operation not permitted",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
)
OTHERS = (
    # The system; in lower case too, as most sentences quote it.
    *(*_SYSTEM, *map(str.lower, _SYSTEM)),
    # The network.
    "Name or service not known",
    "No route to host",
    "Temporary failure in name resolution",
    "nodename nor servname provided, or not known",
    # httpx.
    "Server disconnected",
    "Server disconnected without sending a response",
    "peer closed connection without sending complete message body (incomplete chunked read)",
    "the connection was closed",
    # Python, of a text that stops being JSON.
    "Expecting ',' delimiter",
    "Expecting ':' delimiter",
    "Expecting property name enclosed in double quotes",
    "Expecting value",
    "Extra data",
    "Illegal trailing comma before end of array",
    "Illegal trailing comma before end of object",
    "Invalid control character",
    "Unterminated string",
)
"""What others say, and `messages.foreign` passes on."""

# -- what is said ------------------------------------------------------------------------------


def sentences() -> dict[str, list[str]]:
    """Return every sentence of zimage, with the files that say it."""
    found: dict[str, list[str]] = {}
    named = [*_in_code(), *_in_help(), *_in_page(), *(("others", text) for text in OTHERS)]
    for name, text in sorted(named, key=lambda one: one[0]):
        if text and _has_words(text) and name not in found.setdefault(text, []):
            found[text].append(name)
    return found


def _has_words(text: str) -> bool:
    """Tell whether there is anything to translate beside the placeholders."""
    try:
        rest = "".join(literal for literal, *_ in Formatter().parse(text))
    except ValueError:
        rest = text
    # Chinese has a full stop of its own, and no blank behind it.
    return bool(re.search(r"[^\W\d_]|[,;:()]", rest)) or "} {" in text or rest.endswith(".")


def _in_code() -> Iterator[tuple[str, str]]:
    templates = _template_takers()
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("mcp/") and name != "mcp/hosts.py":
            # What a program reads is English; of hosts, a person is told.
            continue
        if name == "messages.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for text in _Reader(tree, templates).found:
            yield name, text


@cache
def _template_takers() -> frozenset[str]:
    """Return the names of functions and classes whose first argument is a template."""
    taking = {"ZimageError"}
    classes = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                classes.append(node)
            elif isinstance(node, ast.FunctionDef) and node.name != "__init__":
                first = [*node.args.posonlyargs, *node.args.args]
                names = [one.arg for one in first if one.arg not in {"self", "cls"}]
                if names[:1] == ["template"]:
                    taking.add(node.name)
    for node in classes:
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                names = [a.arg for a in (*one.args.posonlyargs, *one.args.args)][1:2]
                if names == ["template"]:
                    taking.add(node.name)
    while more := {
        one.name
        for one in classes
        if one.name not in taking and taking & {_name_of(base) for base in one.bases}
    }:
        taking |= more
    return frozenset(taking)


def _name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


class _Reader:
    """Looks through one module; `found` are its templates."""

    def __init__(self, tree: ast.Module, taking: Iterable[str]) -> None:
        self.bound: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._bind(target, node.value)
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                self._bind(node.target, node.value)
        self.found: list[str] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _name_of(node.func)
                if ast.unparse(node.func) == "super().__init__":
                    name = "Message" if node.args else ""
                if any(one in taking for one in self._named(name)):
                    # One of several classes of errors.
                    name = "Message"
                places = _CALLS.get(name, (0,) if name in taking else ())
                given = [node.args[place] for place in places if place < len(node.args)]
                hints = [one.value for one in node.keywords if one.arg == "hint"]
                for one in (*given, *hints):
                    self.found += self._texts(one, set())

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.bound.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._bind(one, its)

    def _named(self, name: str) -> list[str]:
        """Return the names that stand in what a name is bound to."""
        nodes = [node for value in self.bound.get(name, []) for node in ast.walk(value)]
        return [node.id for node in nodes if isinstance(node, ast.Name)]

    def _texts(self, node: ast.expr, seen: set[str]) -> list[str]:
        """Return the texts that an expression can be."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.IfExp():
                parts = [node.body, node.orelse]
            case ast.BoolOp():
                parts = node.values
            case ast.Dict():
                parts = node.values
            case ast.Tuple() | ast.List():
                parts = node.elts
            case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner, attr="get")):
                parts = [inner]
            case ast.Name(id=name) if name not in seen:
                seen.add(name)
                parts = self.bound.get(name, [])
            case _:
                parts = []
        return [text for part in parts for text in self._texts(part, seen)]


def _in_help() -> Iterator[tuple[str, str]]:
    """Yield what the help says of commands, arguments and options, a paragraph at a time."""
    import typer

    from zimage_cli.cli.main import app

    def walk(command: Any, parent: Any, words: str) -> Iterator[tuple[str, str]]:
        context = typer.Context(command, info_name=words, parent=parent)
        texts = [*(command.help or "").split("\n\n")]
        for parameter in command.get_params(context):
            texts += [parameter.help or "", getattr(parameter, "rich_help_panel", None) or ""]
        yield from ((words, " ".join(text.split())) for text in texts)
        for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
            below = command.get_command(context, name)
            if not below.hidden:
                yield from walk(below, context, f"{words} {name}")

    return walk(typer.main.get_command(app), None, "zimage")


def _in_page() -> Iterator[tuple[str, str]]:
    """Yield what the gallery's page says itself."""
    from zimage_cli.core.gallery.page import sentences as of_page

    return ((f"core/gallery/{name}", text) for name, text in of_page())


# -- what is translated ------------------------------------------------------------------------


def read(path: Path = PO) -> Any:
    """Return a catalogue of translations."""
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        return read_po(file, locale="zh_CN", abort_invalid=True)


def merged(*files: Path) -> Any:
    """Return the catalogue as it should be: today's sentences, with all known translations."""
    from babel.messages.catalog import Catalog

    known: dict[str, str] = {}
    for path in (PO, *files):
        if path.exists():
            known |= {one.id: one.string for one in read(path) if one.id and one.string}
    made = Catalog(
        locale="zh_CN", project="zimage", fuzzy=False, header_comment=_HEADER, charset="utf-8"
    )
    for text, names in sentences().items():
        flags = [] if "{" not in text else ["python-brace-format"]
        made.add(text, known.get(text, ""), locations=[(name, 0) for name in names], flags=flags)
    return made


def po_of(catalogue: Any) -> bytes:
    """Return a catalogue as the text of a .po file."""
    from babel.messages.pofile import write_po

    file = io.BytesIO()
    write_po(file, catalogue, width=100, omit_header=False, include_lineno=False)
    # Nothing that differs from run to run, or from machine to machine.
    head, _, rest = file.getvalue().partition(b"\n\n")
    idle = rb'(?m)^"(?:POT-Creation|PO-Revision|Project|Report|Last|Language-T|Generated).*\n'
    return re.sub(idle, b"", head + b"\n") + b"\n" + rest


def mo_of(catalogue: Any) -> bytes:
    """Return a catalogue compiled, as gettext reads it.

    Babel's own would hold the minute, and the version of Babel.
    """
    texts = {"": "Language: zh_CN\nContent-Type: text/plain; charset=utf-8\n"}
    texts |= {one.id: one.string for one in catalogue if one.id and one.string}
    named = sorted((name.encode(), text.encode()) for name, text in texts.items())
    places, data = b"", b""
    for text in (*(name for name, _ in named), *(text for _, text in named)):
        places += struct.pack("<2I", len(text), 28 + 16 * len(named) + len(data))
        data += text + b"\0"
    end = 28 + len(places)
    head = struct.pack("<7I", 0x950412DE, 0, len(named), 28, 28 + 8 * len(named), 0, end)
    return head + places + data


def placeholders(text: str) -> set[str]:
    """Return the placeholders of a template, with their formats."""
    try:
        parts = [*Formatter().parse(text)]
    except ValueError:
        return set()
    return {f"{name}!{how}:{spec}" for _, name, spec, how in parts if name is not None}


def faults(known: Mapping[str, str], said: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with translations of sentences: `known` has them by the English one."""
    for text in said:
        if not known.get(text):
            yield f"no translation: {text!r}"
    for text, its in known.items():
        if text not in said and _has_words(text):
            yield f"nothing says this any more: {text!r}"
        elif its:
            yield from (f"{fault}: {text!r}: {its!r}" for fault in _faults(text, its))


def _faults(text: str, its: str) -> Iterator[str]:
    if placeholders(text) != placeholders(its):
        yield "other placeholders"
    if re.search(rf"{_HAN}[,.;:!?]|(?<={_HAN}).*\0[,.;](?:\s|$|{_HAN})", _literal(its)):
        yield "half-width mark in Chinese"
    # Words in small letters: names are allowed to stay what they are.
    words = re.findall(r"(?<![\w.-])[a-z]{2,}(?![\w.-])", without_commands(_literal(its)))
    if len(words) > 1 and not re.search(_HAN, its):
        yield "not in Chinese"
    names = re.findall(rf"{_NAME}|{_command()}", _literal(text))
    if lost := [one for one in names if one not in its]:
        yield f"lacks {', '.join(lost)}"
    for mark in ("\n", " · "):
        if text.count(mark) != its.count(mark):
            yield f"not as many {mark!r}"


def without_commands(text: str) -> str:
    """Return text without the commands and options of zimage in it."""
    return re.sub(rf"{_command()}(?: [a-z][\w-]*)*|--[\w-]+", "", text)


@cache
def _command() -> str:
    from zimage_cli.cli.main import COMMANDS

    return rf"\bzimage (?:{'|'.join(COMMANDS)})\b"


def _literal(text: str) -> str:
    """Return a template without its placeholders."""
    try:
        return "\0".join(literal for literal, *_ in Formatter().parse(text))
    except ValueError:
        return text


def main(arguments: list[str]) -> int:
    """Bring .po and .mo up to date; tell what has no translation."""
    catalogue = merged(*map(Path, arguments))
    PO.write_bytes(po_of(catalogue))
    MO.write_bytes(mo_of(read()))
    known = {one.id: one.string for one in catalogue if one.id}
    wrong = [*faults(known, known)]
    for line in wrong:
        print(line)
    print(f"{len(known)} sentences, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
