"""Which language: what is set for zimage alone, then what the system says, in a fixed order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zimage_cli import locale
from zimage_cli.cli.language import chosen, translation
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, resolve
from zimage_cli.errors import ZimageError
from zimage_cli.locale import catalogue, language_of, opened, system_language, windows_language

LINUX = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *((name, "zh") for name in ("zh", "zh_CN.UTF-8", "ZH", "zh-TW", "zh_HK", " zh_CN.GBK ")),
        *((name, "en") for name in ("en_US.UTF-8", "de_DE", "", "C", "chinese", "中文", "\udcff")),
    ],
)
def test_every_chinese_is_chinese_and_all_else_is_english(name: str, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("variables", "language", "named"),
    [
        ({}, "en", ""),
        ({"LANG": "zh_CN.UTF-8"}, "zh", "LANG"),
        ({"LANG": "zh_TW.UTF-8"}, "zh", "LANG"),
        ({"LANG": "zh_CN.GBK"}, "zh", "LANG"),
        ({"LANG": "en_US.UTF-8"}, "en", "LANG"),
        ({"LANG": "de_DE.UTF-8"}, "en", "LANG"),
        # Each is outranked by the one after it.
        ({"LANG": "zh_CN", "LC_MESSAGES": "en_US"}, "en", "LC_MESSAGES"),
        ({"LANG": "en_US", "LC_MESSAGES": "zh_CN"}, "zh", "LC_MESSAGES"),
        ({"LC_MESSAGES": "en_US", "LC_ALL": "zh_CN"}, "zh", "LC_ALL"),
        ({"LC_ALL": "en_US", "LANGUAGE": "zh_CN"}, "zh", "LANGUAGE"),
        ({"LC_ALL": "zh_CN", "LANGUAGE": "en"}, "en", "LANGUAGE"),
        ({"LANGUAGE": "zh_CN"}, "zh", "LANGUAGE"),
        ({"LANGUAGE": "zh_CN:en", "LANG": "en_US"}, "zh", "LANGUAGE"),
        ({"LANGUAGE": "en:zh_CN", "LANG": "zh_CN"}, "en", "LANGUAGE"),
        # What is empty or blank is not set.
        ({"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": " ", "LANG": "zh_CN"}, "zh", "LANG"),
        ({"LANGUAGE": " ", "LC_ALL": "", "LANG": ""}, "en", ""),
        # In the locale C, LANGUAGE counts for nothing.
        ({"LANG": "C"}, "en", "LANG"),
        ({"LANG": "C", "LANGUAGE": "zh_CN"}, "en", "LANG"),
        ({"LANG": "POSIX", "LANGUAGE": "zh_CN"}, "en", "LANG"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN", "LANGUAGE": "zh_CN"}, "en", "LC_ALL"),
        ({"LC_MESSAGES": "C", "LANG": "zh_CN.UTF-8"}, "en", "LC_MESSAGES"),
        # What decides of letters and dates says nothing of the language.
        ({"LC_CTYPE": "zh_CN.UTF-8", "LC_TIME": "zh_CN"}, "en", ""),
    ],
)
def test_the_language_of_the_system(variables: dict[str, str], language: str, named: str) -> None:
    assert system_language(variables) == (language, named)


@pytest.mark.parametrize(
    ("identifier", "language"),
    [
        *((0x0804, "zh"), (0x0404, "zh"), (0x1004, "zh"), (0x0C04, "zh"), (0x1404, "zh")),
        *((0x0409, "en"), (0x0407, "en"), (0x0411, "en"), (0x0804 + 8, "en"), (0, "en")),
    ],
)
def test_the_language_of_windows(identifier: int, language: str) -> None:
    assert windows_language(identifier) == language


def settings_of(text: str | bytes | None, folder: Path) -> Path:
    path = folder / "config.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("stored", "variables", "language", "source"),
    [
        (None, {}, "en", "default"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh", "environment LANG"),
        ('size = "16:9"\n', {"LANG": "zh_CN.UTF-8"}, "zh", "environment LANG"),
        ('language = "zh"\n', {}, "zh", "config file"),
        ('language = "zh_CN"\n', {"LANG": "C"}, "zh", "config file"),
        ('language = "EN"\n', {"LANGUAGE": "zh", "LANG": "zh_CN"}, "en", "config file"),
        ('\ufefflanguage = "zh"\n', {}, "zh", "config file"),
        ('language = "en"\n', {"ZIMAGE_LANG": "zh"}, "zh", "environment ZIMAGE_LANG"),
        ('language = "zh"\n', {"ZIMAGE_LANG": "en"}, "en", "environment ZIMAGE_LANG"),
        ('language = "zh"\n', {"ZIMAGE_LANG": "fr"}, "en", "environment ZIMAGE_LANG"),
        ('language = "zh"\n', {"ZIMAGE_LANG": " "}, "zh", "config file"),
        (None, {"ZIMAGE_LANG": "zh-Hant", "LANG": "C"}, "zh", "environment ZIMAGE_LANG"),
    ],
)
def test_what_is_printed_is_in_the_language_that_the_settings_name(
    stored: str | None, variables: dict[str, str], language: str, source: str, tmp_path: Path
) -> None:
    settings_of(stored, tmp_path)
    variables = {"ZIMAGE_HOME": str(tmp_path), **variables}
    setting = resolve(Environment(variables, None)).language
    assert (setting.value, setting.source) == (language, source)
    assert chosen(variables) == language
    assert (translation(variables) is None) == (language == "en")


def test_no_flag_gives_the_language() -> None:
    with pytest.raises(TypeError, match="language is not a setting"):
        Flags(language="zh")


# -- what cannot be used -------------------------------------------------------------------------

WRONG = {
    "another language": 'language = "fr"\n',
    "no text": "language = 7\n",
    "a table": '[language]\nname = "zh"\n',
    "no TOML": 'language = "zh"\n= = =\n',
    "nested too deeply": 'language = "zh"\nx = ' + "[" * 100_000,
    "no UTF-8": b'language = "zh" # \xff\n',
    "larger than any": 'language = "zh"\n#' + "x" * 1024 * 1024,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be_used_says_nothing_of_the_language(name: str, tmp_path: Path) -> None:
    settings_of(WRONG[name], tmp_path)
    for system, language in (("zh_CN.UTF-8", "zh"), ("C", "en"), ("de_DE", "en")):
        variables = {"ZIMAGE_HOME": str(tmp_path), "LANG": system}
        assert chosen(variables) == language
    with pytest.raises(ZimageError):
        resolve(Environment(variables, None))


def test_another_setting_that_is_wrong_is_told_in_the_language_of_the_file(tmp_path: Path) -> None:
    settings_of('language = "zh"\nsize = 7\n', tmp_path)
    assert chosen({"ZIMAGE_HOME": str(tmp_path), "LANG": "C"}) == "zh"


@LINUX
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    variables = {"ZIMAGE_HOME": str(tmp_path), "LANG": "zh_CN.UTF-8"}
    path = tmp_path / "config.toml"
    path.mkdir()
    assert chosen(variables) == "zh"
    path.rmdir()
    os.mkfifo(path)
    assert chosen(variables) == "zh"
    path.unlink()
    path.symlink_to(path)
    assert chosen(variables) == "zh"
    path.unlink()
    # A file of a gigabyte, of which nothing is on the disk.
    with path.open("wb") as file:
        file.write(b'language = "en"\n')
        file.truncate(1 << 30)
    assert chosen(variables) == "zh"


@LINUX
@pytest.mark.parametrize("home", ["/dev/null/home", "/no-such-home", "~", "\udcff"])
def test_without_a_usable_home_the_system_says_it(home: str) -> None:
    assert chosen({"ZIMAGE_HOME": home, "LANG": "zh_CN.UTF-8"}) == "zh"


def test_the_catalogue_is_opened_once_and_not_for_english() -> None:
    chinese = catalogue("zh")
    assert chinese is not None
    assert catalogue("zh") is chinese
    assert chinese("no sentence of ours") == "no sentence of ours"
    assert chinese("") == ""
    assert catalogue("en") is None


MO = Path(locale.__file__).with_name("zh_CN.mo").read_bytes()
BROKEN = {
    "empty": b"",
    "three bytes": MO[:3],
    "its header alone": MO[:20],
    "half": MO[: len(MO) // 2],
    "garbage": b"\xde\x12\x04\x95" + b"\xff" * 4000,
    "of another encoding": MO.replace(b"charset=utf-8", b"charset=nopes"),
    "no UTF-8": MO.replace("。".encode(), b"\xff\xfe\xfd"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_catalogue_is_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "zh_CN.mo"
    assert opened(str(path)) is None
    path.write_bytes(BROKEN[name])
    assert opened(str(path)) is None
    path.write_bytes(MO)
    assert opened(str(path)) is not None
