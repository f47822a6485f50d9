"""The presets of config.toml, changed as `config_change` changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from unicodedata import normalize

from zimage_cli.core.request.presets import Preset, check_name, read_preset
from zimage_cli.core.settings.config_change import change
from zimage_cli.core.settings.config_file import PRESET


def store(path: Path, name: str, fields: Mapping[str, object]) -> Preset:
    """Set fields of a preset, keep its others, and return it as it is now.

    Raises UsageError for what no preset can be, ConfigurationError for the file.
    """
    name, now = check_name(name), list[Preset]()

    def edit(document: MutableMapping[str, Any]) -> None:
        before = document.get(PRESET, {}).get(_stored(document, name))
        preset = read_preset(name, {**(before if isinstance(before, Mapping) else {}), **fields})
        now.append(preset)
        # Its other fields stay as they are written.
        _put(document, name, {field: preset.fields[field] for field in fields})

    change(path, edit)
    return now[0]


def store_all(
    path: Path, presets: Iterable[Preset], *, overwrite: bool
) -> tuple[list[str], list[str]]:
    """Store presets in one step; return the names that were stored, and those that were there.

    Those that were there are left alone, or with `overwrite` replaced. Raises ConfigurationError.
    """
    results: list[tuple[list[str], list[str]]] = []

    def edit(document: MutableMapping[str, Any]) -> None:
        stored, there = [], []
        for preset in presets:
            known = _stored(document, preset.name) in document.get(PRESET, {})
            if known:
                there.append(preset.name)
            if known and not overwrite:
                continue
            stored.append(preset.name)
            _put(document, preset.name, preset.fields, whole=True)
        results.append((stored, there))

    change(path, edit)
    return results[0]


def remove(path: Path, name: str) -> bool:
    """Remove a preset, also one that is wrong, and tell whether it was there.

    Raises ConfigurationError.
    """
    was: list[bool] = []
    if path.exists():
        change(path, lambda document: was.append(_drop(document, name)))
    return any(was)


def _stored(document: Mapping[str, Any], name: str) -> str:
    """Return a preset's name as the file spells it."""
    same = (one for one in document.get(PRESET, {}) if normalize("NFC", one) == name)
    return next(same, name)


def _put(
    document: MutableMapping[str, Any],
    name: str,
    fields: Mapping[str, object],
    *,
    whole: bool = False,
) -> None:
    """Set fields of a preset; with `whole` it has no others then."""
    name = _stored(document, name)
    if PRESET not in document:
        # Both at once: no header of the outer table is written then.
        document[PRESET] = {name: dict(fields)}
    elif not isinstance(document[PRESET].get(name), Mapping):
        document[PRESET][name] = dict(fields)
    else:
        table = document[PRESET][name]
        for field in [one for one in table if whole and one not in fields]:
            del table[field]
        new = {field: value for field, value in fields.items() if field not in table}
        table.update({field: value for field, value in fields.items() if field in table})
        if new:
            document[PRESET][name] = _longer(table, new)


def _longer(table: MutableMapping[str, Any], fields: Mapping[str, object]) -> Mapping[str, Any]:
    """Return a table with more fields, its comments kept.

    Comments behind its last field belong to what comes next: they stay behind the new ones.
    """
    import tomlkit
    from tomlkit.items import Comment, Table, Whitespace

    body = list(table.value.body) if isinstance(table, Table) else []
    known = [at for at, (key, _) in enumerate(body) if key is not None]
    if not isinstance(table, Table) or not known:
        return {**table, **fields}
    longer = tomlkit.table()
    longer.trivia.indent, longer.trivia.comment = table.trivia.indent, table.trivia.comment
    longer.trivia.comment_ws = table.trivia.comment_ws
    added = [(field, tomlkit.item(value)) for field, value in fields.items()]
    for key, item in (*body[: known[-1] + 1], *added, *body[known[-1] + 1 :]):
        if key is not None:
            longer.add(key, item)
        elif isinstance(item, (Comment, Whitespace)):
            longer.add(item)
    return longer


def _drop(document: MutableMapping[str, Any], name: str) -> bool:
    if PRESET not in document:
        return False
    gone = document[PRESET].pop(_stored(document, normalize("NFC", name)), None)
    if not document[PRESET]:
        del document[PRESET]
    return gone is not None
