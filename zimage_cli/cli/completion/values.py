"""What each option and argument takes: the one table to extend when there is a new one.

The generator fails, and says so, where a parameter takes a value and stands in no table. A choice
that typer knows needs no entry. FREE is for what only the user knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from zimage_cli.api.endpoint import CUSTOM, ENDPOINTS, REGIONS, SANDBOX
from zimage_cli.cli.completion import SCRIPTS
from zimage_cli.cli.main import COMMANDS
from zimage_cli.cli.skill.files import AGENTS, FILES
from zimage_cli.core.batch.source import INPUT_FORMATS
from zimage_cli.core.history.export import FORMATS as EXPORT_FORMATS
from zimage_cli.core.history.query import STATUSES
from zimage_cli.core.history.stats import GROUPS
from zimage_cli.core.request import sizes
from zimage_cli.core.request.wish import FORMATS, SUFFIXES
from zimage_cli.core.schema import NAMES as SCHEMAS
from zimage_cli.core.schema import TARGETS
from zimage_cli.core.settings.checks import PREVIEWS
from zimage_cli.core.settings.table import NAMES, TABLE
from zimage_cli.locale import LANGUAGES
from zimage_cli.mcp.hosts import HOSTS
from zimage_cli.messages import Message
from zimage_cli.sandbox import faults
from zimage_cli.sandbox.labels import LABELS


@dataclass(frozen=True, slots=True)
class Word:
    """A word to be offered, and what it means."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A kind of value, known to the scripts by `name`.

    `words` to choose from, all that there are unless `more`; files that end in one of `suffixes`
    (`""`: any file); `folders`.
    `goes_on`: the character with which the user may go on after a word; `,` is followed by another
    word of the kind. `after`: what it is after which argument.
    """

    name: str
    words: tuple[Word, ...] = ()
    more: bool = False
    suffixes: tuple[str, ...] = ()
    folders: bool = False
    goes_on: str = ""
    after: tuple[tuple[str, Value], ...] = ()

    @property
    def is_path(self) -> bool:
        """Whether files or folders are offered."""
        return self.folders or bool(self.suffixes)

    def spread(self) -> Iterator[Value]:
        """Yield this kind and those it turns into."""
        yield self
        for _, value in self.after:
            yield from value.spread()


def _region_words() -> tuple[Word, ...]:
    return (
        *(Word(region.name, region.data) for region in REGIONS),
        *(Word(region.id, Message("the id of {region}", region=region.name)) for region in REGIONS),
    )


def _size_words() -> tuple[Word, ...]:
    """Return names, ratios and ratios with a tier: `W*H` would have to be quoted in a shell."""
    plain = {size.ratio: size.text for size in sizes.RECOMMENDED if size.tier == sizes.TIERS[0]}
    larger = [size for size in sizes.RECOMMENDED if size.tier != sizes.TIERS[0]]
    return (
        # No two words mean the same: zsh would put them on one line, and sort.
        *(Word(name, f"{ratio}, {plain[ratio]}") for name, ratio in sizes.NAMED_RATIOS.items()),
        *(Word(ratio, text) for ratio, text in plain.items()),
        *(Word(f"{size.ratio}@{size.tier}", size.text) for size in larger),
    )


def _fault_words() -> tuple[Word, ...]:
    kinds = (Word(kind, text) for _, of_it in faults.groups() for kind, text in of_it.items())
    return (Word("list", Message("Name and explain the kinds.")), *kinds)


def _subcommands() -> tuple[tuple[str, Value], ...]:
    """Return the groups of commands, each with the names that it has."""
    found = []
    for name, module in COMMANDS.items():
        app = import_module(module).app
        named = [one.name or one.callback.__name__ for one in app.registered_commands]
        named += app.modules
        if app.registered_callback is not None or len(named) > 1:
            found.append((name, Value(f"{name}_command", tuple(map(Word, named)))))
    return tuple(found)


FREE = Value("free")
SERVICE_REGION = Value("service_region", _region_words())
REGION = Value("region", (*_region_words(), Word(SANDBOX, Message("the stand-in inside zimage"))))
ENDPOINT = Value("endpoint", tuple(map(Word, ENDPOINTS)))
SIZE = Value("size", _size_words(), more=True)
SIZES = Value("sizes", _size_words(), more=True, goes_on=",")
SETTING = Value("setting", tuple(map(Word, NAMES)))
STORED_SETTING = Value("stored_setting", tuple(map(Word, TABLE)))
SHELL = Value("shell", tuple(map(Word, SCRIPTS)))
AGENT = Value("agent", tuple(map(Word, AGENTS)))
SKILL_FILE = Value("skill_file", tuple(map(Word, FILES)))
FAULT = Value("fault", _fault_words(), goes_on=":")
LABEL = Value("label", tuple(Word(*label) for label in LABELS.items()), goes_on=",")
COMMAND = Value("command", tuple(map(Word, COMMANDS)))
SUBCOMMAND = Value("subcommand", after=_subcommands())
INPUT_FORMAT = Value("input_format", tuple(map(Word, INPUT_FORMATS)))
ENCODING = Value(
    "encoding",
    tuple(
        map(Word, ("gb18030", "gbk", "big5", "shift_jis", "euc_kr", "utf-16", "utf-8", "cp1252"))
    ),
    more=True,
)
SWITCH = Value("switch", (Word("true"), Word("false")))
PREVIEW = Value("preview", tuple(map(Word, PREVIEWS)))
LANGUAGE = Value("language", tuple(map(Word, LANGUAGES)))
FOLDER = Value("folder", folders=True)
REQUEST_FILE = Value("request_file", suffixes=(".json",), folders=True)
BATCH_FILE = Value(
    "batch_file", suffixes=(".jsonl", ".ndjson", ".csv", ".tsv", ".txt"), folders=True
)
PICTURE_FILE = Value("picture_file", suffixes=tuple(SUFFIXES), folders=True)
TIME = Value("time", tuple(map(Word, ("today", "yesterday", "7d", "30d"))), more=True)
STATUS = Value("status", tuple(map(Word, STATUSES)))
GROUP = Value("group", tuple(map(Word, GROUPS)))
EXPORT_FORMAT = Value("export_format", tuple(map(Word, EXPORT_FORMATS)))
EXPORT_FILE = Value("export_file", suffixes=(".jsonl", ".csv"), folders=True)
PAGE_FILE = Value("page_file", suffixes=(".html",), folders=True)
RECORDED_REGION = Value("recorded_region", (*REGION.words, Word(CUSTOM, Message("any other host"))))
STYLES_FILE = Value("styles_file", suffixes=(".csv",), folders=True)
SCHEMA = Value("schema", tuple(Word(*one) for one in SCHEMAS.items()))
TARGET = Value("target", tuple(map(Word, TARGETS)))
HOST = Value("host", tuple(map(Word, HOSTS)))
FORMAT = Value("format", tuple(map(Word, FORMATS)))
_KINDS = {
    value.name: value
    for value in (FREE, REGION, ENDPOINT, SIZE, SWITCH, PREVIEW, LANGUAGE, FOLDER, FORMAT)
}
OF_SETTING = {name: _KINDS[one.completes] for name, one in TABLE.items()}
NEW_VALUE = Value(
    "new_value",
    after=tuple((name, value) for name, value in OF_SETTING.items() if value is not FREE),
)

OPTIONS: dict[str, Value] = {
    **{one.flags[0]: OF_SETTING[name] for name, one in TABLE.items() if one.metavar},
    "--sizes": SIZES,
    "--seed": FREE,
    "--seeds": FREE,
    "--like": PICTURE_FILE,
    "--preset": FREE,
    "config preset set --prompt": FREE,
    "--count": FREE,
    "--request": FREE,
    "--file": REQUEST_FILE,
    "config --region": SERVICE_REGION,
    "--output": PICTURE_FILE,
    "batch --output": FOLDER,
    "--name": FREE,
    "--limit": FREE,
    "--concurrency": FREE,
    "--max-cost": FREE,
    "--confirm-above": FREE,
    "--print-config": HOST,
    "--shard": FREE,
    "--input-format": INPUT_FORMAT,
    "--encoding": ENCODING,
    "--since": TIME,
    "--until": TIME,
    "--by": GROUP,
    "--status": STATUS,
    "history --region": RECORDED_REGION,
    "history --batch": FOLDER,
    "history --format": EXPORT_FORMAT,
    "history --output": EXPORT_FILE,
    "gallery --region": RECORDED_REGION,
    "gallery --batch": FOLDER,
    "gallery --output": PAGE_FILE,
    "--title": FREE,
    "--port": FREE,
    "--latency": FREE,
    "--patience": FREE,
    "--fault": FAULT,
    "--fault-seed": FREE,
    "--label": LABEL,
    "--for": TARGET,
    "--agent": AGENT,
}
"""`--option` → what it takes, in every command; `COMMAND --option` for one command or all below it,
which wins."""

ARGUMENTS: dict[str, Value] = {
    "generate prompt": FREE,
    "batch file": BATCH_FILE,
    "batch folders": FOLDER,
    "validate prompt": FREE,
    "config get name": SETTING,
    "config set name": STORED_SETTING,
    "config set value": NEW_VALUE,
    "config unset name": STORED_SETTING,
    "config preset show name": FREE,
    "config preset set name": FREE,
    "config preset unset name": FREE,
    "config preset import file": STYLES_FILE,
    "config set-region region": REGION,
    "config set-key on_the_command_line": FREE,
    "config set-workspace workspace": FREE,
    "regions show name": REGION,
    "regions ping name": REGION,
    "history list words": FREE,
    "history export words": FREE,
    "history forget pictures": PICTURE_FILE,
    "history show picture": PICTURE_FILE,
    "history recover pictures": PICTURE_FILE,
    "open pictures": PICTURE_FILE,
    "inspect files": PICTURE_FILE,
    "gallery words": FOLDER,
    "skill show file": SKILL_FILE,
    "help command": COMMAND,
    "help subcommand": SUBCOMMAND,
    "schema name": SCHEMA,
    "completions show shell": SHELL,
    "completions install shell": SHELL,
    "completions uninstall shell": SHELL,
}
"""`COMMAND parameter` → what it takes."""


def value_of(path: tuple[str, ...], param: Any) -> Value:
    """Return what a parameter of typer's takes. Raises LookupError where no table says it."""
    key = entry_of(path, param)
    if key is not None:
        return (OPTIONS | ARGUMENTS)[key]
    choices = getattr(param.type, "choices", None)
    if choices:
        texts = [getattr(one, "value", one) for one in choices]
        return Value("_".join((*path, param.name)).replace("-", "_"), tuple(map(Word, texts)))
    name = param.name if param.param_type_name == "argument" else param.opts[0]
    raise LookupError(
        f"zimage {' '.join((*path, name))} takes a value, and zimage_cli/cli/completion/values.py "
        "does not say of what kind: add it to OPTIONS or ARGUMENTS there (FREE for free text)"
    )


def entry_of(path: tuple[str, ...], param: Any) -> str | None:
    """Return the table's entry that holds for a parameter, None where there is none."""
    if param.param_type_name == "argument":
        key = " ".join((*path, param.name))
        return key if key in ARGUMENTS else None
    for length in range(len(path), -1, -1):
        for name in param.opts:
            key = " ".join((*path[:length], name))
            if key in OPTIONS:
                return key
    return None
