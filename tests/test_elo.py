from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import evalica
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.ratings.bradley_terry import START
from arena.ratings.elo import elo, spread
from arena.ratings.tally import Codes, Floats

votes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0])), max_size=60)
Vote = tuple[int, int, float]


def columns(rows: list[Vote]) -> tuple[Codes, Codes, Floats]:
    table = np.array(rows, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int16), table[:, 1].astype(np.int16), table[:, 2]


def even(size: int) -> Floats:
    return np.full(size, START)


def simulated(rng: np.random.Generator, count: int, strength: Floats) -> tuple[Codes, Codes, Floats]:
    a = rng.integers(len(strength), size=count)
    b = (a + rng.integers(1, len(strength), size=count)) % len(strength)
    chance = 1 / (1 + 10 ** ((strength[b] - strength[a]) / 400))
    return a, b, (rng.random(count) < chance).astype(np.float64)


# -- elo -----------------------------------------------------------------------------------------


def test_one_vote_between_equals_moves_both_by_half_of_k() -> None:
    assert elo(*columns([(0, 1, 1.0)]), even(3)).tolist() == [1002.0, 998.0, 1000.0]
    assert elo(*columns([(0, 1, 0.5)]), even(2)).tolist() == [1000.0, 1000.0]
    assert elo(*columns([(0, 1, 0.0)]), even(2), k=32).tolist() == [984.0, 1016.0]


def test_a_win_is_worth_what_nobody_expected_of_it() -> None:
    ratings = elo(*columns([(0, 1, 1.0)]), np.array([1000.0, 1400.0]))
    assert ratings[0] == pytest.approx(1000 + 4 * 10 / 11)
    assert ratings[1] == pytest.approx(1400 - 4 * 10 / 11)


def test_elo_of_real_votes_equals_evalicas(shared_data: Path) -> None:
    with (shared_data / "votes-llmfao" / "llmfao.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    left, right = [row["left"] for row in rows], [row["right"] for row in rows]
    points = {"left": 1.0, "right": 0.0, "tie": 0.5}
    winners = {"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    theirs = evalica.elo(left, right, [winners[row["winner"]] for row in rows]).scores
    names = sorted({*left, *right})
    a, b = (np.searchsorted(names, column) for column in (left, right))
    ours = elo(a, b, np.array([points[row["winner"]] for row in rows]), even(len(names)))
    assert (len(rows), len(names)) == (8931, 59)
    assert dict(zip(names, ours.tolist(), strict=True)) == pytest.approx(dict(theirs), abs=1e-9, rel=0)


def test_a_fold_of_many_parts_is_one_fold(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, points = simulated(rng, 1000, np.linspace(1100, 900, 4))
    whole = elo(a, b, points, even(4))
    monkeypatch.setattr("arena.ratings.elo._VOTES_AT_ONCE", 7)
    assert np.array_equal(elo(a, b, points, even(4)), whole)


@given(votes, st.integers(0, 60))
def test_a_fold_can_be_continued(rows: list[Vote], cut: int) -> None:
    start = even(5)
    whole = elo(*columns(rows), start)
    assert np.array_equal(elo(*columns(rows[cut:]), elo(*columns(rows[:cut]), start)), whole)
    assert np.array_equal(start, even(5))


@given(votes, st.permutations(range(5)))
def test_names_and_sides_do_not_matter(rows: list[Vote], codes: list[int]) -> None:
    whole = elo(*columns(rows), even(5))
    renamed = elo(*columns([(codes[a], codes[b], points) for a, b, points in rows]), even(5))
    assert renamed[codes] == pytest.approx(whole)
    turned = [(b, a, 1 - points) for a, b, points in rows if a != b]
    assert elo(*columns(turned), even(5)) == pytest.approx(
        elo(*columns([row for row in rows if row[0] != row[1]]), even(5))
    )


def test_uneven_columns_are_refused() -> None:
    a, b, points = columns([(0, 1, 1.0), (0, 1, 1.0)])
    with pytest.raises(ValueError, match="differ in length"):
        elo(a, b, points[:1], even(2))


# -- spread --------------------------------------------------------------------------------------


def test_the_same_votes_in_other_orders_give_other_rankings(rng: np.random.Generator) -> None:
    a, b, points = simulated(rng, 2000, np.linspace(1060, 940, 8))
    found = spread(a, b, points, 8, orders=100)
    assert found.orders == 100
    assert found.folded == 2000
    assert found.rankings > 5
    assert np.all(found.upper - found.lower > 10)
    calmer = spread(a, b, points, 8, orders=100, level=0.5)
    assert np.all(calmer.upper - calmer.lower < found.upper - found.lower)


def test_a_spread_can_be_repeated_and_its_orders_are_many(rng: np.random.Generator) -> None:
    a, b, points = simulated(rng, 300, np.linspace(1100, 900, 4))
    one, again, other = (spread(a, b, points, 4, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.lower, again.lower)
    assert not np.array_equal(one.lower, other.lower)


def test_who_has_no_votes_has_no_spread() -> None:
    found = spread(*columns([(0, 2, 1.0)]), 4)
    assert np.isnan(found.lower).tolist() == [False, True, False, True]
    assert found.rankings == 1
    nobody = spread(*columns([]), 2)
    assert np.isnan(nobody.upper).all()
    assert nobody.rankings == 1


@pytest.mark.slow
def test_the_last_votes_of_an_order_spread_as_whole_orders_do(rng: np.random.Generator) -> None:
    # 40,000 votes of which 6,000 are folded: 2,000 games each of six contestants.
    a, b, points = simulated(rng, 40_000, np.linspace(1150, 850, 6))
    whole = spread(a, b, points, 6, orders=60, most=len(a))
    capped = spread(a, b, points, 6, orders=60, most=6000)
    assert (whole.folded, capped.folded) == (40_000, 6000)
    width = whole.upper - whole.lower
    # Ends of 60 orders: their quantiles are known to about a tenth of the width each.
    assert np.all(np.abs(capped.lower - whole.lower) < 0.35 * width)
    assert np.all(np.abs(capped.upper - whole.upper) < 0.35 * width)
    assert (capped.upper - capped.lower).mean() == pytest.approx(width.mean(), rel=0.2)


def test_elo_forgets_as_quickly_as_is_said(rng: np.random.Generator) -> None:
    a, b, points = simulated(rng, 400, np.full(2, 1000.0))
    near, far = (elo(a, b, points, np.array([start, 1000.0])) for start in (1000.0, 1001.0))
    # Two that only meet each other: both move, so that their difference is forgotten twice as quickly.
    left = (far[0] - far[1]) - (near[0] - near[1])
    assert left == pytest.approx(math.exp(-2 * 4 * math.log(10) / 400 * 0.25 * 400), rel=0.2)


@pytest.mark.parametrize("wrong", [{"level": 0.0}, {"level": 1.0}, {"orders": 1}])
def test_what_makes_no_spread_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="level must lie"):
        spread(*columns([(0, 1, 1.0)]), 2, **wrong)
