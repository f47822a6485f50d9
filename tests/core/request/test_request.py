from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zimage_cli.core.request.fields import FIELDS, MAX_SEED
from zimage_cli.core.request.request import (
    Request,
    RequestInvalid,
    draw_seed,
    parse_json_object,
    parse_request,
    prompt_warning,
    seed_after,
)
from zimage_cli.core.request.sizes import parse_size
from zimage_cli.errors import UsageError
from zimage_cli.text import shown, visible


def invalid(source: Any, **more: Any) -> RequestInvalid:
    with pytest.raises(RequestInvalid) as caught:
        parse_request(source, **more)
    return caught.value


def only_problem(source: Any, **more: Any) -> UsageError:
    error = invalid(source, **more)
    (problem,) = error.problems
    assert error.message == problem.message
    return problem


# -- what is taken --------------------------------------------------------------------------------


def test_the_least_request() -> None:
    assert parse_request({"prompt": "a lake"}) == Request("a lake", "1024*1024", None, False, None)


def test_every_field() -> None:
    source = parse_json_object(
        '{"prompt": "a lake", "size": "16:9@1536", "seed": 7, "prompt_extend": true,'
        ' "base_url": "http://127.0.0.1:8080/", "model": "z-image-turbo"}',
        "--request",
    )
    request = parse_request(source)
    assert request == Request("a lake", "2048*1152", 7, True, "http://127.0.0.1:8080/api/v1")
    assert parse_request(request.fields()) == request


def test_options_win_and_settings_fill_in() -> None:
    source = {"prompt": "from the file", "size": "9:16", "seed": 5}
    defaults = {"size": "1:1", "prompt_extend": True}
    assert parse_request(source, defaults=defaults) == Request("from the file", "720*1280", 5, True)
    overrides = {"prompt": "option", "size": "16:9", "seed": 6, "prompt_extend": False}
    assert parse_request(source, overrides=overrides, defaults=defaults) == Request(
        "option", "1280*720", 6, False
    )
    assert parse_request({"prompt": "x"}, defaults=defaults).size == "1024*1024"


def test_an_option_takes_the_place_of_a_wrong_field_too() -> None:
    assert parse_request({"prompt": "x", "size": 1}, overrides={"size": "1:1"}).size == "1024*1024"


def test_no_seed_drops_the_seed_of_the_request() -> None:
    source = {"prompt": "x", "seed": 5}
    assert parse_request(source).seed == 5
    assert parse_request(source, overrides={"seed": None}).seed is None


@pytest.mark.parametrize("seed", [0, 1, 2147483647])
def test_the_range_of_seeds(seed: int) -> None:
    assert parse_request({"prompt": "x", "seed": seed}).seed == seed


# -- the prompt -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("  a lake \n", "a lake"),
        ("\u3000湖\u3000", "湖"),
        ("one\n\n  two\tthree", "one\n\n  two\tthree"),
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("a lake\r", "a lake"),
        ("[bold]{x}%s\\n$HOME", "[bold]{x}%s\\n$HOME"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f", "👩\u200d👩\u200d👧 ❤\ufe0f"),
    ],
)
def test_a_prompt_is_kept_but_for_the_white_space_around_it(text: str, prompt: str) -> None:
    assert parse_request({"prompt": text}).prompt == prompt


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t\r\n", "\u3000", "\u200b", "\ufeff", "\u2800\ufe0f"]
)
def test_a_prompt_that_shows_nothing_is_blank(text: str) -> None:
    problem = only_problem({"prompt": text})
    assert problem.facts["field"] == "prompt"
    assert problem.message == f"prompt: {shown(text)} is blank."


@pytest.mark.parametrize("code", [*range(9), 0xB, 0xC, 0xD, *range(0xE, 0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_an_error_that_says_which_and_where(code: int) -> None:
    problem = only_problem({"prompt": f"ab{chr(code)}c"})
    name = "NUL" if code == 0 else f"the control character U+{code:04X}"
    assert f"holds {name} at character 3" in problem.message
    assert visible(problem.message) == problem.message


@pytest.mark.parametrize("text", ["lake\x00", "\x1blake", "\x1clake", "lake\x85"])
def test_control_characters_at_the_ends_are_not_white_space(text: str) -> None:
    assert "holds" in only_problem({"prompt": text}).message


@pytest.mark.parametrize("text", ["a\udcffb", "\ud83d", "lake \udcf3\udca0"])
def test_lone_surrogates_are_not_utf8(text: str) -> None:
    message = only_problem({"prompt": text}).message
    assert (
        f"is not valid UTF-8 at character {next(i for i, c in enumerate(text, 1) if c > 'z')}"
        in (message)
    )
    assert message.isascii()


def test_a_prompt_of_many_bad_characters_makes_a_short_message() -> None:
    problem = only_problem({"prompt": "\x00" * 100_000})
    assert problem.message.count("holds NUL") == 3
    assert len(problem.message) < 800


def test_the_warning_shows_what_is_cut_off() -> None:
    assert prompt_warning("湖" * 800) is None
    assert prompt_warning("x" * 800 + "tail \x1b[1m") == (
        "the prompt has 809 characters; the service reads the first 800 and cuts off the last 9: "
        '"tail \\u001b[1m"'
    )
    warning = prompt_warning("x" * 1_000_000)
    assert warning is not None
    assert "1,000,000 characters" in warning
    assert len(warning) < 250
    assert parse_request({"prompt": "x" * 5000}).prompt == "x" * 5000


# -- wrong types, unknown fields, all at once -----------------------------------------------------

NOT = {
    "prompt": [None, 1, 1.5, True, [], {}, ["a"]],
    "size": [None, 1024, 1.0, False, [1024, 1024], {}],
    "seed": [
        None,
        "12",
        "",
        1.0,
        1e300,
        float("inf"),
        True,
        False,
        [1],
        {},
        -1,
        2**31,
        -(10**5000),
    ],
    "prompt_extend": [None, 0, 1, "true", "false", "yes", 1.0, [], {}],
    "base_url": [None, 1, True, [], {}],
    "model": [None, 1, "", "qwen-image", "Z-Image-Turbo", "z-image-turbo ", []],
}
CASES = [(name, value) for name, values in NOT.items() for value in values]


@pytest.mark.parametrize(
    ("field", "value"), CASES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(CASES)]
)
def test_wrong_values_name_field_given_and_allowed(field: str, value: object) -> None:
    problem = only_problem({"prompt": "x", field: value})
    assert problem.facts["field"] == field
    assert problem.message.startswith(f"{field}: {problem.facts['value']} ")
    assert f"allowed: {problem.facts['allowed']}" in problem.message
    if problem.facts["nearest"] is not None:
        assert problem.facts["nearest"] in problem.message


@pytest.mark.parametrize(
    ("field", "value", "suggestion"),
    [
        ("seed", "12", "12"),
        ("seed", 1.0, "1"),
        ("seed", "x", None),
        ("seed", -5, "0"),
        ("seed", 2**31, "2147483647"),
        ("size", 1536, "1536*1536"),
        ("size", None, "1024*1024"),
        ("size", "5:4", "1152*896"),
        ("size", "4096*4096", "2048*2048"),
        ("prompt_extend", "True", "true"),
        ("prompt_extend", 1, None),
        ("model", "wanx", "z-image-turbo"),
        ("promt", "x", "prompt"),
        ("Prompt", "x", "prompt"),
        ("prompt-extend", True, "prompt_extend"),
        ("aspect_ratio", "16:9", "size"),
        ("negative_prompt", "x", None),
        ("watermark", True, None),
    ],
)
def test_suggestions(field: str, value: object, suggestion: str | None) -> None:
    assert only_problem({"prompt": "x", field: value}).facts["nearest"] == suggestion


SEVEN_PROBLEMS = """\
the request has 7 problems:
- No prompt.
- size: "4096*4096" is 16,777,216 pixels; allowed: 262,144 to 4,194,304 pixels; \
nearest valid size: 2048*2048
- seed: "12" has the wrong type; allowed: a whole number, 0 to 2147483647; nearest: 12
- prompt_extend: 1 has the wrong type; allowed: true or false
- base_url: "http://example.com" is http, which is for loopback addresses only; \
allowed: a text: an https URL such as https://dashscope.aliyuncs.com
- model: "qwen" is not the model of this tool; allowed: "z-image-turbo"; nearest: z-image-turbo
- sedd: is not a field of a request; allowed: prompt, size, seed, prompt_extend, base_url; \
did you mean seed?"""


def test_all_problems_are_reported_at_once_in_a_fixed_order() -> None:
    error = invalid(
        {
            "sedd": 1,
            "seed": "12",
            "prompt_extend": 1,
            "base_url": "http://example.com",
            "size": "4096*4096",
            "model": "qwen",
        }
    )
    assert error.message == SEVEN_PROBLEMS
    assert [problem.facts["field"] for problem in error.problems] == [
        "prompt", "size", "seed", "prompt_extend", "base_url", "model", "sedd",
    ]  # fmt: skip
    assert error.hint == "See the recommended sizes: zimage sizes"


def test_a_request_without_a_prompt() -> None:
    problem = only_problem({"seed": 7})
    assert problem.message == "No prompt."
    assert problem.hint == "Give a prompt: zimage generate 'A calm lake at dawn'"
    assert (problem.facts["field"], problem.facts["value"]) == ("prompt", None)


def test_what_the_model_lacks_is_told() -> None:
    assert only_problem({"prompt": "x", "guidance_scale": 7}).message == (
        "guidance_scale: is not a field of a request; allowed: prompt, size, seed, prompt_extend, "
        "base_url. Z-Image Turbo takes no guidance scale: the service sets it."
    )


def test_a_key_in_the_wrong_place_is_masked() -> None:
    key = "sk-0123456789abcdef0123456789abcdef"
    for source in [
        {"prompt": "x", "api_key": key},
        {"prompt": "x", key: 1},
        {"prompt": f"my key is {key}\0"},
        {"prompt": "x", "size": key},
        {"prompt": "x", "seed": key},
        {"prompt": "x", "model": key},
        {"prompt": "x", "base_url": key},
        {"prompt": "x", "base_url": f"https://user:{key}@example.com"},
    ]:
        problem = only_problem(source)
        for text in (problem.facts["field"], problem.facts["value"], problem.message):
            assert key[:20] not in text
            assert key[-12:] not in text
    assert only_problem({"prompt": "x", "seed": key}).facts["value"] == '"sk-…cdef"'


def test_a_machine_made_mess_has_a_short_message_and_all_problems() -> None:
    error = invalid({f"field{i}": i for i in range(3000)})
    assert len(error.problems) == 3001
    assert error.message.count("\n") == 51
    assert error.message.endswith("- and 2951 more")


# -- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--request: not valid JSON at line 1, column 1: Expecting value"),
        (
            '{"prompt": "x",\n "size" 1}',
            "--request: not valid JSON at line 2, column 9: Expecting ':' delimiter",
        ),
        ('{"prompt": "x', "--request: not valid JSON at line 1, column 12: Unterminated string"),
        ("{} {}", "--request: not valid JSON at line 1, column 4: Extra data"),
        ("[]", "--request: is an array, not a JSON object"),
        ('"x"', '--request: is "x", not a JSON object'),
        ("null", "--request: is null, not a JSON object"),
        ("12", "--request: is 12, not a JSON object"),
        (
            '{"prompt": "a", "prompt": "a"}',
            '--request: the field "prompt" stands there twice',
        ),
        ('{"a\\u001b": 1, "a\\u001b": 1}', '--request: the field "a\\u001b" stands there twice'),
        ('{"x": {"y": 1, "y": 2}}', '--request: the field "y" stands there twice'),
        ('{"seed": NaN}', "--request: NaN is not a JSON value"),
        ('{"seed": -Infinity}', "--request: -Infinity is not a JSON value"),
        ('{"seed": ' + "9" * 5000 + "}", "--request: holds a number of too many digits"),
        ("[" * 200_000, "--request: is nested too deeply for a request"),
        ('{"a":' * 200_000, "--request: is nested too deeply for a request"),
    ],
    ids=range(16),
)
def test_what_is_no_json_object(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_json_object(text, "--request")
    assert caught.value.message == message


def test_a_byte_order_mark_is_fine() -> None:
    assert parse_json_object('\ufeff{"prompt": "x"}', "f.json") == {"prompt": "x"}


def test_an_escaped_lone_surrogate_is_a_problem_of_the_prompt() -> None:
    source = parse_json_object(r'{"prompt": "a \ud83d"}', "--request")
    assert "not valid UTF-8" in only_problem(source).message


def test_the_place_is_named_safely() -> None:
    with pytest.raises(UsageError) as caught:
        parse_json_object("x", "evil\x1b[2J.json")
    assert caught.value.message.startswith("evil\\x1b[2J.json: not valid JSON")


# -- seeds ----------------------------------------------------------------------------------------


def test_drawn_seeds_are_valid_and_differ() -> None:
    drawn = {draw_seed() for _ in range(200)}
    assert len(drawn) > 190
    assert all(0 <= seed <= MAX_SEED for seed in drawn)
    assert max(drawn) > MAX_SEED // 2


def test_seeds_count_up_and_wrap() -> None:
    assert [seed_after(7, step) for step in range(3)] == [7, 8, 9]
    assert [seed_after(MAX_SEED, step) for step in range(3)] == [MAX_SEED, 0, 1]
    assert seed_after(0, 0) == 0


# -- anything at all ------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["1024*1024", "16:9", "square", "4096*4096", "https://a.b", "z-image-turbo"])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4)
)
NAMES = st.sampled_from([*FIELDS, "model"]) | ANY_TEXT
SOURCES = st.dictionaries(NAMES, LEAVES | JSON, max_size=8) | st.fixed_dictionaries(
    {},
    optional={
        "prompt": ANY_TEXT,
        "size": st.sampled_from(["1:1", "1024x768", "portrait@1280", "nope"]),
        "seed": st.integers(-2, MAX_SEED + 2),
        "prompt_extend": st.booleans(),
        "base_url": st.sampled_from(["https://a.example", "http://localhost:1/api/v1", "ftp://x"]),
    },
)


def check(source: Any, **more: Any) -> None:
    try:
        if isinstance(source, str):
            source = parse_json_object(source, "--request")
        request = parse_request(source, **more)
    except UsageError as error:
        assert visible(error.message, newlines=True) == error.message
        if isinstance(error, RequestInvalid):
            assert error.problems
            for problem in error.problems:
                assert problem.message in error.message
                assert "\n" not in problem.message
                assert visible(problem.message) == problem.message
                assert len(problem.message) < 1200
        return
    assert parse_request(request.fields()) == request
    assert parse_request(parse_json_object(json.dumps(request.fields()), "it")) == request
    assert parse_size(request.size) == request.size
    assert request.prompt == request.prompt.strip() != ""
    request.prompt.encode()
    assert request.seed is None or 0 <= request.seed <= MAX_SEED


@settings(max_examples=1000)
@given(SOURCES, SOURCES, SOURCES)
def test_any_mapping_is_a_request_or_a_usage_error(
    source: dict[str, Any], overrides: dict[str, Any], defaults: dict[str, Any]
) -> None:
    check(source)
    check(source, overrides=overrides, defaults=defaults)


@settings(max_examples=500)
@given(SOURCES.map(json.dumps))
def test_any_json_is_a_request_or_a_usage_error(text: str) -> None:
    check(text)


@settings(max_examples=500)
@given(ANY_TEXT | JSON.map(json.dumps))
def test_any_text_is_a_request_or_a_usage_error(text: str) -> None:
    check(text)
