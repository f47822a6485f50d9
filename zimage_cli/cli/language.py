"""Which language a person reads: ZIMAGE_LANG, then the setting `language`, then the system's."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from zimage_cli.locale import (
    VARIABLE,
    Language,
    catalogue,
    known_language,
    language_of,
    system_language,
)
from zimage_cli.messages import Translate

_MOST = 1024 * 1024
"""Bytes of config.toml: no more are taken where it is read in earnest."""


def translation(variables: Mapping[str, str]) -> Translate | None:
    """Return what translates for the person whose environment this is; None for English."""
    return catalogue(chosen(variables))


def chosen(variables: Mapping[str, str]) -> Language:
    """Return the language; nothing that is wrong with the settings fails this.

    It is the one that `zimage config get language` prints, where that can say.
    """
    if (named := variables.get(VARIABLE, "")).strip():
        return language_of(named)
    return _configured(variables) or system_language(variables)[0]


def _configured(variables: Mapping[str, str]) -> Language | None:
    """Return what config.toml says; a file that cannot be used says nothing here.

    Most files have no word of language in them: they are looked at before they are parsed.
    """
    from zimage_cli.core.settings.environment import Environment
    from zimage_cli.errors import ZimageError

    try:
        path = Environment.current()._replace(variables=variables).config_file()
        data = _read(str(path)) if path is not None else b""
    except (OSError, ValueError, ZimageError):
        return None
    if b"language" not in data:
        return None
    import tomllib

    try:
        found = tomllib.loads(data.decode("utf-8-sig")).get("language")
    except (ValueError, RecursionError):
        return None
    return known_language(found) if isinstance(found, str) else None


def _read(path: str) -> bytes:
    """Return what a file holds; nothing of a named pipe, which would wait, or of a huge file."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - three times as fast
        return b""
    with open(path, "rb") as file:  # noqa: PTH123
        data = file.read(_MOST + 1)
    return data if len(data) <= _MOST else b""
