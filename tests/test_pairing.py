from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from arena.pairing import Draw, draw_pair
from models.pool import Wait

READY = dict.fromkeys(combinations(("ant", "bee", "cat", "dog"), 2), Wait.NOT)
DRAWS = 12_000
# One in ten thousand honest draws would fail; the seed makes sure that this one does not.
SUSPICIOUS = 1e-4


def drawn(battles: Mapping[tuple[str, str], int], seed: int = 1) -> list[Draw]:
    rng = Random(seed)
    return [draw_pair(READY, battles, rng) for _ in range(DRAWS)]


def pairs(draws: list[Draw]) -> Counter[tuple[str, str]]:
    return Counter((min(draw.a, draw.b), max(draw.a, draw.b)) for draw in draws)


def test_without_battles_all_pairs_are_equally_likely() -> None:
    counts = pairs(drawn({}))
    assert set(counts) == set(READY)
    assert chisquare(list(counts.values())).pvalue > SUSPICIOUS


def test_the_sides_are_tossed_by_a_fair_coin_for_every_pair() -> None:
    draws = drawn({("ant", "bee"): 7, ("dog", "cat"): 3})
    for pair, count in pairs(draws).items():
        first = sum((draw.a, draw.b) == pair for draw in draws)
        assert chisquare([first, count - first]).pvalue > SUSPICIOUS, pair


def test_pairs_are_drawn_by_the_inverse_of_their_battles_whatever_the_side() -> None:
    battles = {("ant", "bee"): 2, ("bee", "ant"): 1, ("cat", "dog"): 1, ("dog", "ant"): 9}
    weights = {("ant", "bee"): 1 / 4, ("cat", "dog"): 1 / 2, ("ant", "dog"): 1 / 10}
    counts = pairs(drawn(battles))
    expected = [weights.get(pair, 1.0) for pair in READY]
    scale = DRAWS / sum(expected)
    observed = [counts[pair] for pair in READY]
    assert chisquare(observed, [weight * scale for weight in expected]).pvalue > SUSPICIOUS


def test_the_probability_is_that_of_the_unordered_pair() -> None:
    draws = drawn({("ant", "bee"): 5})
    counts = pairs(draws)
    for draw in draws[:200]:
        pair = (min(draw.a, draw.b), max(draw.a, draw.b))
        assert draw.probability == pytest.approx((1 / 6 if pair == ("ant", "bee") else 1) / (5 + 1 / 6))
        assert counts[pair] / DRAWS == pytest.approx(draw.probability, abs=0.02)


def test_pairs_that_were_seldom_compared_catch_up() -> None:
    """A contestant that joins late meets the others until all pairs have met about as often."""
    battles = dict.fromkeys(combinations(("ant", "bee", "cat"), 2), 100)
    rng = Random(5)
    for _ in range(600):
        draw = draw_pair(READY, battles, rng)
        pair = (min(draw.a, draw.b), max(draw.a, draw.b))
        battles[pair] = battles.get(pair, 0) + 1
    assert len(battles) == 6
    assert min(battles.values()) > 0.7 * max(battles.values())


def test_without_a_pair_nobody_meets() -> None:
    with pytest.raises(ValueError, match="a battle takes two contestants"):
        draw_pair({}, {}, Random(1))


def test_a_pair_that_must_be_loaded_is_drawn_a_quarter_as_often_and_its_probability_says_so() -> None:
    pairs = {("ant", "bee"): Wait.NOT, ("ant", "cat"): Wait.FOR_LOADING, ("bee", "cat"): Wait.FOR_LOADING}
    rng = Random(1)
    draws = [draw_pair(pairs, {("bee", "ant"): 1}, rng) for _ in range(DRAWS)]
    counts = {pair: sum({draw.a, draw.b} == set(pair) for draw in draws) for pair in pairs}
    weights = [1 / 2, 1 / 4, 1 / 4]
    assert chisquare(list(counts.values()), [weight * DRAWS for weight in weights]).pvalue > SUSPICIOUS
    for draw in draws[:200]:
        assert draw.probability == pytest.approx(1 / 2 if {draw.a, draw.b} == {"ant", "bee"} else 1 / 4)


def test_a_pair_that_others_must_end_for_is_drawn_all_the_same_once_it_lags_behind() -> None:
    """In a busy arena whose memory holds two of four models: without this, only these two would ever meet."""
    pairs = dict.fromkeys(READY, Wait.FOR_OTHERS) | {("ant", "bee"): Wait.NOT}
    battles: dict[tuple[str, str], int] = {}
    rng = Random(2)
    for _ in range(2000):
        draw = draw_pair(pairs, battles, rng)
        pair = (min(draw.a, draw.b), max(draw.a, draw.b))
        battles[pair] = battles.get(pair, 0) + 1
    assert battles.keys() == pairs.keys()
    assert battles.pop(("ant", "bee")) > 5 * max(battles.values())


def test_where_every_pair_must_be_loaded_they_are_drawn_as_if_none_had_to_be() -> None:
    away = dict.fromkeys(READY, Wait.FOR_LOADING)
    rngs = Random(3), Random(3)
    for _ in range(100):
        one, other = draw_pair(READY, {}, rngs[0]), draw_pair(away, {}, rngs[1])
        assert (one.a, one.b) == (other.a, other.b)
        assert one.probability == pytest.approx(other.probability)


def test_the_same_seed_draws_the_same() -> None:
    assert drawn({})[:100] == drawn({})[:100]
    assert drawn({})[:100] != drawn({}, seed=2)[:100]


names = st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=7, unique=True)
histories = st.dictionaries(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), st.integers(0, 10**6))


@given(ready=names, waits=st.lists(st.sampled_from(Wait), min_size=1), battles=histories, seed=st.integers())
def test_nobody_meets_itself_or_somebody_who_is_not_ready(
    ready: list[str], waits: list[Wait], battles: dict[tuple[str, str], int], seed: int
) -> None:
    pairs = {pair: waits[number % len(waits)] for number, pair in enumerate(combinations(ready, 2))}
    draw = draw_pair(pairs, battles, Random(seed))
    assert draw.a != draw.b
    assert {draw.a, draw.b} <= set(ready)
    assert 0 < draw.probability <= 1
