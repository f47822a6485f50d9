"""`zimage config preset`: words around a prompt, kept under a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from zimage_cli.cli.app import App, Json
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Cell, Table, cell
from zimage_cli.core.settings import config_file
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.table import text_of
from zimage_cli.errors import UsageError
from zimage_cli.messages import Listing, Message, Words, counted
from zimage_cli.text import visible

if TYPE_CHECKING:
    from zimage_cli.core.batch.styles import Styles
    from zimage_cli.core.request.presets import Preset

_MAKE_ONE = "zimage config preset set ink --prompt '{prompt}, ink wash, blank space'"
_TOLD = 10
"""Names, and rows that are no preset, that are told one by one."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A preset's name, such as ink.")]
Document = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]

app = App(default="list")


@app.callback(
    epilog="Examples:\n\nzimage config preset\n\n"
    "zimage config preset set ink --prompt '{prompt}, ink wash, blank space' --size 3:4\n\n"
    "zimage generate 'A fox in the snow' --preset ink"
)
def preset() -> None:
    """Keep words around a prompt under a name. Without a command it lists."""


@app.command(
    "list",
    epilog="Examples:\n\nzimage config preset list\n\nzimage config preset list --json",
    document={"presets": []},
)
def list_presets(json: Json = False) -> None:
    """List the presets."""
    output = Output()
    presets = [found for _, found in sorted(_all().items())]
    if json:
        output.document("ok", presets=[one._asdict() for one in presets])
        return
    headers = (Message("name"), Message("size"), Message("seed"), "prompt_extend")
    table = Table((*headers, Message("prompt")), last="cut")
    for one in presets:
        said = {field: text_of(value) for field, value in one.fields.items()}
        size = said.get("size", "")
        table.add_row(
            cell(one.name),
            cell(size.replace("*", "×") or "-", piped=size),
            *(cell(said.get(field) or "-") for field in ("seed", "prompt_extend")),
            cell(" ".join(said.get("prompt", "").split()) or "-", piped=said.get("prompt", "")),
        )
    if presets:
        output.result_table(table)
    else:
        output.note(Message("There is no preset. Make one:"))
        output.note(Message("{command}", command=_MAKE_ONE))


@app.command(
    "show",
    epilog="Examples:\n\nzimage config preset show ink\n\nzimage config preset show ink --json",
    document={"preset": None},
)
def show(name: Name, json: Json = False) -> None:
    """Show one preset."""
    from zimage_cli.core.request.presets import chosen

    output = Output()
    [found] = chosen([name], _all())
    if json:
        output.document("ok", preset=found._asdict())
        return
    table = Table((Message("field"), Message("value")), last="fold", header=False)
    for field, value in {"name": found.name, **found.fields}.items():
        text = text_of(value)
        shown = text.replace("*", "×") if field == "size" else text
        table.add_row(cell(field, "dim"), Cell(visible(shown, newlines=True), piped=text))
    output.result_table(table)


@app.command(
    "set",
    epilog="Examples:\n\n"
    "zimage config preset set ink --prompt '{prompt}, ink wash, blank space'\n\n"
    "zimage config preset set ink --size 3:4 --seed 7",
    document={"preset": None, "config_file": None},
)
def set_preset(
    name: Name,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            help="The words; {prompt} is the prompt, which stands before them without it.",
            metavar="TEXT",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", "-s", help="16:9, 16:9@1536, 1280x720 …", metavar="SIZE"),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="0 … 2147483647.", metavar="N")] = None,
    prompt_extend: Annotated[
        bool | None,
        typer.Option(
            "--prompt-extend/--no-prompt-extend", help="Have the prompt rewritten first, or not."
        ),
    ] = None,
    json: Document = False,
) -> None:
    """Store a preset; of one that there is, change what is given."""
    from zimage_cli.cli.asking import given
    from zimage_cli.core.settings.presets import store

    fields = given(prompt=prompt, size=size, seed=seed, prompt_extend=prompt_extend)
    if not fields:
        raise UsageError(
            "{name}: nothing was given to store",
            hint="Give --prompt, --size, --seed or --prompt-extend.",
            name=name,
        )
    output, path = Output(), Environment.current().require_config_file()
    stored = store(path, name, fields)
    if json:
        output.document("ok", preset=stored._asdict(), config_file=str(path))
        return
    output.note_data(Message("preset {name} stored in {path}", name=stored.name, path=path))


@app.command(
    "unset",
    epilog="Examples:\n\nzimage config preset unset ink",
    document={"removed": None, "config_file": None},
)
def unset(name: Name, json: Document = False) -> None:
    """Remove a preset from the config file."""
    from zimage_cli.core.settings.presets import remove

    output, path = Output(), Environment.current().require_config_file()
    was = remove(path, name)
    if json:
        output.document("ok", removed=was, config_file=str(path))
        return
    template = "preset {name} removed from {path}" if was else "preset {name} was not in {path}"
    output.note_data(Message(template, name=name, path=path))


@app.command(
    "import",
    epilog="Examples:\n\nzimage config preset import styles.csv\n\n"
    "zimage config preset import styles.csv --overwrite",
    document={
        "stored": [],
        "kept": [],
        "replaced": [],
        "renamed": {},
        "twice": [],
        "skipped": [],
        "negative_prompts_dropped": 0,
        "config_file": None,
    },
)
def import_styles(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The styles.csv of AUTOMATIC1111's web UI.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace presets that there are already.")
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding",
            help="What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.",
            metavar="NAME",
        ),
    ] = None,
    json: Document = False,
) -> None:
    """Store the styles of a file as presets, without their negative prompts."""
    from zimage_cli.core.batch.styles import read_styles
    from zimage_cli.core.settings.presets import store_all

    output, path = Output(), Environment.current().require_config_file()
    styles = read_styles(file, encoding)
    stored, there = store_all(path, styles.presets.values(), overwrite=overwrite)
    kept = [] if overwrite else there
    if json:
        output.document(
            "ok",
            stored=stored,
            kept=kept,
            replaced=there if overwrite else [],
            renamed=styles.renamed,
            twice=styles.twice,
            skipped=[{"line": line, "message": str(why)} for line, why in styles.skipped],
            negative_prompts_dropped=styles.negative,
            config_file=str(path),
        )
        return
    one, many = "{count:,} preset stored in {path}", "{count:,} presets stored in {path}"
    output.note_data(counted(len(stored), one, many, path=path))
    if overwrite and there:
        output.note(Message("replaced: {names}", names=_names(there)))
    if kept:
        output.note(
            Message("kept as they were, --overwrite replaces them: {names}", names=_names(kept))
        )
    _tell_of_styles(output, styles)


def _tell_of_styles(output: Output, styles: Styles) -> None:
    """Say which styles have another name now, and which are no presets."""
    if styles.renamed:
        pairs = [f"{shown} → {name}" for shown, name in styles.renamed.items()]
        output.note(Message("under another name: {names}", names=_names(pairs)))
    if styles.twice:
        output.note(
            Message(
                "more than once in the file, the last one counts: {names}",
                names=_names(styles.twice),
            )
        )
    for line, why in styles.skipped[:_TOLD]:
        output.warn(Message("line {line}: {why}", line=line, why=why))
    if len(styles.skipped) > _TOLD:
        output.warn(Message("{more:,} more rows are no preset", more=len(styles.skipped) - _TOLD))
    if styles.negative:
        output.warn(
            Message(
                "negative prompts left out, because the model has none: {count:,}",
                count=styles.negative,
            )
        )


def _all() -> dict[str, Preset]:
    return dict(config_file.read(Environment.current().config_file()).presets)


def _names(names: Iterable[str]) -> Words:
    """Return names as they may be shown, the first few of many."""
    known = [visible(name) for name in names]
    first = Listing(", ", known[:_TOLD])
    if len(known) <= _TOLD:
        return first
    return Message("{names} and {more:,} more", names=first, more=len(known) - _TOLD)
