"""What a preset may be, and what it makes of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.request.presets import (
    MAX_CHOSEN,
    MAX_NAME,
    MAX_PROMPT,
    MAX_TEXT,
    Preset,
    check_name,
    chosen,
    names_of,
    read_preset,
    request_with,
)
from zimage_cli.core.request.request import Origin, Request
from zimage_cli.errors import RequestInvalid, UsageError

INK = Preset("ink", "{prompt}, 水墨画", size="1280*720", seed=7)
NIGHT = Preset("night", "at night", seed=9, prompt_extend=True)
ALL = {"ink": INK, "night": NIGHT, "水墨": Preset("水墨", size="512*512")}


def asked(
    *presets: Preset,
    prompt: str = "a fox",
    overrides: Mapping[str, object] = {},
    outright: Mapping[str, object] = {},
    **source: Any,
) -> Request:
    defaults = {"size": "1024*1024", "prompt_extend": False}
    return request_with(
        presets,
        {"prompt": prompt, **source},
        overrides=overrides,
        defaults=defaults,
        outright=outright,
    )


def refused(function: Any, *args: Any) -> str:
    with pytest.raises(UsageError) as caught:
        function(*args)
    return caught.value.message


# -- around a prompt ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "prompt", "sent"),
    [
        ("{prompt}, ink", "a fox", "a fox, ink"),
        ("ink", "a fox", "a fox, ink"),
        ("{prompt} and {prompt}", "a fox", "a fox and a fox"),
        # What the prompt holds is text: nothing is put into it.
        ("{prompt}, ink", "{prompt}", "{prompt}, ink"),
        ("{a|b} {prompt} {}", "{c|d}", "{a|b} {c|d} {}"),
        (None, "a fox", "a fox"),
    ],
)
def test_words_around_a_prompt(text: str | None, prompt: str, sent: str) -> None:
    assert Preset("x", text).around(prompt) == sent


def test_presets_are_put_around_one_after_the_other() -> None:
    one, two = asked(INK, NIGHT), asked(NIGHT, INK)
    assert one.prompt == "a fox, 水墨画, at night"
    assert two.prompt == "a fox, at night, 水墨画"
    assert one.origin == Origin(None, "ink,night", "a fox")
    assert asked(INK, INK).prompt == "a fox, 水墨画, 水墨画"
    assert asked().origin == Origin()


def test_what_wins() -> None:
    """The request, then what is said beside it, then presets, the last first, then settings."""
    assert asked(INK) == Request("a fox, 水墨画", "1280*720", 7, False)
    assert asked(INK, NIGHT) == Request("a fox, 水墨画, at night", "1280*720", 9, True)
    assert asked(NIGHT, INK) == Request("a fox, at night, 水墨画", "1280*720", 7, True)
    own = asked(INK, NIGHT, size="1:1", seed=1, prompt_extend=False)
    assert own == Request("a fox, 水墨画, at night", "1024*1024", 1, False)
    assert asked(INK, overrides={"size": "1:1"}, seed=2).size == "1024*1024"
    assert asked(INK, overrides={"seed": None}).seed is None
    assert asked(INK, outright={"size": "512*512", "seed": 3}).seed == 3
    assert asked(INK, outright={"seed": None}).seed is None
    assert asked(INK, outright={"seed": 3}, seed=4).seed == 4


def test_a_preset_is_no_prompt() -> None:
    with pytest.raises(RequestInvalid, match=r"No prompt\."):
        request_with([INK], {}, overrides={}, defaults={}, outright={})
    assert "is blank" in refused(lambda: asked(INK, prompt="  "))


def test_a_prompt_does_not_grow_without_bound() -> None:
    double = Preset("double", "{prompt} {prompt}")
    said = refused(lambda: asked(*[double] * MAX_CHOSEN))
    assert said.startswith("preset: double makes a prompt of ")
    assert said.endswith(f"allowed: at most {MAX_PROMPT:,}")
    most = Preset("most", "x").around("a" * (MAX_PROMPT - 3))
    assert len(most) == MAX_PROMPT


# -- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ink", "水墨", "Ink_2-b", "2", "_x", "x" * MAX_NAME, "किताब"])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-x", "a b", "a,b", "a.b", "a/b", "a\x1b", "a\u200bb", "ㅤ", "x" * (MAX_NAME + 1), "a|b"],
)
def test_what_is_no_name(name: str) -> None:
    assert "is no name of a preset" in refused(check_name, name)


def test_a_name_is_one_however_its_accents_are_written() -> None:
    assert check_name("e\u0301") == "é"
    assert chosen("e\u0301", {"é": Preset("é", "x")}) == (Preset("é", "x"),)


def test_names_with_commas_between_them() -> None:
    assert names_of("ink, night，水墨") == ("ink", "night", "水墨")
    assert names_of(["ink", "night,水墨"]) == ("ink", "night", "水墨")
    assert chosen("night,ink", ALL) == (NIGHT, INK)
    assert chosen((), ALL) == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Ink", '"Ink" is no preset; did you mean ink?; allowed: ink, night, 水墨'),
        ("nihgt", '"nihgt" is no preset; did you mean night?; allowed: ink, night, 水墨'),
        ("xyz", '"xyz" is no preset; allowed: ink, night, 水墨'),
        ("ink,,night", '"" is no preset; allowed: ink, night, 水墨'),
        ("\x1b[31m", '"\\u001b[31m" is no preset; allowed: ink, night, 水墨'),
    ],
)
def test_a_preset_that_there_is_not(name: str, said: str) -> None:
    assert refused(chosen, name, ALL) == f"preset: {said}"


def test_of_many_presets_the_first_are_listed() -> None:
    many = {f"n{number:02}": Preset(f"n{number:02}", "x") for number in range(30)}
    assert refused(chosen, "xyz", many).endswith("n18, n19 and 10 more")
    assert refused(chosen, "xyz", {}) == 'preset: "xyz" is no preset: the config file has none'
    said = refused(chosen, ",".join(["n01"] * (MAX_CHOSEN + 1)), many)
    assert said == "preset: 21 presets are too many; allowed: at most 20"


# -- what a preset may hold -----------------------------------------------------------------------


def test_a_preset_is_checked_as_a_request_is() -> None:
    table = {"prompt": " {prompt}, x ", "size": "16:9", "seed": 0, "prompt_extend": True}
    assert read_preset("ink", table) == Preset("ink", "{prompt}, x", "1280*720", 0, True)
    assert read_preset("ink", {"size": "1:1"}).fields == {"size": "1024*1024"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (3, "is no table; allowed: a table with prompt, size, seed, prompt_extend"),
        ({}, "says nothing; allowed: prompt, size, seed, prompt_extend"),
        ({"prompt": " "}, 'prompt: " " is blank.'),
        ({"promt": "x"}, '"promt": is not a field of a preset; did you mean prompt?; allowed: '),
        ({"base_url": "https://x.example"}, '"base_url": is not a field of a preset; allowed: '),
        ({"model": "z-image-turbo"}, '"model": is not a field of a preset; '),
        ({"seed": True}, "seed: true has the wrong type"),
        ({"prompt": "x" * (MAX_TEXT + 1)}, "prompt: has 4,097 characters; allowed: at most 4,096"),
        ({"prompt": "a\x00"}, 'prompt: "a\\u0000" holds NUL at character 2'),
    ],
)
def test_a_wrong_preset(table: object, said: str) -> None:
    assert refused(read_preset, "ink", table).startswith(said)


def test_all_that_is_wrong_with_a_preset_is_told_at_once() -> None:
    with pytest.raises(RequestInvalid) as caught:
        read_preset("ink", {"seed": -1, "size": 3, "colour": "red"})
    assert len(caught.value.problems) == 3


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1])


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=9), VALUES, max_size=4) | VALUES)
def test_any_table_is_a_preset_or_an_error(name: str, table: object) -> None:
    try:
        found = read_preset(name, table)
    except UsageError as error:
        assert "\x1b" not in error.message
    else:
        assert chosen(found.name, {found.name: found}) == (found,)


@given(st.fixed_dictionaries({"prompt": st.text()}, optional={"size": st.just("1:1")}), st.text())
def test_a_preset_around_any_prompt_is_a_request_or_an_error(
    table: dict[str, str], prompt: str
) -> None:
    try:
        found = asked(read_preset("ink", table), prompt=prompt)
    except UsageError:
        return
    assert found.origin.typed_prompt is not None
    assert found.origin.typed_prompt in found.prompt or "{prompt}" in table["prompt"]
