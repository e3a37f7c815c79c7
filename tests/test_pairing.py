from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest
from bench_pairing import evenness, from_scratch, newcomer
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from arena.pairing import COSTS, FLOOR, UNEQUAL, Draw, chances, draw_pair
from models.pool import Wait

Pair = tuple[str, str]

READY = dict.fromkeys(combinations(("ant", "bee", "cat", "dog"), 2), Wait.NOT)
DRAWS = 12_000
# One in ten thousand honest draws would fail; the seed makes sure that this one does not.
SUSPICIOUS = 1e-4


def drawn(
    battles: Mapping[Pair, int], seed: int = 1, pairs: Mapping[Pair, Wait] = READY, draws: int = DRAWS
) -> list[Draw]:
    rng = Random(seed)
    return [draw_pair(pairs, battles, {}, rng) for _ in range(draws)]


def unordered(draw: Draw) -> Pair:
    return min(draw.a, draw.b), max(draw.a, draw.b)


def counted(draws: list[Draw]) -> Counter[Pair]:
    return Counter(map(unordered, draws))


class Bent(Random):
    """Always chooses the one of this number, whatever it weighs."""

    def __init__(self, number: int) -> None:
        super().__init__(1)
        self.number = number

    def choices(self, population: Any, *weights: Any, **options: Any) -> list[Any]:
        return [population[self.number]]


def told(
    pairs: Mapping[Pair, Wait], battles: Mapping[Pair, int], ratings: Mapping[str, float] | None = None
) -> dict[Pair, float]:
    """The probability of every pair, as its draw tells it."""
    draws = [draw_pair(pairs, battles, ratings or {}, Bent(number)) for number in range(len(pairs))]
    return {unordered(draw): draw.probability for draw in draws}


# -- what a draw is --------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_battles_all_pairs_are_equally_likely() -> None:
    draws = drawn({})
    counts = counted(draws)
    assert set(counts) == set(READY)
    assert chisquare(list(counts.values())).pvalue > SUSPICIOUS
    assert all(draw.probability == pytest.approx(1 / 6) for draw in draws)


@pytest.mark.slow
def test_the_sides_are_tossed_by_a_fair_coin_for_every_pair() -> None:
    draws = drawn({("ant", "bee"): 7, ("dog", "cat"): 3})
    for pair, count in counted(draws).items():
        first = sum((draw.a, draw.b) == pair for draw in draws)
        assert chisquare([first, count - first]).pvalue > SUSPICIOUS, pair


@pytest.mark.slow
def test_pairs_are_drawn_as_likely_as_the_draws_say() -> None:
    battles = {("ant", "bee"): 2, ("bee", "ant"): 1, ("cat", "dog"): 1, ("dog", "ant"): 9}
    draws = drawn(battles)
    counts, said = counted(draws), told(READY, battles)
    assert all(draw.probability == said[unordered(draw)] for draw in draws)
    assert sum(said.values()) == pytest.approx(1)
    expected = [said[pair] * DRAWS for pair in READY]
    assert chisquare([counts[pair] for pair in READY], expected).pvalue > SUSPICIOUS


def test_without_a_pair_nobody_meets() -> None:
    with pytest.raises(ValueError, match="a battle takes two contestants"):
        draw_pair({}, {}, {}, Random(1))


def test_the_same_seed_draws_the_same() -> None:
    assert drawn({}, draws=100) == drawn({}, draws=100)
    assert drawn({}, draws=100) != drawn({}, seed=2, draws=100)


# -- who comes first -------------------------------------------------------------------------------


def test_a_pair_weighs_less_by_its_battles_and_by_those_of_the_newer_of_the_two() -> None:
    battles = dict.fromkeys([("ant", "cat"), ("cat", "bee"), ("dog", "ant")], 5) | {("bee", "dog"): 4}
    battles |= {("ant", "bee"): 2, ("bee", "ant"): 1}
    fought = {"ant": 13, "bee": 12, "cat": 10, "dog": 9}
    met = {("ant", "bee"): 3, ("ant", "cat"): 5, ("ant", "dog"): 5, ("bee", "cat"): 5, ("bee", "dog"): 4}
    met[("cat", "dog")] = 0
    weights = {(a, b): 1 / (1 + met[a, b]) / (1 + min(fought[a], fought[b])) for a, b in READY}
    rest = (1 - FLOOR) / sum(weights.values())
    assert told(READY, battles) == pytest.approx({pair: FLOOR / 6 + rest * one for pair, one in weights.items()})


def test_pairs_that_were_seldom_compared_catch_up() -> None:
    """A contestant that joins late meets the others until all pairs have met about as often."""
    battles = dict.fromkeys(combinations(("ant", "bee", "cat"), 2), 100)
    rng = Random(5)
    for _ in range(600):
        pair = unordered(draw_pair(READY, battles, {}, rng))
        battles[pair] = battles.get(pair, 0) + 1
    assert len(battles) == 6
    assert min(battles.values()) > 0.7 * max(battles.values())


def test_a_newcomer_comes_first_also_where_most_pairs_have_never_met() -> None:
    """Twenty contestants, each of which met two others: by its pairs alone a newcomer would be one of many."""
    old = [f"old-{number:02}" for number in range(20)]
    battles = {(old[number], old[number - 1]): 20 for number in range(20)}
    pairs = dict.fromkeys(combinations([*old, "newcomer"], 2), Wait.NOT)
    share = sum(chance for pair, chance in told(pairs, battles).items() if "newcomer" in pair)
    assert share > 0.75  # of a uniform draw: 20 of 210


def test_equals_meet_at_most_twice_as_often_as_the_most_unequal() -> None:
    ratings = {"ant": 1300.0, "bee": 1300.0, "cat": 900.0, "dog": -1e9}
    found = told(READY, {}, ratings)
    rest = found["ant", "dog"] - FLOOR / 6
    assert found["ant", "bee"] - FLOOR / 6 == pytest.approx(rest / UNEQUAL)
    # 400 points are ten wins to one: a vote between them tells 4 · 10/11 · 1/11 of what one between equals tells.
    assert found["ant", "cat"] - FLOOR / 6 == pytest.approx(rest / UNEQUAL * (UNEQUAL + (1 - UNEQUAL) * 40 / 121))


def test_who_has_no_rating_is_taken_for_an_equal_of_everybody() -> None:
    found = told(READY, {}, {"ant": 1300, "bee": 900, "cat": 900})
    assert found["ant", "dog"] == found["bee", "dog"] == pytest.approx(found["bee", "cat"])
    assert found["ant", "bee"] < found["ant", "dog"]


def test_only_differences_of_ratings_count_not_who_is_on_top() -> None:
    up = told(READY, {}, {"ant": 1200, "bee": 1100, "cat": 1000, "dog": 700})
    down = told(READY, {}, {"ant": 800, "bee": 900, "cat": 1000, "dog": 1300})
    assert up == pytest.approx(down)


# -- waiting ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_pair_that_must_be_loaded_is_drawn_a_quarter_as_often_and_its_probability_says_so() -> None:
    pairs = {("ant", "bee"): Wait.NOT, ("ant", "cat"): Wait.FOR_LOADING, ("bee", "cat"): Wait.FOR_LOADING}
    draws = drawn({}, pairs=pairs)
    counts = counted(draws)
    assert chisquare([counts[pair] for pair in pairs], [DRAWS * share for share in (2 / 3, 1 / 6, 1 / 6)]).pvalue > 1e-4
    for draw in draws[:200]:
        assert draw.probability == pytest.approx(2 / 3 if {draw.a, draw.b} == {"ant", "bee"} else 1 / 6)


def test_a_pair_that_others_must_end_for_is_drawn_all_the_same_once_it_lags_behind() -> None:
    """In a busy arena whose memory holds two of four models: without this, only these two would ever meet."""
    pairs = dict.fromkeys(READY, Wait.FOR_OTHERS) | {("ant", "bee"): Wait.NOT}
    battles: dict[Pair, int] = {}
    rng = Random(2)
    for _ in range(2000):
        pair = unordered(draw_pair(pairs, battles, {}, rng))
        battles[pair] = battles.get(pair, 0) + 1
    assert battles.keys() == pairs.keys()
    assert battles.pop(("ant", "bee")) > 4 * max(battles.values())


def test_where_every_pair_must_be_loaded_they_are_drawn_as_if_none_had_to_be() -> None:
    away = dict.fromkeys(READY, Wait.FOR_LOADING)
    rngs = Random(3), Random(3)
    for _ in range(100):
        one, other = draw_pair(READY, {}, {}, rngs[0]), draw_pair(away, {}, {}, rngs[1])
        assert (one.a, one.b) == (other.a, other.b)
        assert one.probability == pytest.approx(other.probability)


# -- whatever happened before ----------------------------------------------------------------------

NAMES = "abcdefg"
names = st.lists(st.sampled_from(NAMES), min_size=2, max_size=7, unique=True)
histories = st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), st.integers(0, 10**6))
opinions = st.dictionaries(st.sampled_from(NAMES), st.floats(-1e6, 1e6))
delays = st.lists(st.sampled_from(Wait), min_size=1)


def meetings(ready: list[str], waits: list[Wait]) -> dict[Pair, Wait]:
    return {pair: waits[number % len(waits)] for number, pair in enumerate(combinations(ready, 2))}


@given(names, delays, histories, opinions, st.integers())
def test_nobody_meets_itself_or_somebody_who_is_not_ready(
    ready: list[str], waits: list[Wait], battles: dict[Pair, int], ratings: dict[str, float], seed: int
) -> None:
    draw = draw_pair(meetings(ready, waits), battles, ratings, Random(seed))
    assert draw.a != draw.b
    assert {draw.a, draw.b} <= set(ready)
    assert 0 < draw.probability <= 1 + 1e-9


@given(names, delays, histories, opinions)
def test_probabilities_sum_to_one_and_every_pair_keeps_its_floor(
    ready: list[str], waits: list[Wait], battles: dict[Pair, int], ratings: dict[str, float]
) -> None:
    pairs = meetings(ready, waits)
    found = told(pairs, battles, ratings)
    assert sum(found.values()) == pytest.approx(1)
    by_waiting_alone = {(min(pair), max(pair)): 1 / COSTS[wait] for pair, wait in pairs.items()}
    for pair, share in found.items():
        assert share >= FLOOR * by_waiting_alone[pair] / sum(by_waiting_alone.values()) * (1 - 1e-9)


@given(names, delays, histories, opinions, st.randoms(use_true_random=False))
def test_neither_the_order_of_anything_nor_sides_change_a_probability(
    ready: list[str], waits: list[Wait], battles: dict[Pair, int], ratings: dict[str, float], shuffler: Random
) -> None:
    pairs = meetings(ready, waits)
    turned = [((b, a), wait) for (a, b), wait in pairs.items()]
    past = [((b, a), count) for (a, b), count in battles.items()]
    shuffler.shuffle(turned)
    shuffler.shuffle(past)
    assert told(dict(turned), dict(past), ratings) == pytest.approx(told(pairs, battles, ratings))


sizes = st.integers(1, 12)


@given(st.data(), sizes)
def test_a_pair_is_never_likelier_for_a_battle_more_or_for_being_less_equal(data: st.DataObject, size: int) -> None:
    def column(values: st.SearchStrategy[float]) -> list[float]:
        return data.draw(st.lists(values, min_size=size, max_size=size))

    met, fewest, gaps = (column(st.floats(0, 1e6)), column(st.floats(0, 1e6)), column(st.floats(-2000, 2000)))
    costs = column(st.sampled_from(list(COSTS.values())))
    arrays = [np.array(values) for values in (met, fewest, gaps, costs)]
    before = chances(*arrays)
    for place, change in ((0, 1.0), (1, 1.0), (2, 100 * np.sign(gaps[0] or 1))):
        changed = [values.copy() for values in arrays]
        changed[place][0] += change
        assert chances(*changed)[0] <= before[0] * (1 + 1e-12)


# -- what it is worth: tests/bench/bench_pairing.py has the figures ----------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_newcomer_is_known_after_half_of_the_votes_that_uniform_draws_need(place: float) -> None:
    found = newcomer(place, votes=2000, boards=40)
    assert found.ratio + 3 * found.error < 0.5
    assert 1800 < found.theirs < 3000


@pytest.mark.slow
def test_from_scratch_no_more_votes_are_needed_than_with_uniform_draws() -> None:
    found = from_scratch(votes=300, points=240, boards=1000)
    assert found.ratio + 2 * found.error < 1
    assert from_scratch(votes=500, points=1200, boards=100).ratio < 0.98


def test_no_place_on_the_table_is_favoured() -> None:
    fewest, most = evenness(points=1200, votes=1000, boards=100)
    assert 0.95 < fewest < most < 1.05


# -- weights ---------------------------------------------------------------------------------------


def weighted(weights: Mapping[str, float], battles: Mapping[Pair, int] | None = None) -> dict[Pair, float]:
    places = [pair for pair in READY if all(weights.get(name, 1) for name in pair)]
    draws = [draw_pair(READY, battles or {}, {}, Bent(number), weights) for number in range(len(places))]
    return {unordered(draw): draw.probability for draw in draws}


def test_weights_multiply_the_chances_of_pairs() -> None:
    weights = {"ant": 2.0, "bee": 0.25}
    share = {(a, b): weights.get(a, 1) * weights.get(b, 1) for a, b in READY}
    assert weighted(weights) == pytest.approx({pair: one / sum(share.values()) for pair, one in share.items()})


def test_nobody_of_weight_nothing_is_drawn_and_without_two_others_nobody_is() -> None:
    assert set(weighted({"ant": 0.0})) == {("bee", "cat"), ("bee", "dog"), ("cat", "dog")}
    with pytest.raises(ValueError, match="takes two contestants"):
        draw_pair(READY, {}, {}, Random(1), dict.fromkeys(("ant", "bee", "cat"), 0.0))


def test_all_weights_alike_change_nothing() -> None:
    alike = draw_pair(READY, {}, {}, Random(5), dict.fromkeys(("ant", "bee", "cat", "dog"), 1.0))
    assert alike == draw_pair(READY, {}, {}, Random(5))


@pytest.mark.slow
def test_in_the_long_run_everybody_fights_as_often_as_the_weights_say() -> None:
    weights, rng = {"ant": 3.0, "bee": 0.5}, Random(7)
    battles: Counter[Pair] = Counter()
    for _ in range(6000):
        draw = draw_pair(READY, battles, {}, rng, weights)
        battles[draw.a, draw.b] += 1
    share = {(a, b): weights.get(a, 1) * weights.get(b, 1) for a, b in READY}
    fought, wanted = Counter[str](), Counter[str]()
    for (a, b), times in battles.items():
        fought.update({a: times, b: times})
    for (a, b), one in share.items():
        wanted.update({name: one / sum(share.values()) * 6000 for name in (a, b)})
    assert dict(fought) == pytest.approx(dict(wanted), rel=0.1)
