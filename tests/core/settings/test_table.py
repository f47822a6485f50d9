"""A setting is declared once: whatever shows or takes settings knows every one of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from zimage_cli.cli.completion.values import NEW_VALUE, OPTIONS, SETTING, STORED_SETTING
from zimage_cli.cli.config.edit import template
from zimage_cli.core.settings.config_file import Config, check
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.settings import Flags, resolve
from zimage_cli.core.settings.table import NAMES, PLACE, TABLE, Declared, text_of

EVERY = pytest.mark.parametrize("one", [pytest.param(one, id=name) for name, one in TABLE.items()])
FLAGGED = pytest.mark.parametrize(
    "one", [pytest.param(one, id=name) for name, one in TABLE.items() if one.flags]
)
NOWHERE = Environment({}, Path("/no-such-home"))


def test_the_names_are_those_of_the_table_and_the_key() -> None:
    assert {*NAMES} == {*TABLE, "key"}
    assert len(NAMES) == len(TABLE) + 1
    assert [name for name, one in TABLE.items() if one.name != name] == []


@EVERY
def test_every_default_is_what_its_check_lets_pass(one: Declared[object]) -> None:
    setting = getattr(resolve(NOWHERE, config=Config()), one.name)
    assert setting.source == ("region and endpoint" if one.name == "base_url" else "default")
    if one.default is not None:
        assert setting.value == one.default
        assert text_of(one.check(one.name, text_of(one.default))) == text_of(one.default)


@FLAGGED
def test_every_setting_can_be_given_by_a_flag(one: Declared[object]) -> None:
    sample = {"workspace": "llm-1", "base_url": "https://gateway.example/api/v1", "quality": "80"}
    sample |= {"pace_url": False, "pace_account": "team"}
    switch = isinstance(one.default, bool) or "/" in "".join(one.flags)
    value = sample.get(one.name, False if switch else text_of(one.default))
    setting = getattr(resolve(NOWHERE, Flags(**{one.name: value}), config=Config()), one.name)
    assert text_of(setting.value) == text_of(one.check(one.name, value))
    assert setting.source == (one.flags[0].split("/")[-1] if one.flags else one.name)


@EVERY
def test_every_setting_of_the_file_is_in_its_template(one: Declared[object]) -> None:
    lines = [line for line in template().splitlines() if line.startswith(f"# {one.name} = ")]
    if one.toml is None:
        assert lines == []
        return
    (line,) = lines
    text = line.removeprefix("# ").replace("https://…", "https://dashscope.aliyuncs.com")
    (value,) = check(text, Path("config.toml")).values.values()
    if one.name not in PLACE:
        # The quality that is usual is another one for each format; a Redis has everybody his own.
        samples = {"quality": 90, "pace_url": "redis://…", "pace_account": "team"}
        default = samples.get(one.name, one.default)
        assert text_of(value) == text_of(default)


@EVERY
def test_every_setting_is_completed(one: Declared[object]) -> None:
    assert one.name in [word.text for word in SETTING.words]
    assert one.name in [word.text for word in STORED_SETTING.words]
    after = dict(NEW_VALUE.after).get(one.name)
    assert (after.name if after else "free") == one.completes
    if one.metavar:
        assert OPTIONS[one.flags[0]].name == one.completes


@EVERY
def test_every_value_can_be_shown_and_what_is_a_number_has_a_unit(one: Declared[object]) -> None:
    if one.default is None:
        return
    shown = one.shown(one.default)
    assert shown
    if isinstance(one.default, (int, float)) and not isinstance(one.default, bool):
        assert shown.startswith(f"{one.default:g} ")
