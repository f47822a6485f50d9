"""`zimage config show`, `get` and `path`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zimage_cli.cli.app import Json
from zimage_cli.cli.config.common import setting_name
from zimage_cli.cli.output import Output
from zimage_cli.cli.table import Table, cell
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Settings, resolve
from zimage_cli.core.settings.source import Kind, Source
from zimage_cli.core.settings.table import NAMES, TABLE, Setting, text_of
from zimage_cli.errors import ZimageError
from zimage_cli.messages import Listing, Message


def show(json: Json = False) -> None:
    """Show every setting, its value and where it comes from; keys are masked."""
    output = Output()
    environment = Environment.current()
    settings = resolve(environment)
    key, problem = _key(settings)
    rows = [key if name == "key" else getattr(settings, name) for name in NAMES]
    if json:
        output.document("ok", **_document(settings, rows, problem))
    else:
        _print_table(output, rows)
        _print_notes(output, settings)
    for warning in (*settings.warnings, *([problem.message] if problem else ())):
        output.warn(warning)


def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A setting, such as region.")],
) -> None:
    """Print the value of one setting; an empty line where there is none. A key is masked."""
    name = setting_name(name)
    settings = resolve(Environment.current())
    setting = settings.key() if name == "key" else getattr(settings, name)
    Output().result(text_of(setting.value) if setting else "")


def path() -> None:
    """Print where the config file is, or would be."""
    Output().result(str(Environment.current().require_config_file()))


def _key(settings: Settings) -> tuple[Setting[Any], ZimageError | None]:
    """Return the key's row; and the error where it cannot be used, which ends nothing."""
    try:
        found = settings.key()
    except ZimageError as error:
        return Setting("key", None, Source(Kind.DEFAULT, words=Message("not usable"))), error
    if found:
        return found, None
    words = Message("none needed" if settings.target.is_sandbox else "none found")
    return Setting("key", None, Source(Kind.DEFAULT, words=words)), None


def _document(
    settings: Settings, rows: list[Setting[Any]], problem: ZimageError | None
) -> dict[str, Any]:
    config, history = settings.config.path, settings.environment.history_file()
    return {
        "config_file": str(config) if config else None,
        "history_file": str(history) if history else None,
        "settings": {row.name: {"value": _plain(row.value), "source": row.source} for row in rows},
        "target": settings.target.region_name,
        "stored_keys": {name: key.masked for name, key in settings.config.keys.items()},
        "workspaces": dict(settings.config.workspaces),
        "warnings": [*settings.warnings, *([problem.message] if problem else ())],
    }


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float)) or value is None else str(value)


def _print_table(output: Output, rows: list[Setting[Any]]) -> None:
    headers = (Message("setting"), Message("value"), Message("source"))
    table = Table(headers, loose="value")
    for row in rows:
        shown = TABLE[row.name].shown if row.name in TABLE and row.value is not None else text_of
        value, source = shown(row.value) or "-", row.origin.said
        table.add_row(
            row.name,
            cell(output.result_text(value), piped=value),
            cell(output.result_text(source), "dim", piped=source),
        )
    output.result_table(table)


def _print_notes(output: Output, settings: Settings) -> None:
    stored = [f"{name} {key.masked}" for name, key in settings.config.keys.items()]
    if stored:
        output.note(Message("stored keys: {keys}", keys=Listing(", ", stored)))
    where = settings.config.path
    if where is None:
        output.note(Message("config file: none, as there is no home folder"))
    else:
        there = where.exists()
        template = "config file: {path}" if there else "config file: {path} (not made yet)"
        output.note_data(Message(template, path=where))
