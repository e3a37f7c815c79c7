from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ballots import SIZE, Ballot, ballots, columns, real_votes, repeated, simulated
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.ratings.bradley_terry import Fit, fit
from arena.ratings.swaps import votes_to_swap, votes_to_swap_neighbours
from arena.ratings.tally import count


def lead_after(fitted: Fit, above: int, below: int, votes: int) -> float:
    """How far `above` leads once `below` has won so many more votes against it."""
    more = count(np.full(votes, below), np.full(votes, above), np.ones(votes), len(fitted.component))
    again = fit(fitted.counts + more, fitted.prior)
    return float(again.rating[above] - again.rating[below])


def proven(fitted: Fit, above: int, below: int, votes: int) -> None:
    assert lead_after(fitted, above, below, votes) <= 1e-7
    assert votes == 0 or lead_after(fitted, above, below, votes - 1) > 1e-7


@pytest.mark.parametrize("prior", [0, 0.2])
def test_of_two_contestants_it_takes_the_difference_of_their_wins(prior: float) -> None:
    fitted = repeated((0, 1, 1.0, 30), (0, 1, 0.0, 10), (0, 1, 0.5, 7)).fit(2, prior)
    assert votes_to_swap(fitted, 0, 1) == 20


def test_whoever_is_level_or_ahead_needs_no_vote() -> None:
    fitted = repeated((0, 1, 1.0, 30), (0, 1, 0.0, 10)).fit(2)
    assert votes_to_swap(fitted, 1, 0) == 0
    assert votes_to_swap(fitted, 0, 0) == 0
    assert votes_to_swap(repeated((0, 1, 0.5, 4)).fit(2), 0, 1) == 0


def test_it_can_not_be_said_of_who_can_not_be_compared() -> None:
    fitted = columns([(0, 1, 1.0, 0), (2, 3, 1.0, 0)]).fit(5)
    assert votes_to_swap(fitted, 0, 3) is None
    assert votes_to_swap(fitted, 0, 4) is None
    undefeated = columns([(0, 1, 1.0, 0), (1, 2, 1.0, 0), (2, 1, 1.0, 0)]).fit(3, 0)
    assert votes_to_swap(undefeated, 0, 1) is None


@settings(max_examples=60, deadline=None)
@given(ballots, st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.sampled_from([0, 0.2, 3]))
def test_so_many_votes_swap_two_and_one_less_does_not(
    votes: list[Ballot], above: int, below: int, prior: float
) -> None:
    fitted = columns(votes).fit(prior=prior)
    needed = votes_to_swap(fitted, above, below)
    if needed is None:
        assert np.isnan(fitted.chance[above, below]) or np.isnan(fitted.strength[above])
    elif above != below:
        proven(fitted, above, below, needed)


def test_whoever_never_met_can_be_swapped_too(rng: np.random.Generator) -> None:
    votes = simulated(rng, 8, 2000)
    apart = ~(((votes.a == 0) & (votes.b == 7)) | ((votes.a == 7) & (votes.b == 0)))
    fitted = fit(count(votes.a[apart], votes.b[apart], votes.points[apart], 8))
    needed = votes_to_swap(fitted, 0, 7)
    assert needed is not None
    assert needed > 100
    proven(fitted, 0, 7, needed)


def test_neighbours_of_a_table_of_real_votes(shared_data: Path) -> None:
    votes, names = real_votes(shared_data)
    fitted = votes.fit(len(names))
    order = np.argsort(-fitted.rating).tolist()
    needed = votes_to_swap_neighbours(fitted, order)
    assert len(needed) == len(names) - 1
    for (above, below), number in zip(pairwise(order), needed, strict=True):
        assert number is not None
        proven(fitted, above, below, number)


def test_a_table_of_one_or_none_has_no_neighbours() -> None:
    fitted = columns([]).fit(2)
    assert votes_to_swap_neighbours(fitted, []) == votes_to_swap_neighbours(fitted, [1]) == []
