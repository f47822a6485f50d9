"""What one request stands for, and which seeds its pictures are asked for with."""

from __future__ import annotations

from typing import Any

import pytest

from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.jobs import MAX_VARIANTS, variants
from zimage_cli.core.request.request import Request
from zimage_cli.core.request.sweep import ONE, Sweep
from zimage_cli.errors import RequestInvalid, UsageError


def request(prompt: str = "kite", **fields: Any) -> Request:
    defaults = {"size": "512*512", "seed": None, "prompt_extend": False}
    return Request(prompt, **{**defaults, **fields})


def seeds(one: Request, sweep: Sweep, drawn: int = 100) -> list[int | None]:
    return [variant.with_seed(drawn).seed for variant in variants(one, sweep)]


def test_one_request_is_one_picture() -> None:
    (variant,) = variants(request(), ONE)
    assert variant.request == request()
    assert variant.with_seed(7) == request(seed=7)


def test_a_count_goes_up_from_the_seed_that_was_given_or_drawn() -> None:
    sweep = Sweep(count=3)
    assert seeds(request(seed=5), sweep) == [5, 6, 7]
    assert seeds(request(), sweep, drawn=100) == [100, 101, 102]


def test_seeds_begin_again_after_the_largest() -> None:
    sweep = Sweep(count=3)
    assert seeds(request(seed=MAX_SEED - 1), sweep) == [MAX_SEED - 1, MAX_SEED, 0]
    assert seeds(request(), sweep, drawn=MAX_SEED) == [MAX_SEED, 0, 1]


def test_prompt_varies_slowest_then_size_then_seed() -> None:
    sizes, several = ("1024*1024", "1280*720"), (1, 2)
    sweep = Sweep(expand=True, sizes=sizes, seeds=several)
    found = [variant.request for variant in variants(request("{a|b}"), sweep)]
    assert [(one.prompt, one.size, one.seed) for one in found] == [
        (prompt, size, seed) for prompt in ("a", "b") for size in sizes for seed in several
    ]


def test_what_is_not_listed_is_the_request_s_own() -> None:
    (alone,) = variants(request("a", seed=5), Sweep(expand=True))
    assert alone.request == request("a", seed=5)
    (sized,) = variants(request("a", seed=5), Sweep(sizes=("1:1",)))
    assert sized.request == request("a", seed=5, size="1024*1024")


def test_without_expand_the_prompt_is_as_it_stands() -> None:
    for prompt in ("{a|b}", "{", r"\{"):
        found = variants(request(prompt), Sweep(seeds=(1, 2)))
        assert [variant.request.prompt for variant in found] == [prompt, prompt]


def test_a_brace_without_partner_is_refused_before_the_first() -> None:
    with pytest.raises(UsageError, match=r"the \{ at character 3 is not closed"):
        next(variants(request("a {red|blue fox"), Sweep(expand=True)))


def test_a_sweep_without_end_is_begun() -> None:
    sweep = Sweep(expand=True, seeds=range(1, 100_001))
    first = next(variants(request("{a|b}" * 1000), sweep, most=2**1020))
    assert (first.request.prompt, first.request.seed) == ("a" * 1000, 1)


def test_variants_share_the_seed_that_was_drawn() -> None:
    sweep = Sweep(count=2, expand=True, sizes=("512*512", "1024*1024"))
    found = [variant.with_seed(100) for variant in variants(request("{red|blue} kite"), sweep)]
    assert [(one.prompt, one.size, one.seed) for one in found] == [
        ("red kite", "512*512", 100),
        ("red kite", "512*512", 101),
        ("red kite", "1024*1024", 100),
        ("red kite", "1024*1024", 101),
        ("blue kite", "512*512", 100),
        ("blue kite", "512*512", 101),
        ("blue kite", "1024*1024", 100),
        ("blue kite", "1024*1024", 101),
    ]


def test_a_list_of_seeds_wins_over_the_request_s_own_and_each_is_counted_from() -> None:
    assert seeds(request(seed=9), Sweep(seeds=(1, 50))) == [1, 50]
    assert seeds(request(), Sweep(count=2, seeds=(1, 50))) == [1, 2, 50, 51]


def test_without_a_seed_the_variant_itself_has_none() -> None:
    found = [variant.request.seed for variant in variants(request(), Sweep(count=2, no_seed=True))]
    assert found == [None, None]


def test_what_a_request_says_besides_is_kept() -> None:
    one = request("{red|blue} kite", prompt_extend=True)
    assert all(variant.request.prompt_extend for variant in variants(one, Sweep(expand=True)))


@pytest.mark.parametrize(
    ("sweep", "factors"),
    [
        (Sweep(count=11), "11 of each"),
        (
            Sweep(count=2, seeds=(1, 2, 3), sizes=("512*512", "1:1")),
            "2 sizes × 3 seeds × 2 of each",
        ),
        (Sweep(count=3, expand=True), "4 prompts × 3 of each"),
    ],
)
def test_too_many_are_refused_before_the_first(sweep: Sweep, factors: str) -> None:
    one = request("{a|b|c|d}")
    with pytest.raises(UsageError) as caught:
        next(variants(one, sweep, most=10, hint="Fewer."))
    assert caught.value.message.endswith(f"pictures are too many: {factors}; allowed: 10")
    assert caught.value.hint == "Fewer."
    assert len(list(variants(one, sweep, most=12))) in {11, 12}


def test_a_number_that_no_loop_could_count_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="too many"):
        next(variants(request("{a|b}" * 300), Sweep(expand=True)))
    assert MAX_VARIANTS == 1_000_000


def test_a_variant_that_is_no_request_is_an_error_when_its_turn_comes() -> None:
    found = variants(request("{kite| }"), Sweep(expand=True))
    assert next(found).request.prompt == "kite"
    with pytest.raises(RequestInvalid):
        next(found)


def test_only_the_sizes_and_words_and_seeds_multiply() -> None:
    assert not ONE.multiplies
    assert not Sweep(count=5, no_seed=True).multiplies
    assert Sweep(expand=True).multiplies
    assert Sweep(sizes=("1:1",)).multiplies
    assert Sweep(seeds=(0,)).multiplies
