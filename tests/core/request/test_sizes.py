from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zimage_cli.core.request import sizes
from zimage_cli.core.request.sizes import SizeError, dimensions, parse_size, pixels
from zimage_cli.text import visible


def error_of(text: str) -> SizeError:
    with pytest.raises(SizeError) as caught:
        parse_size(text)
    return caught.value


def test_the_recommended_sizes_are_the_33_of_the_reference() -> None:
    assert len(sizes.RECOMMENDED) == 33
    for size in sizes.RECOMMENDED:
        across, down = map(int, size.ratio.split(":"))
        assert size.width * down == size.height * across, size
        assert size.width % 16 == size.height % 16 == 0
        assert sizes.MIN_PIXELS <= size.pixels <= sizes.MAX_PIXELS
        assert parse_size(f"{size.ratio}@{size.tier}") == size.text
    assert len({size.text for size in sizes.RECOMMENDED}) == 33


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1024*1024", "1024*1024"),
        ("1024x768", "1024*768"),
        ("1024X768", "1024*768"),
        ("1024×768", "1024*768"),
        ("  1280*720\n", "1280*720"),
        ("0800*0800", "800*800"),
        ("512*512", "512*512"),
        ("2048*2048", "2048*2048"),
        ("1*262144", "1*262144"),
        ("4194304*1", "4194304*1"),
        ("16:9", "1280*720"),
        ("16:9@1024", "1280*720"),
        ("16:9@1280", "1536*864"),
        ("16:9@1536", "2048*1152"),
        (" 9:21@1536 ", "864*2016"),
        ("square", "1024*1024"),
        ("portrait", "832*1248"),
        ("landscape", "1248*832"),
        ("Landscape", "1248*832"),
        ("square@1536", "1536*1536"),
        ("portrait@1280", "1024*1536"),
        # With white space where people put it.
        ("1920 x 1080", "1920*1080"),
        ("1024\u3000× 768", "1024*768"),
        (" 16 : 9 @ 1536 ", "2048*1152"),
        # As a Chinese keyboard types it.
        ("１０２４＊７６８", "1024*768"),
        ("１０２４ｘ７６８", "1024*768"),
        ("16：9", "1280*720"),
        ("１６：９＠１５３６", "2048*1152"),
        ("ｓｑｕａｒｅ", "1024*1024"),
        ("横图", "1248*832"),
        ("竖图", "832*1248"),
        ("方图", "1024*1024"),
        ("竖图@1536", "1248*1872"),
        ("横图＠1280", "1536*1024"),
        # The lines of a screen.
        ("1080p", "1920*1080"),
        ("720P", "1280*720"),
        ("1440p", "2560*1440"),
        ("480p", "854*480"),
        ("768p", "1366*768"),
        ("１０８０ｐ", "1920*1080"),
    ],
)
def test_every_form_becomes_the_wire_form(text: str, expected: str) -> None:
    assert parse_size(text) == expected
    assert parse_size(expected) == expected
    width, height = dimensions(expected)
    assert expected == f"{width}*{height}"
    assert pixels(expected) == width * height


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        # Too large or too small: the same shape, scaled to the limit.
        ("4096*4096", "2048*2048"),
        ("2048*2049", "2048*2048"),
        ("3000*2000", "2496*1664"),
        ("256*256", "512*512"),
        ("512*511", "512*512"),
        ("320x160", "736*368"),
        ("0*0", "512*512"),
        # So thin that scaling helps nobody: the nearest recommended shape.
        ("1*99999999", "864*2016"),
        ("100*1", "1344*576"),
        # Ratios and tiers.
        ("16:10", "1248*832"),
        ("5:4", "1152*896"),
        ("32:18", "1280*720"),
        ("1:100@1536", "864*2016"),
        ("16:9@2048", "2048*1152"),
        ("square@1200", "1280*1280"),
        ("0:0", "1024*1024"),
        # Almost a size.
        ("1000,1000", "1000*1000"),
        ("１０２４，７６８", "1024*768"),
        ("16：：9", "1280*720"),
        ("²*²", "512*512"),
        ("1536", "1536*1536"),
        ("4k", "2048*1152"),
        ("2K", "2048*1152"),
        ("360p", "688*384"),
        ("2160p", "2720*1536"),
        ("0p", "512*512"),
        ("10800p", "1536*1536"),
        ("横", "1024*1024"),
        ("-1024*1024", "1024*1024"),
        ("portait", "832*1248"),
        ("landscpe", "1248*832"),
        ("1024*768*3", "1024*768"),
        ("", "1024*1024"),
        ("huge", "1024*1024"),
        ("*", "1024*1024"),
    ],
)
def test_a_wrong_size_names_the_nearest_valid_one(text: str, nearest: str) -> None:
    error = error_of(text)
    assert error.nearest == nearest
    assert parse_size(nearest) == nearest
    assert nearest in error.message
    assert str(error.facts["allowed"]) in error.message
    assert error.facts["value"] in error.message
    assert "file name" not in error.message


def test_whole_messages() -> None:
    assert error_of("4096*4096").message == (
        'size: "4096*4096" is 16,777,216 pixels; allowed: 262,144 to 4,194,304 pixels; '
        "nearest valid size: 2048*2048"
    )
    assert error_of("16:9@2048").message == (
        'size: "16:9@2048" has an unknown tier 2048; allowed: 1024, 1280, 1536; '
        "nearest valid size: 16:9@1536 (2048*1152)"
    )
    assert error_of("5:4").message == (
        'size: "5:4" is not a recommended ratio; allowed: 1:1, 2:3, 3:2, 3:4, 4:3, 7:9, 9:7, '
        "9:16, 9:21, 16:9, 21:9, or W*H; nearest valid size: 9:7 (1152*896)"
    )
    assert error_of("2160p").message == (
        'size: "2160p" is 8,294,400 pixels; allowed: 262,144 to 4,194,304 pixels; '
        "nearest valid size: 2720*1536"
    )
    assert error_of("竖图@9").message == (
        'size: "竖图@9" has an unknown tier 9; allowed: 1024, 1280, 1536; '
        "nearest valid size: 2:3 (832*1248)"
    )
    assert error_of("wide").message == (
        'size: "wide" is not a size; allowed: W*H such as 1024*1024 or 1280x720, a ratio such as '
        "16:9 or 16:9@1536, square, portrait or landscape; nearest valid size: 1024*1024"
    )


@pytest.mark.parametrize("name", ["1024-1024.png", "1024_b_1024.jpeg", "notes.md", "dir/x"])
def test_what_looks_like_a_file_name_is_said_to_be_one(name: str) -> None:
    error = error_of(name)
    assert "looks like a file name" in error.message
    assert f"quote it ('{error.nearest}')" in error.message


def test_a_file_without_suffix_is_seen_on_disk(tmp_path: Path) -> None:
    # The fixture `isolation` makes an empty folder the current one.
    assert "file name" not in error_of("1024copy1024").message
    Path("1024copy1024").write_text("")
    assert error_of("1024copy1024").message.endswith(
        "It looks like a file name: the shell puts file names in the place of an unquoted *; "
        "quote it ('1024*1024') or write 1024x1024"
    )


def test_a_decimal_number_is_not_taken_for_a_file_name() -> None:
    assert "file name" not in error_of("1024*768.5").message


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000 + "*1",
        "1x" + "9" * 100_000,
        "9" * 5000 + ":9",
        "16:9@" + "9" * 5000,
        "0" * 5000 + "*" + "0" * 5000,
        "9" * 1_000_000,
        ("9" * 5000 + "*") * 100,
        "9" + " " * 1_000_000 + "x",
        "９" * 1_000_000,
        "横" * 1_000_000 + "@",
    ],
    ids=["wide", "high", "ratio", "tier", "zeros", "digits", "many", "blanks", "full", "han"],
)
def test_numbers_of_any_length_are_an_error_and_fast(text: str) -> None:
    start = time.thread_time()
    error = error_of(text)
    assert time.thread_time() - start < 2
    assert len(error.message) < 600
    parse_size(error.nearest)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("1" * 4000 + "*" + "2" * 4000, "1440*2896"),
        ("3" * 400 + "*" + "2" * 400, "2496*1664"),
        ("3" * 400 + ":" + "2" * 400, "1248*832"),
        ("0" * 999 + "9" * 400 + "*" + "9" * 398, "2016*864"),
    ],
)
def test_numbers_of_any_length_keep_their_proportion(text: str, nearest: str) -> None:
    assert error_of(text).nearest == nearest


def test_leading_zeros_of_any_length_are_fine() -> None:
    assert parse_size("0" * 10_000 + "1024*1024") == "1024*1024"


SIZE_LIKE = st.text(
    alphabet="0123456789*xX×:@ .@-squareportlndcp\u3000０１２４６８９＊ｘ：＠ｐ横竖方图",
    max_size=24,
)
FORMS = st.from_regex(
    r"\s*([0-9０-９]{1,5}\s*[*xX×＊ｘ]\s*[0-9０-９]{1,5}|[0-9]{1,5}[pPｐ]|"
    r"([0-9]{1,2}\s*[:：]\s*[0-9]{1,2}|[横竖方]图)\s*([@＠]\s*1[0-9]{3})?)\s*",
    fullmatch=True,
)


@given(
    st.one_of(st.text(), SIZE_LIKE, FORMS, st.text(st.characters(categories=["Cs", "Cc", "Nd"])))
)
@example("\udcff")
@example("\x00")
@example("²*²")
def test_any_text_is_a_valid_size_or_an_error_with_one(text: str) -> None:
    try:
        size = parse_size(text)
        assert size == "*".join(map(str, dimensions(size)))
    except SizeError as error:
        size = error.nearest
        assert visible(error.message) == error.message
        assert parse_size(size) == size
    assert sizes.MIN_PIXELS <= pixels(size) <= sizes.MAX_PIXELS
    assert size.isascii()


@example(130, 455)
@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_every_pair_within_the_limits_is_kept(width: int, height: int) -> None:
    text = f"{width}*{height}"
    if sizes.MIN_PIXELS <= width * height <= sizes.MAX_PIXELS:
        assert parse_size(text) == text
    else:
        nearest_width, nearest_height = dimensions(error_of(text).nearest)
        if 0.25 <= width / height <= 4:
            assert (nearest_width / nearest_height) / (width / height) == pytest.approx(1, abs=0.05)
