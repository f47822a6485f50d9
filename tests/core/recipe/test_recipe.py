from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.recipe.recipe import Recipe

LINE = (
    "Steps: 0, Sampler: Undefined, Seed: 7, Size: 1024x1024, Model: z-image-turbo, "
    "Version: zimage 0.1.0"
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
RECIPES = st.builds(
    Recipe,
    prompt=TEXT,
    size=st.sampled_from(("1024*1024", "1536*1024", "")),
    seed=st.none() | st.integers(0, 2147483647),
    prompt_extend=st.booleans(),
    model=TEXT,
    region=TEXT,
    request_id=st.none() | TEXT,
    rewritten_prompt=st.none() | TEXT,
    time=TEXT,
    version=TEXT,
    width=st.none(),
    height=st.none(),
)


def test_the_form_of_automatic1111(recipe) -> None:
    assert recipe.parameters() == f"A calm lake at dawn\n{LINE}"


def test_no_seed_is_said_where_none_is_known(recipe) -> None:
    text = recipe._replace(seed=None, width=None).parameters()
    assert text == f"A calm lake at dawn\n{LINE.replace(' Seed: 7,', '')}"


def test_the_size_is_the_picture_s_own(recipe) -> None:
    assert "Size: 1040x1024," in recipe._replace(width=1040).parameters()
    assert "Size: 1536x1024," in recipe._replace(size="1536*1024", width=None).parameters()


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("a cat\nSteps: 5\n Steps: 6", "a cat\n Steps: 5\n Steps: 6"),
        ("Steps: 5 of them", " Steps: 5 of them"),
        ("Negative prompt: dogs", "Negative\u00a0prompt: dogs"),
        (
            "a Negative prompt: b\nNegative prompt: c",
            "a Negative\u00a0prompt: b\nNegative\u00a0prompt: c",
        ),
        ('{"a": 1}\n{', ' {"a": 1}\n{'),
        ("a\r\nb\rc\0d", "a\nb\nc d"),
        ('"quoted", x: y, 狐狸 🦊', '"quoted", x: y, 狐狸 🦊'),
    ],
)
def test_what_readers_would_cut_is_written_so_that_they_do_not(recipe, prompt, written) -> None:
    altered = recipe._replace(prompt=prompt)
    assert altered.parameters() == f"{written}\n{LINE}"
    assert json.loads(altered.text())["prompt"] == prompt


def test_the_whole_document(recipe) -> None:
    assert recipe.document() == {
        "prompt": "A calm lake at dawn",
        "size": "1024*1024",
        "seed": 7,
        "prompt_extend": True,
        "model": "z-image-turbo",
        "region": "beijing",
        "request_id": "4a1f",
        "rewritten_prompt": "A calm lake, mist",
        "time": "2026-11-23T06:00:00Z",
        "version": "0.1.0",
    }
    assert json.loads(recipe.text()) == recipe.document()


@given(RECIPES)
def test_what_was_written_is_read(recipe) -> None:
    assert Recipe.read(recipe.text()) == recipe


def test_what_has_a_wrong_type_counts_as_not_told() -> None:
    wrong = {
        "prompt": "p",
        "size": "9*",
        "seed": True,
        "prompt_extend": 1,
        "model": None,
        "region": {},
        "request_id": 4,
        "rewritten_prompt": ["x"],
        "time": 2.5,
        "version": "\ud800",
        "other": "ignored",
    }
    read = Recipe.read(json.dumps(wrong))
    assert read == Recipe("p", "", None, False, "", "", None, None, "", "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "{}", '{"prompt": 7}', '{"prompt": "\\ud83d"}', '{"prompt": "a"'),
        *("[" * 100_000, '{"prompt": "a", "seed": ' + "9" * 5000 + "}"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_recipe_is_none(text) -> None:
    assert Recipe.read(text) is None


JSON = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just([])


@given(
    st.text()
    | st.fixed_dictionaries(
        {"prompt": st.text()}, optional=dict.fromkeys(Recipe._fields[1:], JSON)
    ).map(json.dumps)
)
def test_any_text_is_a_recipe_or_none(text) -> None:
    read = Recipe.read(text)
    assert read is None or Recipe.read(read.text()) == read
