from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from arena.judge.bootstrap import bootstrapped, ratio, share
from arena.ratings.tally import Floats

Z = float(ndtri(0.975))


def wilson(value: float, n: float) -> tuple[float, float]:
    """As in the textbook: the shares p with |value - p| = z √(p(1 - p)/n)."""
    low, high = sorted(np.roots([1 + Z**2 / n, -(2 * value + Z**2 / n), value**2]).real)
    return float(low), float(high)


# -- ratios --------------------------------------------------------------------------------------


def test_a_ratio_is_that_of_the_sums_and_lies_in_its_interval(rng: np.random.Generator) -> None:
    numerators, denominators = rng.uniform(5, 9, 80), rng.uniform(6, 10, 80)
    found = ratio(numerators, denominators)
    assert found is not None
    assert found.value == pytest.approx(numerators.sum() / denominators.sum())
    assert found.low < found.value < found.high
    assert found.of == 80


def test_an_interval_is_about_as_wide_as_the_delta_method_says(rng: np.random.Generator) -> None:
    numerators, denominators = rng.uniform(5, 9, 400), rng.uniform(6, 10, 400)
    found = ratio(numerators, denominators)
    assert found is not None
    residual = numerators - found.value * denominators
    error = np.sqrt((residual**2).sum()) / denominators.sum()
    assert found.high - found.low == pytest.approx(2 * Z * error, rel=0.05)


def test_few_questions_give_a_wider_interval_than_plain_percentiles(rng: np.random.Generator) -> None:
    scores = rng.uniform(1, 10, 8)
    found = ratio(scores, np.ones(8))
    assert found is not None
    drawn = scores[np.random.default_rng(1).integers(8, size=(20_000, 8))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low < low < high < found.high


def test_the_same_questions_give_the_same_interval_in_any_order(rng: np.random.Generator) -> None:
    scores = rng.integers(1, 10, (2, 50)).astype(float)
    assert ratio(*scores) == ratio(*scores) == ratio(*scores[:, ::-1])


@pytest.mark.parametrize("scores", [([], []), ([8.0], [9.0]), ([1.0, 2.0], [0.0, 0.0])])
def test_there_is_no_interval_of_one_question_nor_of_nothing(scores: tuple[list[float], list[float]]) -> None:
    assert ratio(*scores) is None


def test_draws_of_a_figure_that_does_not_exist_are_left_out() -> None:
    columns = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 2.0]])
    found = bootstrapped(columns, lambda sums: sums[0] / sums[1])
    assert found is not None
    assert found.value == 3
    assert np.isfinite([found.low, found.high]).all()


# -- shares --------------------------------------------------------------------------------------


def test_a_share_of_independent_cases_has_wilsons_interval() -> None:
    cases = np.array([1] * 30 + [0] * 10)
    found = share(cases, np.ones(40))
    assert found is not None
    # Of the variance seen, whose divisor is n - 1.
    assert (found.low, found.high) == pytest.approx(wilson(0.75, 39))


def test_cases_of_one_question_that_always_agree_count_as_one() -> None:
    once = share([1, 0, 1, 1, 0, 1], np.ones(6))
    four_times = share([4, 0, 4, 4, 0, 4], np.full(6, 4))
    assert once is not None
    assert once == four_times


def test_ties_say_more_than_a_coin_but_not_everything() -> None:
    coins, ties = share([1, 0] * 20, np.ones(40)), share([0.5, 0.5, 1, 0] * 10, np.ones(40))
    assert coins is not None
    assert ties is not None
    assert ties.value == coins.value
    assert coins.low < ties.low < 0.5


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_questions_that_all_end_alike_leave_room_for_another_end(value: float) -> None:
    found = share(np.full(20, value), np.ones(20))
    assert found is not None
    assert (found.low, found.high) == pytest.approx(wilson(value, 20), abs=1e-9)
    assert found.high - found.low > 0.1


def test_questions_without_a_case_say_nothing() -> None:
    assert share([], []) is None
    assert share([0.0], [0.0]) is None
    assert share([1, 0, 0], [1, 1, 0]) == share([1, 0], [1, 1])


# -- coverage ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_hold_as_often_as_they_say_of_the_published_scores(
    shared_data: Path, rng: np.random.Generator
) -> None:
    """The module's docstring gives these figures."""
    held: dict[tuple[int, str], list[bool]] = {}
    for path in sorted((shared_data / "vicuna-eval" / "review").glob("*.jsonl")):
        scores = np.array([json.loads(line)["score"] for line in path.read_text(encoding="utf-8").splitlines()])
        points = (np.sign(scores[:, 1] - scores[:, 0]) + 1) / 2
        for n in (20, 80):
            for _ in range(150):
                drawn = rng.integers(80, size=n)
                held.setdefault((n, "ratio"), []).append(ratio_holds(scores, drawn))
                held.setdefault((n, "share"), []).append(share_holds(points, drawn))
    coverage = {name: float(np.mean(cases)) for name, cases in held.items()}
    assert 0.88 < coverage[20, "ratio"] < 0.96
    assert 0.92 < coverage[80, "ratio"] < 0.97
    assert 0.93 < coverage[20, "share"] < 0.98
    assert 0.93 < coverage[80, "share"] < 0.98


def ratio_holds(scores: Floats, drawn: np.ndarray) -> bool:
    found = ratio(scores[drawn, 1], scores[drawn, 0])
    return found is not None and found.low <= scores[:, 1].sum() / scores[:, 0].sum() <= found.high


def share_holds(points: Floats, drawn: np.ndarray) -> bool:
    found = share(points[drawn], np.ones(len(drawn)))
    return found is not None and found.low <= points.mean() <= found.high
