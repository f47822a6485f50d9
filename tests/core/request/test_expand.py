from __future__ import annotations

import time
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.request.expand import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_SEEDS,
    count,
    count_text,
    expand,
    parse_seeds,
    parse_sizes,
)
from zimage_cli.core.request.sizes import SizeError
from zimage_cli.errors import UsageError


def refused(function: Any, *args: Any) -> str:
    with pytest.raises(UsageError) as caught:
        function(*args)
    return caught.value.message


# -- alternatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("", [""]),
        ("a lake", ["a lake"]),
        ("a {red|blue|} fox", ["a red fox", "a blue fox", "a  fox"]),
        ("{a|b}{1|2|3}", ["a1", "a2", "a3", "b1", "b2", "b3"]),
        ("{a|{b|c}d}!", ["a!", "bd!", "cd!"]),
        ("{a|{b|{c|d}}}", ["a", "b", "c", "d"]),
        ("{{a|b}|{c|d}}{1|2}", ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]),
        ("{a|a}", ["a", "a"]),
        ("{|}", ["", ""]),
        ("{ a | b }", [" a ", " b "]),
        ("{渔舟|大漠}\n晚", ["渔舟\n晚", "大漠\n晚"]),
        # Braces without an alternative are text, and what is within them still counts.
        ("{}", ["{}"]),
        ("{word} {a|b}", ["{word} a", "{word} b"]),
        ('{"mood": "{calm|wild}"}', ['{"mood": "calm"}', '{"mood": "wild"}']),
        ("{{a}|b}", ["{a}", "b"]),
        ("{{a|b}}", ["{a}", "{b}"]),
        # | outside braces, and a backslash that escapes nothing.
        ("a|b", ["a|b"]),
        ("a|{b|c}|d", ["a|b|d", "a|c|d"]),
        (r"C:\temp\n {a|b}" + "\\", ["C:\\temp\\n a\\", "C:\\temp\\n b\\"]),
        (r"\{a\|b\} \\", [r"{a|b} " + "\\"]),
        (r"{a\|b|c\}|\{}", ["a|b", "c}", "{"]),
        (r"\\{a|b}", ["\\a", "\\b"]),
    ],
)
def test_a_text_and_its_prompts(prompt: str, prompts: list[str]) -> None:
    assert list(expand(prompt)) == prompts
    assert count(prompt) == len(prompts)


@pytest.mark.parametrize(
    ("prompt", "what"),
    [
        ("a {red|blue fox", "the { at character 3 is not closed"),
        ("{a|b} {", "the { at character 7 is not closed"),
        ("{a|{b}", "the { at character 1 is not closed"),
        ("a } b", "the } at character 3 closes nothing"),
        ("{a|b}}", "the } at character 6 closes nothing"),
        (r"\{a|b}", "the } at character 6 closes nothing"),
        (r"渔{a|b\}", "the { at character 2 is not closed"),
    ],
)
def test_a_brace_without_partner_is_named_with_its_place(prompt: str, what: str) -> None:
    message = f"prompt: {what}; allowed: alternatives such as {{red|blue}}"
    assert refused(expand, prompt) == message
    assert refused(count, prompt) == message


def nested(depth: int) -> str:
    return "{a|" * depth + "}" * depth


def test_nesting_ends_somewhere() -> None:
    assert count(nested(MAX_DEPTH)) == MAX_DEPTH + 1
    assert list(expand(nested(MAX_DEPTH))) == ["a"] * MAX_DEPTH + [""]
    for prompt in (nested(MAX_DEPTH + 1), nested(10_000), "{" * 10_000 + "}" * 10_000):
        assert f"nested over {MAX_DEPTH} deep" in refused(count, prompt)
        assert f"nested over {MAX_DEPTH} deep" in refused(expand, prompt)


def test_astronomical_numbers_are_counted_and_begun_at_once() -> None:
    prompt = "{a|b}" * 20_000
    started = time.process_time()
    assert count(prompt) == 2**20_000
    assert next(expand(prompt)) == "a" * 20_000
    inner = "{x|" + prompt + "|y" * 20_000 + "}"
    assert count(inner) == 2**20_000 + 20_001
    assert list(islice(expand(inner), 2)) == ["x", "a" * 20_000]
    assert time.process_time() - started < 5


def test_ten_times_the_text_takes_about_ten_times_as_long() -> None:
    def seconds(groups: int) -> float:
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            count("{a|b} and " * groups)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(20_000) < 30 * seconds(2_000)


def test_the_list_is_lazy_and_the_last_choice_varies_fastest() -> None:
    prompts = expand("{0|1}" * 64)
    first = list(islice(prompts, 5))
    assert [int(text, 2) for text in first] == [0, 1, 2, 3, 4]


texts = st.text(st.sampled_from("ab {}|\\\n渔"), max_size=30)


@given(texts)
def test_any_text_is_expanded_or_refused(prompt: str) -> None:
    try:
        number = count(prompt)
    except UsageError:
        with pytest.raises(UsageError):
            expand(prompt)
        return
    prompts = list(islice(expand(prompt), 2000))
    assert len(prompts) == min(number, 2000)
    assert prompts == list(islice(expand(prompt), 2000))


@given(st.text(max_size=100))
def test_text_without_braces_or_backslash_is_itself(prompt: str) -> None:
    bare = prompt.translate(dict.fromkeys(map(ord, "{}\\")))
    assert list(expand(bare)) == [bare]


def escaped(text: str) -> str:
    return "".join("\\" + char if char in "{}|\\" else char for char in text)


@given(st.text(max_size=100))
def test_escaped_text_is_itself(text: str) -> None:
    assert list(expand(escaped(text))) == [text]


pieces = st.text(st.sampled_from("ab{}|\\ "), max_size=4)


@given(st.lists(st.one_of(pieces, st.lists(pieces, min_size=2, max_size=3)), max_size=6))
def test_order_is_that_of_nested_loops(parts: list[str | list[str]]) -> None:
    prompt = "".join(
        escaped(part) if isinstance(part, str) else "{" + "|".join(map(escaped, part)) + "}"
        for part in parts
    )
    loops = [[part] if isinstance(part, str) else part for part in parts]
    assert list(expand(prompt)) == ["".join(choice) for choice in product(*loops)]


# -- sizes and seeds ------------------------------------------------------------------------------


def test_sizes() -> None:
    assert parse_sizes("1:1,16:9") == ("1024*1024", "1280*720")
    assert parse_sizes("16：9，方图、1080p") == ("1280*720", "1024*1024", "1920*1080")
    assert parse_sizes(" square , 1024x1024,16:9@1536, 1:1 ") == ("1024*1024", "2048*1152")


@pytest.mark.parametrize("text", ["1:1,", ",", "1:1,,16:9", "1:1;16:9", "huge", "1:1,9*9"])
def test_an_item_that_is_no_size(text: str) -> None:
    with pytest.raises(SizeError) as caught:
        parse_sizes(text)
    assert "allowed:" in caught.value.message


def test_no_sizes_at_all() -> None:
    for text in ("", "  "):
        assert refused(parse_sizes, text).startswith("sizes: is empty; allowed:")


def test_seeds() -> None:
    assert parse_seeds("1-4,9") == (1, 2, 3, 4, 9)
    assert parse_seeds(" 9 , 3 - 5 ") == (9, 3, 4, 5)
    assert parse_seeds("0,2147483647,7-7") == (0, 2147483647, 7)
    assert parse_seeds("3-5,4-6,1,3") == (3, 4, 5, 6, 1)
    assert parse_seeds("007") == (7,)
    assert len(parse_seeds(f"1-{MAX_SEEDS}")) == MAX_SEEDS


ALLOWED = "allowed: numbers and ranges, 0 to 2147483647, such as 1-4,9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'seeds: "" is empty; {ALLOWED}'),
        ("1,,2", f'seeds: "" is empty; {ALLOWED}'),
        ("1-4,nine", f'seeds: "nine" is no seed; {ALLOWED}'),
        ("-1", f'seeds: "-1" is no seed; {ALLOWED}'),
        ("1-", f'seeds: "1-" is no seed; {ALLOWED}'),
        ("1-2-3", f'seeds: "1-2-3" is no seed; {ALLOWED}'),
        ("1.5", f'seeds: "1.5" is no seed; {ALLOWED}'),
        ("１", f'seeds: "１" is no seed; {ALLOWED}'),
        ("9-4", f'seeds: "9-4" runs downwards; {ALLOWED}; nearest: 4-9'),
        ("2147483648", f'seeds: "2147483648" is out of range; {ALLOWED}'),
        ("1-99999999999", f'seeds: "1-99999999999" is out of range; {ALLOWED}'),
        (
            "0-2147483647",
            'seeds: "0-2147483647" has more than 100,000 seeds; allowed: at most 100,000',
        ),
        (
            "1-100000,1",
            'seeds: "1-100000,1" has more than 100,000 seeds; allowed: at most 100,000',
        ),
    ],
)
def test_seeds_that_are_none(text: str, message: str) -> None:
    assert refused(parse_seeds, text) == message


def test_a_number_of_any_length_is_refused() -> None:
    assert "is out of range" in refused(parse_seeds, "9" * 100_000)
    assert parse_seeds("0" * 100_000 + "1") == (1,)


@given(st.one_of(st.text(max_size=20), st.text(st.sampled_from("0123456789-, x:*"), max_size=20)))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    for parse in (parse_sizes, parse_seeds):
        try:
            found = parse(text)
        except UsageError:
            continue
        assert found
        assert len(set(found)) == len(found)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 40)), min_size=1, max_size=9))
def test_ranges_are_inclusive(spans: list[tuple[int, int]]) -> None:
    ends = [(first, min(first + more, 2**31 - 1)) for first, more in spans]
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ends)
    every = [seed for a, b in ends for seed in range(a, b + 1)]
    assert parse_seeds(text) == tuple(dict.fromkeys(every))


def test_a_count_is_shown_whatever_its_length() -> None:
    assert count_text(0) == "0"
    assert count_text(1_234_567) == "1,234,567"
    assert count_text(10**15 - 1) == "999,999,999,999,999"
    assert count_text(10**15) == "about 10^15"
    assert count_text(2**100_000) == "about 10^30103"


# -- the lines of a file --------------------------------------------------------------------------


NAMED = (
    "prompt: the name of a file in the {@ at character 1 holds alternatives; allowed: one name, "
    "such as {@colours.txt}"
)
LISTS = {"a.txt": ("red", "{b|c}"), "{x}.txt": ("1",), "c d": ("2", "2")}


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a {@a.txt} kite", ["a red kite", "a {b|c} kite"]),
        ("{x|{@a.txt}y}", ["x", "redy", "{b|c}y"]),
        ("{@a.txt}{@a.txt}", ["redred", "red{b|c}", "{b|c}red", "{b|c}{b|c}"]),
        ("{@ c d }", ["2", "2"]),
        ("{@{x}.txt}", ["1"]),
        (r"{@\{x\}.txt}", ["1"]),
        # Alternatives and text, as ever.
        ("{@a.txt|@b}", ["@a.txt", "@b"]),
        ("{a@b}", ["{a@b}"]),
        (r"\{@a.txt\}", ["{@a.txt}"]),
        (r"{\\@a.txt}", [r"{\@a.txt}"]),
    ],
)
def test_a_file_stands_for_its_lines(prompt: str, prompts: list[str]) -> None:
    assert list(expand(prompt, LISTS.__getitem__)) == prompts
    assert count(prompt, LISTS.__getitem__) == len(prompts)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a {@}", "prompt: the {@ at character 3 names no file; allowed: such as {@colours.txt}"),
        ("{@ }", "prompt: the {@ at character 1 names no file; allowed: such as {@colours.txt}"),
        (
            "{@{a|b}.txt}",
            NAMED,
        ),
        (
            "{@{@a.txt}}",
            NAMED,
        ),
    ],
)
def test_what_names_no_file(prompt: str, said: str) -> None:
    assert refused(expand, prompt, LISTS.__getitem__) == said


def test_a_short_text_does_not_stand_for_a_very_long_one() -> None:
    lines = ("x" * (MAX_LENGTH // 2), "y")
    assert count("{@a}{b|{@a}}", lambda _: lines) == 6
    said = refused(count, "{@a}" * 50_000, lambda _: lines)
    assert said == (
        "prompt: with the lines of its files it comes to 250,000,000 characters; allowed: at most "
        "10,000"
    )


def test_nobody_reads_a_file_who_was_not_told_how() -> None:
    said = refused(count, "a {@/etc/passwd}")
    assert said == "prompt: the {@ at character 3 names a file, and none is read here"
