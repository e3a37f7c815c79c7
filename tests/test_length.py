from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import stdtrit
from verdicts import both, judgment

from arena.judge.bootstrap import Estimate
from arena.judge.joined import compared
from arena.judge.length import length_bias, slope
from arena.ratings.tally import Floats, Integers


def alone(group: Integers) -> Integers:
    """The two contestants of each pair, who meet nobody else."""
    return np.column_stack([2 * group, 2 * group + 1])


ONE_PAIR = alone(np.zeros(60, np.int64))


def test_the_slope_is_where_the_likelihood_is_highest(rng: np.random.Generator) -> None:
    n = 300
    group, x = np.arange(n) % 2, rng.normal(size=n)
    chance = 1 / (1 + np.exp(-(0.8 * x + np.where(group, 0.5, -1.0))))
    points = rng.binomial(1, chance).astype(float)
    points[::10] = 0.5

    def loss(weights: Floats) -> float:
        height = weights[0] * x + weights[1 + group]
        return float((np.logaddexp(0, height) - points * height).sum())

    best = minimize(loss, np.zeros(3), method="BFGS").x
    found = slope(x, points, alone(group), np.arange(n))
    assert found is not None
    assert found.value == pytest.approx(best[0], abs=1e-4)
    assert found.low < 0.8 < found.high


def test_the_slopes_interval_is_the_clustered_sandwichs(rng: np.random.Generator) -> None:
    """One group, clusters of two; the formula written out."""
    n = 60
    x, cluster = rng.normal(size=n), np.arange(n) // 2
    points = rng.binomial(1, 1 / (1 + np.exp(-x))).astype(float)
    found = slope(x, points, ONE_PAIR, cluster)
    assert found is not None
    design = np.column_stack([x, np.ones(n)])

    def loss(intercept: Floats) -> float:
        height = found.value * x + intercept[0] if found else x
        return float((np.logaddexp(0, height) - points * height).sum())

    chance = 1 / (1 + np.exp(-(found.value * x + minimize(loss, [0.0]).x[0])))
    bread = np.linalg.inv(sum(p * (1 - p) * np.outer(row, row) for p, row in zip(chance, design, strict=True)))
    meat = np.zeros((2, 2))
    for one in range(30):
        score = sum((points[i] - chance[i]) * design[i] for i in (2 * one, 2 * one + 1))
        meat += np.outer(score, score)
    error = np.sqrt((bread @ meat @ bread)[0, 0] * 30 / 29)
    assert found.high - found.value == pytest.approx(stdtrit(29, 0.975) * error, rel=1e-3)


def test_verdicts_that_length_explains_wholly_leave_the_slope_open() -> None:
    x = np.repeat([-2.0, -1.0, 1.0, 2.0], 10)
    assert slope(x, (x > 0).astype(float), ONE_PAIR[:40], np.arange(40)) is None


def test_a_contestant_that_always_wins_says_nothing_of_the_slope(rng: np.random.Generator) -> None:
    x, points = rng.normal(size=40), rng.binomial(1, 0.5, 40).astype(float)
    without = slope(x, points, ONE_PAIR[:40], np.arange(40))
    undefeated = np.r_[ONE_PAIR[:40], [[2, 0], [2, 1], [2, 0]]]
    assert without == slope(np.r_[x, 1.0, -1.0, 0.5], np.r_[points, 1, 1, 1], undefeated, np.r_[np.arange(40), 0, 1, 2])
    assert without is not None


def test_many_pairs_that_meet_seldom_do_not_push_the_slope_away_from_0() -> None:
    """Ten contestants, 45 pairs that meet three times each; a strength for each pair makes 0.9 of a slope of 0.5."""
    found = []
    pairs = np.repeat([(a, b) for a in range(10) for b in range(a)], 3, axis=0)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        strength, x = rng.normal(size=10), rng.normal(size=len(pairs))
        chance = 1 / (1 + np.exp(-(0.5 * x + strength[pairs[:, 0]] - strength[pairs[:, 1]])))
        found.append(slope(x, rng.binomial(1, chance).astype(float), pairs, np.arange(len(pairs))))
    assert np.mean([one.value for one in found if one]) == pytest.approx(0.55, abs=0.1)


def test_equal_lengths_one_question_and_few_comparisons_leave_the_slope_open(rng: np.random.Generator) -> None:
    x, points = rng.normal(size=40), rng.binomial(1, 0.5, 40).astype(float)
    one_pair, none = ONE_PAIR[:40], np.zeros(0, np.int64)
    assert slope(np.zeros(40), points, one_pair, np.arange(40)) is None
    assert slope(x, points, one_pair, np.zeros(40, np.int64)) is None
    assert slope(x, points, one_pair, np.arange(40)) is not None
    assert slope(x[:19], points[:19], one_pair[:19], np.arange(19)) is None
    assert slope(np.zeros(0), np.zeros(0), none.reshape(0, 2), none) is None


@pytest.mark.filterwarnings("error")
def test_lengths_that_follow_from_who_meets_leave_the_slope_open(rng: np.random.Generator) -> None:
    """Strength explains as much as length does; what rounding made of that was once told as a slope."""
    points = rng.binomial(1, 0.5, 60).astype(float)
    assert slope(np.full(60, 0.7), points, ONE_PAIR, np.arange(60)) is None
    assert slope(0.7 + 1e-15 * rng.normal(size=60), points, ONE_PAIR, np.arange(60)) is None
    logarithms = np.log2([100, 170, 430])
    three = np.array([(0, 1), (1, 2), (2, 0)] * 20)
    follows = logarithms[three[:, 0]] - logarithms[three[:, 1]]
    assert slope(follows, points, three, np.arange(60)) is None
    assert slope(follows + 0.1 * rng.normal(size=60), points, three, np.arange(60)) is not None


@pytest.mark.filterwarnings("error")
def test_answers_as_long_as_ever_are_told_of_without_a_slope() -> None:
    found = length_bias(compared(both("a b a a b t a b f s " * 4, lengths=[(130, 90)] * 40)))
    assert found is not None
    assert found.longer_wins.of == 40
    assert found.slope is None


@pytest.mark.filterwarnings("error")
def test_verdicts_so_sure_that_nothing_is_left_to_weigh_leave_the_slope_open() -> None:
    x = np.repeat([-13.0, 13.0], 20)
    assert slope(x, (x > 0).astype(float), ONE_PAIR[:40], np.arange(40)) is None


def test_points_of_the_longer_answer_are_counted_by_how_much_longer_it_is() -> None:
    lengths = [(110, 100), (100, 120), (150, 100), (100, 300), (500, 100), (100, 100)]
    found = length_bias(compared(both("a a t b a a", lengths=lengths)))
    assert found is not None
    # Of five that differ: won, lost, half, won, won; the sixth is of equal length.
    assert found.longer_wins.of == 5
    assert found.longer_wins.value == pytest.approx(3.5 / 5)
    assert [(one.low, one.high, one.longer_wins.value) for one in found.bins] == [
        (1, 1.25, 0.5), (1.25, 2, 0.5), (2, None, 1.0),
    ]  # fmt: skip


def test_a_judge_that_prefers_length_is_found_out_and_a_fair_one_is_not(rng: np.random.Generator) -> None:
    lengths = [(int(a), int(b)) for a, b in rng.integers(100, 1000, (80, 2))]
    longer = " ".join(("a" if a > b else "b") if rng.random() < 0.75 else ("b" if a > b else "a") for a, b in lengths)
    fair = " ".join(str(rng.choice(["a", "b"])) for _ in lengths)
    biased, honest = (_slope_of(outcomes, lengths) for outcomes in (longer, fair))
    assert biased.low > 0.3
    assert honest.low < 0 < honest.high


def _slope_of(outcomes: str, lengths: Sequence[tuple[int, int]]) -> Estimate:
    found = length_bias(compared(both(outcomes, lengths=lengths)))
    assert found is not None
    assert found.slope is not None
    return found.slope


def test_empty_answers_and_failures_say_nothing_of_length() -> None:
    rows = [judgment(lengths=(0, 100)), judgment(None, question="2", lengths=(50, 100), failed=True)]
    assert length_bias(compared(rows)) is None
