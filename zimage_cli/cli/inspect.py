"""`zimage inspect`: what pictures say of their own making, whoever made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from zimage_cli.cli import options
from zimage_cli.cli.app import App
from zimage_cli.cli.errors import print_error
from zimage_cli.cli.generate.facts import human_bytes, joined, pixels
from zimage_cli.cli.output import Output
from zimage_cli.cli.preview import MOST, beside
from zimage_cli.cli.table import Cell, Table
from zimage_cli.core.advice import USAGE_STATUS, error_documents
from zimage_cli.core.request.wish import FORMATS
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Listing, Message, Words
from zimage_cli.text import clip, json_text, visible

if TYPE_CHECKING:
    from zimage_cli.cli.preview import Preview
    from zimage_cli.core.recipe.foreign import Parameters
    from zimage_cli.core.recipe.inspect import Inspected
    from zimage_cli.core.recipe.recipe import Recipe

app = App()

_SHOWN = 1000
"""Characters of a text that a terminal shows; a pipe and --json get it whole."""
_LISTED = 20
"""Texts of other programs that are listed; --json has them all."""
_C2PA = Message("present, not verified")
_NAMES = {
    "request_id": Message("request id"),
    "rewritten_prompt": "rewritten prompt",
    # With a fact: elsewhere "made" heads the number of pictures made, another word in Chinese.
    "time": Message("made{at}", at=""),
}
_SOURCES = {
    "zimage": Message("its zimage text"),
    "parameters": Message("its parameters text"),
    "UserComment": Message("its EXIF UserComment"),
    "XMP": Message("its XMP"),
}
_PROPERTIES = {
    "description": Message("XMP text"),
    "creator_tool": Message("XMP tool"),
    "digital_source_type": Message("XMP source"),
}
_PARAMETERS = {
    "prompt": "parameters",
    "negative_prompt": "negative prompt",
    "settings": "settings",
}


@app.command(
    epilog="Examples:\n\nzimage inspect fox.png\n\nzimage inspect *.jpg --json\n\n"
    "zimage inspect fox.png --command",
    document={"pictures": []},
)
def inspect(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="PNG, JPEG or WebP; - reads standard input."),
    ],
    command: Annotated[
        bool,
        typer.Option("--command", help="Print the zimage generate that makes it again, for sh."),
    ] = False,
    preview: options.Preview = None,
    json: options.Json = False,
) -> None:
    """Show what pictures say of their own making: recipe, AI label, C2PA, other programs' texts."""
    from zimage_cli.core.recipe.again import command as again
    from zimage_cli.core.recipe.inspect import inspect as read

    if command and json:
        raise UsageError(
            "--command and --json contradict each other.",
            hint="The document of --json has the command.",
        )
    out = Output()
    show = None if command or json else beside(out, preview)
    documents: list[dict[str, Any]] = []
    errors: list[ZimageError] = []
    shown = 0
    for file in files:
        try:
            found = read(file)
            if command:
                out.result(again(found))
            elif json:
                documents.append(_document(found))
            else:
                if shown:
                    out.result("")
                if show is not None and shown < MOST:
                    _show(show, found)
                _print(out, found)
                shown += 1
        except ZimageError as error:
            errors.append(error)
            print_error(out, error)
    if json:
        status = "ok" if not errors else "partial" if documents else "error"
        problems = [document for error in errors for document in error_documents(error)]
        out.document(status, pictures=documents, errors=problems)
    if errors:
        raise typer.Exit(USAGE_STATUS)


def _show(preview: Preview, found: Inspected) -> None:
    if found.path == "-":
        preview.refuse(Message("the picture came from the standard input"))
    else:
        preview.show([Path(found.path)])


def _command(found: Inspected) -> str | None:
    from zimage_cli.core.recipe.again import command

    try:
        return command(found)
    except UsageError:
        return None


# -- as data -----------------------------------------------------------------------------------


def _document(found: Inspected) -> dict[str, Any]:
    foreign = found.parameters
    return {
        "path": found.path if found.path == "-" else str(Path(found.path).absolute()),
        "format": found.format,
        "width": found.width,
        "height": found.height,
        "bytes": found.bytes,
        "sha256": found.sha256,
        "whole": found.whole,
        "source": found.source,
        "recipe": None if found.recipe is None else _recipe(found, found.recipe),
        "parameters": None if foreign is None else foreign._asdict(),
        "comfyui": found.comfyui or None,
        "aigc": [{"source": label.source, "label": label.data} for label in found.labels],
        "c2pa": _C2PA if found.c2pa else None,
        "xmp": found.xmp or None,
        "texts": [{"keyword": keyword, "text": text} for keyword, text in found.texts],
        "unread": [*found.unread],
        "command": _command(found),
    }


def _recipe(found: Inspected, recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as its text has it, with null for what the file does not tell."""
    known = {**recipe.document(), "prompt_extend": found.prompt_extend}
    return {name: None if value == "" else value for name, value in known.items()}


# -- for people --------------------------------------------------------------------------------


class _Fact(NamedTuple):
    """A line: its name, and its value on a terminal and in a pipe; None: it does not stand there.

    A value is one line in a pipe. One that is `whole` is not folded on a terminal. A text that is
    no Message is of the picture.
    """

    name: str
    shown: str | None
    piped: str | None
    whole: bool = False


def _print(out: Output, found: Inspected) -> None:
    if not out.stdout.isatty():
        for fact in _facts(found):
            if fact.piped is not None:
                out.result(f"{fact.name}: {visible(fact.piped)}")
        return
    if found.path == "-":
        out.result(out.result_text(Message("standard input")))
    else:
        out.path(Path(found.path))
    for one in _cards(found):
        out.result_card(*one)
    table = Table(("name", "value"), last="fold", header=False)
    for fact in _facts(found):
        if fact.shown is not None:
            shown = fact.shown
            text = shown if isinstance(shown, Words) else visible(clip(shown, _SHOWN))
            table.add_row(Cell(fact.name, "dim"), Cell(text, whole=fact.whole))
    out.result_table(table)


def _cards(found: Inspected) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield title and parts of each card: a text and its style."""
    recipe, foreign = found.recipe, found.parameters
    if recipe is not None:
        parts = [(_block(recipe.prompt), "")]
        if recipe.rewritten_prompt:
            rewritten = _block(recipe.rewritten_prompt)
            parts += [(Message("rewritten prompt"), "bold dim"), (rewritten, "")]
        yield Message("recipe"), [*parts, (_request(found, recipe), "dim")]
    if foreign is not None:
        parts = [(_block(foreign.prompt), "")]
        if foreign.negative_prompt:
            negative = _block(foreign.negative_prompt)
            parts += [(Message("negative prompt"), "bold dim"), (negative, "")]
        title = Message("parameters of another program")
        yield title, [*parts, (visible(_settings(foreign)), "dim")]


def _request(found: Inspected, recipe: Recipe) -> Listing:
    """Return what was asked for beside the words."""
    extended = Message("prompt_extend on"), Message("prompt_extend off")
    facts = (
        visible(pixels(recipe.size)),
        "" if recipe.seed is None else Message("seed {seed}", seed=recipe.seed),
        "" if found.prompt_extend is None else extended[not found.prompt_extend],
        *(visible(recipe.model), visible(recipe.region)),
        f"zimage {visible(recipe.version)}" if recipe.version else "",
    )
    return Listing(" · ", [fact for fact in facts if fact])


def _settings(foreign: Parameters) -> str:
    return clip(joined([f"{name} {value}" for name, value in foreign.settings.items()]), _SHOWN)


def _block(text: str) -> str:
    return visible(clip(text, _SHOWN), newlines=True)


def _facts(found: Inspected) -> Iterator[_Fact]:
    """Yield what is known; on a terminal, what does not stand in a card."""
    form, dimensions = FORMATS[found.format], f"{found.width}×{found.height}"
    yield _Fact("path", None, found.path)
    yield _Fact(Message("picture"), joined([form, dimensions, human_bytes(found.bytes)]), None)
    yield _Fact("format", None, form)
    yield _Fact("dimensions", None, dimensions)
    yield _Fact("bytes", None, str(found.bytes))
    yield _Fact("sha256", found.sha256, found.sha256, whole=True)
    if not found.whole:
        why = Message("no: it is cut off or damaged, or holds more than is read")
        yield _both(Message("whole"), why)
    if found.recipe is not None:
        yield from _recipe_facts(found, found.recipe)
    if found.parameters is not None:
        foreign = found.parameters._asdict()
        yield from (
            _Fact(_PARAMETERS[name], None, _one_line(value))
            for name, value in foreign.items()
            if value
        )
    yield from _comfyui_facts(found)
    for label in found.labels:
        named = visible(clip(_named(label.data), _SHOWN))
        shown, piped = (
            Message("{label} (in {source})", label=one, source=label.source)
            for one in (named, _one_line(label.data))
        )
        yield _Fact(Message("AIGC label"), shown, piped)
    if found.c2pa:
        yield _both("C2PA", _C2PA)
    yield from _xmp_facts(found)
    for keyword, text in found.texts[:_LISTED]:
        yield _both(Message("text"), f"{keyword}: {text}")
    if len(found.texts) > _LISTED:
        more = len(found.texts) - _LISTED
        yield _both(Message("text"), Message("and {more:,} more; --json has them", more=more))
    if found.unread:
        names = ", ".join(found.unread)
        shown, piped = (
            Message("{texts}: damaged, or longer than 1 MiB", texts=one)
            for one in (visible(clip(names, _SHOWN)), names)
        )
        yield _Fact(Message("not read"), shown, piped)
    if _command(found) is not None:
        from zimage_cli.core.recipe.again import typed

        again = f"zimage inspect {typed(found.path)} --command"
        yield _Fact(
            Message("to make again"), again if found.path != "-" else None, None, whole=True
        )
    elif found.recipe is None and found.parameters is None and not found.comfyui:
        yield _both(Message("recipe"), Message("none"))


def _xmp_facts(found: Inspected) -> Iterator[_Fact]:
    """Yield what XMP says beside the recipe."""
    recipe = found.recipe
    told = () if recipe is None else (recipe.prompt, f"zimage {recipe.version}")
    for name, value in found.xmp.items():
        if value not in told:
            # The source type is an address: people know its last word.
            shown = value.rpartition("/")[2] if name == "digital_source_type" else value
            yield _Fact(_PROPERTIES[name], shown, value)


def _comfyui_facts(found: Inspected) -> Iterator[_Fact]:
    for name, data in found.comfyui.items():
        about = ""
        if isinstance(data, dict | list):
            about = Message("{count:,} entries; --json has them", count=len(data))
        yield _Fact(f"ComfyUI {name}", about, json_text(data))


def _recipe_facts(found: Inspected, recipe: Recipe) -> Iterator[_Fact]:
    for name, value in _recipe(found, recipe).items():
        if value is not None:
            shown = _local(str(value)) if name == "time" else str(value)
            on_terminal = name in {"time", "request_id"}
            text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
            yield _Fact(_NAMES.get(name, name), shown if on_terminal else None, text, whole=True)
    yield _both(Message("recipe from"), _SOURCES[str(found.source)])


def _both(name: str, text: str) -> _Fact:
    return _Fact(name, text, text)


def _named(data: object) -> str:
    """Return what a label says in words, without what it leaves empty."""
    if not isinstance(data, dict):
        return _one_line(data)
    return ", ".join(f"{name} {_one_line(value)}" for name, value in data.items() if value != "")


def _one_line(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def _local(stamp: str) -> str:
    from datetime import datetime

    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return stamp
