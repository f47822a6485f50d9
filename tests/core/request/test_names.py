from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zimage_cli.core.request.fields import FIELDS as REQUEST_FIELDS
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.names import (
    DEFAULT_TEMPLATE,
    FIELDS,
    NameTemplate,
    numbered,
    slug,
)
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.sweep import ONE, Sweep
from zimage_cli.errors import UsageError
from zimage_cli.text import visible

WHEN = datetime(2026, 10, 9, 8, 7, 6, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(codec=None))
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"
}


def render(template: str, **more: Any) -> str:
    values: dict[str, Any] = {
        "prompt": "A calm lake", "seed": 1234, "size": "1280*720", "region": "beijing",
        "when": WHEN, "number": 2, "prompt_extend": False,
    }  # fmt: skip
    values |= more
    request = Request(**{name: values.pop(name) for name in REQUEST_FIELDS if name in values})
    return NameTemplate.parse(template).render(request, **values)


def is_one_safe_name(name: str) -> bool:
    return (
        PurePosixPath(name).name == name
        and PureWindowsPath(name).name == name
        and not name.startswith((".", " "))
        and not name.endswith((".", " "))
        and name.partition(".")[0].rstrip().lower() not in RESERVED
        and visible(name) == name
        and not set(name) & set('<>:"/\\|?*')
    )


# -- slug -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A calm lake at dawn", "a-calm-lake-at-dawn"),
        ("  A -- calm,  lake!! ", "a-calm-lake"),
        ("渔夫与日出，电影感", "渔夫与日出-电影感"),
        ("Ünïcode ÉTÉ 2026", "ünïcode-été-2026"),
        ("e\u0301te\u0301", "été"),
        ("\u0301lake", "lake"),
        ("lake \u0301dawn", "lake-dawn"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\Windows\\x", "c-windows-x"),
        ("...hidden", "hidden"),
        ("line\nbreak\ttab", "line-break-tab"),
        ("a\x00b\x1b[31mc", "ab-31mc"),
        ("\u202eevil\u202c\u200b\ufeff", "evil"),
        ("a\u3164b", "ab"),
        ("a\udcffb", "a-b"),
        ("", "picture"),
        ("🎨🎨 !!", "picture"),
        ("con", "con-picture"),
        ("NUL", "nul-picture"),
        ("Com1", "com1-picture"),
        ("lpt³", "lpt³-picture"),
        ("con.png", "con-png"),
        ("console", "console"),
        ("हिन्दी", "हिन्दी"),
    ],
)
def test_slug(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


def test_a_key_in_a_prompt_is_in_no_name() -> None:
    assert slug("sk-" + "0123456789abcdef" * 2) == "sk-cdef"
    assert slug("A fox sk-" + "0123456789abcdef" * 2) == "a-fox-sk-cdef"
    assert slug("st-petersburg") == "st-petersburg"


@pytest.mark.parametrize(
    ("prompt", "length"), [("a" * 100, 32), ("湖" * 50, 30), ("é" * 50, 32), ("a" + "湖" * 50, 31)]
)
def test_a_slug_is_cut_at_a_character(prompt: str, length: int) -> None:
    made = slug(prompt)
    assert len(made.encode()) == length
    assert prompt.startswith(made)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A calm lake at dawn, mist over the water", "a-calm-lake-at-dawn-mist-over"),
        ("A calm lake at dawn, a boat on it", "a-calm-lake-at-dawn-a-boat-on-it"),
        ("a" * 31 + " b", "a" * 31),
        # A word that fills half of it is cut, and so is a script without blanks.
        ("a " + "b" * 50, "a-" + "b" * 30),
        ("清晨的湖面上有一层薄雾，远处是山", "清晨的湖面上有一层薄"),
        ("A fox in the snow 在雪地里的一只狐狸", "a-fox-in-the-snow-在雪地里"),
        ("고요한 호수 새벽 안개 물 위에", "고요한-호수-새벽-안개"),
    ],
)
def test_a_slug_is_cut_between_words(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "seed", "name"),
    [
        ("A calm lake at dawn", MAX_SEED, "20261009-080706-a-calm-lake-2147483647.png"),
        ("Extraordinarily blue", 7, "20261009-080706-extraordinari-7.png"),
        ("清晨的湖面上有一层薄雾", 7, "20261009-080706-清晨的湖面上-7.png"),
    ],
)
def test_a_default_path_fits_into_80_columns(prompt: str, seed: int, name: str) -> None:
    made = render(DEFAULT_TEMPLATE, prompt=prompt, seed=seed)
    assert made == name
    assert len(f"output/ai-image-zimage-turbo/images/{made}") <= 80


@settings(max_examples=500)
@given(ANY_TEXT | st.text("conaux1.\u0301 ¹\u202e", max_size=8))
@example("K" * 100)
@example("İ" * 100)
@example("a" + "\u0301" * 500)
def test_a_slug_is_always_a_safe_part_of_a_name(prompt: str) -> None:
    made = slug(prompt)
    assert 0 < len(made.encode()) <= 32
    assert is_one_safe_name(made)
    assert "." not in made
    assert " " not in made
    assert unicodedata.normalize("NFC", made) == made
    assert made.strip("-") == made


# -- templates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT_TEMPLATE, "20261009-080706-a-calm-lake-1234.png"),
        ("{slug}-{n:03}", "a-calm-lake-002.png"),
        ("{slug}-{n:03d}.PNG", "a-calm-lake-002.png"),
        ("{region} {size} {width}x{height:05}.png", "beijing 1280x720 1280x00720.png"),
        ("{seed:010}", "0000001234.png"),
        ("{{{n}}}", "{2}.png"),
        ("fishing", "fishing.png"),
        ("夜 {slug}", "夜 a-calm-lake.png"),
        ("v1.2-{n}", "v1.2-2.png"),
        ("con", "con-picture.png"),
        ("com{n}", "com2-picture.png"),
        ("NUL.{n}", "NUL-picture.2.png"),
        ("name. .png", "name.png"),
        ("{slug}.webp", "a-calm-lake.webp"),
        ("{slug}.JPG", "a-calm-lake.jpg"),
        ("{slug}-{n}.jpeg", "a-calm-lake-2.jpeg"),
        ("name. .webp", "name.webp"),
        ("a.jpg-{n}", "a.jpg-2.png"),
    ],
)
def test_render(template: str, expected: str) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "name", "said"),
    [
        (DEFAULT_TEMPLATE, "20261009-080706-a-calm-lake-1234.webp", None),
        ("{slug}", "a-calm-lake.webp", None),
        ("v1.2", "v1.2.webp", None),
        ("{slug}.png", "a-calm-lake.png", "png"),
        ("{slug}.jpg", "a-calm-lake.jpg", "jpeg"),
    ],
)
def test_a_name_that_says_no_format_ends_like_the_setting(
    template: str, name: str, said: str | None
) -> None:
    parsed = NameTemplate.parse(template, ".webp")
    request = Request("A calm lake!", "1280*720", 1234, prompt_extend=False)
    assert parsed.render(request, region="beijing", when=WHEN) == name
    assert parsed.said == said
    varied = parsed.varied(Sweep(expand=True))
    assert varied.render(request, region="beijing", when=WHEN).endswith(parsed.suffix)


def test_a_seed_that_the_service_draws() -> None:
    assert render("{seed}", seed=None) == "random.png"
    assert render("{seed:010}", seed=None) == "random.png"


@pytest.mark.parametrize(
    "template",
    [
        "{slug.__class__}",
        "{slug[0]}",
        "{seed!r}",
        "{slug!s:>9}",
        "{seed:>999999999}",
        "{seed:0999999999}",
        "{seed:021}",
        "{seed:5}",
        "{seed:,}",
        "{seed:x}",
        "{n:{n}}",
        "{slug:010}",
        "{date:%Y}",
        "{time:02}",
        "{}",
        "{0}",
        "{prompt}",
        "{key}",
        "{SLUG}",
        "{ slug }",
        "{",
        "}",
        "{slug",
        "{slug!}",
        "{seed!rr}",
        "../{slug}",
        "/tmp/{slug}",
        "a\\{slug}",
        "C:{slug}",
        "{slug}?",
        "{slug}*.png",
        "a\x00b",
        "a\nb",
        "\x1b[31m{slug}",
        "\u202e{slug}",
        "\udcff{slug}",
        ".{slug}",
        " {slug}",
        ".",
        "..",
        ".png",
        "",
        "  ",
        "{slug}.gif",
        "x.AVIF",
        "{slug}{n}.tiff",
        ".jpg",
        "..webp",
        "x" * 101,
        "湖" * 40,
    ],
)
def test_what_is_no_template_lists_the_fields(template: str) -> None:
    with pytest.raises(UsageError) as caught:
        NameTemplate.parse(template)
    message = caught.value.message
    assert all(f"{{{name}}}" in message for name in FIELDS)
    assert visible(message) == message
    assert len(message) < 400


TEMPLATES = st.lists(
    st.sampled_from([f"{{{name}}}" for name in FIELDS])
    | st.text("abcon{}:. -_1湖/\\!", max_size=5),
    max_size=12,
).map("".join)


@settings(max_examples=500)
@given(
    st.one_of(TEMPLATES, ANY_TEXT),
    ANY_TEXT,
    st.none() | st.integers(0, 2**31 - 1),
    st.integers(1, 10**9),
)
@example("{slug}" * 40, "湖" * 40, 1, 1)
@example("{seed:020}" * 30 + "x", "", 1, 1)
def test_every_template_gives_one_safe_name_or_an_error(
    template: str, prompt: str, seed: int | None, n: int
) -> None:
    try:
        parsed = NameTemplate.parse(template)
    except UsageError as error:
        assert visible(error.message) == error.message
        return
    request = Request(prompt, "1024*1536", seed, prompt_extend=False)
    name = parsed.render(request, region="singapore", when=WHEN, number=n)
    assert is_one_safe_name(name)
    assert len(name.encode()) <= 200
    assert name.endswith(".png")
    assert name != ".png"


def test_a_rendered_name_can_be_made_on_this_disk(work: Path) -> None:
    name = render("{slug}" * 9, prompt="湖" * 40)
    for k in (1, 2, 12345):
        path = numbered(work / name, k)
        path.write_bytes(b"x")
        assert path.parent == work
    assert len(list(work.iterdir())) == 3


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sweep", "varied"),
    [
        (ONE, DEFAULT_TEMPLATE),
        (Sweep(count=5), DEFAULT_TEMPLATE),
        (Sweep(seeds=(1, 2)), DEFAULT_TEMPLATE),
        (Sweep(sizes=("1:1",)), DEFAULT_TEMPLATE),
        (Sweep(sizes=("1:1", "16:9")), "{date}-{time}-{slug}-{seed}-{size}.png"),
        (Sweep(expand=True), "{date}-{time}-{slug}-{seed}-{n}.png"),
        (
            Sweep(expand=True, sizes=("1:1", "16:9")),
            "{date}-{time}-{slug}-{seed}-{size}-{n}.png",
        ),
    ],
)
def test_the_default_name_says_what_a_sweep_varies(sweep: Sweep, varied: str) -> None:
    assert NameTemplate.parse().varied(sweep).text == varied
    own = NameTemplate.parse("{seed}.png")
    assert own.varied(sweep) is own


def test_the_name_of_a_request_is_made_of_what_is_asked_for() -> None:
    request = Request("A calm lake", size="1280*720", seed=1234, prompt_extend=False)
    template = NameTemplate.parse("{date}-{slug}-{seed}-{size}-{region}-{n}.png")
    expected = "20261009-a-calm-lake-1234-1280x720-beijing-3.png"
    assert template.render(request, region="beijing", number=3, when=WHEN) == expected
    # Without a time it is this one's.
    now = NameTemplate.parse("{date}-{time}.png").render(request, region="beijing")
    assert datetime.strptime(now, "%Y%m%d-%H%M%S.png")  # noqa: DTZ007 - local time


@pytest.mark.parametrize(
    ("name", "k", "expected"),
    [
        ("name.png", 1, "name.png"),
        ("name.png", 2, "name-2.png"),
        ("name.png", 10, "name-10.png"),
        ("v1.2.png", 3, "v1.2-3.png"),
        ("name", 2, "name-2"),
        ("a-2.png", 2, "a-2-2.png"),
    ],
)
def test_numbered(name: str, k: int, expected: str) -> None:
    assert numbered(Path("dir.x") / name, k) == Path("dir.x") / expected


@pytest.mark.parametrize("stem", ["a" * 251, "湖" * 83, "\udcff" * 251])
def test_a_number_never_makes_a_name_too_long(stem: str) -> None:
    path = numbered(Path(f"{stem}.png"), 100)
    assert path.name.endswith("-100.png")
    assert len(os.fsencode(path.name)) <= 255
