"""The languages that zimage speaks, which one a person reads, and its sentences.

English is in the code. For another language there is `NAME.po`, where each sentence stands beside
its translation, and `NAME.mo`, the same compiled: `python tests/translations.py` makes both anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Literal

from zimage_cli.messages import Translate

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

VARIABLE = "ZIMAGE_LANG"
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_CHINESE = 0x04
"""What Windows calls Chinese, whichever: the low ten bits of a language id."""


def known_language(name: str) -> Language | None:
    """Return the language for a name such as `zh_CN.UTF-8`; None where it is none of ours."""
    return next((one for one in LANGUAGES if name.strip().lower().startswith(one)), None)


def language_of(name: str) -> Language:
    """Return the language for a name: every Chinese is `zh`, all else English."""
    return known_language(name) or "en"


def system_language(variables: Mapping[str, str]) -> tuple[Language, str]:
    """Return the language that the system is set to, and the variable that says so.

    LANGUAGE, then LC_ALL, LC_MESSAGES, LANG, then Windows' own; as for GNU gettext, LANGUAGE counts
    for nothing where the locale is C. An empty name stands for Windows, and for nothing at all.
    """
    named = next((name for name in _LOCALE if variables.get(name, "").strip()), "")
    locale = variables.get(named, "").strip()
    if locale.partition(".")[0] in {"C", "POSIX"}:
        return "en", named
    if wanted := variables.get("LANGUAGE", "").strip():
        return language_of(wanted), "LANGUAGE"
    if named:
        return language_of(locale), named
    return _windows_language(), ""


def _windows_language() -> Language:
    if sys.platform == "win32":
        import ctypes

        found: int = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        return windows_language(found)
    return "en"


def windows_language(identifier: int) -> Language:
    """Return the language for one of Windows' language ids."""
    return "zh" if identifier & 0x3FF == _CHINESE else "en"


@cache
def catalogue(language: Language) -> Translate | None:
    """Return what translates to a language; None for English, which is in the code.

    Where the compiled file cannot be read, that is English too.
    """
    if language == "en":
        return None
    return opened(os.path.join(os.path.dirname(__file__), "zh_CN.mo"))  # noqa: PTH118, PTH120


def opened(path: str) -> Translate | None:
    """Return what translates as a compiled file says; None where that cannot be read."""
    from gettext import GNUTranslations

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            found = GNUTranslations(file)
    except Exception:  # noqa: BLE001 - gettext raises whatever a broken file makes of its reading
        return None
    # gettext keeps its header under the empty text.
    return lambda text: found.gettext(text) if text else text
