"""Presets in config.toml: read strictly, and changed without losing what else stands there."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zimage_cli.core.request.presets import Preset
from zimage_cli.core.settings import config_file
from zimage_cli.core.settings.config_file import MAX_BYTES, read
from zimage_cli.core.settings.presets import remove, store, store_all
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError

HAND_MADE = """\
# Mine.
size = "16:9"  # wide

[preset.ink]  # since May
prompt = "{prompt}, 水墨画"  # the words
size = "1:1"

[preset."水墨"]
seed = 7
[keys]
beijing = "sk-0123456789abcdef0123456789abcdef"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def problem(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert caught.value.hint == "Correct it: zimage config edit"
    return caught.value.message.replace(str(path), "FILE")


# -- reading --------------------------------------------------------------------------------------


def test_presets_of_a_file(path: Path) -> None:
    found = read(write(path, HAND_MADE)).presets
    assert found == {
        "ink": Preset("ink", "{prompt}, 水墨画", "1024*1024"),
        "水墨": Preset("水墨", seed=7),
    }
    assert read(write(path, "")).presets == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("preset = 3", "FILE, line 1: preset: not a table; allowed: [preset.NAME]"),
        ("[preset]\nink = 4", "FILE, line 2: [preset.ink] is no table; allowed: a table with"),
        ("\n[preset.ink]\n", "FILE, line 2: [preset.ink] says nothing; allowed: prompt, size,"),
        ('[preset.ink]\nsize = "1:1"\nseed = "7"', "FILE, line 3: [preset.ink] seed: "),
        ('[preset."水墨"]\nseed = true', "FILE, line 2: [preset.水墨] seed: true has the wrong"),
        ("[preset]\nink = {seed = 1.0}", "FILE, line 2: [preset.ink] seed: 1.0 has the wrong"),
        ("preset.ink.size = 3", "FILE, line 1: [preset.ink] size: 3 has the wrong type"),
        ("[preset.ink]\nprompt = 1979-05-27", "FILE, line 2: [preset.ink] prompt: a date has"),
        ('[preset.ink]\nprompt = "a\\u0007"', 'FILE, line 2: [preset.ink] prompt: "a\\u0007" '),
        ('[preset.ink]\nkey = "x"', 'FILE, line 2: [preset.ink] "key": is not a field of a'),
        (
            '[preset."a\\u001bb"]\nseed = 1',
            'FILE, line 1: [preset.a\\x1bb] "a\\u001bb" is no name of',
        ),
        (
            '[preset.sk-0123456789abcdef]\nsk-0123456789abcdef0123456789abcdef = "x"',
            'FILE, line 2: [preset.sk-…cdef] "sk-…cdef": is not a field of a preset',
        ),
    ],
)
def test_a_wrong_preset_is_named_with_its_line(path: Path, text: str, said: str) -> None:
    assert problem(write(path, text)).startswith(said)


def test_all_problems_at_once(path: Path) -> None:
    write(path, 'size = 3\n[preset.a]\nseed = -1\ncolour = "red"\n[preset.b]\nsize = "x"\n')
    found = problem(path).splitlines()
    assert [line.partition("]")[0] for line in found[1:]] == [
        "FILE, line 3: [preset.a",
        "FILE, line 4: [preset.a",
        "FILE, line 6: [preset.b",
    ]


# -- changing -------------------------------------------------------------------------------------


def test_a_preset_is_changed_field_by_field(path: Path) -> None:
    write(path, HAND_MADE)
    found = store(path, "ink", {"prompt": "ink, {prompt}", "size": "16:9"})
    assert found == Preset("ink", "ink, {prompt}", "1280*720")
    text = HAND_MADE.replace("{prompt}, 水墨画", "ink, {prompt}").replace('"1:1"', '"1280*720"')
    assert path.read_text("utf-8") == text
    assert store(path, "ink", {"seed": 3, "prompt_extend": False}).seed == 3
    assert read(path).presets["ink"] == Preset("ink", "ink, {prompt}", "1280*720", 3, False)
    more = 'size = "1280*720"\nseed = 3\nprompt_extend = false\n'
    assert path.read_text("utf-8") == text.replace('size = "1280*720"\n', more)
    assert path.stat().st_mode & 0o777 == 0o600 or sys.platform == "win32"


def test_a_comment_stays_with_what_it_is_about(path: Path) -> None:
    write(path, "[preset.ink] # mine\nseed = 1\n# size\n\n# The size of all.\n[workspaces]\n")
    store(path, "ink", {"size": "1:1", "seed": 2})
    assert path.read_text("utf-8") == (
        '[preset.ink] # mine\nseed = 2\nsize = "1024*1024"\n'
        "# size\n\n# The size of all.\n[workspaces]\n"
    )


def test_a_new_preset_and_the_last_one(path: Path) -> None:
    assert store(path, "水墨", {"prompt": 'a "b"\nc'}) == Preset("水墨", 'a "b"\nc')
    assert path.read_text("utf-8") == '[preset."水墨"]\nprompt = "a \\"b\\"\\nc"\n'
    store(path, "ink", {"seed": 0})
    assert remove(path, "水墨")
    assert not remove(path, "水墨")
    assert read(path).presets == {"ink": Preset("ink", seed=0)}
    assert remove(path, "ink")
    assert not path.exists()
    assert not remove(path, "ink")
    assert not path.parent.joinpath(".config.toml.lock").exists()


def test_what_no_preset_can_be_changes_nothing(path: Path) -> None:
    write(path, HAND_MADE)
    for name, fields in (("ink", {"size": "9:99"}), ("a b", {"seed": 1}), ("x", {"prompt": " "})):
        with pytest.raises(UsageError):
            store(path, name, fields)
    assert path.read_text("utf-8") == HAND_MADE


def test_a_wrong_preset_can_be_mended_and_removed(path: Path) -> None:
    write(path, '[preset.ink]\nseed = "7"\n[preset."a b"]\nseed = 1\n')
    store(path, "ink", {"seed": 7})
    assert remove(path, "a b")
    assert read(path).presets == {"ink": Preset("ink", seed=7)}
    for wrong in ("[preset]\nink = 4\n", "[preset]\nink = []\n", "[[preset.ink]]\nseed = 1\n"):
        store(write(path, wrong), "ink", {"seed": 7})
        assert read(path).presets == {"ink": Preset("ink", seed=7)}
    for wrong in ("preset = 3\n", "[[preset]]\nink.seed = 1\n"):
        with pytest.raises(ConfigurationError, match="preset: not a table"):
            store(write(path, wrong), "ink", {"seed": 7})


def test_many_at_once(path: Path) -> None:
    write(path, HAND_MADE)
    new = [Preset("ink", "new"), Preset("noir", "{prompt}, noir")]
    assert store_all(path, new, overwrite=False) == (["noir"], ["ink"])
    assert read(path).presets["ink"].prompt == "{prompt}, 水墨画"
    assert store_all(path, new, overwrite=True) == (["ink", "noir"], ["ink", "noir"])
    assert read(path).presets["ink"] == Preset("ink", "new")
    text = path.read_text("utf-8")
    assert "# since May" in text
    assert "# the words" in text
    assert 'beijing = "sk-' in text


def test_a_file_that_nobody_could_read_again_is_not_written(path: Path) -> None:
    write(path, HAND_MADE)
    many = [Preset(f"n{number}", "x" * 4000) for number in range(MAX_BYTES // 4000)]
    with pytest.raises(ConfigurationError, match="would be larger than any config file may be"):
        store_all(path, many, overwrite=False)
    assert path.read_text("utf-8") == HAND_MADE


LAYOUTS = (
    "",
    HAND_MADE,
    '[preset.a]\nseed = 1\n[keys]\n[preset.b]\nsize = "1:1"\n',
    "preset.a.seed = 1\n",
    "preset = {a = {seed = 1}}\n",
    "[preset]\n[preset.a]\nseed = 1\n",
    "[preset]\na.seed = 1\n# b\n\n[workspaces]\n",
    '["preset"."a"]\nseed = 1',
)


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize("name", ["a", "new"])
def test_any_layout_is_changed_rightly_or_left_alone(path: Path, text: str, name: str) -> None:
    write(path, text)
    before = tomllib.loads(text)
    expected = {**before.get("preset", {})}
    expected[name] = {**expected.get(name, {}), "seed": 5}
    try:
        store(path, name, {"seed": 5})
    except ConfigurationError as error:
        assert "cannot be changed safely" in error.message
        assert path.read_text("utf-8") == text
    else:
        assert tomllib.loads(path.read_text("utf-8")) == {**before, "preset": expected}


WRITER = """
import sys
from pathlib import Path
from zimage_cli.core.settings.presets import store
for number in range(5):
    store(Path(sys.argv[1]), f"{sys.argv[2]}{number}", {"seed": number})
"""


def test_writers_at_once_lose_nothing(path: Path) -> None:
    source = Path(config_file.__file__).parents[3]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            env={**os.environ, "PYTHONPATH": str(source)},
        )
        for name in "ab"
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert {*read(path).presets} == {f"{name}{number}" for name in "ab" for number in range(5)}


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT)
def test_what_is_stored_is_read_back(path: Path, name: str, prompt: str) -> None:
    write(path, HAND_MADE)
    try:
        stored = store(path, name, {"prompt": prompt})
    except ZimageError:
        assert path.read_text("utf-8") == HAND_MADE
    else:
        assert read(path).presets[stored.name] == stored
